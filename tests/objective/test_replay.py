"""What is asked of a GPU in one call; the call itself is tested where there is one (test_cuda.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from curvwidget.objective import Objective, recorded_walk
from curvwidget.objective.recorded_walk import RecordedWalk
from curvwidget.objective.recording import record
from tests.cases import case_named

MASK, PLACES, SQUARE = torch.tensor([True, False, True]), torch.tensor([2, 0]), torch.eye(3).double() + 0.1
FUNCTIONS: dict[str, tuple[Callable[[Tensor], Tensor], bool]] = {
    "products and sums": (lambda v: torch.tanh(SQUARE @ v).sum() + v.norm(), True),
    "places of a tensor": (lambda v: v[PLACES] * 2, True),
    "a mask, of which the device is asked how long it is": (lambda v: v[MASK] * 2, False),
    "a solver, which may wait for the device": (
        lambda v: torch.linalg.solve_triangular(SQUARE, v.unsqueeze(1), upper=True) * 1,
        False,
    ),
    "a square root, which is none": (lambda v: torch.sqrt(1 + v**2), True),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_operations_that_wait_for_the_device_are_known(name: str) -> None:
    function, expected = FUNCTIONS[name]
    v = torch.tensor([0.5, -1.0, 2.0]).double()
    recorded = record(function, (v,))
    torch.testing.assert_close(recorded(v), function(v))
    assert recorded.replayable is expected


def test_operations_of_networks_are_none_of_them() -> None:
    for name in ("MLP with tanh", "convolution with BatchNorm", "residual convolution", "transformer encoder layer"):
        objective = case_named(name).build().objective()
        objective.hvp(torch.randn(4, objective.n_parameters).double())
        (walk,) = objective._products.records.values()
        assert walk._recorded.replayable
        assert not walk._replayable  # there is no such device


class Again:
    """Stands for a replay: it computes, and counts what it is made for."""

    made: ClassVar[list[torch.Size]] = []
    wrong_by = 0.0

    def __init__(self, function: Callable[..., Tensor], arguments: tuple[Tensor]) -> None:
        self.made.append(arguments[0].shape)
        self.function = function

    def __call__(self, *arguments: Tensor) -> Tensor:
        return self.function(*arguments) * (1 + self.wrong_by)


@pytest.fixture
def walk(monkeypatch: pytest.MonkeyPatch) -> RecordedWalk:
    torch.manual_seed(0)
    objective = Objective(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double(), F.cross_entropy, data())
    objective.hvp(torch.randn(4, objective.n_parameters).double())
    found: RecordedWalk = objective._products.records[0]
    found._replayable = True
    monkeypatch.setattr(recorded_walk, "Replay", Again)
    monkeypatch.setattr(Again, "made", [])
    return found


def data() -> tuple[Tensor, Tensor]:
    return torch.randn(20, 3).double(), torch.arange(20) % 2


def test_blocks_that_come_again_are_replayed_and_a_few_sizes_are_kept(walk: RecordedWalk) -> None:
    size = 3 * 4 + 4 + 4 * 2 + 2
    for rows in (1, 2, 3, 1):
        vectors = torch.randn(rows, size).double()
        expected = walk._compute(vectors)
        for _ in range(6):
            torch.testing.assert_close(walk(vectors), expected)
    assert [shape[0] for shape in Again.made] == [1, 2, 3, 1]
    assert len(walk._replays) == 2


def test_a_replay_that_gives_something_else_is_not_used(walk: RecordedWalk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Again, "wrong_by", 1e-6)
    v = torch.randn(3 * 4 + 4 + 4 * 2 + 2).double()
    products = [walk(v) for _ in range(6)]
    assert all(torch.equal(product, products[0]) for product in products)
    assert len(Again.made) == 1
    assert not walk._replayable


def test_the_switch_leaves_everything_as_it_was(walk: RecordedWalk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RecordedWalk, "replays", False)
    for _ in range(6):
        walk(torch.ones(3 * 4 + 4 + 4 * 2 + 2).double())
    assert Again.made == []
