import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import widget from "../src/loss_map";
import type { MapTraits } from "../src/probe";
import { FakeModel, fromBase64 } from "./cases";
import fixture from "./fixtures/packet.txt?raw";

const PACKET = fromBase64(fixture);

function modelOf(traits: Partial<MapTraits> = {}): FakeModel<MapTraits> {
  return new FakeModel<MapTraits>({
    packet: new DataView(PACKET.buffer as ArrayBuffer),
    probe: [0.5, 0],
    picked: [0, 0, 0],
    way: [],
    spots: [],
    show_model: false,
    title: "A saddle",
    caption: "",
    status: "",
    theme: "auto",
    ...traits,
  });
}

function show(model: FakeModel<MapTraits>): { el: HTMLElement; end: () => void } {
  const el = document.createElement("div");
  document.body.append(el);
  const end = widget.render({ model: model.any, el } as never) as () => void;
  vi.advanceTimersByTime(50);
  return { el, end };
}

const find = <T extends Element = HTMLElement>(el: Element, selector: string): T => {
  const found = el.querySelector<T>(selector);
  if (!found) throw new Error(`nothing matches ${selector}`);
  return found;
};

/** The pointer at a place of the map, from what the layout says. */
function pointer(el: HTMLElement, type: string, [a, b]: [number, number], more: PointerEventInit = {}): void {
  const target = find<SVGRectElement>(el, ".cw-map-plot");
  const [x, y, width, height] = ["x", "y", "width", "height"].map((name) => Number(target.getAttribute(name))) as [
    number,
    number,
    number,
    number,
  ];
  const at = { clientX: x + (width * (a + 1)) / 2, clientY: y + (height * (1 - b)) / 2 };
  target.dispatchEvent(
    new PointerEvent(type, { pointerId: 1, isPrimary: true, button: 0, bubbles: true, cancelable: true, ...at, ...more }),
  );
}

function press(el: HTMLElement, key: string, shiftKey = false): KeyboardEvent {
  const event = new KeyboardEvent("keydown", { key, shiftKey, bubbles: true, cancelable: true });
  find(el, ".cw-map-figure").dispatchEvent(event);
  return event;
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("requestAnimationFrame", (action: () => void) => setTimeout(action, 16));
  vi.stubGlobal("cancelAnimationFrame", (timer: number) => clearTimeout(timer));
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(560);
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(430);
});

