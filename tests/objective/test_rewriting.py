"""Each rule that makes a list of operations shorter: the same numbers at other arguments, by the operations that were meant."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx

from curvwidget.objective.recording import compiled, record, settle, trace
from curvwidget.objective.rewriting import VALUE, join_products, prune, simplify, write_over

aten = torch.ops.aten
D = torch.float64
A, B = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(1), dtype=D)


def operations(graph: fx.Graph) -> list[str]:
    """What is called, without the constants."""
    nodes = [node for node in graph.nodes if node.op == "call_function" and VALUE not in node.meta]
    return ["part" if node.target is operator.getitem else node.target.__name__ for node in nodes]


def shortened(function: Callable[..., Tensor], *shapes: tuple[int, ...], joined: bool = True) -> list[str]:
    """Record at some numbers, compare at others, one and several, and list the operations; `joined`, those for one."""
    first, other = ([torch.randn(shape, dtype=D) for shape in shapes] for _ in range(2))
    found = record(function, first)
    copies = [argument.clone() for argument in other]
    for _ in range(2):  # a second time: nothing that is kept was written to
        torch.testing.assert_close(found(*other), function(*copies), rtol=1e-13, atol=1e-14)
    assert all(map(torch.equal, other, copies))
    pairs = [torch.stack(pair) for pair in zip(other, first, strict=True)]
    truth = torch.stack([function(*other), function(*first)])
    torch.testing.assert_close(found.several(*pairs), truth, rtol=1e-13, atol=1e-14)
    graph = trace(function, first)
    simplify(graph)
    if joined:
        join_products(graph)
    graph.lint()
    return operations(graph)


def test_what_is_computed_twice_is_computed_once() -> None:
    assert shortened(lambda v: v.exp() * v.exp().sum(), (5,)) == ["exp.default", "sum.default", "mul.Tensor"]
    assert shortened(lambda v: v.sum(0) * v.sum(1), (3, 3)).count("sum.dim_IntList") == 2  # along other dimensions: not the same
    assert shortened(lambda v, w: v.exp() + w.exp(), (3,), (3,)).count("exp.default") == 2


@pytest.mark.parametrize("swap", [False, True])
def test_a_sum_with_zeros_is_left_out(swap: bool) -> None:
    def total(v: Tensor, constant: Tensor) -> Tensor:
        return constant + v.exp() if swap else v.exp() + constant

    assert shortened(lambda v: total(v, torch.zeros(4, dtype=D)), (4,)) == ["exp.default"]
    assert shortened(lambda v: total(v, torch.tensor([0, 0, 0, 1e-3], dtype=D)), (4,)) == ["exp.default", "add.Tensor"]
    assert shortened(lambda v: total(v, torch.zeros(2, 4, dtype=D)), (4,)) == ["exp.default", "add.Tensor"]  # of another shape


def test_transposes_of_transposes_are_left_out() -> None:
    assert shortened(lambda v: v.exp().t().t(), (2, 3)) == ["exp.default"]
    assert shortened(lambda v: v.exp().transpose(0, 2).transpose(0, 2), (2, 3, 4)) == ["exp.default"]
    twice = shortened(lambda v: v.exp().transpose(0, 1).transpose(0, 2), (2, 3, 4))
    assert twice == ["exp.default", "transpose.int", "transpose.int"]


def test_views_of_views_are_one_view_and_one_of_the_same_shape_is_none() -> None:
    assert shortened(lambda v: v.exp().view(2, 6).view(4, 3).view(3, 4), (12,)) == ["exp.default", "view.default"]
    assert shortened(lambda v: v.exp().view(12), (12,)) == ["exp.default"]
    assert shortened(lambda v: v.exp().view(3, 4).view(12).sin(), (12,)) == ["exp.default", "view.default", "sin.default"]


def test_constant_factors_are_one() -> None:
    b, c = torch.randn(2, 4, dtype=D)
    assert shortened(lambda v: (v * b) * c, (4,)) == ["mul.Tensor"]
    assert shortened(lambda v: c * (b * v), (4,)) == ["mul.Tensor"]
    assert shortened(lambda v: aten.mul.Scalar(aten.div.Scalar(v, 3), 0.7), (4,)) == ["mul.Scalar"]
    assert shortened(lambda v: aten.div.Scalar(aten.mul.Scalar(v * b, 3.0) * c, 7), (4,)) == ["mul.Tensor"]
    assert shortened(lambda v: (v[:, None] * b) * c[:, None], (4,)) == ["unsqueeze.default", "mul.Tensor"]  # of several shapes
    assert shortened(lambda v: (v * v) * b, (4,)) == ["mul.Tensor", "mul.Tensor"]


def test_a_factor_that_others_read_before_the_next_stays_for_them() -> None:
    b, c = torch.randn(2, 4, dtype=D)

    def both(v: Tensor) -> Tensor:
        once = v * b
        return torch.cat([once, once * c])

    assert shortened(both, (4,)) == ["mul.Tensor", "mul.Tensor", "cat.default"]


@pytest.mark.parametrize("mask", [torch.tensor([True, False, True]), torch.tensor([3, 1, 2])], ids=["mask", "counts"])
def test_factors_that_are_no_floating_point_numbers_keep_the_precision_of_the_others(mask: Tensor) -> None:
    assert shortened(lambda v: aten.mul.Scalar(v * mask, 0.3), (3,)) == ["mul.Tensor", "mul.Scalar"]  # 0.3 as float32 is not 0.3


def test_a_sum_of_products_is_added_up_in_place() -> None:
    assert shortened(lambda v, w: v @ A + w @ B, (2, 3), (2, 3)) == ["mm.default", "addmm_.default"]
    assert shortened(lambda v: (v * A) + v @ B, (3, 3)) == ["mul.Tensor", "addmm_.default"]
    chain = shortened(lambda v, w: v @ A + w @ B + v.t() @ w, (3, 3), (3, 3))
    assert chain == ["mm.default", "addmm_.default", "t.default", "addmm_.default"]
    assert shortened(lambda v, w: v @ A + w @ B, (2, 3), (2, 3), joined=False) == ["mm.default", "mm.default", "add.Tensor"]


def test_a_sum_of_transposed_products_is_the_transpose_of_their_sum() -> None:
    assert shortened(lambda v, w: (v @ A).t() + (w @ B).t(), (2, 3), (2, 3)) == ["mm.default", "addmm_.default", "t.default"]
    assert shortened(lambda v, w: (v @ A).t() + w @ B, (3, 3), (3, 3))[-1] == "add.Tensor"  # one of them alone: as it was
    assert "add.Tensor" in shortened(lambda v: v[:2].t() + v.view(2, 2).t(), (4,))  # t() of a vector is that vector


def test_a_bias_and_a_product_are_one_operation() -> None:
    names = shortened(lambda v, bias: bias.view(1, 3).expand(2, 3) + v @ A, (2, 3), (3,))
    assert names == ["view.default", "addmm.default"]
    rows = shortened(lambda v, bias: v.view(1, 3) @ A + bias.view(1, 3).expand(2, 3), (3,), (3,))
    assert rows[-1] == "add.Tensor"  # a product of one row: not of the bias's shape


def test_nothing_is_added_into_what_others_read() -> None:
    def reads_one(v: Tensor) -> Tensor:
        product = v @ A
        return (product + v @ B) * product

    def reads_factor(v: Tensor) -> Tensor:
        scaled = v * A
        return (scaled + v @ B) * scaled

    for function in (reads_one, reads_factor):
        assert shortened(function, (3, 3))[1:] == ["mm.default", "add.Tensor", "mul.Tensor"]


def test_nothing_is_added_into_arguments_constants_or_views_of_them() -> None:
    constant = torch.randn(3, 3, dtype=D)
    before = constant.clone()
    assert shortened(lambda v: v + v @ A, (3, 3)) == ["mm.default", "add.Tensor"]
    assert shortened(lambda v: constant + v @ A, (3, 3)) == ["mm.default", "add.Tensor"]
    assert shortened(lambda v, w: v.view(3, 3) + w @ A, (9,), (3, 3))[-1] == "add.Tensor"
    assert torch.equal(constant, before)


def test_a_product_that_is_added_to_itself_is_computed_once() -> None:
    assert shortened(lambda v: v @ A + v @ A, (2, 3)) == ["mm.default", "add.Tensor"]


def test_a_smaller_summand_is_not_added_into() -> None:
    row = torch.randn(1, 3, dtype=D)
    assert shortened(lambda v, w: (v[:, None] * row) + w.view(1, 3) @ A, (3,), (3,))[-1] == "add.Tensor"


# One function for all dimensions: L(w) = Σ tanh(conv(tanh(conv(x, w₁)), w₂)), in which both weights' second derivatives meet.
def walk_of_convolution(
    dimensions: int, size: int, channels: int, **options: Any
) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor], Tensor]:
    convolve = (F.conv1d, F.conv2d, F.conv3d)[dimensions - 1]
    if options.pop("transposed", False):
        convolve = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[dimensions - 1]
    x = torch.randn(3, channels, *[size] * dimensions, dtype=D)
    groups = options.get("groups", 1)
    first, second = (channels, channels // groups, *[3] * dimensions), (channels, channels // groups, *[2] * dimensions)
    theta = 0.5 * torch.randn(torch.Size(first).numel() + torch.Size(second).numel(), dtype=D)

    def loss(theta: Tensor) -> Tensor:
        w, u = theta[: torch.Size(first).numel()].view(first), theta[torch.Size(first).numel() :].view(second)
        return torch.tanh(convolve(torch.tanh(convolve(x, w, **options)), u, **{**options, "padding": 1})).square().sum()

    leaf = theta.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(leaf), leaf, create_graph=True)
    return lambda v: torch.autograd.grad(gradient, leaf, v, retain_graph=True)[0], loss, theta


def convolutions(walk: Callable[[Tensor], Tensor], size: int) -> tuple[Counter[str], Counter[str]]:
    """Operations before and after; those that compute the gradient of a weight alone are counted by that name, too."""
    graph = trace(walk, [torch.randn(size, dtype=D)])
    graph.eliminate_dead_code()  # what autograd computes for leaves that nobody asked for

    def count() -> Counter[str]:
        backward = graph.find_nodes(op="call_function", target=aten.convolution_backward.default)
        return Counter(operations(graph) + ["of weight" for node in backward if node.args[10] == [False, True, False]])

    before = count()
    simplify(graph)
    return before, count()


SHAPES = [
    (dimensions, size, {"stride": stride, "padding": padding, "dilation": dilation})
    for dimensions, size in ((1, 11), (1, 12), (2, 8), (2, 9))
    for stride, padding, dilation in ((1, 0, 1), (2, 1, 1), (3, 0, 1), (1, 2, 2), (2, 2, 2), (3, 3, 2))
]
SHAPES += [(3, 5, {"stride": 2, "padding": 1, "dilation": 1}), (3, 6, {"stride": 1, "padding": 1, "dilation": 2})]
SHAPES += [(2, 9, {"stride": (2, 1), "padding": (0, 2), "dilation": (1, 2)})]
SHAPES += [(2, 6, {"transposed": True}), (1, 7, {"transposed": True, "stride": 2, "dilation": 2})]


@pytest.mark.parametrize(("dimensions", "size", "options"), SHAPES, ids=str)
def test_the_gradient_of_a_convolutions_weight_is_computed_as_such(dimensions: int, size: int, options: dict[str, Any]) -> None:
    walk, loss, theta = walk_of_convolution(dimensions, size, 2, **options)
    H = torch.autograd.functional.hessian(loss, theta)
    found = record(walk, [torch.randn_like(theta)])
    vectors = torch.randn(3, len(theta), dtype=D)
    close = {"rtol": 1e-9, "atol": 1e-11 * float(H.abs().max())}
    torch.testing.assert_close(torch.stack([found(vector) for vector in vectors]), vectors @ H, **close)
    torch.testing.assert_close(found.several(vectors), vectors @ H, **close)
    before, after = convolutions(walk, len(theta))
    rewritten = before["convolution.default"] - after["convolution.default"]
    assert rewritten > 0
    for name in ("convolution_backward.default", "of weight"):
        assert after[name] == before[name] + rewritten


@pytest.mark.parametrize("options", [{"groups": 2}, {"groups": 2, "stride": 2, "padding": 1}], ids=str)
def test_convolutions_in_groups_are_left_alone(options: dict[str, Any]) -> None:
    walk, loss, theta = walk_of_convolution(2, 6, 4, **options)
    H = torch.autograd.functional.hessian(loss, theta)
    found, vector = record(walk, [torch.randn_like(theta)]), torch.randn_like(theta)
    torch.testing.assert_close(found(vector), H @ vector, rtol=1e-9, atol=1e-11 * float(H.abs().max()))
    before, after = convolutions(walk, len(theta))
    for name in ("convolution.default", "convolution_backward.default"):
        assert after[name] == before[name]


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (3, 1), (1, 2), (1, 3)])
@pytest.mark.parametrize("cut", [slice(None), slice(1, None), slice(None, 2)], ids=str)
def test_a_convolution_whose_result_is_transposed_and_cut_has_the_numbers_of_the_function(
    stride: int, dilation: int, cut: slice
) -> None:
    x = torch.randn(2, 3, 11, dtype=D)
    for cuts in ((..., cut), (slice(None), cut), (cut,)):
        shortened(lambda v, cuts=cuts: F.conv1d(x, v, stride=stride, dilation=dilation)[cuts].transpose(0, 1), (4, 3, 3))


IMAGES, KERNEL = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(2), dtype=D), torch.randn(2, 3, 3, 3, dtype=D)
RUNNING = torch.zeros(2, dtype=D), torch.ones(2, dtype=D)


def with_itself(w: Tensor) -> Tensor:
    return torch.relu(w) + w


def with_its_transpose(w: Tensor) -> Tensor:
    return torch.relu(w) * w.t()


@pytest.mark.parametrize(
    ("function", "over"),
    [
        (lambda v: torch.relu(v @ A).sum(), ["relu_.default"]),
        (lambda v: torch.tanh(F.linear(v, A, B[0])) @ B, ["tanh_.default"]),
        (lambda v: F.gelu(F.silu(v @ A) @ B), ["silu_.default", "gelu_.default"]),
        (lambda v: F.elu(F.leaky_relu(v @ A, 0.2) @ B, 0.5), ["leaky_relu_.default", "elu_.default"]),
        (lambda v: torch.sigmoid(v @ A + F.hardtanh(v)), ["sigmoid_.default"]),  # the argument stays
        (lambda v: torch.relu(v) + 1, []),
        (lambda v: torch.relu(v.view(9)) + 1, []),
        (lambda v: torch.relu((v @ A).view(9)), []),  # a view: of whose memory is not asked
        (lambda v: with_itself(v @ A), []),  # what is read again stays
        (lambda v: with_its_transpose(v @ A), []),
        (lambda v: torch.relu(F.conv2d(IMAGES * v[0, 0], KERNEL)).mean(), ["relu_.default"]),
        (lambda v: torch.relu(F.batch_norm(F.conv2d(IMAGES * v[0, 0], KERNEL), *RUNNING)).mean(), ["relu_.default"]),
        (lambda v: torch.tanh(F.layer_norm(v @ A, (3,))), ["tanh_.default"]),
    ],
)
def test_activations_are_written_over_what_nobody_else_reads(function: Callable[[Tensor], Tensor], over: list[str]) -> None:
    with torch.no_grad():
        graph = trace(function, [torch.randn(3, 3, dtype=D)])
        prune(graph)
        write_over(graph, free=())
        graph.lint()
        assert [name for name in operations(graph) if name.partition(".")[0].endswith("_")] == over
        constants = settle(graph)
        found, other = compiled(graph), torch.randn(3, 3, dtype=D)
        before, kept = other.clone(), [tensor.clone() for tensor in constants]
        for _ in range(2):
            assert torch.equal(found(other, constants), function(other))  # the same operations: to the last bit
        assert torch.equal(other, before)
        assert all(map(torch.equal, constants, kept))


def test_arguments_that_may_be_written_to_are() -> None:
    graph = trace(lambda v, w: torch.relu(v) + torch.tanh(w), [torch.randn(3), torch.randn(3)])
    first, second, _ = graph.find_nodes(op="placeholder")
    write_over(graph, free={second})
    assert operations(graph) == ["relu.default", "tanh_.default", "add.Tensor"]
    assert first.users
