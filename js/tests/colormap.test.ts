import { describe, expect, it } from "vitest";
import { coloring, inkOn, luminance, type Rgb } from "../src/colormap";
import { shade, shadeBar } from "../src/heat";
import { plan } from "../src/plan";
import { packetOf } from "./cases";

const contrast = (a: Rgb, b: Rgb): number => {
  const [high, low] = [luminance(a), luminance(b)].sort((p, q) => q - p) as [number, number];
  return (high + 0.05) / (low + 0.05);
};

describe("colours of a loss", () => {
  const colors = coloring("linear", [2, 4]);

  it("go from viridis' dark violet to its yellow", () => {
    expect(colors.rgb(2).map(Math.round)).toEqual([0x44, 0x01, 0x54]);
    expect(colors.rgb(4).map(Math.round)).toEqual([0xfd, 0xe7, 0x25]);
  });

  it("grow lighter all the way, so that they can be read without hue", () => {
    const light = Array.from({ length: 65 }, (_, index) => luminance(colors.rgb(2 + index / 32)));
    for (let index = 1; index < light.length; index++) expect(light[index]).toBeGreaterThan(light[index - 1] as number);
  });

  it("know the value at each position", () => {
    for (const value of [2, 2.7, 4]) expect(colors.value(colors.position(value))).toBeCloseTo(value, 12);
  });

  it("are the middle one where all losses are equal", () => {
    expect(coloring("linear", [3, 3]).position(3)).toBe(0.5);
  });
});

describe("colours of a difference", () => {
  const colors = coloring("difference", [-0.01, 4]);

  it("are nearly white at zero exactly, blue below and orange above", () => {
    expect(colors.position(0)).toBe(0.5);
    expect(Math.min(...colors.rgb(0))).toBeGreaterThan(240);
    const [r, , b] = colors.rgb(-1);
    expect(b - r).toBeGreaterThan(80);
    const [red, , blue] = colors.rgb(1);
    expect(red - blue).toBeGreaterThan(80);
  });

  it("are equally far from white at equal distances from zero", () => {
    for (const size of [0.1, 1, 4]) {
      expect(colors.position(size) + colors.position(-size)).toBeCloseTo(1, 12);
      expect(Math.abs(Math.log(contrast(colors.rgb(size), colors.rgb(-size))))).toBeLessThan(0.35);
    }
  });

  it("show a valley that is 400 times shallower than the wall", () => {
    const [r, , b] = colors.rgb(-0.01);
    expect(b - r).toBeGreaterThan(8);
  });

  it("know the value at each position", () => {
    for (const value of [-3, -0.01, 0, 0.5, 4]) expect(colors.value(colors.position(value))).toBeCloseTo(value, 12);
  });
});

describe("a line's ink", () => {
  it("stands out from every colour that it can lie on", () => {
    for (const scale of ["linear", "difference"] as const) {
      const colors = coloring(scale, [-1, 1]);
      for (let value = -1; value <= 1; value += 1 / 64) {
        const color = colors.rgb(value);
        const ink: Rgb = inkOn(color) === "#000" ? [0, 0, 0] : [255, 255, 255];
        expect(contrast(ink, color)).toBeGreaterThan(4.5);
      }
    }
  });
});

describe("limits", () => {
  it("are where the bar ends, beyond what the map itself reaches", () => {
    const saddle = packetOf((a, b) => a * a - b * b, { scale: "difference" });
    const bar = (limits: [number, number]): number[] =>
      plan({ ...saddle, limits }, 400, 400, false, (shown) => shown.limits && coloring(shown.scale, shown.limits)).barTicks
        .values;
    expect(Math.max(...bar([-1, 1]))).toBe(1);
    expect(Math.max(...bar([-5, 5]))).toBe(5);
    expect(Math.min(...bar([-5, 5]))).toBe(-5);
  });
});

describe("pixels", () => {
  it("have the colour of the loss under their middle, the top row first, on an uneven grid too", () => {
    const packet = packetOf((a, b) => a + 2 * b, { x: [-1, -0.8, 0, 1], y: [-1, 0, 0.1, 1] });
    const colors = coloring("linear", packet.range ?? [0, 0]);
    const [width, height] = [10, 8];
    const pixels = shade(packet, colors, width, height);
    for (const [column, row] of [
      [0, 0],
      [9, 7],
      [3, 5],
    ] as const) {
      const loss = -1 + (2 * (column + 0.5)) / width + 2 * (1 - (2 * (row + 0.5)) / height);
      const at = 4 * (row * width + column);
      colors.rgb(loss).forEach((channel, index) => {
        expect(Math.abs((pixels[at + index] as number) - channel)).toBeLessThan(2);
      });
      expect(pixels[at + 3]).toBe(255);
    }
  });

  it("are left clear in the cells of grid points without a number, and only there", () => {
    const packet = packetOf((a, b) => (a === 0 && b === 0 ? Number.NaN : 1 + a));
    const pixels = shade(packet, coloring("linear", [0, 2]), 8, 4);
    const clear = Array.from({ length: 32 }, (_, index) => index).filter((index) => pixels[4 * index + 3] === 0);
    // The cell of (0, 0) reaches from −0.25 to 0.25 and from −0.5 to 0.5: the two middle columns and rows of 8 × 4.
    expect(clear).toEqual([11, 12, 19, 20]);
  });

  it("of the bar run from the largest value down to the smallest", () => {
    const colors = coloring("linear", [0, 1]);
    const pixels = shadeBar(colors, [0, 1], 2, 100);
    expect(luminance([pixels[0] as number, pixels[1] as number, pixels[2] as number])).toBeGreaterThan(0.7);
    expect(luminance([pixels[792] as number, pixels[793] as number, pixels[794] as number])).toBeLessThan(0.05);
  });
});
