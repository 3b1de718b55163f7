"""Losses from records where a stranger's model makes it hard: each is the model's loss, or no record is believed."""

from __future__ import annotations

import ctypes
import gc
import itertools
import threading
import warnings
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from curvwidget._interrupt import interruptible
from curvwidget.objective import Objective, affine, recorded_terms
from curvwidget.objective import along as along_module
from curvwidget.objective.along import LossesAlong
from curvwidget.objective.recorded_plane import Recording
from tests.cases import CASES, case_named
from tests.objective.planes import coordinates, directions

ROUNDING = {"rtol": 1e-12, "atol": 1e-14}
MODELS = [case.name for case in CASES if case.build().model is not None]


@pytest.fixture(autouse=True)
def small_layers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affine, "_MULTIPLICATIONS_A_TERM", 0.1)
    monkeypatch.setattr(along_module, "_FIRST_POINTS", 0)


def truth(objective: Objective, vectors: Tensor, points: np.ndarray) -> np.ndarray:
    """Each point made by hand and evaluated by itself."""
    return objective.losses(objective.theta + torch.from_numpy(points).to(vectors) @ vectors).numpy()


def compared(
    objective: Objective, vectors: Tensor | None = None, points: np.ndarray | None = None, **tolerance: float
) -> LossesAlong:
    vectors = directions(objective) if vectors is None else vectors
    points = coordinates(len(vectors)) if points is None else points
    along = objective.along(vectors)
    np.testing.assert_allclose(along.at(points), truth(objective, vectors, points), **(tolerance or ROUNDING))
    return along


