"""The loss of a model on data as a function of one flat vector θ."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from curvwidget._checks import check_choice, check_count
from curvwidget._interrupt import checkpoint
from curvwidget.linalg.operator import SymmetricOperator
from curvwidget.objective.batches import read_batches
from curvwidget.objective.chunking import rows_within_budget
from curvwidget.objective.parameters import ParameterBlock, ParameterFilter, ParameterLayout, select_parameters
from curvwidget.objective.risk import FunctionRisk, LossModule, ModelRisk, Risk, private_copy
from curvwidget.objective.rng import preserved_rng
from curvwidget.objective.soundness import check_mean, check_sound

__all__ = ["Objective"]

BATCHNORM_POLICIES = ("running",)


class Objective:
    """L(θ), ∇L(θ) and H(θ)·v of a model on data, with θ one flat vector in R^N.

    The objective owns a private copy of the model, made when it is built, and never touches the user's: its weights, mode, gradients,
    buffers and the global random number generators stay bit-equal. Train on, and build another objective to see the new weights.
    The data is read once, when the objective is built; tensors that are already on the right device are not copied.

    The loss is the mean over all samples, in eval mode: each batch counts with its share of the samples. A ``criterion`` is taken to be
    a mean over samples, so that batches may be merged and cut as memory allows; the batches of a ``batch_loss`` are used as they are.

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
        batchnorm: str = "running",
        batch_size: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """Copy the model, read the data and check that the loss is one that can be looked at.

        Args:
            model: The user's model.
            criterion: ``criterion(output, target)``, the mean loss of a batch; None with ``batch_loss``.
            data: ``(x, y)``, a `Dataset`, a `DataLoader`, or a list of batches.
            batch_loss: ``batch_loss(model, batch)``, the mean loss of any other batch (dictionaries, several inputs, collocation points).
            parameters: What θ holds: None for all that require grad, names with globs, or a predicate ``(name, tensor) -> bool``.
            batchnorm: ``"running"``: normalization layers use their running statistics, as in eval mode.
            batch_size: Samples that go through the model at once; None lets a memory budget decide.
            device: Where to compute; None stays where the model is. Model and data are moved once.
            dtype: ``torch.float32`` or ``torch.float64`` for model and data; None leaves both as they are.

        Raises:
            TypeError: If an argument is of the wrong kind.
            ValueError: If an argument is refused: a model without parameters, no data, a loss that is no single finite number, that does
                not depend on θ or that differs from call to call.
        """
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
        if (criterion is None) == (batch_loss is None):
            given = "neither" if criterion is None else "both"
            raise TypeError(f"give either criterion(output, target) or batch_loss(model, batch) with criterion=None, got {given}")
        for name, function in (("criterion", criterion), ("batch_loss", batch_loss)):
            if function is not None and not callable(function):
                raise TypeError(f"{name} must be callable, got {type(function).__name__}")
        check_choice("batchnorm", batchnorm, BATCHNORM_POLICIES)
        if batch_size is not None:
            batch_size = check_count("batch_size", batch_size)
        if dtype not in (None, torch.float32, torch.float64):
            raise ValueError(f"dtype must be torch.float32, torch.float64 or None, got {dtype}")

        target_device = _resolve_device(device, model)
        with preserved_rng(target_device), torch.inference_mode(False):
            private = private_copy(model).to(device=target_device, dtype=dtype)
            if isinstance(criterion, nn.Module):
                criterion = private_copy(criterion).to(device=target_device, dtype=dtype)
            chosen = select_parameters(private, parameters)
            for parameter in private.parameters():
                parameter.requires_grad_(False)
            layout = _lay_out(chosen)
            theta = layout.flatten(list(chosen.values()), _widest([tensor.dtype for tensor in chosen.values()]))
            batches = read_batches(data, device=target_device, dtype=dtype)
            if criterion is not None:
                _check_pairs(batches.items)
            risk = ModelRisk(LossModule(private, criterion, batch_loss), layout, batches)
            check_sound(risk, theta)
            notes: tuple[str, ...] = ()
            if criterion is not None and batches.divisible:
                rows = batch_size if batch_size is not None else rows_within_budget(risk, theta)
                if len(batches.items) > 1 or rows < batches.n_samples:
                    remark = check_mean(risk, theta)
                    if remark is None:
                        risk = risk.rebatched(batches.rechunk(rows))
                    else:
                        notes = (remark,)
                        warnings.warn(remark, stacklevel=2)
        self._set(risk, theta, notes)
        self.loss()  # a NaN at θ is refused here, at the door

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
        theta = theta.detach().clone()
        risk = FunctionRisk(function, len(theta))
        objective = cls.__new__(cls)
        with preserved_rng(theta.device), torch.inference_mode(False):
            check_sound(risk, theta)
        objective._set(risk, theta, ())
        objective.loss()
        return objective

    def _set(self, risk: Risk, theta: Tensor, notes: tuple[str, ...]) -> None:
        self._risk = risk
        self._theta = theta
        self.notes = notes
        self._loss: float | None = None
        self._gradient: Tensor | None = None
        self._graph: tuple[Tensor, Tensor] | None = None

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
        other = copy.copy(self)
        other._set(self._risk, self._as_points("theta", theta, ndim=1).clone(), self.notes)
        other.loss()
        return other

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
        if self._loss is None:
            value = self._evaluate(self._theta)
            if not math.isfinite(value):
                raise ValueError(f"the loss at theta must be finite, got {value}: look at another point or at the data")
            self._loss = value
        return self._loss

    def losses(self, thetas: Tensor) -> Tensor:
        """Evaluate L at several points.

        Args:
            thetas: The points ``(B, N)``.

        Returns:
            The losses ``(B,)``, float64 on the CPU. NaN and inf are returned as they come.

        Raises:
            ValueError: If ``thetas`` has the wrong shape.
        """
        points = self._as_points("thetas", thetas, ndim=2)
        return torch.tensor([self._evaluate(point) for point in points], dtype=torch.float64)

    def gradient(self, theta: Tensor | None = None) -> Tensor:
        """Evaluate ∇L.

        Args:
            theta: The point ``(N,)``; None for the objective's own.

        Returns:
            The gradient ``(N,)``.

        Raises:
            ValueError: If ``theta`` has the wrong shape.
        """
        if theta is None:
            if self._gradient is None:
                self._gradient = self._differentiate(self._theta)
            return self._gradient.clone()
        return self._differentiate(self._as_points("theta", theta, ndim=1))

    def hvp(self, vectors: Tensor, theta: Tensor | None = None) -> Tensor:
        """Multiply the Hessian with vectors, by double backward.

        Args:
            vectors: One vector ``(N,)`` or a block ``(k, N)``.
            theta: The point ``(N,)`` of the Hessian; None for the objective's own.

        Returns:
            H(θ)·v for each vector, of the same shape.

        Raises:
            ValueError: If a shape is wrong.
        """
        if isinstance(vectors, Tensor) and vectors.ndim == 1:
            return self.hvp(vectors.unsqueeze(0), theta).squeeze(0)
        block = self._as_points("vectors", vectors, ndim=2)
        own = theta is None
        point = self._theta if theta is None else self._as_points("theta", theta, ndim=1)
        products = torch.zeros_like(block)
        for index, weight in enumerate(self._risk.weights):
            leaf, gradient = self._graph_of_gradient(index, point, own=own)
            for row, vector in enumerate(block):
                checkpoint()
                if gradient.requires_grad:  # a loss that is linear in θ has no second derivative
                    (product,) = torch.autograd.grad(gradient, leaf, vector, retain_graph=True, materialize_grads=True)
                    products[row].add_(product, alpha=weight)
            del leaf, gradient
        return products

    def hessian(self, theta: Tensor | None = None) -> SymmetricOperator:
        """Return the Hessian as an operator known by its products.

        Args:
            theta: The point ``(N,)``; None for the objective's own.

        Returns:
            The operator v ↦ H(θ)·v, with the parameters as its named blocks.
        """
        point = None if theta is None else self._as_points("theta", theta, ndim=1).clone()
        return SymmetricOperator(
            size=self.n_parameters,
            matmat=lambda vectors: self.hvp(vectors, point),
            dtype=self.dtype,
            device=self.device,
            blocks={block.name: block.slice for block in self.blocks},
        )

    def __repr__(self) -> str:
        """Say in a line what is looked at."""
        samples = "" if self.n_samples is None else f", {self.n_samples} samples in {len(self._risk.weights)} batches"
        return f"Objective(N={self.n_parameters}, loss={self.loss():.6g}{samples}, {self.dtype}, {self.device})"

    def _evaluate(self, theta: Tensor) -> float:
        total = 0.0
        with _gradients(enabled=self._risk.needs_grad):
            for index, weight in enumerate(self._risk.weights):
                checkpoint()
                total += weight * float(self._risk.term(index, theta))
        return total

    def _differentiate(self, theta: Tensor) -> Tensor:
        total = torch.zeros_like(theta)
        for index, weight in enumerate(self._risk.weights):
            checkpoint()
            with _gradients(enabled=True):
                leaf = theta.detach().clone().requires_grad_()
                (gradient,) = torch.autograd.grad(self._risk.term(index, leaf), leaf, materialize_grads=True)
            total.add_(gradient, alpha=weight)
        return total

    def _graph_of_gradient(self, index: int, theta: Tensor, *, own: bool) -> tuple[Tensor, Tensor]:
        """Return θ as a leaf and ∇L_b(θ) with its graph; kept for the own point where the data is one batch."""
        graph = self._graph
        if own and graph is not None:
            return graph
        with _gradients(enabled=True):
            leaf = theta.detach().clone().requires_grad_()
            value = self._risk.term(index, leaf)
            (gradient,) = torch.autograd.grad(value, leaf, create_graph=True, materialize_grads=True)
        graph = (leaf, gradient)
        if own and len(self._risk.weights) == 1:
            self._graph = graph
        return graph

    def _as_points(self, name: str, value: Any, *, ndim: int) -> Tensor:
        expected = "(N,)" if ndim == 1 else "(k, N)"
        if not isinstance(value, Tensor) or not value.is_floating_point():
            raise TypeError(f"{name} must be a floating-point tensor of shape {expected}, got {_describe(value)}")
        if value.ndim != ndim or value.shape[-1] != self.n_parameters:
            shape = tuple(value.shape)
            raise ValueError(f"{name} must have shape {expected} with N = {self.n_parameters}, got {shape}")
        return value.detach().to(device=self.device, dtype=self.dtype)


