// All that is decided before a map is drawn: its scales, ticks, colours and where each part lies.

import type { Coloring } from "./colormap";
import { arrange, type Layout, type Mapping, mapping, textWidth } from "./layout";
import type { Packet } from "./packet";
import { marksIn } from "./patterns";
import { labelTicks, rootTicks, type TickFormat, tickFormat, ticks } from "./ticks";

export interface Axis {
  values: number[];
  labels: string[];
  format: TickFormat;
}

function axis(values: number[], [low, high]: readonly [number, number], equal = true): Axis {
  const format = tickFormat(low, high);
  return { values, labels: labelTicks(values, format, equal), format };
}

export interface Plan {
  packet: Packet;
  layout: Layout;
  map: Mapping;
  colors: Coloring | null;
  showModel: boolean;
  xTicks: Axis;
  yTicks: Axis;
  barTicks: Axis;
}

export function plan(
  packet: Packet,
  width: number,
  height: number,
  showModel: boolean,
  colorsOf: (packet: Packet) => Coloring | null,
): Plan {
  const colors = colorsOf(packet);
  const xs = ends(packet.x);
  const ys = ends(packet.y);
  const yTicks = axis(ticks(...ys, Math.max(3, Math.min(9, Math.floor(height / 44)))), ys);
  const barTicks = barAxis(packet, height);
  const layout = arrange({
    width,
    height,
    yTickLength: longest(yTicks),
    barTickLength: longest(barTicks),
    hasBar: colors !== null,
    hasLegend: packet.scale === "difference" || (showModel && packet.hasModel) || marksIn(packet).length > 0,
  });
  const xTicks = fitting(xs, layout.plot.width, layout.font);
  return { packet, layout, map: mapping(layout.plot, xs, ys), colors, showModel, xTicks, yTicks, barTicks };
}

/** As many ticks as there is room for between their labels. */
function fitting(range: readonly [number, number], room: number, font: number): Axis {
  const [low, high] = range;
  for (let count = 9; ; count--) {
    const found = axis(ticks(low, high, count), range);
    const [first = low, second = high] = found.values;
    if (count === 3 || textWidth(longest(found), font) + 6 <= (room * (second - first)) / (high - low)) return found;
  }
}

function barAxis({ scale, limits }: Packet, height: number): Axis {
  if (!limits) return axis([], [0, 0]);
  if (scale === "difference") return axis(rootTicks(...limits), limits, false);
  return axis(ticks(...limits, Math.max(3, Math.min(11, Math.floor(height / 34)))), limits);
}

function ends(axis: ArrayLike<number>): [number, number] {
  return [axis[0] as number, axis[axis.length - 1] as number];
}

function longest(axis: Axis): number {
  return Math.max(0, ...axis.labels.map((label) => label.length));
}
