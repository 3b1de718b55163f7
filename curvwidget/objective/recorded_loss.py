"""One term of a loss along directions, as a list of operations on what moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor, fx

from curvwidget.objective.affine import AffinePart, split_affine
from curvwidget.objective.few_classes import lay_classes_in_rows
from curvwidget.objective.image_layout import has_many_channels, laid_channels_last
from curvwidget.objective.model_risk import ModelRisk
from curvwidget.objective.pooling import average_by_product, maximum_by_rows
from curvwidget.objective.recording import compiled, refuse_numbers_given_away, scratch_bytes, settle, trace
from curvwidget.objective.replay import is_replayable
from curvwidget.objective.rewriting import IN_PLACE, MADE, VALUE, VIEWS, prune, reshape_views, write_over
from curvwidget.objective.storages import Storages
from curvwidget.objective.trees import tensors_of

__all__ = ["RecordedLoss", "record_loss"]


class View(NamedTuple):
    """A view of an argument.

    Attributes:
        of: The argument, by its place.
        operation: Gives the view.
        options: What it takes besides.
    """

    of: int
    operation: Callable[..., Tensor]
    options: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class RecordedLoss:
    """L_b as a function of the parameters that move.

    Attributes:
        function: Takes the parameters that it reads, what is known of the affine part, views of those, and the constants.
        reads: Which parameters, by their place in θ's blocks.
        sums: Which parameters the affine part comes from, likewise.
        views: Views of the arguments before them.
        affine: What is known along directions, as a function of all parameters that move.
        constants: What does not depend on them.
        scratch: Bytes that an evaluation takes for a while.
        bytes: What the constants, those of the affine part too, hold beside data and model.
        versions: The batch and all constants, with how often each had been written to.
        replayable: Whether a CUDA device could be asked for all operations of the function in one call.
        spreads_nan: Whether the loss may be NaN where the model's is not: where numbers on the way are not finite.
    """

    function: Callable[..., Tensor]
    reads: tuple[int, ...]
    sums: tuple[int, ...]
    views: tuple[View, ...]
    affine: AffinePart
    constants: tuple[Tensor, ...]
    scratch: int
    bytes: int
    versions: tuple[tuple[Tensor, int], ...]
    replayable: bool
    spreads_nan: bool

    @property
    def current(self) -> bool:
        """Whether all that was recorded still stands: data are not copied, and their owner may have written to them."""
        return all(tensor._version == version for tensor, version in self.versions)

    def arguments(self, parameters: Sequence[Tensor], known: Sequence[Tensor]) -> tuple[Any, ...]:
        """Choose what the function takes.

        Args:
            parameters: All of θ's blocks; those that are not read may hold anything.
            known: Values of the affine part.

        Returns:
            The arguments for L_b, a scalar tensor: at any point, as long as that is written into the same memory.
        """
        arguments = [*(parameters[place] for place in self.reads), *known]
        for view in self.views:
            arguments.append(view.operation(arguments[view.of], *view.options))
        return (*arguments, self.constants)


def record_loss(risk: ModelRisk, index: int, theta: Tensor, moved: Sequence[int], n_directions: int, budget: int) -> RecordedLoss:
    """Record one term at one point, while the model is held there.

    A `NotRecordableError` says where that cannot be.

    Args:
        risk: The loss.
        index: Which term.
        theta: The point ``(N,)``.
        moved: Which of θ's blocks move; the others are constants.
        n_directions: k.
        budget: Bytes that what is known along the directions may take.

    Returns:
        The record.
    """
    leaves = risk.place(theta)
    versions = [(tensor, tensor._version) for tensor in tensors_of(risk.batches.items[index])]  # constants may come from it

    def term(*_: Tensor) -> Tensor:
        return risk.term(index, leaves)

    arguments = [leaves[place] for place in moved]
    graph = trace(term, arguments)
    refuse_numbers_given_away(term, arguments)
    prune(graph)  # or what the loss does not come from would count as a use
    shared = Storages(leaves)
    for node in graph.nodes:
        if VALUE in node.meta:  # a parameter that stays is copied: other points will be written where it stands
            value = node.meta[VALUE].detach()
            node.meta[VALUE] = value.clone() if value in shared else value
    spreads_nan = False
    if not (has_many_channels(graph) and _lay_channels_last(graph, versions)):
        spreads_nan = average_by_product(graph)
        maximum_by_rows(graph)
    values = [node.meta[VALUE] for node in graph.nodes if VALUE in node.meta]
    most = Storages(values).bytes_beside(risk.tensors_there(index))  # equal ones are not one yet
    alike = all(leaves[place].dtype == theta.dtype for place in moved)  # sums in half precision would be worse than the outputs
    affine, rest = split_affine(graph, n_directions if alike else None)
    if most + affine.size * (n_directions + 2) * theta.element_size() > budget:
        affine, rest = split_affine(graph, None)
    lay_classes_in_rows(rest)
    placeholders = list(rest.find_nodes(op="placeholder"))
    write_over(rest, free=set(placeholders[len(moved) : -1]))  # what is known is summed up anew at each point
    reads = []
    for place, node in zip(moved, placeholders, strict=False):
        if node.users:
            reads.append(place)
        else:
            rest.erase_node(node)
    sums = tuple(
        place for place, node in zip(moved, affine.arguments, strict=True) if not node.users.keys().isdisjoint(affine.steps)
    )
    views = _views_as_arguments(rest)
    constants = settle(rest)
    taken = *constants, *affine.constants
    versions += [(tensor, tensor._version) for tensor in taken]
    size = Storages(taken).bytes_beside(risk.tensors_there(index))
    return RecordedLoss(
        reads=tuple(reads),
        sums=sums,
        views=views,
        affine=affine,
        constants=constants,
        scratch=scratch_bytes(rest, theta.dtype),
        bytes=size,
        versions=tuple(versions),
        replayable=is_replayable(rest, constants),
        spreads_nan=spreads_nan,
        function=compiled(rest),  # which changes it
    )


# Is there an image to be laid otherwise? If it is somebody's, its owner may write to it.
def _lay_channels_last(graph: fx.Graph, versions: list[tuple[Tensor, int]]) -> bool:
    nodes = [node for node in graph.nodes if VALUE in node.meta]
    before = [node.meta[VALUE] for node in nodes]
    changed = False
    for node, old, new in zip(nodes, before, laid_channels_last(before), strict=True):
        if new is not old:
            if not node.meta[MADE]:
                versions.append((old, old._version))
            node.meta[VALUE], node.meta[MADE], changed = new, True, True
    if changed:
        reshape_views(graph)
    return changed


# Views of arguments become arguments, too: those stay where they are in memory, and nobody takes their views at each point.
def _views_as_arguments(graph: fx.Graph) -> tuple[View, ...]:
    *arguments, constants = graph.find_nodes(op="placeholder")
    places = {node: place for place, node in enumerate(arguments)}
    views: list[View] = []
    for node in list(graph.nodes):
        place = places.get(node.all_input_nodes[0]) if len(node.all_input_nodes) == 1 else None
        if place is None or node.kwargs:
            continue
        if node.target in IN_PLACE:
            places[node] = place
        elif node.target in VIEWS:
            with graph.inserting_before(constants):
                view = graph.placeholder(f"view_{len(views)}")
            view.meta.update(node.meta)
            places[view] = len(arguments) + len(views)
            views.append(View(place, node.target, tuple(node.args[1:])))
            node.replace_all_uses_with(view)
            graph.erase_node(node)
    return tuple(views)
