"""An orthonormal basis grown by products with A, and what A is within it.

The same recurrence serves the eigenpairs (one space for both ends of the spectrum, cut back when it is full) and the spectral
density (one short space a probe). It is Lanczos with full reorthogonalisation, written so that several sequences, each begun with
a vector of its own, may stand side by side in one basis:

    A Vᵀ = Vᵀ S + Wᵀ C

V (m, N) are the *processed* rows, whose products are known; W (p, N) the *pending* ones, orthonormal to V and to each other; S is
symmetric and C (p, m) couples the two. Nothing else is left over, so the residual of a Ritz vector Vᵀs with S s = θ s is ‖C s‖,
for any number of sequences and after any cut.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from torch import Tensor

from curvwidget.linalg.operator import SymmetricOperator
from curvwidget.linalg.precision import norm
from curvwidget.linalg.row_store import RowStore

__all__ = ["KrylovSpace", "RitzPairs"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class RitzPairs:
    """Eigenpairs of A within a subspace.

    Attributes:
        values: ``(m,)``, ascending.
        coefficients: ``(m, m)``: column j holds the coordinates of the Ritz vector j.
        residuals: ‖A·y − θ·y‖ ``(m,)`` as the recurrence gives it.
        parked_residuals: The part of them that lies along parked rows ``(m,)``.
        start: Index of the first row that the coordinates belong to.
    """

    values: Array
    coefficients: Array
    residuals: Array
    parked_residuals: Array
    start: int = 0

    @property
    def free_residuals(self) -> Array:
        """The part of the residuals that does not lie along parked rows ``(m,)``."""
        return np.asarray(np.sqrt(np.maximum(self.residuals**2 - self.parked_residuals**2, 0.0)))


class KrylovSpace:
    """A growing orthonormal basis and the projection of A on it."""

    def __init__(self, operator: SymmetricOperator, capacity: int) -> None:
        """Make an empty space.

        Args:
            operator: The matrix A.
            capacity: The most rows, processed and pending, that are ever held.
        """
        self.operator = operator
        self.rows = RowStore(capacity, operator.size, operator.dtype, operator.device)
        self.coupling = np.zeros((capacity, capacity))
        self.processed = 0
        self.pending = 0
        self.parked = 0  # the first ones of the pending rows, which are not to be processed for now
        self.products = 0
        self.scale = 0.0  # largest ‖A·q‖ seen, a lower bound of ‖A‖
        self.asymmetry = 0.0  # largest |qᵢᵀA qⱼ − qⱼᵀA qᵢ| seen

    @property
    def used(self) -> int:
        """Rows in use."""
        return self.processed + self.pending

    @property
    def active(self) -> int:
        """Pending rows that may be processed next."""
        return self.pending - self.parked

    def add(self, vector: Tensor) -> bool:
        """Begin a sequence with a vector, made orthogonal to all that is there.

        Args:
            vector: ``(N,)``, not zero; not changed.

        Returns:
            Whether anything of it lay outside of the basis.
        """
        length = norm(vector)
        rest, _, left = self.rows.split(vector, self.used)
        if self.used >= self.operator.size or left <= self.operator.rounding * length:
            return False
        index = self.used
        self.rows[index] = rest / left
        self.coupling[index, :] = 0.0
        self.coupling[:, index] = 0.0
        self.pending += 1
        return True

    def advance(self) -> bool:
        """Process the first pending row that is not parked: one product with A.

        Returns:
            Whether the product led out of the basis; if not, the sequence is exhausted.

        Raises:
            FloatingPointError: If the product holds NaN or inf.
        """
        m = self.processed
        self._exchange(m, m + self.parked)
        known = self.coupling[:m, m].copy()
        product = (self.operator @ self.rows[m]).detach()
        self.products += 1
        length = norm(product)
        if not math.isfinite(length):
            raise FloatingPointError(f"product {self.products} of the operator with a vector holds NaN or inf")
        self.scale = max(self.scale, length)
        rest, inside, left = self.rows.split(product, self.used)
        if m:
            self.asymmetry = max(self.asymmetry, float(np.abs(inside[:m] - known).max()))
        used = self.used
        self.coupling[:used, m] = inside
        self.coupling[m, :used] = inside
        self.processed += 1
        self.pending -= 1
        if used >= self.operator.size or left <= self.operator.rounding * self.scale:
            return False
        self.rows[used] = rest / left
        self.coupling[used, :] = 0.0
        self.coupling[:, used] = 0.0
        self.coupling[used, m] = self.coupling[m, used] = left
        self.pending += 1
        return True

    def _exchange(self, a: int, b: int) -> None:
        if a != b:
            self.rows.swap(a, b)
            self.coupling[[a, b], :] = self.coupling[[b, a], :]
            self.coupling[:, [a, b]] = self.coupling[:, [b, a]]

    def ritz(self, start: int = 0, stop: int | None = None) -> RitzPairs:
        """Eigenpairs of A within a range of the processed rows.

        Args:
            start: First row of the range.
            stop: Row after the last one; all processed rows by default.

        Returns:
            The pairs. Their residuals are right where the other processed rows are decoupled from the range.
        """
        stop = self.processed if stop is None else stop
        values, coefficients = scipy.linalg.eigh(self.coupling[start:stop, start:stop])
        left_over = self.coupling[self.processed : self.used, start:stop] @ coefficients
        along_parked = np.linalg.norm(left_over[: self.parked], axis=0)
        return RitzPairs(values, coefficients, np.linalg.norm(left_over, axis=0), along_parked, start)

    def cut(self, pairs: RitzPairs, keep: Array) -> None:
        """Replace the rows that Ritz pairs belong to by some of the Ritz vectors.

        The relation between A, S and C holds on without an error, since a Ritz vector is coupled to no other.

        Args:
            pairs: What `ritz` gave for a range, and nothing has happened since.
            keep: Indices of the pairs that stay.
        """
        rotation = pairs.coefficients[:, keep]
        start, count, kept = pairs.start, len(rotation), rotation.shape[1]
        stop, used = start + count, self.used
        self.rows.rotate(start, rotation)
        for index in range(stop, used):
            self.rows[index - count + kept] = self.rows[index]
        whole = scipy.linalg.block_diag(np.eye(start), rotation, np.eye(used - stop))
        fresh = whole.T @ self.coupling[:used, :used] @ whole
        fresh[start : start + kept, start : start + kept] = np.diag(pairs.values[keep])
        self.coupling[:] = 0.0
        self.coupling[: len(fresh), : len(fresh)] = fresh
        self.processed -= count - kept
