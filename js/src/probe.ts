// The probe's way between pointer, keyboard, views and kernel.

import type { AnyModel } from "@anywidget/types";
import { clampTo, type Point } from "./grid";
import { onKey } from "./keyboard";
import type { Named } from "./markers";
import type { Packet } from "./packet";
import { Throttle } from "./throttle";

export interface MapTraits {
  packet: DataView | ArrayBuffer | null;
  probe: [number, number];
  picked: [number, number, number];
  way: Named[];
  spots: Named[];
  show_model: boolean;
  title: string;
  caption: string;
  status: string;
  theme: "auto" | "light" | "dark";
}

const SYNC_INTERVAL = 34; // milliseconds: at most 30 messages a second

export interface ProbeHost {
  packet(): Packet | null;
  /** The place under the pointer, in units of the directions. */
  locate(event: PointerEvent | MouseEvent): Point;
  /** The pointer is at a place that is not the probe's, or at none. */
  hover(at: Point | null): void;
  redraw(): void;
}

/** Moves the probe by pointer and keys. The marker moves at once; the kernel hears of it in its own time. */
export class ProbeControl {
  /** Where the view draws the probe: during a drag this is not the model's, which the kernel may change meanwhile. */
  at: Point;
  private drag: { pointer: number; from: Point } | null = null;
  private readonly sync: Throttle;

  constructor(
    private readonly model: AnyModel<MapTraits>,
    private readonly host: ProbeHost,
    figure: HTMLElement,
    target: Element,
    signal: AbortSignal,
  ) {
    this.at = model.get("probe");
    this.sync = new Throttle(() => model.save_changes(), SYNC_INTERVAL);
    const on = <E extends Event>(element: Element, type: string, listener: (event: E) => void): void =>
      element.addEventListener(type, listener as EventListener, { signal });
    on<PointerEvent>(target, "pointerdown", (event) => this.start(event, figure, target));
    on<PointerEvent>(target, "pointermove", (event) => this.follow(event));
    on<PointerEvent>(target, "pointerup", (event) => this.end(event.pointerId));
    on<PointerEvent>(target, "pointercancel", (event) => this.end(event.pointerId));
    on<PointerEvent>(target, "lostpointercapture", (event) => this.end(event.pointerId));
    on<PointerEvent>(target, "pointerleave", () => host.hover(null));
    on<MouseEvent>(target, "dblclick", () => this.pick());
    on<KeyboardEvent>(figure, "keydown", (event) => this.press(event));
    const follow = (): void => this.listen();
    model.on("change:probe", follow);
    signal.addEventListener("abort", () => {
      model.off("change:probe", follow);
      this.sync.flush();
    });
  }

  private start(event: PointerEvent, figure: HTMLElement, target: Element): void {
    if (event.button !== 0 || !event.isPrimary || !this.host.packet()) return;
    event.preventDefault(); // else the browser selects text, and takes the focus away from the figure
    figure.focus({ preventScroll: true });
    target.setPointerCapture?.(event.pointerId);
    this.drag = { pointer: event.pointerId, from: this.at };
    this.host.hover(null);
    this.move(this.host.locate(event));
  }

  private follow(event: PointerEvent): void {
    const at = this.host.locate(event);
    const dragged = this.drag?.pointer === event.pointerId;
    this.host.hover(dragged ? null : at);
    if (dragged) this.move(at);
  }

  private end(pointer: number): void {
    if (this.drag?.pointer !== pointer) return;
    this.drag = null;
    this.move(this.at);
    this.sync.flush();
  }

  private press(event: KeyboardEvent): void {
    const packet = this.host.packet();
    if (!packet || event.ctrlKey || event.metaKey || event.altKey) return;
    const move = onKey(event.key, event.shiftKey, this.at, packet);
    if (!move) return;
    if (move.kind === "move") this.move(move.to);
    else if (move.kind === "pick") this.pick();
    else if (this.drag) {
      const { from } = this.drag;
      this.drag = null;
      this.move(from);
      this.sync.flush();
    } else return;
    event.preventDefault();
    event.stopPropagation(); // else the notebook takes the arrows as its own
  }

  private move([x, y]: Point): void {
    const packet = this.host.packet();
    if (!packet) return;
    this.at = [clampTo(packet.x, x), clampTo(packet.y, y)];
    this.model.set("probe", [...this.at] as [number, number]);
    this.host.redraw();
    this.sync.call();
  }

  private listen(): void {
    if (this.drag) return;
    this.at = this.model.get("probe");
    this.host.redraw();
  }

  private pick(): void {
    if (!this.host.packet()) return;
    const [, , count] = this.model.get("picked");
    this.sync.cancel();
    this.model.set("picked", [this.at[0], this.at[1], count + 1]);
    this.model.save_changes();
  }
}
