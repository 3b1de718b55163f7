"""The loss on a grid of points around θ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from curvwidget._results import ArrayResult
from curvwidget.directions.directions import Directions

if TYPE_CHECKING:
    from xarray import DataArray

__all__ = ["LossSlice"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class LossSlice(ArrayResult):
    """L(θ + Σ_i a_i·v_i) on a product grid.

    Attributes:
        axes: One ascending array ``(r_i,)`` a direction: the coordinates a_i, in units of the direction; symmetric, with the
            exact 0 in the middle. A coarse snapshot has fewer and not necessarily equally spaced points.
        values: ``(r_1, …, r_k)`` float64; ``values[i, j]`` belongs to ``axes[0][i]`` and ``axes[1][j]``. NaN and inf stay as
            they came. Where the loss was evaluated with a tolerance most of them may be interpolated; that at the centre is not.
        directions: The axes' vectors.
        evaluations: Loss evaluations spent on the grid so far; what an automatic span takes before that is not among them.
        error: Estimated largest error of the values, in units of the loss; 0 where each is an evaluation of the loss itself.
        progress: Share of the work done, in [0, 1].
    """

    axes: tuple[Array, ...]
    values: Array
    directions: Directions
    evaluations: int
    error: float = 0.0
    progress: float = 1.0

    @property
    def center(self) -> float:
        """L(θ), the value at the origin of the slice."""
        return float(self.values[tuple(int(np.flatnonzero(axis == 0)[0]) for axis in self.axes)])

    @property
    def exact(self) -> bool:
        """Whether each value is an evaluation of the loss, and none is interpolated."""
        return self.error == 0

    @property
    def span(self) -> tuple[float, ...]:
        """Half-width of each axis, in units of its direction."""
        return tuple(float(axis[-1]) for axis in self.axes)

    def to_xarray(self) -> DataArray:
        """Return the slice as a labelled array.

        Returns:
            A `DataArray` named ``loss`` with dimensions ``axis_1``, …, whose ``long_name`` is the direction's label and whose
            ``units`` its length, so that ``.plot()`` labels its axes.
        """
        from xarray import DataArray

        names = [f"axis_{index + 1}" for index in range(len(self.axes))]
        array = DataArray(self.values, coords=dict(zip(names, self.axes, strict=True)), dims=names, name="loss")
        for name, label, norm in zip(names, self.directions.labels, self.directions.norms, strict=True):
            array[name].attrs.update(long_name=label, units=f"steps of length {norm:.3g}", norm=float(norm))
        array.attrs.update(long_name="loss", evaluations=self.evaluations, error=self.error, progress=self.progress)
        return array
