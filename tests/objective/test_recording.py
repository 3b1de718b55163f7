"""A function written down by its operations: the same numbers for other arguments, refused where operations follow numbers."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import reduce

import pytest
import torch
from torch import Tensor

from curvwidget.objective import recording
from curvwidget.objective.recording import NotRecordableError, Recorded, record, trace
from curvwidget.objective.rewriting import VALUE

aten = torch.ops.aten
D = torch.float64


def recorded(function: Callable[..., Tensor], *arguments: Tensor) -> Recorded:
    """Record at some numbers, and compare at others: one, several, and once more."""
    found = record(function, arguments)
    other = [torch.randn_like(argument) for argument in arguments]
    truth = function(*(argument.clone() for argument in other))
    for _ in range(2):
        torch.testing.assert_close(found(*other), truth, rtol=1e-14, atol=1e-15)
    several = found.several(*(torch.stack([argument, 2 * argument]) for argument in other))
    torch.testing.assert_close(several[0], truth, rtol=1e-14, atol=1e-15)
    return found


def test_what_depends_on_no_argument_is_computed_once_and_kept_where_it_is_used() -> None:
    x, calls = torch.randn(4, dtype=D), []

    def function(v: Tensor) -> Tensor:
        calls.append(1)
        slope = 1 - torch.tanh(3 * x) ** 2  # four operations
        _ = x.exp()
        return v * slope

    found = record(function, [torch.randn(4, dtype=D)])
    (constant,) = found.constants
    torch.testing.assert_close(constant, 1 / torch.cosh(3 * x) ** 2)
    v = torch.randn(4, dtype=D)
    torch.testing.assert_close(found(v), v / torch.cosh(3 * x) ** 2)
    assert len(calls) == 1


def test_arguments_of_any_number_and_dtype() -> None:
    recorded(lambda v, w: (v[:, None] * w).sum(0), torch.randn(3, dtype=D), torch.randn(3, 2, dtype=D))
    found = record(lambda v: v.double() * 2, [torch.randn(3)])
    assert found(torch.ones(3)).dtype == D


@pytest.mark.parametrize(
    "function",
    [
        lambda v: v.clone().mul_(2).add_(v),
        lambda v: torch.zeros_like(v).add_(v),
        lambda v: torch.zeros(3, dtype=D).copy_(v).sin(),
        lambda v: torch.ones(3, dtype=D).mul_(v),
        lambda v: v.exp().clamp_(min=1),
        lambda v: torch.arange(5, dtype=D).index_add_(0, torch.tensor([0, 0, 4]), v),
        lambda v: v.exp().masked_fill_(torch.tensor([True, False, False]), 0),
        lambda v: v.new_zeros(3).add_(v) * v.new_ones(3),
        lambda v: v.sin().unsqueeze_(0).squeeze_(0),
    ],
    ids=range(9),
)
def test_writing_in_place_is_recorded_as_what_it_gives(function: Callable[[Tensor], Tensor]) -> None:
    argument = torch.randn(3, dtype=D)
    before = argument.clone()
    recorded(function, argument)
    assert torch.equal(argument, before)


def test_parts_and_lists_of_tensors() -> None:
    recorded(lambda v: torch.cat([part.exp() for part in reversed(v.split([1, 2]))]), torch.randn(3, dtype=D))
    recorded(lambda v: torch.stack(v.view(2, 3).unbind(1)).sin(), torch.randn(6, dtype=D))
    recorded(lambda v: v.view(2, 3).max(dim=1).values, torch.randn(6, dtype=D))
    recorded(lambda v: v.where(torch.tensor([True, False]), torch.tensor(-torch.inf, dtype=D)).exp(), torch.randn(2, dtype=D))


def test_complex_numbers() -> None:
    phase = torch.polar(torch.ones(4, dtype=D), torch.arange(4, dtype=D))

    def turned(v: Tensor) -> Tensor:
        return torch.view_as_real(torch.view_as_complex(v.view(4, 2)).conj() * phase * (2 + 1j) / 3).flatten()

    recorded(turned, torch.randn(8, dtype=D))
    recorded(lambda v: torch.fft.irfft(torch.fft.rfft(v) * phase, n=7), torch.randn(7, dtype=D))


@pytest.mark.parametrize(
    "function",
    [
        lambda v: v * float(v.sum()),
        lambda v: v if v.sum() > 0 else -v,
        lambda v: v[v > 0].sum(),
        lambda v: v * len(v.nonzero()),
        lambda v: v * torch.rand_like(v),
        lambda v: torch.dropout(v, 0.5, train=True),
        lambda v: v * torch.equal(v, v.abs()),
        lambda v: torch.linalg.solve(torch.eye(len(v)).to(v) + v, v.unsqueeze(1)),
    ],
    ids=["float", "if", "mask", "nonzero", "noise", "dropout", "equal", "solve"],
)
def test_where_operations_follow_numbers_there_is_no_record(function: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(NotRecordableError, match="looks at numbers"):
        record(function, [torch.randn(3, dtype=D)])


def test_noise_that_depends_on_no_argument_is_a_constant() -> None:
    one = torch.ones(3, dtype=D)
    torch.manual_seed(3)
    noise = torch.rand(3, dtype=D)
    torch.manual_seed(3)
    found = record(lambda v: v * torch.rand(3, dtype=D), [one])
    assert torch.equal(found(one), noise)
    assert torch.equal(found(one), noise)


def test_a_result_without_the_argument_is_refused() -> None:
    for function in (lambda v: torch.ones(3), torch.zeros_like, lambda v: torch.ones(len(v)), lambda v: 2 * v.new_zeros(3)):
        with pytest.raises(NotRecordableError, match="the result does not depend on the arguments"):
            record(function, [torch.randn(3, dtype=D)])


def test_a_list_of_operations_that_would_take_minutes_to_compile_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_MOST", 50)

    def sines(count: int) -> Callable[[Tensor], Tensor]:
        return lambda v: reduce(lambda x, _: x.sin(), range(count), v)

    recorded(sines(40), torch.randn(2, dtype=D))
    with pytest.raises(NotRecordableError, match="more than 50 operations"):
        record(sines(60), [torch.randn(2, dtype=D)])


def test_writing_by_out_is_refused() -> None:
    place = torch.empty(3, dtype=D)
    with pytest.raises(NotRecordableError, match="writes to its arguments"):
        record(lambda v: torch.add(v, 1, out=place), [torch.randn(3, dtype=D)])


def test_what_others_will_write_to_is_copied_by_the_owner() -> None:
    weight = torch.randn(3, 3, dtype=D)
    memory = weight.untyped_storage().data_ptr()
    v = torch.randn(3, dtype=D)

    def own(tensor: Tensor) -> Tensor:
        return tensor.clone() if tensor.untyped_storage().data_ptr() == memory else tensor

    kept, copied = record(lambda v: weight.t() @ v, [v]), record(lambda v: weight.t() @ v, [v], own=own)
    before = copied(v)
    torch.testing.assert_close(before, weight.t() @ v)
    weight.add_(1)
    assert torch.equal(copied(v), before)
    torch.testing.assert_close(kept(v), weight.t() @ v)


def test_a_record_holds_no_graph_of_autograd_and_nothing_that_it_does_not_need() -> None:
    def make() -> tuple[Recorded, list[weakref.ref[Tensor]]]:
        leaf = torch.randn(3, dtype=D, requires_grad=True)
        needed, zeros = torch.tanh(leaf), torch.zeros(3, dtype=D)
        found = record(lambda v: v * needed + zeros, [torch.randn(3, dtype=D)])
        assert found.constants[0].data_ptr() == needed.data_ptr()
        return found, [weakref.ref(tensor) for tensor in (leaf, needed, zeros)]

    found, gone = make()
    assert [reference() for reference in gone] == [None, None, None]
    (constant,) = found.constants
    assert constant.grad_fn is None
    kept = weakref.ref(constant)
    del constant
    assert kept() is not None
    del found
    assert kept() is None  # without a garbage collection


def test_the_operations_are_listed_once_with_their_constants() -> None:
    x = torch.randn(3, dtype=D)
    graph = trace(lambda v: (v * x).sum() + (v + x).sum(), [torch.randn(3, dtype=D)])
    constants = [node for node in graph.nodes if VALUE in node.meta]
    assert [node.meta[VALUE] is x for node in constants] == [True]
    names = [node.target.__name__ for node in graph.nodes if node.op == "call_function" and node not in constants]
    assert names == ["mul.Tensor", "sum.default", "add.Tensor", "sum.default", "add.Tensor"]


def test_equal_constants_that_are_nobody_elses_are_kept_once() -> None:
    mine, same = torch.arange(3.0), torch.arange(3.0)  # of two owners, who may write to them

    def function(x: Tensor) -> Tensor:
        return x * mine + x * same + x * (mine + 1) + x * torch.arange(1.0, 4.0)

    recorded = record(function, [torch.ones(3)])
    x = torch.randn(3)
    torch.testing.assert_close(recorded(x), function(x))
    owned = [constant for constant in recorded.constants if constant.data_ptr() in (mine.data_ptr(), same.data_ptr())]
    assert len(owned) == 2
    assert len(recorded.constants) == 3  # and 1, 2, 3, which was computed in two ways
