import { describe, expect, it } from "vitest";
import { onKey } from "../src/keyboard";
import { packetOf } from "./cases";

const packet = packetOf(() => 1, { x: [-1, -0.5, 0, 0.25, 1], y: [-3, -2, -1, 0, 1, 2, 3] });

describe("a key", () => {
  it.each([
    ["ArrowRight", [0.25, 0]],
    ["ArrowLeft", [-0.5, 0]],
    ["ArrowUp", [0, 1]],
    ["ArrowDown", [0, -1]],
  ])("%s moves the probe by one grid step", (key, to) => {
    expect(onKey(key, false, [0, 0], packet)).toEqual({ kind: "move", to });
  });

  it("moves it by five steps with shift, and never off the map", () => {
    expect(onKey("ArrowUp", true, [0, -3], packet)).toEqual({ kind: "move", to: [0, 2] });
    expect(onKey("ArrowUp", true, [0, 1], packet)).toEqual({ kind: "move", to: [0, 3] });
    expect(onKey("ArrowRight", false, [1, 0], packet)).toEqual({ kind: "move", to: [1, 0] });
  });

  it("brings a probe outside the map back to its border", () => {
    expect(onKey("ArrowRight", false, [-4, 9], packet)).toEqual({ kind: "move", to: [-1, 3] });
  });

  it("returns it to the centre, picks a point, ends a drag", () => {
    expect(onKey("Home", false, [0.3, 0.4], packet)).toEqual({ kind: "move", to: [0, 0] });
    expect(onKey("Enter", false, [0, 0], packet)).toEqual({ kind: "pick" });
    expect(onKey("Escape", false, [0, 0], packet)).toEqual({ kind: "cancel" });
  });

  it("that means nothing here is left to the page", () => {
    for (const key of ["a", "Tab", "PageDown"]) expect(onKey(key, false, [0, 0], packet)).toBeNull();
  });
});
