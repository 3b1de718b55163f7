"""The worker answers the latest request, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from curvwidget._interrupt import checkpoint
from curvwidget.runs import End, InlineExecutor, Interrupted, ThreadExecutor, Worker


class Recorder:
    """Keeps what a worker delivers."""

    def __init__(self) -> None:
        self.results: list[tuple[object, object]] = []
        self.ends: list[tuple[object, End]] = []

    def on_result(self, request: object, result: object) -> None:
        self.results.append((request, result))

    def on_end(self, request: object, end: End) -> None:
        self.ends.append((request, end))


def count_to(request: int) -> Iterator[int]:
    yield from range(request)


def make_worker(respond, recorder, executor=None) -> Worker:
    return Worker(respond, on_result=recorder.on_result, on_end=recorder.on_end, executor=executor)


@pytest.mark.parametrize("executor", [InlineExecutor(), ThreadExecutor()])
def test_a_request_is_answered_in_full(executor) -> None:
    recorder = Recorder()
    worker = make_worker(count_to, recorder, executor)
    worker.submit(3)
    assert worker.wait(10)
    assert recorder.results == [(3, 0), (3, 1), (3, 2)]
    assert [(request, end.state) for request, end in recorder.ends] == [(3, "complete")]
    assert not worker.busy


def test_in_place_everything_is_done_when_submit_returns() -> None:
    recorder = Recorder()
    make_worker(count_to, recorder, InlineExecutor()).submit(2)
    assert len(recorder.results) == 2


class Gate:
    """Work that waits at each step until the test lets it go on."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.closed: list[object] = []

    def respond(self, request: object) -> Iterator[object]:
        try:
            for step in range(3):
                self.entered.release()
                assert self.go.acquire(timeout=10)
                checkpoint()
                yield step
        finally:
            self.closed.append(request)


def test_a_newer_request_interrupts_the_running_one_and_nothing_stale_is_delivered() -> None:
    gate, recorder = Gate(), Recorder()
    worker = make_worker(gate.respond, recorder)
    worker.submit("old")
    assert gate.entered.acquire(timeout=10)
    worker.submit("new")
    gate.go.release(10)
    assert worker.wait(10)
    assert recorder.results == [("new", 0), ("new", 1), ("new", 2)]
    assert [(request, end.state) for request, end in recorder.ends] == [("new", "complete")]
    assert gate.closed == ["old", "new"]


def test_of_many_waiting_requests_only_the_latest_is_answered() -> None:
    gate, recorder = Gate(), Recorder()
    worker = make_worker(gate.respond, recorder)
    worker.submit(0)
    assert gate.entered.acquire(timeout=10)
    for request in range(1, 50):
        worker.submit(request)
    gate.go.release(10)
    assert worker.wait(10)
    assert {request for request, _ in recorder.results} == {49}
    assert gate.closed == [0, 49]


def test_cancelling_stops_at_the_next_checkpoint_and_says_so() -> None:
    gate, recorder = Gate(), Recorder()
    worker = make_worker(gate.respond, recorder)
    worker.submit("work")
    assert gate.entered.acquire(timeout=10)
    worker.cancel()
    gate.go.release(1)
    assert worker.wait(10)
    assert recorder.results == []
    assert [(request, end.state) for request, end in recorder.ends] == [("work", "cancelled")]
    assert gate.closed == ["work"]


def test_work_that_finishes_while_it_is_cancelled_counts_as_cancelled() -> None:
    entered, go = threading.Event(), threading.Event()

    def respond(request: object) -> Iterator[int]:
        yield 1
        entered.set()
        assert go.wait(10)

    recorder = Recorder()
    worker = make_worker(respond, recorder)
    worker.submit("work")
    assert entered.wait(10)
    worker.cancel()
    go.set()
    assert worker.wait(10)
    assert [end.state for _, end in recorder.ends] == ["cancelled"]


def test_an_error_is_one_line_with_the_traceback_kept() -> None:
    def respond(request: object) -> Iterator[int]:
        yield 1
        raise ValueError("first line\nsecond line")

    recorder = Recorder()
    worker = make_worker(respond, recorder, InlineExecutor())
    worker.submit("work")
    ((_, end),) = recorder.ends
    assert end.state == "failed"
    assert end.failure is not None
    assert end.failure.message == "ValueError: first line"
    assert "second line" in end.failure.traceback
    assert "in respond" in end.failure.traceback
    worker.submit("again")
    assert len(recorder.ends) == 2


