"""Losses along directions: every way to them is equal to the plain one at rounding error, which is the loss at each point."""

from __future__ import annotations

import ctypes
import gc
import itertools
import threading
import warnings
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from curvwidget._interrupt import interruptible
from curvwidget.objective import Objective, affine
from curvwidget.objective import along as along_module
from curvwidget.objective.along import LossesAlong
from tests.cases import CASES, Case, case_named
from tests.objective.planes import coordinates, directions

every_case = pytest.mark.parametrize("case", CASES, ids=str)
ROUNDING = {"rtol": 1e-12, "atol": 1e-14}

# Which parameters the random directions leave unwritten, where the size of a layer does not count.
SPARED = {
    "MLP with tanh": ("0.weight", "0.bias"),
    "MLP with ReLU": ("0.weight", "0.bias"),
    "convolution with BatchNorm": ("0.weight",),
    "residual convolution": ("first.weight",),
    "logistic regression": ("weight",),
    "LSTM": ("lstm.weight_ih_l0", "lstm.bias_ih_l0"),
    "physics-informed": ("0.bias",),
}


@pytest.fixture(autouse=True)
def small_layers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affine, "_MULTIPLICATIONS_A_TERM", 0.1)
    monkeypatch.setattr(along_module, "_FIRST_POINTS", 0)


def loss_by_loss(objective: Objective, vectors: Tensor, points: np.ndarray) -> np.ndarray:
    """Each point made by hand and evaluated by itself."""
    sums = [sum((a * v for a, v in zip(point.tolist(), vectors, strict=True)), objective.theta) for point in points]
    return objective.losses(torch.stack(sums)).numpy()


def both_ways(objective: Objective, vectors: Tensor, points: np.ndarray) -> tuple[LossesAlong, np.ndarray]:
    """The losses from a record, after they were seen to be those of the model."""
    along, plain = objective.along(vectors), objective.along(vectors)
    plain.records_losses = plain.joins_points = False
    found, expected = along.at(points), plain.at(points)
    np.testing.assert_allclose(expected, loss_by_loss(objective, vectors, points), **ROUNDING)
    np.testing.assert_allclose(found, expected, **ROUNDING)
    assert plain.spared_parameters == ()
    return along, found


@every_case
@pytest.mark.parametrize("count", [1, 2, 3])
def test_records_give_what_the_model_gives(case: Case, count: int) -> None:
    objective = case.build().objective()
    along, _ = both_ways(objective, directions(objective, count), coordinates(count))
    assert along.spared_parameters == SPARED.get(case.name, ())
    analytic = case.build().model is None
    assert along.declined == (("an analytic loss is called at each point",) if analytic else ())


@every_case
def test_directions_that_move_one_parameter_leave_all_before_it_constant(case: Case) -> None:
    problem = case.build()
    objective = problem.objective()
    for block in objective.blocks:
        vectors = torch.zeros(2, objective.n_parameters, dtype=torch.float64)
        vectors[:, block.slice] = directions(objective)[:, block.slice]
        both_ways(objective, vectors, coordinates())


@pytest.mark.parametrize("name", [case.name for case in CASES if case.build().model is not None])
def test_with_a_filter_all_before_the_last_layer_is_constant(name: str) -> None:
    problem = case_named(name).build()
    last = [name for name, _ in problem.model.named_parameters()][-1]
    objective = problem.objective(parameters=last)
    both_ways(objective, directions(objective), coordinates())


@pytest.mark.parametrize("name", [case.name for case in CASES if case.build().criterion is not None])
def test_uneven_batches_each_have_their_own_outputs(name: str) -> None:
    objective = case_named(name).build().objective(batch_size=4)
    assert len(objective._risk.weights) > 1
    both_ways(objective, directions(objective), coordinates())


@pytest.mark.parametrize("policy", ["batch", "recalibrate"])
def test_batch_statistics_move_with_the_layers_before_them(policy: str) -> None:
    objective = case_named("convolution with BatchNorm").build().objective(batchnorm=policy)
    along, _ = both_ways(objective, directions(objective), coordinates())
    assert along.spared_parameters == ("0.weight",)


def test_a_frozen_body_is_not_run_again_and_only_its_last_output_is_kept() -> None:
    body = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Conv2d(8, 8, 3))
    model = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)).double()
    objective = Objective(model, F.cross_entropy, (torch.randn(6, 1, 9, 9).double(), torch.arange(6) % 3), parameters="6.*")
    along, _ = both_ways(objective, directions(objective), coordinates())
    assert along.spared_parameters == ("6.weight", "6.bias")
    ((record,),) = (recording.records for recording in objective._records.values())
    assert [tuple(tensor.shape) for tensor in record.constants] == [(6,)]  # the labels
    assert record.affine.size == 6 * 3
    runs = 0

    def count(*_: Any) -> None:
        nonlocal runs
        runs += 1

    objective._risk.model[0].register_forward_hook(count)
    along.at(coordinates(points=50))
    assert runs == 0


