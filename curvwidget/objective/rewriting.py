"""Shorter lists of operations that compute the same.

What autograd's formulas leave behind: the same numbers computed several times, transposes of transposes, sums with zeros, factors
one by one, a matrix product and its sum with another one as two operations, and the gradient of a convolution's weight as a
convolution with a kernel as large as an image, which libraries are not made for.
"""

from __future__ import annotations

import operator
from collections.abc import Container, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx

__all__ = [
    "DEVICE",
    "DTYPE",
    "IN_PLACE",
    "MADE",
    "SHAPE",
    "VALUE",
    "VIEWS",
    "call",
    "constant",
    "join_products",
    "prune",
    "reshape_views",
    "simplify",
    "write_over",
]

SHAPE, DTYPE, DEVICE = "shape", "dtype", "device"
"""Of what a node gives, in its ``meta``; the latter two as a trace left them."""
MADE = "made"
"""Whether a constant is nobody else's, in its ``meta``: an equal one may then take its place."""
VALUE = "value"
"""What a constant is, in its ``meta``; other nodes have none."""

_aten = torch.ops.aten

VIEWS = frozenset(
    {
        *(_aten.view.default, _aten.t.default, _aten.transpose.int, _aten.permute.default, _aten.expand.default),
        *(_aten.unsqueeze.default, _aten.squeeze.dim, _aten.slice.Tensor, _aten.select.int),
    }
)
"""Operations that give one tensor in the memory of another, always."""

# Whose results are memory of their own, to which a sum may be added.
_FRESH = {
    _aten.mm.default,
    _aten.addmm.default,
    _aten.addmm_.default,
    _aten.mul.Tensor,
    _aten.sub.Tensor,
    _aten.tanh_backward.default,
    _aten.threshold_backward.default,
}
# Activations, and the same into the memory of what they are computed from …
_OVER = {
    _aten.relu.default: _aten.relu_.default,
    _aten.tanh.default: _aten.tanh_.default,
    _aten.sigmoid.default: _aten.sigmoid_.default,
    _aten.silu.default: _aten.silu_.default,
    _aten.gelu.default: _aten.gelu_.default,
    _aten.elu.default: _aten.elu_.default,
    _aten.leaky_relu.default: _aten.leaky_relu_.default,
    _aten.hardtanh.default: _aten.hardtanh_.default,
}
IN_PLACE = frozenset(_OVER.values())
"""What `write_over` puts: an operation of one tensor that gives its memory."""
# … which is its own where it comes from one of these, alone or as the first of several results.
_OWN = {
    *(_aten.mm.default, _aten.addmm.default, _aten.bmm.default, _aten.baddbmm.default, _aten.convolution.default),
    *(_aten.add.Tensor, _aten.sub.Tensor, _aten.mul.Tensor),
}
_OWN_FIRST = {
    *(_aten.native_batch_norm.default, _aten._native_batch_norm_legit_no_training.default, _aten.native_layer_norm.default),
}


def constant(graph: fx.Graph, value: Tensor, *, made: bool = True) -> fx.Node:
    """Add a constant to a list of operations, at its place of insertion.

    Args:
        graph: The operations; its last argument is the tuple of constants.
        value: What the constant is.
        made: Whether it was computed for this list, and is nobody else's.

    Returns:
        Its node.
    """
    *_, held = graph.find_nodes(op="placeholder")
    node = call(graph, operator.getitem, held, 0, shape=value.shape)
    node.meta[VALUE], node.meta[MADE] = value, made
    return node


def call(graph: fx.Graph, target: Any, *args: Any, shape: Sequence[int] | None = None) -> fx.Node:
    """Add an operation to a list, at its place of insertion.

    Args:
        graph: The operations.
        target: What is called.
        args: With what.
        shape: Of what it gives, where a later rule asks for it.

    Returns:
        Its node.
    """
    node = graph.call_function(target, args)
    if shape is not None:
        node.meta[SHAPE] = torch.Size(shape)
    return node


def simplify(graph: fx.Graph) -> None:
    """Rewrite a list of operations, so that `torch.func.vmap` takes each of them as before.

    Args:
        graph: The operations, each node with its `SHAPE`; changed.
    """
    seen: dict[Any, fx.Node] = {}
    for node in _each(graph):
        if VALUE in node.meta:
            continue
        for rule in (_sum_with_zero, _twice_transposed, _twice_viewed, _sum_of_transposed):
            if (other := rule(graph, node)) is not None:
                _put(node, other)
                break
        else:
            _factors_at_once(graph, node)
            _transposed_gradient_of_weight(graph, node)
        _once(node, seen)
    prune(graph)


