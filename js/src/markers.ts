// Points of the slice that have a name: a way through it, such as a training run, and single spots, such as other minima.

import { svg } from "./dom";
import { type Box, meet } from "./layout";
import type { Plan } from "./plan";

/** Coordinates in units of the directions, and what stands beside the point; nothing where that is empty. */
export type Named = [number, number, string];

/**
 * Draw a way from point to point, its last one as a square, and spots as triangles; what lies outside of the map is cut off. Beside
 * the drawing stand the boxes that its marks, names and lines take up.
 */
export function markers({ layout, map }: Plan, prefix: string, way: Named[], spots: Named[]): [SVGElement, Box[]] {
  const { plot, font } = layout;
  const group = svg("g", { class: "cw-markers", "clip-path": `url(#${prefix}-clip)` });
  if (!way.length && !spots.length) return [group, []];
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
  const boxes = [...spots, ...way].map((point) => around(at(point), 8));
  way.slice(1).forEach((point, index) => boxes.push(...between(at(way[index] as Named), at(point), plot)));
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
    boxes.push(found);
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
  return [group, boxes];
}

function around([x, y]: [number, number], half: number): Box {
  return { x: x - half, y: y - half, width: 2 * half, height: 2 * half };
}

/** Small boxes along what a plot shows of a line. */
function between([ax, ay]: [number, number], [bx, by]: [number, number], plot: Box): Box[] {
  const count = Math.ceil(Math.hypot(bx - ax, by - ay) / 6);
  return Array.from({ length: count }, (_, index) => (index + 0.5) / count)
    .map((share) => around([ax + share * (bx - ax), ay + share * (by - ay)], 3))
    .filter((box) => meet(box, plot));
}