def data(samples: int = 7, inputs: int = 3, outputs: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x, y = (torch.randn(samples, width, generator=generator, dtype=torch.float64) for width in (inputs, outputs))
    return x, y


class Sequel(nn.Module):
    """A layer, and what a function makes of the layer and the data."""

    def __init__(self, function: Callable[[nn.Linear, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        torch.manual_seed(0)
        self.layer = nn.Linear(3, 2).double()

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.layer, x)


# Outputs of affine operations whose place in memory is of no common kind, or which are used in several ways.
SEQUELS: dict[str, Callable[[nn.Linear, Tensor], Tensor]] = {
    "expanded": lambda layer, x: layer(x)[:, None].expand(-1, 3, -1).exp().sum(1),
    "a parameter expanded and viewed": lambda layer, x: layer.bias.expand(3, len(x), 2).flatten(0, 1).exp()[: len(x)] * layer(x),
    "transposed, then viewed": lambda layer, x: layer(x).t().contiguous().view(-1).exp().view(2, -1).t(),
    "transposed twice, then viewed": lambda layer, x: layer(x).t().t().view(-1).exp().view(-1, 2),
    "in another order": lambda layer, x: (layer(x).view(-1, 2, 1).permute(2, 1, 0) * 1).exp().view(2, -1).t(),
    "used both ways": lambda layer, x: layer(x) * 3 + layer(x).exp(),
    "a product of two": lambda layer, x: layer(x) * layer(x),
    "one known, one not": lambda layer, x: layer(x).exp() @ (layer.weight[:, :2] + 1),
    "tied with itself": lambda layer, x: layer(x) @ layer.weight @ layer.weight.t(),
    "written to": lambda layer, x: layer(x).mul_(2).add_(1).exp_(),
    "written to in part": lambda layer, x: _with_part_written(layer(x)),
    "written to what stays": lambda layer, x: x.new_ones(len(x), 2).mul_(layer(x)).sin_(),
    "split": lambda layer, x: torch.cat([part.exp() for part in layer(x).split([1, 1], 1)], 1),
    "one part of it": lambda layer, x: layer(x).chunk(2, dim=1)[1].exp() + layer(x),
    "complex": lambda layer, x: (layer(x) * 1j).exp().real,
    "with integers": lambda layer, x: (layer(x) + torch.ones(2, dtype=torch.int64)).exp(),
    "infinite where masked": lambda layer, x: (layer(x) + x.new_tensor([0.0, -torch.inf])).softmax(1),
    "by strides": lambda layer, x: layer(x).as_strided((len(x), 2), (2, 1)).exp(),
}


# What acts nowhere near θ, so that the trial of a record does not see it.
def _view_clamped(h: Tensor) -> Tensor:
    h[:, 1:].clamp_(-2, 2)
    return h


def _alias_clamped(h: Tensor) -> Tensor:
    h.detach().clamp_(-2, 2)
    return h


def _data_clamped(h: Tensor) -> Tensor:
    h.data.clamp_(-2, 2)
    return h


def _buffer_filled(h: Tensor) -> Tensor:
    out = torch.zeros_like(h)
    out[:, :1] = F.relu(h[:, :1].abs() - 2)
    return h + out


def _constant_scaled(h: Tensor) -> Tensor:
    factor = torch.ones_like(h)
    first = h + factor
    factor.mul_(1 + F.relu(h.abs() - 2))
    return first * factor


def _flat_clamped(h: Tensor) -> Tensor:
    h.view(-1)[3:].clamp_(-2, 2)
    return h


UNKNOWN = "what depends on the arguments is read under a name unknown to autograd"
STALE = "a part or another view of a tensor is written to"
HIDDEN: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "a view is written to": (_view_clamped, STALE),
    "an alias is written to": (_alias_clamped, STALE),
    "a view of a view is written to": (_flat_clamped, STALE),
    "the data behind it are written to": (_data_clamped, STALE),
    "what stays is filled": (_buffer_filled, UNKNOWN),
    "what stays is written to later": (_constant_scaled, "aten.mul_.Tensor writes to a constant that was used before"),
    "NumPy is asked": (lambda h: h if h.detach().numpy().max() < 2 else h / 2, "Tensor.numpy gives numbers away"),
    "NumPy asks": (lambda h: h if np.asarray(h.detach()).max() < 2 else h / 2, "Tensor.__array__ gives numbers away"),
    "Python is asked": (lambda h: h if max(max(row) for row in h.tolist()) < 2 else h / 2, "Tensor.tolist gives numbers away"),
    "DLPack hands it over": (
        lambda h: h if np.from_dlpack(h.detach()).max() < 2 else h / 2,
        "Tensor.__dlpack__ gives numbers away",
    ),
}


@pytest.mark.filterwarnings("ignore:the gradient that autograd gives is not the slope")
@pytest.mark.parametrize("name", HIDDEN)
def test_what_acts_far_from_the_point_alone_is_not_recorded(name: str) -> None:
    function, reason = HIDDEN[name]
    objective = Objective(Sequel(lambda layer, x: function(layer(x))), F.mse_loss, data())
    along = objective.along(directions(objective))
    points = 30 * coordinates()
    along.expect_many()
    np.testing.assert_allclose(along.at(points), losses_at(objective, points), **ROUNDING)
    assert along.declined == (reason,)


def losses_at(objective: Objective, points: np.ndarray) -> np.ndarray:
    return objective.losses(objective.theta + torch.from_numpy(points) @ directions(objective)).numpy()


def test_parts_of_one_tensor_may_be_written_to_side_by_side() -> None:
    def halves(h: Tensor) -> Tensor:
        first, second = torch.cat([h, h], dim=1).unsafe_chunk(2, dim=1)  # as layers that remember do
        return first.sigmoid_() * second.tanh_()

    objective = Objective(Sequel(lambda layer, x: halves(layer(x))), F.mse_loss, data())
    assert compared(objective).declined == ()


def _with_part_written(output: Tensor) -> Tensor:
    output[:, 1] *= 2
    return output.exp()


@pytest.mark.parametrize("name", SEQUELS)
@pytest.mark.parametrize("batch_size", [None, 3])
def test_outputs_of_any_kind(name: str, batch_size: int | None) -> None:
    objective = Objective(Sequel(SEQUELS[name]), F.mse_loss, data(), batch_size=batch_size)
    for count in (1, 2, 3):
        compared(objective, directions(objective, count))
    compared(objective, points=np.array([[0.0, 0.0], [3.0, 0.0], [0.0, -4.0], [-40.0, 70.0]]))


def test_an_affine_loss_is_known_altogether() -> None:
    x, _ = data()
    model = Sequel(lambda layer, x: layer(x).mean(dim=(0, 1)))
    along = compared(Objective(model, lambda out, _: out, (x, x)))
    assert along.spared_parameters == ("layer.weight", "layer.bias")
    (record,) = along._plane._recording.records
    assert (record.affine.size, record.reads, record.constants) == (1, (), ())


def test_a_model_of_several_precisions() -> None:
    """What is bfloat16 is rounded at each point, so that no sum of outputs gives the same."""

    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 2, dtype=torch.bfloat16)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(torch.tanh(self.first(x.float())).bfloat16()).double()

    objective = Objective(Mixed(), F.mse_loss, data())
    assert objective.dtype == torch.float32
    along = compared(objective, rtol=1e-6)
    assert (along.spared_parameters, along.declined) == ((), ())
    first = directions(objective)
    first[:, 16:] = 0
    along = compared(objective, first, rtol=2e-2)  # a bfloat16 has 8 bits
    assert along.declined in ((), ("the loss from the record is not the loss without it",))


def test_parameters_that_lie_otherwise_in_memory() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 2), nn.Tanh(), nn.Conv2d(3, 2, 2), nn.Flatten(), nn.Linear(8, 2)).double()
    model = model.to(memory_format=torch.channels_last)
    model[4].weight = nn.Parameter(torch.randn(8, 2).double().t())
    x = torch.randn(5, 2, 4, 4).double().to(memory_format=torch.channels_last)
    assert compared(Objective(model, F.cross_entropy, (x, torch.arange(5) % 2))).spared_parameters == ("0.weight", "0.bias")


