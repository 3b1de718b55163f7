"""The operations by which a function of tensors was computed once, to be done again for other numbers.

A walk of a graph by autograd does the same operations for each vector, among them many that depend on no vector: masks and slopes
of activations, transposed weights, sums of what does not change. Written down while it is walked once, the walk becomes a list of
operations on the vector and on constants, which is shorter and called without autograd's bookkeeping.

Which operations follow from which numbers is taken to be the same for all of them. Where a function looks at a number, or writes
to memory that it reads under another name, the record is refused; whoever uses one compares it with the function at other numbers
first.
"""

from __future__ import annotations

import copy
import math
import operator
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.weak import WeakTensorKeyDictionary

from curvwidget.objective.bindings import bind
from curvwidget.objective.image_layout import has_many_channels, laid_channels_last
from curvwidget.objective.pooling import average_by_product
from curvwidget.objective.replay import is_replayable
from curvwidget.objective.rewriting import DEVICE, DTYPE, MADE, SHAPE, VALUE, constant, join_products, reshape_views, simplify

__all__ = [
    "NotRecordableError",
    "Recorded",
    "compiled",
    "record",
    "refuse_numbers_given_away",
    "scratch_bytes",
    "settle",
    "trace",
]

_aten = torch.ops.aten
_LOOKS = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape, torch.Tag.nondeterministic_seeded}
_SHAPE_ALONE = {_aten.zeros_like.default, _aten.ones_like.default, _aten.new_zeros.default, _aten.new_ones.default}
_SAME = {_aten.detach.default, _aten.alias.default}
_OUTWARD = {"numpy", "tolist", "__array__", "__dlpack__"}  # methods that give numbers away without an operation
_MOST = 10_000  # operations: more of them (a recurrent layer's, step by step) take minutes to compile, and gain nothing


class NotRecordableError(RuntimeError):
    """Raised for a function whose operations are not the same for all numbers, or whose record computes something else."""


class Recorded:
    """A function of tensors, as a list of operations.

    Attributes:
        constants: What the operations need beside their arguments.
        replayable: Whether a CUDA device could be asked for all of them in one call.
        many_channels: Whether there are convolutions that may be faster `with_channels_last`.
        scratch: Bytes of memory that a call takes for a while.
    """

    def __init__(self, graph: fx.Graph, constants: tuple[Tensor, ...], *, many_channels: bool = False) -> None:
        """Compile a list of operations.

        Args:
            graph: Takes the arguments and, last, the constants.
            constants: Them.
            many_channels: Whether images may be laid otherwise, to gain by that.
        """
        self.constants = constants
        self.many_channels = many_channels
        first, *_ = graph.find_nodes(op="placeholder")
        self.scratch = scratch_bytes(graph, first.meta[DTYPE])
        self.replayable = is_replayable(graph, constants)
        self._graph = graph
        # What constants are or were made from, as long as that is there, and how often it had been written to.
        self._origins = [(weakref.ref(constant), constant._version) for constant in constants]
        joined = copy.deepcopy(graph)
        join_products(joined)
        self._one = compiled(joined)

    @property
    def current(self) -> bool:
        """Whether all that was recorded still stands: data are not copied, and their owner may have written to them."""
        origins = ((origin(), version) for origin, version in self._origins)
        return all(origin is None or origin._version == version for origin, version in origins)

    def __call__(self, *arguments: Tensor) -> Tensor:
        """Compute.

        Args:
            arguments: Of the shapes, dtypes and devices that it was recorded for.

        Returns:
            What the function gives, up to rounding.
        """
        return self._one(*arguments, self.constants)

    def several(self, *arguments: Tensor) -> Tensor:
        """Compute for several arguments, by one call of each operation.

        Args:
            arguments: As for one, with a dimension more in front.

        Returns:
            What the function gives for each.
        """
        return torch.func.vmap(lambda *single: self._several(*single, self.constants))(*arguments)

    def with_channels_last(self, may: Callable[[Tensor], bool]) -> Recorded | None:
        """Lay constant images so that the channels of a place are next to one another.

        Args:
            may: Whether a constant may be laid anew.

        Returns:
            The same function; None where there is no such constant.
        """
        constants = tuple(laid_channels_last(self.constants, may))
        if all(one is other for one, other in zip(constants, self.constants, strict=True)):
            return None
        graph = copy.deepcopy(self._graph)
        reshape_views(graph)
        found = Recorded(graph, constants)
        found._origins = self._origins
        return found

    @cached_property
    def _several(self) -> Callable[..., Tensor]:
        graph = copy.deepcopy(self._graph)
        reshape_views(graph)  # a dimension in front may lie anywhere in memory
        return compiled(graph)


