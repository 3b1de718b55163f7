// What a map draws: one slice with its contours, as curvwidget/widgets/loss_packet.py packs it.

import { type Numbers, unpack } from "./codec";

export type Scale = "linear" | "log" | "difference";

/** What a grid point holds in place of a number that can be drawn; the order is that of loss_packet.py. */
export enum Mark {
  Finite = 0,
  Nan = 1,
  Above = 2,
  Below = 3,
  NoLogarithm = 4,
}

export interface Lines {
  points: Numbers;
  starts: Numbers;
  levelIndex: Numbers;
}

export interface Packet {
  scale: Scale;
  labels: [string, string];
  hasModel: boolean;
  /** Axes, ascending, in units of the directions; the steps may differ. */
  x: Numbers;
  y: Numbers;
  /** What is drawn at (x[i], y[j]), less `base`, at i·y.length + j. */
  values: Numbers;
  marks: Numbers;
  base: number;
  /** L(θ). */
  center: number;
  /** Smallest and largest value drawn; null where nothing is finite. */
  range: [number, number] | null;
  /** Where the colours end: the range, unless other limits were asked for; null where nothing is finite. */
  limits: [number, number] | null;
  levels: Numbers;
  contours: Lines;
  model: Lines;
  /** How far the values may be from the loss; 0 where they are losses. */
  error: number;
}

const VERSION = 1;

/** Read a packet; null for the empty one of a map without a slice. */
export function readPacket(block: ArrayBuffer | ArrayBufferView | null | undefined): Packet | null {
  if (!block || block.byteLength === 0) return null;
  const { meta, arrays } = unpack(block);
  if (meta.version !== VERSION) throw new Error(`packet must have version ${VERSION}, got ${String(meta.version)}`);
  const array = (name: string): Numbers => {
    const found = arrays[name];
    if (!found) throw new Error(`packet lacks ${name}`);
    return found;
  };
  const number = (name: string): number => array(name)[0] ?? Number.NaN;
  const ends = (name: string): [number, number] | null => {
    const [low, high] = array(name);
    return low === undefined || high === undefined ? null : [low, high];
  };
  const lines = (prefix: string): Lines => ({
    points: array(`${prefix}points`),
    starts: array(`${prefix}starts`),
    levelIndex: array(`${prefix}level_index`),
  });
  return {
    scale: meta.scale as Scale,
    labels: meta.labels as [string, string],
    hasModel: meta.has_model === true,
    x: array("x"),
    y: array("y"),
    values: array("values"),
    marks: array("marks"),
    base: number("base"),
    center: number("center"),
    range: ends("range"),
    limits: ends("limits"),
    levels: array("levels"),
    contours: lines(""),
    model: lines("model_"),
    error: typeof meta.error === "number" ? meta.error : 0,
  };
}

/** The loss that a drawn value stands for. */
export function lossOf(packet: Packet, shown: number): number {
  if (packet.scale === "log") return 10 ** shown;
  return packet.scale === "difference" ? packet.center + shown : shown;
}
