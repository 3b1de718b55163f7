"""Other packages that measure Hessians, beside ours on the same cases.

They are no dependency of the tests, not even an optional one of the package: what they need brings a torchvision that does not
import beside a CPU torch. Where they are installed (without their dependencies; einops, einconv, opt_einsum, linear_operator,
jaxtyping, unfoldNd, tqdm and wadler_lindig have to be there) they are asked, else these tests are skipped.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from curvwidget.objective import Objective
from tests.cases import case_named

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs are not ours to mend

CLOSE = {"rtol": 1e-8, "atol": 1e-10}
SEQUENTIAL = ["MLP with tanh", "MLP with ReLU", "convolution with BatchNorm", "logistic regression"]
SUPERVISED = [*SEQUENTIAL, "residual convolution", "tied language model"]
MODULES = {  # the packages want the criterion as a module
    F.cross_entropy: nn.CrossEntropyLoss(),
    F.mse_loss: nn.MSELoss(),
    F.binary_cross_entropy_with_logits: nn.BCEWithLogitsLoss(),
}


def pieces(data: tuple[Tensor, Tensor]) -> list[tuple[Tensor, Tensor]]:
    """The data in two batches of different sizes."""
    x, y = data
    third = len(x) // 3
    return [(x[:third], y[:third]), (x[third:], y[third:])]


@pytest.mark.parametrize("name", ["MLP with tanh", "MLP with ReLU", "residual convolution", "logistic regression"])
def test_curvlinops_multiplies_alike_over_uneven_batches(name: str) -> None:
    curvlinops = pytest.importorskip("curvlinops")
    problem = case_named(name).build()
    assert problem.model is not None
    model = problem.model.eval()
    if name in ("MLP with ReLU", "residual convolution"):
        for module in model.modules():
            if hasattr(module, "inplace"):
                module.inplace = False
    criterion = problem.criterion if isinstance(problem.criterion, nn.Module) else MODULES[problem.criterion]
    objective = Objective(model, criterion, pieces(problem.data), batch_size=5)
    V = torch.randn(objective.n_parameters, 3, dtype=torch.float64)
    theirs = curvlinops.HessianLinearOperator(model, criterion, list(model.parameters()), pieces(problem.data))
    torch.testing.assert_close(objective.hvp(V.T).T, theirs @ V, **CLOSE)


@pytest.mark.parametrize("name", SUPERVISED)
def test_hessian_eigenthings_multiplies_alike_on_one_batch(name: str) -> None:
    # One batch alone: it weighs batches of different sizes equally.
    eigenthings = pytest.importorskip("hessian_eigenthings")
    problem = case_named(name).build()
    assert problem.model is not None
    objective = problem.objective()
    theirs = eigenthings.HessianOperator(
        problem.model.eval(), [problem.data], eigenthings.supervised_loss(problem.criterion), full_dataset=True
    )
    for vector in torch.randn(3, objective.n_parameters, dtype=torch.float64):
        torch.testing.assert_close(objective.hvp(vector), theirs.matvec(vector), **CLOSE)


@pytest.mark.parametrize("name", ["MLP with tanh", "MLP with ReLU", "logistic regression"])
def test_backpack_has_the_same_diagonal(name: str) -> None:
    backpack = pytest.importorskip("backpack")
    from backpack.extensions import DiagHessian

    problem = case_named(name).build()
    assert problem.model is not None
    objective = problem.objective()  # before the layers get hooks
    layers = [nn.ReLU() if isinstance(layer, nn.ReLU) else layer for layer in _layers(problem.model)]  # not in place
    model = backpack.extend(nn.Sequential(*layers))
    criterion = backpack.extend(MODULES[problem.criterion])
    x, y = problem.data
    with backpack.backpack(DiagHessian()):
        criterion(model(x), y).backward()
    theirs = torch.cat([parameter.diag_h.flatten() for parameter in model.parameters()])
    ours = objective.hvp(torch.eye(objective.n_parameters, dtype=torch.float64)).diagonal()
    torch.testing.assert_close(ours, theirs, **CLOSE)


def _layers(model: nn.Module) -> list[nn.Module]:
    return list(model) if isinstance(model, nn.Sequential) else [model]
