"""Averages as products with a matrix, maxima by rows and columns: the same numbers, in records of losses and of products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from curvwidget.objective import Objective, affine
from curvwidget.objective.pooling import average_by_product, maximum_by_rows
from curvwidget.objective.recording import compiled, record, settle, trace
from curvwidget.objective.rewriting import prune

aten = torch.ops.aten
D = torch.float64
AVERAGES = {aten.avg_pool2d.default, aten.avg_pool2d_backward.default, aten._adaptive_avg_pool2d.default}
OPTIONS: list[dict[str, Any]] = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2},
    {"kernel_size": (2, 3), "stride": (1, 2)},
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": 3, "padding": 1, "count_include_pad": False},
    {"kernel_size": 2, "stride": 3, "ceil_mode": True},
    {"kernel_size": 2, "divisor_override": 3},
]


def operations(function: Any, argument: Tensor) -> set[Any]:
    graph = trace(function, [argument])
    average_by_product(graph)
    return {node.target for node in graph.nodes}


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_an_average_and_what_its_gradient_gives_back_are_those_of_pytorch(options: dict[str, Any]) -> None:
    def average(images: Tensor) -> Tensor:
        return F.avg_pool2d(images, **options).sin()

    def back(images: Tensor) -> Tensor:
        there = torch.zeros(2, 3, 7, 8, dtype=D, requires_grad=True)
        with torch.enable_grad():
            means = F.avg_pool2d(there, **options)
        (gradient,) = torch.autograd.grad(means, there, F.avg_pool2d(images, **options))
        return gradient

    images, other = torch.randn(2, 2, 3, 7, 8, dtype=D).unbind()
    for function in (average, back):
        assert AVERAGES.isdisjoint(operations(function, images))
        recorded = record(function, [images])
        torch.testing.assert_close(recorded(other), function(other), rtol=1e-13, atol=1e-14)
        both = recorded.several(torch.stack([other, images]))
        torch.testing.assert_close(both[1], function(images), rtol=1e-13, atol=1e-14)


def test_adaptive_averages_and_images_without_a_batch() -> None:
    for function, shape in (
        (lambda images: F.adaptive_avg_pool2d(images, (2, 3)), (2, 3, 7, 8)),
        (lambda images: F.adaptive_avg_pool2d(images, 2), (3, 5, 5)),
        (lambda images: F.avg_pool2d(images, 2), (3, 6, 6)),
        (lambda images: F.avg_pool2d(images.transpose(2, 3), 2), (2, 3, 6, 8)),
        (lambda images: F.avg_pool2d(images.contiguous(memory_format=torch.channels_last), 2), (2, 3, 6, 8)),
    ):
        images, other = torch.randn(2, *shape, dtype=D).unbind()
        assert AVERAGES.isdisjoint(operations(function, images))
        torch.testing.assert_close(record(function, [images])(other), function(other), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(
    ("shape", "kernel", "dtype"), [((2, 3, 20, 20), 2, D), ((2, 3, 64, 64), 16, D), ((2, 3, 6, 6), 2, torch.bfloat16)], ids=str
)
def test_large_images_and_half_precision_are_left_alone(shape: tuple[int, ...], kernel: int, dtype: torch.dtype) -> None:
    images = torch.randn(shape, dtype=dtype)
    assert aten.avg_pool2d.default in operations(lambda x: F.avg_pool2d(x, kernel), images)


def test_of_constants_nothing_is_multiplied() -> None:
    images = torch.randn(2, 3, 6, 6, dtype=D)
    found = record(lambda x: x * F.avg_pool2d(images, 2), [torch.randn(2, 3, 3, 3, dtype=D)])
    assert [tuple(one.shape) for one in found.constants] == [(2, 3, 3, 3)]


def test_a_networks_slices_and_products_are_those_without_records() -> None:
    model = nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(4, 6, 3, padding=1), nn.Softplus()),
        *(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 10)),
    ).double()
    x, y = torch.randn(20, 1, 8, 8, dtype=D), torch.arange(20) % 10
    objective = Objective(model, F.cross_entropy, (x, y))
    vectors = torch.randn(5, objective.n_parameters, dtype=D)
    recorded, plain = objective.along(vectors[:2]), objective.along(vectors[:2])
    recorded.expect_many()
    plain.records_losses = False
    points = np.random.default_rng(0).normal(size=(12, 2)) * 0.3
    np.testing.assert_allclose(recorded.at(points), plain.at(points), rtol=1e-13)
    assert recorded.declined == ()
    blocks = objective.hvp(vectors)
    assert objective._risk.ways.records
    parameters = list(model.parameters())
    gradient = torch.cat(
        [one.flatten() for one in torch.autograd.grad(F.cross_entropy(model(x), y), parameters, create_graph=True)]
    )
    for vector, product in zip(vectors, blocks, strict=True):
        truth = torch.autograd.grad(gradient, parameters, vector, retain_graph=True)
        torch.testing.assert_close(product, torch.cat([one.flatten() for one in truth]), rtol=1e-10, atol=1e-13)


def test_where_numbers_overflow_on_the_way_the_loss_is_the_models() -> None:
    class Exponential(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.exp()

    model = nn.Sequential(
        *(nn.Conv2d(1, 2, 3, padding=1, bias=False), Exponential(), nn.AvgPool2d(2), nn.Tanh(), nn.Flatten(), nn.Linear(32, 10)),
    ).double()
    x, y = torch.rand(20, 1, 8, 8, dtype=D), torch.arange(20) % 10
    objective = Objective(model, F.cross_entropy, (x, y))
    direction = torch.zeros(1, objective.n_parameters, dtype=D)
    direction[0, :9] = 1.0
    along, plain = objective.along(direction), objective.along(direction)
    along.expect_many()
    plain.records_losses = False
    points = np.array([[1.0], [120.0], [400.0], [-3.0]])  # exp(710) is inf, tanh(inf) is 1
    losses = along.at(points)
    assert along.declined == ()
    assert along._plane is not None
    assert along._plane.spreads_nan
    assert np.isnan([along._plane.loss([120.0]), along._plane.loss([400.0])]).any()
    assert np.isfinite(losses).all()
    np.testing.assert_allclose(losses, plain.at(points), rtol=1e-12)


def relaid(function: Any, images: Tensor) -> tuple[set[Any], Any]:
    graph = trace(function, [images])
    prune(graph)
    maximum_by_rows(graph)
    operations = {node.target for node in graph.nodes}
    constants = settle(graph)
    found = compiled(graph)
    return operations, lambda other: found(other, constants)


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 2},
        {"kernel_size": (2, 3)},
        {"kernel_size": 3, "stride": 3},
        {"kernel_size": (1, 4), "stride": (1, 4)},
        {"kernel_size": 5},  # rows and columns are left over
        {"kernel_size": 2, "ceil_mode": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [torch.float32, D, torch.bfloat16])
def test_maxima_are_those_of_pytorch_to_the_last_bit(options: dict[str, Any], dtype: torch.dtype) -> None:
    def largest(images: Tensor) -> Tensor:
        return F.max_pool2d(images, **options).square()

    images, other = torch.randn(2, 3, 4, 12, 12, dtype=dtype).unbind()
    other[0, 0, 3, 3], other[1, 1, 4, 5], other[2, 2, 0, 0] = torch.nan, torch.inf, -torch.inf
    for shown, tried in ((images, other), (images[0], other[0]), (images.mT, other.mT)):
        operations, function = relaid(largest, shown)
        assert aten.max_pool2d_with_indices.default not in operations
        found = function(tried)
        assert found.is_contiguous()
        torch.testing.assert_close(found, largest(tried), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize(
    "function",
    [
        lambda images: F.max_pool2d(images, 3, stride=2),
        lambda images: F.max_pool2d(images, 2, padding=1),
        lambda images: F.max_pool2d(images, 2, dilation=2),
        lambda images: F.max_pool2d(images, 5, ceil_mode=True),
        lambda images: sum(F.max_pool2d(images, 2, return_indices=True)),
    ],
    ids=range(5),
)
def test_windows_that_overlap_and_places_that_are_asked_for_are_left_alone(function: Any) -> None:
    images, other = torch.randn(2, 3, 4, 12, 12, dtype=D).unbind()
    operations, recorded = relaid(function, images)
    assert aten.max_pool2d_with_indices.default in operations
    torch.testing.assert_close(recorded(other), function(other), rtol=0, atol=0)


@pytest.mark.parametrize("known", [16, 0.1])
@pytest.mark.parametrize(
    "pool", [nn.MaxPool2d(2), nn.AvgPool2d(2), nn.AvgPool2d(3, 2), nn.Sequential(nn.ReLU(), nn.MaxPool2d(3))]
)
def test_a_network_whose_first_layer_is_pooled_has_its_slices(
    pool: nn.Module, known: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(affine, "_MULTIPLICATIONS_A_TERM", known)
    body = nn.Sequential(
        nn.Conv2d(1, 4, 3), pool, nn.Conv2d(4, 6, 2), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10)
    )
    model = body.double()
    x, y = torch.randn(20, 1, 13, 13, dtype=D), torch.arange(20) % 10
    model(x)
    objective = Objective(model, F.cross_entropy, (x, y))
    vectors = torch.randn(2, objective.n_parameters, dtype=D)
    recorded, plain = objective.along(vectors), objective.along(vectors)
    recorded.expect_many()
    plain.records_losses = False
    points = np.random.default_rng(0).normal(size=(12, 2)) * 0.3
    np.testing.assert_allclose(recorded.at(points), plain.at(points), rtol=1e-13)
    assert recorded.declined == ()