@pytest.mark.parametrize("name", MODELS)
def test_points_leave_all_that_they_start_from_as_it_is(name: str) -> None:
    """Whatever the operations are: the same points give the same, to the last bit, and nothing that is kept has changed."""
    objective = case_named(name).build().objective()
    along = objective.along(directions(objective))
    first = along.at(coordinates())
    plane = along._plane
    assert plane is not None
    kept = [tensor for record in plane._recording.records for tensor in (*record.constants, *record.affine.constants)]
    kept += plane._terms.kept
    kept += [objective.theta, along._vectors]
    before = [tensor.clone() for tensor in kept]
    np.testing.assert_array_equal(along.at(coordinates()), first)
    assert all(torch.equal(one, other) for one, other in zip(kept, before, strict=True))
    assert plane.current


@pytest.mark.parametrize("name", MODELS)
def test_parameters_that_stay_are_kept_as_they_were(name: str) -> None:
    """Whatever other points are written where they stand in the model, and without falling back on it."""
    objective = case_named(name).build().objective()
    for block in (objective.blocks[0], objective.blocks[-1]):
        vectors = torch.zeros(1, objective.n_parameters).double()
        vectors[:, block.slice] = 1.0
        along = objective.along(vectors)
        first = along.at(coordinates(1))
        objective.at(objective.theta + 0.5).loss()
        np.testing.assert_array_equal(along.at(coordinates(1)), first)
        assert along._plane is not None
        assert along._plane.current


