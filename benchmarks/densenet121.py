"""DenseNet-121 the whole way: slices, both ends of the spectrum, and its trace by two methods.

    python -m benchmarks.densenet121

All 6,956,298 parameters, on real images (scikit-learn's digits, enlarged to the 32 × 32 pixels that the network takes). The
network is trained for a moment first: at random weights its loss says nothing. Writes ``benchmarks/results/densenet121.json``.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

import curvwidget as cw
from benchmarks.recording import RESULTS, Cost, describe_machine, describe_versions, measured, write_results
from curvwidget import zoo
from curvwidget.directions import directions_from_eigenpairs

__all__ = ["main"]


@dataclass(frozen=True)
class Effort:
    """How much is done.

    Attributes:
        images: In the loss that is looked at.
        training_images: To train on, in one epoch.
        resolution: Of the slices.
        traces: Samples of either trace.
        tol: Relative residual of the eigenpairs.
    """

    images: int = 32
    training_images: int = 640
    resolution: int = 9
    traces: int = 20
    tol: float = 1e-2


QUICK = Effort(images=4, training_images=32, resolution=3, traces=4, tol=0.3)


def main(arguments: list[str] | None = None) -> None:
    """Run it.

    Args:
        arguments: Of the command line; None for those of the process.
    """
    parser = argparse.ArgumentParser(description="DenseNet-121 the whole way")
    parser.add_argument("--quick", action="store_true", help="see whether it runs, write nothing")
    parser.add_argument("--output", type=Path, default=RESULTS, help="a folder for the results")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    effort = QUICK if options.quick else Effort()
    results = {
        "title": "DenseNet-121, the whole way",
        "description": (
            "A DenseNet-121 for 32 × 32 images with SiLU, trained for one epoch on enlarged digits, and what it takes to look at "
            f"its loss on {effort.images} of them: slices, both ends of the Hessian's spectrum, and its trace from loss values "
            "alone and from Hessian-vector products."
        ),
        "machine": describe_machine(options.device),
        "versions": describe_versions(),
        **look_at_densenet(effort, torch.device(options.device)),
    }
    if not options.quick:
        print(f"wrote {write_results('densenet121' + _suffix(options.device), results, options.output)}")


def look_at_densenet(effort: Effort, device: torch.device) -> dict[str, Any]:
    """Train the network for a moment, then take all that curvwidget offers of it.

    Args:
        effort: How much is done.
        device: Where to compute.

    Returns:
        What was found, and what each step cost.
    """
    steps: list[dict[str, Any]] = []

    def noted(step: str, cost: Cost, **spent: int) -> None:
        row = {"step": step, **{f"{what}": number for what, number in spent.items()}}
        row |= {"seconds": round(cost.seconds, 1), "processor_seconds": round(cost.processor_seconds, 1)}
        steps.append(row | {"peak_memory_GiB": round(cost.peak_memory_gib, 2)})
        print(steps[-1], flush=True)

    with measured(device) as cost:
        model, data = _trained(effort, device)
    noted("training", cost)
    with measured(device) as cost:
        # All images at once: the graph of the gradient, about 300 MB an image, is then kept from product to product.
        objective = cw.Objective(model, F.cross_entropy, data, batch_size=effort.images)
    noted("objective", cost)
    with measured(device) as cost:
        pairs = cw.extreme_eigenpairs(objective, largest=1, smallest=1, tol=effort.tol)
    noted("both ends of the spectrum", cost, hvps=pairs.hvps)
    axes = {
        "random": cw.random_directions(objective, 2, normalization="filter", seed=1),
        "Hessian": directions_from_eigenpairs(pairs),
    }
    planes = []
    for name, directions in axes.items():
        with measured(device) as cost:
            curvature = cw.project_curvature(objective, directions)
        noted(f"curvature along {name} axes", cost, hvps=len(directions))
        with measured(device) as cost:
            plane = cw.slice_loss(objective, directions, resolution=effort.resolution)
        noted(f"slice along {name} axes", cost, evaluations=plane.evaluations)
        planes.append(
            {
                "axes": name,
                "verdict": curvature.verdict,
                "smaller_curvature": float(curvature.principal[0]),
                "larger_curvature": float(curvature.principal[1]),
                "span": list(plane.span),
                "lowest_loss": float(np.nanmin(plane.values)),
                "highest_loss": float(np.nanmax(plane.values)),
            }
        )
    traces = []
    for method in ("slices", "hutchinson"):
        with measured(device) as cost:
            trace = cw.estimate_trace(objective, method=method, samples=effort.traces, seed=len(traces))
        noted(f"trace by {method}", cost, samples=len(trace.samples))
        traces.append(
            {"method": method, "trace": trace.trace, "standard_error": trace.stderr, "mean_curvature": trace.mean_curvature}
        )
    apart = abs(traces[0]["trace"] - traces[1]["trace"]) / float(np.hypot(*(row["standard_error"] for row in traces)))
    return {
        "parameters": objective.n_parameters,
        "images": effort.images,
        "loss": objective.loss(),
        "gradient_norm": float(objective.gradient().double().norm()),
        "traces_apart_in_standard_errors": apart,
        "costs": steps,
        "eigenvalues": [
            {"eigenvalue": float(value), "residual": float(residual), "converged": bool(converged)}
            for value, residual, converged in zip(pairs.values, pairs.residuals, pairs.converged, strict=True)
        ],
        "planes": planes,
        "traces": traces,
    }


def _trained(effort: Effort, device: torch.device) -> tuple[torch.nn.Module, tuple[Tensor, Tensor]]:
    (x, y), _ = zoo.load_digits()
    x = F.interpolate(x, size=(32, 32), mode="bilinear").expand(-1, 3, -1, -1)
    kept = slice(0, effort.images)
    few = (x[kept].contiguous(), y[kept])
    training = zoo.train_model(
        lambda: zoo.densenet121(activation="silu"),
        F.cross_entropy,
        (x[: effort.training_images], y[: effort.training_images]),
        few,
        epochs=1,
        batch_size=32,
        learning_rate=1e-3,
        checkpoints=2,
    )
    return training.model.to(device), (few[0].to(device), few[1].to(device))


def _suffix(device: str) -> str:
    return "" if device == "cpu" else f"-{torch.device(device).type}"


if __name__ == "__main__":
    main()
