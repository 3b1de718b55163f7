"""PyTorch's functions in place of overloads: each gives what its overload gives, to the last bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, fx
from torch.utils._pytree import tree_leaves, tree_map

from curvwidget.objective.bindings import _FUNCTIONS, _METHODS, bind
from curvwidget.objective.recording import compiled

aten = torch.ops.aten
V, W = torch.randn(2, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64).unbind()
A, B = torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64).unbind()
CUBE = torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
IMAGES, KERNEL = torch.randn(2, 3, 5, 5), torch.randn(4, 3, 2, 2)
WHOLE = torch.arange(6)

ARGUMENTS: dict[Any, list[tuple[Any, ...]]] = {
    aten._log_softmax.default: [(A, 0, False), (A, -1, False)],
    aten._softmax.default: [(A, 1, False)],
    aten.add.Tensor: [(A, B), (A, B[0]), (A, 2.5), (WHOLE, 2)],
    aten.addmm.default: [(V[:4], A, B), (V[:4].unsqueeze(1), A, B)],
    aten.addmm_.default: [(A, A, B)],
    aten.bmm.default: [(CUBE, CUBE)],
    aten.cat.default: [([A, B],), ([A, B], 1)],
    aten.clone.default: [(A.t(),)],
    aten.convolution.default: [(IMAGES, KERNEL, None, [1, 2], [1, 0], [1, 1], False, [0, 0], 1)],
    aten.div.Scalar: [(A, 3), (WHOLE, 4)],
    aten.div.Tensor: [(A, B), (WHOLE, WHOLE + 1)],
    aten.dot.default: [(V, W)],
    aten.exp.default: [(A,)],
    aten.expand.default: [(V, [3, 6]), (V.unsqueeze(0), [3, -1])],
    aten.maximum.default: [(A, B)],
    aten.mean.dim: [(A, [0]), (A, [0, 1], True), (A, None), (CUBE, [-1])],
    aten.mm.default: [(A, B)],
    aten.mul.Scalar: [(A, 2.5), (WHOLE, 2), (WHOLE, 0.5)],
    aten.mul.Tensor: [(A, B), (A, V[0]), (WHOLE, A[0, 0])],
    aten.neg.default: [(A,)],
    aten.permute.default: [(CUBE, [2, 0, 1])],
    aten.relu_.default: [(A,)],
    aten.reshape.default: [(CUBE, [4, 8]), (A.t(), [16])],
    aten.select.int: [(CUBE, 1, 2)],
    aten.sigmoid_.default: [(A,)],
    aten.sub.Tensor: [(A, B), (A, 2)],
    aten.sum.default: [(A,), (WHOLE > 2,)],
    aten.sum.dim_IntList: [(A, [0]), (A, [-1], True), (CUBE, [0, 2]), (A, None), (A, [])],
    aten.t.default: [(A,), (V,)],
    aten.take.default: [(A, WHOLE)],
    aten.tanh_.default: [(A,)],
    aten.transpose.int: [(CUBE, 0, -1)],
    aten.unsqueeze.default: [(A, 1), (A, -1)],
    aten.view.default: [(CUBE, [4, 8])],
    aten.where.self: [(A > 0, A, B)],
}
KEYWORDS: dict[Any, dict[str, Any]] = {
    aten.add.Tensor: {"alpha": 2},
    aten.sub.Tensor: {"alpha": 2},
    aten.clone.default: {"memory_format": torch.contiguous_format},
    aten.sum.dim_IntList: {"dtype": torch.float32},
    aten.sum.default: {"dtype": torch.float32},
    aten.mean.dim: {"dtype": torch.float32},
    aten.addmm_.default: {"alpha": 2},
}
CALLS = [(target, arguments, {}) for target, calls in ARGUMENTS.items() for arguments in calls]
CALLS += [(target, ARGUMENTS[target][0], keywords) for target, keywords in KEYWORDS.items()]


def test_each_binding_is_tried() -> None:
    assert ARGUMENTS.keys() == _FUNCTIONS.keys() | _METHODS.keys()


@pytest.mark.parametrize(("target", "arguments", "keywords"), CALLS, ids=[str(target) for target, *_ in CALLS])
def test_a_binding_gives_what_its_overload_gives(target: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    tensors = [leaf for leaf in tree_leaves(arguments) if isinstance(leaf, Tensor)]
    graph = fx.Graph()
    places = iter([graph.placeholder(f"tensor_{index}") for index in range(len(tensors))])
    graph.output(
        graph.call_function(
            target, tree_map(lambda leaf: next(places) if isinstance(leaf, Tensor) else leaf, arguments), keywords
        )
    )
    function = compiled(graph)
    assert not any(node.target is target for node in graph.nodes)
    expected = target(*tree_map(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, arguments), **keywords)
    found = function(*(tensor.clone() for tensor in tensors))
    assert (found.dtype, found.shape, found.stride()) == (expected.dtype, expected.shape, expected.stride())
    assert torch.equal(found, expected)


def test_other_operations_are_called_as_they_are() -> None:
    graph = fx.Graph()
    first = graph.placeholder("first")
    graph.output(graph.call_function(aten.tanh_backward.default, (first, first)))
    bind(graph)
    assert [node.target for node in graph.nodes][1] is aten.tanh_backward.default