def test_numbers_that_the_record_does_not_have_are_not_taken_for_equal() -> None:
    """NaN is no more than any tolerance."""

    def peeked(layer: nn.Linear, x: Tensor) -> Tensor:
        first = ctypes.c_double.from_address(layer.weight.data_ptr()).value
        return torch.log(layer.weight[0, 0] - first + 1) + layer(x)

    model = Sequel(peeked)
    with torch.no_grad():
        model.layer.weight.fill_(100.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the gradient is not the loss's
        objective = Objective(model, F.mse_loss, data())
    vectors = -torch.ones(1, objective.n_parameters).double()
    along = compared(objective, vectors, np.array([[5.0], [-1.0]]))
    assert along.declined == ("the loss from the record is not the loss without it",)


def test_infinite_slopes_are_not_multiplied_by_zero() -> None:
    """The trial passes, for ∞ + a·∞ is the same there; at the centre and on its other side it is not."""
    model = Sequel(lambda layer, x: torch.clamp(layer(x / x.new_tensor([1.0, 1.0, 0.0])), -1, 1) + layer.bias)
    with pytest.warns(UserWarning, match="the gradient holds NaN or inf"):
        objective = Objective(model, F.mse_loss, data())
    along = compared(objective, objective.theta[None], np.array([[0.0], [1.0], [-0.5]]))
    assert along.declined == ("what is known along the directions is not finite",)


def test_where_no_trial_is_finite_there_is_nothing_to_compare() -> None:
    model = nn.Linear(2, 1, bias=False).double()
    nn.init.constant_(model.weight, 1e-9)
    objective = Objective(model, lambda out, _: torch.log(out).mean(), (torch.eye(2).double(), torch.zeros(2, 1)))
    along = objective.along(-torch.ones(1, 2))
    values = along.at([[0.1], [1.0], [-1.0]])
    assert np.isnan(values).tolist() == [True, True, False]
    assert values[2] == pytest.approx(np.log(1 + 1e-9))
    assert along.declined == ("no finite loss to compare at",)


def test_directions_of_zeros() -> None:
    objective = case_named("MLP with tanh").build().objective()
    vectors = torch.zeros(2, objective.n_parameters).double()
    along = compared(objective, vectors)
    assert along.declined == ("the directions move nothing",)
    vectors[1] = directions(objective)[0]
    assert compared(objective, vectors).spared_parameters == ("0.weight", "0.bias")


@pytest.mark.parametrize("frozen", [False, True])
def test_inputs_that_their_owner_changes_are_read_anew(frozen: bool) -> None:
    """Whether they are what is multiplied or what that was computed from, and how little they change."""
    body = nn.Sequential(nn.Linear(3, 4), nn.Tanh()) if frozen else nn.Identity()
    model = nn.Sequential(body, nn.Linear(4 if frozen else 3, 2)).double()
    x, y = data()
    objective = Objective(model, F.mse_loss, (x, y), parameters="1.*")
    vectors, points = directions(objective), coordinates()
    along = compared(objective)
    assert along.spared_parameters == ("1.weight", "1.bias")
    for change in (1.0, 1e-11):
        x += change
        np.testing.assert_allclose(along.at(points), truth(objective, vectors, points), rtol=1e-13)
        fresh = compared(objective, rtol=1e-13)
        assert fresh.declined == ()
        assert fresh.spared_parameters == ("1.weight", "1.bias")


def test_features_of_a_frozen_body_count_as_memory() -> None:
    model = nn.Sequential(nn.Linear(3, 50), nn.Tanh(), nn.Linear(50, 1)).double()
    objective = Objective(model, F.mse_loss, data(samples=40, outputs=1), parameters="2.*")
    features, sums = 40 * 50 * 8, 40 * 1 * 4 * 8
    for budget, size, declined in (
        (features + sums, 40, ()),
        (features, 0, ()),
        (features - 1, None, ("what is computed once takes more memory than the budget",)),
    ):
        objective.release()
        objective._risk.ways.budget = budget
        along = compared(objective)
        assert along.declined == declined
        for record in along._plane._recording.records if along._plane else ():
            assert (record.bytes, record.affine.size) == (features, size)


def test_what_the_loss_does_not_come_from_is_not_kept() -> None:
    unused: list[Any] = []

    def more(layer: nn.Linear, x: Tensor) -> Tensor:
        factor = x.new_full((len(x), 2), 3.0)
        unused.append(weakref.ref(factor))
        hidden = layer(x)
        (hidden * factor).exp()
        return (hidden * 2).exp()

    along = compared(Objective(Sequel(more), F.mse_loss, data()))
    gc.collect()
    assert not any(reference() is not None for reference in unused)
    (record,) = along._plane._recording.records
    assert record.affine.size == 7 * 2  # twice the hidden layer, not that itself as well


class Stopped(Exception):  # noqa: N818
    pass


def test_recording_may_be_interrupted_at_every_checkpoint_and_taken_up_again() -> None:
    objective = case_named("MLP with ReLU").build().objective(batch_size=7)
    vectors, points = directions(objective), coordinates(points=1)
    expected = objective.along(vectors).at(points)
    for allowed in itertools.count():
        left = iter(range(allowed))

        def check(left: Any = left) -> None:
            if next(left, None) is None:
                raise Stopped

        objective.release()
        along = objective.along(vectors)
        try:
            with interruptible(check):
                along.at(points)
        except Stopped:
            assert all(len(one.records) == len(objective._risk.weights) for one in objective._records.values())
            np.testing.assert_array_equal(along.at(points), expected)
            assert along.declined == ()
        else:
            break
    assert allowed > 2 * len(objective._risk.weights)


class Called:
    """In place of a CUDA graph: calls the function, which reads the same memory each time."""

    made = 0

    def __init__(self, function: Callable[[Tensor], Tensor], arguments: Sequence[Tensor]) -> None:
        type(self).made += 1
        self._function = function
        function(*arguments)

    def __call__(self, point: Tensor) -> Tensor:
        return self._function(point).clone()


@pytest.mark.parametrize("name", MODELS)
def test_planes_of_one_record_take_turns_at_one_graph(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded_terms, "Replay", Called)
    monkeypatch.setattr(Recording, "replayable", True)
    objective = case_named(name).build().objective()
    one, other = directions(objective), 0.5 * directions(objective).flip(1)
    planes = [objective.along(vectors) for vectors in (one, other)]
    expected = [along.at(coordinates()) for along in planes]
    made = Called.made
    for along in planes:
        assert along._plane is not None
        along._plane._replayable = True
    for _ in range(2):
        for along, losses in zip(planes, expected, strict=True):
            np.testing.assert_allclose(along.at(coordinates()), losses, rtol=1e-12)
            assert along._plane is not None
            assert along._plane._replay is not None
    assert Called.made == made + 1


def test_a_graph_that_cannot_be_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = Mock(side_effect=RuntimeError("no such device"))
    monkeypatch.setattr(recorded_terms, "Replay", tried)
    objective = case_named("MLP with tanh").build().objective()
    expected = objective.along(directions(objective)).at(coordinates())
    for _ in range(2):
        along = objective.along(directions(objective))
        along.expect_many()
        along.at(coordinates(points=1))
        assert along._plane is not None
        along._plane._replayable = along._plane._recording.replayable
        np.testing.assert_allclose(along.at(coordinates()), expected, rtol=1e-12)
        assert along._plane._replay is None
    assert tried.call_count == 1


def test_a_reason_is_given_once_whatever_interrupted_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> Any:
        raise Stopped

    objective = case_named("MLP with tanh").build().objective()
    objective._risk.draws_random = True
    along = objective.along(directions(objective))
    along.joins_points = True
    with monkeypatch.context() as patched:
        patched.setattr(along_module, "put_together", stop)
        with pytest.raises(Stopped):
            along.at(coordinates())
    assert along.declined.count("the loss draws random numbers") == 1


def test_one_object_serves_two_threads() -> None:
    objective = case_named("residual convolution").build().objective(batch_size=4)
    along, points = objective.along(directions(objective)), coordinates(points=24)
    expected = objective.along(directions(objective)).at(points)
    objective.release()
    parts = [points[start::4] for start in range(4)]
    gate = threading.Barrier(4)

    def run(part: np.ndarray) -> np.ndarray:
        gate.wait(20)
        return np.concatenate([along.at(part[:2]), along.at(part[2:])])

    with ThreadPoolExecutor(4) as pool:
        for start, found in enumerate(pool.map(run, parts)):
            np.testing.assert_array_equal(found, expected[start::4])


def test_two_objects_share_their_records_at_once() -> None:
    objective = case_named("residual convolution").build().objective(batch_size=4)
    several = [(seed + 1.0) * directions(objective) for seed in range(4)]
    points = coordinates(points=12)
    expected = [objective.along(vectors).at(points) for vectors in several]
    objective.release()
    gate = threading.Barrier(4)

    def run(vectors: Tensor) -> np.ndarray:
        along = objective.along(vectors)
        gate.wait(20)
        return np.concatenate([along.at(points[:5]), along.at(points[5:])])

    with ThreadPoolExecutor(4) as pool:
        for found, theirs in zip(pool.map(run, several), expected, strict=True):
            np.testing.assert_array_equal(found, theirs)
    assert len(objective._records) == 1


@contextmanager
def half_precision() -> Any:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float16)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


