// The colours of the map and of its colour bar, pixel by pixel.

import type { Numbers } from "./codec";
import { type Coloring, indexOf } from "./colormap";
import { locate } from "./grid";
import { Mark, type Packet } from "./packet";

/** Colours of the rectangle of the axes, top row first: as `sample` reads it, transparent where a mark is to be drawn. */
export function shade(packet: Packet, colors: Coloring, width: number, height: number): Uint8ClampedArray<ArrayBuffer> {
  const columns = along(packet.x, width, false);
  const rows = along(packet.y, height, true);
  const stride = packet.y.length;
  const { values, marks, base } = packet;
  const anyMark = marks.some((mark) => mark !== Mark.Finite);
  // Four bytes at a time, copied as they are from the colours' table.
  const palette = new Uint32Array(colors.table.buffer);
  const pixels = new Uint32Array(width * height);
  let at = -1;
  for (const row of rows) {
    for (const column of columns) {
      at += 1;
      const a = column.index * stride + row.index;
      const b = a + stride;
      let shown: number;
      if (anyMark && (marks[a] || marks[b] || marks[a + 1] || marks[b + 1])) {
        const index = (column.fraction < 0.5 ? a : b) + (row.fraction < 0.5 ? 0 : 1);
        if (marks[index] !== Mark.Finite) continue;
        shown = values[index] as number;
      } else {
        const bottom = (values[a] as number) + ((values[b] as number) - (values[a] as number)) * column.fraction;
        const top = (values[a + 1] as number) + ((values[b + 1] as number) - (values[a + 1] as number)) * column.fraction;
        shown = bottom + (top - bottom) * row.fraction;
      }
      pixels[at] = palette[indexOf(colors.position(base + shown))] as number;
    }
  }
  return new Uint8ClampedArray(pixels.buffer);
}

function along(axis: Numbers, count: number, downwards: boolean): { index: number; fraction: number }[] {
  const start = axis[0] as number;
  const length = (axis[axis.length - 1] as number) - start;
  return Array.from({ length: count }, (_, pixel) => {
    const share = (pixel + 0.5) / count;
    return locate(axis, start + length * (downwards ? 1 - share : share));
  });
}

/** Colours of an upright bar, the largest value on top. */
export function shadeBar(
  colors: Coloring,
  range: readonly [number, number],
  width: number,
  height: number,
): Uint8ClampedArray<ArrayBuffer> {
  const [low, high] = [colors.position(range[0]), colors.position(range[1])];
  const pixels = new Uint8ClampedArray(4 * width * height);
  for (let row = 0; row < height; row++) {
    const color = 4 * indexOf(high - (high - low) * ((row + 0.5) / height));
    const rgba = colors.table.subarray(color, color + 4);
    for (let column = 0; column < width; column++) pixels.set(rgba, 4 * (row * width + column));
  }
  return pixels;
}
