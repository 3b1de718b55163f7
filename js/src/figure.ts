// Draws a slice: axes, contours, model, colour bar and legend as SVG over the coloured pixels of a canvas.

import { type Coloring, css, inkOn } from "./colormap";
import { svg } from "./dom";
import type { Point } from "./grid";
import { shade, shadeBar } from "./heat";
import { arrange, type Box, type Layout, type Mapping, mapping, textWidth } from "./layout";
import { legend } from "./legend";
import { linesAt, type Pixel, pathOf, placeLabel } from "./lines";
import type { Packet, Scale } from "./packet";
import { cellsPath, hatchings, marksIn } from "./patterns";
import { labelTicks, rootTicks, type TickFormat, tickFormat, ticks } from "./ticks";

export const MODEL_COLOR = "#e3007b";
export const MODEL_DOTS = "0.1 5";
const BAR_NAMES: Record<Scale, string> = { linear: "loss", log: "log₁₀ loss", difference: "loss − L(θ)" };
const MOST_LABELS = 9;

interface Axis {
  values: number[];
  labels: string[];
  format: TickFormat;
}

function axis(values: number[], [low, high]: readonly [number, number], equal = true): Axis {
  const format = tickFormat(low, high);
  return { values, labels: labelTicks(values, format, equal), format };
}

/** All that is decided before anything is drawn. */
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
  const xTicks = axis(ticks(...xs, Math.max(3, Math.min(9, Math.floor(layout.plot.width / 58)))), xs);
  return { packet, layout, map: mapping(layout.plot, xs, ys), colors, showModel, xTicks, yTicks, barTicks };
}

function barAxis({ scale, range }: Packet, height: number): Axis {
  if (!range) return axis([], [0, 0]);
  if (scale === "difference") return axis(rootTicks(...range), range, false);
  return axis(ticks(...range, Math.max(3, Math.min(11, Math.floor(height / 34)))), range);
}

function ends(axis: ArrayLike<number>): [number, number] {
  return [axis[0] as number, axis[axis.length - 1] as number];
}

function longest(axis: Axis): number {
  return Math.max(0, ...axis.labels.map((label) => label.length));
}

/** Paint the colours of the map and of its bar, at the pixels of the screen. */
export function paint(canvas: HTMLCanvasElement, { packet, layout, colors }: Plan, ratio: number): void {
  canvas.width = Math.round(layout.width * ratio);
  canvas.height = Math.round(layout.height * ratio);
  const context = canvas.getContext("2d");
  if (!context || !colors || !packet.range) return;
  const put = (box: Box, shadeBox: (width: number, height: number) => Uint8ClampedArray<ArrayBuffer>): void => {
    const [left, top] = [Math.round(box.x * ratio), Math.round(box.y * ratio)];
    const width = Math.round((box.x + box.width) * ratio) - left;
    const height = Math.round((box.y + box.height) * ratio) - top;
    context.putImageData(new ImageData(shadeBox(width, height), width, height), left, top);
  };
  const range = packet.range;
  put(layout.plot, (width, height) => shade(packet, colors, width, height));
  if (layout.bar) put(layout.bar, (width, height) => shadeBar(colors, range, width, height));
}

/** Draw everything but the colours and the probe. */
export function draw(figure: Plan, prefix: string): SVGElement[] {
  const { packet, layout, map } = figure;
  const marks = marksIn(packet);
  const [lines, labels] = contours(figure);
  const cells = marks.map((mark) =>
    svg("path", { class: "cw-cells", "data-mark": mark, d: cellsPath(packet, mark, map), fill: `url(#${prefix}-${mark})` }),
  );
  return [
    ...(marks.length ? [hatchings(prefix)] : []),
    svg("g", {}, ...cells),
    lines,
    ...(figure.showModel && packet.hasModel ? [model(figure)] : []),
    labels,
    center(figure),
    axes(figure),
    ...(figure.colors && layout.bar ? [bar(figure, figure.colors, layout.bar)] : []),
    legend(figure, prefix, marks),
  ];
}

/** How a contour is drawn: where the difference's sign counts, dashes are below the centre and the thick line is level with it. */
export function lineStyle(scale: Scale, level: number): { "stroke-width": number; "stroke-dasharray"?: string } {
  if (scale !== "difference" || level > 0) return { "stroke-width": 1 };
  return level === 0 ? { "stroke-width": 2.4 } : { "stroke-width": 1.2, "stroke-dasharray": "5 3" };
}

