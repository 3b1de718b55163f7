import { expect, it } from "vitest";
import { crossSection, type Model, quadratic } from "../src/cross_section";
import type { Line } from "../src/plot";
import { packetOf } from "./cases";

const model: Model = {
  loss: 2,
  gradient: [0.5, -1],
  matrix: [
    [3, 0.25],
    [0.25, -2],
  ],
  gram: [
    [4, 0],
    [0, 9],
  ],
  mean: [0.5, 0.1],
};

it("evaluates the quadratic model", () => {
  expect(quadratic(model, model.matrix, [2, -1])).toBeCloseTo(2 + 1 + 1 + 0.5 * (12 - 1 - 2), 12);
});

it("draws the loss through the probe from its least to its largest value", () => {
  const plot = crossSection(
    packetOf((a, b) => 1 + a * a + 10 * b),
    null,
    [0, 1],
    0,
  );
  const [loss] = plot.marks as [Line];
  const heights = loss.y as number[];
  const [low, high] = [11 - 0.08, 12 + 0.08];
  expect(heights[0]).toBeCloseTo((12 - low) / (high - low), 6);
  expect(Math.min(...heights)).toBeCloseTo((11 - low) / (high - low), 6);
  expect(plot.xName).toBe("first (units of the direction)");
});

it("draws band, prediction and curvature of the slice only beside a model", () => {
  const packet = packetOf((a, b) => a * a + b * b);
  expect(crossSection(packet, null, [0, 0], 1).marks.filter((mark) => mark.kind === "line")).toHaveLength(2);
  expect(crossSection(packet, model, [0, 0], 1).marks.filter((mark) => mark.kind === "line")).toHaveLength(5);
});

it("parts the line where the loss is not finite", () => {
  const packet = packetOf((a, b) => (a > 0.4 ? Number.NaN : 1 + a * a + b));
  const [loss] = crossSection(packet, null, [0, 0], 0).marks as [Line];
  expect(loss.y[0]).not.toBeNull();
  expect(loss.y.at(-1)).toBeNull();
});

it("draws logarithms where the map does, and leaves out what has none", () => {
  const packet = packetOf((a) => (a < -0.6 ? -1 : 10 ** (2 * a)), { scale: "log" });
  const plot = crossSection(packet, model, [0, 0], 0);
  const loss = plot.marks.filter((mark) => mark.kind === "line").at(-2) as Line;
  const heights = loss.y.filter((height) => height !== null);
  expect(loss.y[0]).toBeNull(); // the loss is −1 there
  const [low, high] = [-1 - 0.08 * 3, 2 + 0.08 * 3]; // decimal logarithms from a = −½ to 1, with their room
  expect(heights.at(-1)).toBeCloseTo((2 - low) / (high - low), 6);
  expect(heights[0]).toBeCloseTo((-1 - low) / (high - low), 2);
  expect(plot.yTicks.map(([, text]) => text)).toEqual(["0.1", "1", "10", "100"]);
  expect(plot.yTicks.map(([at]) => at)[1]).toBeCloseTo((0 - low) / (high - low), 6);
  expect(plot.yName).toBe("loss (log scale)");
});
