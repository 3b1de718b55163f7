"""What of a recorded function is affine in its arguments, and so known along directions before any point is asked for.

At θ + Σ a_i·v_i a parameter is affine in the coordinates a, and so is what comes from it by sums, by products with what does not
change, and by other views of the same memory: a first layer's output, the sum of that with a table of positions. Its value at the
origin and its slope along each v_i are computed once; a point then takes k + 1 numbers for each that it gives, where the
operations would multiply rows of weights.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from curvwidget.objective.rewriting import SHAPE, VALUE, VIEWS

__all__ = ["AffinePart", "split_affine"]

_aten = torch.ops.aten

# Which arguments are factors of which term of a sum; of each term one may depend on the coordinates.
_ONE = ((0,),)
_TERMS: dict[Any, tuple[tuple[int, ...], ...]] = {
    _aten.add.Tensor: ((0,), (1,)),
    _aten.sub.Tensor: ((0,), (1,)),
    _aten.mul.Tensor: ((0, 1),),
    _aten.mm.default: ((0, 1),),
    _aten.bmm.default: ((0, 1),),
    _aten.addmm.default: ((0,), (1, 2)),
    _aten.convolution.default: ((0, 1), (2,)),
    _aten.mul.Scalar: _ONE,
    _aten.div.Scalar: _ONE,
    _aten.div.Tensor: _ONE,
    _aten.neg.default: _ONE,
    _aten.sum.dim_IntList: _ONE,
    _aten.mean.dim: _ONE,
}
_VIEWS = {
    *VIEWS,
    *(_aten.reshape.default, _aten._unsafe_view.default, _aten.split_with_sizes.default, _aten.split.Tensor, operator.getitem),
}
_TERMS.update(dict.fromkeys((*_VIEWS, _aten.clone.default), _ONE))
# A sum of k + 1 terms reads k + 1 numbers from memory for each that it gives. On a CPU reading one takes about as long as
# multiplying sixteen.
_MULTIPLICATIONS_A_TERM = 16


@dataclass(frozen=True, eq=False)
class AffinePart:
    """Operations that are affine in the arguments.

    Attributes:
        arguments: The nodes of the arguments.
        steps: The operations, in order, and the constants that they take.
        outputs: What is known of them.
    """

    arguments: tuple[fx.Node, ...]
    steps: tuple[fx.Node, ...]
    outputs: tuple[fx.Node, ...]

    @property
    def constants(self) -> tuple[Tensor, ...]:
        """What the operations take beside the arguments."""
        return tuple(node.meta[VALUE] for node in self.steps if VALUE in node.meta)

    @property
    def size(self) -> int:
        """Numbers in all outputs."""
        return sum(math.prod(node.meta[SHAPE]) for node in self.outputs)

    def values(self, arguments: Sequence[Tensor]) -> list[Tensor]:
        """Compute the outputs.

        Args:
            arguments: One an argument of the function.

        Returns:
            f of them, one an output.
        """
        return self._run(arguments, linear=False)

    def slopes(self, arguments: Sequence[Tensor]) -> list[Tensor]:
        """Compute the linear part of the outputs.

        Args:
            arguments: A direction, one an argument of the function.

        Returns:
            f(θ + v) − f(θ) of that direction v, without that difference, one an output.
        """
        return self._run(arguments, linear=True)

    def _run(self, arguments: Sequence[Tensor], *, linear: bool) -> list[Tensor]:
        values: dict[fx.Node, Any] = dict(zip(self.arguments, arguments, strict=True))
        varying = set(self.arguments)
        for node in self.steps:
            if VALUE in node.meta:
                values[node] = node.meta[VALUE]
                continue
            args = list(fx.map_arg(node.args, lambda inner: values[inner]))
            if linear:
                for term in _TERMS[node.target]:
                    if term[0] < len(args) and not _among(node, term, varying):
                        args[term[0]] = _nothing(args[term[0]])
            values[node] = node.target(*args, **fx.map_arg(node.kwargs, lambda inner: values[inner]))  # type: ignore[operator]
            varying.add(node)
        return [values[node] for node in self.outputs]


def split_affine(graph: fx.Graph, n_directions: int | None) -> tuple[AffinePart, fx.Graph]:
    """Find what is affine and worth to be known.

    Args:
        graph: As from `trace`.
        n_directions: k; None lets nothing be worth it.

    Returns:
        What is affine, and the rest: a graph that takes the arguments, the outputs of the affine part, and the constants.
    """
    *arguments, _ = graph.find_nodes(op="placeholder")
    affine = dict.fromkeys(arguments, 0.0)  # multiplications behind each
    for node in graph.nodes:
        if node.op == "call_function" and _is_affine(node, affine):
            affine[node] = _multiplications(node) + sum(affine.get(inner, 0.0) for inner in node.all_input_nodes)
    outputs = tuple(
        node
        for node, cost in affine.items()
        if n_directions is not None
        and node.op == "call_function"
        and cost >= _MULTIPLICATIONS_A_TERM * (n_directions + 1) * math.prod(node.meta.get(SHAPE, ()))
        and any(user not in affine for user in node.users)
    )
    needed: set[fx.Node] = set(outputs)
    for node in reversed(graph.nodes):
        if node in needed and VALUE not in node.meta:
            needed.update(node.all_input_nodes)
    steps = tuple(node for node in graph.nodes if node in needed and node.op == "call_function")
    return AffinePart(tuple(arguments), steps, outputs), _rest(graph, outputs)


# The same operations on a new graph, in which the outputs are arguments.
def _rest(graph: fx.Graph, outputs: Sequence[fx.Node]) -> fx.Graph:
    rest = fx.Graph()
    places: dict[fx.Node, fx.Node] = {}
    rest.output(rest.graph_copy(graph, places))
    *_, held = rest.find_nodes(op="placeholder")
    for index, output in enumerate(outputs):
        with rest.inserting_before(held):
            known = rest.placeholder(f"known_{index}")
        places[output].replace_all_uses_with(known)
    rest.eliminate_dead_code()
    return rest


def _is_affine(node: fx.Node, affine: Mapping[fx.Node, float]) -> bool:
    terms = _TERMS.get(node.target)
    varying = [inner for inner in node.all_input_nodes if VALUE not in inner.meta]
    if terms is None or VALUE in node.meta or not varying or any(inner not in affine for inner in varying):
        return False
    factors = [_among(node, term, affine) for term in terms]
    return max(factors) <= 1 and sum(factors) == _among(node, range(len(node.args)), affine)


# How many of a node's arguments at these places are among those.
def _among(node: fx.Node, places: Iterable[int], those: Container[fx.Node]) -> int:
    args = [node.args[place] for place in places if place < len(node.args)]
    return sum(isinstance(arg, fx.Node) and arg in those for arg in args)


def _multiplications(node: fx.Node) -> float:
    if node.target in _VIEWS:
        return 0.0
    size = math.prod(node.meta[SHAPE])
    shape: Any = None
    if node.target is _aten.convolution.default:
        shape = node.args[1].meta[SHAPE][1:]  # type: ignore[union-attr]
    elif node.target in (_aten.mm.default, _aten.bmm.default):
        shape = node.args[0].meta[SHAPE][-1:]  # type: ignore[union-attr]
    elif node.target is _aten.addmm.default:
        shape = node.args[1].meta[SHAPE][-1:]  # type: ignore[union-attr]
    return float(size * (_MULTIPLICATIONS_A_TERM if shape is None else math.prod(shape)))


def _nothing(value: Any) -> Any:
    if isinstance(value, Tensor):
        return torch.zeros_like(value)
    return None if value is None else 0