def record(
    function: Callable[..., Tensor], arguments: Sequence[Tensor], *, own: Callable[[Tensor], Tensor] = lambda tensor: tensor
) -> Recorded:
    """Write down how a function computes, by calling it once, and make the list shorter.

    A `NotRecordableError` says where that cannot be, as for `trace`.

    Args:
        function: Maps tensors to a tensor.
        arguments: What it is called with.
        own: Returns what is kept in place of a constant: itself or, of one that others will write to, a copy.

    Returns:
        The function as a list of operations.
    """
    graph = trace(function, arguments)
    many_channels = has_many_channels(graph)
    average_by_product(graph)
    simplify(graph)
    return Recorded(graph, settle(graph, own), many_channels=many_channels)


def trace(function: Callable[..., Tensor], arguments: Sequence[Tensor]) -> fx.Graph:
    """Write down how a function computes, by calling it once.

    A `NotRecordableError` says where that cannot be: the operations depend on numbers, or the result depends on no argument.

    Args:
        function: Maps tensors to a tensor.
        arguments: What it is called with.

    Returns:
        The operations: they take the arguments and, last, constants, which have their `VALUE` in ``meta`` until they are settled.
    """
    recorder = _Recorder(arguments)
    with recorder:
        result = function(*arguments)
    recorder.give(result)
    return recorder.graph


def refuse_numbers_given_away(function: Callable[..., Tensor], arguments: Sequence[Tensor]) -> None:
    """Call a function to see whether it hands numbers to NumPy or to Python, which `trace` does not see.

    A `NotRecordableError` says that it does. Not while it is traced: layers of transformers take another path where methods are
    watched.

    Args:
        function: Maps tensors to a tensor.
        arguments: What it is called with.
    """
    recorder = _Recorder(arguments)
    with recorder, _Lookout(recorder):
        function(*arguments)


def settle(graph: fx.Graph, own: Callable[[Tensor], Tensor] = lambda tensor: tensor) -> tuple[Tensor, ...]:
    """Give constants their final places, equal ones the same, and let go the numbers that a graph was simplified by.

    Args:
        graph: As from `trace`; changed.
        own: As for `record`.

    Returns:
        The constants, the last argument of what is compiled.
    """
    constants: list[Tensor] = []
    alike: defaultdict[Any, list[int]] = defaultdict(list)
    for node in graph.nodes:
        value = node.meta.pop(VALUE, None)
        if value is None:
            continue
        strided = value.layout is torch.strided
        candidates = alike[value.shape, value.dtype, value.sum().item() if strided else None]  # most differ in their sum
        same = (place for place in candidates if torch.equal(constants[place], value)) if strided and node.meta[MADE] else ()
        place = next(iter(same), len(constants))
        if place == len(constants):
            constants.append(own(value.detach()))  # or a graph that it came from would stay in memory
            candidates.append(place)
        node.args = (node.args[0], place)
    return tuple(constants)


def scratch_bytes(graph: fx.Graph, dtype: torch.dtype) -> int:
    """Estimate the memory that operations take for a while.

    Args:
        graph: The operations, settled or not, each with its `SHAPE`, as far as that is known.
        dtype: Of nodes without `DTYPE`.

    Returns:
        Bytes of all numbers on the way that are there at the same time, at most.
    """
    last = {source: node for node in graph.nodes for source in node.all_input_nodes}
    ends: defaultdict[fx.Node, list[fx.Node]] = defaultdict(list)
    for source, node in last.items():
        ends[node].append(source)
    sizes: dict[fx.Node, int] = {}
    most = now = 0
    for node in graph.nodes:
        if node in last and _takes_memory(node):
            sizes[node] = math.prod(node.meta[SHAPE]) * node.meta.get(DTYPE, dtype).itemsize
            now += sizes[node]
            most = max(most, now)
        now -= sum(sizes.get(source, 0) for source in ends[node])
    return most


def _takes_memory(node: fx.Node) -> bool:
    if node.op != "call_function" or node.meta.get(SHAPE) is None or MADE in node.meta:
        return False
    return node.target is operator.getitem or not _shares_memory(node.target)


