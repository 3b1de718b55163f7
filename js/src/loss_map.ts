// The anywidget of `LossMap`: one view, from the traits to what is seen.

import type { AnyModel, Render } from "@anywidget/types";
import { coloring } from "./colormap";
import { describeLoss, describeMap, describePoint } from "./describe";
import { html, svg } from "./dom";
import { draw, paint, probeMark } from "./figure";
import { contains, type Point } from "./grid";
import { markers } from "./markers";
import { type Packet, readPacket } from "./packet";
import { type Plan, plan } from "./plan";
import { download, fileName, toPng } from "./png";
import { type MapTraits, ProbeControl } from "./probe";

const REST = 600; // milliseconds without a move, after which the probe's place is read out
let views = 0;

class MapView {
  private readonly model: AnyModel<MapTraits>;
  private readonly prefix = `cw-map-${++views}`;
  private readonly title = html("div", { class: "cw-map-title" });
  private readonly caption = html("div", { class: "cw-map-caption" });
  private readonly status = html("div", { class: "cw-map-status" });
  private readonly save = html("button", {
    class: "cw-map-save",
    type: "button",
    "aria-label": "Save the map as PNG",
    title: "Save as PNG",
  });
  private readonly canvas = html("canvas", { "aria-hidden": "true" });
  private readonly drawing = svg("svg", { "aria-hidden": "true" });
  private readonly layer = svg("g");
  private readonly target = svg("rect", { class: "cw-map-plot", fill: "transparent" });
  private probeLayer: SVGElement = svg("g");
  private readonly note = html("div", { class: "cw-map-note" });
  // Lumino leaves keys to elements with this attribute; elsewhere stopping the event is enough.
  private readonly figure = html("div", {
    class: "cw-map-figure",
    tabindex: 0,
    role: "application",
    "aria-roledescription": "loss map",
    "data-lm-suppress-shortcuts": "true",
  });
  private readonly probeText = html("span", { class: "cw-map-at", id: `${this.prefix}-at` });
  private readonly hoverText = html("span", { class: "cw-map-hover" });
  private readonly live = html("div", { class: "cw-unseen", role: "status", "aria-live": "polite" });
  private readonly root: HTMLElement;
  private readonly probe: ProbeControl;
  private packet: Packet | null = null;
  private plan: Plan | null = null;
  private hovered: Point | null = null;
  private rest: ReturnType<typeof setTimeout> | undefined;
  private frame = 0;

  constructor(model: AnyModel<MapTraits>, el: HTMLElement, signal: AbortSignal) {
    this.model = model;
    this.save.append(icon());
    this.drawing.append(this.layer, this.target, this.probeLayer);
    this.figure.setAttribute("aria-describedby", this.probeText.id); // read out when the figure is focused
    this.figure.append(this.canvas, this.drawing, this.note);
    this.root = html(
      "div",
      { class: "cw-root cw-map" },
      html("div", { class: "cw-map-head" }, this.title, this.caption, this.status, this.save),
      this.figure,
      html("div", { class: "cw-map-readout" }, this.probeText, this.hoverText),
      this.live,
    );
    el.append(this.root);
    this.probe = new ProbeControl(
      model,
      {
        packet: () => this.packet,
        locate: (event) => this.locate(event),
        hover: (at) => this.hover(at),
        redraw: () => this.drawProbe(true),
      },
      this.figure,
      this.target,
      signal,
    );
    const on = (name: keyof MapTraits, action: () => void): void => {
      model.on(`change:${name}`, action);
      signal.addEventListener("abort", () => model.off(`change:${name}`, action));
      action();
    };
    on("theme", () => this.root.setAttribute("data-theme", model.get("theme")));
    on("status", () => {
      this.status.textContent = model.get("status");
    });
    on("title", () => {
      this.title.textContent = this.title.title = model.get("title");
      this.describe();
    });
    on("caption", () => {
      this.caption.textContent = this.caption.title = model.get("caption");
      this.describe();
    });
    on("packet", () => {
      this.packet = readPacket(model.get("packet"));
      this.describe();
      this.redraw();
    });
    for (const name of ["show_model", "way", "spots"] as const) on(name, () => this.redraw());
    this.save.addEventListener("click", () => void this.download(), { signal });
    const observer = new ResizeObserver(() => this.redraw());
    observer.observe(this.figure);
    const resolution = window.matchMedia?.(`(resolution: ${window.devicePixelRatio}dppx)`);
    resolution?.addEventListener("change", () => this.redraw(), { signal });
    signal.addEventListener("abort", () => {
      observer.disconnect();
      cancelAnimationFrame(this.frame);
      clearTimeout(this.rest);
      this.root.remove();
    });
  }

