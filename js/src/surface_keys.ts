// The anywidget of `SurfaceKeys`: what lies over a surface, to be focused, to hear the keys, and to be read out.

import type { Render } from "@anywidget/types";
import { html } from "./dom";

export interface SurfaceKeysTraits {
  label: string;
  turned: [number, number, number];
}

const STEP = 5; // degrees a key; three times that with shift
const COARSE = 3;
const TURNS: Record<string, [number, number]> = {
  ArrowLeft: [-STEP, 0],
  ArrowRight: [STEP, 0],
  ArrowDown: [0, -STEP],
  ArrowUp: [0, STEP],
  Home: [0, 0],
};

const render: Render<SurfaceKeysTraits> = ({ model, el }) => {
  const target = html("div", {
    class: "cw-root cw-surface-keys",
    tabindex: 0,
    role: "application",
    "aria-roledescription": "surface",
    "data-lm-suppress-shortcuts": "true",
  });
  const describe = (): void => {
    const label = model.get("label");
    const hint = "Arrow keys turn it, with shift in larger steps; Home turns it back.";
    target.setAttribute("aria-label", `${label ? `Loss as a surface: ${label}` : "No surface yet"}. ${hint}`);
  };
  target.addEventListener("keydown", (event) => {
    const turn = TURNS[event.key];
    if (!turn || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation(); // else the notebook takes the arrows as its own
    const far = event.shiftKey ? COARSE : 1;
    model.set("turned", [turn[0] * far, turn[1] * far, model.get("turned")[2] + 1]);
    model.save_changes();
  });
  el.style.cssText += "position:absolute;inset:0;margin:0;pointer-events:none";
  el.append(target);
  model.on("change:label", describe);
  describe();
  return () => {
    model.off("change:label", describe);
    target.remove();
  };
};

export default { render };
