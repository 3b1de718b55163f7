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

it("labels each axis with the same decimals, and names the power of ten that all leave out", () => {
  const plot = crossSection(
    packetOf((a, b) => 1 + a + b, { x: [-0.11, 0, 0.11] }),
    null,
    [0, 0],
    0,
  );
  expect(plot.xTicks.map(([, text]) => text)).toEqual(["−0.10", "−0.05", "0.00", "0.05", "0.10"]);
  expect(plot.yTicks.map(([, text]) => text)).toEqual(["0.90", "0.95", "1.00", "1.05", "1.10"]);
  const tiny = crossSection(
    packetOf((a) => 0.1 * a, { x: [-1.1e-6, 0, 1.1e-6] }),
    null,
    [0, 0],
    0,
  );
  expect(tiny.xTicks.map(([, text]) => text)).toEqual(["−1.0", "−0.5", "0.0", "0.5", "1.0"]);
  expect(tiny.xName).toBe("first (×10⁻⁶ units of the direction)");
  expect(tiny.yName).toBe("loss (×10⁻⁷)");
  const high = (span: number) =>
    crossSection(
      packetOf((a) => 2.307 + span * a, { x: [-1, 0, 1] }),
      null,
      [0, 0],
      0,
    );
  expect(high(5e-4).yTicks.map(([, text]) => text)).toEqual(["2.3066", "2.3068", "2.3070", "2.3072", "2.3074"]);
  expect(high(5e-4).yName).toBe("loss");
  expect(high(5e-8).yName).toBe("loss (×10⁻⁸ + 2.307000)");
  expect(new Set(high(5e-8).yTicks.map(([, text]) => text)).size).toBeGreaterThan(2);
});
