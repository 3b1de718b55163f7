"""L(θ) as a weighted sum of terms: one a batch of data, or a single analytic one."""

from __future__ import annotations

import copy
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from curvwidget.objective.batches import Batches
from curvwidget.objective.parameters import ParameterBlock, ParameterLayout
from curvwidget.objective.rng import preserved_rng

__all__ = ["FunctionRisk", "LossModule", "ModelRisk", "Risk", "private_copy"]


class Risk(ABC):
    """L(θ) = Σ_b w_b·L_b(θ).

    Attributes:
        weights: w_b; they sum to 1.
        blocks: The named stretches of θ.
        lock: Held while a term is evaluated: a module serves one thread at a time.
        draws_random: Whether evaluating a term moves a global random number generator, which then has to be put back.
        needs_grad: Whether a term can only be evaluated with gradients enabled, because it differentiates inside.
    """

    def __init__(self, weights: tuple[float, ...], blocks: tuple[ParameterBlock, ...]) -> None:
        """Set what all risks have.

        Args:
            weights: w_b.
            blocks: The named stretches of θ.
        """
        self.weights = weights
        self.blocks = blocks
        self.lock = threading.RLock()
        self.draws_random = False
        self.needs_grad = False

    @abstractmethod
    def evaluate(self, index: int, theta: Tensor) -> Any:
        """Return what the user's loss returns for one term, unchecked."""

    @abstractmethod
    def probe(self, theta: Tensor, rows: int) -> Any:
        """Return what the user's loss returns for at most ``rows`` samples, unchecked."""

    def term(self, index: int, theta: Tensor) -> Tensor:
        """Evaluate one term.

        Args:
            index: Which batch.
            theta: ``(N,)``; the result is differentiable with respect to it.

        Returns:
            L_b(θ), a scalar tensor.

        """
        with self.lock, self._guarded(theta.device):
            value = self.evaluate(index, theta)
        return self.single_number(value)

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

    @property
    @abstractmethod
    def loss_name(self) -> str:
        """What the user's loss is called in messages."""

    @contextmanager
    def _guarded(self, device: torch.device) -> Iterator[None]:
        if not self.draws_random:
            yield
            return
        with preserved_rng(device):
            yield


class FunctionRisk(Risk):
    """An analytic loss of a vector."""

    def __init__(self, function: Callable[[Tensor], Tensor], size: int) -> None:
        """Wrap a function.

        Args:
            function: Maps ``(N,)`` to a scalar, differentiably.
            size: N.
        """
        super().__init__((1.0,), (ParameterBlock("theta", (size,), 0),))
        self._function = function

    @property
    def loss_name(self) -> str:
        """What the user's loss is called in messages."""
        return "function"

    def evaluate(self, index: int, theta: Tensor) -> Any:
        """Call the function.

        Args:
            index: 0.
            theta: ``(N,)``.

        Returns:
            What the function returns.
        """
        return self._function(theta)

    def probe(self, theta: Tensor, rows: int) -> Any:
        """Call the function.

        Args:
            theta: ``(N,)``.
            rows: Of no meaning here.

        Returns:
            What the function returns.
        """
        return self._function(theta)


class LossModule(nn.Module):
    """A model together with its loss, so that ``functional_call`` reaches the model's parameters through any loss function."""

    def __init__(self, model: nn.Module, criterion: Any, batch_loss: Any) -> None:
        """Hold the private model.

        Args:
            model: The private copy.
            criterion: ``criterion(output, target)``, or None.
            batch_loss: ``batch_loss(model, batch)``, or None.
        """
        super().__init__()
        self.model = model
        self.criterion = criterion
        self.batch_loss = batch_loss

    def forward(self, batch: Any) -> Any:
        """Return the loss of a batch.

        Args:
            batch: ``(x, y)`` for a criterion, anything for a ``batch_loss``.

        Returns:
            What the user's loss returns.
        """
        if self.batch_loss is not None:
            return self.batch_loss(self.model, batch)
        inputs, target = batch
        return self.criterion(self.model(inputs), target)


class ModelRisk(Risk):
    """The loss of a model on batches of data."""

    def __init__(self, module: LossModule, layout: ParameterLayout, batches: Batches) -> None:
        """Hold the private model and the data.

        Args:
            module: The private model with its loss.
            layout: How its parameters lie in θ.
            batches: The data.
        """
        super().__init__(batches.weights, layout.blocks)
        self._module = module
        self._layout = layout
        self.batches = batches

    @property
    def loss_name(self) -> str:
        """What the user's loss is called in messages."""
        return "criterion" if self._module.batch_loss is None else "batch_loss"

    def evaluate(self, index: int, theta: Tensor) -> Any:
        """Run the model on one batch with the parameters taken from θ.

        Args:
            index: Which batch.
            theta: ``(N,)``.

        Returns:
            What the user's loss returns.
        """
        return self.evaluate_batch(self.batches.items[index], theta)

    def probe(self, theta: Tensor, rows: int) -> Any:
        """Run the model on the first samples.

        Args:
            theta: ``(N,)``.
            rows: How many samples at most; a batch that cannot be cut is taken whole.

        Returns:
            What the user's loss returns.
        """
        return self.evaluate_batch(self.batches.head(rows).items[0], theta)

    def rebatched(self, batches: Batches) -> ModelRisk:
        """Return the same loss on the same data in other batches.

        Args:
            batches: The batches.

        Returns:
            A risk that shares the private model and its lock.
        """
        other = copy.copy(self)
        other.batches, other.weights = batches, batches.weights
        return other

    def evaluate_batch(self, batch: Any, theta: Tensor) -> Any:
        """Run the model on any batch.

        Args:
            batch: The batch.
            theta: ``(N,)``.

        Returns:
            What the user's loss returns.
        """
        named = {f"model.{name}": tensor for name, tensor in self._layout.unflatten(theta).items()}
        return functional_call(self._module, named, (batch,))


def private_copy(model: nn.Module) -> nn.Module:
    """Copy a model, so that the user's is never touched.

    Args:
        model: The user's; wrappers for parallel training and compilation are taken off.

    Returns:
        A copy in eval mode without gradients.

    Raises:
        TypeError: If the model cannot be copied.
    """
    while True:
        if isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            model = model.module
        elif isinstance(inner := model.__dict__.get("_modules", {}).get("_orig_mod"), nn.Module):
            model = inner
        else:
            break
    # Gradients are left out of the copy: they would double its memory, and a gradient with a graph cannot be copied.
    memo: dict[int, Any] = {id(parameter.grad): None for parameter in model.parameters() if parameter.grad is not None}
    try:
        private: nn.Module = copy.deepcopy(model, memo)
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise TypeError(f"model must be copyable (copy.deepcopy), got a {type(model).__name__} that is not: {error}") from error
    for parameter in private.parameters():
        parameter.grad = None
    return private.eval()
