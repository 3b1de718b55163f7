"""Peak memory of a gradient, a Hessian-vector product and a slice, each in a process of its own.

    python -m benchmarks.memory "ResNet-20" curvwidget product

Measures one of them, with what the package holds for it, over what the process held with network and data built, and prints it.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import torch

from benchmarks.agreement import REFUSALS, why_not
from benchmarks.nets import Net, build_net
from benchmarks.peers import OURS, PRODUCTS, attention_that_bends, gradient_of
from benchmarks.planes import PASSES, bare_passes, loss_landscapes_plane, our_slices
from benchmarks.recording import measured

__all__ = ["main", "measure", "peak_of"]

_ROOT = Path(__file__).parents[1]
_MIB, _GIB = 2**20, 2**30
_PROCESSES, _PROCESSES_ON_CUDA = 2, 8  # at a time
_RESOLUTION = 5
GRADIENT = "gradient"

_PRODUCT, _SLICE = "product", "slice"


def measure(names: list[str], device: str = "cpu", *, quick: bool = False) -> dict[str, Any]:
    """Measure on networks of the list.

    Args:
        names: Which.
        device: Where.
        quick: Whether to see only that it runs.

    Returns:
        Tables for the results' file.
    """
    wanted = [(name, package, _PRODUCT) for name in names for package in (GRADIENT, *PRODUCTS)]
    wanted += [(name, package, _SLICE) for name in names for package in (PASSES, OURS, "loss-landscapes")]
    if quick:
        wanted = [(names[0], GRADIENT, _PRODUCT), (names[0], OURS, _PRODUCT)]
    with ThreadPoolExecutor(_PROCESSES if torch.device(device).type == "cpu" else _PROCESSES_ON_CUDA) as pool:
        found = list(pool.map(lambda job: _in_a_process(job, device), wanted))
    print("memory: done", flush=True)
    tables: dict[str, list[dict[str, Any]]] = {f"of_a_{_PRODUCT}": [], f"of_a_{_SLICE}": [], "not_measured": []}
    for (name, package, what), row in zip(wanted, found, strict=True):
        if "why" in row:
            tables["not_measured"].append({"net": name, "package": package, "what": what, "why": row["why"]})
        else:
            tables[f"of_a_{what}"].append({"net": name, "package": package, **row})
    return {
        "title": "Memory",
        "description": (
            "The most that a process held resident while the package was set up and used once, over what it held with "
            "network and data; each in a process of its own. On CUDA, the most that was allocated there. A gradient and "
            "the forward passes are by torch alone."
        ),
        **{table: rows for table, rows in tables.items() if rows},
    }


def peak_of(net: Net, package: str, what: str) -> float:
    """Measure in this process.

    Args:
        net: The network.
        package: Which; or the gradient or the forward passes of plain torch.
        what: ``"product"`` or ``"slice"``.

    Returns:
        Bytes.
    """
    device = net.x.device
    prepare = _product(net, package) if what == _PRODUCT else _slice(net, package)
    # What torch and the packages load with their first use is no part of it.
    gradient_of(build_net("MLP 64-64-10", str(device), quick=True))()
    gc.collect()
    before = torch.cuda.memory_allocated() if device.type == "cuda" else psutil.Process().memory_info().rss
    with attention_that_bends(net), measured(device) as cost:
        prepare()()
    return cost.peak_memory_gib * _GIB - before


def _product(net: Net, package: str) -> Callable[[], Callable[[], object]]:
    if package == GRADIENT:
        return lambda: gradient_of(net)
    if package != OURS:
        # imported before anything is measured
        PRODUCTS[package](build_net("MLP 64-64-10", str(net.x.device), quick=True))
    vectors = torch.randn(1, net.n_parameters, device=net.x.device)
    return lambda: PRODUCTS[package](net).call(vectors)


def _slice(net: Net, package: str) -> Callable[[], Callable[[], object]]:
    if package == PASSES:
        return lambda: bare_passes(net, _RESOLUTION**2)(0)
    if package == OURS:
        return lambda: our_slices(net, _RESOLUTION)(0)
    planes = loss_landscapes_plane(net, _RESOLUTION)
    return lambda: planes(0)


def main(arguments: list[str] | None = None) -> None:
    """Measure one thing and print it as JSON.

    Args:
        arguments: Of the command line; None for those of the process.
    """
    parser = argparse.ArgumentParser(description="peak memory of one product or slice")
    parser.add_argument("net")
    parser.add_argument("package")
    parser.add_argument("what", choices=(_PRODUCT, _SLICE))
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    net = build_net(options.net, options.device, trained=False)
    try:
        row: dict[str, Any] = net.describe()
        row["peak_MiB"] = round(peak_of(net, options.package, options.what) / _MIB, 1)
    except REFUSALS as error:
        row = {"why": why_not(error)}
    print(json.dumps(row))


def _in_a_process(job: tuple[str, str, str], device: str) -> dict[str, Any]:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.memory", *job, "--device", device]
    ended = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if ended.returncode:
        return {"why": f"the process ended with {ended.returncode}: {ended.stderr.strip().splitlines()[-1:]}"}
    row: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return row


if __name__ == "__main__":
    main()
