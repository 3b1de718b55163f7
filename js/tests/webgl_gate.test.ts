import { describe, expect, it, vi } from "vitest";
import widget, { type GateTraits, probeWebGL } from "../src/webgl_gate";
import { FakeModel } from "./cases";

function canvas(kind: string | null, lose = vi.fn()): HTMLCanvasElement {
  const context = { VERSION: 7938, getParameter: () => `${kind} 2.0`, getExtension: () => ({ loseContext: lose }) };
  return { getContext: (asked: string) => (asked === kind ? context : null) } as unknown as HTMLCanvasElement;
}

describe("a browser with WebGL", () => {
  it.each(["webgl2", "webgl"])("of kind %s is asked for a context, which is given back", (kind) => {
    const lose = vi.fn();
    expect(probeWebGL(() => canvas(kind, lose))).toEqual({ supported: true, reason: `${kind} 2.0` });
    expect(lose).toHaveBeenCalledTimes(1);
  });
});

describe("a browser without WebGL", () => {
  it("is told of to Python, once", () => {
    const model = new FakeModel<GateTraits>({ supported: null, reason: "", figure: null });
    vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(null);
    const el = document.createElement("div");
    widget.render({ model: model.any, el } as never);
    widget.render({ model: model.any, el } as never);
    expect(model.sent).toEqual([{ supported: false, reason: "the browser gives no WebGL context" }]);
    expect(el.style.width).toMatch(/^0/);
  });
});
