// The contours of the loss and those of its quadratic model.

import { css, inkOn } from "./colormap";
import { svg } from "./dom";
import type { Box } from "./layout";
import { linesAt, type Pixel, pathOf, placeLabel } from "./lines";
import type { Scale } from "./packet";
import type { Plan } from "./plan";
import { labelTicks } from "./ticks";

export const MODEL_COLOR = "#e3007b";
export const MODEL_DOTS = "0.1 5";
const MOST_LABELS = 9;

/** How a contour is drawn: where the difference's sign counts, dashes are below the centre and the thick line is level with it. */
export function lineStyle(scale: Scale, level: number): { "stroke-width": number; "stroke-dasharray"?: string } {
  if (scale !== "difference" || level > 0) return { "stroke-width": 1 };
  return level === 0 ? { "stroke-width": 2.4 } : { "stroke-width": 1.2, "stroke-dasharray": "5 3" };
}

/** The lines, and their labels, which go on top of all other lines but keep clear of boxes that hold something else. */
export function contours({ packet, layout, map, colors, barTicks }: Plan, boxes: readonly Box[]): [SVGElement, SVGElement] {
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
    const label = placeLabel(labels[index] ?? "", lines, layout.plot, layout.font, taken, boxes);
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
          "font-size": layout.font,
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
export function model({ packet, map }: Plan): SVGElement {
  const d = Array.from(packet.levels, (_, index) => pathOf(linesAt(packet.model, index, map))).join("");
  const dots = { d, "stroke-dasharray": MODEL_DOTS, "stroke-linecap": "round" };
  return svg(
    "g",
    { class: "cw-model", fill: "none" },
    svg("path", { ...dots, stroke: "#fff", "stroke-width": 3.6 }),
    svg("path", { ...dots, stroke: MODEL_COLOR, "stroke-width": 2.4 }),
  );
}
