"""The spectrum of the Hessian: the density of all eigenvalues, and those that were found with their residuals."""

from __future__ import annotations

import threading
from typing import Any

import bqplot
import ipywidgets
import numpy as np
import traitlets

from curvwidget._number_words import format_number, format_share, format_uncertain
from curvwidget.directions import directions_from_eigenpairs
from curvwidget.linalg import Eigenpairs, SpectralDensity
from curvwidget.widgets.export.picture import Picture
from curvwidget.widgets.picker import Picker
from curvwidget.widgets.spectrum_marks import SpectrumMarks
from curvwidget.widgets.style import BLUE, ORANGE, PURPLE, Key, legend, sentence

__all__ = ["SpectrumPlot"]

Array = np.ndarray[Any, Any]

_HEIGHT = 260
_MOST_NAMED = 4  # eigenvalues that the legend has room for


class SpectrumPlot(Picture, ipywidgets.VBox):
    """All eigenvalues of the Hessian as a density, and below it the extreme ones that were found.

    The density is that of stochastic Lanczos quadrature with its standard error over the probes, on a logarithmic scale by
    default: among N eigenvalues one makes a density of 1/N. σ is the width by which each node is broadened. An eigenvalue that
    converged is a square, one that did not is a cross; the bar through each is its residual, within which an eigenvalue lies. A
    click on one selects it, and so does its number in the field at the bottom, 1 for the largest.

    Example:
        >>> import torch, curvwidget as cw
        >>> from curvwidget.widgets.spectrum_plot import SpectrumPlot
        >>> saddle = cw.Objective.from_function(lambda t: t[0] ** 2 - t[1] ** 2, torch.zeros(2, dtype=torch.float64))
        >>> view = SpectrumPlot(eigenpairs=cw.extreme_eigenpairs(saddle))
        >>> view.selected = 1
        >>> round(float(view.eigenpairs.values[view.selected]), 6)
        -2.0
    """

    density = traitlets.Instance(SpectralDensity, allow_none=True)
    """The density of all eigenvalues.

    - Type: `SpectralDensity` or None
    - Default: None
    """

    eigenpairs = traitlets.Instance(Eigenpairs, allow_none=True)
    """Eigenvalues that were found. Others drop `selected`.

    - Type: `Eigenpairs` or None
    - Default: None
    """

    log = traitlets.Bool(True)
    """Whether the density's axis is logarithmic.

    - Type: bool
    - Default: True
    """

    selected = traitlets.Int(None, allow_none=True)
    """Which of the eigenpairs was clicked.

    - Type: int or None
    - Default: None
    """

    def __init__(
        self,
        density: SpectralDensity | None = None,
        *,
        eigenpairs: Eigenpairs | None = None,
        log: bool = True,
        height: int = _HEIGHT,
        layout: ipywidgets.Layout | None = None,
    ) -> None:
        """Draw a spectrum.

        Args:
            density: The density of all eigenvalues.
            eigenpairs: Eigenvalues that were found.
            log: Whether the density's axis is logarithmic.
            height: Height of the plot in pixels.
            layout: Layout of the whole.
        """
        self._lock = threading.RLock()
        self._legend = ipywidgets.HTML()
        self._marks = SpectrumMarks(height, self._on_click)
        self._picker = Picker(sentence("eigenvalue λ of the Hessian", centered=True), "eigenvalue", self._on_choice)
        super().__init__([self._legend, self._marks.figure, self._picker], layout=layout or ipywidgets.Layout(width="100%"))
        self.add_class("cw-plot")
        with self.hold_trait_notifications():
            self.density, self.eigenpairs, self.log = density, eigenpairs, log
        self._draw()
        self.observe(lambda change: self._draw(), ["density", "eigenpairs", "log"])
        self.observe(lambda change: self._draw_selected(), "selected")

    @property
    def negative_share(self) -> tuple[float, float]:
        """Share of the eigenvalues more than the broadening below zero, and its standard error; NaN where not known."""
        density = self.density
        if density is None:
            return np.nan, np.nan
        shares = (density.weights * (density.nodes < -density.broadening)).sum(axis=1)
        count = len(shares)
        return float(shares.mean()), float(shares.std(ddof=1) / count**0.5) if count > 1 else np.nan

    @traitlets.validate("selected")
    def _check_selected(self, proposal: dict[str, Any]) -> int | None:
        value: int | None = proposal["value"]
        count = 0 if self.eigenpairs is None else len(self.eigenpairs.values)
        if value is not None and not 0 <= value < count:
            raise ValueError(f"selected must be None or an index below {count}, got {value}")
        return value

    @traitlets.observe("eigenpairs")
    def _on_eigenpairs(self, change: dict[str, Any]) -> None:
        self.selected = None

    def _on_click(self, mark: bqplot.Scatter, content: dict[str, Any]) -> None:
        with self._lock:
            pairs = self.eigenpairs
            if pairs is None:
                return
            wanted = pairs.converged if mark is self._marks.converged else ~pairs.converged
            places = np.flatnonzero(np.isfinite(pairs.values) & wanted)
        index = int(content["data"]["index"])
        if 0 <= index < len(places):
            self.selected = None  # so that a second click on one is heard as well
            self.selected = int(places[index])  # outside the lock: who hears of it may take locks of its own

    def _on_choice(self, place: int | None) -> None:
        self.selected = place

    def _draw(self) -> None:
        with self._lock:
            density, pairs, marks = self.density, self.eigenpairs, self._marks
            seen = [] if pairs is None else pairs.values[np.isfinite(pairs.values)].tolist()
            if density is not None:
                seen += [float(density.nodes.min()), float(density.nodes.max())]
            marks.set_range(min(seen, default=-1.0), max(seen, default=1.0))
            broadening = marks.draw_density(density, log=self.log)
            marks.draw_eigenvalues(pairs, _names(pairs))
            self._keys = self._list_keys(broadening)
            self._draw_selected()

    def _draw_selected(self) -> None:
        with self._lock:
            pairs, selected = self.eigenpairs, self.selected
            self._marks.draw_chosen(np.nan if pairs is None or selected is None else float(pairs.values[selected]))
            self._picker.show(0 if pairs is None else len(pairs.values), selected)
            self._legend.value = legend(self._keys, note=self._note())

    def _list_keys(self, broadening: float) -> list[Key]:
        density, pairs = self.density, self.eigenpairs
        keys = []
        if density is not None:
            several = len(density.nodes) > 1
            text = f"density{' ± stderr' if several else ''} (σ = {format_number(broadening, 2)})"
            keys.append(Key(text, BLUE, "solid", "band" if several else None))
        if pairs is not None and pairs.converged.any():
            keys.append(
                Key("converged" if pairs.converged.all() else f"{int(pairs.converged.sum())} converged", PURPLE, None, "square")
            )
        if pairs is not None and not pairs.converged.all():
            keys.append(Key(f"{int((~pairs.converged).sum())} not converged", ORANGE, None, "cross"))
        return keys

    def _picture_note(self) -> str:
        return f"the eigenvalues of the Hessian. {self._note()}"

    def _note(self) -> str:
        density, pairs = self.density, self.eigenpairs
        parts = []
        if pairs is not None:
            names = _names(pairs)
            shown = names if len(names) <= _MOST_NAMED else [names[0], names[-1]]
            if self.selected is not None and names[self.selected] not in shown:
                shown.insert(1, names[self.selected])
            parts.append(", ".join(reversed(shown)))
        if density is not None:
            share, error = self.negative_share
            percent = f"{format_uncertain(100 * share, 100 * error)} %" if error > 0 else format_share(share)
            so_far = f" (so far, {density.progress:.0%})" if density.progress < 1 else ""
            parts.append(f"{percent} of all λ below −{format_number(density.broadening, 2)}{so_far}")
        return "; ".join(parts) if parts else "no eigenvalues yet"


# What each eigenvalue is called, with its residual.
def _names(pairs: Eigenpairs | None) -> list[str]:
    if pairs is None:
        return []
    labels = [label.split(" = ")[0] for label in directions_from_eigenpairs(pairs).labels]
    rows = zip(labels, pairs.values.tolist(), pairs.residuals.tolist(), pairs.converged.tolist(), strict=True)
    return [f"{name} = {format_uncertain(value, error)}{'' if sure else ' (not converged)'}" for name, value, error, sure in rows]
