"""Averages and maxima over windows of images on a CPU, by operations that go through memory as it lies.

PyTorch's pooling goes number by number where an image's columns are next to one another in memory: a layer that makes 4 × 4
numbers of 8 × 8 takes longer than the convolution before it. An average is linear and the same for all images: for small ones it
is one matrix product, in a fifth of the time, and its derivative the product with the transpose (where a number of an image is
not finite, though, all its averages come out as NaN). The maxima over windows side by side are those of rows, then of columns, in
a tenth of the time.
"""

from __future__ import annotations

import math
import operator
from functools import reduce
from typing import Any

import torch
from torch import Tensor, fx

from curvwidget.objective.rewriting import DEVICE, DTYPE, SHAPE, VALUE, call, constant

__all__ = ["average_by_product", "maximum_by_rows"]

_aten = torch.ops.aten
_POOLS = {_aten.avg_pool2d.default, _aten._adaptive_avg_pool2d.default}
_BACKWARD = {_aten.avg_pool2d_backward.default, _aten._adaptive_avg_pool2d_backward.default}
_FEW, _MANY = 32, 1024  # numbers of the smaller and of the larger image: with more a product has more to multiply than it saves


def average_by_product(graph: fx.Graph) -> bool:
    """Rewrite averages over windows, and what they give back to a gradient, so that `torch.func.vmap` takes them as before.

    Args:
        graph: The operations, each node with its `SHAPE`, `DTYPE` and `DEVICE`; changed.

    Returns:
        Whether there was one.
    """
    found = False
    for target in (*_POOLS, *_BACKWARD):
        for node in graph.find_nodes(op="call_function", target=target):
            matrix = None if VALUE in node.meta else _matrix(node)
            if matrix is None:
                continue
            images, shape = node.args[0], node.meta[SHAPE]
            count = math.prod(shape[:-2])
            with graph.inserting_before(node):
                row, mean = (count, len(matrix)), (count, matrix.shape[1])
                rows = call(graph, _aten.reshape.default, images, list(row), shape=row)
                means = call(graph, _aten.mm.default, rows, constant(graph, matrix), shape=mean)
                result = call(graph, _aten.view.default, means, list(shape))
            result.meta.update(node.meta)
            node.replace_all_uses_with(result)
            graph.erase_node(node)
            found = True
    return found


# What the rows of the images are multiplied with; None where that would take longer.
def _matrix(node: fx.Node) -> Tensor | None:
    images, *options = node.args
    assert isinstance(images, fx.Node)
    given, result = (one.meta[SHAPE][-2:] for one in (images, node))
    small, large = sorted((math.prod(given), math.prod(result)))
    on_cpu = node.meta[DEVICE].type == "cpu" and node.meta[DTYPE] in (torch.float32, torch.float64)
    if not on_cpu or small > _FEW or large > _MANY or node.kwargs:
        return None
    size = math.prod(given)
    basis = torch.eye(size, dtype=node.meta[DTYPE]).reshape(size, 1, *given)
    if node.target in _BACKWARD:
        options[0] = basis.new_empty(size, 1, *result)  # which says its shape alone
    averaged: Any = node.target(basis, *options)  # type: ignore[operator]
    return averaged.reshape(size, -1)  # type: ignore[no-any-return]


def maximum_by_rows(graph: fx.Graph) -> None:
    """Rewrite maxima over windows that lie side by side, where nobody asks at which places they are.

    Args:
        graph: The operations, each node with its `SHAPE` and `DEVICE`; changed.
    """
    for node in graph.find_nodes(op="call_function", target=_aten.max_pool2d_with_indices.default):
        if VALUE in node.meta or any(user.target is not operator.getitem or user.args[1] != 0 for user in node.users):
            continue
        for user in list(node.users):
            with graph.inserting_before(user):
                if (result := _maximum(graph, node, user.meta)) is not None:
                    user.replace_all_uses_with(result)
                    graph.erase_node(user)
    graph.eliminate_dead_code()


def _maximum(graph: fx.Graph, node: fx.Node, kind: dict[str, Any]) -> fx.Node | None:
    images: Any = node.args[0]
    options: list[Any] = list(node.args[1:])
    tall, wide = _pair(options[0])
    *outer, height, width = images.meta[SHAPE]
    *_, rows, columns = kind[SHAPE]
    whole = (rows * tall, columns * wide) == (height, width)
    if not _side_by_side(*options, whole=whole) or node.kwargs or kind[DEVICE].type != "cpu":
        return None
    count = math.prod(outer)
    if not whole:
        images = call(graph, _aten.slice.Tensor, images, -2, 0, rows * tall, shape=(*outer, rows * tall, width))
        images = call(graph, _aten.slice.Tensor, images, -1, 0, columns * wide, shape=(*outer, rows * tall, columns * wide))
    windows = count * rows, tall, columns * wide
    lines = _largest(graph, call(graph, _aten.reshape.default, images, list(windows), shape=windows))
    windows = count * rows * columns, wide, 1
    largest = _largest(graph, call(graph, _aten.view.default, lines, list(windows), shape=windows))
    result = call(graph, _aten.view.default, largest, list(kind[SHAPE]))
    result.meta.update(kind)
    return result


def _side_by_side(kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil: bool = False, *, whole: bool) -> bool:
    apart = stride and _pair(stride) != _pair(kernel)
    return not apart and _pair(padding) == (0, 0) and _pair(dilation) == (1, 1) and (whole or not ceil)


# Along the second of three dimensions.
def _largest(graph: fx.Graph, tensor: fx.Node) -> fx.Node:
    first, count, last = tensor.meta[SHAPE]
    parts = [call(graph, _aten.select.int, tensor, 1, index, shape=(first, last)) for index in range(count)]
    return reduce(lambda one, other: call(graph, _aten.maximum.default, one, other, shape=(first, last)), parts)


def _pair(value: Any) -> tuple[int, int]:
    numbers = [value] if isinstance(value, int) else value
    return numbers[0], numbers[-1]
