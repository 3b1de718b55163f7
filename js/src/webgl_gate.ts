// The anywidget of `WebGLGate`: asks the browser once whether it can draw in three dimensions, and keeps the figure quick to redraw,
// in one view and in several.

import type { Render } from "@anywidget/types";
import { keepApart, type FigureModel as SharedFigure } from "./shared_scene";
import { type FigureModel, keepSteady } from "./steady_shaders";

export interface GateTraits {
  supported: boolean | null;
  reason: string;
  figure: string | null;
}

const REFERENCE = "IPY_MODEL_";

/** Try to get a WebGL context, and give it back: a browser has few. */
export function probeWebGL(create: () => HTMLCanvasElement = () => document.createElement("canvas")): {
  supported: boolean;
  reason: string;
} {
  for (const kind of ["webgl2", "webgl"] as const) {
    const context = create().getContext(kind) as WebGLRenderingContext | null;
    if (context) {
      const reason = String(context.getParameter(context.VERSION));
      context.getExtension("WEBGL_lose_context")?.loseContext();
      return { supported: true, reason };
    }
  }
  return { supported: false, reason: "the browser gives no WebGL context" };
}

const render: Render<GateTraits> = ({ model, el }) => {
  el.style.cssText += "width:0;height:0;margin:0;padding:0;overflow:hidden";
  const life = new AbortController();
  const steady = async (): Promise<void> => {
    const figure = model.get("figure");
    if (!figure) return;
    const found = await model.widget_manager.get_model(figure.slice(REFERENCE.length));
    if (life.signal.aborted) return;
    keepSteady(found as unknown as FigureModel, life.signal);
    keepApart(found as unknown as SharedFigure);
  };
  model.on("change:figure", steady);
  life.signal.addEventListener("abort", () => model.off("change:figure", steady));
  void steady();
  if (model.get("supported") === null) {
    const found = probeWebGL();
    model.set("supported", found.supported);
    model.set("reason", found.reason);
    model.save_changes();
  }
  return () => life.abort();
};

export default { render };