MODES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "inference": torch.inference_mode,
    "no_grad": torch.no_grad,
    "grad": torch.enable_grad,
    "default dtype": half_precision,
}


@pytest.mark.parametrize("recording", MODES)
@pytest.mark.parametrize("evaluating", MODES)
def test_whatever_mode_the_caller_is_in(recording: str, evaluating: str) -> None:
    objective = case_named("MLP with tanh").build().objective(dtype=torch.float32)
    vectors, points = directions(objective), coordinates()
    expected = objective.along(vectors).at(points)
    objective.release()
    with ExitStack() as stack:
        stack.enter_context(MODES[recording]())
        along = objective.along(vectors)
        along.at(points[:1])
    with MODES[evaluating]():
        np.testing.assert_array_equal(along.at(points), expected)
        np.testing.assert_array_equal(objective.along(vectors).at(points), expected)
    assert along.declined == ()
    assert along.spared_parameters == ("0.weight", "0.bias")


def test_a_model_of_several_precisions_within_inference_mode() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2, dtype=torch.float64))
    objective = Objective(
        model, None, [data()], batch_loss=lambda net, pair: F.mse_loss(net[2](net[1](net[0](pair[0].float())).double()), pair[1])
    )
    vectors = directions(objective).float()
    expected = objective.along(vectors).at(coordinates())
    with torch.inference_mode():
        np.testing.assert_allclose(objective.along(vectors).at(coordinates()), expected, rtol=1e-6)


