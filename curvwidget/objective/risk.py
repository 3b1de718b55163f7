"""L(θ) as a weighted sum of terms: one a batch of data, or a single analytic one."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from curvwidget.objective.kernels import differentiable_kernels
from curvwidget.objective.parameters import ParameterBlock
from curvwidget.objective.rng import preserved_rng
from curvwidget.objective.settings import computes_plainly, memory_budget
from curvwidget.objective.ways import Ways

__all__ = ["FunctionRisk", "Placer", "Risk"]

Placer = Callable[[Sequence[float]], tuple[Tensor, ...]]


class Risk(ABC):
    """L(θ) = Σ_b w_b·L_b(θ).

    Attributes:
        weights: w_b; they sum to 1.
        blocks: The named stretches of θ.
        lock: Held while θ stands in the model: a module serves one thread at a time.
        draws_random: Whether evaluating a term moves a global random number generator, which then has to be put back.
        needs_grad: Whether a term can only be evaluated with gradients enabled, because it differentiates inside.
        recurrent: Whether recurrent layers run on a CUDA device.
        has_fast_paths: Whether there are transformer layers, which have a path that cannot be differentiated.
        hessian_checked: Whether the second derivative was found to be one that can be believed.
        ways: In which way products with the Hessian are computed.
    """

    def __init__(self, weights: tuple[float, ...], blocks: tuple[ParameterBlock, ...], device: torch.device) -> None:
        """Set what all risks have.

        Args:
            weights: w_b.
            blocks: The named stretches of θ.
            device: Where it is computed.
        """
        self.weights = weights
        self.blocks = blocks
        self.lock = threading.RLock()
        self.draws_random = False
        self.needs_grad = False
        self.recurrent = False
        self.has_fast_paths = False
        self.hessian_checked = False
        self.ways = Ways(plain=computes_plainly(), budget=memory_budget(device))

    @property
    def data_versions(self) -> tuple[int, ...]:
        """How often each tensor of the data has been written to in place, as far as PyTorch counts that."""
        return ()

    @property
    @abstractmethod
    def loss_name(self) -> str:
        """What the user's loss is called in messages."""

    @abstractmethod
    def place(self, theta: Tensor) -> tuple[Tensor, ...]:
        """Put θ where the loss takes it from, and return the leaves of autograd that it then stands in."""

    @abstractmethod
    def placer(self, theta: Tensor, vectors: Tensor) -> Placer:
        """Return a function that puts θ + Σ a_i·v_i where the loss takes it from, and returns the leaves."""

    @abstractmethod
    def flatten(self, pieces: Sequence[Tensor | None], rows: int | None = None) -> Tensor:
        """Make a vector ``(N,)`` of a tensor a leaf, or ``(rows, N)`` of as many each, differentiably; None stands for zeros."""

    @abstractmethod
    def evaluate(self, index: int, leaves: tuple[Tensor, ...]) -> Any:
        """Return what the user's loss returns for one term, unchecked."""

    @abstractmethod
    def probe(self, rows: int, leaves: tuple[Tensor, ...]) -> Any:
        """Return what the user's loss returns for at most ``rows`` samples, unchecked."""

    def term(self, index: int, leaves: tuple[Tensor, ...]) -> Tensor:
        """Evaluate one term, within a session.

        Args:
            index: Which batch.
            leaves: As the session gave them.

        Returns:
            L_b(θ), a scalar tensor.
        """
        return self.single_number(self.evaluate(index, leaves))

    @contextmanager
    def session(self, theta: Tensor, *, order: int) -> Iterator[tuple[Tensor, ...]]:
        """Hold θ in the model, whatever modes the caller is in; backward passes belong in here as well as forward ones.

        Args:
            theta: ``(N,)``.
            order: How many times the loss is going to be differentiated: 0, 1 or 2.

        Yields:
            The leaves that θ stands in.
        """
        with self.held(theta.device, order=order), self.quiet(theta.device):
            yield self.place(theta)

    @contextmanager
    def held(self, device: torch.device, *, order: int, fast: bool = False) -> Iterator[None]:
        """Keep the model for this thread alone, for one θ after another, whatever modes the caller is in.

        Args:
            device: Where θ lies.
            order: As for `session`.
            fast: Whether transformer layers may take the path that cannot be differentiated.

        Yields:
            Nothing.
        """
        with (
            self.lock,
            # The caller's autocast would make L another function. One that differentiates inside is differentiated more often
            # than asked for.
            differentiable_kernels(2 if self.needs_grad else order, device, recurrent=self.recurrent, fast=fast),
            torch.inference_mode(False),
            torch.set_grad_enabled(order > 0 or self.needs_grad),
        ):
            yield

    def quiet(self, device: torch.device) -> AbstractContextManager[None]:
        """Keep an evaluation from moving the user's random number generators.

        Args:
            device: Where θ lies.

        Returns:
            A context for one evaluation, so that each draws the same.
        """
        return preserved_rng(device) if self.draws_random else nullcontext()

    def single_number(self, value: Any) -> Tensor:
        """Check what the user's loss returned.

        Args:
            value: Whatever came.

        Returns:
            It, as a scalar tensor.

        Raises:
            TypeError: If it is no tensor.
            ValueError: If it is no single real number.
        """
        if not isinstance(value, Tensor):
            raise TypeError(f"{self.loss_name} must return a tensor with one number, got {type(value).__name__}")
        if value.numel() != 1:
            raise ValueError(
                f"{self.loss_name} must return one number, the mean loss of the batch, got shape {tuple(value.shape)}; "
                "use reduction='mean'"
            )
        if not value.is_floating_point():
            raise ValueError(f"{self.loss_name} must return a real floating-point number, got {value.dtype}")
        return value.reshape(())