@contextmanager
def _gradients(*, enabled: bool) -> Iterator[None]:
    """Set the grad mode whatever the caller's is: it belongs to the thread, and the caller may be inside no_grad."""
    with torch.inference_mode(False), torch.set_grad_enabled(enabled):
        yield


def _resolve_device(device: torch.device | str | None, model: nn.Module) -> torch.device:
    if device is not None:
        return torch.device(device)
    found = {tensor.device for tensor in (*model.parameters(), *model.buffers())}
    if len(found) > 1:
        raise ValueError(f"model must be on one device, got {sorted(map(str, found))}; say device=")
    return found.pop() if found else torch.device("cpu")


def _lay_out(chosen: dict[str, Tensor]) -> ParameterLayout:
    blocks, offset = [], 0
    for name, tensor in chosen.items():
        blocks.append(ParameterBlock(name, tuple(tensor.shape), offset))
        offset += tensor.numel()
    return ParameterLayout(tuple(blocks), tuple(tensor.dtype for tensor in chosen.values()))


def _widest(dtypes: list[torch.dtype]) -> torch.dtype:
    # θ is at least float32: half precision cannot hold a step of a slice.
    widest = torch.float32
    for dtype in dtypes:
        widest = torch.promote_types(widest, dtype)
    return widest


def _check_pairs(items: tuple[Any, ...]) -> None:
    for item in items:
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            kind = f"{type(item).__name__} of {len(item)}" if hasattr(item, "__len__") else type(item).__name__
            raise ValueError(f"data must hold pairs (x, y) for a criterion, got a {kind}; for other batches give batch_loss")
        x, y = item
        if isinstance(x, Tensor) and isinstance(y, Tensor) and x.ndim and y.ndim and len(x) != len(y):
            raise ValueError(f"data must have one target a sample, got {len(x)} inputs and {len(y)} targets")


def _describe(value: object) -> str:
    return f"{value.dtype} of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
