// The frame with its ticks and names, and the colour bar.

import { type Coloring, inkOn } from "./colormap";
import { svg } from "./dom";
import { type Box, textWidth } from "./layout";
import type { Scale } from "./packet";
import type { Plan } from "./plan";

const BAR_NAMES: Record<Scale, string> = { linear: "loss", log: "log₁₀ loss", difference: "loss − L(θ)" };

export function axes(figure: Plan): SVGElement {
  const { packet, layout, map, xTicks, yTicks } = figure;
  const { plot, font } = layout;
  const [bottom, right, middle] = [plot.y + plot.height, plot.x + plot.width, plot.x + plot.width / 2];
  const strokes = [
    ...xTicks.values.map((value) => `M${map.x(value).toFixed(1)} ${bottom}v5`),
    ...yTicks.values.map((value) => `M${plot.x} ${map.y(value).toFixed(1)}h-5`),
  ].join("");
  const group = svg("g", { class: "cw-axes", "font-size": font, fill: "currentColor" });
  group.append(
    svg("path", {
      d: `M${plot.x} ${plot.y}H${right}V${bottom}H${plot.x}Z${strokes}`,
      fill: "none",
      stroke: "currentColor",
      "stroke-width": 1,
    }),
    ...xTicks.values.map((value, index) =>
      svg(
        "text",
        { x: map.x(value).toFixed(1), y: bottom + 7 + 0.75 * font, "text-anchor": "middle" },
        xTicks.labels[index] ?? "",
      ),
    ),
    ...yTicks.values.map((value, index) =>
      svg("text", { x: plot.x - 8, y: map.y(value).toFixed(1), dy: "0.34em", "text-anchor": "end" }, yTicks.labels[index] ?? ""),
    ),
    named(packet.labels[0], xTicks.format.text, "v₁", 2 * Math.min(middle, layout.width - middle), font, {
      x: middle,
      y: layout.nameY,
      "text-anchor": "middle",
    }),
    named(packet.labels[1], yTicks.format.text, "v₂", plot.height + 2 * plot.y, font, {
      transform: upwards(layout.nameX, plot),
      dy: "0.34em",
      "text-anchor": "middle",
    }),
  );
  return group;
}

function upwards(x: number, box: Box): string {
  return `translate(${x.toFixed(1)} ${box.y + box.height / 2}) rotate(-90)`;
}

/** An axis' name with its unit, in as many words as there is room for; a tooltip has them all. */
function named(
  label: string,
  factor: string,
  vector: string,
  room: number,
  font: number,
  place: Record<string, string | number>,
): SVGElement {
  const units = ["units of the direction", `units of ${vector}`, vector].map((unit) => ` (${factor ? `${factor} ` : ""}${unit})`);
  const [full = "", , least = ""] = units;
  const most = Math.max(4, Math.floor(room / textWidth(1, 0.95 * font)));
  const shown = units.map((unit) => label + unit).find((text) => text.length <= most);
  const cut = `${label.slice(0, Math.max(1, most - 1 - least.length))}…${least}`;
  return svg("text", { class: "cw-axis-name", ...place }, shown ?? cut, svg("title", {}, label + full));
}

export function bar({ packet, layout, barTicks }: Plan, colors: Coloring, box: Box): SVGElement {
  const [low, high] = packet.limits ?? [0, 0];
  const [from, to] = [colors.position(low), colors.position(high)];
  const y = (value: number): number => box.y + box.height * (to > from ? (to - colors.position(value)) / (to - from) : 0.5);
  const edge = box.x + box.width;
  const group = svg("g", { class: "cw-bar", "font-size": layout.font, fill: "currentColor" });
  packet.levels.forEach((level) => {
    group.append(
      svg("path", {
        d: `M${box.x} ${y(level).toFixed(1)}h${box.width}`,
        stroke: inkOn(colors.rgb(level)),
        "stroke-opacity": 0.55,
        "stroke-width": level === 0 && packet.scale === "difference" ? 2.4 : 1,
      }),
    );
  });
  group.append(
    svg("rect", {
      x: box.x,
      y: box.y,
      width: box.width,
      height: box.height,
      fill: "none",
      stroke: "currentColor",
      "stroke-width": 1,
    }),
  );
  // Where ticks would touch, the one that comes first stands: zero, then the largest (`rootTicks`).
  const kept: number[] = [];
  for (const [index, value] of barTicks.values.entries()) {
    const at = y(value);
    if (kept.some((other) => Math.abs(other - at) < 1.3 * layout.font)) continue;
    kept.push(at);
    group.append(
      svg("path", { d: `M${edge} ${at.toFixed(1)}h4`, stroke: "currentColor", "stroke-width": 1 }),
      svg("text", { x: edge + 7, y: at.toFixed(1), dy: "0.34em" }, barTicks.labels[index] ?? ""),
    );
  }
  const name = BAR_NAMES[packet.scale] + (barTicks.format.text ? ` (${barTicks.format.text})` : "");
  group.append(
    svg("text", { class: "cw-bar-name", transform: upwards(layout.barNameX, box), dy: "0.34em", "text-anchor": "middle" }, name),
  );
  return group;
}
