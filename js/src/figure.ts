// Draws a slice: axes, contours, model, colour bar and legend as SVG over the coloured pixels of a canvas.

import { axes, bar } from "./axes";
import { contours, model } from "./contours";
import { svg } from "./dom";
import type { Point } from "./grid";
import { shade, shadeBar } from "./heat";
import type { Box } from "./layout";
import { legend } from "./legend";
import { cellsPath, hatchings, marksIn } from "./patterns";
import type { Plan } from "./plan";

/** Paint the colours of the map and of its bar, at the pixels of the screen. */
export function paint(canvas: HTMLCanvasElement, { packet, layout, colors }: Plan, ratio: number): void {
  canvas.width = Math.round(layout.width * ratio);
  canvas.height = Math.round(layout.height * ratio);
  const context = canvas.getContext("2d");
  if (!context || !colors || !packet.limits) return;
  const put = (box: Box, shadeBox: (width: number, height: number) => Uint8ClampedArray<ArrayBuffer>): void => {
    const [left, top] = [Math.round(box.x * ratio), Math.round(box.y * ratio)];
    const width = Math.round((box.x + box.width) * ratio) - left;
    const height = Math.round((box.y + box.height) * ratio) - top;
    context.putImageData(new ImageData(shadeBox(width, height), width, height), left, top);
  };
  const limits = packet.limits;
  put(layout.plot, (width, height) => shade(packet, colors, width, height));
  if (layout.bar) put(layout.bar, (width, height) => shadeBar(colors, limits, width, height));
}

/** Draw everything but the colours, the markers and the probe; no contour's number stands where there are markers. */
export function draw(figure: Plan, prefix: string, marked: readonly Box[]): SVGElement[] {
  const { packet, layout, map } = figure;
  const marks = marksIn(packet);
  const [lines, labels] = contours(figure, marked);
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
