// Colours of values: one map from dark to light for a loss, one centred at zero for a difference.

import type { Scale } from "./packet";

export type Rgb = readonly [number, number, number];

// Every eighth colour of matplotlib's viridis (by S. van der Walt and N. Smith, given to the public domain as CC0); the colours
// between are linear to within 1 %.
const VIRIDIS =
  "440154470d6048186a482374472d7b4537814240863e49893b528b375b8d33638d2f6b8e2c728e297a8e26828e23898e21918c1f988b1fa08822a78528ae80" +
  "32b67a3fbc734ec36b5ec96270cf5784d44b98d83eaddc30c2df23d8e219ece51bfde725";

const SIZE = 1024;

function viridis(t: number): Rgb {
  const last = VIRIDIS.length / 6 - 1;
  const index = Math.min(last - 1, Math.floor(t * last));
  const fraction = t * last - index;
  const channel = (knot: number, offset: number): number =>
    Number.parseInt(VIRIDIS.slice(knot * 6 + offset, knot * 6 + offset + 2), 16);
  const mix = (offset: number): number => channel(index, offset) * (1 - fraction) + channel(index + 1, offset) * fraction;
  return [mix(0), mix(2), mix(4)];
}

/** Blue below, white at the middle, orange above: equally light at equal distance, hues that all kinds of colour vision tell apart. */
function blueOrange(t: number): Rgb {
  const u = Math.min(1, Math.abs(2 * t - 1));
  const hue = ((t < 0.5 ? 256 : 58) * Math.PI) / 180;
  const lightness = 0.975 - 0.53 * u;
  const chroma = (t < 0.5 ? 0.155 : 0.15) * Math.min(1, 1.9 * u) * (1 - 0.22 * u * u);
  return fromOklab(lightness, chroma * Math.cos(hue), chroma * Math.sin(hue));
}

// B. Ottosson, "A perceptual color space for image processing", 2020: the inverse transform.
function fromOklab(lightness: number, a: number, b: number): Rgb {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const encode = (linear: number): number => {
    const value = Math.min(1, Math.max(0, linear));
    return 255 * (value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055);
  };
  return [
    encode(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    encode(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    encode(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

function table(map: (t: number) => Rgb): Uint8ClampedArray {
  const colors = new Uint8ClampedArray(4 * SIZE);
  for (let index = 0; index < SIZE; index++) colors.set([...map(index / (SIZE - 1)), 255], 4 * index);
  return colors;
}

const TABLES = new Map<boolean, Uint8ClampedArray>();

/** How values become colours on one map. */
export interface Coloring {
  /** Where a value lies between the colours' ends, in [0, 1]. */
  position(value: number): number;
  /** The value at a position. */
  value(position: number): number;
  rgb(value: number): Rgb;
  /** Four bytes a colour. */
  table: Uint8ClampedArray;
}

export function coloring(scale: Scale, range: readonly [number, number]): Coloring {
  const diverging = scale === "difference";
  let colors = TABLES.get(diverging);
  if (!colors) {
    colors = table(diverging ? blueOrange : viridis);
    TABLES.set(diverging, colors);
  }
  const [low, high] = range;
  const limit = Math.max(Math.abs(low), Math.abs(high)) || 1;
  const clamp = (t: number): number => Math.min(1, Math.max(0, t));
  // Differences: the square root, so that a shallow valley beside a steep wall still has a colour.
  const position = diverging
    ? (value: number) => clamp(0.5 + 0.5 * Math.sign(value) * Math.sqrt(Math.abs(value) / limit))
    : (value: number) => (high > low ? clamp((value - low) / (high - low)) : 0.5);
  const value = diverging ? (t: number) => Math.sign(t - 0.5) * limit * (2 * t - 1) ** 2 : (t: number) => low + t * (high - low);
  const found = colors;
  const rgb = (at: number): Rgb => {
    const start = 4 * indexOf(position(at));
    return [found[start] as number, found[start + 1] as number, found[start + 2] as number];
  };
  return { position, value, rgb, table: colors };
}

export function indexOf(position: number): number {
  return Math.round(position * (SIZE - 1));
}

/** Relative luminance (WCAG 2), in [0, 1]. */
export function luminance([r, g, b]: Rgb): number {
  const linear = (channel: number): number => {
    const value = channel / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
}

/** Black or white, whichever is easier to see on a colour. */
export function inkOn(color: Rgb): string {
  return luminance(color) > 0.179 ? "#000" : "#fff";
}

export function css([r, g, b]: Rgb): string {
  return `rgb(${Math.round(r)},${Math.round(g)},${Math.round(b)})`;
}
