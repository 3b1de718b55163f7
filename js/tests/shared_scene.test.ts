import { expect, it, vi } from "vitest";
import { type FigureModel, type FigureView, keepApart, type Root, type Scene } from "../src/shared_scene";

const root = (): Root => ({ name: "rootObject", visible: true });
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

class Figure implements FigureModel {
  light: Root = { name: "light", visible: true };
  scene: Scene = { children: [this.light], onBeforeRender: vi.fn() };
  views: Record<string, Promise<FigureView>> = {};
  get(): { obj: Scene } {
    return { obj: this.scene };
  }
  show(): Required<FigureView> {
    const view = { rootObject: root(), renderer: {}, update: vi.fn() };
    this.scene.children.push(view.rootObject);
    this.views[Object.keys(this.views).length] = Promise.resolve(view);
    return view;
  }
}

it("lets each view of a figure draw its own objects, and the scene's lights", async () => {
  const figure = new Figure();
  const first = figure.show();
  keepApart(figure);
  await settle();
  const draw = (view: FigureView): boolean[] => {
    figure.scene.onBeforeRender(view.renderer);
    return figure.scene.children.map(({ visible }) => visible);
  };
  expect(draw(first)).toEqual([true, true]);
  const second = figure.show();
  keepApart(figure); // as each display of the surface does
  expect(draw(first)).toEqual([true, true, false]);
  expect(draw(second)).toEqual([true, false, false]); // not yet known to be its own
  await settle();
  expect(second.update).toHaveBeenCalledOnce();
  expect(first.update).toHaveBeenCalledOnce();
  expect(draw(second)).toEqual([true, false, true]);
  expect(draw(first)).toEqual([true, true, false]);
});

it("leaves a figure of another make alone", () => {
  expect(() => keepApart({ get: () => null })).not.toThrow();
  expect(() => keepApart({ get: () => ({}) })).not.toThrow();
});
