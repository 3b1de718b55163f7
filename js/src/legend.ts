// One row that tells what lines and hatchings mean, where there is anything to tell.

import { lineStyle, MODEL_COLOR, MODEL_DOTS } from "./contours";
import { svg } from "./dom";
import { textWidth } from "./layout";
import { MARK_NAMES } from "./patterns";
import type { Plan } from "./plan";

const SAMPLE = 22;

interface Entry {
  text: string;
  short: string;
  sample: SVGElement[];
}

export function legend({ packet, layout, showModel }: Plan, prefix: string, marks: readonly number[]): SVGElement {
  const entries: Entry[] = [];
  const line = (attributes: Record<string, string | number>): SVGElement =>
    svg("path", { d: `M0 0H${SAMPLE}`, fill: "none", stroke: "currentColor", ...attributes });
  if (packet.scale === "difference") {
    entries.push({ text: "above L(θ)", short: "above", sample: [line(lineStyle("difference", 1))] });
    entries.push({ text: "equal", short: "equal", sample: [line(lineStyle("difference", 0))] });
    entries.push({ text: "below", short: "below", sample: [line(lineStyle("difference", -1))] });
  }
  if (showModel && packet.hasModel) {
    entries.push({
      text: "quadratic model",
      short: "model",
      sample: [line({ stroke: MODEL_COLOR, "stroke-width": 2.6, "stroke-linecap": "round", "stroke-dasharray": MODEL_DOTS })],
    });
  }
  for (const mark of marks) {
    const name = MARK_NAMES[mark] ?? "";
    const box = svg("rect", {
      x: 0,
      y: -6,
      width: SAMPLE,
      height: 12,
      fill: `url(#${prefix}-${mark})`,
      stroke: "currentColor",
      "stroke-width": 0.75,
    });
    entries.push({ text: name, short: name.split(",")[0] ?? "", sample: [box] });
  }
  const { font } = layout;
  const widthOf = (text: string): number => SAMPLE + 6 + textWidth(text.length, 0.92 * font) + 12;
  const room = layout.width - 8;
  const total = (key: "text" | "short"): number => entries.reduce((sum, entry) => sum + widthOf(entry[key]), -12);
  const key = total("text") <= room ? "text" : "short";
  const { plot } = layout;
  const centered = plot.x + plot.width / 2 - total(key) / 2;
  let x = Math.max(4, Math.min(centered, layout.width - 4 - total(key)));
  const group = svg("g", { class: "cw-legend", "font-size": font, fill: "currentColor" });
  for (const entry of entries) {
    group.append(
      svg(
        "g",
        { transform: `translate(${x.toFixed(1)} ${layout.legendY})` },
        ...entry.sample,
        svg("text", { x: SAMPLE + 6, dy: "0.34em" }, entry[key]),
      ),
    );
    x += widthOf(entry[key]);
  }
  return group;
}
