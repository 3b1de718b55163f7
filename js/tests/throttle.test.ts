import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Throttle } from "../src/throttle";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it("calls at once, then once an interval, and never loses the last call", () => {
  const action = vi.fn();
  const throttle = new Throttle(action, 34);
  for (let step = 0; step < 100; step++) {
    throttle.call();
    vi.advanceTimersByTime(10);
  }
  expect(action.mock.calls.length).toBeGreaterThan(20);
  expect(action.mock.calls.length).toBeLessThanOrEqual(31);
  const before = action.mock.calls.length;
  throttle.call();
  vi.advanceTimersByTime(100);
  expect(action.mock.calls.length).toBeGreaterThan(before);
});

it("calls at once what waits when it is flushed, and nothing where nothing waits", () => {
  const action = vi.fn();
  const throttle = new Throttle(action, 34);
  throttle.flush();
  expect(action).not.toHaveBeenCalled();
  throttle.call();
  throttle.call();
  throttle.flush();
  expect(action).toHaveBeenCalledTimes(2);
  vi.advanceTimersByTime(100);
  expect(action).toHaveBeenCalledTimes(2);
});

it("forgets what waits when it is cancelled", () => {
  const action = vi.fn();
  const throttle = new Throttle(action, 34);
  throttle.call();
  throttle.call();
  throttle.cancel();
  vi.advanceTimersByTime(100);
  expect(action).toHaveBeenCalledTimes(1);
});
