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
  if (power < -4 || power >= 6) return minus(`${mantissa}×${powerOfTen(power)}`);
  return minus(value.toFixed(Math.max(0, digits - 1 - power)));
}

/** A number with its error, both rounded to one place; alone where the error is less than its rounding. As `format_uncertain` in Python. */
export function formatUncertain(value: number, error: number, digits = 4): string {
  const alone = formatNumber(value, digits);
  if (!Number.isFinite(value) || !(error > 0) || !Number.isFinite(error)) return alone;
  const last = powerOf(error, 2);
  const first = Math.max(powerOf(value, digits), last);
  if (error < 0.5 * 10 ** (first - digits + 1)) return alone;
  const shift = first < -4 || first >= 6 ? first : 0;
  // No finer than the error's second digit, nor than one digit beyond those of a number alone.
  const place = Math.max(last - 1, first - digits);
  const written = (number: number): string => {
    const rounded = Math.round(number / 10 ** place);
    return minus((rounded === 0 ? 0 : rounded * 10 ** (place - shift)).toFixed(Math.max(0, shift - place)));
  };
  const text = `${written(value)} ± ${written(error)}`;
  return shift ? `(${text})×${powerOfTen(shift)}` : text;
}

/** The power of ten of the first digit, after rounding; that of a zero is below all others. */
function powerOf(value: number, digits: number): number {
  return value === 0 ? -400 : Number(value.toExponential(digits - 1).split("e")[1]);
}

/** A coordinate with as many decimals as make sense on an axis of some length. */
export function formatCoordinate(value: number, length: number): string {
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(length)));
  if (decimals > 6 || length >= 1e6) return formatNumber(value, 3);
  return minus((Object.is(Math.round(value * 10 ** decimals), -0) ? 0 : value).toFixed(decimals));
}

/** What all labels of an axis leave out and its name says instead: value = label · 10^shift + offset. */
export interface TickFormat {
  shift: number;
  offset: number;
  /** As it stands beside the name, such as "×10⁻⁶ + 2.3"; empty where nothing is left out. */
  text: string;
}

/** How to write the numbers of a range in a few digits each. */
export function tickFormat(low: number, high: number): TickFormat {
  const span = high - low;
  let offset = 0;
  let text = "";
  if (span > 0 && Math.max(Math.abs(low), Math.abs(high)) > 2000 * span) {
    const power = Math.ceil(Math.log10(span));
    offset = Number(`${Math.round((low + high) / 2 / 10 ** power)}e${power}`);
    text = ` ${offset < 0 ? "−" : "+"} ${Math.abs(offset).toFixed(Math.min(20, Math.max(0, -power)))}`;
  }
  const largest = Math.max(Math.abs(low - offset), Math.abs(high - offset));
  const power = largest > 0 ? Math.floor(Math.log10(largest * (1 + 1e-9))) : 0;
  const shift = power < -3 || power > 4 ? power : 0;
  return { shift, offset, text: `${shift ? `×${powerOfTen(shift)}` : ""}${text}`.trim() };
}

/** Label numbers with the decimals that tell them apart: the same for all where they stand at equal steps, else its own for each. */
export function labelTicks(values: readonly number[], format: TickFormat, equal = true): string[] {
  const scaled = values.map((value) => (value - format.offset) / 10 ** format.shift);
  const decimals = scaled.map(decimalsOf);
  const most = Math.max(0, ...decimals);
  return scaled.map((value, index) =>
    minus((Math.abs(value) < 1e-12 ? 0 : value).toFixed(equal ? most : (decimals[index] ?? 0))),
  );
}

function decimalsOf(value: number): number {
  let decimals = 0;
  while (decimals < 8 && Math.abs(value - Number(value.toFixed(decimals))) > 1e-7) decimals += 1;
  return decimals;
}

/** Round numbers between two decimal logarithms: powers of ten where there are several, else their 1, 2 and 5, else equal steps. */
export function logTicks(low: number, high: number): number[] {
  const within = (values: number[]): number[] => values.filter((value) => value >= 10 ** low && value <= 10 ** high);
  const exponents = Array.from(
    { length: Math.max(0, Math.floor(high) - Math.floor(low) + 1) },
    (_, index) => Math.floor(low) + index,
  );
  const decades = within(exponents.map((exponent) => Number(`1e${exponent}`)));
  if (decades.length >= 3) return decades.filter((_, index) => index % (1 + Math.floor(decades.length / 6)) === 0);
  const steps = within(exponents.flatMap((exponent) => [1, 2, 5].map((mantissa) => Number(`${mantissa}e${exponent}`))));
  return steps.length >= 3 ? steps : ticks(10 ** low, 10 ** high, 4);
}

/** Numbers 1, 2 and 5 times powers of ten on both sides of zero, largest first: for an axis that is dense at zero. */
export function rootTicks(low: number, high: number): number[] {
  const limit = Math.max(-low, high, 0);
  if (!limit) return [0];
  const top = Math.floor(Math.log10(limit));
  const sizes = [0, 1, 2, 3].flatMap((down) => [5, 2, 1].map((mantissa) => Number(`${mantissa}e${top - down}`)));
  return [0, ...sizes.flatMap((size) => [size, -size])].filter((value) => value >= low && value <= high);
}
