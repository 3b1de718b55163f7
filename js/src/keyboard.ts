// What a key does to the probe.

import { clampTo, type Point, stepFrom } from "./grid";
import type { Packet } from "./packet";

export type Move = { kind: "move"; to: Point } | { kind: "pick" } | { kind: "cancel" } | null;

const COARSE = 5;
const ARROWS: Record<string, Point> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };

/** Arrows go a grid step, five with shift; Home goes to the centre; Enter picks the point; Escape ends a drag. */
export function onKey(key: string, shift: boolean, probe: Point, packet: Packet): Move {
  const [x, y] = probe;
  const arrow = ARROWS[key];
  if (arrow) {
    const steps = shift ? COARSE : 1;
    return {
      kind: "move",
      to: [
        arrow[0] ? stepFrom(packet.x, x, arrow[0] * steps) : clampTo(packet.x, x),
        arrow[1] ? stepFrom(packet.y, y, arrow[1] * steps) : clampTo(packet.y, y),
      ],
    };
  }
  if (key === "Home") return { kind: "move", to: [0, 0] };
  if (key === "Enter") return { kind: "pick" };
  return key === "Escape" ? { kind: "cancel" } : null;
}
