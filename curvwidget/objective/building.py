"""From the user's model, loss and data to a risk that can be evaluated, or to a message that says why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from curvwidget._checks import check_choice, check_count
from curvwidget.objective.batches import Batches
from curvwidget.objective.chunking import rows_within_budget
from curvwidget.objective.flat import FlatParameters
from curvwidget.objective.grouped_convolution import join_groups
from curvwidget.objective.model_risk import ModelRisk
from curvwidget.objective.normalization import BATCHNORM_POLICIES, BatchNormPolicy, apply_policy
from curvwidget.objective.parameters import ParameterFilter, select_parameters
from curvwidget.objective.private_model import check_model, copy_privately, foreign_hooks, shared_memory
from curvwidget.objective.reading import read_batches, remark_on_data
from curvwidget.objective.repairs import repair_embeddings, repair_weight_norm
from curvwidget.objective.rng import preserved_rng
from curvwidget.objective.settings import computes_plainly
from curvwidget.objective.slope import doubt_slope
from curvwidget.objective.soundness import accepts_cuts, check_sound, is_mean, refuse_sum, try_all
from curvwidget.objective.trees import tensors_of

__all__ = ["BuiltRisk", "LossOfModel", "build_risk"]

_MANY = 8  # names in a message
_WITH_FAST_PATHS = (nn.TransformerEncoder, nn.TransformerEncoderLayer, nn.MultiheadAttention)


@dataclass(frozen=True)
class LossOfModel:
    """What the user gave, beside model and data.

    Attributes:
        criterion: ``criterion(output, target)``, or None.
        batch_loss: ``batch_loss(model, batch)``, or None.
        parameters: What θ holds.
        batchnorm: The policy.
        batch_size: Samples at once, or None.
        device: Where to compute, or None.
        dtype: Of model and data, or None.
    """

    criterion: Callable[[Any, Any], Tensor] | None
    batch_loss: Callable[[nn.Module, Any], Tensor] | None
    parameters: ParameterFilter
    batchnorm: BatchNormPolicy
    batch_size: int | None
    device: torch.device | str | None
    dtype: torch.dtype | None

    def __post_init__(self) -> None:
        """Check what can be checked without the model.

        Raises:
            TypeError: If there is no loss or there are two, or what is given is not callable.
            ValueError: If a choice is none.
        """
        if (self.criterion is None) == (self.batch_loss is None):
            given = "neither" if self.criterion is None else "both"
            raise TypeError(f"give either criterion(output, target) or batch_loss(model, batch) with criterion=None, got {given}")
        for name in ("criterion", "batch_loss"):
            function = getattr(self, name)
            if function is not None and not callable(function):
                raise TypeError(f"{name} must be callable, got {type(function).__name__}")
            if isinstance(function, type):
                raise TypeError(
                    f"{name} must be a function or a module, got the class {function.__name__}: write {function.__name__}()"
                )
        check_choice("batchnorm", self.batchnorm, BATCHNORM_POLICIES)
        if self.batch_size is not None:
            check_count("batch_size", self.batch_size)
            if self.batchnorm == "recalibrate":
                taken = "which takes all samples at once"
                raise ValueError(f"batch_size must be None with batchnorm='recalibrate', {taken}, got {self.batch_size}")
        if self.dtype not in (None, torch.float32, torch.float64):
            raise ValueError(f"dtype must be torch.float32, torch.float64 or None, got {self.dtype}")


@dataclass(frozen=True)
class BuiltRisk:
    """A risk that was tried out.

    Attributes:
        risk: The loss.
        theta: The model's θ.
        loss: L(θ).
        notes: What a user should know about it.
        warnings: What a user has to be told at once; among the notes as well.
    """

    risk: ModelRisk
    theta: Tensor
    loss: float
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def build_risk(model: nn.Module, loss: LossOfModel, data: Any) -> BuiltRisk:
    """Copy the model, read the data, try the loss.

    Args:
        model: The user's.
        loss: What is made of it.
        data: The user's.

    Returns:
        The risk, with what was found out about it.

    Raises:
        TypeError: If the model is none.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    device = check_model(model, loss.device)
    with preserved_rng(device), torch.inference_mode(False):
        private, criterion = copy_privately(model, loss.criterion, device=device, dtype=loss.dtype)
        repair_weight_norm(private)
        held = repair_embeddings(private)
        if not computes_plainly():
            join_groups(private)
        chosen = select_parameters(private, loss.parameters)
        for module in (private, criterion):
            if isinstance(module, nn.Module):
                for parameter in module.parameters():
                    parameter.requires_grad_(False)
        parameters = FlatParameters(chosen)
        theta = parameters.read()
        notes = _remark_on_model(private, parameters, apply_policy(private, loss.batchnorm), loss.batchnorm)
        if shared := shared_memory(model):
            notes.append(
                f"tensors that share memory in your model do not move as one here: {_list(shared)}; tie them as one parameter "
                "(head.weight = emb.weight)"
            )
        if fixed := [name for name, weight in held.items() if any(weight is tensor for tensor in parameters.tensors)]:
            notes.append(f"the padding row (padding_idx) of {_list(fixed)} is read as it stands, wherever θ goes")
        batches = read_batches(data, device=device, dtype=loss.dtype, piece=loss.batch_size)
        notes += remark_on_data(data)
        if criterion is not None:
            _check_pairs(batches.items)
            batches = batches.counted_by_target()
        risk = ModelRisk(private, criterion, loss.batch_loss, parameters, batches)
        risk.recurrent = device.type == "cuda" and any(isinstance(module, nn.RNNBase) for module in private.modules())
        risk.has_fast_paths = any(isinstance(module, _WITH_FAST_PATHS) for module in private.modules())
        risk = risk.rebatched(_mark_whole(risk, theta, notes))
        if loss.batchnorm == "recalibrate":
            risk = risk.rebatched(_merged(risk.batches))
        with _explained_dtypes(batches, theta.dtype):
            unused = check_sound(risk, theta, foreign=model.parameters())
        if unused:
            notes.append(f"the loss does not depend on {_list(unused)}: zero gradient and curvature there")
        doubt = doubt_slope(risk, theta)
        if criterion is not None and risk.batches.divisible:
            refuse_sum(risk, theta)
        risk, value, warning = _cut_to_size(risk, theta, loss)
    told = tuple(text for text in (doubt, warning) if text is not None)
    return BuiltRisk(risk, theta, value, (*notes, *told), told)