class Awkward(nn.Module):
    """A model of two frozen layers and one that moves, put together in ways that what is known must survive."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2)
        self.way = way
        self.kept: Any = None
        self.activation = nn.ReLU(inplace=True)
        self.halves = Halves()

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x)
        if self.way == "in place":
            hidden *= 2
            hidden = torch.tanh_(hidden)
        elif self.way == "in place by a module":
            hidden = self.activation(hidden)
        elif self.way == "called twice":
            hidden = self.second(self.second(hidden))
        elif self.way == "read again":
            hidden = self.second(hidden) + hidden
        elif self.way == "a tuple":
            left, right = self.halves(hidden)
            left += right
            hidden = torch.cat([left, right, left, right], dim=1)[:, :4]
        elif self.way == "hidden moving input":
            with torch.no_grad():
                scale = self.last.weight.sum() / self.last.weight.numel()
            hidden = self.second(hidden * (scale + 2))
        elif self.way == "depends on values":
            hidden = self.second(hidden)
            if self.last.bias[0] > 0.2:
                hidden = self.second(hidden)
        elif self.way == "depends on values unseen":
            hidden = self.second(hidden)
            if Peek.apply(self.last.bias) < 0.2:
                hidden = self.second(hidden)
        elif self.way == "in place and read":
            hidden *= 2
            return torch.tanh(self.last(hidden)) * hidden[:, :2]
        elif self.way == "functional use":
            return self.last(torch.tanh(hidden)) + F.linear(torch.tanh(hidden), self.last.weight)
        return self.last(hidden)


class Peek(torch.autograd.Function):
    """Gives the first number of a vector, behind everybody's back."""

    @staticmethod
    def forward(ctx: Any, vector: Tensor) -> Tensor:
        first = vector[0].clone()
        ctx.mark_non_differentiable(first)
        return first

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class Halves(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x[:, :2] * 1, x[:, 2:] * 1


ALL = ("last.weight", "last.bias")
LOOKS = ("aten._local_scalar_dense.default looks at numbers or draws some",)
# What is spared, and why nothing is recorded.
WAYS = {
    "in place": (ALL, ()),
    "in place by a module": (ALL, ()),
    "called twice": (ALL, ()),
    "read again": (ALL, ()),
    "a tuple": (ALL, ()),
    "hidden moving input": ((), ()),
    "depends on values": ((), LOOKS),
    "depends on values unseen": ((), LOOKS),
    "in place and read": (ALL, ()),
    "functional use": (ALL, ()),
}


@pytest.mark.parametrize("way", WAYS)
def test_awkward_models_keep_their_losses(way: str) -> None:
    torch.manual_seed(3)
    model = Awkward(way).double()
    x, y = torch.randn(11, 3).double(), torch.randn(11, 2).double()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the hidden input makes a gradient that is not the loss's
        objective = Objective(model, F.mse_loss, (x, y), parameters="last.*")
    along, _ = both_ways(objective, directions(objective), coordinates(points=30))
    assert (along.spared_parameters, along.declined) == WAYS[way]


@pytest.mark.parametrize("batch_size", [None, 4])
def test_what_a_frozen_module_leaves_behind_is_not_mixed_up_between_batches(batch_size: int | None) -> None:
    class Leaves(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            self.mask = x.sum(dim=1, keepdim=True).sign()
            return x * 2

    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.leaves, self.layer = Leaves(), nn.Linear(3, 1)

        def forward(self, x: Tensor) -> Tensor:
            return torch.tanh(self.layer(self.leaves(x))) * self.leaves.mask

    torch.manual_seed(0)
    objective = Objective(
        Reads().double(), F.mse_loss, (torch.randn(10, 3).double(), torch.randn(10, 1).double()), batch_size=batch_size
    )
    along, _ = both_ways(objective, directions(objective), coordinates())
    assert along.spared_parameters == ("layer.weight", "layer.bias")


def test_what_the_model_s_hooks_do_is_recorded() -> None:
    problem = case_named("MLP with tanh").build()
    problem.model[0].register_forward_hook(lambda module, args, output: output * 1.5)
    objective = problem.objective()
    vectors, points = directions(objective), coordinates()
    along = objective.along(vectors)
    np.testing.assert_allclose(along.at(points), loss_by_loss(objective, vectors, points), **ROUNDING)
    assert along.spared_parameters == ("0.weight", "0.bias")


def test_an_operation_that_is_taken_for_affine_and_is_none_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The verification off the centre."""
    monkeypatch.setitem(affine._TERMS, torch.ops.aten.tanh.default, ((0,),))
    objective = case_named("MLP with tanh").build().objective()
    along, _ = both_ways(objective, directions(objective), coordinates())
    assert along.spared_parameters == ()
    assert along.declined == ("the loss from the record is not the loss without it",)


def test_numbers_taken_out_unseen_are_found_out() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            scale = np.mean((ctypes.c_double * 6).from_address(self.layer.weight.data_ptr()))
            return self.layer(x) * (2 + torch.from_numpy(np.asarray(scale)))

    data = (torch.randn(9, 3).double(), torch.randn(9, 2).double())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it makes a gradient that is not the loss's
        objective = Objective(Scaled().double(), F.mse_loss, data)
    along, _ = both_ways(objective, directions(objective), coordinates())
    assert along.declined == ("the loss from the record is not the loss without it",)


def test_what_is_known_of_batches_is_kept_as_far_as_the_budget_goes() -> None:
    a_batch = 8 * 5 * 8 * (1 + 2 + 1)
    constants = 8 * (8 + 8)  # of a batch: where the logarithms lie that the loss takes, and their weights
    for batches in range(4):
        objective = case_named("MLP with tanh").build().objective(batch_size=8)  # 23 samples in three batches
        objective._risk.ways.budget = batches * a_batch + 3 * constants
        along, _ = both_ways(objective, directions(objective), coordinates())
        (recording,) = objective._records.values()
        assert sum(record.affine.size > 0 for record in recording.records) == batches
        assert along.spared_parameters == (("0.weight", "0.bias") if batches == 3 else ())


def test_no_more_is_computed_once_than_the_budget_allows() -> None:
    model = nn.Sequential(nn.Linear(3, 50), nn.Tanh(), nn.Linear(50, 1)).double()
    data = (torch.randn(40, 3).double(), torch.randn(40, 1).double())
    objective = Objective(model, F.mse_loss, data, parameters="2.*")  # the hidden layer is a constant
    along, _ = both_ways(objective, directions(objective), coordinates())
    assert along.declined == ()
    objective.release()
    objective._risk.ways.budget = 1000
    along, _ = both_ways(objective, directions(objective), coordinates())
    assert along.declined == ("what is computed once takes more memory than the budget",)


def test_a_record_serves_all_directions_that_move_the_same() -> None:
    objective = case_named("MLP with tanh").build().objective()
    first = objective.along(directions(objective))
    first.at(coordinates())
    (recording,) = objective._records.values()
    both_ways(objective, 2 * directions(objective), coordinates())
    assert list(objective._records.values()) == [recording]
    one = torch.zeros(2, objective.n_parameters).double()
    one[:, objective.blocks[0].slice] = 1.0
    both_ways(objective, one, coordinates())
    assert len(objective._records) == 2
    assert not objective.at(objective.theta + 1)._records


def test_a_record_does_not_wait_for_who_holds_the_model() -> None:
    objective = case_named("residual convolution").build().objective()
    along = objective.along(directions(objective))
    expected = along.at(coordinates())
    with objective._risk.lock, ThreadPoolExecutor(1) as other:
        np.testing.assert_array_equal(other.submit(along.at, coordinates()).result(timeout=20), expected)


def test_data_that_their_owner_changes_are_read_anew() -> None:
    x, y = torch.randn(9, 3).double(), torch.randn(9, 1).double()
    objective = Objective(nn.Linear(3, 1).double(), F.mse_loss, (x, y))
    along = objective.along(directions(objective))
    along.at(coordinates())
    y += 1.0
    np.testing.assert_allclose(along.at(coordinates()), loss_by_loss(objective, directions(objective), coordinates()), **ROUNDING)
    both_ways(objective, directions(objective), coordinates())


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_transformer_layers_take_their_fast_path_where_it_gives_the_same() -> None:
    class Pooled(nn.Module):
        def __init__(self, padding: Tensor | None) -> None:
            super().__init__()
            layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
            self.encoder, self.padding = nn.TransformerEncoder(layer, 1), padding

        def forward(self, x: Tensor) -> Tensor:
            return self.encoder(x, src_key_padding_mask=self.padding).mean(dim=(1, 2))

    x, y = torch.randn(4, 5, 8).double(), torch.randn(4).double()
    padding = torch.arange(5).expand(4, 5) >= torch.tensor([3, 4, 5, 5])[:, None]
    for mask, fast in ((None, True), (padding, False)):
        torch.manual_seed(0)
        objective = Objective(Pooled(mask).double(), lambda out, target: F.mse_loss(out.sum(), target.sum()), (x, y))
        along, _ = both_ways(objective, directions(objective), coordinates())
        assert along.declined == ()
        assert along._plane is not None
        operations = str(along._plane._recording.records[0].function.__self__.code)
        assert ("_transformer_encoder_layer_fwd" in operations) == fast


def test_values_do_not_depend_on_what_else_is_asked() -> None:
    objective = case_named("residual convolution").build().objective()
    vectors, points = directions(objective), coordinates(points=12)
    whole = objective.along(vectors).at(points)
    one = objective.along(vectors)
    backwards = np.array([one.at(point[None])[0] for point in points[::-1]])[::-1]
    np.testing.assert_array_equal(whole, backwards)


def test_at_the_centre_the_loss_is_the_objective_s_to_the_last_bit() -> None:
    for name in SPARED:
        objective = case_named(name).build().objective()
        assert objective.along(directions(objective)).at(np.zeros((1, 2)))[0] == objective.loss()


def test_single_precision_agrees_at_its_own_rounding() -> None:
    for name, spared in SPARED.items():
        objective = case_named(name).build().objective(dtype=torch.float32)
        vectors, points = directions(objective), coordinates()
        along = objective.along(vectors)
        np.testing.assert_allclose(along.at(points), loss_by_loss(objective, vectors, points), rtol=2e-6)
        assert along.spared_parameters == (() if name == "LSTM" else spared)  # which is one operation in single precision


def test_nan_and_inf_come_as_they_are() -> None:
    model = nn.Sequential(nn.Linear(2, 1, bias=False)).double()
    nn.init.ones_(model[0].weight)
    objective = Objective(model, lambda out, _: torch.log(out).mean(), (torch.eye(2).double(), torch.zeros(2, 1)))
    values = objective.along(torch.ones(1, 2)).at([[-2.0], [-1.0], [1.0]])
    assert np.isnan(values[0])
    assert np.isneginf(values[1])
    assert values[2] == pytest.approx(np.log(2))


def test_siblings_and_kept_graphs_are_right_in_between() -> None:
    objective = case_named("MLP with tanh").build().objective()
    vectors, points = directions(objective), coordinates()
    product = objective.hvp(vectors)
    along, there = objective.along(vectors), objective.at(objective.theta + 0.2)
    values, others = along.at(points), there.along(vectors).at(points)
    assert torch.equal(objective.hvp(vectors), product)
    np.testing.assert_array_equal(along.at(points), values)
    np.testing.assert_array_equal(there.along(vectors).at(points), others)
    np.testing.assert_allclose(others, loss_by_loss(there, vectors, points), **ROUNDING)


def test_threads_take_turns_and_get_what_they_would_get_alone() -> None:
    objective = case_named("residual convolution").build().objective(batch_size=4)
    work: list[Callable[[], Any]] = []
    for seed in range(4):
        vectors = torch.randn(2, objective.n_parameters, generator=torch.Generator().manual_seed(seed)).double()
        work.append(lambda vectors=vectors: objective.along(vectors).at(coordinates(points=20)))
        work.append(lambda vectors=vectors: objective.hvp(vectors[0]).numpy())
    alone = [task() for task in work]
    found: list[Any] = [None] * len(work)

    def run(index: int) -> None:
        found[index] = work[index]()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for ours, theirs in zip(found, alone, strict=True):
        np.testing.assert_array_equal(ours, theirs)


class Stopped(Exception):  # noqa: N818
    pass


def test_it_may_be_interrupted_at_every_checkpoint_and_taken_up_again() -> None:
    objective = case_named("MLP with ReLU").build().objective(batch_size=7)
    vectors, points = directions(objective), coordinates()
    expected = objective.along(vectors).at(points)
    for allowed in itertools.count():
        left = iter(range(allowed))

        def check(left: Any = left) -> None:
            if next(left, None) is None:
                raise Stopped

        along = objective.along(vectors)
        try:
            with interruptible(check):
                along.at(points)
        except Stopped:
            assert all(parameter.requires_grad for parameter in objective._risk.parameters.tensors)
            np.testing.assert_array_equal(along.at(points), expected)
        else:
            break
    assert allowed > 3 * len(points)


def test_what_is_kept_dies_with_its_last_name() -> None:
    objective = case_named("MLP with tanh").build().objective()
    along = objective.along(directions(objective))
    along.at(coordinates())
    assert along._plane is not None
    known, (recording,) = weakref.ref(along._plane), objective._records.values()
    (record,) = map(weakref.ref, recording.records)
    del recording
    del along
    assert known() is None
    objective.release()
    gc.collect()
    assert record() is None


def test_coordinates_of_another_shape_are_refused() -> None:
    objective = case_named("MLP with tanh").build().objective()
    along = objective.along(directions(objective))
    for bad in ([0.0, 1.0], [[0.0]], np.zeros((2, 3))):
        with pytest.raises(ValueError, match=r"coordinates must have shape \(B, 2\), got"):
            along.at(bad)
    assert along.at(np.zeros((0, 2))).shape == (0,)
    with pytest.raises(ValueError, match="vectors must be one or more, got none"):
        objective.along(torch.zeros(0, objective.n_parameters))
