// Points of the slice that have a name: a way through it, such as a training run, and single spots, such as other minima.

import { svg } from "./dom";
import type { Plan } from "./plan";

/** Coordinates in units of the directions, and what stands beside the point; nothing where that is empty. */
export type Named = [number, number, string];

/** Draw a way from point to point, its last one as a square, and spots as triangles; what lies outside of the map is cut off. */
export function markers({ layout, map }: Plan, prefix: string, way: Named[], spots: Named[]): SVGElement {
  const { plot, font } = layout;
  const group = svg("g", { class: "cw-markers", "clip-path": `url(#${prefix}-clip)` });
  if (!way.length && !spots.length) return group;
  const { x, y, width, height } = plot;
  group.append(svg("clipPath", { id: `${prefix}-clip` }, svg("rect", { x, y, width, height })));
  const at = ([a, b]: Named): [number, number] => [map.x(a), map.y(b)];
  if (way.length > 1) {
    const line = { d: `M${way.map((point) => at(point).join(" ")).join("L")}`, fill: "none", "stroke-linejoin": "round" };
    group.append(
      svg("path", { ...line, stroke: "#fff", "stroke-width": 4 }),
      svg("path", { ...line, stroke: "#000", "stroke-width": 1.8 }),
    );
  }
  const paint = { fill: "#fff", stroke: "#000", "stroke-width": 1.6 };
  way.forEach((point, index) => {
    const [px, py] = at(point);
    const last = index === way.length - 1;
    group.append(
      last
        ? svg("rect", { ...paint, class: "cw-way-end", x: px - 4.5, y: py - 4.5, width: 9, height: 9 })
        : svg("circle", { ...paint, class: "cw-way", cx: px, cy: py, r: 3.6 }),
    );
  });
  for (const spot of spots) {
    const [px, py] = at(spot);
    group.append(svg("path", { ...paint, class: "cw-spot", d: `M${px} ${py - 6}L${px + 6} ${py + 5}H${px - 6}Z` }));
  }
  for (const point of [...way, ...spots]) {
    const [px, py] = at(point);
    if (!point[2] || px < x || px > x + width || py < y || py > y + height) continue;
    const wide = 0.56 * font * point[2].length; // about; what is cut off is lost
    const anchor = px + 9 + wide <= x + width ? "start" : px - 9 - wide >= x ? "end" : "middle";
    group.append(
      svg(
        "text",
        {
          x: anchor === "middle" ? x + width / 2 : px + (anchor === "end" ? -9 : 9),
          y: py < y + 2 * font ? py + 1.4 * font : py - 6,
          "text-anchor": anchor,
          "font-size": font,
          fill: "#000",
          stroke: "#fff",
          "stroke-width": 3,
          "stroke-linejoin": "round",
          "paint-order": "stroke",
        },
        point[2],
      ),
    );
  }
  return group;
}
