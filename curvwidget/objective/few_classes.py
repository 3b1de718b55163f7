"""The cross entropy of few classes on a CPU, with a row a class instead of a row a sample.

PyTorch takes the logarithm of a softmax number by number where a row is shorter than a vector register, as with ten classes: of
512 samples that takes as long as the products of a small network. With samples next to one another it goes by registers.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx

from curvwidget.objective.rewriting import DEVICE, DTYPE, MADE, SHAPE, VALUE, call, constant

__all__ = ["lay_classes_in_rows"]

_aten = torch.ops.aten
_REGISTER = 16  # float32 numbers, at most; with half as many float64 ones it pays for as many classes
_MEAN, _SUM = 1, 2  # reductions


def lay_classes_in_rows(graph: fx.Graph) -> None:
    """Rewrite the cross entropy of few classes.

    Args:
        graph: Operations that are not differentiated or batched any more; changed.
    """
    for node in graph.find_nodes(op="call_function", target=_aten.nll_loss_forward.default):
        found = _cross_entropy(node)
        if found is None:
            continue
        logits, places, coefficients = found
        with graph.inserting_before(node):
            logs = call(graph, _aten._log_softmax.default, _transposed(graph, logits), 0, False)
            taken = call(graph, _aten.take.default, logs, constant(graph, places))
            loss = call(graph, _aten.dot.default, taken, constant(graph, coefficients))
        for user in list(node.users):
            user.replace_all_uses_with(loss)
    graph.eliminate_dead_code()


# Logits (n, classes) and, for known targets, where the logarithms of their probabilities (classes, n) lie that the loss is the
# weighted sum of, and the weights.
def _cross_entropy(node: fx.Node) -> tuple[fx.Node, Tensor, Tensor] | None:
    logs, target, weight, reduction, ignored = _values(node.args)
    if not isinstance(logs, fx.Node) or logs.target is not _aten._log_softmax.default or len(logs.users) > 1:
        return None
    logits, dimension, _ = logs.args
    assert isinstance(logits, fx.Node)
    shape = logits.meta.get(SHAPE, ())
    few = len(shape) == 2 and dimension in (1, -1) and shape[1] < _REGISTER
    on_cpu = logits.meta.get(DEVICE) == torch.device("cpu") and logits.meta.get(DTYPE) in (torch.float32, torch.float64)
    known = isinstance(target, Tensor) and not isinstance(weight, fx.Node)
    only_loss = all(user.target is operator.getitem and user.args[1] == 0 for user in node.users)
    if not (few and on_cpu and known and only_loss) or reduction not in (_MEAN, _SUM):
        return None
    counted = (target != ignored).nonzero().squeeze(1)
    if not len(counted):
        return None
    classes = target[counted].long()  # of bytes, places would overflow
    weights = torch.ones(len(counted), dtype=logits.meta[DTYPE]) if weight is None else weight[classes]
    return logits, classes * shape[0] + counted, -weights / (weights.sum() if reduction == _MEAN else 1)


def _values(args: tuple[Any, ...]) -> list[Any]:
    return [arg.meta.get(VALUE, arg) if isinstance(arg, fx.Node) else arg for arg in args]


# The transpose of a matrix that nobody else reads, laid out row by row: of a product, the product the other way round.
def _transposed(graph: fx.Graph, matrix: fx.Node) -> fx.Node:
    if len(matrix.users) == 1 and not matrix.kwargs:
        if matrix.target is _aten.mm.default:
            first, second = matrix.args
            return call(graph, _aten.mm.default, _flipped(graph, second), _flipped(graph, first))
        if matrix.target is _aten.addmm.default and len(matrix.args[0].meta.get(SHAPE, ())) == 1:  # type: ignore[union-attr]
            bias, first, second = matrix.args
            column = _column(graph, bias)
            return call(graph, _aten.addmm.default, column, _flipped(graph, second), _flipped(graph, first))
    return graph.call_function(_aten.clone.default, (_flipped(graph, matrix),), {"memory_format": torch.contiguous_format})


def _column(graph: fx.Graph, vector: Any) -> fx.Node:
    if VALUE in vector.meta:
        return constant(graph, vector.meta[VALUE].unsqueeze(1), made=vector.meta[MADE])
    return call(graph, _aten.unsqueeze.default, vector, 1)


def _flipped(graph: fx.Graph, matrix: Any) -> fx.Node:
    if matrix.target is _aten.t.default:
        return matrix.args[0]  # type: ignore[no-any-return]
    return call(graph, _aten.t.default, matrix)
