import { describe, expect, it } from "vitest";
import { arrange, mapping } from "../src/layout";
import { type Label, type Pixel, pathOf, placeLabel } from "../src/lines";
import { fileName } from "../src/png";

const needs = { yTickLength: 4, barTickLength: 4, hasBar: true, hasLegend: true };

describe("the parts of a map", () => {
  it.each([
    [220, 180],
    [400, 290],
    [560, 430],
    [1200, 300],
    [300, 900],
  ])("fit %i × %i pixels, readably large", (width, height) => {
    const { plot, bar, font, legendY, barNameX, nameX } = arrange({ width, height, ...needs });
    expect(font).toBeGreaterThanOrEqual(13);
    expect(plot.width).toBeGreaterThan(60);
    expect(plot.height).toBeGreaterThan(60);
    expect(bar?.x).toBeGreaterThan(plot.x + plot.width);
    expect(barNameX + font / 2).toBeLessThanOrEqual(width);
    expect(nameX - font / 2).toBeGreaterThanOrEqual(-1);
    expect(legendY).toBeLessThan(height);
    const oblong = plot.width / plot.height;
    expect(oblong).toBeGreaterThan(0.6);
    expect(oblong).toBeLessThan(1.5);
  });

  it("are where the pointer finds them", () => {
    const map = mapping({ x: 50, y: 10, width: 200, height: 100 }, [-1, 1], [-2, 2]);
    expect([map.x(-1), map.x(1), map.y(2), map.y(-2)]).toEqual([50, 250, 10, 110]);
    expect(map.toData(150, 60)).toEqual([0, 0]);
    expect(map.toData(map.x(0.3), map.y(-1.7))).toEqual([expect.closeTo(0.3, 12), expect.closeTo(-1.7, 12)]);
  });
});

describe("a contour's label", () => {
  const plot = { x: 0, y: 0, width: 400, height: 300 };
  const line = (n: number, f: (t: number) => Pixel): Pixel[] => Array.from({ length: n }, (_, index) => f(index / (n - 1)));
  const slope = line(50, (t) => [20 + 360 * t, 250 - 200 * t]);

  it("stands on its line, along it, and is not upside down", () => {
    for (const points of [slope, [...slope].reverse()]) {
      const label = placeLabel("0.25", [points], plot, 12, []);
      expect(label).not.toBeNull();
      expect(label?.y).toBeCloseTo(250 - (200 * ((label?.x ?? 0) - 20)) / 360, 6);
      expect(label?.angle).toBeCloseTo((-Math.atan(200 / 360) * 180) / Math.PI, 6);
    }
  });

  it("keeps away from other labels", () => {
    const first = placeLabel("0.25", [slope], plot, 12, []);
    const second = placeLabel("0.25", [slope], plot, 12, [[first?.x ?? 0, first?.y ?? 0]]);
    expect(Math.hypot((second?.x ?? 0) - (first?.x ?? 0), (second?.y ?? 0) - (first?.y ?? 0))).toBeGreaterThan(40);
  });

  it("gives way to what else is there, and is left out where that leaves no room", () => {
    const free = placeLabel("0.25", [slope], plot, 12, []) as Label;
    // A box beside the text's middle, which its far end alone would cross, and one that the line passes by.
    const [x, y] = [free.x + 12, free.y - (12 * 200) / 360];
    const moved = placeLabel("0.25", [slope], plot, 12, [], [{ x: x - 4, y: y - 4, width: 8, height: 8 }]) as Label;
    expect(Math.hypot(moved.x - x, moved.y - y)).toBeGreaterThan(0.62 * 12 * 2 + 4);
    expect(moved.y).toBeCloseTo(250 - (200 * (moved.x - 20)) / 360, 6);
    expect(placeLabel("0.25", [slope], plot, 12, [], [{ x: 0, y: 0, width: 60, height: 100 }])).toEqual(free);
    expect(placeLabel("0.25", [slope], plot, 12, [], [plot])).toBeNull();
  });

  it("is left out where the line is too short, too bent or at the border", () => {
    expect(placeLabel("0.25", [line(9, (t) => [100 + 20 * t, 100])], plot, 12, [])).toBeNull();
    expect(
      placeLabel("0.25", [line(60, (t) => [200 + 8 * Math.cos(19 * t), 150 + 8 * Math.sin(19 * t)])], plot, 12, []),
    ).toBeNull();
    expect(placeLabel("0.25", [line(9, (t) => [400 * t, 1])], plot, 12, [])).toBeNull();
  });
});

describe("a path", () => {
  it("joins the points of each line and leaves out what nobody sees", () => {
    expect(
      pathOf([
        [
          [0, 0],
          [0.1, 0],
          [5, 5],
        ],
        [
          [9, 9],
          [1, 1],
        ],
      ]),
    ).toBe("M0.0 0.0L5.0 5.0M9.0 9.0L1.0 1.0");
  });

  it("ends where its line ends", () => {
    expect(
      pathOf([
        [
          [0, 0],
          [5, 5],
          [5.2, 5],
        ],
      ]),
    ).toBe("M0.0 0.0L5.0 5.0L5.2 5.0");
  });
});

describe("the picture's name", () => {
  it("is the title's letters and digits", () => {
    expect(fileName("Around θ: λ = 3/2?")).toBe("around-θ-λ-3-2.png");
    expect(fileName("  ")).toBe("loss-map.png");
  });
});
