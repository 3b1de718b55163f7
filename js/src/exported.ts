// The page that `Explorer.to_html` writes: map, profiles, curvatures, probe and blend, over frames that were computed beforehand.

import { crossSection, type Model } from "./cross_section";
import { html, svg } from "./dom";
import lossMap from "./loss_map";
import { type Packet, readPacket } from "./packet";
import { drawPlot, type Plot } from "./plot";
import { Store } from "./store";
import verdictBar from "./verdict_bar";

/** A legend's entry: its text, and the SVG elements of its swatch, as curvwidget/widgets/style.py draws it. */
type Key = [string, ["line" | "rect" | "circle" | "path", Record<string, string>][]];

interface Frame {
  blend: number;
  /** The slice as `LossMap` sends it, in base64. */
  packet: string;
  caption: string;
  way: [number, number, string][];
  spots: [number, number, string][];
  model: Model | null;
  curvatures: Plot;
  note: string;
  planeKeys: Key[];
  verdict: { sentence: string; kind: string; facts: string[][]; notes: string[] };
}

interface Content {
  title: string;
  probe: [number, number];
  show_model: boolean;
  frames: Frame[];
  shown: number;
  keys: Key[];
  remark: string;
}

export function start(root: HTMLElement, content: Content): void {
  const map = new Store({
    packet: null as DataView | null,
    probe: content.probe,
    picked: [0, 0, 0],
    way: [],
    spots: [],
    show_model: content.show_model,
    title: content.title,
    caption: "",
    status: "",
    theme: "auto",
  });
  const bar = new Store({ ...(content.frames[content.shown] as Frame).verdict, theme: "auto" });
  const slot = (name: string): HTMLElement => html("div", { class: `cw-page-${name}` });
  const [barSlot, mapSlot, planes, note] = [slot("bar"), slot("map"), slot("planes"), html("div", { class: "cw-page-keys" })];
  const profiles = [slot("profile"), slot("profile")] as const;
  const blend = html("input", { type: "range", min: 0, max: content.frames.length - 1, step: 1, id: "blend" });
  const share = html("output", { for: "blend" });
  blend.value = String(content.shown);
  let packet: Packet | null = null;
  let frame = content.frames[content.shown] as Frame;

  const drawProfiles = (): void => {
    const probe = map.get("probe") as [number, number];
    profiles.forEach((place, axis) => {
      if (packet) place.replaceChildren(drawPlot(crossSection(packet, frame.model, probe, axis as 0 | 1)));
    });
  };
  const show = (): void => {
    frame = content.frames[Number(blend.value)] as Frame;
    const bytes = decode(frame.packet);
    packet = readPacket(bytes);
    share.textContent = `${Math.round(100 * frame.blend)} %`;
    map.set("caption", frame.caption);
    map.set("way", frame.way);
    map.set("spots", frame.spots);
    map.set("packet", bytes);
    if (packet) {
      const [x, y] = map.get("probe") as [number, number];
      const within = (axis: ArrayLike<number>, value: number): number =>
        Math.min(axis[axis.length - 1] as number, Math.max(axis[0] as number, value));
      map.set("probe", [within(packet.x, x), within(packet.y, y)]);
    }
    for (const [name, value] of Object.entries(frame.verdict)) bar.set(name, value);
    note.replaceChildren(html("span", {}, frame.note), ...keys(frame.planeKeys));
    planes.replaceChildren(drawPlot(frame.curvatures));
    drawProfiles();
  };
  map.on("change:probe", drawProfiles);
  blend.addEventListener("input", show);

  const slider = html("label", { class: "cw-page-blend" }, "blend: this plane", blend, "Hessian", share);
  slider.hidden = content.frames.length < 2;
  root.append(
    html(
      "main",
      { class: "cw-root cw-page" },
      barSlot,
      slider,
      html(
        "div",
        { class: "cw-page-views" },
        mapSlot,
        html("div", {}, html("div", { class: "cw-page-keys" }, ...keys(content.keys)), ...profiles),
      ),
      note,
      planes,
      html("p", {}, content.remark),
    ),
  );
  const render = (view: unknown, model: Store, el: HTMLElement): void =>
    (view as { render: (context: { model: Store; el: HTMLElement }) => void }).render({ model, el });
  render(verdictBar, bar, barSlot);
  render(lossMap, map, mapSlot);
  show();
}

function keys(entries: Key[]): HTMLElement[] {
  return entries.map(([text, shapes]) => {
    const parts = shapes.map(([tag, attributes]) => svg(tag, attributes));
    return html(
      "span",
      {},
      svg("svg", { class: "cw-page-swatch", width: 26, height: 12, "aria-hidden": "true" }, ...parts),
      text,
    );
  });
}

function decode(base64: string): DataView {
  const text = atob(base64);
  return new DataView(Uint8Array.from(text, (letter) => letter.charCodeAt(0)).buffer);
}

const root = document.getElementById("curvwidget");
const source = document.getElementById("curvwidget-content");
if (root && source) start(root, JSON.parse(source.textContent ?? "null") as Content);
