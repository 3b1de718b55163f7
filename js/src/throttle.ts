/** Calls a function at once and then at most once an interval; the last call is never lost. */
export class Throttle {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private waiting = false;

  constructor(
    private readonly action: () => void,
    private readonly interval: number,
  ) {}

  call(): void {
    if (this.timer !== undefined) {
      this.waiting = true;
      return;
    }
    this.action();
    this.timer = setTimeout(() => {
      this.timer = undefined;
      if (this.waiting) {
        this.waiting = false;
        this.call();
      }
    }, this.interval);
  }

  /** Call now what waits, without waiting for the interval. */
  flush(): void {
    const waiting = this.waiting;
    this.cancel();
    if (waiting) this.action();
  }

  cancel(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.waiting = false;
  }
}
