// Points of the slice that have a name: a way through it, such as a training run, and single spots, such as other minima.

import { svg } from "./dom";
import type { Box } from "./layout";
import type { Plan } from "./plan";

/** Coordinates in units of the directions, and what stands beside the point; nothing where that is empty. */
export type Named = [number, number, string];

function meet(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

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
  // θ and its own name stand in the middle. A name without room beside them and beside the others is left out.
  const taken: Box[] = [{ x: map.x(0) - 9, y: map.y(0) - 9, width: 18 + font, height: 12 + font }];
  for (const point of [...spots, ...way]) {
    const [px, py] = at(point);
    if (!point[2] || px < x || px > x + width || py < y || py > y + height) continue;
    const wide = 0.6 * font * point[2].length;
    const places = [-font - 4, 6].flatMap((down) => [9, -9 - wide].map((right) => ({ x: px + right, y: py + down })));
    const found = places
      .map((place) => ({ ...place, width: wide, height: font }))
      .find(
        (box) =>
          box.x >= x &&
          box.x + wide <= x + width &&
          box.y >= y &&
          box.y + font <= y + height &&
          !taken.some((other) => meet(box, other)),
      );
    if (!found) continue;
    taken.push(found);
    group.append(
      svg(
        "text",
        {
          x: found.x,
          y: found.y + 0.85 * font,
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
