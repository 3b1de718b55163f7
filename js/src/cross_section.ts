// The cross-section of a slice through the probe, with the parabolas of its own and of the mean curvature.

import { sample } from "./grid";
import type { Packet } from "./packet";
import type { Line, Plot } from "./plot";
import { formatNumber, labelTicks, logTicks, type TickFormat, tickFormat, ticks } from "./ticks";

/** Loss, slope and curvature along two directions, and what the mean curvature would make of them. */
export interface Model {
  loss: number;
  gradient: [number, number];
  matrix: [[number, number], [number, number]];
  gram: [[number, number], [number, number]];
  /** tr(H)/N and its standard error; null where it is not known. */
  mean: [number, number] | null;
}

const POINTS = 121;
const MOST_LETTERS = 8; // beside the vertical axis
const BLUE = "#1f83c4";
const ORANGE = "#e0700f";
const INK = "var(--cw-fg)";

export function quadratic(model: Model, matrix: Model["matrix"], [x, y]: [number, number]): number {
  const [[a, b], [c, d]] = matrix;
  return model.loss + model.gradient[0] * x + model.gradient[1] * y + 0.5 * (a * x * x + (b + c) * x * y + d * y * y);
}

export function crossSection(packet: Packet, model: Model | null, probe: [number, number], axis: 0 | 1): Plot {
  const along = axis === 0 ? packet.x : packet.y;
  const first = along[0] as number;
  const last = along[along.length - 1] as number;
  const at = (coordinate: number): [number, number] => (axis === 0 ? [coordinate, probe[1]] : [probe[0], coordinate]);
  const steps = Array.from({ length: POINTS }, (_, index) => first + ((last - first) * index) / (POINTS - 1));
  const losses = steps.map((step) => sample(packet, at(step)).loss);
  // As the live profiles do: where the map shows logarithms, so does the axis; a loss that has none is left out.
  const log = packet.scale === "log";
  const drawn = (loss: number): number => (log ? Math.log10(loss) : loss);
  const finite = losses.map(drawn).filter(Number.isFinite);
  const least = Math.min(...finite);
  const most = Math.max(...finite);
  const room = 0.08 * (most - least) || 0.05 * (log ? 1 : Math.abs(most)) || 1;
  const [low, high] = finite.length ? [least - room, most + room] : [0, 1];
  const shareX = (value: number): number => (value - first) / (last - first);
  const shareY = (loss: number): number | null => {
    const value = drawn(loss);
    return Number.isFinite(value) ? (value - low) / (high - low) : null;
  };
  const line = (values: number[], color: string, dash: string): Line => ({
    kind: "line",
    x: steps.map(shareX),
    y: values.map(shareY),
    color,
    dash,
    width: 2.4,
    fill: "none",
    opacity: 1,
  });
  const parabola = (matrix: Model["matrix"]): number[] => (model ? steps.map((step) => quadratic(model, matrix, at(step))) : []);
  const times = (factor: number): Model["matrix"] =>
    (model as Model).gram.map((row) => row.map((value) => factor * value)) as Model["matrix"];
  const marks: Plot["marks"] = [];
  if (model?.mean) {
    const [mean, error] = model.mean;
    const upper = parabola(times(mean + error));
    const lower = parabola(times(mean - error));
    marks.push({
      ...line([...upper, ...lower.reverse()], ORANGE, "none"),
      x: [...steps, ...[...steps].reverse()].map(shareX),
      width: 0,
      fill: ORANGE,
      opacity: 0.25,
    });
    marks.push(line(parabola(times(mean)), ORANGE, "7,3,2,3"));
  }
  if (model) marks.push(line(parabola(model.matrix), BLUE, "6,4"));
  marks.push(line(losses, INK, "none"));
  const position = probe[axis];
  const height = shareY(sample(packet, probe).loss);
  marks.push({ ...line([], "var(--cw-line)", "none"), x: [shareX(position), shareX(position)], y: [0, 1], width: 1.5 });
  if (height !== null)
    marks.push({ kind: "points", marker: "circle", x: [shareX(position)], y: [height], color: INK, radius: 4.7, hollow: false });
  const center = shareY(packet.center);
  if (probe[1 - axis] === 0 && center !== null) {
    marks.push({
      kind: "points",
      marker: "circle",
      x: [shareX(0)],
      y: [center],
      color: INK,
      radius: 5.3,
      hollow: true,
    });
  }
  const across = labelled(ticks(first, last, 5), tickFormat(first, last));
  const up = labelled(ticks(low, high, 5), tickFormat(low, high));
  return {
    marks,
    xTicks: across.ticks.map(([value, text]) => [shareX(value), text]),
    yTicks: log
      ? logTicks(low, high).map((loss, _, all) => [shareY(loss) as number, formatNumber(loss, digitsOf(all))])
      : up.ticks.map(([loss, text]) => [shareY(loss) as number, text]),
    xName: `${packet.labels[axis]} (${across.left ? `${across.left} ` : ""}units of the direction)`,
    yName: log ? "loss (log scale)" : up.left ? `loss (${up.left})` : "loss",
  };
}

/** Labels with the same decimals, and what they all leave out: no offset where they are short enough without. */
function labelled(values: number[], format: TickFormat): { ticks: [number, string][]; left: string } {
  const whole = labelTicks(values, { shift: 0, offset: 0, text: "" });
  const fit = format.offset && new Set(whole).size === whole.length && whole.every((label) => label.length <= MOST_LETTERS);
  const labels = fit ? whole : labelTicks(values, format);
  return { ticks: values.map((value, index) => [value, labels[index] as string]), left: fit ? "" : format.text };
}

/** How many significant digits round numbers have, at most four. */
function digitsOf(values: number[]): number {
  return [1, 2, 3].find((digits) => values.every((value) => Number(value.toPrecision(digits)) === value)) ?? 4;
}
