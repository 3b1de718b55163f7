"""Small problems on which everything is tried, with a dense truth that shares no code with the package.

Each problem is float64 and has few enough parameters for a dense Hessian. Its `whole_loss` is L(θ) over the whole data, written
out by hand from the parameters' values; `dense_hessian` differentiates that.

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_something(case):
        problem = case.build()
        objective, H = problem.objective(), dense_hessian(problem)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from curvwidget.objective import Objective

__all__ = ["CASES", "Case", "Problem", "case_named", "dense_gradient", "dense_hessian"]


@dataclass
class Problem:
    """A loss and what is known about it.

    Attributes:
        whole_loss: L(θ), by hand.
        model: The model, or None for an analytic loss.
        criterion: As `Objective` takes it.
        data: As `Objective` takes it, in one batch.
        options: Further arguments of `Objective`.
        theta: θ of an analytic loss.
        hessian: H(θ) in closed form, where there is one.
    """

    whole_loss: Callable[[Tensor], Tensor]
    model: nn.Module | None = None
    criterion: Callable[[Any, Any], Tensor] | None = None
    data: Any = None
    options: dict[str, Any] = field(default_factory=dict)
    theta: Tensor | None = None
    hessian: Tensor | None = None

    def objective(self, **options: Any) -> Objective:
        if self.model is None:
            assert self.theta is not None
            return Objective.from_function(self.whole_loss, self.theta)
        return Objective(self.model, self.criterion, self.data, **{**self.options, **options})

    @cached_property
    def point(self) -> Tensor:
        """θ, read off the model."""
        if self.model is None:
            assert self.theta is not None
            return self.theta
        return torch.cat([parameter.detach().flatten() for parameter in self.model.parameters()])


@dataclass(frozen=True)
class Case:
    """A problem by name.

    Attributes:
        name: What it is.
        make: Builds it from scratch, after a fixed seed.
        smooth: Whether L is twice differentiable everywhere.
    """

    name: str
    make: Callable[[], Problem]
    smooth: bool = True

    def __str__(self) -> str:
        return self.name

    def build(self) -> Problem:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(7)  # and no other device's
            return self.make()


def dense_gradient(problem: Problem) -> Tensor:
    """∇L(θ), ``(N,)``."""
    theta = problem.point.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(problem.whole_loss(theta), theta)
    return gradient


def dense_hessian(problem: Problem, theta: Tensor | None = None) -> Tensor:
    """H(θ), ``(N, N)``."""
    if problem.hessian is not None and theta is None:
        return problem.hessian
    H = torch.autograd.functional.hessian(problem.whole_loss, problem.point if theta is None else theta)
    assert isinstance(H, Tensor)
    return H


def named_parameters(model: nn.Module, theta: Tensor) -> dict[str, Tensor]:
    """θ, cut into the model's tensors in the order of its parameters."""
    named, start = {}, 0
    for name, parameter in model.named_parameters():
        named[name] = theta[start : start + parameter.numel()].reshape(parameter.shape)
        start += parameter.numel()
    return named


def _mlp_tanh() -> Problem:
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    x, y = torch.randn(23, 4).double(), torch.randint(3, (23,))

    def whole_loss(theta: Tensor) -> Tensor:
        hidden = torch.tanh(x @ theta[:20].reshape(5, 4).T + theta[20:25])
        logits = hidden @ theta[25:40].reshape(3, 5).T + theta[40:43]
        return -(logits - logits.logsumexp(dim=1, keepdim=True))[torch.arange(23), y].mean()

    return Problem(whole_loss, model, F.cross_entropy, (x, y))


def _mlp_relu() -> Problem:
    model = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 4), nn.ReLU(inplace=True), nn.Linear(4, 1)).double()
    x = torch.randn(19, 3).double()
    y = torch.sin(x.sum(dim=1, keepdim=True))

    def whole_loss(theta: Tensor) -> Tensor:
        named = named_parameters(model, theta)
        hidden = (x @ named["0.weight"].T + named["0.bias"]).clamp(min=0)
        hidden = (hidden @ named["2.weight"].T + named["2.bias"]).clamp(min=0)
        return ((hidden @ named["4.weight"].T + named["4.bias"] - y) ** 2).mean()

    return Problem(whole_loss, model, F.mse_loss, (x, y))


def _conv_batchnorm() -> Problem:
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, bias=False), nn.BatchNorm2d(3), nn.SiLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 3)
    ).double()
    model(torch.randn(16, 1, 6, 6).double())  # running statistics that are not 0 and 1
    x, y = torch.randn(14, 1, 6, 6).double(), torch.randint(3, (14,))
    norm = model[1]
    mean, deviation = norm.running_mean.clone(), (norm.running_var + norm.eps).sqrt()

    def whole_loss(theta: Tensor) -> Tensor:
        named = named_parameters(model, theta)
        maps = F.conv2d(x, named["0.weight"])
        maps = (maps - mean[:, None, None]) / deviation[:, None, None]
        maps = F.silu(maps * named["1.weight"][:, None, None] + named["1.bias"][:, None, None])
        features = maps.unflatten(3, (2, 2)).unflatten(2, (2, 2)).mean(dim=(3, 5)).flatten(1)
        return F.cross_entropy(features @ named["5.weight"].T + named["5.bias"], y)

    return Problem(whole_loss, model, nn.CrossEntropyLoss(), (x, y))


