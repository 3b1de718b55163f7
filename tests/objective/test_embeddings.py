"""Embeddings: what their options say about training must not get into the loss or its derivatives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import curvwidget as cw
from curvwidget.objective import Objective
from tests.cases import named_parameters

TOKENS = torch.randint(6, (9, 4), generator=torch.Generator().manual_seed(3))
CLASSES = torch.arange(9) % 2
CLOSE = {"rtol": 1e-9, "atol": 1e-12}


def classifier(**options: Any) -> nn.Sequential:
    return nn.Sequential(nn.Embedding(6, 3, **options), nn.Flatten(), nn.Tanh(), nn.Linear(12, 2)).double()


def whole_loss(theta: Tensor, padding: Tensor | None = None) -> Tensor:
    """The loss by hand; where a padding row is given, row 0 is read as that whatever θ says."""
    table, weight, bias = theta[:18].reshape(6, 3), theta[18:42].reshape(2, 12), theta[42:44]
    if padding is not None:
        table = torch.cat([padding.unsqueeze(0), table[1:]])
    return F.cross_entropy(torch.tanh(table[TOKENS].flatten(1)) @ weight.T + bias, CLASSES)


def assert_is(objective: Objective, truth: Any) -> None:
    theta = objective.theta
    there = theta + 0.2 * torch.randn_like(theta)
    for point in (theta, there):
        assert objective.loss(point) == pytest.approx(float(truth(point)), rel=1e-12)
        torch.testing.assert_close(objective.gradient(point), torch.autograd.functional.jacobian(truth, point), **CLOSE)
        H = torch.autograd.functional.hessian(truth, point)
        torch.testing.assert_close(objective.hvp(torch.eye(len(theta)).double(), point), H, **CLOSE)


@pytest.mark.parametrize("options", [{}, {"sparse": True}, {"scale_grad_by_freq": True}], ids=str)
def test_options_of_training_change_neither_the_loss_nor_its_derivatives(options: dict[str, Any]) -> None:
    model = classifier(**options)
    objective = Objective(model, F.cross_entropy, (TOKENS, CLASSES))
    assert_is(objective, whole_loss)
    assert objective.notes == ()
    assert [getattr(model[0], name) for name in options] == [True] * len(options)


def test_a_padding_row_is_held_because_training_never_moves_it() -> None:
    model = classifier(padding_idx=0)
    objective = Objective(model, F.cross_entropy, (TOKENS, CLASSES))
    assert (TOKENS == 0).any()
    assert_is(objective, lambda theta: whole_loss(theta, torch.zeros(3).double()))
    assert objective.notes == ("the padding row (padding_idx) of 0.weight is read as it stands, wherever θ goes",)
    F.cross_entropy(model(TOKENS), CLASSES).backward()
    torch.testing.assert_close(objective.gradient()[:18].reshape(6, 3), model[0].weight.grad, **CLOSE)
    assert Objective(model, F.cross_entropy, (TOKENS, CLASSES), parameters="3.*").notes == ()


def test_a_padding_row_may_count_from_the_end_and_be_no_zero() -> None:
    model = classifier(padding_idx=-6)
    with torch.no_grad():
        model[0].weight[0] = torch.tensor([1.0, -2.0, 0.5])
    padding = model[0].weight[0].detach().clone()
    assert_is(Objective(model, F.cross_entropy, (TOKENS, CLASSES)), lambda theta: whole_loss(theta, padding))


def test_a_tied_matrix_is_still_moved_in_its_padding_row_where_it_writes() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.read = nn.Embedding(6, 3, padding_idx=0)
            self.mix = nn.Linear(3, 3)
            self.write = nn.Linear(3, 6, bias=False)
            self.write.weight = self.read.weight

        def forward(self, tokens: Tensor) -> Tensor:
            return self.write(torch.tanh(self.mix(self.read(tokens))))

    model = Tied().double()
    held = model.read.weight[0].detach().clone()

    def loss(theta: Tensor) -> Tensor:
        named = named_parameters(model, theta)
        table = torch.cat([held.unsqueeze(0), named["read.weight"][1:]])
        out = torch.tanh(table[TOKENS[:, 0]] @ named["mix.weight"].T + named["mix.bias"]) @ named["read.weight"].T
        return F.cross_entropy(out, TOKENS[:, 1])

    objective = Objective(model, F.cross_entropy, (TOKENS[:, 0], TOKENS[:, 1]))
    assert_is(objective, loss)
    assert objective.gradient()[:3].abs().max() > 0


def test_a_bag_has_no_second_derivative_in_torch_and_the_loss_is_enough_for_curvature() -> None:
    model = nn.Sequential(nn.EmbeddingBag(6, 3, mode="sum", sparse=True), nn.Tanh(), nn.Linear(3, 2)).double()
    objective = Objective(model, F.cross_entropy, (TOKENS, CLASSES))

    def truth(theta: Tensor) -> Tensor:
        table, weight, bias = theta[:18].reshape(6, 3), theta[18:24].reshape(2, 3), theta[24:26]
        return F.cross_entropy(torch.tanh(table[TOKENS].sum(dim=1)) @ weight.T + bias, CLASSES)

    with pytest.raises(NotImplementedError, match=r"no second derivative in PyTorch, because of _embedding_bag_backward\. "):
        objective.hvp(objective.theta)
    torch.testing.assert_close(objective.gradient(), torch.autograd.functional.jacobian(truth, objective.theta), **CLOSE)
    H = torch.autograd.functional.hessian(truth, objective.theta)
    directions = cw.random_directions(objective, seed=1)
    seen = cw.project_curvature(objective, directions, method="difference")
    expected = (directions.vectors @ H @ directions.vectors.T).numpy()
    assert abs(seen.matrix - expected).max() <= max(seen.error, 1e-3 * abs(expected).max())
    trace = cw.estimate_trace(objective, method="slices", samples=100)
    assert abs(trace.trace - float(H.trace())) < 4 * trace.stderr


def test_sparse_gradients_of_the_functional_form_are_taken() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.head = nn.Parameter(torch.randn(6, 3)), nn.Linear(12, 2)

        def forward(self, tokens: Tensor) -> Tensor:
            return self.head(torch.tanh(F.embedding(tokens, self.table, sparse=True).flatten(1)))

    assert_is(Objective(Functional().double(), F.cross_entropy, (TOKENS, CLASSES)), whole_loss)
