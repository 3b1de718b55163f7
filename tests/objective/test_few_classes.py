"""Cross entropy of few classes: the same loss, with samples next to one another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from curvwidget.objective import Objective
from curvwidget.objective.few_classes import lay_classes_in_rows
from curvwidget.objective.recording import compiled, settle, trace
from curvwidget.objective.rewriting import prune

aten = torch.ops.aten
CLOSE = {"rtol": 1e-13, "atol": 1e-14}


def traced(loss: Any, logits: Tensor) -> fx.Graph:
    graph = trace(loss, [logits])
    prune(graph)
    return graph


def relaid(loss: Any, logits: Tensor) -> tuple[set[Any], Any]:
    """The operations of a loss of logits after they were rewritten, and the loss as they compute it."""
    graph = traced(loss, logits)
    lay_classes_in_rows(graph)
    operations = {node.target for node in graph.nodes}
    constants = settle(graph)
    function = compiled(graph)
    return operations, lambda other: function(other, constants)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"reduction": "sum"},
        {"weight": [0.5, 2.0, 1.0, 0.0, 3.0]},
        {"weight": [0.5, 2.0, 1.0, 0.0, 3.0], "reduction": "sum"},
        {"ignore_index": 2},
        {"ignore_index": -100},
    ],
    ids=str,
)
def test_the_loss_is_that_of_pytorch(options: dict[str, Any], dtype: torch.dtype) -> None:
    options = dict(options)
    if "weight" in options:
        options["weight"] = torch.tensor(options["weight"], dtype=dtype)
    target = torch.arange(40) % 5
    target[:3] = options.get("ignore_index", 0)

    def loss(logits: Tensor) -> Tensor:
        return F.cross_entropy(logits, target, **options)

    first, other = torch.randn(2, 40, 5, dtype=dtype).unbind()
    operations, function = relaid(loss, first)
    assert aten.nll_loss_forward.default not in operations
    tolerance = CLOSE if dtype == torch.float64 else {"rtol": 1e-6, "atol": 1e-6}
    for logits in (first, other, 1000 * other):
        torch.testing.assert_close(function(logits), loss(logits), **tolerance)


def test_targets_in_bytes_are_taken_for_what_they_are() -> None:
    target, weight = (torch.arange(400) % 5).byte(), torch.tensor([0.5, 2.0, 1.0, 0.0, 3.0], dtype=torch.float64)
    logits = torch.randn(400, 5, dtype=torch.float64)  # places beyond 255

    def loss(logits: Tensor) -> Tensor:
        return F.cross_entropy(logits, target, weight)

    _, function = relaid(loss, logits)
    torch.testing.assert_close(function(logits), loss(logits), **CLOSE)


def test_a_class_that_is_ruled_out_costs_nothing_unless_it_is_the_target() -> None:
    target = torch.arange(40) % 4
    masked = torch.randn(40, 5, dtype=torch.float64)
    masked[:, 4] = -torch.inf
    _, function = relaid(lambda logits: F.cross_entropy(logits, target), torch.randn(40, 5, dtype=torch.float64))
    torch.testing.assert_close(function(masked), F.cross_entropy(masked, target), **CLOSE)
    masked[0, 0] = -torch.inf
    assert function(masked) == F.cross_entropy(masked, target) == torch.inf
    masked[1, 1] = torch.nan
    assert function(masked).isnan()


TEN = torch.arange(40) % 10


def penalized(logs: Tensor) -> Tensor:
    return F.nll_loss(logs, TEN) + logs.square().mean()


@pytest.mark.parametrize(
    ("loss", "shape"),
    [
        (lambda logits: F.cross_entropy(logits, torch.arange(40) % 16), (40, 16)),  # registers are full
        (lambda logits: F.cross_entropy(logits, TEN.reshape(4, 10)), (4, 10, 10)),  # images
        (lambda logits: F.cross_entropy(logits, TEN, reduction="none").max(), (40, 10)),
        (lambda logits: F.cross_entropy(logits, TEN.clamp(max=0), ignore_index=0), (40, 10)),  # no target at all
        (lambda logits: F.log_softmax(logits, 1).square().sum() + F.nll_loss(F.log_softmax(logits, 0), TEN), (40, 10)),
        (lambda logits: penalized(F.log_softmax(logits, 1)), (40, 10)),
        (lambda logits: F.cross_entropy(logits.bfloat16(), TEN).double(), (40, 10)),
    ],
    ids=range(7),
)
def test_any_other_loss_is_left_as_it_is(loss: Any, shape: tuple[int, ...]) -> None:
    logits = torch.randn(shape, dtype=torch.float64)
    before = {node.target for node in traced(loss, logits).nodes}
    after, function = relaid(loss, logits)
    assert after == before
    torch.testing.assert_close(function(logits), loss(logits), equal_nan=True, **CLOSE)


@pytest.mark.parametrize("bias", [True, False])
def test_along_a_plane_the_last_layer_gives_its_output_the_other_way_round(bias: bool) -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 10, bias=bias)).double()
    x, y = torch.randn(40, 6).double(), TEN
    objective = Objective(model, F.cross_entropy, (x, y))
    vectors = torch.randn(2, objective.n_parameters).double()
    recorded, plain = objective.along(vectors), objective.along(vectors)
    recorded.expect_many()
    plain.records_losses = False
    points = np.random.default_rng(0).normal(size=(20, 2))
    np.testing.assert_allclose(recorded.at(points), plain.at(points), rtol=1e-13)
    assert recorded.declined == ()


def test_a_linear_classifier_has_its_logits_turned() -> None:
    model, x, y = nn.Linear(6, 10).double(), torch.randn(40, 6).double(), TEN
    objective = Objective(model, F.cross_entropy, (x, y))
    vectors = torch.randn(2, objective.n_parameters).double()
    along = objective.along(vectors)
    along.expect_many()
    points = np.random.default_rng(0).normal(size=(20, 2))
    steps = torch.tensor(points) @ vectors
    truth = [float(objective.loss(objective.theta + step)) for step in steps]
    np.testing.assert_allclose(along.at(points), truth, rtol=1e-13)