class ResidualNet(nn.Module):
    """Two convolutions around which the input goes by, with activations in place."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 2, 3, padding=1, bias=False)
        self.second = nn.Conv2d(2, 2, 3, padding=1, bias=False)
        self.head = nn.Linear(2, 2)
        self.activation = nn.ELU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.activation(self.first(x))
        out = self.second(out)
        out += x
        return self.head(self.activation(out).mean(dim=(2, 3)))


def _residual_conv() -> Problem:
    model = ResidualNet().double()
    x, y = torch.randn(9, 2, 4, 4).double(), torch.randn(9, 2).double()

    def whole_loss(theta: Tensor) -> Tensor:
        named = named_parameters(model, theta)
        out = F.elu(F.conv2d(x, named["first.weight"], padding=1))
        out = F.elu(F.conv2d(out, named["second.weight"], padding=1) + x).mean(dim=(2, 3))
        return ((out @ named["head.weight"].T + named["head.bias"] - y) ** 2).mean()

    return Problem(whole_loss, model, F.mse_loss, (x, y))


class TiedLanguageModel(nn.Module):
    """Predicts a token from the one before, with one matrix to read and to write tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Embedding(6, 4)
        self.mix = nn.Linear(4, 4)
        self.write = nn.Linear(4, 6, bias=False)
        self.write.weight = self.read.weight
        self.dropout = nn.Dropout(0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.write(self.dropout(torch.tanh(self.mix(self.read(tokens)))))


def _token_loss(logits: Tensor, tokens: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), tokens.flatten())


def _tied_language_model() -> Problem:
    model = TiedLanguageModel().double()
    tokens = torch.randint(6, (8, 6))
    x, y = tokens[:, :-1].clone(), tokens[:, 1:].clone()

    def whole_loss(theta: Tensor) -> Tensor:
        matrix, mix, bias = theta[:24].reshape(6, 4), theta[24:40].reshape(4, 4), theta[40:44]
        return _token_loss(torch.tanh(matrix[x] @ mix.T + bias) @ matrix.T, y)

    return Problem(whole_loss, model, _token_loss, (x, y))


def _transformer() -> Problem:
    layer = nn.TransformerEncoderLayer(4, 2, 5, dropout=0.1, activation="gelu", batch_first=True)
    model = nn.Sequential(layer, nn.Flatten(), nn.Linear(12, 1)).double()
    x, y = torch.randn(7, 3, 4).double(), torch.randn(7, 1).double()

    def attend(sequence: Tensor, named: dict[str, Tensor]) -> Tensor:
        parts = sequence @ named["0.self_attn.in_proj_weight"].T + named["0.self_attn.in_proj_bias"]
        query, key, value = (part.unflatten(2, (2, 2)).transpose(1, 2) for part in parts.split(4, dim=2))
        mixed = torch.softmax(query @ key.transpose(2, 3) / 2**0.5, dim=3) @ value
        return mixed.transpose(1, 2).flatten(2) @ named["0.self_attn.out_proj.weight"].T + named["0.self_attn.out_proj.bias"]

    def whole_loss(theta: Tensor) -> Tensor:
        named = named_parameters(model, theta)
        out = F.layer_norm(x + attend(x, named), (4,), named["0.norm1.weight"], named["0.norm1.bias"])
        inner = F.gelu(out @ named["0.linear1.weight"].T + named["0.linear1.bias"])
        inner = inner @ named["0.linear2.weight"].T + named["0.linear2.bias"]
        out = F.layer_norm(out + inner, (4,), named["0.norm2.weight"], named["0.norm2.bias"]).flatten(1)
        return ((out @ named["2.weight"].T + named["2.bias"] - y) ** 2).mean()

    return Problem(whole_loss, model, F.mse_loss, (x, y))


