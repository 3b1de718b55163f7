"""Other points in parameter space, in whatever form a user has them: vectors, models, state dicts, files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from curvwidget.objective import Objective

__all__ = ["Checkpoint", "read_checkpoint", "stream_checkpoints"]

Checkpoint: TypeAlias = Tensor | nn.Module | Mapping[str, Any] | str | PathLike[str]
"""A vector θ ``(N,)``, a model, a state dict, or a path to a file that holds one of the latter or an array."""

_WRAPPERS = ("state_dict", "model_state_dict", "model")  # what training scripts call the state dict among other things


def read_checkpoint(objective: Objective, checkpoint: Checkpoint) -> Tensor:
    """Return θ as a checkpoint has it.

    Of a model or a state dict the parameters that make up the objective's θ are taken, by name; buffers and further parameters
    stay those of the objective. Nothing in a file is unpickled: tensors are read by ``torch.load(weights_only=True)``, ``.npy``
    and ``.npz`` by NumPy without pickle.

    Args:
        objective: Says which parameters make up θ.
        checkpoint: A vector, a model, a state dict (also under the key ``state_dict``, ``model_state_dict`` or ``model``), or the
            path of a ``.npy`` file with θ, of a ``.npz`` file with θ alone or with arrays by the parameters' names, or of a file
            that ``torch.save`` wrote of a vector or of a state dict.

    Returns:
        θ ``(N,)``, a copy in the objective's dtype and on its device.

    Raises:
        TypeError: If the checkpoint is of no known kind.
        ValueError: If it lacks a parameter, has one of another shape, or holds NaN or inf, or if the file cannot be read without
            unpickling; a missing file raises what opening it raises.
    """
    name = f"checkpoint {str(checkpoint)!r}" if isinstance(checkpoint, (str, PathLike)) else "checkpoint"
    found = _read_file(Path(checkpoint), name) if isinstance(checkpoint, (str, PathLike)) else checkpoint
    with torch.inference_mode(False), torch.no_grad():
        if isinstance(found, nn.Module):
            point = _gather(objective, dict(found.named_parameters(remove_duplicate=False)), name)
        elif isinstance(found, Mapping):
            point = _gather(objective, _unwrap(objective, found), name)
        elif isinstance(found, Tensor):
            point = _as_floating(found, name)
            if tuple(point.shape) != (objective.n_parameters,):
                raise ValueError(f"{name} must have shape (N,) with N = {objective.n_parameters}, got {tuple(point.shape)}")
        else:
            kinds = "a vector (N,), a model, a state dict or a path"
            raise TypeError(f"{name} must be {kinds}, got {type(found).__name__}")
        point = point.detach().to(device=objective.device, dtype=objective.dtype, copy=True)
    if not bool(point.isfinite().all()):
        raise ValueError(f"{name} must be finite, got NaN or inf")
    return point


def stream_checkpoints(objective: Objective, checkpoints: Iterable[Checkpoint]) -> Iterator[Tensor]:
    """Read checkpoints one at a time.

    Args:
        objective: As for `read_checkpoint`.
        checkpoints: A sequence or a generator of checkpoints.

    Yields:
        θ of each; no other one is kept.

    Raises:
        TypeError: If ``checkpoints`` is a single checkpoint and no series of them.
    """
    if isinstance(checkpoints, (Tensor, nn.Module, Mapping, str, PathLike)) or not isinstance(checkpoints, Iterable):
        raise TypeError(f"checkpoints must be a list of checkpoints, got a single {type(checkpoints).__name__}")
    for checkpoint in checkpoints:
        yield read_checkpoint(objective, checkpoint)


def _read_file(path: Path, name: str) -> Any:
    if path.suffix == ".npy":
        return torch.from_numpy(_without_pickle(name, path))
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: torch.from_numpy(_without_pickle(name, archive, key)) for key in archive.files}
        vectors = [array for array in arrays.values() if array.ndim == 1]
        return vectors[0] if len(arrays) == len(vectors) == 1 else arrays
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(
            f"{name} must be a .npy or .npz file or tensors that torch.save wrote, and is not unpickled; "
            "save model.state_dict() rather than the model"
        ) from error


def _without_pickle(name: str, source: Any, key: str | None = None) -> np.ndarray[Any, Any]:
    try:
        return np.asarray(np.load(source, allow_pickle=False) if key is None else source[key])
    except ValueError as error:
        raise ValueError(f"{name} must hold arrays of numbers, got Python objects, which are not unpickled") from error


def _unwrap(objective: Objective, found: Mapping[str, Any]) -> Mapping[str, Any]:
    if not any(block.name in found for block in objective.blocks):
        for key in _WRAPPERS:
            if isinstance(found.get(key), Mapping):
                return found[key]  # type: ignore[no-any-return]
    return found


def _gather(objective: Objective, tensors: Mapping[str, Any], name: str) -> Tensor:
    pieces = []
    for block in objective.blocks:
        if block.name not in tensors:
            known = ", ".join(list(map(str, tensors))[:6]) + (", …" if len(tensors) > 6 else "")
            raise ValueError(f"{name} must hold the parameter {block.name!r}, got {known or 'nothing'}")
        piece = _as_floating(tensors[block.name], f"{name}: {block.name}")
        if tuple(piece.shape) != block.shape:
            raise ValueError(f"{name}: {block.name} must have shape {block.shape}, got {tuple(piece.shape)}")
        pieces.append(piece.detach().reshape(-1).to(device=objective.device, dtype=objective.dtype))
    return torch.cat(pieces)


def _as_floating(value: Any, name: str) -> Tensor:
    if not isinstance(value, Tensor) or not value.is_floating_point():
        got = str(value.dtype) if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"{name} must be a floating-point tensor, got {got}")
    return value
