"""Several arrays and their description in one block of bytes, so that a view gets all of them or none.

The block is 4 bytes ``CVW1``, the length of the header as a little-endian ``uint32``, the header as JSON in UTF-8, padded by
spaces, and the arrays, each starting at a multiple of 8 bytes. js/src/codec.ts reads it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["pack", "unpack"]

Array = np.ndarray[Any, Any]

_MAGIC = b"CVW1"
_ALIGNMENT = 8
_KINDS = ("f4", "f8", "u1", "u2", "u4")


def pack(meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> bytes:
    """Put arrays and their description into one block.

    Args:
        meta: What JSON can hold, without NaN and inf: these belong into an array.
        arrays: Arrays by name, of 4- or 8-byte floats or unsigned integers of 1, 2 or 4 bytes; any shape.

    Returns:
        The block.

    Raises:
        TypeError: If an array is of another type.
    """
    fields: dict[str, dict[str, Any]] = {}
    payload = bytearray()
    for name, array in arrays.items():
        kind = array.dtype.str[1:]
        if kind not in _KINDS:
            raise TypeError(f"array {name!r} must be one of {', '.join(_KINDS)}, got {array.dtype}")
        fields[name] = {"kind": kind, "shape": list(array.shape), "offset": len(payload)}
        payload += np.ascontiguousarray(array, dtype=f"<{kind}").tobytes()
        payload += bytes(-len(payload) % _ALIGNMENT)
    header = json.dumps({"meta": dict(meta), "fields": fields}, allow_nan=False, separators=(",", ":")).encode()
    header += b" " * (-(len(header) + len(_MAGIC) + 4) % _ALIGNMENT)
    return _MAGIC + struct.pack("<I", len(header)) + header + bytes(payload)


def unpack(block: bytes) -> tuple[dict[str, Any], dict[str, Array]]:
    """Take a block apart that `pack` made.

    Args:
        block: The block.

    Returns:
        The description and the arrays.

    Raises:
        ValueError: If the block is not one of `pack`'s.
    """
    if block[:4] != _MAGIC:
        raise ValueError(f"block must start with {_MAGIC!r}, got {bytes(block[:4])!r}")
    (length,) = struct.unpack_from("<I", block, 4)
    header = json.loads(block[8 : 8 + length])
    arrays = {}
    for name, field in header["fields"].items():
        count = int(np.prod(field["shape"], dtype=int))
        flat = np.frombuffer(block, dtype=f"<{field['kind']}", count=count, offset=8 + length + field["offset"])
        arrays[name] = flat.reshape(field["shape"])
    return header["meta"], arrays
