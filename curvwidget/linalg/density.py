"""What is known of a whole spectrum: nodes and weights of a quadrature, and the density that they stand for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.special

from curvwidget._checks import check_count, check_positive
from curvwidget._results import ArrayResult
from curvwidget.linalg.trace.running import mean_and_stderr

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from xarray import Dataset

__all__ = ["SpectralDensity"]

Array = np.ndarray[Any, Any]
_MARGIN = 4  # broadenings beyond the outermost nodes, where the density has died out
_CHUNK = 2**20  # kernel values held at once


@dataclass(frozen=True, eq=False)
class SpectralDensity(ArrayResult):
    """The density of eigenvalues φ(x) = (1/N)·Σ δ(x − λᵢ) of a symmetric matrix A of size N, estimated.

    Probe p gives the Gauss quadrature Σⱼ wⱼ·f(θⱼ) of uᵀf(A)u, u a random unit vector, whose mean is tr f(A)/N.

    Attributes:
        nodes: θ, ascending ``(P, M)``. A probe that came to its end in fewer than M steps repeats its last node, with the
            weight 0.
        weights: w ≥ 0 ``(P, M)``; the weights of each probe sum to 1.
        counts: How many nodes of each probe are its own ``(P,)``.
        exhausted: Whether a probe saw all that it can see, so that its nodes are eigenvalues ``(P,)`` bool.
        size: N.
        broadening: Standard deviation σ of the normal law by which `density` replaces each node, in units of the eigenvalues.
        steps: Products asked for a probe.
        seed: Seed of the probes.
        hvps: Matrix-vector products spent.
        progress: Share of the work done, in [0, 1].
        notes: What a reader must know to trust the numbers, in words; may be empty.
    """

    nodes: Array
    weights: Array
    counts: Array
    exhausted: Array
    size: int
    broadening: float
    steps: int
    seed: int
    hvps: int
    progress: float = 1.0
    notes: tuple[str, ...] = ()

    def moment(self, order: int) -> tuple[float, float]:
        """Estimate tr(Aᵏ)/N.

        Args:
            order: k, at most 2·steps − 1: beyond that the quadrature of a probe is not exact.

        Returns:
            The mean over the probes and its standard error, NaN for a single probe.

        Raises:
            ValueError: If the quadrature is not exact for that order.
        """
        order = check_count("order", order, minimum=0)
        exact = np.where(self.exhausted, np.inf, 2 * self.counts - 1).min()
        if order > exact:
            raise ValueError(f"order must be at most {exact:.0f} for a quadrature of {self.counts.min()} nodes, got {order}")
        return mean_and_stderr((self.weights * self.nodes**order).sum(axis=1))

    @property
    def mean_curvature(self) -> float:
        """tr(A)/N."""
        return self.moment(1)[0]

    @property
    def mean_curvature_stderr(self) -> float:
        """Standard error of tr(A)/N over the probes, NaN for a single one."""
        return self.moment(1)[1]

    @property
    def mean_square(self) -> float:
        """tr(A²)/N."""
        return self.moment(2)[0]

    @property
    def mean_square_stderr(self) -> float:
        """Standard error of tr(A²)/N over the probes, NaN for a single one."""
        return self.moment(2)[1]

    @property
    def support(self) -> tuple[float, float]:
        """Where the density is not negligible: from four broadenings below the lowest node to four above the highest."""
        return float(self.nodes.min()) - _MARGIN * self.broadening, float(self.nodes.max()) + _MARGIN * self.broadening

    @property
    def grid(self) -> Array:
        """Points to draw the density at, ascending ``(G,)``: two a broadening wherever there is a node within four broadenings.

        Elsewhere the density is zero as far as an eye can tell, so that a far outlier costs no points.
        """
        cells = np.unique(np.round(2 * self.nodes.ravel() / self.broadening).astype(np.int64))
        reach = np.arange(-2 * _MARGIN, 2 * _MARGIN + 1)
        return np.asarray(np.unique(cells[:, None] + reach) * (self.broadening / 2))

    def density(self, x: ArrayLike, *, broadening: float | None = None) -> Array:
        """Evaluate the density, each node replaced by a normal law.

        Args:
            x: Where, of any shape.
            broadening: σ of the normal law; ``self.broadening`` by default.

        Returns:
            φ(x), of the same shape; it integrates to 1.
        """
        return np.asarray(self._by_probe(x, broadening).mean(axis=0))

    def density_stderr(self, x: ArrayLike, *, broadening: float | None = None) -> Array:
        """Standard error of `density` over the probes.

        Args:
            x: Where, of any shape.
            broadening: As for `density`.

        Returns:
            Of the shape of ``x``; NaN for a single probe.
        """
        values = self._by_probe(x, broadening)
        if len(values) < 2:
            return np.full(values.shape[1:], np.nan)
        return np.asarray(values.std(axis=0, ddof=1) / math.sqrt(len(values)))

    def cumulative(self, x: ArrayLike, *, broadening: float | None = None) -> Array:
        """Share of the eigenvalues below x, by the same normal laws.

        Args:
            x: Where, of any shape.
            broadening: As for `density`.

        Returns:
            Of the shape of ``x``, rising from 0 to 1.
        """
        sigma = self._sigma(broadening)
        where = np.asarray(x, dtype=np.float64)
        flat = _kernel_sums(lambda offsets: scipy.special.ndtr(offsets / sigma), where.ravel(), self.nodes, self.weights)
        return np.asarray(flat.mean(axis=0).reshape(where.shape))

    def _by_probe(self, x: ArrayLike, broadening: float | None) -> Array:
        sigma = self._sigma(broadening)
        where = np.asarray(x, dtype=np.float64)

        def normal(offsets: Array) -> Array:
            return np.asarray(np.exp(-0.5 * (offsets / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi)))

        return _kernel_sums(normal, where.ravel(), self.nodes, self.weights).reshape(len(self.nodes), *where.shape)

    def _sigma(self, broadening: float | None) -> float:
        return self.broadening if broadening is None else check_positive("broadening", broadening)

    def to_xarray(self) -> Dataset:
        """Return nodes, weights and the density over its support as a labelled data set.

        Returns:
            A `Dataset` with ``nodes`` and ``weights`` over ``probe`` and ``node``, and ``density`` and ``density_stderr`` over
            ``eigenvalue``, which is `grid`.
        """
        from xarray import Dataset

        x = self.grid
        data = Dataset(
            {
                "nodes": (("probe", "node"), self.nodes),
                "weights": (("probe", "node"), self.weights),
                "density": (("eigenvalue",), self.density(x)),
                "density_stderr": (("eigenvalue",), self.density_stderr(x)),
            },
            coords={"eigenvalue": x},
            attrs={"size": self.size, "broadening": self.broadening, "steps": self.steps, "seed": self.seed, "hvps": self.hvps},
        )
        data["density"].attrs["long_name"] = "density of eigenvalues"
        return data


# Σⱼ wⱼ·kernel(x − θⱼ) for each probe ``(P, x)``, a stretch of x at a time.
def _kernel_sums(kernel: Any, x: Array, nodes: Array, weights: Array) -> Array:
    height = max(1, _CHUNK // nodes.size)
    sums = np.empty((len(nodes), len(x)))
    for start in range(0, len(x), height):
        offsets = x[start : start + height, None, None] - nodes
        sums[:, start : start + height] = (kernel(offsets) * weights).sum(axis=2).T
    return sums
