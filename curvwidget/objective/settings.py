"""What a user may set of how objectives compute, by environment variables that are read when an objective is built.

``CURVWIDGET_MEMORY``
    Bytes that one Hessian-vector product may take beyond model, data and vectors: ``"536870912"``, ``"512MB"``, ``"2 GiB"``.
``CURVWIDGET_PLAIN``
    ``1`` computes everything in the plain way, one after another: numbers are then the same to the last bit in every process.
"""

from __future__ import annotations

import math
import os
import re

import torch

__all__ = ["MEMORY_BUDGET", "computes_plainly", "memory_budget"]

MEMORY_BUDGET = 256 * 2**20  # bytes, where the user sets nothing
_SHARE_OF_DEVICE, _SHARE_OF_FREE = 1 / 16, 1 / 4  # on a CUDA device
_AMOUNT = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)
_SWITCH = {"": False, "0": False, "1": True}


def memory_budget(device: torch.device) -> int:
    """Return the bytes that one Hessian-vector product may take beyond model, data and vectors.

    Args:
        device: Where it is computed.

    Returns:
        What ``CURVWIDGET_MEMORY`` says, or 256 MiB; on a CUDA device, which is fast with large batches alone, a sixteenth of its
        memory, if four times as much is free.

    Raises:
        ValueError: If it says no positive amount of memory.
    """
    text = os.environ.get("CURVWIDGET_MEMORY", "")
    if not text.strip():
        return _budget_on_cuda(device) if device.type == "cuda" else MEMORY_BUDGET
    found = _AMOUNT.fullmatch(text)
    amount = 0
    if found:
        number, prefix, binary = found.groups()
        amount = math.floor(float(number) * (1024 if binary else 1000) ** " kmgt".index(prefix.lower() or " "))
    if amount < 1:
        raise ValueError(f"CURVWIDGET_MEMORY must be a number of bytes, such as 512MB or 2GiB, got {text!r}")
    return amount


def _budget_on_cuda(device: torch.device) -> int:
    free, total = torch.cuda.mem_get_info(device)
    reusable = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return max(1, int(min(_SHARE_OF_DEVICE * total, _SHARE_OF_FREE * (free + reusable))))


def computes_plainly() -> bool:
    """Say whether no faster way may be taken than the plain one.

    Returns:
        What ``CURVWIDGET_PLAIN`` says; False where it is not set.

    Raises:
        ValueError: If it is neither 0 nor 1.
    """
    text = os.environ.get("CURVWIDGET_PLAIN", "")
    if text not in _SWITCH:
        raise ValueError(f"CURVWIDGET_PLAIN must be 0 or 1, got {text!r}")
    return _SWITCH[text]