def prune(graph: fx.Graph) -> None:
    """Leave out operations that the result does not come from, and let go their constants.

    Args:
        graph: The operations; changed.
    """
    constants = [node for node in graph.nodes if VALUE in node.meta]
    graph.eliminate_dead_code()
    for node in set(constants).difference(graph.nodes):
        del node.meta[VALUE]  # the graph remembers the names of all nodes, and would keep what they are in memory


def join_products(graph: fx.Graph) -> None:
    """Make one operation of each product and the sum that it goes into, for which `torch.func.vmap` has no rule.

    Args:
        graph: The operations; changed.
    """
    for node in _each(graph):
        _sum_with_product(graph, node)
    graph.eliminate_dead_code()


def reshape_views(graph: fx.Graph) -> None:
    """Take what an operation gives in another shape wherever its numbers lie.

    Args:
        graph: The operations; changed.
    """
    for node in graph.find_nodes(op="call_function", target=_aten.view.default):
        node.target = _aten.reshape.default


def write_over(graph: fx.Graph, free: Container[fx.Node]) -> None:
    """Let activations write over what they are computed from, where nobody else reads that: memory is not asked for anew.

    Args:
        graph: The operations, not to be differentiated or batched any more; changed.
        free: Arguments that may be written to.
    """
    for node in graph.nodes:
        if (over := _OVER.get(node.target)) is not None:
            (source,) = node.all_input_nodes
            if len(source.users) == 1 and (source in free or _is_own(source)):
                node.target = over


def _is_own(node: fx.Node) -> bool:
    if node.target is operator.getitem and node.args[1] == 0:
        return node.all_input_nodes[0].target in _OWN_FIRST
    return node.target in _OWN


# The nodes that there are now; those before the one at hand are rewritten already.
def _each(graph: fx.Graph) -> Iterator[fx.Node]:
    for node in list(graph.nodes):
        if node.op == "call_function":
            with graph.inserting_before(node):
                yield node


def _put(node: fx.Node, other: fx.Node) -> None:
    other.meta.setdefault(SHAPE, node.meta.get(SHAPE))
    node.replace_all_uses_with(other)


# The same operation on the same numbers is done once.
def _once(node: fx.Node, seen: dict[Any, fx.Node]) -> None:
    if node.users:
        key = repr((str(node.target), node.args, node.kwargs))
        first = seen.setdefault(key, node)
        if first is not node:
            node.replace_all_uses_with(first)


# a + b of two tensors of one shape.
def _summands(node: fx.Node) -> tuple[fx.Node, fx.Node] | None:
    if node.target is not _aten.add.Tensor or node.kwargs:
        return None
    first, second = node.args
    if not isinstance(first, fx.Node) or not isinstance(second, fx.Node):
        return None
    return (first, second) if first.meta.get(SHAPE) == second.meta.get(SHAPE) == node.meta[SHAPE] else None


# x + 0 → x
def _sum_with_zero(_: fx.Graph, node: fx.Node) -> fx.Node | None:
    if summands := _summands(node):
        for one, other in (summands, summands[::-1]):
            value = other.meta.get(VALUE)
            if value is not None and not bool(value.any()):
                return one
    return None


# (xᵀ)ᵀ → x
def _twice_transposed(_: fx.Graph, node: fx.Node) -> fx.Node | None:
    if node.target in (_aten.t.default, _aten.transpose.int):
        inner = node.args[0]
        if isinstance(inner, fx.Node) and inner.target is node.target and inner.args[1:] == node.args[1:]:
            return inner.args[0] if isinstance(inner.args[0], fx.Node) else None
    return None


# x in one shape, then in another
def _twice_viewed(graph: fx.Graph, node: fx.Node) -> fx.Node | None:
    if node.target is not _aten.view.default:
        return None
    inner, shape = node.args
    assert isinstance(inner, fx.Node)
    if inner.meta.get(SHAPE) == node.meta[SHAPE]:
        return inner
    return call(graph, _aten.view.default, inner.args[0], shape) if inner.target is _aten.view.default else None


# xᵀ + yᵀ → (x + y)ᵀ, so that two products are summed as such
def _sum_of_transposed(graph: fx.Graph, node: fx.Node) -> fx.Node | None:
    summands = _summands(node)
    if not summands or any(summand.target is not _aten.t.default for summand in summands):
        return None
    (first, *_), (second, *_) = summands[0].args, summands[1].args
    assert isinstance(first, fx.Node)
    return call(graph, _aten.t.default, call(graph, _aten.add.Tensor, first, second, shape=first.meta.get(SHAPE)))


