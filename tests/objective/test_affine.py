"""What is affine in a function's arguments: its values and slopes, against the function itself at other arguments."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from curvwidget.objective import Objective, affine
from curvwidget.objective import along as along_module
from curvwidget.objective.affine import AffinePart, split_affine
from curvwidget.objective.recording import compiled, settle, trace
from curvwidget.objective.rewriting import VALUE

aten = torch.ops.aten
D = torch.float64
Function = Callable[..., Any]


@pytest.fixture(autouse=True)
def as_while_recording() -> Iterator[None]:
    with torch.no_grad():
        yield


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + 100 * len(shape)), dtype=D)


def parts(value: Any) -> list[Tensor]:
    return [value] if isinstance(value, Tensor) else list(value)


def loss(function: Function) -> Callable[..., Tensor]:
    """Σ y², which is affine in nothing, so that all of y has to be known."""
    return lambda *arguments: torch.stack([part.square().sum() for part in parts(function(*arguments))]).sum()


def split(function: Function, arguments: Sequence[Tensor], n_directions: int | None = 2) -> tuple[AffinePart, fx.Graph]:
    return split_affine(trace(loss(function), list(arguments)), n_directions)


def found(part: AffinePart) -> list[Any]:
    return [node.target for node in part.steps if VALUE not in node.meta]


# By operation, ways to call it with what varies at each place where it may: a function, and the shapes of its arguments.
M, X, B = numbers(4, 3), numbers(2, 3, 6, 5), numbers(2, 4, 3)


def convolution(image: Tensor, kernel: Tensor, bias: Tensor | None, *, transposed: bool = False, groups: int = 1) -> Tensor:
    return aten.convolution(image, kernel, bias, [2, 1], [0, 1], [1, 2], transposed, [0, 0], groups)


WAYS: dict[Any, list[tuple[Any, ...]]] = {
    aten.add.Tensor: [
        (lambda w: w + M, (3,)),
        (lambda w: M + w, (4, 3)),
        (lambda w: w + 2.5, (4,)),
        (lambda w: w + w, (4,)),
        (lambda w, u: torch.add(w, u, alpha=3), (4, 3), (3,)),
        (lambda w: torch.add(M, w, alpha=-2), (4, 1)),
    ],
    aten.sub.Tensor: [
        (lambda w: w - M, (3,)),
        (lambda w: M - w, (4, 3)),
        (lambda w: w - 2.5, (4,)),
        (lambda w, u: torch.sub(w, u, alpha=3), (4, 3), (3,)),
    ],
    aten.mul.Tensor: [
        (lambda w: w * M, (3,)),
        (lambda w: M * w, (4, 3)),
        (lambda w: w * 2.5, (4,)),
        (lambda w: w * (M > 0), (4, 3)),
    ],
    aten.mm.default: [(lambda w: w @ M, (2, 4)), (lambda w: M @ w, (3, 5))],
    aten.bmm.default: [(lambda w: torch.bmm(w, B), (2, 5, 4)), (lambda w: torch.bmm(B, w), (2, 3, 5))],
    aten.addmm.default: [
        (lambda b: torch.addmm(b, M, M.t()), (4,)),
        (lambda w: torch.addmm(M, w, M), (4, 4)),
        (lambda w: torch.addmm(M[0], M, w, beta=-2, alpha=3), (3, 3)),
        (lambda b, w: F.linear(M, w, b), (5,), (5, 3)),
        (lambda b, w: torch.addmm(b, w, M, beta=0.5, alpha=3), (4, 3), (4, 4)),
    ],
    aten.convolution.default: [
        (lambda w: convolution(X, w, None), (4, 3, 2, 2)),
        (lambda w: convolution(w, X, None), (4, 3, 7, 9)),
        (lambda w: convolution(X, w, M[:, 0]), (4, 3, 2, 2)),
        (lambda b: convolution(X, X[:1, :, :2, :2], b), (1,)),
        (lambda w, b: convolution(X, w, b, groups=3), (6, 1, 2, 2), (6,)),
        (lambda w, b: convolution(X, w, b, transposed=True), (3, 4, 2, 2), (4,)),
        (lambda x, b: convolution(x, X[:, :, :2, :2], b), (2, 3, 6, 5), (2,)),
    ],
    aten.mul.Scalar: [(lambda w: aten.mul.Scalar(w, -3.5), (4,))],
    aten.div.Scalar: [(lambda w: aten.div.Scalar(w, -3.5), (4,))],
    aten.div.Tensor: [(lambda w: w / M, (3,)), (lambda w: w / 7, (3,))],
    aten.neg.default: [(lambda w: -w, (3,))],
    aten.sum.dim_IntList: [(lambda w: w.sum(1), (4, 3)), (lambda w: w.sum((0, 2), keepdim=True), (4, 3, 2))],
    aten.mean.dim: [(lambda w: w.mean(-1), (4, 3)), (lambda w: w.mean((0, 2), keepdim=True), (4, 3, 2))],
    aten.view.default: [(lambda w: w.view(3, 4), (4, 3))],
    aten._unsafe_view.default: [(lambda w: aten._unsafe_view(w, [3, 4]), (4, 3))],
    aten.t.default: [(lambda w: w.t(), (4, 3))],
    aten.transpose.int: [(lambda w: w.transpose(1, 2), (2, 4, 3))],
    aten.permute.default: [(lambda w: w.permute(2, 0, 1), (2, 4, 3))],
    aten.expand.default: [(lambda w: w.expand(5, 4, 3), (4, 1))],
    aten.unsqueeze.default: [(lambda w: w.unsqueeze(1), (4, 3))],
    aten.squeeze.dim: [(lambda w: w.squeeze(1), (4, 1, 3))],
    aten.slice.Tensor: [(lambda w: w[:, 1:6:2], (2, 7))],
    aten.select.int: [(lambda w: w[1], (2, 7))],
    aten.split_with_sizes.default: [(lambda w: w.split_with_sizes([2, 5], 1), (3, 7))],
    aten.split.Tensor: [(lambda w: aten.split.Tensor(w, 3, 1), (3, 7))],
    operator.getitem: [(lambda w: w.split_with_sizes([2, 5], 1)[1], (3, 7))],
    aten.clone.default: [(lambda w: w.clone(), (3,)), (lambda w: w.t().contiguous(), (3, 2))],
}
_EACH = [
    pytest.param(target, function, shapes, id=f"{getattr(target, '__name__', target)}-{number}")
    for target, ways in WAYS.items()
    for number, (function, *shapes) in enumerate(ways)
]


def test_each_operation_that_is_taken_for_affine_is_tried() -> None:
    # A trace has views and copies in place of reshape, which comes from averages and maxima: tried with them (test_pooling.py).
    assert set(WAYS) == set(affine._TERMS) - {aten.reshape.default}


@pytest.mark.parametrize(("target", "function", "shapes"), _EACH)
def test_values_and_slopes_are_those_of_the_function(
    target: Any, function: Function, shapes: Sequence[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(affine, "_MULTIPLICATIONS_A_TERM", 0)  # everything is worth it
    theta = [numbers(*shape, seed=1 + place) for place, shape in enumerate(shapes)]
    vectors = [[numbers(*shape, seed=10 * row + place) for place, shape in enumerate(shapes)] for row in (1, 2)]
    part, rest = split(function, theta)
    assert target in found(part)
    assert part.size == sum(piece.numel() for piece in parts(function(*theta)))

    origin = part.values(theta)
    torch.testing.assert_close(origin, parts(function(*theta)), rtol=0, atol=0)
    slopes = [part.slopes(vector) for vector in vectors]
    for vector, slope in zip(vectors, slopes, strict=True):
        there = parts(function(*(one + two for one, two in zip(theta, vector, strict=True))))
        differences = [one - two for one, two in zip(there, parts(function(*theta)), strict=True)]
        torch.testing.assert_close(slope, differences, rtol=1e-12, atol=1e-13)

    constants = settle(rest)
    evaluate = compiled(rest)
    nothing = [torch.full(shape, torch.nan, dtype=D) for shape in shapes]  # the rest reads no argument
    for a, b in ((0.0, 0.0), (0.3, -0.2), (-1e-7, 0.0), (3e6, 2e6), (0.0, -1e12)):
        known = [one + a * two + b * three for one, two, three in zip(origin, *slopes, strict=True)]
        point = [one + a * two + b * three for one, two, three in zip(theta, *vectors, strict=True)]
        torch.testing.assert_close(evaluate(*nothing, *known, constants), loss(function)(*point), rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda w: w * w, [(3,)]),
        (lambda w, u: w * u, [(3,), (3,)]),
        (lambda w, u: w @ u, [(2, 3), (3, 4)]),
        (lambda w: w @ w, [(3, 3)]),
        (torch.bmm, [(2, 3, 4), (2, 4, 3)]),
        (lambda w, u: torch.addmm(M[:3, :3], w, u), [(3, 2), (2, 3)]),
        (torch.addmm, [(3,), (3, 2), (2, 3)]),
        (lambda x, w: convolution(x, w, None), [(2, 3, 6, 5), (4, 3, 2, 2)]),
        (lambda w: M / w, [(3,)]),
        (lambda w: w / w.sum(0), [(3,)]),
        (lambda w: (w * w).sum(0), [(3, 2)]),
        (lambda w: w.abs() + M[0], [(3,)]),
        (lambda w: w + w.exp(), [(3,)]),
        (lambda w: torch.div(w, M[0], rounding_mode="floor"), [(3,)]),
    ],
    ids=range(14),
)
def test_what_is_not_affine_is_left_alone(
    function: Function, shapes: Sequence[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(affine, "_MULTIPLICATIONS_A_TERM", 0)
    theta = [numbers(*shape, seed=1 + place) for place, shape in enumerate(shapes)]
    part, rest = split(function, theta)
    known = part.values(theta)
    torch.testing.assert_close(known, [theta[0].sum(0)] if aten.sum.dim_IntList in found(part) else [])
    constants = settle(rest)
    evaluate = compiled(rest)
    other = [2 * piece + 1 for piece in theta]
    known = part.values(other)
    torch.testing.assert_close(evaluate(*other, *known, constants), loss(function)(*other), rtol=1e-14, atol=0)


def test_a_product_of_two_known_outputs_is_computed_from_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affine, "_MULTIPLICATIONS_A_TERM", 0)
    theta = [numbers(4, 3), numbers(3, 4, seed=1)]
    part, rest = split(lambda w, u: ((w * 2) @ (u + 1)) * M[0, 0], theta)
    assert found(part) == [aten.mul.Tensor, aten.add.Tensor]
    assert [node.target for node in rest.find_nodes(op="call_function", target=aten.mm.default)] == [aten.mm.default]
    w, u = theta
    torch.testing.assert_close(part.values(theta), [w * 2, u + 1], rtol=0, atol=0)
    torch.testing.assert_close(part.slopes(theta), [w * 2, u], rtol=0, atol=0)


def test_only_what_others_read_is_known_and_only_what_it_needs_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affine, "_MULTIPLICATIONS_A_TERM", 0)

    def function(w: Tensor, u: Tensor) -> list[Tensor]:
        inner = w + M
        return [inner * 2, inner.t(), (u * 5).exp() * M.sum()]

    theta = [numbers(4, 3), numbers(2)]
    graph = trace(loss(function), theta)
    before = str(graph)
    part, rest = split_affine(graph, 1)
    torch.testing.assert_close(part.values(theta), [(theta[0] + M) * 2, (theta[0] + M).t(), theta[1] * 5], rtol=0, atol=0)
    assert [node.target for node in part.outputs] == [aten.mul.Tensor, aten.t.default, aten.mul.Tensor]
    assert len(found(part)) == 4
    (constant,) = part.constants
    assert constant.data_ptr() == M.data_ptr()
    assert [node.name for node in rest.find_nodes(op="placeholder")] == [
        *("argument_0", "argument_1", "known_0", "known_1", "known_2", "constants"),
    ]
    assert str(graph) == before  # it may be split once more
    nothing, whole = split_affine(graph, None)
    assert (nothing.outputs, nothing.steps, nothing.size, nothing.values(theta)) == ((), (), 0, [])
    constants = settle(whole)
    torch.testing.assert_close(compiled(whole)(*theta, constants), loss(function)(*theta), rtol=1e-14, atol=0)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_layer_is_known_where_that_is_less_work_than_to_multiply(k: int) -> None:
    """A sum of k + 1 terms reads k + 1 numbers, each of them as long as sixteen multiplications."""
    limit = 16 * (k + 1)
    for width, kept in ((limit, True), (limit - 1, False)):
        x, image = numbers(4, width), numbers(2, width, 3, 3)
        stack = numbers(2, 5, width)
        functions: list[tuple[Function, tuple[int, ...]]] = [
            (lambda w, x=x: x @ w, (width, 3)),
            (lambda w, x=x: F.linear(x, w), (3, width)),
            (lambda w, x=x: torch.addmm(x[0, :3], x, w), (width, 3)),
            (lambda w, stack=stack: torch.bmm(stack, w), (2, width, 3)),
            (lambda w, image=image: F.conv2d(image, w), (3, width, 1, 1)),
            (lambda w, x=x: (x @ w).view(2, 2, 3).permute(2, 0, 1), (width, 3)),  # a view costs nothing
        ]
        for number, (function, shape) in enumerate(functions):
            part, _ = split(function, [numbers(*shape)], k)
            assert bool(part.outputs) == kept, number
    image = numbers(2, limit // 4, 5, 5)
    assert split(lambda w: F.conv2d(image, w), [numbers(3, limit // 4, 2, 2)], k)[0].outputs
    assert not split(lambda w: F.conv2d(image, w), [numbers(3, limit // 4, 2, 1)], k)[0].outputs


@pytest.mark.parametrize("k", [1, 2, 3])
def test_so_many_steps_number_by_number_are_worth_as_much(k: int) -> None:
    def scaled(times: int) -> Function:
        def function(w: Tensor) -> Tensor:
            for _ in range(times):
                w = w * M
            return w

        return function

    assert split(scaled(k + 1), [numbers(4, 3)], k)[0].outputs
    assert not split(scaled(k), [numbers(4, 3)], k)[0].outputs


@pytest.mark.parametrize("k", [1, 2])
def test_what_is_known_has_to_fit_the_budget(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The origin, k slopes, and their sum."""
    monkeypatch.setattr(along_module, "_FIRST_POINTS", 0)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(50, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    objective = Objective(model, F.mse_loss, (numbers(9, 50), numbers(9, 1)))
    vectors = numbers(k, objective.n_parameters)
    points = np.array([[0.01] * k, [-0.02] * k])
    needed = 9 * 4 * 8 * (k + 2)
    plain = objective.along(vectors)
    plain.records_losses = False
    for budget, spared in ((needed, ("0.weight", "0.bias")), (needed - 1, ())):
        objective.release()
        objective._risk.ways.budget = budget
        along = objective.along(vectors)
        np.testing.assert_allclose(along.at(points), plain.at(points), rtol=1e-12)
        assert (along.spared_parameters, along.declined) == (spared, ())
