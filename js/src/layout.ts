// Where the parts of a map lie in the space it is given.

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Whether two boxes overlap. */
export function meet(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

export interface Layout {
  width: number;
  height: number;
  font: number;
  plot: Box;
  /** The colour bar; null where nothing has a colour. */
  bar: Box | null;
  /** Baselines: of the horizontal axis' name, of the legend's row. */
  nameY: number;
  legendY: number;
  /** Middle of the vertical axis' and of the colour bar's name, which run upwards. */
  nameX: number;
  barNameX: number;
}

export interface Needs {
  width: number;
  height: number;
  /** Longest text beside the vertical axis and beside the colour bar, in characters. */
  yTickLength: number;
  barTickLength: number;
  hasBar: boolean;
  hasLegend: boolean;
}

const BAR_WIDTH = 14;
const BAR_GAP = 12;
const MOST_OBLONG = 1.45;

/** Rough width of a text: enough to leave room for it, without asking a browser. */
export function textWidth(length: number, font: number): number {
  return 0.62 * font * length;
}

export function arrange(needs: Needs): Layout {
  const { width, height } = needs;
  const font = width >= 520 && height >= 400 ? 14 : 13;
  const line = font + 5;
  const left = line + textWidth(needs.yTickLength, font) + 8;
  const right = needs.hasBar ? BAR_GAP + BAR_WIDTH + 8 + textWidth(needs.barTickLength, font) + line : 12;
  const bottom = 2 * line + 6 + (needs.hasLegend ? line + 8 : 0);
  const top = font / 2 + 2;
  const free = { width: Math.max(40, width - left - right), height: Math.max(40, height - top - bottom) };
  const plotWidth = Math.round(Math.min(free.width, MOST_OBLONG * free.height));
  const plotHeight = Math.round(Math.min(free.height, MOST_OBLONG * free.width));
  const x = Math.round(left + (free.width - plotWidth) / 2);
  const y = Math.round(top + (free.height - plotHeight) / 2);
  const barX = x + plotWidth + BAR_GAP;
  const under = y + plotHeight + line + 2;
  return {
    width,
    height,
    font,
    plot: { x, y, width: plotWidth, height: plotHeight },
    bar: needs.hasBar ? { x: barX, y, width: BAR_WIDTH, height: plotHeight } : null,
    nameY: under + line - 2,
    legendY: under + 2 * line + 2,
    nameX: x - textWidth(needs.yTickLength, font) - 12 - font / 2,
    barNameX: barX + BAR_WIDTH + 10 + textWidth(needs.barTickLength, font) + font / 2,
  };
}

/** A coordinate's place on the screen, and back. */
export interface Mapping {
  x(value: number): number;
  y(value: number): number;
  toData(x: number, y: number): [number, number];
}

export function mapping(plot: Box, xs: readonly [number, number], ys: readonly [number, number]): Mapping {
  const [left, right] = xs;
  const [bottom, top] = ys;
  return {
    x: (value) => plot.x + (plot.width * (value - left)) / (right - left),
    y: (value) => plot.y + (plot.height * (top - value)) / (top - bottom),
    toData: (x, y) => [left + ((x - plot.x) / plot.width) * (right - left), top - ((y - plot.y) / plot.height) * (top - bottom)],
  };
}
