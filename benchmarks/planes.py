"""What walks through planes: curvwidget, loss-landscapes, and forward passes alone, which walk nowhere."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

import curvwidget as cw
from benchmarks.agreement import check_agreement
from benchmarks.nets import Net, trainable
from benchmarks.peers import OURS
from benchmarks.timing import Contender, repeated

__all__ = [
    "PASSES",
    "SPAN",
    "bare_passes",
    "check_our_slice",
    "loss_landscapes_plane",
    "our_slices",
    "plain_losses",
    "random_axes",
]

PASSES = "bare forward passes"
SPAN = 1.0  # of filter-normalized directions: the weights' own size

_CHECKED = 25


def plain_losses(net: Net, points: Tensor) -> Tensor:
    """Evaluate the loss in a plain loop.

    Args:
        net: The network.
        points: ``(B, N)``.

    Returns:
        The losses ``(B,)``.
    """
    model, criterion = net.copied(), net.criterion
    losses = []
    with torch.no_grad():
        for point in points:
            vector_to_parameters(point, trainable(model))
            losses.append(criterion(model(net.x), net.y))
    return torch.stack(losses)


def random_axes(objective: cw.Objective, seed: int) -> cw.Directions:
    """Draw two axes whose filters are as long as those of the weights.

    Args:
        objective: The loss.
        seed: Seed.

    Returns:
        The directions.
    """
    return cw.random_directions(objective, 2, normalization="filter", seed=seed)


def check_our_slice(net: Net, resolution: int) -> None:
    """Compare values of a slice with those of the plain loop; a `Disagreement` is raised where they differ.

    Args:
        net: The network.
        resolution: Points on each axis.
    """
    objective = net.objective()
    directions = random_axes(objective, 0)
    plane = cw.slice_loss(objective, directions, span=SPAN, resolution=resolution)
    chosen = np.linspace(0, plane.values.size - 1, min(_CHECKED, plane.values.size)).round().astype(int)
    places = [np.unravel_index(index, plane.values.shape) for index in chosen]
    steps = torch.tensor([[axis[place] for axis, place in zip(plane.axes, pair, strict=True)] for pair in places])
    points = objective.theta + steps.to(objective.theta) @ directions.vectors.to(objective.theta)
    found = torch.tensor(plane.values.reshape(-1)[chosen], dtype=net.x.dtype)
    check_agreement(f"{OURS}'s slice", found, plain_losses(net, points).cpu())


def bare_passes(net: Net, count: int) -> Contender:
    """Prepare forward passes by torch alone, the unit that a slice is measured in.

    Args:
        net: The network.
        count: How many in one call.

    Returns:
        The contender.
    """
    model, criterion = net.copied(), net.criterion

    def call() -> None:
        with torch.inference_mode():
            for _ in range(count):
                float(criterion(model(net.x), net.y))

    return repeated(call)


def our_slices(net: Net, resolution: int) -> Contender:
    """Prepare exact slices, each along other random directions.

    Args:
        net: The network.
        resolution: Points on each axis.

    Returns:
        The contender.
    """
    objective = net.objective()

    def make(index: int) -> Callable[[], object]:
        directions = random_axes(objective, index + 10)
        return lambda: cw.slice_loss(objective, directions, span=SPAN, resolution=resolution)

    return make


def loss_landscapes_plane(net: Net, steps: int) -> Contender:
    """Prepare the random plane of loss-landscapes, once it was seen to walk through the right values.

    Args:
        net: The network.
        steps: Points on each axis.

    Returns:
        The contender.
    """
    package = importlib.import_module("loss_landscapes")
    metrics = importlib.import_module("loss_landscapes.metrics")
    metric = metrics.Loss(net.criterion, net.x, net.y)
    model = net.copied()
    _check_loss_landscapes(net, package, metric)

    def call(count: int = steps) -> None:
        # Its normalization by filters divides by zero where a parameter is zero; a point takes as long without.
        package.random_plane(model, metric, distance=1, steps=count, normalization=None, deepcopy_model=True)

    call(1)  # what it refuses is refused here: it draws its axes on the CPU, whatever the model is on
    return repeated(call)


def _check_loss_landscapes(net: Net, package: Any, metric: Any, steps: int = 4) -> None:
    # Its random plane draws its own axes; the same walk through a plane of ours must have the loss's values.
    objective = net.objective()
    theta, vectors = objective.theta, random_axes(objective, 0).vectors
    ends = [_moved(net, theta + offset) for offset in (torch.zeros_like(theta), *vectors)]
    found = package.planar_interpolation(*ends, metric, steps=steps, deepcopy_model=True)
    # Its even columns lie one step further along the second axis than the odd ones.
    along = [[(i / steps, (j + (i % 2 == 0)) / steps) for j in range(steps)] for i in range(steps)]
    points = theta + torch.tensor(along).reshape(-1, 2).to(theta) @ vectors.to(theta)
    expected = plain_losses(net, points).cpu()
    check_agreement("loss-landscapes' plane", torch.tensor(found.reshape(-1), dtype=net.x.dtype), expected)


def _moved(net: Net, theta: Tensor) -> torch.nn.Module:
    model = net.copied()
    if len(parameters_to_vector(model.parameters())) != len(theta):
        raise ValueError("loss-landscapes moves all parameters, and some of these are no part of θ")
    with torch.no_grad():
        vector_to_parameters(theta, model.parameters())
    return model
