"""The loss of a model on data as a function of one flat vector θ."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from curvwidget._interrupt import checkpoint
from curvwidget.linalg.operator import SymmetricOperator
from curvwidget.objective.along import LossesAlong
from curvwidget.objective.building import LossOfModel, build_risk
from curvwidget.objective.derivatives import term_gradient, term_value
from curvwidget.objective.model_risk import ModelRisk
from curvwidget.objective.normalization import BatchNormPolicy
from curvwidget.objective.parameters import ParameterBlock, ParameterFilter
from curvwidget.objective.products import HessianProducts
from curvwidget.objective.recorded_plane import Records
from curvwidget.objective.risk import FunctionRisk, Risk
from curvwidget.objective.rng import preserved_rng
from curvwidget.objective.second_order import check_hessian
from curvwidget.objective.slope import doubt_slope
from curvwidget.objective.soundness import check_sound, try_all

__all__ = ["Objective"]


class Objective:
    """L(θ), ∇L(θ) and H(θ)·v of a model on data, with θ one flat vector in R^N.

    The objective owns a private copy of the model, made when it is built, and never touches the user's: its weights, mode,
    gradients, buffers and the global random number generators stay bit-equal. Train on, and build another objective to see the
    new weights.
    The data is read once, when the objective is built; tensors that are already on the right device are not copied.

    The loss is the mean over all samples, in eval mode: each batch counts with its share of the samples. A ``criterion`` is a
    mean over samples, so that batches may be merged and cut as memory allows (where it is none, a warning says so and they are
    not); the batches of a ``batch_loss`` are used as they are.

    Any number of threads may use an objective and its siblings from `at` at the same time; one computes while the others wait.

    Example:
        >>> import torch, curvwidget as cw
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> x, y = torch.eye(2), torch.zeros(2, 1)
        >>> objective = cw.Objective(model, torch.nn.functional.mse_loss, (x, y))
        >>> objective.n_parameters
        2
        >>> objective.hvp(torch.tensor([1.0, 0.0]))  # the loss is ½·‖w‖²
        tensor([1., 0.])
    """

    def __init__(
        self,
        model: nn.Module,
        criterion: Callable[[Any, Any], Tensor] | None,
        data: Any,
        *,
        batch_loss: Callable[[nn.Module, Any], Tensor] | None = None,
        parameters: ParameterFilter = None,
        batchnorm: BatchNormPolicy = "running",
        batch_size: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """Copy the model, read the data and check that the loss is one that can be looked at.

        A ``TypeError`` or ``ValueError`` refuses what cannot be: a model without parameters, no data, a loss that is no single
        finite number, that does not depend on θ or that differs from call to call.

        Args:
            model: The user's model.
            criterion: ``criterion(output, target)``, the mean loss of a batch; None with ``batch_loss``.
            data: ``(x, y)``, a `Dataset`, a `DataLoader`, or a list of batches.
            batch_loss: ``batch_loss(model, batch)``, the mean loss of any other batch: dictionaries, several inputs, collocation
                points.
            parameters: What θ holds: None for all that require grad, names with globs, or a predicate ``(name, tensor) -> bool``.
            batchnorm: What BatchNorm layers normalize with: ``"running"``, their running statistics, as in eval mode;
                ``"batch"``, the statistics of each batch as it is given; ``"recalibrate"``, the statistics of the whole data at
                each θ, all samples at once. Derivatives run through the statistics of the latter two.
            batch_size: Samples that go through the model at once, at most; None lets a memory budget decide for a criterion, and
                takes the batches of a ``batch_loss`` as they are.
            device: Where to compute; None stays where the model is. Model and data are moved once.
            dtype: ``torch.float32`` or ``torch.float64`` for model and data; None leaves both as they are.
        """
        loss = LossOfModel(criterion, batch_loss, parameters, batchnorm, batch_size, device, dtype)
        built = build_risk(model, loss, data)
        self._set(built.risk, built.theta, built.notes, built.loss)
        for text in built.warnings:
            warnings.warn(text, stacklevel=2)

    @classmethod
    def from_function(cls, function: Callable[[Tensor], Tensor], theta: Tensor) -> Objective:
        """Build an objective from an analytic loss.

        Args:
            function: Maps a vector ``(N,)`` to a scalar tensor, differentiably.
            theta: The point to look at ``(N,)``, floating-point; its dtype and device are those of the objective.

        Returns:
            The objective.

        Raises:
            TypeError: If the function is not callable or θ is no floating-point tensor.
            ValueError: If θ is no vector, or the loss at θ is refused.

        Example:
            >>> import torch, curvwidget as cw
            >>> saddle = cw.Objective.from_function(lambda t: t[0] ** 2 - t[1] ** 2, torch.zeros(2))
            >>> saddle.hvp(torch.eye(2))
            tensor([[ 2.,  0.],
                    [ 0., -2.]])
        """
        if not callable(function):
            raise TypeError(f"function must be callable, got {type(function).__name__}")
        if not isinstance(theta, Tensor) or not theta.is_floating_point():
            raise TypeError("theta must be a floating-point tensor of shape (N,), got " + _describe(theta))
        if theta.ndim != 1 or not len(theta):
            raise ValueError(f"theta must have shape (N,), got {tuple(theta.shape)}")
        if not bool(torch.isfinite(theta).all()):
            raise ValueError("theta must be finite, got NaN or inf")
        if theta.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"theta must be float32 or float64, got {theta.dtype}")
        objective = cls.__new__(cls)
        with preserved_rng(theta.device), torch.inference_mode(False):
            theta = theta.detach().clone()
            risk = FunctionRisk(function, theta)
            check_sound(risk, theta)
            doubt = doubt_slope(risk, theta)
            value = try_all(risk, theta)
        objective._set(risk, theta, (doubt,) if doubt else (), value)
        if doubt:
            warnings.warn(doubt, stacklevel=2)
        return objective

    def _set(self, risk: Risk, theta: Tensor, notes: tuple[str, ...], loss: float | None = None) -> None:
        self._risk = risk
        self._theta = theta
        self._notes = notes
        self._loss = loss
        self._gradient: Tensor | None = None
        self._versions = risk.data_versions  # of what both were computed from
        self._products = HessianProducts(risk, theta, repeated=True)
        self._records: Records = {}

    @property
    def theta(self) -> Tensor:
        """The point θ looked at, a copy ``(N,)``."""
        return self._theta.clone()

    @property
    def n_parameters(self) -> int:
        """N, the number of parameters in θ."""
        return len(self._theta)

    @property
    def blocks(self) -> tuple[ParameterBlock, ...]:
        """The parameters that θ holds: name, shape and place of each."""
        return self._risk.blocks

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know about this loss, in words: parameters that it does not use, batches that could not be merged."""
        return self._notes

    @property
    def ways(self) -> str:
        """How products with the Hessian are computed, in words; the same for all siblings from `at`, and measured once."""
        return str(self._risk.ways)

    @property
    def device(self) -> torch.device:
        """Where θ lies and the loss is computed."""
        return self._theta.device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of θ."""
        return self._theta.dtype

    @property
    def n_samples(self) -> int | None:
        """Number of samples in the data; None for an analytic loss."""
        return self._risk.batches.n_samples if isinstance(self._risk, ModelRisk) else None

    def at(self, theta: Tensor) -> Objective:
        """Look at another point.

        Args:
            theta: The new point ``(N,)``.

        Returns:
            An objective of the same loss at that point; model and data are shared.

        Raises:
            ValueError: If ``theta`` is no finite vector of length N, or the loss there is NaN or infinite.
        """
        point = self._as_points("theta", theta, ndim=1)
        if not bool(point.isfinite().all()):
            raise ValueError("theta must be finite, got NaN or inf")
        other = self._sibling(point)
        other.loss()
        return other

    def _sibling(self, point: Tensor) -> Objective:
        other = copy.copy(self)
        with torch.inference_mode(False):
            other._set(self._risk, point.clone(), self._notes)
        return other

    # The loss of another risk of the same model at the same point.
    def _on(self, risk: Risk) -> Objective:
        other = copy.copy(self)
        other._set(risk, self._theta, self._notes)
        return other

    def release(self) -> None:
        """Give back the memory of what is kept for the next product or slice; that will then take longer, once."""
        self._products = HessianProducts(self._risk, self._theta, repeated=True)
        self._records = {}

    def loss(self, theta: Tensor | None = None) -> float:
        """Evaluate L.

        Args:
            theta: The point ``(N,)``; None for the objective's own.

        Returns:
            L(θ). NaN and inf are returned as they come.

        Raises:
            ValueError: If ``theta`` has the wrong shape, or the loss at the objective's own point is not finite.
        """
        if theta is not None:
            return float(self.losses(self._as_points("theta", theta, ndim=1).unsqueeze(0))[0])
        self._notice_writing()
        if self._loss is None:
            value = self._evaluate(self._theta)
            if not math.isfinite(value):
                raise ValueError(f"the loss at theta must be finite, got {value}: look at another point or at the data")
            self._loss = value
        return self._loss

    def _notice_writing(self) -> None:
        # Data are not copied, and their owner may have written to them.
        if (versions := self._risk.data_versions) != self._versions:
            self._loss = self._gradient = None
            self._versions = versions
            self.release()

    def losses(self, thetas: Tensor) -> Tensor:
        """Evaluate L at several points.

        Args:
            thetas: The points ``(B, N)``.

        Returns:
            The losses ``(B,)``, float64 on the CPU. NaN and inf are returned as they come.
        """
        points = self._as_points("thetas", thetas, ndim=2)
        return torch.tensor([self._evaluate(point) for point in points], dtype=torch.float64)

    def along(self, vectors: Tensor) -> LossesAlong:
        """Look at the loss on the line, plane or space that directions span at θ, at many points.

        Args:
            vectors: The directions v_i ``(k, N)``.

        Returns:
            L(θ + Σ a_i·v_i) as a function of coordinates: ``objective.along(vectors).at(coordinates)``. Vectors on the
            right device are not copied: leave them as they are.
        """
        return LossesAlong(self._risk, self._theta, self._as_points("vectors", vectors, ndim=2), self._records)

    def gradient(self, theta: Tensor | None = None) -> Tensor:
        """Evaluate ∇L.

        Args:
            theta: The point ``(N,)``; None for the objective's own.

        Returns:
            The gradient ``(N,)``.
        """
        if theta is None:
            self._notice_writing()
            if self._gradient is None:
                self._gradient = self._differentiate(self._theta)
            with torch.inference_mode(False):
                return self._gradient.clone()
        return self._differentiate(self._as_points("theta", theta, ndim=1))

    def hvp(self, vectors: Tensor, theta: Tensor | None = None) -> Tensor:
        """Multiply the Hessian with vectors, by double backward.

        At the objective's own θ the graph of the gradient is kept between calls, where it fits the memory budget. Its walks are
        recorded after some of them, and upon the first block of at least four vectors it is measured whether several are faster
        at once than one by one: both change rounding alone, and `ways` says what is done. The environment variables
        ``CURVWIDGET_MEMORY`` (bytes, or such as ``512MB``) and ``CURVWIDGET_PLAIN=1`` (a graph for each call, vectors one by
        one), read when an objective is built, set both.

        Args:
            vectors: One vector ``(N,)`` or a block ``(k, N)``.
            theta: The point ``(N,)`` of the Hessian; None for the objective's own.

        Returns:
            H(θ)·v for each vector, of the same shape.
        """
        single = isinstance(vectors, Tensor) and vectors.ndim == 1
        block = self._as_points("vectors", vectors, ndim=1 if single else 2)
        block = block.unsqueeze(0) if single else block
        with torch.inference_mode(False):
            self._check_hessian()
            if theta is None:
                self._notice_writing()
                there = self._products
            else:
                there = HessianProducts(self._risk, self._as_points("theta", theta, ndim=1), repeated=False)
            products = there.of(block)
            return products.squeeze(0) if single else products

    def hessian(self, theta: Tensor | None = None) -> SymmetricOperator:
        """Return the Hessian as an operator known by its products.

        Args:
            theta: The point ``(N,)``; None for the objective's own.

        Returns:
            The operator v ↦ H(θ)·v, with the parameters as its named blocks.
        """
        there = self if theta is None else self._sibling(self._as_points("theta", theta, ndim=1))
        return SymmetricOperator(
            size=self.n_parameters,
            matmat=there._one_of_many,
            dtype=self.dtype,
            device=self.device,
            blocks={block.name: block.slice for block in self.blocks},
            rows_at_once=there._rows_at_once,
        )

    def _one_of_many(self, vectors: Tensor) -> Tensor:
        self._notice_writing()
        self._products.expect_many()
        return self.hvp(vectors)

    def _rows_at_once(self) -> int:
        with torch.inference_mode(False):
            self._check_hessian()
            self._notice_writing()
            return self._products.rows_at_once()

    def _check_hessian(self) -> None:
        if not self._risk.hessian_checked:  # not when it is built: who looks at loss values alone needs no second derivative
            check_hessian(self._risk, self._theta)
            self._risk.hessian_checked = True

    def __repr__(self) -> str:
        # In a line, what is looked at.
        samples = "" if self.n_samples is None else f", {self.n_samples} samples in {len(self._risk.weights)} batches"
        return f"Objective(N={self.n_parameters}, loss={self.loss():.6g}{samples}, {self.dtype}, {self.device})"

    def _evaluate(self, theta: Tensor) -> float:
        total = 0.0
        for index, weight in enumerate(self._risk.weights):
            checkpoint()
            total += weight * term_value(self._risk, index, theta)
        return total

    def _differentiate(self, theta: Tensor) -> Tensor:
        with torch.inference_mode(False):
            total = torch.zeros_like(theta)
            for index, weight in enumerate(self._risk.weights):
                checkpoint()
                total.add_(term_gradient(self._risk, index, theta), alpha=weight)
        return total

    def _as_points(self, name: str, value: Any, *, ndim: int) -> Tensor:
        expected = "(N,)" if ndim == 1 else "(k, N)"
        if not isinstance(value, Tensor) or not value.is_floating_point():
            raise TypeError(f"{name} must be a floating-point tensor of shape {expected}, got {_describe(value)}")
        if value.ndim != ndim or value.shape[-1] != self.n_parameters:
            shape = tuple(value.shape)
            raise ValueError(f"{name} must have shape {expected} with N = {self.n_parameters}, got {shape}")
        with torch.inference_mode(False):
            point = value.detach().to(device=self.device, dtype=self.dtype)
            return point.clone() if point.is_inference() else point


def _describe(value: object) -> str:
    return f"{value.dtype} of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
