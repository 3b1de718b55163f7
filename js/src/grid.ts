// Where a point lies on a grid, and what the grid says there.

import type { Numbers } from "./codec";
import { lossOf, Mark, type Packet } from "./packet";

export type Point = readonly [number, number];

/** The cell of an axis that holds a coordinate, and how far through the cell it lies. */
export function locate(axis: Numbers, at: number): { index: number; fraction: number } {
  let low = 0;
  let high = axis.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((axis[middle] as number) <= at) low = middle;
    else high = middle;
  }
  const start = axis[low] as number;
  const fraction = (at - start) / ((axis[high] as number) - start);
  return { index: low, fraction: Math.min(1, Math.max(0, fraction)) };
}

/** The grid point nearest to a coordinate. */
export function nearest(axis: Numbers, at: number): number {
  const { index, fraction } = locate(axis, at);
  return fraction < 0.5 ? index : index + 1;
}

/** The boundaries of the grid points' cells: halfway between neighbours, and the axis' ends. */
export function edges(axis: Numbers): number[] {
  const inner = Array.from(axis.slice(1), (value, index) => (value + (axis[index] as number)) / 2);
  return [axis[0] as number, ...inner, axis[axis.length - 1] as number];
}

/** The grid point a number of steps on from a coordinate, which may lie between two. */
export function stepFrom(axis: Numbers, at: number, steps: number): number {
  const last = axis.length - 1;
  const slack = 1e-9 * ((axis[last] as number) - (axis[0] as number));
  // The first grid point beyond the coordinate is one step away, be the coordinate on the grid or not.
  let index = 0;
  if (steps > 0) {
    while (index < last && (axis[index] as number) <= at + slack) index++;
    index += steps - 1;
  } else {
    index = last;
    while (index > 0 && (axis[index] as number) >= at - slack) index--;
    index += steps + 1;
  }
  return axis[Math.min(last, Math.max(0, index))] as number;
}

/** A coordinate, moved to the axis' nearer end where it lies beyond. */
export function clampTo(axis: Numbers, at: number): number {
  return Math.min(axis[axis.length - 1] as number, Math.max(axis[0] as number, at));
}

export function contains(packet: Packet, [x, y]: Point): boolean {
  return clampTo(packet.x, x) === x && clampTo(packet.y, y) === y;
}

export interface Sample {
  mark: Mark;
  /** What is drawn there; NaN where a mark is drawn. */
  shown: number;
  loss: number;
}

/** Read the map at a point: between four finite grid points on a bilinear patch, elsewhere at the nearest grid point. */
export function sample(packet: Packet, [x, y]: Point): Sample {
  const columns = locate(packet.x, x);
  const rows = locate(packet.y, y);
  const stride = packet.y.length;
  const corner = columns.index * stride + rows.index;
  const corners = [corner, corner + stride, corner + 1, corner + stride + 1];
  if (corners.every((index) => packet.marks[index] === Mark.Finite)) {
    const [a, b, c, d] = corners.map((index) => packet.values[index]) as [number, number, number, number];
    const bottom = a + (b - a) * columns.fraction;
    const top = c + (d - c) * columns.fraction;
    const shown = packet.base + bottom + (top - bottom) * rows.fraction;
    return { mark: Mark.Finite, shown, loss: lossOf(packet, shown) };
  }
  const index = nearest(packet.x, x) * stride + nearest(packet.y, y);
  const mark = packet.marks[index] as Mark;
  const value = packet.values[index] as number;
  if (mark === Mark.Finite) return { mark, shown: packet.base + value, loss: lossOf(packet, packet.base + value) };
  const losses = { [Mark.Nan]: Number.NaN, [Mark.Above]: Infinity, [Mark.Below]: -Infinity, [Mark.NoLogarithm]: value };
  return { mark, shown: Number.NaN, loss: losses[mark] };
}