# (x·b)·c → x·(b·c)
def _factors_at_once(graph: fx.Graph, node: fx.Node) -> None:
    outer = _factor(node)
    inner = _factor(outer[0]) if outer else None
    if not outer or not inner:
        return
    factor = outer[1] * inner[1]
    if isinstance(factor, Tensor):
        _put(node, call(graph, _aten.mul.Tensor, inner[0], constant(graph, factor)))
    else:
        _put(node, call(graph, _aten.mul.Scalar, inner[0], factor))


# x and c of x·c, for a constant c.
def _factor(node: fx.Node) -> tuple[fx.Node, Tensor | float] | None:
    if node.target in (_aten.mul.Scalar, _aten.div.Scalar):
        one, number = node.args
        assert isinstance(one, fx.Node)
        assert isinstance(number, int | float)
        return one, 1 / number if node.target is _aten.div.Scalar else number
    if node.target is _aten.mul.Tensor:
        for one, other in (node.args, node.args[::-1]):
            if isinstance(one, fx.Node) and isinstance(other, fx.Node) and VALUE in other.meta:
                value = other.meta[VALUE]
                return (one, value) if value.is_floating_point() else None  # a mask times a number is of the default dtype
    return None


# ∂L/∂w of a convolution, where autograd convolves the image with ∂L/∂y, both with channels and samples exchanged.
def _transposed_gradient_of_weight(graph: fx.Graph, node: fx.Node) -> None:
    if node.target is not _aten.transpose.int or node.args[1:] != (0, 1):
        return
    source = node.args[0]
    while isinstance(source, fx.Node) and source.target is _aten.slice.Tensor and source.args[2] == 0:
        source = source.args[0]  # a stride leaves last rows that no weight has
    if not isinstance(source, fx.Node) or source.target is not _aten.convolution.default:
        return
    arguments: Any = source.args
    image, kernel, bias, stride, padding, dilation, transposed, _, groups = arguments
    known = next((one.meta[VALUE] for one in (image, kernel) if VALUE in one.meta), None)
    if transposed or groups != 1 or bias is not None or known is None:
        return
    shapes = image.meta[SHAPE], kernel.meta[SHAPE], node.meta[SHAPE]
    if not _belong_together(*shapes, stride=dilation, padding=padding, dilation=stride):
        return
    weight = constant(graph, known.new_zeros(node.meta[SHAPE]))  # which only says its shape
    parts = call(
        graph,
        _aten.convolution_backward.default,
        *(_exchanged(graph, kernel), _exchanged(graph, image), weight),
        *(None, dilation, padding, stride, False, [0] * len(padding), 1, [False, True, False]),
    )
    _put(node, call(graph, operator.getitem, parts, 1))


# Of a convolution: its input and output, with channels and samples exchanged, and its weight.
def _belong_together(
    image: torch.Size, output: torch.Size, weight: torch.Size, *, stride: list[int], padding: list[int], dilation: list[int]
) -> bool:
    if weight[:2] != (output[0], image[0]):
        return False
    lengths = zip(image[2:], output[2:], weight[2:], stride, padding, dilation, strict=False)
    return all((i + 2 * pad - apart * (w - 1) - 1) // step + 1 == o for i, o, w, step, pad, apart in lengths)


def _exchanged(graph: fx.Graph, node: fx.Node) -> fx.Node:
    if VALUE in node.meta:
        return constant(graph, node.meta[VALUE].transpose(0, 1))
    if node.target is _aten.transpose.int and node.args[1:] == (0, 1) and isinstance(node.args[0], fx.Node):
        return node.args[0]
    return call(graph, _aten.transpose.int, node, 0, 1)


# x + a·b → one operation, into x where nobody else reads that
def _sum_with_product(graph: fx.Graph, node: fx.Node) -> None:
    summands = _summands(node)
    if not summands:
        return
    for one, product in (summands, summands[::-1]):
        if product.target is not _aten.mm.default or len(product.users) > 1 or one is product:
            continue
        if one.target is _aten.expand.default and isinstance(one.args[0], fx.Node) and len(one.args[0].meta[SHAPE]) == 2:
            target, base = _aten.addmm.default, one.args[0]  # a bias, the same for all rows
        elif one.target in _FRESH and len(one.users) == 1:
            target, base = _aten.addmm_.default, one
        else:
            continue
        _put(node, call(graph, target, base, *product.args))
        graph.erase_node(node)
        graph.erase_node(product)
        return
