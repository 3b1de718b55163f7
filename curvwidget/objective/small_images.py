"""Averages over windows of small images on a CPU, as products with a matrix.

PyTorch's pooling goes number by number where an image's columns are next to one another in memory: a layer that averages 8 × 8
numbers to 4 × 4 takes longer than the convolution before it. The average is linear and the same for all images, so that it is
one matrix product, which takes a fifth of the time, and its derivative the product with the transpose. Where a number of an image
is not finite, though, all averages of that image come out as NaN.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, fx

from curvwidget.objective.rewriting import DEVICE, DTYPE, SHAPE, VALUE, constant

__all__ = ["average_by_product"]

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
                rows = graph.call_function(_aten.reshape.default, (images, [count, len(matrix)]))
                means = graph.call_function(_aten.mm.default, (rows, constant(graph, matrix)))
                result = graph.call_function(_aten.view.default, (means, list(shape)))
            rows.meta[SHAPE], means.meta[SHAPE] = torch.Size([count, len(matrix)]), torch.Size([count, matrix.shape[1]])
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
