// Small slices to try things on, and a stand-in for the model that anywidget hands to a view.

import type { AnyModel } from "@anywidget/types";
import { Mark, type Packet, type Scale } from "../src/packet";

const NO_LINES = { points: new Float32Array(), starts: new Uint32Array([0]), levelIndex: new Uint16Array() };

export interface Options {
  x?: number[];
  y?: number[];
  scale?: Scale;
  levels?: number[];
  labels?: [string, string];
}

/** A packet of f on a grid, as Python makes it. */
export function packetOf(f: (a: number, b: number) => number, options: Options = {}): Packet {
  const { x = [-1, -0.5, 0, 0.5, 1], y = [-1, 0, 1], scale = "linear", levels = [], labels = ["first", "second"] } = options;
  const losses = x.flatMap((a) => y.map((b) => f(a, b)));
  const center = f(0, 0);
  const shown = losses.map((loss) => (scale === "log" ? Math.log10(loss) : scale === "difference" ? loss - center : loss));
  const markOf = (loss: number): Mark => {
    if (Number.isNaN(loss)) return Mark.Nan;
    if (!Number.isFinite(loss)) return loss > 0 ? Mark.Above : Mark.Below;
    return scale === "log" && loss <= 0 ? Mark.NoLogarithm : Mark.Finite;
  };
  const marks = losses.map(markOf);
  const finite = shown.filter((_, index) => marks[index] === Mark.Finite);
  const base = scale === "linear" && Number.isFinite(center) ? center : 0;
  const range: Packet["range"] = finite.length ? [Math.min(...finite), Math.max(...finite)] : null;
  return {
    scale,
    labels,
    hasModel: false,
    x: Float64Array.from(x),
    y: Float64Array.from(y),
    values: Float32Array.from(shown, (value, index) =>
      marks[index] === Mark.NoLogarithm ? (losses[index] as number) : value - base,
    ),
    marks: Uint8Array.from(marks),
    base,
    center,
    range,
    limits: range,
    levels: Float64Array.from(levels),
    contours: NO_LINES,
    model: NO_LINES,
    error: 0,
  };
}

/** A block as packing.py writes it. */
export function packBlock(
  meta: unknown,
  fields: { name: string; kind: string; shape: number[]; bytes: Uint8Array }[],
): Uint8Array {
  let offset = 0;
  const entries = fields.map(({ name, kind, shape, bytes }) => {
    const entry = [name, { kind, shape, offset }] as const;
    offset += Math.ceil(bytes.length / 8) * 8;
    return entry;
  });
  let header = JSON.stringify({ meta, fields: Object.fromEntries(entries) });
  header += " ".repeat((8 - (new TextEncoder().encode(header).length % 8)) % 8);
  const text = new TextEncoder().encode(header);
  const block = new Uint8Array(8 + text.length + offset);
  block.set(new TextEncoder().encode("CVW1"));
  new DataView(block.buffer).setUint32(4, text.length, true);
  block.set(text, 8);
  fields.forEach(({ bytes }, index) => {
    block.set(bytes, 8 + text.length + (entries[index]?.[1].offset ?? 0));
  });
  return block;
}

export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
}

/** A model without a kernel: it keeps its traits, counts what would be sent, and tells listeners of changes. */
export class FakeModel<T extends object> {
  readonly sent: Partial<T>[] = [];
  readonly listeners = new Map<string, Set<() => void>>();
  private pending: Partial<T> = {};

  constructor(readonly traits: T) {}

  get<K extends keyof T>(name: K): T[K] {
    return this.traits[name];
  }

  set<K extends keyof T>(name: K, value: T[K]): void {
    this.traits[name] = value;
    this.pending[name] = value;
    for (const listener of this.listeners.get(`change:${String(name)}`) ?? []) listener();
  }

  /** What the kernel does: a change that is not sent back. */
  receive<K extends keyof T>(name: K, value: T[K]): void {
    this.set(name, value);
    delete this.pending[name];
  }

  save_changes(): void {
    this.sent.push(this.pending);
    this.pending = {};
  }

  on(event: string, listener: () => void): void {
    if (!this.listeners.has(event)) this.listeners.set(event, new Set());
    this.listeners.get(event)?.add(listener);
  }

  off(event: string, listener: () => void): void {
    this.listeners.get(event)?.delete(listener);
  }

  get listening(): number {
    return [...this.listeners.values()].reduce((sum, set) => sum + set.size, 0);
  }

  get any(): AnyModel<never> {
    return this as unknown as AnyModel<never>;
  }
}
