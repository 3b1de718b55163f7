"""The loss of a model on batches of data."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from curvwidget.objective.batches import Batches
from curvwidget.objective.flat import FlatParameters
from curvwidget.objective.risk import Placer, Risk
from curvwidget.objective.trees import map_tensors, tensors_of
from curvwidget.objective.ways import Ways

__all__ = ["ModelRisk"]


class ModelRisk(Risk):
    """The loss of a private model on batches of data.

    Attributes:
        batches: The data.
        parameters: The model's parameters that make up θ.
        writes_batches: Whether the loss changes its batch in place, and therefore has to get a copy.
    """

    def __init__(
        self,
        model: nn.Module,
        criterion: Callable[[Any, Any], Any] | None,
        batch_loss: Callable[[nn.Module, Any], Any] | None,
        parameters: FlatParameters,
        batches: Batches,
    ) -> None:
        """Hold the private model and the data.

        Args:
            model: The private copy.
            criterion: ``criterion(output, target)``, or None.
            batch_loss: ``batch_loss(model, batch)``, or None.
            parameters: The model's parameters that make up θ.
            batches: The data.
        """
        super().__init__(batches.weights, parameters.blocks, parameters.tensors[0].device)
        self._model = model
        self._criterion = criterion
        self._batch_loss = batch_loss
        self.parameters = parameters
        self.batches = batches
        self.writes_batches = False

    @property
    def model(self) -> nn.Module:
        """The private model."""
        return self._model

    @property
    def data_versions(self) -> tuple[int, ...]:
        """How often each tensor of the data has been written to in place, as far as PyTorch counts that."""
        return self.batches.versions

    @property
    def loss_name(self) -> str:
        """What the user's loss is called in messages."""
        return "criterion" if self._batch_loss is None else "batch_loss"

    def place(self, theta: Tensor) -> tuple[Tensor, ...]:
        """Write θ into the model.

        Args:
            theta: ``(N,)``.

        Returns:
            The model's parameters.
        """
        self.parameters.write(theta)
        return self.parameters.tensors

    def placer(self, theta: Tensor, vectors: Tensor) -> Placer:
        """Prepare for one point after another along directions, without making vectors of them.

        Args:
            theta: ``(N,)``.
            vectors: v_i, ``(k, N)``.

        Returns:
            A function that writes θ + Σ a_i·v_i into the model, given a, and returns the model's parameters.
        """
        write, tensors = self.parameters.writer(theta, vectors), self.parameters.tensors

        def place(coefficients: Sequence[float]) -> tuple[Tensor, ...]:
            write(coefficients)
            return tensors

        return place

    def flatten(self, pieces: Sequence[Tensor | None], rows: int | None = None) -> Tensor:
        """Lay tensors of the parameters' shapes one after the other, differentiably.

        Args:
            pieces: One a parameter; None stands for zeros.
            rows: How many tensors each piece holds, along a dimension in front; None for one without that.

        Returns:
            A vector ``(N,)``, or vectors ``(rows, N)``.
        """
        return self.parameters.flatten(pieces, rows)

    def evaluate(self, index: int, leaves: tuple[Tensor, ...]) -> Any:
        """Run the model on one batch.

        Args:
            index: Which batch.
            leaves: The model's parameters, in which θ stands.

        Returns:
            What the user's loss returns.
        """
        return self.evaluate_batch(self.batches.items[index])

    def probe(self, rows: int, leaves: tuple[Tensor, ...]) -> Any:
        """Run the model on the first samples.

        Args:
            rows: How many samples at most; a batch that cannot be cut is taken whole.
            leaves: The model's parameters, in which θ stands.

        Returns:
            What the user's loss returns.
        """
        return self.evaluate_copy(self.batches.head(rows).items[0])[0]

    def evaluate_batch(self, batch: Any) -> Any:
        """Run the model, as it stands, on any batch.

        Args:
            batch: The batch. The loss gets tensors of its own that share their memory, so that it may set ``requires_grad`` on
                them; or, where it writes to them, copies.

        Returns:
            What the user's loss returns.
        """
        if self.writes_batches:
            return self.evaluate_copy(batch)[0]
        return self._call(map_tensors(batch, Tensor.detach))

    def evaluate_copy(self, batch: Any) -> tuple[Any, bool]:
        """Run the model, as it stands, on a copy of a batch.

        Args:
            batch: The batch.

        Returns:
            What the user's loss returns, and whether it has changed a tensor of its batch.
        """
        # A batch of a class of its own, in which no tensors are found, can only be copied as a whole.
        copied = map_tensors(batch, lambda tensor: tensor.detach().clone()) if tensors_of(batch) else copy.deepcopy(batch)
        tensors = tensors_of(copied)
        versions = [tensor._version for tensor in tensors]
        value = self._call(copied)
        return value, not tensors or versions != [tensor._version for tensor in tensors]

    def tensors_there(self, index: int) -> list[Tensor]:
        """List what lies in memory before one term is evaluated.

        Args:
            index: Which term.

        Returns:
            The model's parameters and buffers, and the tensors of the batch.
        """
        return [*self._model.parameters(), *self._model.buffers(), *tensors_of(self.batches.items[index])]

    def rebatched(self, batches: Batches) -> ModelRisk:
        """Return the same loss on the same data in other batches.

        Args:
            batches: The batches.

        Returns:
            A risk that shares the private model and its lock; what is fastest for it is measured anew.
        """
        other = copy.copy(self)
        other.batches, other.weights = batches, batches.weights
        other.ways = Ways(plain=self.ways.plain, budget=self.ways.budget)
        return other

    def _call(self, batch: Any) -> Any:
        if self._batch_loss is not None:
            return self._batch_loss(self._model, batch)
        assert self._criterion is not None
        inputs, target = batch
        return self._criterion(self._model(inputs), target)
