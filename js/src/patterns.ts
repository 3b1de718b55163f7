// How grid points without a number are drawn: each kind by its own hatching, told in the legend.

import { svg } from "./dom";
import { edges } from "./grid";
import type { Mapping } from "./layout";
import { Mark, type Packet } from "./packet";

export const MARK_NAMES: Record<number, string> = {
  [Mark.Nan]: "NaN",
  [Mark.Above]: "+∞",
  [Mark.Below]: "−∞",
  [Mark.NoLogarithm]: "≤ 0, no logarithm",
};

const HATCHES: Record<number, string> = {
  [Mark.Nan]: "M-2 2L2 -2M0 8L8 0M6 10L10 6",
  [Mark.Above]: "M-2 2L2 -2M0 8L8 0M6 10L10 6M-2 6L2 10M0 0L8 8M6 -2L10 2",
  [Mark.Below]: "M0 2H8M0 6H8",
  [Mark.NoLogarithm]: "M2 2h.01M6 6h.01",
};

/** Definitions of the hatchings, under names that are unique on the page. */
export function hatchings(prefix: string): SVGDefsElement {
  const patterns = Object.entries(HATCHES).map(([mark, path]) =>
    svg(
      "pattern",
      { id: `${prefix}-${mark}`, width: 8, height: 8, patternUnits: "userSpaceOnUse" },
      svg("rect", { width: 8, height: 8, fill: "#d4d4d4" }),
      svg("path", {
        d: path,
        fill: "none",
        stroke: "#4d4d4d",
        "stroke-width": Number(mark) === Mark.NoLogarithm ? 2.4 : 1.2,
        "stroke-linecap": "round",
      }),
    ),
  );
  return svg("defs", {}, ...patterns);
}

/** Which marks a packet has. */
export function marksIn(packet: Packet): number[] {
  return Object.keys(MARK_NAMES)
    .map(Number)
    .filter((mark) => packet.marks.includes(mark));
}

/** The cells of the grid points with one mark, as one path: runs along a column become one rectangle. */
export function cellsPath(packet: Packet, mark: number, map: Mapping): string {
  const [xs, ys] = [edges(packet.x).map(map.x), edges(packet.y).map(map.y)];
  const rows = packet.y.length;
  let path = "";
  for (let column = 0; column < packet.x.length; column++) {
    let start = -1;
    for (let row = 0; row <= rows; row++) {
      const marked = row < rows && packet.marks[column * rows + row] === mark;
      if (marked && start < 0) start = row;
      if (marked || start < 0) continue;
      const [left, right, bottom, top] = [xs[column], xs[column + 1], ys[start], ys[row]] as [number, number, number, number];
      path += `M${left.toFixed(1)} ${bottom.toFixed(1)}H${right.toFixed(1)}V${top.toFixed(1)}H${left.toFixed(1)}Z`;
      start = -1;
    }
  }
  return path;
}