def test_a_record_that_data_written_to_behind_its_back_made_wrong_is_made_anew() -> None:
    torch.manual_seed(0)
    x, y = data()
    objective = Objective(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double(), F.mse_loss, (x, y))
    vectors = directions(objective)
    objective.along(vectors).at(coordinates())
    x.numpy()[:] *= 3  # which PyTorch does not count
    along = compared(objective, vectors)
    assert along.declined == ()
    assert along._plane is not None


class Turned(nn.Module):
    """Reads a parameter in three shapes, one of them a view of a view, and turns what was written over."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first = nn.Parameter(torch.randn(4, 3, generator=generator, dtype=torch.float64))
        self.square = nn.Parameter(torch.randn(2, 2, generator=generator, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.tanh(x @ self.first.T)
        turned = hidden.view(len(x), 2, 2).transpose(1, 2) @ self.square.t()
        return (turned @ self.square[0].unsqueeze(1)).flatten(1) + hidden[:, :2]


def test_views_are_taken_once_and_see_what_is_written_later() -> None:
    x, y = data()
    objective = Objective(Turned(), F.mse_loss, (x, y))
    along = compared(objective)
    assert along._plane is not None
    (record,) = along._plane._recording.records
    assert any(view.of >= len(record.reads) + len(record.affine.outputs) for view in record.views)  # of a view
    assert not {view.operation for view in record.views} - {
        *(torch.ops.aten.view.default, torch.ops.aten.t.default, torch.ops.aten.transpose.int),
        *(torch.ops.aten.slice.Tensor, torch.ops.aten.select.int, torch.ops.aten.unsqueeze.default),
    }
    assert along.at(coordinates()).tolist() == along.at(coordinates()).tolist()
