"""The loss on some of the samples, as a first look at what the loss on all of them is, with its sampling error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from curvwidget._checks import check_count
from curvwidget.objective.model_risk import ModelRisk
from curvwidget.objective.objective import Objective
from curvwidget.objective.soundness import is_mean

__all__ = ["Subset", "take_subset"]

Array = np.ndarray[Any, Any]

_PARTS = 8  # of a subset: their spread then tells the error to within about a quarter, 1/√(2·7)


@dataclass(frozen=True, eq=False)
class Subset:
    """The loss on samples that were drawn at random, without replacement.

    Attributes:
        objective: The loss on them, at the θ of the whole; model and memory are shared with it.
        parts: The losses on parts of them, of one size as nearly as can be.
        n_samples: Number of samples in all of the data.
    """

    objective: Objective
    parts: tuple[Objective, ...]
    n_samples: int

    @property
    def samples(self) -> int:
        """Number of samples that were drawn."""
        drawn = self.objective.n_samples
        assert drawn is not None
        return drawn

    def sampling_error(self, vectors: Tensor, coordinates: Any) -> Array:
        """Estimate how far the loss on the subset may be from that on all samples.

        The standard error of a mean of n of M samples drawn without replacement, σ/√n·√(1 − n/M), with σ/√n from the spread of
        the G parts' means: their standard deviation over √G.

        Args:
            vectors: Directions v_i ``(k, N)``.
            coordinates: Points θ + Σ a_i·v_i by their coordinates ``(B, k)``.

        Returns:
            The standard error at each point ``(B,)``; NaN where a loss is not finite. Costs one loss on the subset a point.
        """
        lines = [part.along(vectors) for part in self.parts]
        for line in lines:
            line.records_losses = False  # to record costs more than a few points
        losses = np.stack([line.at(coordinates) for line in lines])
        left = 1 - self.samples / self.n_samples
        with np.errstate(invalid="ignore"):
            return np.asarray(losses.std(axis=0, ddof=1) * np.sqrt(left / len(self.parts)))


def take_subset(objective: Objective, samples: int, *, seed: int = 0) -> Subset | None:
    """Draw samples at random.

    Args:
        objective: The loss on all samples.
        samples: How many to draw, at least two a part.
        seed: Seed of the draw; the global generators are not touched.

    Returns:
        The loss on them; None where the loss on a part of the data is no estimate of that on all of it: an analytic loss, a
        ``batch_loss``, batches that cannot be cut, and where samples see one another (statistics of a batch, class weights):
        that is tried out on the subset.

    Raises:
        ValueError: If there are not as many samples, or too few are asked for.

    Example:
        >>> import torch, curvwidget as cw
        >>> from curvwidget.objective.subset import take_subset
        >>> x = torch.linspace(-1, 1, 1000).unsqueeze(1)
        >>> slope = cw.Objective(torch.nn.Linear(1, 1), torch.nn.functional.mse_loss, (x, 2 * x))
        >>> subset = take_subset(slope, 200, seed=1)
        >>> error = subset.sampling_error(torch.eye(2), [[0.0, 0.0]])[0]
        >>> subset.samples, bool(abs(subset.objective.loss() - slope.loss()) < 4 * error)
        (200, True)
    """
    risk = objective._risk
    if not isinstance(risk, ModelRisk) or not risk.batches.divisible or risk.loss_name != "criterion":
        return None
    count = check_count("samples", samples, minimum=2 * _PARTS)
    total = risk.batches.n_samples
    if count > total:
        raise ValueError(f"samples must be at most the number in the data, {total}, got {count}")
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randperm(total, generator=generator)[:count]
    pieces = [risk.rebatched(risk.batches.take(rows.sort().values)) for rows in drawn.tensor_split(_PARTS)]
    longest = max(risk.batches.sizes)
    whole = risk.rebatched(risk.batches.take(drawn.sort().values).rechunk(longest))
    subset = objective._on(whole)
    if not is_mean(whole.rebatched(whole.batches.rechunk(max(1, count // 3))), objective._theta, subset.loss()):
        return None
    return Subset(subset, tuple(objective._on(piece) for piece in pieces), total)
