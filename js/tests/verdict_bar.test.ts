import { afterEach, describe, expect, it } from "vitest";
import widget, { type VerdictTraits } from "../src/verdict_bar";
import { FakeModel } from "./cases";

function show(traits: Partial<VerdictTraits> = {}) {
  const model = new FakeModel<VerdictTraits>({ sentence: "", facts: [], notes: [], kind: "", theme: "auto", ...traits });
  const el = document.createElement("div");
  document.body.append(el);
  const end = widget.render({ model: model.any, el } as never) as () => void;
  return { model, el, end };
}

afterEach(() => {
  document.body.replaceChildren();
});

describe("a verdict", () => {
  it("is told as text, to screen readers too", () => {
    const { el } = show({ sentence: "<b>A saddle</b>" });
    expect(el.querySelector("[role=status]")?.textContent).toBe("<b>A saddle</b>");
    expect(el.querySelector("[role=status]")?.getAttribute("aria-live")).toBe("polite");
    expect(el.querySelector("b")).toBeNull();
  });

  it("has a sign of its own for each kind, with a name", () => {
    const paths = (["saddle", "minimum", "maximum", "flat", "busy", "error"] as const).map((kind) => {
      const { el } = show({ kind });
      expect(el.querySelector("svg")?.getAttribute("aria-label")).toBeTruthy();
      return el.querySelector("path")?.getAttribute("d");
    });
    expect(new Set(paths).size).toBe(6);
    expect(show({ kind: "" }).el.querySelector("svg")).toBeNull();
  });

  it("has its numbers beside it, each with name and explanation", () => {
    const { el } = show({
      facts: [
        ["L(θ)", "0.031", "<i>loss</i>"],
        ["N", "123", "parameters"],
      ],
    });
    expect([...el.querySelectorAll(".cw-fact-name")].map((name) => name.textContent)).toEqual(["L(θ)", "N"]);
    expect([...el.querySelectorAll(".cw-fact-value")].map((value) => value.textContent)).toEqual(["0.031", "123"]);
    expect(el.querySelector(".cw-verdict-facts > div")?.getAttribute("title")).toBe("<i>loss</i>");
    expect(el.querySelector(".cw-fact-error")).toBeNull();
  });

  it("has an error below the number that it belongs to", () => {
    const { el } = show({ facts: [["tr H", "7.37 ± 0.22", "trace"]] });
    const parts = [...el.querySelectorAll(".cw-verdict-facts span")].map((part) => part.textContent);
    expect(parts).toEqual(["tr H", "7.37", "± 0.22"]);
  });

  it("tells below its notes what a tooltip tells of each number", () => {
    const { model, el } = show({ facts: [["tr H", "7.37 ± 0.22", "trace of the Hessian"]] });
    const lines = () => [...el.querySelectorAll("[role=listitem]")].map((line) => line.textContent);
    expect(lines()).toEqual(["tr H = 7.37 ± 0.22: trace of the Hessian"]);
    expect(el.querySelector("summary")?.textContent).toBe("what is what");
    model.receive("notes", ["kinks"]);
    expect(lines()).toEqual(["kinks", "tr H = 7.37 ± 0.22: trace of the Hessian"]);
    expect(el.querySelector("summary")?.textContent).toBe("1 note");
  });

  it("has its notes to unfold, as text, and none where there are none", () => {
    const { model, el } = show({ notes: ["<b>few</b> samples", "kinks"] });
    const notes = el.querySelector("details")!;
    expect(notes.hidden).toBe(false);
    expect(notes.querySelector("summary")?.textContent).toBe("2 notes");
    expect([...notes.querySelectorAll("[role=listitem]")].map((note) => note.textContent)).toEqual([
      "<b>few</b> samples",
      "kinks",
    ]);
    model.receive("notes", ["kinks"]);
    expect(notes.querySelector("summary")?.textContent).toBe("1 note");
    model.receive("notes", []);
    expect(notes.hidden).toBe(true);
  });

  it("folds its notes on Escape, which the notebook does not hear", () => {
    const { el } = show({ notes: ["kinks"] });
    const notes = el.querySelector("details")!;
    let heard = 0;
    el.addEventListener("keydown", () => heard++);
    const press = (key: string) => notes.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    notes.open = true;
    press("Escape");
    expect(notes.open).toBe(false);
    expect(heard).toBe(0);
    press("Escape"); // folded already: the notebook's
    expect(heard).toBe(1);
  });

  it("follows its model, and leaves nothing behind", () => {
    const { model, el, end } = show({ kind: "busy", sentence: "computing" });
    model.receive("kind", "minimum");
    model.receive("sentence", "A minimum.");
    expect(el.querySelector("[role=status]")?.textContent).toBe("A minimum.");
    expect(el.querySelector("svg")?.getAttribute("aria-label")).toBe("bowl");
    end();
    expect(el.childElementCount).toBe(0);
    expect(model.listening).toBe(0);
  });
});
