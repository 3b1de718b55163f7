// All views of one figure of ipyvolume share its scene, so that each would draw what belongs to the others, with shaders that are not
// ready for it: both surfaces become a cube of colours. Here each view draws what is its own.

/** What a view has in the scene: one object that holds all that it draws. */
export interface Root {
  name: string;
  visible: boolean;
}

/** The parts of a scene of three.js, of a figure and of its views that are needed. */
export interface Scene {
  children: Root[];
  onBeforeRender(renderer: unknown): void;
}
export interface FigureView {
  rootObject?: Root;
  renderer?: unknown;
  update?(): void;
}
export interface FigureModel {
  get(name: "scene"): { obj?: Scene } | null;
  views?: Record<string, Promise<FigureView>>;
}

const ROOT = "rootObject"; // as ipyvolume calls it
const parted = new WeakSet<Scene>();

/** Let each view of a figure draw its own objects alone, those to come as well: until it is known which are, it draws none. */
export function keepApart(figure: FigureModel): void {
  const scene = figure.get("scene")?.obj;
  if (!scene || parted.has(scene)) return;
  parted.add(scene);
  const renderers = new WeakMap<Root, unknown>();
  const learn = (): void => {
    for (const shown of Object.values(figure.views ?? {})) {
      void shown.then((view) => {
        if (!view.rootObject || renderers.has(view.rootObject)) return;
        renderers.set(view.rootObject, view.renderer);
        view.update?.();
      });
    }
  };
  scene.onBeforeRender = (renderer): void => {
    const roots = scene.children.filter((child) => child.name === ROOT);
    if (!roots.every((root) => renderers.has(root))) learn();
    for (const root of roots) root.visible = renderers.get(root) === renderer;
  };
  learn();
}
