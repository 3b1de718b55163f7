import { describe, expect, it } from "vitest";
import { axes } from "../src/axes";
import { textWidth } from "../src/layout";
import { plan } from "../src/plan";
import { packetOf } from "./cases";

describe("the axes of a map", () => {
  it.each([
    [380, 300],
    [560, 430],
    [240, 220],
  ])("are named with their units, however little room %i × %i pixels are", (width, height) => {
    const labels: [string, string] = ["trajectory, principal component 1", "λ_min = −0.0448"];
    const drawn = plan(
      packetOf((a, b) => a + b, { labels }),
      width,
      height,
      false,
      () => null,
    );
    const names = [...axes(drawn).querySelectorAll(".cw-axis-name")].map((name) => name.firstChild?.textContent ?? "");
    names.forEach((name, index) => {
      expect(name).toMatch(
        [/\((units of the direction|units of v₁|v₁)\)$/, /\((units of the direction|units of v₂|v₂)\)$/][index] as RegExp,
      );
      expect(textWidth(name.length, 0.95 * drawn.layout.font)).toBeLessThanOrEqual([width, height][index] as number);
    });
    expect(axes(drawn).querySelector("title")?.textContent).toBe(`${labels[0]} (units of the direction)`);
  });

  it.each([1, 0.023, 4e-4, 1.95])("has ticks at ±%d that do not touch", (span) => {
    const x = [-span, 0, span];
    const { xTicks, layout } = plan(
      packetOf((a, b) => a + b, { x }),
      380,
      300,
      false,
      () => null,
    );
    const step = ((xTicks.values[1] as number) - (xTicks.values[0] as number)) / (2 * span);
    const widest = Math.max(...xTicks.labels.map((label) => textWidth(label.length, layout.font)));
    expect(xTicks.values.length).toBeGreaterThanOrEqual(3);
    expect(step * layout.plot.width).toBeGreaterThan(widest);
  });
});
