"""All benchmarks in one run, or some of them by name.

    make bench
    make bench ARGS="hvp slices"
    make bench ARGS=--quick
    make bench ARGS="--device cuda"

Writes ``benchmarks/results/*.json`` and, computed from all that is there, ``acceptance.json``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from benchmarks import growth, hvp, memory, slices, spectrum, trace
from benchmarks.acceptance import acceptance_table, read_results
from benchmarks.agreement import REFUSALS
from benchmarks.nets import NETS
from benchmarks.peers import DISTRIBUTIONS
from benchmarks.recording import RESULTS, describe_machine, describe_versions, write_results

__all__ = ["PARTS", "SCRIPTS", "main"]

_ROOT = Path(__file__).parents[1]
_SMALL, _AFFINE, _CONV, _RESNET, _TRANSFORMER = (
    *("MLP 64-64-10", "MLP 784-256-128-10", "conv net"),
    *("ResNet-20", "transformer"),
)
#: What is measured, and on which networks.
PARTS: dict[str, tuple[Callable[..., dict[str, Any]], list[str]]] = {
    "hvp": (hvp.measure, list(NETS)),
    "slices": (slices.measure, [_SMALL, _AFFINE, _CONV, _RESNET, _TRANSFORMER]),
    "spectrum": (spectrum.measure, [_SMALL, _AFFINE, _CONV]),
    "trace": (trace.measure, [_SMALL, _CONV]),
    "growth": (lambda _, device, quick: growth.measure(device, quick=quick), []),
    "memory": (memory.measure, [_AFFINE, _RESNET, _TRANSFORMER]),
}
#: What is measured by scripts of their own, which write their own results.
SCRIPTS = ("latencies", "densenet121")
_ON_CUDA = {name for name in NETS if name.startswith((_RESNET, _TRANSFORMER))}
_CUDA_PARTS = ("hvp", "slices", "memory")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run benchmarks.

    Args:
        arguments: Of the command line; None for those of the process.

    Returns:
        The exit status: how many parts failed.
    """
    parser = argparse.ArgumentParser(prog="make bench", description="What curvwidget costs, beside other packages.")
    parser.add_argument("parts", nargs="*", help=f"of {', '.join((*PARTS, *SCRIPTS))} (default: all)")
    parser.add_argument("--quick", action="store_true", help="see whether it runs, with few repetitions; keep nothing")
    parser.add_argument("--output", type=Path, help="a folder for the results (default: benchmarks/results)")
    parser.add_argument("--device", default="cpu", help="where to compute; on cuda ResNet-20 and the transformer alone")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of torch (default: one a processor)")
    options = parser.parse_args(arguments)
    on_cuda = torch.device(options.device).type == "cuda"
    chosen = options.parts or (_CUDA_PARTS if on_cuda else (*PARTS, *SCRIPTS))
    if unknown := sorted(set(chosen) - {*PARTS, *SCRIPTS}):
        parser.error(f"parts must be of {', '.join((*PARTS, *SCRIPTS))}, got {', '.join(unknown)}")
    torch.set_num_threads(options.threads)
    if on_cuda:
        torch.backends.cudnn.allow_tf32 = False  # as we compute anyway: numbers of 11 bits are not compared with those of 24
    run = datetime.now().isoformat(timespec="seconds")
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.output or (Path(scratch) if options.quick else RESULTS)
        failed = 0
        for part in chosen:
            began = time.perf_counter()
            if part in SCRIPTS:
                failed += _run_script(part, options.device, folder, quick=options.quick)
                continue
            try:
                results = _measured(part, options.device, quick=options.quick)
            except REFUSALS:  # the other parts are worth having
                traceback.print_exc()
                failed += 1
                continue
            write_results(part + ("-cuda" if on_cuda else ""), {"run": run, **results}, folder)
            print(f"{part}: {time.perf_counter() - began:.0f} s", flush=True)
        table = acceptance_table(read_results(folder))
        write_results("acceptance", table, folder)
        for row in table["criteria"]:
            print(_said(row))
    return failed


def _measured(part: str, device: str, *, quick: bool) -> dict[str, Any]:
    measure, nets = PARTS[part]
    if torch.device(device).type == "cuda":
        nets = [name for name in nets if name in _ON_CUDA]
    described = {"machine": describe_machine(device), "versions": describe_versions(*DISTRIBUTIONS)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other packages' are not ours to mend
        return {**measure(nets, device, quick=quick), **described}


def _run_script(name: str, device: str, folder: Path, *, quick: bool) -> int:
    command = [sys.executable, "-m", f"benchmarks.{name}", "--output", str(folder.resolve()), *(["--quick"] if quick else [])]
    if name == "densenet121":  # the explorer's latencies are those of the processor
        command += ["--device", device]
    return int(subprocess.run(command, cwd=_ROOT, check=False).returncode != 0)


def _said(row: dict[str, Any]) -> str:
    measured = row["measured"]
    if isinstance(measured, dict):
        measured = f"{measured['median']:.3g} ({measured['lower_quartile']:.3g} to {measured['upper_quartile']:.3g})"
    met = {True: "yes", False: "NO", None: "—"}[row["met"]]
    return f"{met:>3}  {row['criterion']}: {row['where']}: {measured}, wanted {row['wanted']}"


if __name__ == "__main__":
    sys.exit(main())
