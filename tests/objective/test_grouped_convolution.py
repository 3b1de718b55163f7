"""Convolutions in groups are differentiated for all groups at once: to the same numbers, by fewer operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, jvp
from torch.utils._python_dispatch import TorchDispatchMode

from curvwidget.objective import Objective
from curvwidget.objective.grouped_convolution import join_groups
from tests.cases import named_parameters

CLOSE = {"rtol": 1e-9, "atol": 1e-12}
CLASSES = torch.arange(5) % 3
LAYERS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
LENGTH = {1: 9, 2: 6, 3: 4}


def images(dimensions: int, channels: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(dimensions)
    return torch.randn(5, channels, *[LENGTH[dimensions]] * dimensions, generator=generator).double()


def network(dimensions: int, **options: Any) -> nn.Sequential:
    """Convolutions in groups, twice, so that one of them is given an image that depends on θ."""
    layer = LAYERS[dimensions]
    first, second = layer(4, 4, 3, **{"groups": 4, **options}), layer(4, 6, 2, groups=2)
    head = nn.LazyLinear(3)
    model = nn.Sequential(first, nn.Tanh(), second, nn.Softplus(), nn.Flatten(), head).double()
    model(images(dimensions))
    return model


def whole_loss(model: nn.Module, x: Tensor) -> Callable[[Tensor], Tensor]:
    """The loss as a function of θ, by PyTorch's own derivatives."""
    return lambda theta: F.cross_entropy(functional_call(model, named_parameters(model, theta), (x,)), CLASSES)


OPTIONS: list[dict[str, Any]] = [
    {},
    {"bias": False},
    {"groups": 2},
    {"stride": 2, "padding": 1},
    {"dilation": 2, "padding": 2},
    {"padding": "same"},
    {"padding": "valid"},
    {"padding": 1, "padding_mode": "circular"},
    {"kernel_size": 2, "padding": "same"},  # one more at the end than at the beginning
]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.parametrize("dimensions", LAYERS)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_hessian_is_that_of_pytorch(options: dict[str, Any], dimensions: int) -> None:
    options = dict(options)
    model, x = network(dimensions), images(dimensions)
    model[0] = LAYERS[dimensions](4, 4, options.pop("kernel_size", 3), **{"groups": 4, **options}).double()
    model[5] = nn.LazyLinear(3).double()
    model(x)
    loss = whole_loss(model, x)
    objective = Objective(model, F.cross_entropy, (x, CLASSES))
    theta = objective.theta
    assert objective.loss() == pytest.approx(float(loss(theta)), rel=1e-12)
    torch.testing.assert_close(objective.gradient(), torch.autograd.functional.jacobian(loss, theta), **CLOSE)
    vectors = torch.randn(12, len(theta), generator=torch.Generator().manual_seed(0)).double()
    truth = torch.stack([torch.autograd.functional.hvp(loss, theta, vector)[1] for vector in vectors])
    torch.testing.assert_close(objective.hvp(vectors[0]), truth[0], **CLOSE)  # by a walk
    torch.testing.assert_close(objective.hvp(vectors), truth, **CLOSE)  # by a record, or several at once


def test_several_vectors_go_through_one_walk_of_the_graph() -> None:
    model, x = network(2), images(2)
    join_groups(model)
    parameters = list(model.parameters())
    gradient = torch.cat(
        [one.flatten() for one in torch.autograd.grad(F.cross_entropy(model(x), CLASSES), parameters, create_graph=True)]
    )
    vectors = torch.eye(len(gradient)).double()[:5]
    rows = torch.autograd.grad(gradient, parameters, vectors, is_grads_batched=True)
    H = torch.autograd.functional.hessian(whole_loss(network_like(model), x), nn.utils.parameters_to_vector(parameters).detach())
    torch.testing.assert_close(torch.cat([row.flatten(1) for row in rows], dim=1), H[:5], **CLOSE)


def network_like(model: nn.Module) -> nn.Module:
    """The same network, with PyTorch's own derivatives."""
    other = network(2)
    other.load_state_dict(model.state_dict())
    return other


