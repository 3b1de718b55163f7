// Round numbers along an axis, and numbers as text.

const SUPERSCRIPTS: Record<string, string> = {
  "-": "⁻",
  "0": "⁰",
  "1": "¹",
  "2": "²",
  "3": "³",
  "4": "⁴",
  "5": "⁵",
  "6": "⁶",
  "7": "⁷",
  "8": "⁸",
  "9": "⁹",
};

/** Multiples of a round step between two values, both included; at most `count`, at least one where the range holds any. */
export function ticks(low: number, high: number, count: number): number[] {
  if (!(low < high) || !Number.isFinite(high - low)) return Number.isFinite(low) ? [low] : [];
  const most = Math.max(2, count);
  let exponent = Math.floor(Math.log10((high - low) / most));
  for (;;) {
    for (const mantissa of [1, 2, 5]) {
      const step = mantissa * 10 ** exponent;
      const slack = 1e-9 * step;
      const first = Math.ceil((low - slack) / step);
      const last = Math.floor((high + slack) / step);
      if (last - first + 1 <= most) {
        return Array.from({ length: last - first + 1 }, (_, index) => Number(`${(first + index) * mantissa}e${exponent}`));
      }
    }
    exponent += 1;
  }
}

export function minus(text: string): string {
  return text.replace(/-/g, "−");
}

export function powerOfTen(exponent: number): string {
  return `10${Array.from(String(exponent), (digit) => SUPERSCRIPTS[digit] ?? digit).join("")}`;
}

/** A number with some significant digits, in powers of ten where it is very small or large. */
export function formatNumber(value: number, digits = 4): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+∞" : "−∞";
  if (value === 0) return "0";
  const [mantissa = "", exponent = "0"] = value.toExponential(digits - 1).split("e");
  const power = Number(exponent);
  if (power < -4 || power >= 6) return minus(`${mantissa}·${powerOfTen(power)}`);
  return minus(value.toFixed(Math.max(0, digits - 1 - power)));
}

/** A coordinate with as many decimals as make sense on an axis of some length. */
export function formatCoordinate(value: number, length: number): string {
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(length)));
  if (decimals > 6 || length >= 1e6) return formatNumber(value, 3);
  return minus((Object.is(Math.round(value * 10 ** decimals), -0) ? 0 : value).toFixed(decimals));
}

export interface TickLabels {
  labels: string[];
  /** The power of ten that all labels are to be multiplied by, as text; empty where there is none. */
  factor: string;
}

/** Label numbers at equal steps with the decimals that tell them apart. */
export function labelTicks(values: readonly number[]): TickLabels {
  const largest = Math.max(...values.map(Math.abs), 0);
  const [first, second] = values;
  const step = first === undefined || second === undefined ? largest : Math.abs(second - first);
  if (largest === 0 || step === 0) return { labels: values.map((value) => formatNumber(value, 3)), factor: "" };
  const power = Math.floor(Math.log10(largest * (1 + 1e-9)));
  const shift = power < -3 || power > 4 ? power : 0;
  let decimals = Math.max(0, -Math.floor(Math.log10(step * (1 + 1e-9))) + shift);
  // A step of 2.5 needs a digit more than its size says.
  const scaled = (value: number): number => Number(`${value}e${-shift}`) || value / 10 ** shift;
  while (
    decimals < 12 &&
    values.some((value) => Math.abs(scaled(value) - Number(scaled(value).toFixed(decimals))) > 1e-6 * (step / 10 ** shift))
  ) {
    decimals += 1;
  }
  const labels = values.map((value) => minus((value === 0 ? 0 : scaled(value)).toFixed(decimals)));
  return { labels, factor: shift ? `×${powerOfTen(shift)}` : "" };
}
