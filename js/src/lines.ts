// Contour lines on the screen: their paths, and where their labels stand.

import type { Numbers } from "./codec";
import { type Box, type Mapping, meet, textWidth } from "./layout";
import type { Lines } from "./packet";

export type Pixel = readonly [number, number];

/** The lines of one level, in pixels. */
export function linesAt(lines: Lines, level: number, map: Mapping): Pixel[][] {
  const found: Pixel[][] = [];
  for (let line = 0; line < lines.levelIndex.length; line++) {
    if (lines.levelIndex[line] === level)
      found.push(toPixels(lines.points, lines.starts[line] as number, lines.starts[line + 1] as number, map));
  }
  return found;
}

function toPixels(points: Numbers, start: number, stop: number, map: Mapping): Pixel[] {
  const pixels: Pixel[] = [];
  for (let index = start; index < stop; index++) {
    pixels.push([map.x(points[2 * index] as number), map.y(points[2 * index + 1] as number)]);
  }
  return pixels;
}

/** The path of some lines. Points closer than half a pixel are left out: nobody sees them. */
export function pathOf(lines: readonly Pixel[][]): string {
  let path = "";
  for (const line of lines) {
    let last: Pixel | undefined;
    line.forEach((point, index) => {
      const near = last && Math.hypot(point[0] - last[0], point[1] - last[1]) < 0.5;
      if (near && index < line.length - 1) return;
      path += `${last ? "L" : "M"}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
      last = point;
    });
  }
  return path;
}

export interface Label {
  text: string;
  x: number;
  y: number;
  /** Degrees, clockwise; within ±90, so that no label is upside down. */
  angle: number;
}

/**
 * Put a text on one of some lines where the line is straight, away from the border, from the middles of other such texts and clear
 * of boxes that hold something else; null without room.
 */
export function placeLabel(
  text: string,
  lines: readonly Pixel[][],
  plot: Box,
  font: number,
  taken: readonly Pixel[],
  boxes: readonly Box[] = [],
): Label | null {
  const width = textWidth(text.length, font) + 6;
  let best: { label: Label; score: number } | null = null;
  for (const line of lines) {
    const lengths = [0];
    for (let index = 1; index < line.length; index++) {
      const [a, b] = [line[index - 1] as Pixel, line[index] as Pixel];
      lengths.push((lengths[index - 1] as number) + Math.hypot(b[0] - a[0], b[1] - a[1]));
    }
    const total = lengths[lengths.length - 1] as number;
    if (total < 2 * width) continue;
    const candidates = Math.min(48, Math.max(4, Math.floor(total / 12)));
    for (let index = 0; index < candidates; index++) {
      const middle = width / 2 + ((total - width) * (index + 0.5)) / candidates;
      const from = pointAt(line, lengths, middle - width / 2);
      const to = pointAt(line, lengths, middle + width / 2);
      const [x, y] = pointAt(line, lengths, middle);
      const chord = Math.hypot(to[0] - from[0], to[1] - from[1]);
      const border = Math.min(x - plot.x, plot.x + plot.width - x, y - plot.y, plot.y + plot.height - y);
      if (border < width / 2 + 2 || chord < 0.85 * width) continue;
      const apart = Math.min(...taken.map(([u, v]) => Math.hypot(u - x, v - y)), 4 * width);
      if (apart < width) continue;
      const slope = Math.atan2(to[1] - from[1], to[0] - from[0]);
      if (!isClear([x, y], slope, width, font, boxes)) continue;
      const bend = Math.hypot((from[0] + to[0]) / 2 - x, (from[1] + to[1]) / 2 - y);
      const angle = upright((slope * 180) / Math.PI);
      // Straight and level is easy to read; far from other labels is easy to find.
      const score = apart / width - 0.5 * bend - Math.abs(angle) / 60;
      if (!best || score > best.score) best = { label: { text, x, y, angle }, score };
    }
  }
  return best?.label ?? null;
}

/** Whether a text at some slope, taken as squares in a row, meets none of the boxes. */
function isClear([x, y]: Pixel, slope: number, width: number, font: number, boxes: readonly Box[]): boolean {
  const count = Math.ceil(width / font);
  return Array.from({ length: count }, (_, index) => width * ((index + 0.5) / count - 0.5)).every((along) => {
    const [u, v] = [x + along * Math.cos(slope), y + along * Math.sin(slope)];
    const square = { x: u - font / 2, y: v - font / 2, width: font, height: font };
    return !boxes.some((box) => meet(square, box));
  });
}

function pointAt(line: readonly Pixel[], lengths: readonly number[], at: number): Pixel {
  let index = 1;
  while (index < lengths.length - 1 && (lengths[index] as number) < at) index++;
  const [a, b] = [line[index - 1] as Pixel, line[index] as Pixel];
  const start = lengths[index - 1] as number;
  const share = (at - start) / Math.max(1e-9, (lengths[index] as number) - start);
  return [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share];
}

function upright(angle: number): number {
  if (angle > 90) return angle - 180;
  return angle < -90 ? angle + 180 : angle;
}
