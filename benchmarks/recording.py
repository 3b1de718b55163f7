"""What a benchmark writes down: where it ran, on which versions, how long each part took, and how much memory."""

from __future__ import annotations

import json
import os
import platform
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
import torch

import curvwidget as cw

__all__ = ["RESULTS", "Cost", "describe_machine", "describe_versions", "measured", "write_results"]

RESULTS = Path(__file__).parent / "results"

_GIB = 2**30
_PROCESS_STATUS = Path("/proc/self/status")
_PEAK_RESET = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5): sets VmHWM to what is resident now


@dataclass
class Cost:
    """What a part of a benchmark cost; filled in when the part ends.

    Attributes:
        seconds: On the clock.
        processor_seconds: On all processors together: what other work on the machine takes away does not count.
        peak_memory_gib: Most memory that the whole process held during the part, torch and Python included; on another system
            than Linux, the most since it started.
    """

    seconds: float = 0.0
    processor_seconds: float = 0.0
    peak_memory_gib: float = 0.0


@contextmanager
def measured(device: torch.device | str = "cpu") -> Iterator[Cost]:
    """Measure what the block costs.

    Args:
        device: Where it computes; its queue is waited for, and on CUDA the memory is the device's.

    Yields:
        The cost, complete when the block has ended.
    """
    cost = Cost()
    on_cuda = torch.device(device).type == "cuda"
    if on_cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    else:
        _reset_peak()
    began, worked = time.perf_counter(), time.process_time()
    yield cost
    if on_cuda:
        torch.cuda.synchronize()
    cost.seconds = time.perf_counter() - began
    cost.processor_seconds = time.process_time() - worked
    cost.peak_memory_gib = (torch.cuda.max_memory_allocated() if on_cuda else _peak()) / _GIB


def describe_machine(device: torch.device | str = "cpu") -> dict[str, Any]:
    """Describe where this runs.

    Args:
        device: Where the benchmark computes.

    Returns:
        Processor, memory, threads, and how busy the machine was with anything (the load of the last minute a processor).
    """
    processors = os.cpu_count() or 1
    return {
        "device": torch.cuda.get_device_name() if torch.device(device).type == "cuda" else "CPU",
        "processor": _processor(),
        "processors": processors,
        "memory_GiB": round(psutil.virtual_memory().total / _GIB),
        "threads_of_torch": torch.get_num_threads(),
        "load_before_per_processor": round(os.getloadavg()[0] / processors, 2),
        "system": platform.platform(),
    }


def describe_versions(*names: str) -> dict[str, str]:
    """Look up what is compared.

    Args:
        names: Distributions, beside curvwidget, torch and Python.

    Returns:
        The version of each; ``"not installed"`` where there is none.
    """
    found = {"python": platform.python_version(), "curvwidget": cw.__version__}  # it may run without being installed
    for name in ("torch", *names):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def write_results(name: str, results: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Write a run down, for the docs to show.

    Args:
        name: Of the file, without its ending.
        results: What was found; ``title`` and ``description`` head it. A `Cost` is written with its fields.
        folder: Where.

    Returns:
        The file.
    """
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.json"
    unfinished = path.with_suffix(".part")
    text = json.dumps({**results, "date": date.today().isoformat()}, indent=1, ensure_ascii=False, default=_plain)
    unfinished.write_text(text + "\n", encoding="utf-8")
    unfinished.replace(path)
    return path


def _plain(value: object) -> Any:
    if isinstance(value, Cost):
        return {name: float(f"{number:.4g}") for name, number in asdict(value).items()}
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"results must hold what JSON can, or costs and arrays, got {type(value).__name__}")


def _reset_peak() -> None:
    if _PEAK_RESET.exists():
        _PEAK_RESET.write_text(_RESET_PEAK)


def _peak() -> float:
    if _PROCESS_STATUS.exists():
        (line,) = (line for line in _PROCESS_STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return float(line.split()[1]) * 1024
    # macOS counts bytes here.
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * (1 if platform.system() == "Darwin" else 1024)


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
