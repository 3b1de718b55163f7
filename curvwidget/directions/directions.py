"""The axes of a slice: k vectors in parameter space with their names and where they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from curvwidget._results import ArrayResult

if TYPE_CHECKING:
    from xarray import Dataset

__all__ = ["Directions"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Directions(ArrayResult):
    """k directions in R^N.

    Attributes:
        vectors: ``(k, N)``, in the objective's dtype and on its device; lengths matter and are never changed silently.
        labels: k names, as plots show them.
        eigenvalues: ``(k,)`` float64, NaN where a direction is no eigenvector; None where none is.
        residuals: ‖Hv − λv‖ ``(k,)`` float64, NaN where a direction is no eigenvector; None where none is.
        seed: Seed of random directions, None otherwise.
        normalization: How random directions were normalized, None where they were not.
    """

    vectors: Tensor
    labels: tuple[str, ...]
    eigenvalues: Array | None = None
    residuals: Array | None = None
    seed: int | None = None
    normalization: str | None = None

    def __post_init__(self) -> None:
        """Refuse vectors, labels and eigenvalues that do not belong together.

        Raises:
            TypeError: If ``vectors`` is not a floating-point tensor.
            ValueError: If a shape or a value is off.
        """
        vectors = self.vectors
        if not isinstance(vectors, Tensor) or not vectors.is_floating_point():
            raise TypeError(f"vectors must be a floating-point tensor of shape (k, N), got {_describe(vectors)}")
        if vectors.ndim != 2 or 0 in vectors.shape:
            raise ValueError(f"vectors must have shape (k, N), got {tuple(vectors.shape)}")
        if not bool(torch.isfinite(vectors).all()):
            raise ValueError("vectors must be finite, got NaN or inf")
        if bool((vectors == 0).all(dim=1).any()):
            raise ValueError("vectors must not be zero: a zero direction spans nothing")
        object.__setattr__(self, "vectors", vectors.detach())
        object.__setattr__(self, "labels", tuple(self.labels))
        if len(self.labels) != len(vectors):
            raise ValueError(f"labels must name each of the {len(vectors)} directions, got {len(self.labels)}")
        for name in ("eigenvalues", "residuals"):
            values = getattr(self, name)
            if values is not None and np.shape(values) != (len(vectors),):
                raise ValueError(f"{name} must have shape ({len(vectors)},), got {np.shape(values)}")

    def __len__(self) -> int:
        """Return the number of directions, k."""
        return len(self.vectors)

    def __getitem__(self, index: int | slice | Sequence[int]) -> Directions:
        """Return some of the directions.

        Args:
            index: One index, a slice or a list of indices.

        Returns:
            The directions picked, as `Directions`.
        """
        picked = np.atleast_1d(np.arange(len(self))[index])
        rows = picked.tolist()
        return Directions(
            vectors=self.vectors[rows],
            labels=tuple(self.labels[row] for row in rows),
            eigenvalues=None if self.eigenvalues is None else self.eigenvalues[rows],
            residuals=None if self.residuals is None else self.residuals[rows],
            seed=self.seed,
            normalization=self.normalization,
        )

    def beside(self, place: Tensor) -> Directions:
        """Return the directions where a tensor lies, in its dtype: those from a file lie on the CPU, whatever computes with them.

        Args:
            place: Any tensor, an objective's θ say.

        Returns:
            The directions; themselves where they lie there.
        """
        if (self.vectors.device, self.vectors.dtype) == (place.device, place.dtype):
            return self
        return replace(self, vectors=self.vectors.to(place))

    def to_xarray(self) -> Dataset:
        """Return the directions as a labelled data set.

        Returns:
            A `Dataset` with ``vector`` over ``direction`` and ``parameter``, ``norm`` over ``direction``, and ``eigenvalue`` and
            ``residual`` where the directions are eigenvectors; the labels are the coordinate of ``direction``.
        """
        from xarray import Dataset

        columns = {"norm": self.norms, "eigenvalue": self.eigenvalues, "residual": self.residuals}
        return Dataset(
            {
                "vector": (("direction", "parameter"), self.vectors.cpu().numpy()),
                **{name: (("direction",), values) for name, values in columns.items() if values is not None},
            },
            coords={"direction": list(self.labels)},
            attrs={"seed": str(self.seed), "normalization": str(self.normalization)},
        )

    @property
    def n_parameters(self) -> int:
        """N, the length of each direction."""
        return int(self.vectors.shape[1])

    @property
    def norms(self) -> Array:
        """Lengths of the directions ``(k,)`` float64."""
        return self.gram.diagonal() ** 0.5

    @property
    def gram(self) -> Array:
        """Inner products of the directions ``(k, k)`` float64."""
        vectors = self.vectors.double()
        return (vectors @ vectors.T).cpu().numpy()

    @staticmethod
    def join(*parts: Directions) -> Directions:
        """Put directions from several sources together as the axes of one slice.

        Args:
            parts: One or more `Directions` of the same N.

        Returns:
            All their directions, in order, those from a file on the device of the others. Seed and normalization are kept where
            all parts agree.

        Raises:
            ValueError: If there is no part, or if the parts differ in N.
        """
        if not parts:
            raise ValueError("join needs at least one part, got none")
        lengths = {part.n_parameters for part in parts}
        if len(lengths) > 1:
            raise ValueError(f"parts must have directions of one length N, got {sorted(lengths)}")
        away = next((part.vectors for part in parts if part.vectors.device.type != "cpu"), parts[0].vectors)
        parts = tuple(part if part.vectors.device == away.device else part.beside(away) for part in parts)
        seeds = {part.seed for part in parts}
        normalizations = {part.normalization for part in parts}
        return Directions(
            vectors=torch.cat([part.vectors for part in parts]),
            labels=tuple(label for part in parts for label in part.labels),
            eigenvalues=_join_values([part.eigenvalues for part in parts], [len(part) for part in parts]),
            residuals=_join_values([part.residuals for part in parts], [len(part) for part in parts]),
            seed=seeds.pop() if len(seeds) == 1 else None,
            normalization=normalizations.pop() if len(normalizations) == 1 else None,
        )


def _join_values(values: list[Array | None], lengths: list[int]) -> Array | None:
    if all(value is None for value in values):
        return None
    return np.concatenate(
        [np.full(length, np.nan) if value is None else value for value, length in zip(values, lengths, strict=True)]
    )


def _describe(value: object) -> str:
    return str(value.dtype) if isinstance(value, Tensor) else type(value).__name__