def compiled(graph: fx.Graph) -> Callable[..., Tensor]:
    """Make a function of a list of operations.

    Args:
        graph: The operations; changed.

    Returns:
        A function of the graph's arguments.
    """
    bind(graph)
    forward: Callable[..., Tensor] = fx.GraphModule(torch.nn.Module(), graph).forward
    return forward


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    # Sees each operation below autograd. A tensor that depends on an argument has a node; any other is a constant.

    def __init__(self, arguments: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.graph = fx.Graph()
        # By weak references, or what the function lets go would stay in memory.
        self.nodes: MutableMapping[Tensor, fx.Node] = WeakTensorKeyDictionary()
        self._constants: MutableMapping[Tensor, fx.Node] = WeakTensorKeyDictionary()
        self._made: MutableMapping[Tensor, bool] = WeakTensorKeyDictionary()
        # What is written to one tensor, others see that lie in the same memory: those must not be read any more.
        self._writes: _Places = defaultdict(list)
        self._named_after: MutableMapping[Tensor, int] = WeakTensorKeyDictionary()  # so many writes
        self._given: _Places = defaultdict(list)
        for argument in arguments:
            if (storage := _storage(argument)) is not None:
                self._given[storage].append(_Place.of(argument))
        self._depending: set[StorageWeakRef] = set()
        self._held: _Places = defaultdict(list)  # by constants
        for index, argument in enumerate(arguments):
            self._name(argument, self.graph.placeholder(f"argument_{index}"))
        self.graph.placeholder("constants")

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        self._check_names(leaves)
        if func not in _SHAPE_ALONE:
            self._note_writing(func, args, kwargs)
        depends = any(leaf in self.nodes for leaf in leaves)
        if not depends or func in _SHAPE_ALONE:
            result = func(*args, **kwargs)
            if isinstance(result, Tensor) and not _shares_memory(func):
                self._made[result] = True
            return result
        if not _LOOKS.isdisjoint(func.tags) and not self._harmless(func, args, kwargs):
            raise NotRecordableError(f"{func} looks at numbers or draws some")
        recorded = _without_writing(func)
        if recorded is not func and args[0] not in self.nodes:  # written to: a constant no more
            arguments = (constant(self.graph, args[0].clone()), *tree_map(self._node, args[1:]))
        else:
            arguments = tree_map(self._node, args)
        named = tree_map(self._node, kwargs)
        result = func(*args, **kwargs)
        if func in _SAME or (func is _aten.view.default and result.shape == args[0].shape):
            self._name(result, self.nodes[args[0]])
            return result
        node = self.graph.call_function(recorded, arguments, named)
        if len(self.graph.nodes) > _MOST:
            raise NotRecordableError(f"more than {_MOST} operations")
        if isinstance(result, Tensor):
            self._name(result, node)
        elif result is None:
            raise NotRecordableError(f"{func} gives nothing, and looks at numbers")
        else:
            for index, part in enumerate(result):
                if isinstance(part, Tensor):
                    self._name(part, self.graph.call_function(operator.getitem, (node, index)))
                elif not isinstance(part, int | None):
                    raise NotRecordableError(f"{func} gives what is no tensor")
        return result

    def give(self, result: Tensor) -> None:
        # Let the record give what the function gave.
        self._check_names([result])
        if result not in self.nodes:
            raise NotRecordableError("the result does not depend on the arguments")
        self.graph.output(self.nodes[result])

    def depends(self, tensor: Tensor) -> bool:
        # Whether a tensor depends on an argument, as far as that can be seen.
        return tensor in self.nodes or self._lies_in_what_depends(tensor)

    def _lies_in_what_depends(self, tensor: Tensor) -> bool:
        storage = _storage(tensor)
        if storage is None:
            return False
        return storage in self._depending or _Place.of(tensor).meets(self._given.get(storage, ()))

    def _check_names(self, leaves: list[Tensor]) -> None:
        for leaf in leaves:
            if leaf not in self.nodes:
                if self._lies_in_what_depends(leaf):
                    raise NotRecordableError("what depends on the arguments is read under a name unknown to autograd")
            elif (storage := _storage(leaf)) in self._writes:
                since = self._writes[storage][self._named_after[leaf] :]
                if since and _Place.of(leaf).meets(since):
                    raise NotRecordableError("a part or another view of a tensor is written to")

    def _note_writing(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        for tensor in _written(func, args, kwargs):
            if (storage := _storage(tensor)) is not None:
                place = _Place.of(tensor)
                if place.meets(self._held.get(storage, ())):
                    raise NotRecordableError(f"{func} writes to a constant that was used before")
                self._writes[storage].append(place)

    def _harmless(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        if func is _aten.index.Tensor:  # the shape of x[where] depends on where alone
            return not any(leaf in self.nodes for leaf in args[1] if isinstance(leaf, Tensor))
        named = {argument.name: argument.default_value for argument in func._schema.arguments}
        named.update(zip(named, args, strict=False), **kwargs)
        return named.get("dropout_p") == 0  # attention, which draws where something is dropped

    def _node(self, leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        if leaf in self.nodes:
            return self.nodes[leaf]
        if leaf not in self._constants:
            self._constants[leaf] = constant(self.graph, leaf, made=leaf in self._made)
            if (storage := _storage(leaf)) is not None:
                self._held[storage].append(_Place.of(leaf))
        return self._constants[leaf]

    def _name(self, tensor: Tensor, node: fx.Node) -> None:
        self.nodes[tensor] = node
        if (storage := _storage(tensor)) is not None:
            self._named_after[tensor] = len(self._writes.get(storage, ()))
            if storage not in self._given:
                self._depending.add(storage)
        node.meta.update({SHAPE: tensor.shape, DTYPE: tensor.dtype, DEVICE: tensor.device})


class _Lookout(TorchFunctionMode):
    # Sees calls of methods that are no operations.

    def __init__(self, recorder: _Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name in _OUTWARD and self._recorder.depends(args[0]):
            raise NotRecordableError(f"Tensor.{name} gives numbers away")
        return func(*args, **(kwargs or {}))


# The memory of a tensor, by which names of the same memory are found; None for sparse ones, which have no views.
def _storage(tensor: Tensor) -> StorageWeakRef | None:
    return StorageWeakRef(tensor.untyped_storage()) if tensor.layout is torch.strided else None  # type: ignore[no-untyped-call]


class _Place(NamedTuple):
    # Where in that memory a tensor lies: in bytes, a stride and a length for each dimension, the largest stride first.
    start: int
    dimensions: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, tensor: Tensor) -> _Place:
        size = tensor.element_size()
        steps = ((size * stride, length) for stride, length in zip(tensor.stride(), tensor.shape, strict=True) if length != 1)
        return cls(size * int(tensor.storage_offset()), (*sorted(steps, reverse=True), (1, size)))

    def meets(self, others: Sequence[_Place]) -> bool:
        # Whether a number of this place may be one of the others.
        return any(self._may_meet(other) for other in others)

    def _may_meet(self, other: _Place) -> bool:
        if any(length == 0 for place in (self, other) for _, length in place.dimensions):
            return False
        if self._end <= other.start or other._end <= self.start:
            return False
        # Parts of one tensor may lie side by side in one of its dimensions: columns, whose memory takes turns.
        if [stride for stride, _ in self.dimensions] != [stride for stride, _ in other.dimensions]:
            return True
        apart, room, mine, theirs = False, math.inf, self.start, other.start
        for (stride, length), (_, other_length) in zip(self.dimensions, other.dimensions, strict=True):
            if stride == 0:
                return True
            (here, mine), (there, theirs) = divmod(mine, stride), divmod(theirs, stride)
            end, other_end = here + length, there + other_length
            if stride * max(end, other_end) > room:
                return True  # one dimension runs into the next
            apart = apart or end <= there or other_end <= here
            room = stride
        return not apart

    @property
    def _end(self) -> int:
        return self.start + sum(stride * (length - 1) for stride, length in self.dimensions) + 1


_Places = defaultdict[StorageWeakRef | None, list[_Place]]


# The tensors that an operation writes to.
def _written(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[Tensor]:
    if func._schema.is_mutable:
        for index, argument in enumerate(func._schema.arguments):
            if argument.alias_info is not None and argument.alias_info.is_write:
                value = args[index] if index < len(args) else kwargs.get(argument.name)
                yield from (leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor))


# Whether what an operation gives may lie in the memory of its arguments.
def _shares_memory(func: Any) -> bool:
    return any(result.alias_info is not None for result in func._schema.returns)


# The operation that gives what another one writes into its first argument.
def _without_writing(func: Any) -> Any:
    if not func._schema.is_mutable:
        return func
    name = func._schema.name.partition("::")[2]
    other = getattr(getattr(_aten, name[:-1], None), func._overloadname, None) if name.endswith("_") else None
    if other is None or other._schema.is_mutable:
        raise NotRecordableError(f"{func} writes to its arguments")
    return other
