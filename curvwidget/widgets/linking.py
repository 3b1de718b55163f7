"""Explorers that follow one another."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from typing import Any

from curvwidget.runs import Executor, Worker
from curvwidget.widgets.axis_sources import EigenAxis, GradientAxis, RandomAxis
from curvwidget.widgets.explorer import Explorer

__all__ = ["ExplorerLink", "link_explorers"]

_SHARED = (RandomAxis, EigenAxis, GradientAxis)  # what each loss has of its own; a user's vector belongs to one loss alone
_Change = tuple[Explorer, Any]  # who follows, and what the other one has changed to


class ExplorerLink:
    """What keeps two explorers together, until it is undone."""

    def __init__(self, first: Explorer, second: Explorer, *, executor: Executor | None = None) -> None:
        """Let two explorers follow one another.

        Args:
            first: The explorer that the other one follows at once.
            second: The other explorer.
            executor: Where one is told of the other; None for a thread of the link's own.

        Raises:
            TypeError: If one is no `Explorer`.
            ValueError: If both are the same.
        """
        for name, explorer in (("first", first), ("second", second)):
            if not isinstance(explorer, Explorer):
                raise TypeError(f"{name} must be an Explorer, got {type(explorer).__name__}")
        if first is second:
            raise ValueError("first and second must be two explorers, got one and the same")
        self._pair = (first, second)
        self._telling = threading.local()  # a change that the link itself makes is not told back
        # An explorer changes under its own lock. Told on another thread, the two never wait for each other's.
        self._requests: Worker[_Change, None] = Worker(
            self._pass_request, on_result=lambda *_: None, on_end=lambda *_: None, executor=executor
        )
        self._probes: Worker[_Change, None] = Worker(
            self._pass_probe, on_result=lambda *_: None, on_end=lambda *_: None, executor=executor
        )
        for explorer in self._pair:
            explorer.observe(self._on_request, "request")
            explorer.observe(self._on_probe, "probe")
        self._requests.submit((second, first.request))

    def unlink(self) -> None:
        """Let each explorer go its own way again."""
        for explorer in self._pair:
            explorer.unobserve(self._on_request, "request")
            explorer.unobserve(self._on_probe, "probe")
        self._requests.close()
        self._probes.close()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until each knows what the other one shows.

        Args:
            timeout: Seconds to wait at most, for each of what is told; None waits as long as it takes.

        Returns:
            Whether they do.
        """
        return self._requests.wait(timeout) and self._probes.wait(timeout)

    def _on_request(self, change: dict[str, Any]) -> None:
        self._tell(self._requests, change)

    def _on_probe(self, change: dict[str, Any]) -> None:
        self._tell(self._probes, change)

    def _tell(self, worker: Worker[_Change, None], change: dict[str, Any]) -> None:
        if not getattr(self._telling, "now", False):
            first, second = self._pair
            worker.submit((second if change["owner"] is first else first, change["new"]))

    def _pass_request(self, change: _Change) -> Iterator[None]:
        follower, request = change
        first, second = (
            theirs if isinstance(theirs, _SHARED) else ours
            for ours, theirs in zip(follower.request.axes, request.axes, strict=True)
        )
        return self._set(follower, "request", dataclasses.replace(request, axes=(first, second), place=follower.request.place))

    def _pass_probe(self, change: _Change) -> Iterator[None]:
        follower, probe = change
        return self._set(follower, "probe", probe)

    def _set(self, follower: Explorer, name: str, value: Any) -> Iterator[None]:
        self._telling.now = True
        try:
            setattr(follower, name, value)
        finally:
            self._telling.now = False
        return iter(())


def link_explorers(first: Explorer, second: Explorer, *, executor: Executor | None = None) -> ExplorerLink:
    """Let two explorers show the same kind of plane: moving one moves the other.

    The two losses may be of different networks, with and without skip connections, say: random seeds, eigenvectors by their rank,
    normalization, span, grid, blend and probe are shared; places, checkpoints and vectors of one's own are not. Bad arguments
    are refused with a `TypeError` or `ValueError`.

    Args:
        first: The explorer that the other one follows at once.
        second: The other explorer.
        executor: Where one is told of the other; None for a thread of the link's own.

    Returns:
        The link; its ``unlink()`` undoes it.

    Example:
        >>> import torch, curvwidget as cw
        >>> from curvwidget.runs import InlineExecutor
        >>> here, there = (
        ...     cw.explore(
        ...         cw.Objective.from_function(lambda t: (t**2).sum(), torch.zeros(n, dtype=torch.float64)),
        ...         resolution=5,
        ...         planes=0,
        ...         probes=2,
        ...         executor=InlineExecutor(),
        ...     )
        ...     for n in (3, 4)
        ... )
        >>> link = cw.link_explorers(here, there, executor=InlineExecutor())
        >>> here.new_random_plane()
        >>> there.request.axes == here.request.axes
        True
    """
    return ExplorerLink(first, second, executor=executor)