class FunctionRisk(Risk):
    """An analytic loss of a vector."""

    def __init__(self, function: Callable[[Tensor], Tensor], theta: Tensor) -> None:
        """Wrap a function.

        Args:
            function: Maps ``(N,)`` to a scalar, differentiably.
            theta: ``(N,)``, says of which dtype arguments are, and where.
        """
        super().__init__((1.0,), (ParameterBlock("theta", (len(theta),), 0),), theta.device)
        self._function = function
        self._zeros = torch.zeros_like(theta)

    @property
    def loss_name(self) -> str:
        """What the user's loss is called in messages."""
        return "function"

    def place(self, theta: Tensor) -> tuple[Tensor, ...]:
        """Make a leaf of θ.

        Args:
            theta: ``(N,)``.

        Returns:
            A copy of its own, which the function may do with as it likes.
        """
        return (theta.detach().clone().requires_grad_(torch.is_grad_enabled()),)

    def placer(self, theta: Tensor, vectors: Tensor) -> Placer:
        """Prepare for one point after another along directions.

        Args:
            theta: ``(N,)``.
            vectors: v_i, ``(k, N)``.

        Returns:
            A function that makes a leaf of θ + Σ a_i·v_i, given a, which the loss may do with as it likes.
        """

        def place(coefficients: Sequence[float]) -> tuple[Tensor, ...]:
            point = theta.detach().clone()
            for vector, coefficient in zip(vectors, coefficients, strict=True):
                point.add_(vector, alpha=coefficient)
            return (point.requires_grad_(torch.is_grad_enabled()),)

        return place

    def flatten(self, pieces: Sequence[Tensor | None], rows: int | None = None) -> Tensor:
        """Take the one piece.

        Args:
            pieces: One vector ``(N,)``, or several of them ``(rows, N)``; None stands for zeros.
            rows: How many, where there are several.

        Returns:
            The vector or vectors.
        """
        (piece,) = pieces
        if piece is None:
            return self._zeros.clone() if rows is None else self._zeros.repeat(rows, 1)
        return piece.clone()

    def evaluate(self, index: int, leaves: tuple[Tensor, ...]) -> Any:
        """Call the function.

        Args:
            index: 0.
            leaves: θ.

        Returns:
            What the function returns.
        """
        return self._function(leaves[0])

    def probe(self, rows: int, leaves: tuple[Tensor, ...]) -> Any:
        """Call the function.

        Args:
            rows: Of no meaning here.
            leaves: θ.

        Returns:
            What the function returns.
        """
        return self._function(leaves[0])
