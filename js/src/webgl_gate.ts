// The anywidget of `WebGLGate`: asks the browser once whether it can draw in three dimensions.

import type { Render } from "@anywidget/types";

export interface GateTraits {
  supported: boolean | null;
  reason: string;
}

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
  if (model.get("supported") !== null) return;
  const found = probeWebGL();
  model.set("supported", found.supported);
  model.set("reason", found.reason);
  model.save_changes();
};

export default { render };
