"""A view that a worker fills: what is under way, waiting for it, and its end."""

from __future__ import annotations

from types import TracebackType
from typing import Any, TypeVar

import ipywidgets
import traitlets

from curvwidget.runs import End, Failure, Worker
from curvwidget.widgets.export.picture import Picture
from curvwidget.widgets.request_panel import RequestPanel
from curvwidget.widgets.verdict_bar import VerdictBar

__all__ = ["WorkState", "WorkingView"]

_AFTER = {"complete": "idle", "cancelled": "cancelled", "failed": "failed"}  # the state after each end
Own = TypeVar("Own", bound="WorkingView")


class WorkState(traitlets.HasTraits):
    """How the work stands. It changes as the worker goes on, on its thread."""

    state = traitlets.Enum(("idle", "computing", "cancelled", "failed"), default_value="idle")
    """``"idle"``, ``"computing"``, ``"cancelled"`` or ``"failed"``."""
    error = traitlets.Instance(Failure, allow_none=True)
    """What went wrong, with the full traceback; None where nothing did."""


class WorkingView(Picture, WorkState, ipywidgets.VBox):
    """A view with a worker of its own, to be closed when it is no longer looked at, or used in a ``with`` block.

    Attributes:
        verdict_bar: Says what was found, or what went wrong.
    """

    verdict_bar: VerdictBar
    _worker: Worker[Any, Any]
    _panel: RequestPanel[Any] | None = None  # where the work is shown
    _named = ""  # what a user is likely to call such a view

    def cancel(self) -> None:
        """Stop computing; what is drawn stays."""
        with self._worker.lock:
            self._worker.cancel()
            if self._worker.busy:
                self._show_work("cancelling …", None, busy=False)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all is computed.

        Args:
            timeout: Seconds to wait at most; None waits as long as it takes.

        Returns:
            Whether it is.
        """
        return self._worker.wait(timeout)

    def close(self) -> None:
        """Stop computing and remove the views."""
        if "_worker" in self.__dict__:  # not where __init__ refused its arguments: Python closes what is left of the widget
            self._worker.close()
        super().close()

    def __enter__(self: Own) -> Own:
        """Return the view, to be closed at the end of the block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the view."""
        self.close()

    # Asks the worker; to be called under its lock.
    def _begin(self, job: Any) -> None:
        self.state, self.error = "computing", None
        self._show_work("…", 0.0, busy=True)
        self._worker.submit(job)

    # Says how the work ended, when all that it has found is shown.
    def _finish(self, end: End) -> None:
        self.error, self.state = end.failure, _AFTER[end.state]
        if end.failure is not None:
            said = f"{end.failure.message} (the full traceback is in {self._named}.error.traceback)"
            with self.verdict_bar.hold_sync():
                self.verdict_bar.sentence, self.verdict_bar.kind = said, "error"
        done = {"complete": ("done", 1.0), "cancelled": ("cancelled", None), "failed": ("failed", 0.0)}
        self._show_work(*done[end.state], busy=False)

    # A progress of None is that of before.
    def _show_work(self, doing: str, progress: float | None, *, busy: bool) -> None:
        if self._panel is not None:
            self._panel.show_work(doing, self._panel.progress.value if progress is None else progress, busy=busy)
