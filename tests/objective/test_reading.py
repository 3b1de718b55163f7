"""Data in any form is read once and whole."""

from __future__ import annotations

import dataclasses
from collections import UserDict, namedtuple
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from curvwidget._interrupt import interruptible
from curvwidget.objective import Objective
from curvwidget.objective.reading import read_batches
from curvwidget.objective.trees import map_tensors

X, Y = torch.randn(21, 3, generator=torch.Generator().manual_seed(4)).double(), torch.arange(21) % 2
MODEL = nn.Linear(3, 2).double()
TRUTH = F.cross_entropy(MODEL(X), Y).item()


class Mapped(Dataset[Any]):
    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, index: int) -> tuple[np.ndarray[Any, Any], int]:
        return X[index].numpy(), int(Y[index])


class Streamed(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return zip(X, Y, strict=True)


def generator() -> Iterator[tuple[Tensor, Tensor]]:
    for start in range(0, 21, 4):
        yield X[start : start + 4], Y[start : start + 4]


def backwards() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return X.flip(0).numpy()[::-1], Y.flip(0).numpy()[::-1]


def read_only() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    x, y = X.numpy().copy(), Y.numpy().copy()
    x.flags.writeable = y.flags.writeable = False
    return x, y


FORMS: dict[str, Callable[[], Any]] = {
    "tensors": lambda: (X, Y),
    "arrays": lambda: (X.numpy(), Y.numpy()),
    "arrays of negative stride": backwards,
    "read-only arrays": read_only,
    "a TensorDataset": lambda: TensorDataset(X, Y),
    "a dataset by index": Mapped,
    "a dataset by iteration": Streamed,
    "a list of batches": lambda: list(generator()),
    "a generator of batches": generator,
    "a loader": lambda: DataLoader(TensorDataset(X, Y), batch_size=5),
    "a loader that shuffles": lambda: DataLoader(TensorDataset(X, Y), batch_size=5, shuffle=True),
    "a loader with workers": lambda: DataLoader(Mapped(), batch_size=5, num_workers=2),
    "a loader of a stream": lambda: DataLoader(Streamed(), batch_size=5),
    "a loader that does not batch": lambda: DataLoader(TensorDataset(X[None], Y[None]), batch_size=None),
    "lists in a loader's batches": lambda: [[X[:9], Y[:9]], [X[9:], Y[9:]]],
    "tensors that require grad": lambda: (X.clone().requires_grad_(), Y),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("batch_size", [None, 6])
def test_every_form_of_the_data_gives_the_same_loss(form: Callable[[], Any], batch_size: int | None) -> None:
    objective = Objective(MODEL, F.cross_entropy, form(), batch_size=batch_size)
    assert objective.n_samples == 21
    assert objective.loss() == pytest.approx(TRUTH, rel=1e-12)
    assert objective.loss(objective.theta) == pytest.approx(TRUTH, rel=1e-12)


def test_a_large_dataset_is_read_piece_by_piece_to_its_end() -> None:
    x, y = torch.randn(600, 3).double(), torch.randint(2, (600,))
    objective = Objective(MODEL, F.cross_entropy, TensorDataset(x, y))
    assert objective.n_samples == 600
    assert objective.loss() == pytest.approx(F.cross_entropy(MODEL(x), y).item(), rel=1e-12)


def test_data_is_read_once_and_its_first_sample_a_few_times_more_to_see_whether_it_stays() -> None:
    read = 0

    class Counted(Mapped):
        def __getitem__(self, index: int) -> Any:
            nonlocal read
            read += 1
            return super().__getitem__(index)

    objective = Objective(MODEL, F.cross_entropy, Counted())
    objective.hvp(objective.theta)
    objective.loss(objective.theta + 1)
    assert read == 21 + 5


def test_samples_that_a_loader_leaves_out_are_mentioned() -> None:
    loader = DataLoader(TensorDataset(X, Y), batch_size=5, drop_last=True)
    objective = Objective(MODEL, F.cross_entropy, loader)
    assert objective.n_samples == 20
    assert objective.loss() == pytest.approx(F.cross_entropy(MODEL(X[:20]), Y[:20]).item(), rel=1e-12)
    assert objective.notes == ("the loader leaves out 1 of 21 samples (drop_last=True)",)
    assert Objective(MODEL, F.cross_entropy, DataLoader(TensorDataset(X, Y), batch_size=7, drop_last=True)).notes == ()


class Augmented(Mapped):
    """Adds noise, or turns a coin, whenever a sample is read."""

    def __init__(self, how: str) -> None:
        self.how = how
        self.own = np.random.default_rng(0)

    def __getitem__(self, index: int) -> tuple[np.ndarray[Any, Any], int]:
        x, y = super().__getitem__(index)
        noise = {
            "torch": lambda: torch.randn(3).double().numpy(),
            "numpy": lambda: np.random.randn(3),
            "a generator of its own": lambda: self.own.normal(size=3),
            "nothing": lambda: 0.0,
        }
        return x + noise[self.how](), y


@pytest.mark.parametrize("how", ["torch", "numpy", "a generator of its own", "nothing"])
@pytest.mark.parametrize(
    "load", [lambda data: data, lambda data: DataLoader(data, 5), lambda data: DataLoader(data, 5, num_workers=1)]
)
def test_a_data_set_that_gives_other_samples_at_each_reading_is_mentioned(how: str, load: Callable[[Any], Any]) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    objective = Objective(MODEL, F.cross_entropy, load(Augmented(how)))
    assert [note for note in objective.notes if "gives other samples at each reading (augmentation)" in note] == list(
        objective.notes
    )
    assert len(objective.notes) == (how != "nothing")
    assert objective.loss(objective.theta) == objective.loss()  # what was read stays
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]


def test_samples_with_nan_are_no_augmentation() -> None:
    x = X.clone()
    x[0, 0] = float("nan")

    def loss(model: nn.Module, batch: list[Tensor]) -> Tensor:
        return F.cross_entropy(model(batch[0].nan_to_num()), batch[1])

    assert Objective(MODEL, None, DataLoader(TensorDataset(x, Y), 5), batch_loss=loss).notes == ()


def test_tensors_that_lie_right_are_not_copied() -> None:
    objective = Objective(MODEL, F.cross_entropy, (X, Y))
    (x, y) = objective._risk.batches.items[0]
    assert x.data_ptr() == X.data_ptr()
    assert y.data_ptr() == Y.data_ptr()


@pytest.mark.parametrize("buffers", [1, 2])
@pytest.mark.parametrize("kind", ["tensors", "arrays", "one dictionary"])
def test_a_loader_may_fill_its_buffers_again_for_each_batch(buffers: int, kind: str) -> None:
    memory = [(torch.empty(3, 3).double(), torch.empty(3).long()) for _ in range(buffers)]
    dictionary: dict[str, Any] = {}

    def refilled() -> Iterator[Any]:
        for index, start in enumerate(range(0, 21, 3)):
            x, y = memory[index % buffers]
            x.copy_(X[start : start + 3])
            y.copy_(Y[start : start + 3])
            dictionary["x"], dictionary["y"] = x, y
            yield {"tensors": (x, y), "arrays": (x.numpy(), y.numpy()), "one dictionary": dictionary}[kind]
        x.zero_()

    if kind == "one dictionary":
        objective = Objective(
            MODEL, None, refilled(), batch_loss=lambda model, batch: F.cross_entropy(model(batch["x"]), batch["y"])
        )
    else:
        objective = Objective(MODEL, F.cross_entropy, refilled())
    assert objective.n_samples == 21
    assert objective.loss(objective.theta) == pytest.approx(TRUTH, rel=1e-12)


def test_batches_of_an_iterator_that_stay_as_they_are_are_not_copied() -> None:
    x = X.clone()
    x[0, 0] = float("nan")
    batches = read_batches(((x[start : start + 6], Y[:6]) for start in range(0, 15, 2)), device=X.device, dtype=None)
    assert [item[0].data_ptr() for item in batches.items] == [x[start].data_ptr() for start in range(0, 15, 2)]


def test_reading_may_be_interrupted() -> None:
    class StopError(Exception):
        pass

    def stop() -> None:
        raise StopError

    for data in (list(generator()), Mapped(), DataLoader(Mapped(), batch_size=3)):
        with pytest.raises(StopError), interruptible(stop):
            Objective(MODEL, F.cross_entropy, data)


@dataclasses.dataclass
class Sample:
    x: Tensor
    y: Tensor
    name: str = "kept"


Pair = namedtuple("Pair", ["x", "y"])


class Encoding(UserDict[str, Any]):
    """Offers its entries as attributes, as a tokenizer's output does."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self.data[name]
        except KeyError:
            raise AttributeError(name) from None


class Opaque:
    """A batch of a class that nobody knows; the loss writes to it."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y


def attribute_loss(model: nn.Module, batch: Any) -> Tensor:
    return F.cross_entropy(model(batch.x), batch.y)


@pytest.mark.parametrize(
    "kind", [Sample, Pair, lambda x, y: Encoding({"x": x, "y": y})], ids=["dataclass", "namedtuple", "mapping"]
)
def test_batches_keep_their_class_and_count_their_samples(kind: Callable[..., Any]) -> None:
    objective = Objective(MODEL, None, [kind(X[:5], Y[:5]), kind(X[5:], Y[5:])], batch_loss=attribute_loss)
    assert objective.n_samples == 21
    assert objective.loss() == pytest.approx(TRUTH, rel=1e-12)


def test_dtype_reaches_into_batches_of_any_structure() -> None:
    batch = {"pair": Pair(X, Y), "rest": [X.numpy(), {"deep": X}], "text": "as it was", "number": 3}
    seen: list[Any] = []

    def loss(model: nn.Module, given: Any) -> Tensor:
        seen.append(given)
        return attribute_loss(model, given["pair"])

    Objective(MODEL, None, batch, batch_loss=loss, dtype=torch.float32)
    for given in seen:
        assert given["pair"].x.dtype == given["rest"][0].dtype == given["rest"][1]["deep"].dtype == torch.float32
        assert given["pair"].y.dtype == torch.int64
        assert (given["text"], given["number"]) == ("as it was", 3)
    assert batch["pair"].x is X


def test_a_batch_of_an_unknown_class_counts_once_and_comes_fresh_to_every_call() -> None:
    def loss(model: nn.Module, batch: Opaque) -> Tensor:
        batch.x.mul_(2)
        return F.cross_entropy(model(batch.x), batch.y)

    given = [Opaque(X[:5].clone(), Y[:5]), Opaque(X[5:].clone(), Y[5:])]
    objective = Objective(MODEL, None, given, batch_loss=loss)
    truth = (F.cross_entropy(MODEL(2 * X[:5]), Y[:5]) + F.cross_entropy(MODEL(2 * X[5:]), Y[5:])).item() / 2
    assert "each Opaque counts as one sample" in objective.notes[0]
    for _ in range(3):
        assert objective.loss(objective.theta) == pytest.approx(truth, rel=1e-12)
    assert torch.equal(given[0].x, X[:5])


def test_a_batch_of_an_unknown_class_moves_itself_where_the_model_is() -> None:
    class Graph(Opaque):
        def to(self, device: torch.device) -> Graph:
            return Graph(self.x.to(device), self.y.to(device))

    given = Graph(X, Y)
    (moved,) = read_batches([given], device=torch.device("meta"), dtype=None).items
    assert (moved.x.device.type, moved.y.device.type) == ("meta", "meta")
    assert given.x is X


def test_packed_sequences_go_through_with_their_lengths() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.GRU(3, 2)

        def forward(self, packed: PackedSequence) -> Tensor:
            return self.rnn(packed)[1][0]

    model = Recurrent().double()
    packed = pack_padded_sequence(torch.randn(4, 3, 3).double(), torch.tensor([4, 1, 3]), enforce_sorted=False)
    target = torch.tensor([0, 1, 0])
    objective = Objective(model, None, [(packed, target)], batch_loss=lambda net, batch: F.cross_entropy(net(batch[0]), batch[1]))
    assert objective.loss() == pytest.approx(F.cross_entropy(model(packed), target).item(), rel=1e-12)
    objective.hvp(objective.theta)


def test_arrays_without_dimensions_stay_without() -> None:
    assert map_tensors({"scale": np.array(2.0)}, lambda tensor: tensor)["scale"].shape == ()