  /** Draw before the next frame, however many changes ask for it. */
  private redraw(): void {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    const { clientWidth: width, clientHeight: height } = this.figure;
    const { packet } = this;
    if (!width || !height) return;
    const colorsOf = (shown: Packet) => (shown.limits ? coloring(shown.scale, shown.limits) : null);
    this.plan = packet && plan(packet, width, height, this.model.get("show_model"), colorsOf);
    this.drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.note.textContent = packet ? (packet.range ? "" : "no finite loss on this slice") : "no slice yet";
    this.save.disabled = !this.plan;
    if (!this.plan) {
      this.canvas.width = this.canvas.width; // clears it
      this.layer.replaceChildren();
      this.target.setAttribute("width", "0");
    } else {
      const { plot } = this.plan.layout;
      paint(this.canvas, this.plan, window.devicePixelRatio || 1);
      const [marked, boxes] = markers(this.plan, this.prefix, this.model.get("way"), this.model.get("spots"));
      this.layer.replaceChildren(...draw(this.plan, this.prefix, boxes), marked);
      for (const [name, value] of Object.entries(plot)) this.target.setAttribute(name, String(value));
    }
    this.drawProbe(false);
  }

  private drawProbe(moved: boolean): void {
    const { packet } = this;
    const at = this.probe.at;
    const mark = this.plan && packet ? probeMark(this.plan, at, contains(packet, at)) : svg("g");
    this.probeLayer.replaceWith(mark);
    this.probeLayer = mark;
    this.probeText.textContent = packet ? `probe ${describePoint(packet, at)}: ${describeLoss(packet, at)}` : "";
    this.hover(this.hovered);
    clearTimeout(this.rest);
    if (moved && packet && this.figure.contains(document.activeElement)) {
      this.rest = setTimeout(() => {
        this.live.textContent = `probe at ${describePoint(packet, at)}, loss ${describeLoss(packet, at)}`;
      }, REST);
    }
  }

  private hover(at: Point | null): void {
    const { packet } = this;
    this.hovered = at && packet && contains(packet, at) ? at : null;
    this.hoverText.textContent =
      packet && this.hovered ? `pointer ${describePoint(packet, this.hovered)}: ${describeLoss(packet, this.hovered)}` : "";
  }

  private locate(event: MouseEvent): Point {
    const box = this.figure.getBoundingClientRect();
    return this.plan?.map.toData(event.clientX - box.left, event.clientY - box.top) ?? [0, 0];
  }

  private describe(): void {
    this.figure.setAttribute("aria-label", describeMap(this.packet, this.model.get("title"), this.model.get("caption")));
  }

  private async download(): Promise<void> {
    if (!this.plan) return;
    const title = this.model.get("title");
    download(await toPng(this.plan, this.drawing, title, this.root), fileName(title));
  }
}

function icon(): SVGElement {
  return svg(
    "svg",
    { width: 16, height: 16, viewBox: "0 0 16 16", "aria-hidden": "true" },
    svg("path", {
      d: "M8 2V10M4.8 7L8 10.2L11.2 7M2.5 11V13.5H13.5V11",
      fill: "none",
      stroke: "currentColor",
      "stroke-width": 1.5,
      "stroke-linecap": "round",
      "stroke-linejoin": "round",
    }),
  );
}

const render: Render<MapTraits> = ({ model, el }) => {
  const life = new AbortController();
  new MapView(model, el, life.signal);
  return () => life.abort();
};

export default { render };
