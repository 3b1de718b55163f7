// Draws a small plot from a list of marks, as curvwidget/widgets/export/display_list.py writes it; places are shares of the plot.

import { svg } from "./dom";

export interface Line {
  kind: "line";
  x: number[];
  /** null parts the line. */
  y: (number | null)[];
  color: string;
  width: number;
  dash: string;
  fill: string;
  opacity: number;
}

export interface Points {
  kind: "points";
  x: number[];
  y: number[];
  color: string;
  marker: string;
  radius: number;
  hollow: boolean;
}

export interface Label {
  kind: "text";
  x: number;
  y: number;
  dx: number;
  text: string;
  anchor: string;
  color: string;
}

export interface Plot {
  marks: (Line | Points | Label)[];
  xTicks: [number, string][];
  yTicks: [number, string][];
  xName: string;
  yName: string;
}

const WIDTH = 460;
const HEIGHT = 230;
const LEFT = 88;
const PLOT = { x: LEFT, y: 8, width: WIDTH - LEFT - 16, height: HEIGHT - 54 };
// Corners of the markers that are no circle, in units of the radius, rightwards and down.
const SHAPES: Record<string, [number, number][]> = {
  diamond: [
    [0, -1.3],
    [1.1, 0],
    [0, 1.3],
    [-1.1, 0],
  ],
  square: [
    [-0.9, -0.9],
    [0.9, -0.9],
    [0.9, 0.9],
    [-0.9, 0.9],
  ],
  "triangle-up": [
    [0, -1.2],
    [1.2, 0.9],
    [-1.2, 0.9],
  ],
};
const INK = "var(--cw-fg)";

const px = (share: number): number => Math.round(10 * (PLOT.x + PLOT.width * share)) / 10;
const py = (share: number): number => Math.round(10 * (PLOT.y + PLOT.height * (1 - share))) / 10;

export function drawPlot(plot: Plot): SVGElement {
  const frame = svg("path", {
    d: `M${px(0)} ${py(1)}V${py(0)}H${px(1)}`,
    fill: "none",
    stroke: "currentColor",
    "stroke-width": 1,
  });
  const clip = svg("svg", { ...PLOT, viewBox: `${PLOT.x} ${PLOT.y} ${PLOT.width} ${PLOT.height}`, overflow: "hidden" });
  for (const mark of plot.marks) clip.append(...draw(mark));
  return svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "cw-page-plot", role: "img", "aria-label": `${plot.yName} over ${plot.xName}` },
    clip,
    frame,
    ...plot.xTicks.map(([at, text]) => word(text, px(at), py(0) + 16, "middle")),
    ...plot.yTicks.map(([at, text]) => word(text, px(0) - 6, py(at) + 4, "end")),
    word(plot.xName, px(0.5), HEIGHT - 8, "middle"),
    svg("g", { transform: `translate(14 ${py(0.5)}) rotate(-90)` }, word(plot.yName, 0, 0, "middle")),
  );
}

function word(text: string, x: number, y: number, anchor: string, color = INK): SVGElement {
  return svg("text", { x, y, "text-anchor": anchor, "font-size": 13, style: `fill:${color}` }, text);
}

function draw(mark: Line | Points | Label): SVGElement[] {
  if (mark.kind === "text") {
    return [word(mark.text, px(mark.x) + mark.dx, py(mark.y) + 4, mark.anchor, mark.color)];
  }
  if (mark.kind === "points") {
    const paint = mark.hollow ? `fill:none;stroke:${mark.color};stroke-width:2.2` : `fill:${mark.color}`;
    return mark.x.map((x, index) => {
      const [cx, cy] = [px(x), py(mark.y[index] as number)];
      const corners = SHAPES[mark.marker];
      if (!corners) return svg("circle", { cx, cy, r: mark.radius, style: paint });
      const at = corners.map(([right, down]) => `${cx + right * mark.radius},${cy + down * mark.radius}`);
      return svg("polygon", { points: at.join(" "), style: paint });
    });
  }
  const style = `stroke:${mark.width ? mark.color : "none"};fill:${mark.fill};fill-opacity:${mark.opacity}`;
  return [svg("path", { d: path(mark), style, "stroke-width": mark.width, "stroke-dasharray": mark.dash })];
}

function path({ x, y }: Line): string {
  let pen = "M";
  let d = "";
  y.forEach((value, index) => {
    if (value === null || !Number.isFinite(value)) {
      pen = "M";
      return;
    }
    d += `${pen}${px(x[index] as number)} ${py(value)}`;
    pen = "L";
  });
  return d;
}
