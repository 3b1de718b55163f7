"""Other packages that measure Hessians, beside ours on the same cases.

`make oracles` installs them (with a torchvision that does not import beside a CPU torch, and that they do not need) and fails
where one is missing; elsewhere these tests are skipped without them.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

import numpy as np
import pytest
import scipy.sparse.linalg
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import curvwidget as cw
from curvwidget.objective import Objective
from tests.cases import Problem, case_named

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs are not ours to mend

CLOSE = {"rtol": 1e-8, "atol": 1e-10}
SEQUENTIAL = ["MLP with tanh", "MLP with ReLU", "convolution with BatchNorm", "logistic regression"]
SUPERVISED = [*SEQUENTIAL, "residual convolution", "tied language model"]
MODULES = {  # the packages want the criterion as a module
    F.cross_entropy: nn.CrossEntropyLoss(),
    F.mse_loss: nn.MSELoss(),
    F.binary_cross_entropy_with_logits: nn.BCEWithLogitsLoss(),
}


def oracle(name: str) -> Any:
    """Import another package; skip the test without it, unless it has to be there."""
    return importlib.import_module(name) if os.environ.get("ORACLES") == "required" else pytest.importorskip(name)


def pieces(data: tuple[Tensor, Tensor]) -> list[tuple[Tensor, Tensor]]:
    """The data in two batches of different sizes."""
    x, y = data
    third = len(x) // 3
    return [(x[:third], y[:third]), (x[third:], y[third:])]


def beside_curvlinops(name: str, **options: Any) -> tuple[Objective, Any]:
    """Ours and theirs of a case over two uneven batches."""
    curvlinops = oracle("curvlinops")
    problem = case_named(name).build()
    assert problem.model is not None
    model = problem.model.eval()
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = False  # torch.func does without
    criterion = _criterion_module(problem)
    objective = Objective(model, criterion, pieces(problem.data), **options)
    return objective, curvlinops.HessianLinearOperator(model, criterion, list(model.parameters()), pieces(problem.data))


@pytest.mark.parametrize("name", ["MLP with tanh", "MLP with ReLU", "residual convolution", "logistic regression"])
def test_curvlinops_multiplies_alike_over_uneven_batches(name: str) -> None:
    objective, theirs = beside_curvlinops(name, batch_size=5)
    V = torch.randn(objective.n_parameters, 3, dtype=torch.float64)
    torch.testing.assert_close(objective.hvp(V.T).T, theirs @ V, **CLOSE)


@pytest.mark.parametrize("name", ["MLP with tanh", "logistic regression"])
def test_arpack_finds_the_same_ends_of_the_spectrum_of_curvlinops(name: str) -> None:
    objective, theirs = beside_curvlinops(name)
    pairs = cw.extreme_eigenpairs(objective, largest=2, smallest=1, tol=1e-8)
    assert pairs.converged.all()
    top, bottom = (scipy.sparse.linalg.eigsh(theirs.to_scipy(), k=k, which=end)[0] for k, end in ((2, "LA"), (1, "SA")))
    np.testing.assert_allclose(pairs.values, [*sorted(top, reverse=True), *bottom], rtol=1e-7, atol=1e-9 * abs(top).max())


@pytest.mark.parametrize("name", SUPERVISED)
def test_hessian_eigenthings_multiplies_alike_on_one_batch(name: str) -> None:
    # One batch alone: it weighs batches of different sizes equally.
    eigenthings = oracle("hessian_eigenthings")
    problem = case_named(name).build()
    assert problem.model is not None
    objective = problem.objective()
    theirs = eigenthings.HessianOperator(
        problem.model.eval(), [problem.data], eigenthings.supervised_loss(problem.criterion), full_dataset=True
    )
    for vector in torch.randn(3, objective.n_parameters, dtype=torch.float64):
        torch.testing.assert_close(objective.hvp(vector), theirs.matvec(vector), **CLOSE)


@pytest.mark.parametrize("name", ["MLP with tanh", "MLP with ReLU", "logistic regression"])
def test_backpack_has_the_same_diagonal_and_traces_by_block(name: str) -> None:
    backpack = oracle("backpack")
    from backpack.extensions import DiagHessian

    problem = case_named(name).build()
    assert problem.model is not None
    objective = problem.objective()  # before the layers get hooks
    layers = [nn.ReLU() if isinstance(layer, nn.ReLU) else layer for layer in _layers(problem.model)]  # not in place
    model = backpack.extend(nn.Sequential(*layers))
    criterion = backpack.extend(_criterion_module(problem))
    x, y = problem.data
    with backpack.backpack(DiagHessian()):
        criterion(model(x), y).backward()
    theirs = torch.cat([parameter.diag_h.flatten() for parameter in model.parameters()])
    ours = objective.hvp(torch.eye(objective.n_parameters, dtype=torch.float64)).diagonal()
    torch.testing.assert_close(ours, theirs, **CLOSE)
    by_block = cw.estimate_trace(objective, method="exact").by_block
    blocks = [float(parameter.diag_h.sum()) for parameter in model.parameters()]
    np.testing.assert_allclose(list(by_block.values()), blocks, rtol=1e-9, atol=1e-12)


def _criterion_module(problem: Problem) -> nn.Module:
    return problem.criterion if isinstance(problem.criterion, nn.Module) else MODULES[problem.criterion]


def _layers(model: nn.Module) -> list[nn.Module]:
    return list(model) if isinstance(model, nn.Sequential) else [model]
