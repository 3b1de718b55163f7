"""What every result can do: save itself to a file without pickle, and come back from it."""

from __future__ import annotations

import dataclasses
import json
import zipfile
import zlib
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

__all__ = ["ArrayResult"]

_FORMAT = 1
Result = TypeVar("Result", bound="ArrayResult")
_KINDS: dict[str, type[ArrayResult]] = {}


class ArrayResult:
    """Base of the frozen dataclasses that hold arrays.

    A file is a NumPy archive of the arrays and one JSON text with the rest. Nothing in it is unpickled. Fields marked with
    ``metadata={"saved": False}`` stay out of the file and come back as their default.
    """

    def __init_subclass__(cls) -> None:
        """Register the result's kind, by which a file names it."""
        super().__init_subclass__()
        _KINDS[cls.__name__] = cls

    def save(self, path: str | PathLike[str]) -> None:
        """Write the result to a ``.npz`` file.

        Args:
            path: Where to write; an existing file is replaced.
        """
        arrays: dict[str, np.ndarray[Any, Any]] = {}
        header = {"format": _FORMAT, "result": self._pack(arrays, "")}
        with Path(path).open("wb") as file:
            np.savez_compressed(file, __header__=np.array(json.dumps(header)), **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls: type[Result], path: str | PathLike[str]) -> Result:
        """Read a result that `save` wrote.

        Args:
            path: The file.

        Returns:
            The result, equal to the one saved (tensors on the CPU).

        Raises:
            ValueError: If the file holds no result of this kind, or is damaged.
        """
        refused = f"path must be a file written by {cls.__name__}.save, got {str(path)!r}"
        try:
            arrays = _read_arrays(Path(path))
            header = json.loads(str(arrays["__header__"]))
        except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError) as error:
            raise ValueError(f"{refused}: {error}") from error
        if not isinstance(header, dict) or header.get("format") != _FORMAT:
            found = header.get("format") if isinstance(header, dict) else header
            raise ValueError(f"{str(path)!r} has format {found!r}; this version reads format {_FORMAT}")
        found = header["result"]["kind"]
        if found != cls.__name__:
            raise ValueError(f"{str(path)!r} holds a {found}, expected a {cls.__name__}")
        result = _unpack(header["result"], arrays)
        assert isinstance(result, cls)
        return result

    def _pack(self, arrays: dict[str, np.ndarray[Any, Any]], prefix: str) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            if field.metadata.get("saved", True):
                fields[field.name] = _pack_value(getattr(self, field.name), arrays, prefix + field.name)
        return {"kind": type(self).__name__, "fields": fields}


# All arrays of an archive; one of objects, which only a pickle could hold, is refused.
def _read_arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    with path.open("rb") as file:
        archive = np.load(file, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("it is no archive of arrays")
        with archive:
            return {key: archive[key] for key in archive.files}


def _pack_value(value: Any, arrays: dict[str, np.ndarray[Any, Any]], key: str) -> Any:
    if isinstance(value, ArrayResult):
        return value._pack(arrays, key + ".")
    if isinstance(value, torch.Tensor):
        arrays[key] = value.detach().cpu().numpy()
        return {"kind": "tensor", "key": key}
    if isinstance(value, np.ndarray):
        arrays[key] = value
        return {"kind": "array", "key": key}
    if isinstance(value, tuple):
        return {"kind": "tuple", "items": [_pack_value(item, arrays, f"{key}.{index}") for index, item in enumerate(value)]}
    if isinstance(value, dict):
        return {"kind": "dict", "items": {name: _pack_value(item, arrays, f"{key}.{name}") for name, item in value.items()}}
    if value is None or isinstance(value, (bool, int, float, str)):
        return {"kind": "plain", "value": value}
    raise TypeError(f"{key} cannot be saved: {type(value).__name__}")


def _unpack(packed: dict[str, Any], arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    kind = packed["kind"]
    if kind == "plain":
        return packed["value"]
    if kind == "array":
        return arrays[packed["key"]]
    if kind == "tensor":
        return torch.from_numpy(arrays[packed["key"]])
    if kind == "tuple":
        return tuple(_unpack(item, arrays) for item in packed["items"])
    if kind == "dict":
        return {name: _unpack(item, arrays) for name, item in packed["items"].items()}
    if kind not in _KINDS:
        raise ValueError(f"the file holds a {kind!r}, which this version does not know")
    known = {field.name for field in dataclasses.fields(_KINDS[kind])}  # type: ignore[arg-type]
    unknown = sorted(packed["fields"].keys() - known)
    if unknown:
        raise ValueError(f"the file holds a {kind} with {unknown[0]!r}, which this version does not know")
    return _KINDS[kind](**{name: _unpack(item, arrays) for name, item in packed["fields"].items()})
