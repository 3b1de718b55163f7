"""Convolutions on images laid place by place give the same losses and products, and are chosen where they can be faster."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from curvwidget.objective import Objective, image_layout, recorded_walk
from curvwidget.objective import along as along_module
from curvwidget.objective.image_layout import has_many_channels, laid_channels_last
from curvwidget.objective.recorded_loss import RecordedLoss
from curvwidget.objective.recording import Recorded, trace
from tests.objective.planes import coordinates, directions

N_IMAGES = 6


class Residual(nn.Module):
    def __init__(self, norm: Callable[[int], nn.Module], stride: int) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(16, 24, 3, stride, 1, bias=False), nn.Conv2d(24, 24, 3, padding=1)
        self.norms = nn.ModuleList([norm(24), norm(24)])
        self.short = nn.Conv2d(16, 24, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norms[0](self.one(x)))
        return F.relu(self.norms[1](self.two(y)) + self.short(x))


class Hourglass(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(16, 32, 2, 2), nn.ConvTranspose2d(32, 16, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, F.gelu(self.up(F.gelu(self.down(x))))], 1)


BODIES: dict[str, Callable[[], tuple[nn.Module, int]]] = {
    "residual": lambda: (Residual(nn.BatchNorm2d, 1), 24),
    "residual with strides": lambda: (Residual(nn.BatchNorm2d, 2), 24),
    "group norm": lambda: (Residual(lambda channels: nn.GroupNorm(4, channels), 1), 24),
    "max pooling": lambda: (nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(16, 16, 2), nn.ReLU(), nn.MaxPool2d(2, 1)), 16),
    "average pooling": lambda: (nn.Sequential(nn.AvgPool2d(2), nn.Tanh(), nn.Conv2d(16, 20, 2, dilation=2)), 20),
    "depthwise": lambda: (nn.Sequential(nn.Conv2d(16, 16, 3, groups=16), nn.Conv2d(16, 32, 1), nn.SiLU()), 32),
    "grouped": lambda: (nn.Sequential(nn.Conv2d(16, 32, 3, groups=4), nn.Sigmoid()), 32),
    "transposed": lambda: (Hourglass(), 32),
    "instance norm": lambda: (nn.Sequential(nn.InstanceNorm2d(16), nn.Conv2d(16, 16, 3, padding=1)), 16),
}


class Net(nn.Module):
    def __init__(self, body: str, *, flatten: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.body, channels = BODIES[body]()
        self.flatten = flatten
        self.head = nn.LazyLinear(4) if flatten else nn.Linear(channels, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(torch.tanh(self.stem(x)))
        return self.head(x.view(len(x), -1) if self.flatten else x.mean((2, 3)))  # a view: of numbers as they lie in memory


def objective(body: str, *, flatten: bool = False, plain: bool = False, dtype: torch.dtype = torch.float32) -> Objective:
    net = Net(body, flatten=flatten).eval()
    x = torch.randn(N_IMAGES, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        net(x)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CURVWIDGET_PLAIN", str(int(plain)))
        return Objective(net.to(dtype), F.cross_entropy, (x.to(dtype), torch.arange(N_IMAGES) % 4))


@pytest.fixture
def laid_out(monkeypatch: pytest.MonkeyPatch) -> list[Recorded]:
    """Records of products with images laid out are believed to be faster, and noted."""
    found: list[Recorded] = []
    without = recorded_walk._verified

    def verified(recorded: Recorded, vector: Tensor, truth: Tensor) -> tuple[recorded_walk.RecordedWalk, float]:
        record, _ = without(recorded, vector, truth)
        found.append(recorded)
        return record, -float(len(found))

    monkeypatch.setattr(recorded_walk, "_verified", verified)
    return found


@pytest.mark.parametrize("flatten", [False, True], ids=["mean", "flattened"])
@pytest.mark.parametrize("body", BODIES)
def test_products_are_those_of_the_plain_way(body: str, flatten: bool, laid_out: list[Recorded]) -> None:
    there, truth = objective(body, flatten=flatten), objective(body, flatten=flatten, plain=True)
    vectors = torch.randn(5, there.n_parameters, generator=torch.Generator().manual_seed(2))
    expected = truth.hvp(vectors)
    there._products.expect_many()
    for at_once in (1, 5):
        there._risk.ways.at_once = at_once
        assert float((there.hvp(vectors) - expected).norm() / expected.norm()) < 2e-5
    plain, laid = laid_out
    assert there._products.records[0].constants is laid.constants
    changed = [two for one, two in zip(plain.constants, laid.constants, strict=True) if one is not two]
    assert changed
    assert all(image.is_contiguous(memory_format=torch.channels_last) for image in changed)
    parameters = there.theta.untyped_storage().data_ptr()
    assert not any(image.untyped_storage().data_ptr() == parameters for image in changed)


@pytest.mark.parametrize("flatten", [False, True], ids=["mean", "flattened"])
@pytest.mark.parametrize("body", BODIES)
def test_slices_are_those_of_the_plain_way(body: str, flatten: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(along_module, "_FIRST_POINTS", 0)
    there, truth = objective(body, flatten=flatten), objective(body, flatten=flatten, plain=True)
    vectors, points = directions(there), coordinates()
    along = there.along(vectors)
    np.testing.assert_allclose(along.at(points), truth.along(vectors).at(points), rtol=2e-5)
    assert along._plane is not None
    assert along.declined == ()
    (record,) = along._plane._recording.records
    images = [constant for constant in (*record.constants, *record.affine.constants) if constant.shape == (N_IMAGES, 3, 8, 8)]
    assert images
    assert all(image.is_contiguous(memory_format=torch.channels_last) for image in images)


def test_the_faster_of_two_records_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def kept(seconds: list[float]) -> bool:
        ticks = iter([0.0, seconds[0], 0.0, seconds[0], 0.0, seconds[1], 0.0, seconds[1]])
        with monkeypatch.context() as patch:
            patch.setattr(recorded_walk, "clock", lambda _: next(ticks))
            there = objective("residual")
            there._products.expect_many()
            there.hvp(torch.ones(there.n_parameters))
        constants = there._products.records[0].constants
        return any(one.ndim == 4 and not one.is_contiguous() for one in constants if one.shape[0] == N_IMAGES)

    assert kept([1.0, 0.5])
    assert not kept([0.5, 1.0])


def graph_of(net: nn.Module, x: Tensor) -> bool:
    weights = list(net.parameters())
    return has_many_channels(trace(lambda *_: net(x).sum(), weights))


def test_it_is_for_many_channels_in_single_precision_alone() -> None:
    x = torch.randn(2, 3, 6, 6)
    with torch.no_grad():
        assert graph_of(nn.Conv2d(3, 16, 3), x)
        assert not graph_of(nn.Conv2d(3, 15, 3), x)
        assert not graph_of(nn.Conv2d(3, 16, 3).double(), x.double())
        assert not graph_of(nn.Conv1d(3, 16, 3), x[:, :, 0])
        assert not graph_of(nn.Linear(6, 16), x)


def test_only_images_of_several_channels_are_laid_otherwise_and_the_same_image_once() -> None:
    image, single = torch.randn(2, 3, 4, 5), torch.randn(2, 1, 4, 5)
    others = [single, image[0], image.double(), torch.randn(2, 3, 1, 5), image.transpose(2, 3)]
    laid, again, *rest = laid_channels_last([image, image.view(2, 3, 4, 5), *others])
    assert laid is again
    assert torch.equal(laid, image)
    assert laid.is_contiguous(memory_format=torch.channels_last)
    assert all(one is other for one, other in zip(rest, others, strict=True))
    assert laid_channels_last([image], may=lambda _: False)[0] is image


def test_images_of_one_channel_keep_the_faster_pooling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(along_module, "_FIRST_POINTS", 0)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 16, 3), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(144, 4))
    x = torch.randn(N_IMAGES, 1, 8, 8)
    there = Objective(net, F.cross_entropy, (x, torch.arange(N_IMAGES) % 4))
    along = there.along(directions(there))
    along.at(coordinates())
    assert along._plane is not None
    assert along._plane.spreads_nan  # by the matrix of the averages


def test_what_is_laid_otherwise_counts_as_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(along_module, "_FIRST_POINTS", 0)

    def record(fewest: int) -> RecordedLoss:
        monkeypatch.setattr(image_layout, "_FEWEST", fewest)
        there = objective("residual")
        along = there.along(directions(there))
        along.at(coordinates())
        assert along._plane is not None
        (found,) = along._plane._recording.records
        return found

    assert record(16).bytes - record(100).bytes >= N_IMAGES * 3 * 8 * 8 * 4


@pytest.mark.usefixtures("laid_out")
@pytest.mark.parametrize("batch_size", [None, 4], ids=["one batch", "cut into two"])
@pytest.mark.parametrize("what", ["products", "slices"])
def test_images_that_their_owner_writes_to_are_read_anew(
    what: str, batch_size: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(along_module, "_FIRST_POINTS", 0)
    net = Net("residual", flatten=False).eval()
    x, y = torch.randn(N_IMAGES, 3, 8, 8), torch.arange(N_IMAGES) % 4
    there = Objective(net, F.cross_entropy, (x, y), batch_size=batch_size)
    vectors, points = directions(there), coordinates()
    along = there.along(vectors)
    there._products.expect_many()

    def asked(objective: Objective) -> np.ndarray:
        if what == "products":
            return objective.hvp(vectors).numpy()
        return (along if objective is there else objective.along(vectors)).at(points)

    before = asked(there)
    if what == "products":
        assert len(there._products.records) == len(there._risk.weights)
    x.mul_(-1.5)
    after = asked(there)
    np.testing.assert_allclose(after, asked(Objective(net, F.cross_entropy, (x, y))), rtol=1e-3, atol=1e-4 * np.abs(after).max())
    assert np.abs(after - before).max() > 0.01 * np.abs(before).max()