function contours({ packet, layout, map, colors, barTicks }: Plan): [SVGElement, SVGElement] {
  const group = svg("g", { class: "cw-contours", fill: "none", "stroke-linejoin": "round" });
  if (!colors) return [group, svg("g")];
  const labels = labelTicks(Array.from(packet.levels), barTicks.format);
  const every = Math.max(1, Math.ceil(packet.levels.length / MOST_LABELS));
  const anchor = packet.scale === "difference" ? Math.max(0, packet.levels.indexOf(0)) : 0;
  const taken: Pixel[] = [[map.x(0), map.y(0)]];
  const texts: SVGElement[] = [];
  packet.levels.forEach((level, index) => {
    const lines = linesAt(packet.contours, index, map);
    if (!lines.length) return;
    const color = colors.rgb(level);
    const ink = inkOn(color);
    group.append(
      svg("path", {
        d: pathOf(lines),
        stroke: ink,
        "stroke-opacity": level === 0 && packet.scale === "difference" ? 0.95 : 0.62,
        "data-level": level,
        ...lineStyle(packet.scale, level),
      }),
    );
    if ((index - anchor) % every) return;
    const label = placeLabel(labels[index] ?? "", lines, layout.plot, layout.font - 1, taken);
    if (!label) return;
    taken.push([label.x, label.y]);
    const place = `translate(${label.x.toFixed(1)} ${label.y.toFixed(1)}) rotate(${label.angle.toFixed(1)})`;
    // A rim in the colour of the ground opens a gap in the line.
    texts.push(
      svg(
        "text",
        {
          class: "cw-level",
          transform: place,
          "text-anchor": "middle",
          dy: "0.34em",
          "font-size": layout.font - 1,
          fill: ink,
          stroke: css(color),
          "stroke-width": 4,
          "stroke-linejoin": "round",
          "paint-order": "stroke",
        },
        label.text,
      ),
    );
  });
  return [group, svg("g", { class: "cw-levels" }, ...texts)];
}

/** Contours of the quadratic model: dots with a white rim, which are seen on every colour. */
function model({ packet, map }: Plan): SVGElement {
  const d = Array.from(packet.levels, (_, index) => pathOf(linesAt(packet.model, index, map))).join("");
  const dots = { d, "stroke-dasharray": MODEL_DOTS, "stroke-linecap": "round" };
  return svg(
    "g",
    { class: "cw-model", fill: "none" },
    svg("path", { ...dots, stroke: "#fff", "stroke-width": 3.6 }),
    svg("path", { ...dots, stroke: MODEL_COLOR, "stroke-width": 2.4 }),
  );
}

/** The model's own place θ, marked so that the probe may leave it. */
function center({ layout, map }: Plan): SVGElement {
  const [x, y] = [map.x(0), map.y(0)];
  const cross = { d: `M${x - 5} ${y}H${x + 5}M${x} ${y - 5}V${y + 5}`, fill: "none", "stroke-linecap": "round" };
  return svg(
    "g",
    { class: "cw-center" },
    svg("path", { ...cross, stroke: "#fff", "stroke-width": 3.6 }),
    svg("path", { ...cross, stroke: "#000", "stroke-width": 1.6 }),
    svg(
      "text",
      {
        x: x + 7,
        y: y + layout.font + 1,
        "font-size": layout.font + 1,
        "font-style": "italic",
        fill: "#000",
        stroke: "#fff",
        "stroke-width": 3,
        "stroke-linejoin": "round",
        "paint-order": "stroke",
      },
      "θ",
    ),
  );
}

function axes(figure: Plan): SVGElement {
  const { packet, layout, map, xTicks, yTicks } = figure;
  const { plot, font } = layout;
  const [bottom, right] = [plot.y + plot.height, plot.x + plot.width];
  const strokes = [
    ...xTicks.values.map((value) => `M${map.x(value).toFixed(1)} ${bottom}v5`),
    ...yTicks.values.map((value) => `M${plot.x} ${map.y(value).toFixed(1)}h-5`),
  ].join("");
  const group = svg("g", { class: "cw-axes", "font-size": font, fill: "currentColor" });
  group.append(
    svg("path", {
      d: `M${plot.x} ${plot.y}H${right}V${bottom}H${plot.x}Z${strokes}`,
      fill: "none",
      stroke: "currentColor",
      "stroke-width": 1,
    }),
    ...xTicks.values.map((value, index) =>
      svg(
        "text",
        { x: map.x(value).toFixed(1), y: bottom + 7 + 0.75 * font, "text-anchor": "middle" },
        xTicks.labels[index] ?? "",
      ),
    ),
    ...yTicks.values.map((value, index) =>
      svg("text", { x: plot.x - 8, y: map.y(value).toFixed(1), dy: "0.34em", "text-anchor": "end" }, yTicks.labels[index] ?? ""),
    ),
    named(packet.labels[0], xTicks.format.text, plot.width, font, {
      x: plot.x + plot.width / 2,
      y: layout.nameY,
      "text-anchor": "middle",
    }),
    named(packet.labels[1], yTicks.format.text, plot.height, font, {
      transform: upwards(layout.nameX, plot),
      dy: "0.34em",
      "text-anchor": "middle",
    }),
  );
  return group;
}

