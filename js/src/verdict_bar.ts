// The anywidget of `VerdictBar`: a sign, a sentence, a few numbers, and notes on them to unfold.

import type { Render } from "@anywidget/types";
import { html, svg } from "./dom";

export interface VerdictTraits {
  sentence: string;
  facts: [string, string, string][];
  notes: string[];
  kind: Kind;
  theme: "auto" | "light" | "dark";
}

type Kind = "saddle" | "minimum" | "maximum" | "flat" | "busy" | "error" | "";

// Each verdict by the shape that it names, so that no colour need be told from another; the ball lies where the model is.
const SHAPES: Record<Exclude<Kind, "">, { path: string; ball?: [number, number]; name: string }> = {
  saddle: { path: "M3 5Q15 27 27 5M3 27Q15 5 27 27", ball: [15, 16], name: "saddle" },
  minimum: { path: "M4 6Q15 42 26 6", ball: [15, 19], name: "bowl" },
  maximum: { path: "M4 26Q15 -8 26 26", ball: [15, 5], name: "dome" },
  flat: { path: "M3 20H27", ball: [15, 15.5], name: "flat" },
  busy: { path: "M15 4A11 11 0 1 1 4 15", name: "computing" },
  error: { path: "M15 3L28 26H2ZM15 11V18M15 22V22.2", name: "error" },
};

function sign(kind: Kind): SVGElement[] {
  const shape = kind && SHAPES[kind];
  if (!shape) return [];
  const line = svg("path", {
    d: shape.path,
    fill: "none",
    stroke: "currentColor",
    "stroke-width": 2.2,
    "stroke-linecap": "round",
    "stroke-linejoin": "round",
    ...(kind === "busy" ? { class: "cw-verdict-turning" } : {}),
  });
  const ball = shape.ball ? [svg("circle", { cx: shape.ball[0], cy: shape.ball[1], r: 3.4, fill: "currentColor" })] : [];
  return [svg("svg", { viewBox: "0 0 30 30", width: 30, height: 30, role: "img", "aria-label": shape.name }, line, ...ball)];
}

const render: Render<VerdictTraits> = ({ model, el }) => {
  const mark = html("div", { class: "cw-verdict-sign" });
  const sentence = html("div", { class: "cw-verdict-sentence", role: "status", "aria-live": "polite" });
  const facts = html("div", { class: "cw-verdict-facts" });
  const summary = html("summary", {});
  const list = html("div", { class: "cw-verdict-list", role: "list", tabindex: 0, "aria-label": "Notes on these numbers" });
  const fill = (): void => {
    const [texts, meanings] = [model.get("notes"), model.get("facts").filter(([, , meaning]) => meaning)];
    notes.hidden = !texts.length && !meanings.length;
    summary.textContent = texts.length ? `${texts.length} ${texts.length === 1 ? "note" : "notes"}` : "what is what";
    // What the mouse finds in tooltips stands below the notes.
    const lines = [...texts, ...meanings.map(([name, value, meaning]) => `${name} = ${value}: ${meaning}`)];
    list.replaceChildren(...lines.map((text) => html("div", { role: "listitem" }, text)));
  };
  const notes = html("details", { class: "cw-verdict-notes" }, summary, list);
  notes.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !notes.open) return;
    notes.open = false;
    summary.focus();
    event.stopPropagation(); // else the notebook leaves the cell
  });
  const beside = html("div", { class: "cw-verdict-beside" }, facts, notes);
  const root = html("div", { class: "cw-root cw-verdict" }, mark, sentence, beside);
  el.append(root);
  const draws: Record<keyof VerdictTraits, () => void> = {
    theme: () => root.setAttribute("data-theme", model.get("theme")),
    kind: () => {
      root.setAttribute("data-kind", model.get("kind"));
      mark.replaceChildren(...sign(model.get("kind")));
    },
    sentence: () => {
      sentence.textContent = model.get("sentence");
    },
    facts: () => {
      fill();
      facts.replaceChildren(
        ...model.get("facts").map(([name, value, tooltip]) => {
          const [number = "", error] = value.split(" ± ");
          return html(
            "div",
            { title: tooltip },
            html("span", { class: "cw-fact-name" }, name),
            html("span", { class: "cw-fact-value" }, number),
            ...(error === undefined ? [] : [html("span", { class: "cw-fact-error" }, `± ${error}`)]),
          );
        }),
      );
    },
    notes: fill,
  };
  for (const [name, draw] of Object.entries(draws)) {
    model.on(`change:${name as keyof VerdictTraits}`, draw);
    draw();
  }
  return () => {
    for (const [name, draw] of Object.entries(draws)) model.off(`change:${name as keyof VerdictTraits}`, draw);
    root.remove();
  };
};

export default { render };
