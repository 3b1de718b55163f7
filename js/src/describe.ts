// What a map says in words: to people who look at its numbers, and to those who cannot see it.

import { contains, type Point, sample } from "./grid";
import { lossOf, Mark, type Packet } from "./packet";
import { formatCoordinate, formatNumber, formatUncertain } from "./ticks";

function lengths(packet: Packet): [number, number] {
  return [
    (packet.x[packet.x.length - 1] as number) - (packet.x[0] as number),
    (packet.y[packet.y.length - 1] as number) - (packet.y[0] as number),
  ];
}

export function describePoint(packet: Packet, point: Point): string {
  const [width, height] = lengths(packet);
  return `(${formatCoordinate(point[0], width)}, ${formatCoordinate(point[1], height)})`;
}

/** As many digits as tell apart what varies over the map. */
function digitsOf({ range, center }: Packet): number {
  const span = range ? range[1] - range[0] : 0;
  const extra = span > 0 && Number.isFinite(center) ? Math.ceil(Math.log10(Math.abs(center) / span)) : 0;
  return Math.min(12, Math.max(4, 4 + extra));
}

/** The loss at a point with its error where it has one, and its difference from the centre where that is what the colours show. */
export function describeLoss(packet: Packet, point: Point): string {
  if (!contains(packet, point)) return "outside the map";
  const { mark, loss, shown } = sample(packet, point);
  if (mark === Mark.NoLogarithm) return `${formatNumber(loss)} (no logarithm)`;
  const digits = packet.scale === "log" ? 4 : digitsOf(packet);
  const said = formatUncertain(loss, mark === Mark.Finite ? packet.error : 0, digits);
  if (mark !== Mark.Finite || packet.scale !== "difference") return said;
  return `${said} (${shown > 0 ? "+" : ""}${formatNumber(shown, 3)})`;
}

/** The map in a sentence or two. */
export function describeMap(packet: Packet | null, title: string, caption = ""): string {
  const name = title || "Loss map";
  if (!packet) return `${name}: no slice yet.`;
  const [first, second] = packet.labels;
  const end = (axis: ArrayLike<number>): string => formatNumber(axis[axis.length - 1] as number, 3);
  const where = `loss over ${first}, ±${end(packet.x)} across, and ${second}, ±${end(packet.y)} upwards`;
  const numbers = packet.range
    ? `Smallest loss ${formatNumber(lossOf(packet, packet.range[0]))}, largest ${formatNumber(lossOf(packet, packet.range[1]))}, ${formatNumber(packet.center)} at the centre.`
    : "No loss on it is a finite number.";
  const missing = Array.from(packet.marks).filter((mark) => mark !== Mark.Finite).length;
  const marked = missing ? ` ${missing} of ${packet.marks.length} grid points hold no number that can be drawn.` : "";
  const said = caption ? ` ${caption[0]?.toUpperCase()}${caption.slice(1)}.` : "";
  return `${name}: ${where}. ${numbers}${marked}${said} Arrow keys move the probe, with shift in larger steps; Home returns to the centre, Enter picks the point.`;
}