function upwards(x: number, box: Box): string {
  return `translate(${x.toFixed(1)} ${box.y + box.height / 2}) rotate(-90)`;
}

/** An axis' name with its unit, as much of it as there is room for; a tooltip has the rest. */
function named(label: string, factor: string, room: number, font: number, place: Record<string, string | number>): SVGElement {
  const unit = "units of the direction";
  const full = `${label} (${factor ? `${factor} ` : ""}${unit})`;
  const short = factor ? `${label} (${factor})` : label;
  const fits = (text: string): boolean => textWidth(text.length, 0.95 * font) <= room + 24;
  const most = Math.max(4, Math.floor((room + 24) / textWidth(1, 0.95 * font)));
  const shown = fits(full) ? full : fits(short) ? short : `${label.slice(0, most - 1 - factor.length)}…${factor}`;
  return svg("text", { class: "cw-axis-name", ...place }, shown, svg("title", {}, full));
}

function bar({ packet, layout, barTicks }: Plan, colors: Coloring, box: Box): SVGElement {
  const [low, high] = packet.range ?? [0, 0];
  const [from, to] = [colors.position(low), colors.position(high)];
  const y = (value: number): number => box.y + box.height * (to > from ? (to - colors.position(value)) / (to - from) : 0.5);
  const edge = box.x + box.width;
  const group = svg("g", { class: "cw-bar", "font-size": layout.font, fill: "currentColor" });
  packet.levels.forEach((level) => {
    group.append(
      svg("path", {
        d: `M${box.x} ${y(level).toFixed(1)}h${box.width}`,
        stroke: inkOn(colors.rgb(level)),
        "stroke-opacity": 0.55,
        "stroke-width": level === 0 && packet.scale === "difference" ? 2.4 : 1,
      }),
    );
  });
  group.append(
    svg("rect", {
      x: box.x,
      y: box.y,
      width: box.width,
      height: box.height,
      fill: "none",
      stroke: "currentColor",
      "stroke-width": 1,
    }),
  );
  // Where ticks would touch, the one that comes first stands: zero, then the largest (`rootTicks`).
  const kept: number[] = [];
  for (const [index, value] of barTicks.values.entries()) {
    const at = y(value);
    if (kept.some((other) => Math.abs(other - at) < 1.3 * layout.font)) continue;
    kept.push(at);
    group.append(
      svg("path", { d: `M${edge} ${at.toFixed(1)}h4`, stroke: "currentColor", "stroke-width": 1 }),
      svg("text", { x: edge + 7, y: at.toFixed(1), dy: "0.34em" }, barTicks.labels[index] ?? ""),
    );
  }
  const name = BAR_NAMES[packet.scale] + (barTicks.format.text ? ` (${barTicks.format.text})` : "");
  group.append(
    svg("text", { class: "cw-bar-name", transform: upwards(layout.barNameX, box), dy: "0.34em", "text-anchor": "middle" }, name),
  );
  return group;
}

/** The probe: a ring with a cross through the whole map; nothing where it stands outside. */
export function probeMark({ layout, map }: Plan, [px, py]: Point, inside: boolean): SVGElement {
  const group = svg("g", { class: "cw-probe", "pointer-events": "none" });
  if (!inside) return group;
  const { plot } = layout;
  const [x, y] = [map.x(px), map.y(py)];
  const hair = {
    d: `M${plot.x} ${y}H${x - 8}M${x + 8} ${y}H${plot.x + plot.width}M${x} ${plot.y}V${y - 8}M${x} ${y + 8}V${plot.y + plot.height}`,
    fill: "none",
  };
  group.append(
    svg("path", { ...hair, stroke: "#fff", "stroke-width": 2.4, "stroke-opacity": 0.45 }),
    svg("path", { ...hair, stroke: "#000", "stroke-width": 1, "stroke-opacity": 0.6 }),
    svg("circle", { cx: x, cy: y, r: 7, fill: "none", stroke: "#fff", "stroke-width": 4.6 }),
    svg("circle", { cx: x, cy: y, r: 7, fill: "none", stroke: "#000", "stroke-width": 2 }),
    svg("circle", { cx: x, cy: y, r: 1.6, fill: "#000", stroke: "#fff", "stroke-width": 1 }),
  );
  return group;
}
