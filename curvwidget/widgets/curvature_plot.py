"""The curvatures of many random planes, beside what is predicted for them and what the Hessian has."""

from __future__ import annotations

import threading
from typing import Any

import bqplot
import ipywidgets
import numpy as np
import traitlets
from numpy.typing import ArrayLike

from curvwidget._number_words import format_number, format_share, format_uncertain
from curvwidget.curvature import ProjectionPrediction
from curvwidget.curvature.projected import ProjectedCurvature
from curvwidget.curvature.sample import ProjectionSample
from curvwidget.linalg.eigenpairs import Eigenpairs
from curvwidget.linalg.trace_estimate import TraceEstimate
from curvwidget.widgets.curvature_marks import FEWEST, CurvatureMarks
from curvwidget.widgets.export.picture import Picture
from curvwidget.widgets.picker import Picker
from curvwidget.widgets.room import visible_range
from curvwidget.widgets.saddle_words import SHAPES
from curvwidget.widgets.style import BLUE, GREEN, INK, ORANGE, PURPLE, Dash, Key, Marker, axis_name, legend

__all__ = ["CurvaturePlot"]

Array = np.ndarray[Any, Any]

_HEIGHT = 260
_NONE = (np.nan, np.nan)


class CurvaturePlot(Picture, ipywidgets.VBox):
    """Principal curvatures κ₋ ≤ κ₊ of S random planes through θ.

    Above: their histograms, the predicted densities, the expectation tr(H) with its standard error, and the plane shown now.
    Below: each plane as a point in either row, at the same height within both; a click on one selects that plane, and so does its
    number in the field at the bottom. Below that the extreme eigenvalues of the Hessian, curvatures along unit vectors, which
    random planes hardly ever show.

    Example:
        >>> from curvwidget.widgets.curvature_plot import CurvaturePlot
        >>> view = CurvaturePlot(eigenvalues=[12.5, -0.3])
        >>> view.observe(lambda change: None, "selected")
    """

    sample = traitlets.Instance(ProjectionSample, allow_none=True)
    """The planes.

    - Type: `ProjectionSample` or None
    - Default: None

    Another sample drops `selected`, except one that continues the old one.
    """

    prediction = traitlets.Instance(ProjectionPrediction, allow_none=True)
    """What the theory says about them.

    - Type: `ProjectionPrediction` or None
    - Default: None
    """

    curvature = traitlets.Instance(ProjectedCurvature, allow_none=True)
    """The plane shown now.

    - Type: `ProjectedCurvature` or None
    - Default: None
    """

    eigenvalues = traitlets.Any(None, allow_none=True)
    """Eigenvalues of the Hessian, of which the extreme ones are named.

    - Type: `Eigenpairs`, numbers ``(k,)`` or None
    - Default: None
    """

    trace = traitlets.Instance(TraceEstimate, allow_none=True)
    """An estimate of tr(H), with its error: the expected curvature of a random plane.

    - Type: `TraceEstimate` or None
    - Default: None
    """

    selected = traitlets.Int(None, allow_none=True)
    """Which plane of the sample was clicked.

    - Type: int or None
    - Default: None
    """

    def __init__(
        self,
        sample: ProjectionSample | None = None,
        *,
        prediction: ProjectionPrediction | None = None,
        curvature: ProjectedCurvature | None = None,
        eigenvalues: Eigenpairs | ArrayLike | None = None,
        trace: TraceEstimate | None = None,
        selected: int | None = None,
        height: int = _HEIGHT,
        layout: ipywidgets.Layout | None = None,
    ) -> None:
        """Draw the curvatures of random planes.

        Args:
            sample: The planes.
            prediction: What the theory says about them.
            curvature: The plane shown now.
            eigenvalues: Eigenvalues of the Hessian.
            trace: An estimate of tr(H).
            selected: A plane to mark.
            height: Height of the plot in pixels.
            layout: Layout of the whole.
        """
        self._lock = threading.RLock()
        self._planes = np.empty(0, dtype=np.intp)  # places in the sample of the planes that are drawn
        self._legend = ipywidgets.HTML()
        self._marks = CurvatureMarks(height, self._on_click)
        self._picker = Picker(axis_name("curvature κ", "per unit of v, squared"), "plane", self._on_choice)
        super().__init__([self._legend, self._marks.figure, self._picker], layout=layout or ipywidgets.Layout(width="100%"))
        self.add_class("cw-plot")
        with self.hold_trait_notifications():
            self.sample, self.prediction, self.curvature, self.trace = sample, prediction, curvature, trace
            self.eigenvalues = eigenvalues
        self.selected = selected
        self._draw()
        self.observe(lambda change: self._draw(), ["sample", "prediction", "curvature", "eigenvalues", "trace"])
        self.observe(lambda change: self._draw_selected(), "selected")

    @traitlets.validate("eigenvalues")
    def _check_eigenvalues(self, proposal: dict[str, Any]) -> Eigenpairs | Array | None:
        value = proposal["value"]
        if value is None or isinstance(value, Eigenpairs):
            return value
        numbers = np.asarray(value, dtype=np.float64)
        if numbers.ndim != 1:
            raise ValueError(f"eigenvalues must be Eigenpairs or numbers of shape (k,), got shape {numbers.shape}")
        return numbers

    @traitlets.observe("sample")
    def _on_sample(self, change: dict[str, Any]) -> None:
        old, new, selected = change["old"], change["new"], self.selected
        if selected is None or not isinstance(old, ProjectionSample):
            return
        kept = new is not None and selected < len(new) and selected < len(old) and old.seeds[selected] == new.seeds[selected]
        if not kept:
            self.selected = None

    def _on_click(self, mark: bqplot.Scatter, content: dict[str, Any]) -> None:
        index = int(content["data"]["index"])
        with self._lock:
            planes = self._planes
        if 0 <= index < len(planes):
            self.selected = None  # so that a second click on one is heard as well
            self.selected = int(planes[index])  # outside the lock: who hears of it may take locks of its own

    def _on_choice(self, plane: int | None) -> None:
        self.selected = plane

    def _draw(self) -> None:
        with self._lock:
            sample, curvature, marks = self.sample, self.curvature, self._marks
            principal = np.empty((0, 2)) if sample is None else sample.principal
            self._planes = np.flatnonzero(np.isfinite(principal).all(axis=1))
            principal = principal[self._planes]
            seeds = np.empty(0) if sample is None else sample.seeds[self._planes]
            now = None if curvature is None or len(curvature.principal) != 2 else curvature.principal
            name, expected, stderr = self._expectation()
            smallest, largest = self._extremes()
            marks.set_range(
                *visible_range(self._core(principal), [0.0, expected, smallest[0], largest[0], *([] if now is None else now)])
            )
            marks.draw_densities(principal, self.prediction)
            marks.draw_points(principal, self._planes, seeds)
            marks.draw_expectation(name, expected, stderr)
            marks.draw_expected(self.prediction)
            marks.draw_current(now, 0.0 if curvature is None else curvature.error)
            marks.draw_eigenvalues(smallest, largest)
            self._draw_selected()

    def _draw_selected(self) -> None:
        with self._lock:
            selected, sample = self.selected, self.sample
            name, _, stderr = self._expectation()
            self._legend.value = legend(self._keys(name, stderr), note=self._note())
            self._picker.show(0 if sample is None else len(sample), selected)
            if selected is None or sample is None or selected not in self._planes:
                self._marks.draw_chosen(None, 0)
            else:
                self._marks.draw_chosen(sample.principal[selected], selected)

    def _core(self, principal: Array) -> list[float]:
        core: list[float] = principal.ravel().tolist()
        if self.prediction is not None:
            expected, std = self.prediction.expected_principal, self.prediction.std
            core += (expected - 3 * std).tolist() + (expected + 3 * std).tolist()
        return core

    def _expectation(self) -> tuple[str, float, float]:
        """Find the expected curvature of a random plane.

        Returns:
            Its name, its value and its standard error; an empty name and NaN where it is not known.
        """
        trace, prediction = self.trace, self.prediction
        source = self.sample if self.sample is not None else prediction
        normalization = None if source is None else source.normalization
        if trace is not None and normalization is None:
            return "tr(H)", trace.trace, trace.stderr
        if trace is not None and normalization == "unit":
            return "tr(H)/N", trace.mean_curvature, trace.mean_curvature_stderr
        if prediction is not None:
            return "expected curvature", prediction.curvature_of_expectation, np.nan
        return "", np.nan, np.nan

    def _extremes(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Find λ_min and λ_max.

        Returns:
            Each with its residual; NaN for an end of the spectrum that was not looked for.
        """
        found = self.eigenvalues
        if found is None:
            return _NONE, _NONE
        if isinstance(found, Eigenpairs):
            pairs = list(zip(found.values.tolist(), found.residuals.tolist(), strict=True))
            upper, lower = pairs[: found.largest], pairs[found.largest :]
        else:
            upper = [(value, 0.0) for value in found[np.isfinite(found)].tolist()]
            lower = upper if len(upper) > 1 else []
        return min(lower, default=_NONE), max(upper, default=_NONE)

    def _keys(self, expectation: str, stderr: float) -> list[Key]:
        keys = []
        if len(self._planes):
            kind: Marker = "band" if len(self._planes) >= FEWEST else "circle"
            dashes: tuple[Dash, Dash] | tuple[None, None] = ("solid", "dashed") if kind == "band" else (None, None)
            keys += [Key("κ₋", BLUE, dashes[0], kind), Key("κ₊", ORANGE, dashes[1], kind)]
        if self.prediction is not None and self.prediction.law is not None:
            keys += [Key("predicted", INK, "solid"), Key("their means", INK, None, "triangle-up")]
        if expectation:
            keys.append(
                Key(f"{expectation} ± stderr", GREEN, "solid", "band") if stderr > 0 else Key(expectation, GREEN, "solid")
            )
        if self.curvature is not None:
            keys.append(Key("this plane", INK, None, "diamond"))
        if self.eigenvalues is not None:
            keys.append(Key("λ (unit vectors)", PURPLE, None, "square"))
        return keys

    def _picture_note(self) -> str:
        name, expected, stderr = self._expectation()
        known = f" {name} = {format_uncertain(expected, stderr)}." if name else ""
        return f"the principal curvatures of planes through θ. {self._note()}.{known}"

    def _note(self) -> str:
        if self.sample is None:
            return "" if self.prediction is not None else "no random planes yet"
        count, lost = len(self.sample), len(self.sample) - len(self._planes)
        shares = self.sample.probabilities if count else {}
        ordered = sorted(shares.items(), key=lambda item: -item[1])
        kinds = ", ".join(f"{format_share(share)} {SHAPES[kind]}" for kind, share in ordered)
        chosen = ""
        if self.selected is not None and self.selected < count:
            low, high = self.sample.principal[self.selected].tolist()
            chosen = f"; plane {self.selected + 1}: κ₋ = {format_number(low)}, κ₊ = {format_number(high)}"
        return f"{count:,} random planes{f' ({lost} not finite)' if lost else ''}: {kinds}{chosen}"
