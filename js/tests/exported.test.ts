import { describe, expect, it } from "vitest";
import type { Model } from "../src/cross_section";
import { start } from "../src/exported";
import fixture from "./fixtures/packet.txt?raw";

const nothing = { marks: [], xTicks: [], yTicks: [], xName: "κ", yName: "density" };
const identity: Model["gram"] = [
  [1, 0],
  [0, 1],
];
const model: Model = { loss: 1, gradient: [0, 0], matrix: identity, gram: identity, mean: [0.5, 0] };
const frame = {
  blend: 0,
  packet: fixture.trim(),
  caption: "",
  way: [],
  spots: [],
  model,
  curvatures: nothing,
  note: "2 random planes",
  planeKeys: [],
  verdict: { sentence: "", kind: "", facts: [], notes: [] },
};

describe("the exported page", () => {
  it("has a legend with the dashes of the lines that it names", () => {
    const root = document.createElement("div");
    const line = (dash: string): Record<string, string> => ({ x1: "0", y1: "6", x2: "26", y2: "6", "stroke-dasharray": dash });
    start(root, {
      title: "",
      probe: [0, 0],
      show_model: false,
      frames: [frame],
      shown: 0,
      keys: [
        ["<b>loss</b>", [["line", line("none")]]],
        ["curvature of this slice", [["line", line("6,4")]]],
        ["mean curvature tr(H)/N", [["line", line("7,3,2,3")]]],
      ],
      remark: "",
    });
    const legend = [...root.querySelectorAll(".cw-page-keys")].find((keys) => keys.textContent?.includes("slice")) as Element;
    const swatches = [...legend.querySelectorAll("svg.cw-page-swatch line")];
    const dashes = swatches.map((swatch) => swatch.getAttribute("stroke-dasharray"));
    expect(legend.textContent).toContain("<b>loss</b>");
    const drawn = [...root.querySelectorAll(".cw-page-profile path[stroke-dasharray]")];
    expect(new Set(drawn.map((path) => path.getAttribute("stroke-dasharray")))).toEqual(new Set(dashes));
  });
});
