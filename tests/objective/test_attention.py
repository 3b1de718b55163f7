"""Attention: one loss in every mode, a Hessian where its fused kernels have none, and a way on where they are forced."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

import curvwidget as cw
from curvwidget.objective import Objective
from curvwidget.slices.span import span_from_curvature
from tests.cases import named_parameters
from tests.objective.conftest import process_state

CLOSE = {"rtol": 1e-8, "atol": 1e-11}
SAMPLES = 70  # more than are looked at when the loss is tried out
X = torch.randn(SAMPLES, 4, 4, generator=torch.Generator().manual_seed(5)).double()
LENGTHS = torch.where(torch.arange(SAMPLES) < 66, 4, 2)  # the short sequences come late
Y = torch.arange(SAMPLES) % 2


class Attending(nn.Module):
    """Self-attention over sequences of which the ends are padding."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, dropout=0.3, batch_first=True)
        self.head = nn.Linear(4, 2)

    def forward(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        x, lengths = batch
        padded = torch.arange(x.size(1)) >= lengths[:, None]
        return self.head(self.attention(x, x, x, key_padding_mask=padded, need_weights=False)[0].mean(dim=1))


def attending_loss(theta: Tensor, model: nn.Module) -> Tensor:
    named = named_parameters(model, theta)
    parts = X @ named["attention.in_proj_weight"].T + named["attention.in_proj_bias"]
    query, key, value = (part.unflatten(2, (2, 2)).transpose(1, 2) for part in parts.split(4, dim=2))
    scores = query @ key.transpose(2, 3) / 2**0.5
    seen = torch.arange(4) < LENGTHS[:, None, None, None]
    mixed = torch.softmax(torch.where(seen, scores, -torch.inf), dim=3) @ value
    out = mixed.transpose(1, 2).flatten(2) @ named["attention.out_proj.weight"].T + named["attention.out_proj.bias"]
    return F.cross_entropy(out.mean(dim=1) @ named["head.weight"].T + named["head.bias"], Y)


def test_attention_with_padding_is_that_of_a_softmax_by_hand() -> None:
    model = Attending().double()
    objective = Objective(model, None, ((X, LENGTHS), Y), batch_loss=lambda net, batch: F.cross_entropy(net(batch[0]), batch[1]))
    theta = objective.theta
    assert objective.loss() == pytest.approx(float(attending_loss(theta, model)), rel=1e-12)
    gradient = torch.autograd.functional.jacobian(lambda point: attending_loss(point, model), theta)
    torch.testing.assert_close(objective.gradient(), gradient, **CLOSE)
    H = torch.autograd.functional.hessian(lambda point: attending_loss(point, model), theta)
    torch.testing.assert_close(objective.hvp(torch.eye(len(theta)).double()), H, **CLOSE)


class Encoder(nn.Module):
    """A transformer that averages over padded positions too, which its fast path returns as zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 2)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(x, src_key_padding_mask=x[..., 0] > 50).mean(dim=1))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
def test_the_loss_is_the_one_whose_gradient_is_taken_and_not_that_of_the_fast_path() -> None:
    model = Encoder().double().eval()
    x = X.clone()
    x[66:, 2:, 0] = 100  # padding, late in the data
    truth = float(F.cross_entropy(model(x), Y).detach())  # with gradients enabled: the path of training
    with torch.no_grad():
        assert float(F.cross_entropy(model(x), Y)) != pytest.approx(truth, rel=1e-4)  # else this test shows nothing
    before = process_state()
    objective = Objective(model, F.cross_entropy, (x, Y))
    assert process_state() == before
    assert objective.loss() == pytest.approx(truth, rel=1e-12)
    theta, step = objective.theta, 1e-5
    v = F.normalize(torch.randn_like(theta), dim=0)
    slope = (objective.loss(theta + step * v) - objective.loss(theta - step * v)) / (2 * step)
    assert slope == pytest.approx(float(objective.gradient() @ v), abs=1e-8)


class Forced(nn.Module):
    """Insists on a kernel that has no second derivative."""

    def __init__(self) -> None:
        super().__init__()
        self.project, self.head = nn.Linear(4, 12), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.project(x).unflatten(2, (3, 2, 2)).permute(2, 0, 3, 1, 4)
        with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
            out = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.head(out.transpose(1, 2).flatten(1))


def test_a_kernel_that_is_forced_is_named_and_curvature_comes_from_the_loss() -> None:
    model = Forced().double()
    objective = Objective(model, F.cross_entropy, (X, Y))

    def truth(theta: Tensor) -> Tensor:
        named = named_parameters(model, theta)
        parts = X @ named["project.weight"].T + named["project.bias"]
        query, key, value = parts.unflatten(2, (3, 2, 2)).permute(2, 0, 3, 1, 4)
        scores = (query @ key.transpose(2, 3) / 2**0.5).masked_fill(~torch.ones(4, 4).tril().bool(), -torch.inf)
        out = (torch.softmax(scores, dim=3) @ value).transpose(1, 2).flatten(1)
        return F.cross_entropy(out @ named["head.weight"].T + named["head.bias"], Y)

    before = process_state()
    with pytest.raises(NotImplementedError, match=r"because of aten::_scaled_dot_product_flash\w*\. .*method='slices'"):
        objective.hvp(objective.theta)
    assert process_state() == before
    H = torch.autograd.functional.hessian(truth, objective.theta)
    directions = cw.random_directions(objective, seed=2)
    seen = cw.project_curvature(objective, directions, method="difference")
    expected = (directions.vectors @ H @ directions.vectors.T).numpy()
    assert abs(seen.matrix - expected).max() <= max(seen.error, 1e-3 * abs(expected).max())
    trace = cw.estimate_trace(objective, method="slices", samples=60)
    assert abs(trace.trace - float(H.trace())) < 4 * trace.stderr
    plane = cw.slice_loss(objective, directions, resolution=3)  # its span is chosen from the losses, too
    span = span_from_curvature(
        loss=objective.loss(),
        gradient=seen.gradient,
        curvature=np.diag(expected),
        norms=directions.norms,
        theta_norm=float(objective.theta.norm()),
    )
    np.testing.assert_allclose([axis[-1] for axis in plane.axes], span, rtol=0.1)  # two digits, of a rough curvature