class MaskedClassifier(nn.Module):
    """Takes tokens, mask and labels by name and returns its loss, as models of the transformers library do."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 3)
        self.head = nn.Linear(3, 2)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> SimpleNamespace:
        weights = attention_mask / attention_mask.sum(dim=1, keepdim=True)
        logits = self.head(torch.tanh((self.embedding(input_ids) * weights[:, :, None]).sum(dim=1)))
        return SimpleNamespace(logits=logits, loss=F.cross_entropy(logits, labels))


def model_loss(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    loss = model(**batch).loss
    assert isinstance(loss, Tensor)
    return loss


def _dict_batches() -> Problem:
    model = MaskedClassifier().double()
    mask = (torch.arange(4) < torch.randint(1, 5, (11, 1))).double()
    batch = {"input_ids": torch.randint(5, (11, 4)), "attention_mask": mask, "labels": torch.randint(2, (11,))}

    def whole_loss(theta: Tensor) -> Tensor:
        table, weight, bias = theta[:15].reshape(5, 3), theta[15:21].reshape(2, 3), theta[21:23]
        onehot = F.one_hot(batch["input_ids"], 5).double() * mask[:, :, None]
        features = torch.tanh(onehot.sum(dim=1) @ table / mask.sum(dim=1, keepdim=True))
        return F.cross_entropy(features @ weight.T + bias, batch["labels"])

    return Problem(whole_loss, model, None, batch, {"batch_loss": model_loss})


def physics_loss(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """The residual of u″ + u = 0, and u(0) = 1: derivatives are taken inside the loss, as such losses are commonly written."""
    x = batch["x"]
    x.requires_grad_(True)
    u = model(x)
    (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), x, create_graph=True)
    return ((bend + u) ** 2).mean() + ((model(batch["start"]) - 1) ** 2).mean()


def _physics_informed() -> Problem:
    model = nn.Sequential(nn.Linear(1, 7), nn.Tanh(), nn.Linear(7, 1)).double()
    x = torch.linspace(0, 2, 12).double()[:, None]

    def whole_loss(theta: Tensor) -> Tensor:
        weight, bias, out, offset = theta[:7], theta[7:14], theta[14:21], theta[21]
        t = torch.tanh(x * weight + bias)
        u = t @ out + offset
        bend = (-2 * t * (1 - t**2) * weight**2) @ out  # tanh″ = −2·tanh·(1 − tanh²)
        return ((bend + u) ** 2).mean() + (torch.tanh(bias) @ out + offset - 1) ** 2

    return Problem(whole_loss, model, None, {"x": x, "start": torch.zeros(1, 1).double()}, {"batch_loss": physics_loss})


class RecurrentClassifier(nn.Module):
    """Classifies a sequence by the last state of an LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(2, 3, batch_first=True)
        self.head = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0][:, -1])


def _lstm() -> Problem:
    model = RecurrentClassifier().double()
    x, y = torch.randn(8, 4, 2).double(), torch.randint(2, (8,))

    def whole_loss(theta: Tensor) -> Tensor:
        named = named_parameters(model, theta)
        hidden = cell = torch.zeros(8, 3).double()
        for step in x.unbind(dim=1):
            gates = step @ named["lstm.weight_ih_l0"].T + named["lstm.bias_ih_l0"]
            gates = gates + hidden @ named["lstm.weight_hh_l0"].T + named["lstm.bias_hh_l0"]
            enter, forget, update, leave = gates.split(3, dim=1)
            cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(update)
            hidden = torch.sigmoid(leave) * torch.tanh(cell)
        return F.cross_entropy(hidden @ named["head.weight"].T + named["head.bias"], y)

    return Problem(whole_loss, model, F.cross_entropy, (x, y))


QUADRATIC_SPECTRUM = (9.0, 4.0, 2.0, 1.0, 0.5, 0.25, 0.1, 0.0, -0.5, -1.0, -3.0)


def _quadratic() -> Problem:
    eigenvalues = torch.tensor(QUADRATIC_SPECTRUM).double()
    Q, _ = torch.linalg.qr(torch.randn(11, 11).double())
    A, b = Q @ torch.diag(eigenvalues) @ Q.T, torch.randn(11).double()
    return Problem(lambda theta: 0.5 * theta @ (A @ theta) + b @ theta, theta=torch.randn(11).double(), hessian=A)


def _logistic() -> Problem:
    model = nn.Linear(4, 1, bias=False).double()
    x, y = torch.randn(15, 4).double(), torch.randint(2, (15, 1)).double()
    p = torch.sigmoid(x @ model.weight.detach().T)

    def whole_loss(theta: Tensor) -> Tensor:
        signed = (2 * y - 1).squeeze(1) * (x @ theta)
        return torch.log1p(torch.exp(-signed)).mean()

    return Problem(whole_loss, model, F.binary_cross_entropy_with_logits, (x, y), hessian=x.T @ (p * (1 - p) * x) / 15)


CASES: tuple[Case, ...] = (
    Case("MLP with tanh", _mlp_tanh),
    Case("MLP with ReLU", _mlp_relu, smooth=False),
    Case("convolution with BatchNorm", _conv_batchnorm),
    Case("residual convolution", _residual_conv),
    Case("tied language model", _tied_language_model),
    Case("transformer encoder layer", _transformer),
    Case("dictionary batches", _dict_batches),
    Case("physics-informed", _physics_informed),
    Case("LSTM", _lstm),
    Case("quadratic form", _quadratic),
    Case("logistic regression", _logistic),
)


def case_named(name: str) -> Case:
    """Return the case of a name."""
    return next(case for case in CASES if case.name == name)