def _remark_on_model(private: nn.Module, parameters: FlatParameters, normalizations: int, policy: BatchNormPolicy) -> list[str]:
    notes = []
    if policy != "running" and not normalizations:
        notes.append(f"batchnorm={policy!r} changes nothing: the model has no layer with running statistics")
    if hooked := foreign_hooks(private):
        notes.append(f"hooks run on the private copy as well: {_list(hooked)}")
    small = {str(tensor.dtype) for tensor in parameters.tensors if tensor.dtype.itemsize < 4}
    if small:
        notes.append(
            f"the model computes in {_list(sorted(small))}: θ is kept in {parameters.dtype}, but the loss has few digits, "
            "and small steps may not change it; dtype=torch.float32 looks closer"
        )
    return notes


def _mark_whole(risk: ModelRisk, theta: Tensor, notes: list[str]) -> Batches:
    # Where the model takes nothing but whole batches, they are not divisible.
    batches = risk.batches
    if any(not tensors_of(item) for item in batches.items):
        notes.append(f"each {type(batches.items[0]).__name__} counts as one sample: no tensors are found in it")
    if risk.loss_name != "criterion" and len(batches.items) > 1 and not batches.agree:
        notes.append(
            "the tensors of a batch differ in their first dimension: its samples, by which batches are weighted, are counted by "
            f"the first of its tensors: {_list([str(size) for size in batches.sizes])}"
        )
    if risk.loss_name != "criterion" or not batches.divisible or accepts_cuts(risk, theta):
        return batches
    notes.append("the model takes whole batches only: they are used as they were given")
    return Batches(items=batches.items, sizes=batches.sizes, divisible=False)


