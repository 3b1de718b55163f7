"""Training from a seed, with checkpoints on the way."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from curvwidget._checks import check_choice, check_count, check_positive
from curvwidget.objective import Objective
from curvwidget.zoo.seeded import seeded

__all__ = ["Checkpoint", "Training", "train_model"]

Data = tuple[Tensor, Tensor]
Criterion = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A model on its way.

    Attributes:
        epoch: Epochs of training behind it; 0 before the first.
        theta: Its parameters ``(N,)``, in the order of an `Objective` of the model.
        train_loss: Mean loss over the training data, in eval mode.
        test_loss: Mean loss over the test data.
    """

    epoch: int
    theta: Tensor
    train_loss: float
    test_loss: float


@dataclass(frozen=True, eq=False)
class Training:
    """A trained model, what it was trained on, and how it came there.

    Attributes:
        model: The model at the end of training.
        criterion: ``criterion(output, target)``, a mean loss.
        train: Inputs and targets that it was trained on.
        test: Inputs and targets that it has not seen.
        checkpoints: The model on its way, from the first weights to the last.
        seed: Seed of weights, data and batches.
    """

    model: nn.Module
    criterion: Criterion
    train: Data
    test: Data
    checkpoints: tuple[Checkpoint, ...]
    seed: int

    def objective(self, data: Literal["train", "test"] = "train", *, checkpoint: int = -1) -> Objective:
        """Look at the loss of the model, or of one of its checkpoints.

        Args:
            data: ``"train"`` or ``"test"``.
            checkpoint: Which, as an index into ``checkpoints``; the last one is the trained model.

        Returns:
            The loss on the data.

        Raises:
            IndexError: If there is no such checkpoint.
        """
        check_choice("data", data, ("train", "test"))
        if not -len(self.checkpoints) <= checkpoint < len(self.checkpoints):
            raise IndexError(f"checkpoint must be from {-len(self.checkpoints)} to {len(self.checkpoints) - 1}, got {checkpoint}")
        objective = Objective(self.model, self.criterion, self.train if data == "train" else self.test)
        last = len(self.checkpoints) - 1
        return objective if checkpoint in (-1, last) else objective.at(self.checkpoints[checkpoint].theta)

    def accuracy(self, data: Literal["train", "test"] = "test") -> float:
        """Count how often the largest output is at the target.

        Args:
            data: ``"train"`` or ``"test"``.

        Returns:
            The share of right answers, in [0, 1].

        Raises:
            ValueError: If the targets are no class labels.
        """
        check_choice("data", data, ("train", "test"))
        x, y = self.train if data == "train" else self.test
        if y.is_floating_point():
            raise ValueError("targets must be class labels for an accuracy, got floating-point numbers")
        with torch.no_grad():
            return float((_in_eval_mode(self.model)(x).argmax(dim=1) == y).double().mean())


def train_model(
    build: Callable[[], nn.Module],
    criterion: Criterion,
    train: Data,
    test: Data,
    *,
    epochs: int,
    learning_rate: float,
    batch_size: int | None = None,
    checkpoints: int = 11,
    seed: int = 0,
) -> Training:
    """Train a model with Adam. torch's global generator is left as it was.

    The learning rate stays the same throughout (Kingma and Ba, "Adam", 2015).

    Args:
        build: Makes the model; its weights are drawn after the seed.
        criterion: ``criterion(output, target)``, a mean loss.
        train: Inputs and targets to train on.
        test: Inputs and targets to look at only.
        epochs: How often to go through the training data.
        learning_rate: Of Adam.
        batch_size: Samples a step; None for all of them.
        checkpoints: How many to keep, evenly spread, the first and the last weights among them; at least 2.
        seed: Seed of weights and batches.

    Returns:
        The trained model with its checkpoints.

    Raises:
        RuntimeError: If training ends in a loss that is not finite.
    """
    epochs = check_count("epochs", epochs)
    count = min(check_count("checkpoints", checkpoints, minimum=2), epochs + 1)
    kept = {round(index * epochs / (count - 1)) for index in range(count)}
    x, y = train
    rows = len(x) if batch_size is None else check_count("batch_size", batch_size)
    with seeded(seed), torch.enable_grad():
        model = build()
        optimizer = torch.optim.Adam(model.parameters(), lr=check_positive("learning_rate", learning_rate))
        found = [_checkpoint(model, criterion, train, test, 0)]
        for epoch in range(1, epochs + 1):
            model.train()
            order = torch.arange(len(x)) if rows >= len(x) else torch.randperm(len(x))
            for batch in torch.split(order, rows):
                optimizer.zero_grad()
                criterion(model(x[batch]), y[batch]).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            if epoch in kept:
                found.append(_checkpoint(model, criterion, train, test, epoch))
    if not torch.isfinite(torch.tensor(found[-1].train_loss)):
        raise RuntimeError(
            f"training ended in a loss of {found[-1].train_loss}: try a smaller learning_rate than {learning_rate}"
        )
    model.zero_grad(set_to_none=True)
    return Training(_in_eval_mode(model), criterion, train, test, tuple(found), seed)


def _checkpoint(model: nn.Module, criterion: Criterion, train: Data, test: Data, epoch: int) -> Checkpoint:
    looked_at = _in_eval_mode(model)
    with torch.no_grad():
        losses = [float(criterion(looked_at(x), y)) for x, y in (train, test)]
        theta = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    return Checkpoint(epoch, theta, *losses)


def _in_eval_mode(model: nn.Module) -> nn.Module:
    # A copy, as the original may be in the middle of its training.
    return copy.deepcopy(model).eval()
