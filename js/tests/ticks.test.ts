import { describe, expect, it } from "vitest";
import {
  formatCoordinate,
  formatNumber,
  formatUncertain,
  labelTicks,
  logTicks,
  rootTicks,
  tickFormat,
  ticks,
} from "../src/ticks";

const labelled = (values: number[], low = values[0] ?? 0, high = values[values.length - 1] ?? 0): string[] =>
  labelTicks(values, tickFormat(low, high));

describe("ticks", () => {
  it("stand at round numbers within the range, at most as many as asked for", () => {
    expect(ticks(-1, 1, 5)).toEqual([-1, -0.5, 0, 0.5, 1]);
    expect(ticks(0.13, 0.71, 6)).toEqual([0.2, 0.3, 0.4, 0.5, 0.6, 0.7]);
    expect(ticks(-0.0123, 0.0123, 4)).toEqual([-0.01, 0, 0.01]);
  });

  it.each([
    [0, 1e-7],
    [-3e12, 4e12],
    [3.302583, 3.302587],
    [-17, -0.5],
  ])("are equally spaced, few and inside from %d to %d", (low, high) => {
    for (const count of [3, 5, 9]) {
      const found = ticks(low, high, count);
      expect(found.length).toBeGreaterThanOrEqual(1);
      expect(found.length).toBeLessThanOrEqual(count);
      for (const value of found) expect(value >= low - 1e-9 * (high - low) && value <= high + 1e-9 * (high - low)).toBe(true);
      const steps = found.slice(1).map((value, index) => value - (found[index] as number));
      for (const step of steps) expect(step / (steps[0] as number)).toBeCloseTo(1, 6);
    }
  });

  it("are the one value of a range without length", () => {
    expect(ticks(3, 3, 5)).toEqual([3]);
    expect(ticks(Number.NaN, Number.NaN, 5)).toEqual([]);
  });

  it("about a dense zero are 1, 2 and 5 times powers of ten, zero and the large ones first", () => {
    expect(rootTicks(-0.36, 2.4).slice(0, 5)).toEqual([0, 2, 1, 0.5, 0.2]);
    expect(rootTicks(-0.36, 2.4)).toContain(-0.2);
    expect(rootTicks(-0.36, 2.4)).not.toContain(-0.5);
    expect(rootTicks(0, 0)).toEqual([0]);
  });
});

describe("labels", () => {
  it("have the decimals of the step, and a true minus", () => {
    expect(labelled([-1, -0.5, 0, 0.5])).toEqual(["−1.0", "−0.5", "0.0", "0.5"]);
    expect(labelled([2.5, 5, 7.5])).toEqual(["2.5", "5.0", "7.5"]);
  });

  it("have their own decimals where the steps differ", () => {
    expect(labelTicks([0, 2, 0.05, -0.2], tickFormat(-0.36, 2.4), false)).toEqual(["0", "2", "0.05", "−0.2"]);
  });

  it("share a power of ten where numbers are small or large", () => {
    const format = tickFormat(-2e-5, 2e-5);
    expect(format.text).toBe("×10⁻⁵");
    expect(labelTicks([-2e-5, 0, 2e-5], format)).toEqual(["−2", "0", "2"]);
    expect(tickFormat(0, 3e6).text).toBe("×10⁶");
  });

  it("leave out what all numbers of a narrow range share, and say so", () => {
    const format = tickFormat(3.302583, 3.302587);
    expect(format.offset).toBeCloseTo(3.30259, 9);
    expect(format.text).toBe("×10⁻⁶ + 3.30259");
    expect(labelTicks([3.302585, 3.302586], format)).toEqual(["−5", "−4"]);
  });
});

describe("a number as text", () => {
  it.each([
    [0, "0"],
    [0.123456, "0.1235"],
    [-12.3456, "−12.35"],
    [12345.6, "12346"],
    [9.99996, "10.00"],
    [1.5e-7, "1.500×10⁻⁷"],
    [-2.5e12, "−2.500×10¹²"],
    [Number.NaN, "NaN"],
    [Infinity, "+∞"],
    [-Infinity, "−∞"],
  ])("%d is %s", (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });

  it("as a coordinate has decimals that suit the axis, and no negative zero", () => {
    expect(formatCoordinate(0.12345, 2)).toBe("0.12");
    expect(formatCoordinate(-0.012345, 0.06)).toBe("−0.0123");
    expect(formatCoordinate(-0.0001, 2)).toBe("0.00");
    expect(formatCoordinate(123.4, 500)).toBe("123");
    expect(formatCoordinate(2e-8, 1e-7)).toBe("2.00×10⁻⁸");
  });
});

it.each([
  [-1.2, 2.1, [0.1, 1, 10, 100]],
  [-0.35, 0.8, [0.5, 1, 2, 5]],
  [0.31, 0.34, [2.05, 2.1, 2.15]],
  [-6.1, 6.1, [1e-6, 1e-3, 1, 1e3, 1e6]],
])("round losses between the logarithms %d and %d are %j", (low, high, expected) => {
  expect(logTicks(low, high)).toEqual(expected);
});

describe("a number with its error", () => {
  // The same as in tests/curvature/test_wording.py.
  it.each([
    [24.13, 0.768, "24.13 ± 0.77"],
    [0.00241, 7.7e-5, "0.002410 ± 0.000077"],
    [-2.41e-5, 7.7e-7, "(−2.410 ± 0.077)×10⁻⁵"],
    [1.2e6, 3.4e4, "(1.200 ± 0.034)×10⁶"],
    [9.996, 0.0996, "10.00 ± 0.10"],
    [-1e-4, 0.3, "0.00 ± 0.30"],
    [12345, 678, "12350 ± 680"],
    [42.3, 0.0065, "42.3"],
    [0, 9.6e-7, "(0.0 ± 9.6)×10⁻⁷"],
  ])("is rounded as that allows: %d, %d", (value, error, text) => {
    expect(formatUncertain(value, error, 3)).toBe(text);
  });

  it("has none where that is zero or not known", () => {
    expect(formatUncertain(292.3, 0, 3)).toBe("292");
    expect(formatUncertain(292.3, Number.NaN, 3)).toBe("292");
    expect(formatUncertain(Number.NaN, 1, 3)).toBe("NaN");
  });
});
