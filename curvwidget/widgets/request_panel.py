"""A panel of controls: what they say as a whole is a request, and below them stands how far its answer is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

import ipywidgets

from curvwidget.widgets.slider_names import SliderNames
from curvwidget.widgets.time_left import TimeLeft

__all__ = ["RequestPanel"]

_WIDE = {"width": "auto"}
Asked = TypeVar("Asked")


class RequestPanel(ipywidgets.VBox, Generic[Asked]):
    """Controls that change nothing but a request; a subclass says how to read and how to write one.

    Attributes:
        progress: How far the work is.
        doing: What is being done, in words, and how long it will still take where that is worth saying.
        cancel: Stops it.
    """

    def __init__(
        self,
        request: Asked,
        controls: Sequence[ipywidgets.Widget],
        *,
        on_request: Callable[[Asked], None],
        on_cancel: Callable[[], None],
        below: Sequence[ipywidgets.Widget] = (),
        width: str,
    ) -> None:
        """Put the controls of a subclass above the progress of the work.

        Args:
            request: What the controls say at first.
            controls: What stands above the progress.
            on_request: Takes a request that a user has changed.
            on_cancel: Called when the work shall stop.
            below: What stands below.
            width: Of the panel, in CSS.
        """
        self._on_request = on_request
        self._quiet = False
        self._time_left = TimeLeft()
        self.progress = ipywidgets.FloatProgress(min=0, max=1, layout=ipywidgets.Layout(width="auto", height="14px"))
        self.doing = ipywidgets.Label("", layout=_WIDE)
        self.cancel = ipywidgets.Button(
            description="Cancel", icon="stop", disabled=True, layout=_WIDE, tooltip="Stop the computation; what is drawn stays"
        )
        self.cancel.on_click(lambda _: on_cancel())
        self.show_request(request)
        super().__init__(
            [*controls, self.progress, self.doing, self.cancel, *below, SliderNames()],
            layout=ipywidgets.Layout(width=width, min_width=width, flex=f"0 0 {width}"),
        )

    def show_request(self, request: Asked) -> None:
        """Let the controls say what is asked, without asking.

        Args:
            request: What is asked.
        """
        with self._silence():
            self._request = request
            self._write(request)

    def show_work(self, doing: str, progress: float, *, busy: bool) -> None:
        """Show what is being done.

        Args:
            doing: In words.
            progress: Share of it, in [0, 1].
            busy: Whether there is something to cancel.
        """
        self.progress.value = progress
        self.progress.bar_style = "" if busy else "success"
        left = self._time_left.words(progress, now=time.monotonic()) if busy else ""
        if not busy:
            self._time_left.forget()
        self.doing.value = f"{doing} · {left}" if left else doing
        self.cancel.disabled = not busy

    # Lets the controls say a request.
    def _write(self, request: Asked) -> None:
        raise NotImplementedError

    # The request before, with what the controls say now.
    def _read(self) -> Asked:
        raise NotImplementedError

    # To be called when a control has changed.
    def _changed(self) -> None:
        if self._quiet:
            return
        request = self._read()
        if request != self._request:
            self._on_request(request)

    @contextmanager
    def _silence(self) -> Iterator[None]:
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before
