"""What BatchNorm layers normalize with, under each policy, and the derivatives that belong to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from curvwidget.objective import Objective

X, Y = torch.randn(18, 3, generator=torch.Generator().manual_seed(2)).double() * 2 + 1, torch.arange(18) % 3
BATCHES = [(X[:7], Y[:7]), (X[7:], Y[7:])]
CLOSE = {"rtol": 1e-8, "atol": 1e-11}
PARTS = ((slice(0, 7), 7 / 18), (slice(7, 18), 11 / 18))
WHOLE = ((slice(0, 18), 1.0),)


def net() -> nn.Sequential:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 3), nn.BatchNorm1d(3)).double()
    model(torch.randn(30, 3).double())  # running statistics of their own
    return model


def normalize(features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    mean = features.mean(dim=0)
    variance = ((features - mean) ** 2).mean(dim=0)
    return (features - mean) / (variance + 1e-5).sqrt() * scale + shift


def whole_loss(theta: Tensor, parts: tuple[tuple[slice, float], ...]) -> Tensor:
    """The loss with the statistics of each part."""
    first, bias, scale, shift, second, offset, scale2, shift2 = theta.split([12, 4, 4, 4, 12, 3, 3, 3])
    total = torch.zeros(()).double()
    for part, share in parts:
        features = torch.tanh(normalize(X[part] @ first.reshape(4, 3).T + bias, scale, shift))
        logits = normalize(features @ second.reshape(3, 4).T + offset, scale2, shift2)
        total = total + share * F.cross_entropy(logits, Y[part])
    return total


def assert_is(objective: Objective, parts: tuple[tuple[slice, float], ...]) -> None:
    theta = objective.theta
    for point in (theta, theta + 0.2):
        assert objective.loss(point) == pytest.approx(whole_loss(point, parts).item(), rel=1e-11)
        gradient = torch.autograd.functional.jacobian(lambda t: whole_loss(t, parts), point)
        torch.testing.assert_close(objective.gradient(point), gradient, **CLOSE)
        H = torch.autograd.functional.hessian(lambda t: whole_loss(t, parts), point)
        torch.testing.assert_close(objective.hvp(torch.eye(len(theta)).double(), point), H, **CLOSE)


def test_batch_statistics_are_those_of_each_batch_as_it_was_given() -> None:
    objective = Objective(net(), F.cross_entropy, BATCHES, batchnorm="batch")
    assert_is(objective, PARTS)


def test_one_batch_has_the_statistics_of_the_whole_data() -> None:
    assert_is(Objective(net(), F.cross_entropy, (X, Y), batchnorm="batch"), WHOLE)


def test_a_batch_size_says_which_batches() -> None:
    objective = Objective(net(), F.cross_entropy, (X, Y), batchnorm="batch", batch_size=9)
    assert_is(objective, ((slice(0, 9), 0.5), (slice(9, 18), 0.5)))


def test_recalibrated_statistics_are_those_of_the_whole_data_at_each_point_however_it_was_cut() -> None:
    assert_is(Objective(net(), F.cross_entropy, BATCHES, batchnorm="recalibrate"), WHOLE)
    assert_is(Objective(net(), F.cross_entropy, (X, Y), batchnorm="recalibrate"), WHOLE)


def test_recalibration_is_running_statistics_recomputed_layer_after_layer() -> None:
    model = net()
    objective = Objective(model, F.cross_entropy, BATCHES, batchnorm="recalibrate")
    point = objective.theta + 0.3
    moved = net()
    torch.nn.utils.vector_to_parameters(point, moved.parameters())
    moved.eval()
    with torch.no_grad():
        for depth in (1, 4):  # each layer upon what comes out of those that are already recalibrated
            features = moved[:depth](X)
            moved[depth].running_mean.copy_(features.mean(dim=0))
            moved[depth].running_var.copy_(features.var(dim=0, correction=0))
        truth = F.cross_entropy(moved(X), Y)
    assert objective.loss(point) == pytest.approx(truth.item(), rel=1e-11)


def test_running_statistics_are_constants() -> None:
    model = net()
    objective = Objective(model, F.cross_entropy, BATCHES)

    def frozen(theta: Tensor) -> Tensor:
        first, bias, scale, shift, second, offset, scale2, shift2 = theta.split([12, 4, 4, 4, 12, 3, 3, 3])
        one, two = model[1], model[4]
        features = X @ first.reshape(4, 3).T + bias
        features = torch.tanh((features - one.running_mean) / (one.running_var + one.eps).sqrt() * scale + shift)
        logits = features @ second.reshape(3, 4).T + offset
        return F.cross_entropy((logits - two.running_mean) / (two.running_var + two.eps).sqrt() * scale2 + shift2, Y)

    theta = objective.theta
    assert objective.loss() == pytest.approx(frozen(theta).item(), rel=1e-12)
    H = torch.autograd.functional.hessian(frozen, theta)
    torch.testing.assert_close(objective.hvp(torch.eye(len(theta)).double()), H, **CLOSE)


@pytest.mark.parametrize("batchnorm", ["running", "batch", "recalibrate"])
def test_the_running_statistics_stay_untouched(batchnorm: str) -> None:
    model = net()
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    objective = Objective(model, F.cross_entropy, BATCHES, batchnorm=batchnorm)
    objective.hvp(objective.theta)
    objective.loss(objective.theta + 1)
    for name, buffer in model.named_buffers():
        assert torch.equal(buffer, before[name])


def test_instance_norm_with_running_statistics_follows_the_policy() -> None:
    model = nn.Sequential(nn.InstanceNorm1d(2, track_running_stats=True), nn.Flatten(), nn.Linear(10, 2)).double()
    x, y = torch.randn(6, 2, 5).double(), torch.arange(6) % 2
    objective = Objective(model, F.cross_entropy, (x, y), batchnorm="batch")
    centred = (x - x.mean(dim=2, keepdim=True)) / (x.var(dim=2, correction=0, keepdim=True) + 1e-5).sqrt()
    truth = F.cross_entropy(model[2](centred.flatten(1)), y)
    assert objective.loss() == pytest.approx(truth.item(), rel=1e-10)


@pytest.mark.parametrize("batchnorm", ["batch", "recalibrate"])
@pytest.mark.parametrize("compiled", [torch.jit.script, lambda model: torch.jit.trace(model.eval(), X)])
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_compiled_layers_which_cannot_follow_a_policy_are_refused(
    compiled: Callable[[nn.Module], nn.Module], batchnorm: Literal["batch", "recalibrate"]
) -> None:
    model = compiled(net())
    with pytest.raises(ValueError, match=rf"batchnorm must be 'running'.*got '{batchnorm}' and a BatchNorm1d at '1'"):
        Objective(model, F.cross_entropy, (X, Y), batchnorm=batchnorm)
    truth = F.cross_entropy(model.eval()(X), Y).item()
    assert Objective(model, F.cross_entropy, (X, Y)).loss() == pytest.approx(truth, rel=1e-12)


def test_a_policy_without_a_layer_to_follow_it_is_mentioned() -> None:
    model = nn.Linear(3, 3).double()
    assert Objective(model, F.cross_entropy, (X, Y), batchnorm="batch").notes == (
        "batchnorm='batch' changes nothing: the model has no layer with running statistics",
    )
    assert Objective(model, F.cross_entropy, (X, Y)).notes == ()