def test_a_users_except_exception_does_not_swallow_the_interruption() -> None:
    gate = threading.Semaphore(0)
    entered = threading.Event()

    def respond(request: str) -> Iterator[int]:
        if request == "new":
            yield 1
            return
        entered.set()
        assert gate.acquire(timeout=10)
        try:
            checkpoint()
        except Exception:  # noqa: BLE001
            pytest.fail("the interruption must not be an Exception")
        yield 0

    recorder = Recorder()
    worker = make_worker(respond, recorder)
    worker.submit("old")
    assert entered.wait(10)
    worker.submit("new")
    gate.release()
    assert worker.wait(10)
    assert recorder.results == [("new", 1)]


def test_a_delivery_may_submit_the_next_request() -> None:
    seen: list[int] = []
    ends: list[str] = []

    def on_result(request: int, result: int) -> None:
        seen.append(result)
        if request == 1:
            worker.submit(2)

    worker = Worker(
        lambda request: iter([request]),
        on_result=on_result,
        on_end=lambda _, end: ends.append(end.state),
        executor=InlineExecutor(),
    )
    worker.submit(1)
    assert seen == [1, 2]
    assert ends == ["complete"]


def test_after_submit_returns_no_older_result_is_delivered() -> None:
    """Hammer the worker: whenever submit has returned, whatever comes belongs to that request or a later one."""
    latest = 0
    stale: list[tuple[int, int]] = []

    def respond(request: int) -> Iterator[int]:
        yield from range(1000)

    def on_result(request: int, result: int) -> None:
        if request < latest:
            stale.append((request, latest))

    worker: Worker[int, int] = Worker(respond, on_result=on_result, on_end=lambda *_: None)
    for request in range(1, 300):
        worker.submit(request)
        with worker.lock:
            latest = request
    assert worker.wait(30)
    assert stale == []


def test_a_closed_worker_takes_no_request() -> None:
    worker = make_worker(count_to, Recorder())
    worker.close()
    with pytest.raises(RuntimeError, match="closed"):
        worker.submit(1)


def test_two_workers_do_not_interrupt_each_other() -> None:
    first, second = Recorder(), Recorder()
    gate = Gate()
    slow = make_worker(gate.respond, first)
    slow.submit("slow")
    assert gate.entered.acquire(timeout=10)
    quick = make_worker(count_to, second)
    quick.submit(5)
    assert quick.wait(10)
    quick.cancel()
    gate.go.release(10)
    assert slow.wait(10)
    assert [result for _, result in first.results] == [0, 1, 2]


def test_a_keyboard_interrupt_in_place_leaves_the_worker_usable() -> None:
    calls = []

    def respond(request: int) -> Iterator[int]:
        calls.append(request)
        if request == 1:
            raise KeyboardInterrupt
        yield request

    recorder = Recorder()
    worker = make_worker(respond, recorder, InlineExecutor())
    with pytest.raises(KeyboardInterrupt):
        worker.submit(1)
    assert not worker.busy
    worker.submit(2)
    assert recorder.results == [(2, 2)]


def test_outside_a_worker_a_checkpoint_does_nothing() -> None:
    checkpoint()
    assert issubclass(Interrupted, BaseException)
    assert not issubclass(Interrupted, Exception)


def test_the_end_of_the_interpreter_interrupts_the_work_in_order(tmp_path) -> None:
    script = f"""
import pathlib, time
from curvwidget._interrupt import checkpoint
from curvwidget.runs import Worker

def respond(request):
    try:
        pathlib.Path({str(tmp_path / "began")!r}).touch()
        while True:
            time.sleep(0.001)
            checkpoint()
        yield
    finally:
        pathlib.Path({str(tmp_path / "left")!r}).touch()

worker = Worker(respond, on_result=lambda *_: None, on_end=lambda *_: None)
worker.submit(1)
while not pathlib.Path({str(tmp_path / "began")!r}).exists():
    time.sleep(0.001)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert (tmp_path / "left").exists()
