import { describe, expect, it, vi } from "vitest";
import { type FigureModel, keepSteady, type MeshModel, type MeshView, steady } from "../src/steady_shaders";

/** As ipyvolume's: each change makes the mesh anew and compiles. */
class View implements MeshView {
  figure = { update: vi.fn() };
  made = 0;
  compiled = 0;
  update_(): void {
    this.made += 1;
    this._update_materials();
  }
  _update_materials(): void {
    this.compiled += 1;
    this.figure.update();
  }
}

class Mesh implements MeshModel {
  listeners = new Set<() => void>();
  on(_: string, action: () => void): void {
    this.listeners.add(action);
  }
  off(_: string, action: () => void): void {
    this.listeners.delete(action);
  }
}

describe("a view of a mesh", () => {
  it("is drawn at each change, and compiles no more for it", () => {
    const view = new View();
    steady(view);
    steady(view);
    for (let change = 0; change < 3; change++) view.update_();
    expect([view.made, view.compiled, view.figure.update.mock.calls.length]).toEqual([3, 0, 3]);
  });

  it("compiles where something else asks for it", () => {
    const view = new View();
    steady(view);
    view._update_materials();
    expect(view.compiled).toBe(1);
  });

  it("compiles again after a change that failed", () => {
    const view = new View();
    const failing = vi.spyOn(view, "update_").mockImplementation(() => {
      throw new Error("no context");
    });
    steady(view);
    expect(() => view.update_()).toThrow("no context");
    failing.mockReset();
    view._update_materials();
    expect(view.compiled).toBe(1);
  });

  it("of another make is left alone", () => {
    const view: MeshView = { update_: vi.fn() };
    const before = view.update_;
    steady(view);
    expect(view.update_).toBe(before);
  });
});

describe("a figure", () => {
  it("steadies the meshes that it shows and those of views to come, until the end", async () => {
    const [mesh, life] = [new Mesh(), new AbortController()];
    const [first, second] = [new View(), new View()];
    const views: FigureModel["views"] = { "1": Promise.resolve({ mesh_views: { c1: first } }) };
    keepSteady({ get: () => [mesh], views }, life.signal);
    views["2"] = Promise.resolve({ mesh_views: { c1: second } });
    for (const listener of mesh.listeners) listener();
    await Promise.resolve();
    for (const view of [first, second]) view.update_();
    expect([first.compiled, second.compiled]).toEqual([0, 0]);
    life.abort();
    expect(mesh.listeners.size).toBe(0);
  });
});