afterEach(() => {
  document.body.replaceChildren();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe("points with names", () => {
  it("are joined in their order, with a square at the end, and their names as text", () => {
    const model = modelOf({ way: [[-0.5, 0, "<b>1</b>"], [0.25, 0.5, ""], [0, 0, "3"]], spots: [[0.5, -0.5, "κ 1"]] }); // prettier-ignore
    const { el } = show(model);
    const group = find<SVGElement>(el, ".cw-markers");
    expect(group.querySelectorAll("circle.cw-way")).toHaveLength(2);
    expect(group.querySelectorAll("rect.cw-way-end")).toHaveLength(1);
    expect(group.querySelectorAll(".cw-spot")).toHaveLength(1);
    expect([...group.querySelectorAll("text")].map((text) => text.textContent)).toEqual(["κ 1", "<b>1</b>", "3"]);
    expect(group.querySelector("b")).toBeNull();
    // the middle of the way's first step: halfway between the marks' own places
    const [first, second] = [...group.querySelectorAll("circle")].map((mark) => Number(mark.getAttribute("cx")));
    const plot = find(el, ".cw-map-plot");
    const [x, width] = [Number(plot.getAttribute("x")), Number(plot.getAttribute("width"))];
    expect(first).toBeCloseTo(x + 0.25 * width);
    expect(second).toBeCloseTo(x + 0.625 * width);
    model.receive("way", []);
    model.receive("spots", []);
    vi.advanceTimersByTime(50);
    expect(find(el, ".cw-markers").childElementCount).toBe(0);
  });

  it("have no name where it would cover another, or stand on θ and its name", () => {
    const crowd = [0.5, 0.503, 0.506, 0.509, 0.512].map((x, index) => [x, 0.5, `κ ${index}`]) as [number, number, string][];
    const { el } = show(modelOf({ spots: [...crowd, [0, 0, "middle"]] }));
    const boxes = [...find(el, ".cw-markers").querySelectorAll("text")].map((text) => {
      const [x = 0, y = 0, font = 0] = ["x", "y", "font-size"].map((name) => Number(text.getAttribute(name)));
      return { left: x, right: x + 0.6 * font * text.textContent.length, top: y - 0.85 * font, bottom: y + 0.15 * font };
    });
    const theta = find(el, ".cw-center text");
    const [left, bottom] = ["x", "y"].map((name) => Number(theta.getAttribute(name))) as [number, number];
    boxes.push({ left, right: left + 8, top: bottom - 10, bottom });
    expect(boxes.length).toBeGreaterThan(3); // four sides of the crowd have room, the fifth name has none
    expect(boxes.length).toBeLessThan(7);
    boxes.forEach((a, index) => {
      for (const b of boxes.slice(index + 1)) {
        const apart = a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
        expect(apart).toBe(true);
      }
    });
  });

  it("have no contour's number under them or their names", () => {
    const model = modelOf();
    const { el } = show(model);
    // Points all over each number, from its slope.
    const numbers = (): [number, number][][] =>
      [...el.querySelectorAll("text.cw-level")].map((label) => {
        const [x = 0, y = 0, angle = 0] = (label.getAttribute("transform")?.match(/-?[\d.]+/g) ?? []).map(Number);
        const [half, turn] = [0.3 * 13 * label.textContent.length, (angle * Math.PI) / 180];
        return [-1, -0.5, 0, 0.5, 1].flatMap((a) =>
          [-4.5, 0, 4.5].map((b): [number, number] => [
            x + a * half * Math.cos(turn) - b * Math.sin(turn),
            y + a * half * Math.sin(turn) + b * Math.cos(turn),
          ]),
        );
      });
    const before = numbers();
    const [u, v] = before[0]?.[7] as [number, number];
    const plot = find(el, ".cw-map-plot");
    const [left = 0, top = 0, width = 1, height = 1] = ["x", "y", "width", "height"].map((name) =>
      Number(plot.getAttribute(name)),
    );
    model.receive("spots", [[(2 * (u - 20 - left)) / width - 1, 1 - (2 * (v + 10 - top)) / height, "κ 0.02, 2.7"]]);
    vi.advanceTimersByTime(50);
    const name = find(el, ".cw-markers text");
    const [x = 0, y = 0, font = 0] = ["x", "y", "font-size"].map((trait) => Number(name.getAttribute(trait)));
    const right = x + 0.6 * font * name.textContent.length;
    const hidden = ([a, b]: [number, number]): boolean =>
      (a > x && a < right && b > y - 0.85 * font && b < y + 0.15 * font) || Math.hypot(a - u + 20, b - v - 10) < 6;
    expect(before.flat().some(hidden)).toBe(true);
    expect(numbers().length).toBeGreaterThan(before.length - 2);
    expect(numbers().flat().some(hidden)).toBe(false);
  });

  it("have no name where they lie outside of the map", () => {
    const { el } = show(modelOf({ way: [[5, 0, "far"], [0, 0, "near"]] })); // prettier-ignore
    expect([...find(el, ".cw-markers").querySelectorAll("text")].map((text) => text.textContent)).toEqual(["near"]);
    expect(find(el, ".cw-markers").getAttribute("clip-path")).toMatch(/^url\(#cw-map-\d+-clip\)$/);
  });
});

describe("a map", () => {
  it("says what it shows, in words and numbers", () => {
    const { el } = show(modelOf());
    const label = find(el, ".cw-map-figure").getAttribute("aria-label");
    expect(label).toContain("A saddle: loss over λ = 2, ±1.00 across, and λ = −2, ±1.00 upwards.");
    expect(label).toContain("Smallest loss −0.7500, largest 1.250, 0.2500 at the centre.");
    expect(label).toContain("1 of 15 grid points");
    expect(find(el, ".cw-map-title").textContent).toBe("A saddle");
    expect([...el.querySelectorAll(".cw-axis-name")].map((name) => name.firstChild?.textContent)).toEqual([
      "λ = 2 (units of the direction)",
      "λ = −2 (units of the direction)",
    ]);
    expect(find(el, ".cw-bar-name").textContent).toBe("loss − L(θ)");
  });

  it("is read out with its probe's place when it is focused", () => {
    const { el } = show(modelOf());
    const described = find(el, ".cw-map-figure").getAttribute("aria-describedby") ?? "";
    expect(find(el, `#${described}`).textContent).toBe("probe (0.50, 0.00): 0.5000 (+0.250)");
  });

  it("draws contours dashed below the centre, thick level with it, solid above", () => {
    const { el } = show(modelOf());
    const paths = [...el.querySelectorAll(".cw-contours path")];
    expect(paths.map((path) => path.getAttribute("data-level"))).toEqual(["-0.5", "0", "0.5"]);
    expect(paths.map((path) => path.hasAttribute("stroke-dasharray"))).toEqual([true, false, false]);
    const widths = paths.map((path) => Number(path.getAttribute("stroke-width")));
    expect(widths[1]).toBeGreaterThan(Math.max(widths[0] as number, widths[2] as number));
    expect(find(el, ".cw-legend").textContent).toContain("below");
  });

  it("hatches what is not a number and says so in the legend", () => {
    const { el } = show(modelOf());
    expect(el.querySelectorAll(".cw-cells")).toHaveLength(1);
    expect(find(el, ".cw-legend").textContent).toContain("NaN");
  });

  it("draws the quadratic model where it is asked for", () => {
    const model = modelOf();
    const { el } = show(model);
    expect(el.querySelector(".cw-model")).toBeNull();
    model.receive("show_model", true);
    vi.advanceTimersByTime(50);
    expect(find(el, ".cw-model path").getAttribute("d")).toMatch(/^M/);
    expect(find(el, ".cw-legend").textContent).toContain("quadratic model");
  });

  it("shows text from Python as text, never as markup", () => {
    const { el } = show(modelOf({ title: "<b>bold</b>", status: "<img src=x>" }));
    expect(find(el, ".cw-map-title").textContent).toBe("<b>bold</b>");
    expect(find(el, ".cw-map-status").textContent).toBe("<img src=x>");
    expect(el.querySelector("b, img")).toBeNull();
  });

  it("without a slice says so, and draws one that comes later", () => {
    const model = modelOf({ packet: new DataView(new ArrayBuffer(0)) });
    const { el } = show(model);
    expect(find(el, ".cw-map-note").textContent).toBe("no slice yet");
    press(el, "ArrowRight");
    expect(model.sent).toEqual([]);
    model.receive("packet", new DataView(PACKET.buffer as ArrayBuffer));
    vi.advanceTimersByTime(50);
    expect(find(el, ".cw-map-note").textContent).toBe("");
    expect(el.querySelectorAll(".cw-contours path")).toHaveLength(3);
  });

  it("says how its numbers are to be read, to the eye and to a screen reader", () => {
    const model = modelOf();
    const { el } = show(model);
    model.receive("caption", "interpolated within ±0.01 <b>of</b> the loss");
    expect(find(el, ".cw-map-caption").textContent).toBe("interpolated within ±0.01 <b>of</b> the loss");
    expect(find(el, ".cw-map-figure").getAttribute("aria-label")).toContain("Interpolated within ±0.01");
    expect(find(el, ".cw-map-at").textContent).not.toContain("±");
  });

  it("follows title, status and theme", () => {
    const model = modelOf();
    const { el } = show(model);
    model.receive("title", "Another");
    model.receive("status", "computing 21 × 21");
    model.receive("theme", "dark");
    expect(find(el, ".cw-map-title").textContent).toBe("Another");
    expect(find(el, ".cw-map-status").textContent).toBe("computing 21 × 21");
    expect(find(el, ".cw-root").getAttribute("data-theme")).toBe("dark");
    expect(find(el, ".cw-map-figure").getAttribute("aria-label")).toContain("Another");
  });

  it("has a button with a name for the picture", () => {
    const { el } = show(modelOf());
    expect(find(el, "button").getAttribute("aria-label")).toBe("Save the map as PNG");
  });
});

describe("the probe", () => {
  it("goes where the pointer is pressed and follows it to the border, and the kernel hears the last place exactly", () => {
    const model = modelOf();
    const { el } = show(model);
    pointer(el, "pointerdown", [0, 0.5]);
    for (let step = 0; step <= 40; step++) {
      pointer(el, "pointermove", [step / 20, 0.5]);
      vi.advanceTimersByTime(5);
    }
    pointer(el, "pointerup", [2, 0.5]);
    expect(model.get("probe")).toEqual([1, expect.closeTo(0.5, 9)]);
    expect(model.sent[model.sent.length - 1]?.probe).toEqual(model.get("probe"));
    expect(model.sent.length).toBeLessThanOrEqual(2 + 205 / 34 + 1);
  });

  it("stays under the pointer while the kernel says otherwise", () => {
    const model = modelOf();
    const { el } = show(model);
    pointer(el, "pointerdown", [0.25, 0.5]);
    model.receive("probe", [-1, -1]);
    expect(find(el, ".cw-map-at").textContent).toContain("probe (0.25, 0.50)");
    pointer(el, "pointerup", [0.25, 0.5]);
    expect(model.get("probe")).toEqual([expect.closeTo(0.25, 9), expect.closeTo(0.5, 9)]);
  });

  it("returns to where a drag began when Escape ends it", () => {
    const model = modelOf();
    const { el } = show(model);
    pointer(el, "pointerdown", [-0.5, 0.5]);
    press(el, "Escape");
    pointer(el, "pointermove", [0.9, 0.9]);
    expect(model.get("probe")).toEqual([0.5, 0]);
    expect(model.sent[model.sent.length - 1]?.probe).toEqual([0.5, 0]);
  });

  it("moves by the keys, which the page does not hear", () => {
    const model = modelOf();
    const { el } = show(model);
    const heard = vi.fn();
    el.addEventListener("keydown", heard);
    expect(press(el, "ArrowLeft").defaultPrevented).toBe(true);
    expect(model.get("probe")).toEqual([0, 0]);
    press(el, "ArrowUp", true);
    expect(model.get("probe")).toEqual([0, 1]);
    press(el, "Home");
    expect(model.get("probe")).toEqual([0, 0]);
    expect(heard).not.toHaveBeenCalled();
    expect(press(el, "Tab").defaultPrevented).toBe(false);
    expect(heard).toHaveBeenCalledTimes(1);
  });

  it("is read out with its loss and its difference, and so is the pointer", () => {
    const { el } = show(modelOf());
    expect(find(el, ".cw-map-at").textContent).toBe("probe (0.50, 0.00): 0.5000 (+0.250)");
    pointer(el, "pointermove", [0, -0.5]);
    expect(find(el, ".cw-map-hover").textContent).toBe("pointer (0.00, −0.50): −0.2500 (−0.500)");
    pointer(el, "pointermove", [1, 1]);
    expect(find(el, ".cw-map-hover").textContent).toBe("pointer (1.00, 1.00): NaN");
    pointer(el, "pointerleave", [1, 1]);
    expect(find(el, ".cw-map-hover").textContent).toBe("");
  });

  it("is read out alone while it is where the pointer is", () => {
    const { el } = show(modelOf());
    pointer(el, "pointermove", [0, -0.5]);
    pointer(el, "pointerdown", [0, -0.5]);
    expect(find(el, ".cw-map-hover").textContent).toBe("");
    pointer(el, "pointermove", [0.5, 0.5]);
    expect(find(el, ".cw-map-hover").textContent).toBe("");
    expect(find(el, ".cw-map-at").textContent).toContain("probe (0.50, 0.50)");
    pointer(el, "pointerup", [0.5, 0.5]);
    pointer(el, "pointermove", [0, 0]);
    expect(find(el, ".cw-map-hover").textContent).toContain("pointer (0.00, 0.00)");
  });

  it("is announced once it rests", () => {
    const { el } = show(modelOf());
    find(el, ".cw-map-figure").focus();
    press(el, "ArrowLeft");
    press(el, "ArrowUp");
    expect(find(el, "[aria-live]").textContent).toBe("");
    vi.advanceTimersByTime(1000);
    expect(find(el, "[aria-live]").textContent).toBe("probe at (0.00, 1.00), loss −0.7500 (−1.00)");
  });

  it("that stands outside the map is not drawn, and the read-out says so", () => {
    const { el } = show(modelOf({ probe: [3, 0] }));
    expect(find(el, ".cw-probe").childElementCount).toBe(0);
    expect(find(el, ".cw-map-at").textContent).toContain("outside the map");
  });

  it("is picked by a double click or by Enter, each time anew", () => {
    const model = modelOf();
    const { el } = show(model);
    press(el, "Enter");
    pointer(el, "dblclick", [0.5, 0]);
    expect(model.sent.map((state) => state.picked)).toEqual([
      [0.5, 0, 1],
      [0.5, 0, 2],
    ]);
  });

  it("leaves other buttons and second fingers alone", () => {
    const model = modelOf();
    const { el } = show(model);
    pointer(el, "pointerdown", [0, 0.5], { button: 2 });
    pointer(el, "pointerdown", [0, 0.5], { isPrimary: false });
    expect(model.sent).toEqual([]);
  });
});

describe("several views of one model", () => {
  it("move together, and each leaves nothing behind when it ends", () => {
    const model = modelOf();
    const [first, second] = [show(model), show(model)];
    press(first.el, "Home");
    expect(find(second.el, ".cw-map-at").textContent).toContain("probe (0.00, 0.00)");
    const both = model.listening;
    first.end();
    expect(first.el.childElementCount).toBe(0);
    expect(model.listening).toBe(both / 2);
    press(second.el, "ArrowRight");
    expect(model.get("probe")).toEqual([0.5, 0]);
    second.end();
    expect(model.listening).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("have hatchings of their own names", () => {
    const model = modelOf();
    const ids = [show(model), show(model)].flatMap(({ el }) => [...el.querySelectorAll("pattern")].map((pattern) => pattern.id));
    expect(new Set(ids).size).toBe(ids.length);
  });
});
