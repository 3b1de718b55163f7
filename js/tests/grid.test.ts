import { describe, expect, it } from "vitest";
import { clampTo, contains, edges, locate, nearest, sample, stepFrom } from "../src/grid";
import { Mark } from "../src/packet";
import { packetOf } from "./cases";

const uneven = Float64Array.of(-1, -0.9, 0, 0.5, 1);

describe("a coordinate on an uneven axis", () => {
  it("lies in the cell between its neighbours", () => {
    expect(locate(uneven, -0.95)).toEqual({ index: 0, fraction: expect.closeTo(0.5, 12) });
    expect(locate(uneven, 0.25)).toEqual({ index: 2, fraction: 0.5 });
    expect(locate(uneven, 1)).toEqual({ index: 3, fraction: 1 });
    expect(locate(uneven, 7)).toEqual({ index: 3, fraction: 1 });
    expect(locate(uneven, -7)).toEqual({ index: 0, fraction: 0 });
  });

  it("belongs to the nearest grid point, whose cell reaches halfway to the next", () => {
    expect(nearest(uneven, -0.46)).toBe(1);
    expect(nearest(uneven, -0.44)).toBe(2);
    expect(edges(uneven)).toEqual([-1, -0.95, -0.45, 0.25, 0.75, 1]);
  });

  it("steps from grid point to grid point, and first onto the grid from between", () => {
    expect(stepFrom(uneven, 0, 1)).toBe(0.5);
    expect(stepFrom(uneven, 0, -1)).toBe(-0.9);
    expect(stepFrom(uneven, 0.2, 1)).toBe(0.5);
    expect(stepFrom(uneven, 0.2, -1)).toBe(0);
    expect(stepFrom(uneven, 0, 5)).toBe(1);
    expect(stepFrom(uneven, 1, 1)).toBe(1);
    expect(stepFrom(uneven, -1, -5)).toBe(-1);
    expect(stepFrom(uneven, 1, -3)).toBe(-0.9);
  });

  it("is moved to the nearer end where it lies beyond", () => {
    expect([-2, 0.3, 2].map((at) => clampTo(uneven, at))).toEqual([-1, 0.3, 1]);
  });
});

describe("reading a map", () => {
  it("is exact between grid points for a bilinear loss", () => {
    const f = (a: number, b: number): number => 2 + 0.5 * a - 0.25 * b + 0.75 * a * b;
    const packet = packetOf(f, { x: [-1, -0.25, 0, 0.5, 1], y: [-2, 0, 0.5] });
    for (const [a, b] of [
      [-0.6, -1.3],
      [0, 0],
      [0.77, 0.4],
      [1, 0.5],
    ] as const) {
      expect(sample(packet, [a, b]).loss).toBeCloseTo(f(a, b), 6);
    }
  });

  it("gives the loss, whatever is drawn in its place", () => {
    const f = (a: number, b: number): number => 10 ** (a + b);
    for (const scale of ["linear", "log", "difference"] as const) {
      expect(sample(packetOf(f, { scale }), [0.5, -1]).loss).toBeCloseTo(f(0.5, -1), 6);
    }
    expect(sample(packetOf(f, { scale: "log" }), [0.3, -0.2]).loss).toBeCloseTo(f(0.3, -0.2), 6);
  });

  it("keeps the digits of a loss that hardly varies", () => {
    const packet = packetOf((a) => 1000 + 1e-6 * a);
    expect(sample(packet, [0.5, 0]).loss - 1000).toBeCloseTo(0.5e-6, 10);
  });

  it("says what a marked grid point holds, within its own cell alone", () => {
    const packet = packetOf((a, b) => (a === 1 && b === 1 ? Number.NaN : a === -1 && b === -1 ? -Infinity : 3 + a));
    expect(sample(packet, [0.9, 0.9])).toEqual({ mark: Mark.Nan, shown: Number.NaN, loss: Number.NaN });
    expect(sample(packet, [-0.9, -0.8]).loss).toBe(-Infinity);
    expect(sample(packet, [0.7, 0.9]).loss).toBeCloseTo(3.5, 6); // the neighbour's own value, nothing made up between the two
  });

  it("tells a loss that has no logarithm", () => {
    const packet = packetOf((a) => a, { scale: "log" });
    expect(sample(packet, [-0.5, 0])).toEqual({ mark: Mark.NoLogarithm, shown: Number.NaN, loss: -0.5 });
  });

  it("knows its borders", () => {
    const packet = packetOf(() => 1);
    expect(contains(packet, [1, -1])).toBe(true);
    expect(contains(packet, [1.01, 0])).toBe(false);
  });
});
