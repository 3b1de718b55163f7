"""Classifiers of scikit-learn's handwritten digits, trained in seconds."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from curvwidget._checks import check_choice
from curvwidget.zoo.activations import Activation, make_activation
from curvwidget.zoo.training import Training, train_model

__all__ = ["digits_classifier", "load_digits"]

_TEST = 450  # a quarter of the 1,797 images
_SPLIT_SEED = 0  # one split for all seeds of weights: their test losses can be compared
_RATES = {"linear": 1e-2, "mlp": 3e-3, "conv": 1e-2}


def load_digits(*, dtype: torch.dtype = torch.float32) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Read the 1,797 digits that come with scikit-learn.

    Args:
        dtype: Of the images.

    Returns:
        Training and test data, 1,347 and 450 samples: images ``(n, 1, 8, 8)`` in [0, 1] and labels ``(n,)``. The split is
        random, and always the same.

    Raises:
        ImportError: If scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise ImportError("the digits come with scikit-learn, which is not installed: pip install 'curvwidget[lab]'") from error
    images, labels = datasets.load_digits(return_X_y=True)
    x = torch.as_tensor(images / 16, dtype=dtype).reshape(-1, 1, 8, 8)
    y = torch.as_tensor(labels, dtype=torch.int64)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(_SPLIT_SEED))
    train, test = order[_TEST:], order[:_TEST]
    return (x[train], y[train]), (x[test], y[test])


def digits_classifier(
    kind: Literal["linear", "mlp", "conv"] = "mlp",
    *,
    activation: Activation = "tanh",
    epochs: int = 20,
    batch_size: int | None = 128,
    checkpoints: int = 11,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Training:
    """Train a classifier of 8 × 8 digits.

    Args:
        kind: ``"linear"`` (650 parameters, a convex loss), ``"mlp"`` (64-72-64-10, 10,002 parameters) or ``"conv"`` (two
            convolutions, 1,898 parameters).
        activation: ``"tanh"``, ``"silu"`` or ``"relu"``; a linear one has none.
        epochs: How often to go through the data.
        batch_size: Samples a step; None for all of them.
        checkpoints: How many to keep.
        seed: Seed of weights and batches.
        dtype: Of weights and images.

    Returns:
        The trained classifier with its checkpoints; ``.objective()`` looks at it.

    Example:
        >>> from curvwidget import zoo
        >>> digits = zoo.digits_classifier("linear", epochs=2, checkpoints=3)
        >>> digits.objective().n_parameters, [checkpoint.epoch for checkpoint in digits.checkpoints]
        (650, [0, 1, 2])
    """
    check_choice("kind", kind, _RATES)
    train, test = load_digits(dtype=dtype)
    return train_model(
        lambda: _build(kind, activation).to(dtype),
        F.cross_entropy,
        train,
        test,
        epochs=epochs,
        learning_rate=_RATES[kind],
        batch_size=batch_size,
        checkpoints=checkpoints,
        seed=seed,
    )


def _build(kind: str, activation: Activation) -> nn.Module:
    first, second = make_activation(activation), make_activation(activation)
    if kind == "linear":
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    if kind == "mlp":
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 72), first, nn.Linear(72, 64), second, nn.Linear(64, 10))
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), first, nn.AvgPool2d(2)),
        *(nn.Conv2d(8, 16, 3, padding=1), second, nn.AvgPool2d(2)),
        *(nn.Flatten(), nn.Linear(64, 10)),
    )
