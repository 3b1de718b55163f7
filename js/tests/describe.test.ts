import { describe, expect, it } from "vitest";
import { describeLoss, describeMap } from "../src/describe";
import { packetOf } from "./cases";

const bowl = packetOf((a, b) => 2 + a * a + b * b);

describe("a loss that is read off", () => {
  it("has its error beside it, where it has one", () => {
    expect(describeLoss(bowl, [0.5, 0])).not.toContain("±");
    expect(describeLoss({ ...bowl, error: 0.0125 }, [0.5, 0])).toMatch(/^2\.25\d* ± 0\.01[23]$/);
  });

  it("has as many digits as its error allows", () => {
    expect(describeLoss({ ...bowl, error: 0.3 }, [0.5, 0])).toBe("2.25 ± 0.30");
    expect(describeLoss({ ...bowl, error: 1e-5 }, [0.5, 0])).toBe("2.250");
  });

  it("has it between the loss and its difference from the centre", () => {
    const difference = packetOf((a, b) => 2 + a * a + b * b, { scale: "difference" });
    expect(describeLoss({ ...difference, error: 0.5 }, [1, 0])).toMatch(/^3\S* ± 0\.5\S* \(\+1\S*\)$/);
  });

  it("is no number with an error where it is none", () => {
    const wall = packetOf((a) => (a > 0.6 ? Number.NaN : 1), {});
    expect(describeLoss({ ...wall, error: 0.1 }, [1, 0])).not.toContain("±");
  });
});

describe("a map in words", () => {
  it("says how its numbers are to be read", () => {
    expect(describeMap(bowl, "", "exact, 15 evaluations")).toContain(" Exact, 15 evaluations. Arrow keys");
    expect(describeMap(bowl, "")).not.toContain("undefined");
  });
});
