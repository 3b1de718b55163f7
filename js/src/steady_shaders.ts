// ipyvolume compiles a mesh's shaders anew whenever its points or colours change, and the page stands still for tenths of a second
// each time. What it compiles depends on neither: here its views of a mesh go on with the shaders that they have.

/** The part of ipyvolume's view of a mesh that is needed. */
export interface MeshView {
  update_?(): void;
  _update_materials?(): void;
  figure?: { update(): void };
}

/** The parts of the models of a mesh and of a figure that are needed. */
export interface MeshModel {
  on(event: string, action: () => void): void;
  off(event: string, action: () => void): void;
}
export interface FigureModel {
  get(name: "meshes"): MeshModel[];
  views?: Record<string, Promise<{ mesh_views?: Record<string, MeshView> }>>;
}

const steadied = new WeakSet<MeshView>();

/** Let one view redraw its mesh with the shaders that it has; a view of another make is left alone. */
export function steady(view: MeshView): void {
  const { update_: update, _update_materials: compile, figure } = view;
  if (!update || !compile || !figure || steadied.has(view)) return;
  steadied.add(view);
  let updating = false;
  view._update_materials = function (): void {
    if (updating) figure.update();
    else compile.call(this);
  };
  view.update_ = function (): void {
    updating = true;
    try {
      update.call(this);
    } finally {
      updating = false;
    }
  };
}

/** Do so in all views of a figure, those to come as well: each compiles until the first change of a mesh has passed. */
export function keepSteady(figure: FigureModel, signal: AbortSignal): void {
  const each = (): void => {
    for (const shown of Object.values(figure.views ?? {})) {
      void shown.then(({ mesh_views: views }) => Object.values(views ?? {}).forEach(steady));
    }
  };
  for (const mesh of figure.get("meshes")) {
    mesh.on("change", each);
    signal.addEventListener("abort", () => mesh.off("change", each));
  }
  each();
}