def test_weights_or_images_alone_may_be_differentiated() -> None:
    model, x = network(2), images(2)
    for name in ("0.weight", "0.bias", "5.weight"):
        objective = Objective(model, F.cross_entropy, (x, CLASSES), parameters=name)
        loss = whole_loss(model, x)
        whole = nn.utils.parameters_to_vector(model.parameters()).detach()
        start = 0
        for other, parameter in model.named_parameters():
            if other == name:
                break
            start += parameter.numel()
        part = slice(start, start + objective.n_parameters)
        H = torch.autograd.functional.hessian(loss, whole)[part, part]
        torch.testing.assert_close(objective.hvp(torch.eye(len(H)).double()), H, **CLOSE)


def test_one_image_without_a_batch_is_convolved_as_pytorch_does_it() -> None:
    model, image = nn.Conv2d(4, 4, 3, groups=4).double(), images(2)[0]
    expected = model(image)
    join_groups(model)
    torch.testing.assert_close(model(image), expected, rtol=0, atol=0)


def test_derivatives_inside_the_loss_are_those_of_pytorch() -> None:
    model, x = network(2), images(2)

    def steepness(model: nn.Module, batch: Tensor) -> Tensor:
        image = batch.clone().requires_grad_()
        (slope,) = torch.autograd.grad(model(image).logsumexp(1).sum(), image, create_graph=True)
        return (slope**2).mean()

    def whole(theta: Tensor) -> Tensor:
        return steepness(lambda image: functional_call(model, named_parameters(model, theta), (image,)), x)  # type: ignore[arg-type]

    objective = Objective(model, None, [x], batch_loss=steepness)
    vector = torch.randn(objective.n_parameters, generator=torch.Generator().manual_seed(0)).double()
    truth = torch.autograd.functional.hvp(whole, objective.theta, vector)[1]  # a third derivative of the convolution
    torch.testing.assert_close(objective.hvp(vector), truth, **CLOSE)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is:DeprecationWarning")  # by PyTorch's own, the first time
def test_forward_mode_derivatives_inside_the_loss_still_go_through() -> None:
    model, x = network(2), images(2)

    def sensitivity(model: nn.Module, batch: Tensor) -> Tensor:
        return (jvp(model, (batch,), (torch.ones_like(batch),))[1] ** 2).mean()

    def whole(theta: Tensor) -> Tensor:
        return sensitivity(lambda image: functional_call(model, named_parameters(model, theta), (image,)), x)  # type: ignore[arg-type]

    objective = Objective(model, None, [x], batch_loss=sensitivity)
    torch.testing.assert_close(objective.gradient(), torch.autograd.functional.jacobian(whole, objective.theta), **CLOSE)


class Counter(TorchDispatchMode):
    """Counts operations."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def operations_of_a_product(monkeypatch: pytest.MonkeyPatch, channels: int, *, plain: bool) -> int:
    monkeypatch.setenv("CURVWIDGET_PLAIN", "1" if plain else "0")
    first, second = (nn.Conv2d(channels, channels, 3, padding=1, groups=channels) for _ in range(2))
    model = nn.Sequential(first, nn.Tanh(), second, nn.Flatten(), nn.Linear(36 * channels, 3)).double()
    objective = Objective(model, F.cross_entropy, (images(2, channels), CLASSES))
    vector = torch.ones(objective.n_parameters).double()
    objective.hvp(vector)
    with Counter() as counter:
        objective.hvp(vector)
    return counter.count


def test_a_product_takes_as_many_operations_however_many_groups_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = (operations_of_a_product(monkeypatch, channels, plain=False) for channels in (2, 32))
    assert few == many
    plainly = operations_of_a_product(monkeypatch, 32, plain=True)
    assert plainly > many + 4 * 32  # which the switch puts back


def test_the_users_model_keeps_its_own_layers() -> None:
    model = network(2)
    Objective(model, F.cross_entropy, (images(2), CLASSES)).hvp(
        torch.ones(sum(one.numel() for one in model.parameters())).double()
    )
    assert not any("_conv_forward" in vars(module) for module in model.modules())
