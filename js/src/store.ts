// The traits of a view in a page without a kernel: what a view needs of a model, and no more.

type Listener = () => void;

export class Store {
  private readonly values: Map<string, unknown>;
  private readonly listeners = new Map<string, Set<Listener>>();

  constructor(values: Record<string, unknown>) {
    this.values = new Map(Object.entries(values));
  }

  get(name: string): unknown {
    return this.values.get(name);
  }

  set(name: string, value: unknown): void {
    if (this.values.get(name) === value) return;
    this.values.set(name, value);
    for (const listener of this.listeners.get(`change:${name}`) ?? []) listener();
  }

  /** Nobody else hears of it. */
  save_changes(): void {}

  on(event: string, listener: Listener): void {
    const known = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, known.add(listener));
  }

  off(event: string, listener: Listener): void {
    this.listeners.get(event)?.delete(listener);
  }
}