def _merged(batches: Batches) -> Batches:
    if len(batches.items) > 1 and not batches.divisible:
        raise ValueError(
            "data must be one batch, or batches that can be merged, for batchnorm='recalibrate', "
            f"got {len(batches.items)} batches of different structure or shapes"
        )
    return batches.rechunk(batches.n_samples)


def _cut_to_size(risk: ModelRisk, theta: Tensor, loss: LossOfModel) -> tuple[ModelRisk, float, str | None]:
    # Merge and cut the batches, where that leaves the loss as it is.
    given, count = risk, risk.batches.n_samples
    rows: int | None = loss.batch_size
    if rows is not None and not risk.batches.divisible:
        if any(size > rows for size in risk.batches.sizes):
            raise ValueError(f"batch_size must be None for batches that cannot be cut, got {rows}")
        rows = None
    if rows is None and loss.criterion is not None and risk.batches.divisible and loss.batchnorm == "running":
        rows = rows_within_budget(risk, theta, risk.ways.budget)
    if rows is None or (rows >= count and len(given.weights) == 1):
        return given, try_all(given, theta), None
    cut = given.rebatched(given.batches.rechunk(rows))
    value = try_all(cut, theta)
    if loss.batchnorm == "batch":
        return cut, value, None  # where the batches end is part of this loss
    longest = max(cut.batches.sizes)
    recut = len(given.weights) > 1 and given.batches.sizes != cut.batches.sizes  # else there is no other cut than one of our own
    pieces = cut.rebatched(given.batches if recut else cut.batches.rechunk(max(1, 2 * longest // 3)))
    if longest == 1 or is_mean(pieces, theta, value):
        return cut, value, None
    kept = cut if loss.batch_size is not None else given
    warning = (
        f"{risk.loss_name} is not a mean over samples: its value depends on where the data is cut into batches (class weights, "
        "ignored targets, or samples that see each other). The loss looked at is the sample-weighted mean over "
        + ("the batches as they were given" if kept is given else f"batches of {loss.batch_size} at most")
    )
    return kept, try_all(kept, theta), warning


def _check_pairs(items: tuple[Any, ...]) -> None:
    for item in items:
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            kind = f"{type(item).__name__} of {len(item)}" if hasattr(item, "__len__") else type(item).__name__
            raise ValueError(
                f"data must hold pairs (x, y) for a criterion, got a {kind}; write one data set as a tuple (x, y), and for other "
                "batches give batch_loss"
            )
        x, y = item
        if isinstance(x, Tensor) and isinstance(y, Tensor) and x.ndim and y.ndim and x.size(0) != y.size(0):
            raise ValueError(f"data must have one target a sample, got {x.size(0)} inputs and {y.size(0)} targets")


@contextmanager
def _explained_dtypes(batches: Batches, dtype: torch.dtype) -> Iterator[None]:
    # Say what to do where model and data differ in dtype, which PyTorch's own message leaves open.
    try:
        yield
    except RuntimeError as error:
        found = {tensor.dtype for item in batches.items for tensor in tensors_of(item) if tensor.is_floating_point()}
        others = sorted(str(other) for other in found - {dtype})
        if not others or "dtype" not in str(error):
            raise
        raise ValueError(
            f"data must have the model's dtype {dtype}, got {_list(others)}; give dtype={dtype} to convert both"
        ) from error


def _list(names: list[str]) -> str:
    return ", ".join(names[:_MANY]) + (f" and {len(names) - _MANY} more" if len(names) > _MANY else "")
