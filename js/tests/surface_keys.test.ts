import { afterEach, describe, expect, it, vi } from "vitest";
import widget, { type SurfaceKeysTraits } from "../src/surface_keys";
import { FakeModel } from "./cases";

function show(label = "axis 1: random, ±1; loss from 0 to 2") {
  const model = new FakeModel<SurfaceKeysTraits>({ label, turned: [0, 0, 0] });
  const el = document.createElement("div");
  document.body.append(el);
  const end = widget.render({ model: model.any, el } as never) as () => void;
  const press = (key: string, shiftKey = false): KeyboardEvent => {
    const event = new KeyboardEvent("keydown", { key, shiftKey, bubbles: true, cancelable: true });
    el.querySelector(".cw-surface-keys")?.dispatchEvent(event);
    return event;
  };
  return { model, el, end, press };
}

afterEach(() => {
  document.body.replaceChildren();
});

describe("a surface", () => {
  it("is turned by the arrow keys, which the page does not hear", () => {
    const { model, el, press } = show();
    const heard = vi.fn();
    document.body.addEventListener("keydown", heard);
    expect(press("ArrowRight").defaultPrevented).toBe(true);
    press("ArrowUp", true);
    press("Home");
    expect(model.sent.map((state) => state.turned)).toEqual([
      [5, 0, 1],
      [0, 15, 2],
      [0, 0, 3],
    ]);
    expect(heard).not.toHaveBeenCalled();
    expect(press("Tab").defaultPrevented).toBe(false);
    expect(el.querySelector<HTMLElement>("[tabindex='0']")).not.toBeNull();
    document.body.removeEventListener("keydown", heard);
  });

  it("is told to screen readers with what it shows and how to turn it, and leaves nothing behind", () => {
    const { model, el, end } = show("");
    const label = () => el.querySelector("[role=application]")?.getAttribute("aria-label");
    expect(label()).toContain("No surface yet");
    model.receive("label", "loss from 0 to 2");
    expect(label()).toBe(
      "Loss as a surface: loss from 0 to 2. Arrow keys turn it, with shift in larger steps; Home turns it back.",
    );
    end();
    expect(el.childElementCount).toBe(0);
    expect(model.listening).toBe(0);
  });
});
