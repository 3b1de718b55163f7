"""Any model: tied, recurrent, checkpointed, compiled, parametrized, of several dtypes; each against a loss by hand."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils import parametrizations, prune

from curvwidget.objective import Objective
from tests.cases import named_parameters
from tests.objective.models import Checkpointed

X, Y = torch.randn(9, 3, generator=torch.Generator().manual_seed(1)).double(), torch.arange(9) % 2
CLOSE = {"rtol": 1e-9, "atol": 1e-12}


def assert_is(objective: Objective, whole_loss: Callable[[Tensor], Tensor], theta: Tensor) -> None:
    """Compare loss, gradient and Hessian with those of a function."""
    assert torch.equal(objective.theta, theta)
    assert objective.loss() == pytest.approx(whole_loss(theta).item(), rel=1e-12)
    torch.testing.assert_close(objective.gradient(), torch.autograd.functional.jacobian(whole_loss, theta), **CLOSE)
    H = torch.autograd.functional.hessian(whole_loss, theta)
    torch.testing.assert_close(objective.hvp(torch.eye(len(theta)).double()), H, **CLOSE)


def flat(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def two_layers() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()


def two_layers_loss(theta: Tensor) -> Tensor:
    hidden = torch.tanh(X @ theta[:12].reshape(4, 3).T + theta[12:16])
    return F.cross_entropy(hidden @ theta[16:24].reshape(2, 4).T + theta[24:26], Y)


def test_a_layer_that_is_recomputed_in_the_backward_pass_is_recomputed_at_the_right_point() -> None:
    model = Checkpointed().double()
    objective = Objective(model, F.cross_entropy, (X, Y))
    assert_is(objective, two_layers_loss, flat(model))
    there = flat(model) + 0.3
    objective.loss(there)  # another point in between must not be the one that is recomputed at
    H = torch.autograd.functional.hessian(two_layers_loss, flat(model))
    torch.testing.assert_close(objective.hvp(torch.eye(26).double()), H, **CLOSE)
    H = torch.autograd.functional.hessian(two_layers_loss, there)
    torch.testing.assert_close(objective.hvp(torch.eye(26).double(), there), H, **CLOSE)


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda model: torch.compile(model, backend="eager")])
def test_wrappers_are_taken_off_at_any_depth(wrap: Callable[[nn.Module], nn.Module]) -> None:
    model = two_layers()
    theta = flat(model)
    for wrapped in (wrap(model), nn.Sequential(model[0], wrap(nn.Sequential(model[1], wrap(model[2]))))):
        objective = Objective(wrapped, F.cross_entropy, (X, Y))
        assert_is(objective, two_layers_loss, theta)
        assert not any("module" in block.name or "_orig_mod" in block.name for block in objective.blocks)


def test_a_model_compiled_in_place_is_looked_at_uncompiled() -> None:
    model = two_layers()
    model.compile(backend="eager")
    model(X)
    assert_is(Objective(model, F.cross_entropy, (X, Y)), two_layers_loss, flat(model))


def test_a_scripted_model() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit
        model = torch.jit.script(two_layers())
    assert_is(Objective(model, F.cross_entropy, (X, Y)), two_layers_loss, flat(model))


class KeepsItsWeightsInAList(nn.Module):
    """Holds its parameters a second time where no swapping of attributes reaches them."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = two_layers()
        self.weights = list(self.layers.parameters())

    def forward(self, x: Tensor) -> Tensor:
        weight, bias, out, offset = self.weights
        return torch.tanh(x @ weight.T + bias) @ out.T + offset


def test_a_model_that_keeps_its_weights_in_a_list() -> None:
    model = KeepsItsWeightsInAList()
    objective = Objective(model, F.cross_entropy, (X, Y))
    assert_is(objective, two_layers_loss, flat(model))
    assert objective.notes == ()


def test_a_criterion_that_holds_the_model_follows_the_private_copy() -> None:
    class Decayed(nn.Module):
        def __init__(self, model: nn.Module) -> None:
            super().__init__()
            self.model = model

        def forward(self, output: Tensor, target: Tensor) -> Tensor:
            return F.cross_entropy(output, target) + sum(parameter.square().sum() for parameter in self.model.parameters())

    model = two_layers()
    assert_is(Objective(model, Decayed(model), (X, Y)), lambda theta: two_layers_loss(theta) + theta.square().sum(), flat(model))


def test_a_criterion_with_parameters_of_its_own_keeps_them_fixed() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(3.0).double())

        def forward(self, output: Tensor, target: Tensor) -> Tensor:
            return self.scale * F.cross_entropy(output, target)

    model = two_layers()
    assert_is(Objective(model, Scaled(), (X, Y)), lambda theta: 3 * two_layers_loss(theta), flat(model))


def linear_loss(weight: Tensor, bias: Tensor) -> Tensor:
    return F.cross_entropy(X @ weight.T + bias, Y)


def test_weight_norm_by_hook_with_the_weight_of_the_last_forward_pass_still_on_it() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # deprecated, and in use
        model = nn.Sequential(nn.utils.weight_norm(nn.Linear(3, 2).double()))
    model(X)

    def whole_loss(theta: Tensor) -> Tensor:
        named = named_parameters(model, theta)
        direction = named["0.weight_v"]
        return linear_loss(named["0.weight_g"] * direction / direction.norm(dim=1, keepdim=True), named["0.bias"])

    objective = Objective(model, F.cross_entropy, (X, Y))
    assert_is(objective, whole_loss, flat(model))
    assert objective.notes == ()


def test_weight_norm_by_parametrization() -> None:
    model = nn.Sequential(parametrizations.weight_norm(nn.Linear(3, 2).double()))

    def whole_loss(theta: Tensor) -> Tensor:
        named = named_parameters(model, theta)
        direction = named["0.parametrizations.weight.original1"]
        size = named["0.parametrizations.weight.original0"]
        return linear_loss(size * direction / direction.norm(dim=1, keepdim=True), named["0.bias"])

    assert_is(Objective(model, F.cross_entropy, (X, Y)), whole_loss, flat(model))


def test_spectral_norm_keeps_its_vectors_in_eval_mode() -> None:
    model = nn.Sequential(parametrizations.spectral_norm(nn.Linear(3, 2).double()))
    u, v = model[0].parametrizations.weight[0]._u.clone(), model[0].parametrizations.weight[0]._v.clone()

    def whole_loss(theta: Tensor) -> Tensor:
        named = named_parameters(model, theta)
        weight = named["0.parametrizations.weight.original"]
        return linear_loss(weight / (u @ weight @ v), named["0.bias"])

    assert_is(Objective(model, F.cross_entropy, (X, Y)), whole_loss, flat(model))


def test_spectral_norm_by_hook_takes_no_step_of_its_power_iteration() -> None:
    model = nn.Sequential(nn.utils.spectral_norm(nn.Linear(3, 2).double()))
    model(X)
    u, v = model[0].weight_u.clone(), model[0].weight_v.clone()

    def whole_loss(theta: Tensor) -> Tensor:
        named = named_parameters(model, theta)
        return linear_loss(named["0.weight_orig"] / (u @ named["0.weight_orig"] @ v), named["0.bias"])

    objective = Objective(model, F.cross_entropy, (X, Y))
    assert_is(objective, whole_loss, flat(model))
    assert objective.loss(objective.theta) == objective.loss()
    assert torch.equal(model[0].weight_u, u)


def test_pruned_weights_stay_pruned() -> None:
    model = two_layers()
    prune.l1_unstructured(model[0], "weight", amount=0.5)
    mask = model[0].weight_mask.clone()

    def whole_loss(theta: Tensor) -> Tensor:
        named = named_parameters(model, theta)
        hidden = torch.tanh(X @ (named["0.weight_orig"] * mask).T + named["0.bias"])
        return F.cross_entropy(hidden @ named["2.weight"].T + named["2.bias"], Y)

    assert_is(Objective(model, F.cross_entropy, (X, Y)), whole_loss, flat(model))


class PartlyUsed(nn.Module):
    """Has a head that its loss does not look at."""

    def __init__(self) -> None:
        super().__init__()
        self.aside = nn.Linear(3, 5)
        self.used = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.used(x)


def test_parameters_that_the_loss_does_not_use_are_named_and_flat() -> None:
    model = PartlyUsed().double()
    objective = Objective(model, F.cross_entropy, (X, Y))
    assert_is(objective, lambda theta: linear_loss(theta[20:26].reshape(2, 3), theta[26:28]), flat(model))
    (note,) = objective.notes
    assert note == "the loss does not depend on aside.weight, aside.bias: zero gradient and curvature there"
    assert Objective(model, F.cross_entropy, (X, Y), parameters="used.*").notes == ()


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("2.*", ["2.weight", "2.bias"]),
        (["2.weight", "*.bias"], ["0.bias", "2.weight", "2.bias"]),
        (lambda name, tensor: tensor.ndim == 2, ["0.weight", "2.weight"]),
        (None, ["0.bias", "2.weight", "2.bias"]),
    ],
)
def test_part_of_the_parameters_gives_that_part_of_the_hessian(parameters: Any, expected: list[str]) -> None:
    model = two_layers()
    model[0].weight.requires_grad_(False)
    objective = Objective(model, F.cross_entropy, (X, Y), parameters=parameters)
    whole = {"0.weight": range(12), "0.bias": range(12, 16), "2.weight": range(16, 24), "2.bias": range(24, 26)}
    part = [index for name in expected for index in whole[name]]
    H = torch.autograd.functional.hessian(two_layers_loss, flat(model))
    assert [block.name for block in objective.blocks] == expected
    torch.testing.assert_close(objective.hvp(torch.eye(len(part)).double()), H[part][:, part], **CLOSE)


def test_tied_weights_may_be_asked_for_by_any_of_their_names() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3)).double()
    model[2].weight = model[0].weight
    for chosen in ("2.weight", lambda name, tensor: name == "2.weight"):
        objective = Objective(model, F.cross_entropy, (X, Y), parameters=chosen)
        assert [block.name for block in objective.blocks] == ["0.weight"]


def test_memory_that_is_shared_without_being_tied_is_mentioned() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3)).double()
    assert Objective(model, F.cross_entropy, (X, Y)).notes == ()
    model[2].weight.data = model[0].weight.data
    (note,) = Objective(model, F.cross_entropy, (X, Y)).notes
    assert note.startswith("tensors that share memory in your model do not move as one here: 2.weight and 0.weight;")
    model[2].weight = model[0].weight
    model.kept = model[0].bias.detach()
    (note,) = Objective(model, F.cross_entropy, (X, Y)).notes
    assert "kept and 0.bias" in note


class Mixed(nn.Module):
    """Computes its first layer in bfloat16 and its second in float64."""

    def __init__(self, first: torch.dtype) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 4, dtype=first), nn.Linear(4, 2, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x.to(self.first.weight.dtype))).double())


def test_parameters_of_several_dtypes() -> None:
    model = Mixed(torch.float32)
    objective = Objective(model, F.cross_entropy, (X, Y))
    assert objective.dtype == torch.float64
    theta = torch.cat([parameter.detach().flatten().double() for parameter in model.parameters()])
    assert torch.equal(objective.theta, theta)
    assert objective.loss() == pytest.approx(two_layers_loss(theta).item(), rel=1e-6)  # float32 inside
    gradient = torch.autograd.functional.jacobian(two_layers_loss, theta)
    torch.testing.assert_close(objective.gradient(), gradient, rtol=1e-5, atol=1e-6)
    H = torch.autograd.functional.hessian(two_layers_loss, theta)
    torch.testing.assert_close(objective.hvp(torch.eye(26).double()), H, rtol=1e-5, atol=1e-6)


def test_half_precision_is_looked_at_with_a_float32_theta_and_a_note() -> None:
    model = Mixed(torch.bfloat16)
    model.second.to(torch.bfloat16)
    model = nn.Sequential(two_layers().to(torch.bfloat16))
    x = X.to(torch.bfloat16)
    objective = Objective(model, F.cross_entropy, (x, Y))
    assert objective.dtype == objective.gradient().dtype == torch.float32
    assert "the model computes in torch.bfloat16" in objective.notes[0]
    theta = flat(model).double()
    assert objective.loss() == pytest.approx(two_layers_loss(theta).item(), rel=2e-2)
    gradient = torch.autograd.functional.jacobian(two_layers_loss, theta)
    torch.testing.assert_close(objective.gradient().double(), gradient, rtol=0.1, atol=0.02)
    close = Objective(model, F.cross_entropy, (x, Y), dtype=torch.float32)
    assert close.notes == ()
    torch.testing.assert_close(close.gradient().double(), gradient, rtol=1e-1, atol=5e-3)  # the data was rounded


def test_dtype_converts_a_copy_of_model_and_data() -> None:
    model = two_layers().float()
    objective = Objective(model, F.cross_entropy, (X.float(), Y), dtype=torch.float64)
    assert objective.dtype == torch.float64
    assert objective.loss() == pytest.approx(two_layers_loss(flat(model).double()).item(), rel=1e-6)
    assert model[0].weight.dtype == torch.float32


def test_complex_buffers_follow_the_dtype_in_width() -> None:
    class Spectral(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 2)
            self.register_buffer("phase", torch.polar(torch.ones(3), torch.arange(3.0)))

        def forward(self, x: Tensor) -> Tensor:
            assert self.phase.dtype == torch.complex128
            return self.linear((x * self.phase).imag)

    model = Spectral()
    objective = Objective(model, F.cross_entropy, (X, Y), dtype=torch.float64)
    truth = linear_loss(model.linear.weight.double() * torch.sin(torch.arange(3.0)).double(), model.linear.bias.double())
    assert objective.loss() == pytest.approx(truth.item(), rel=1e-6)


def test_hooks_of_the_user_run_on_the_copy_and_are_mentioned() -> None:
    model = two_layers()
    model[0].register_forward_hook(lambda module, args, output: 2 * output)
    model[2].register_full_backward_hook(lambda module, grad_input, grad_output: None)
    objective = Objective(model, F.cross_entropy, (X, Y))
    assert objective.notes == ("hooks run on the private copy as well: 0, 2",)

    def whole_loss(theta: Tensor) -> Tensor:
        scale = torch.ones(26).double()
        scale[:16] = 2
        return two_layers_loss(scale * theta)

    assert_is(objective, whole_loss, flat(model))


class OneWay(torch.autograd.Function):
    """An operation whose author wrote one derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 3 * x**2 * gradient


class Cubed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2).double()

    def forward(self, x: Tensor) -> Tensor:
        return OneWay.apply(self.linear(x))


def test_where_there_is_no_second_derivative_the_error_names_the_operation_and_the_rest_works() -> None:
    model = Cubed()
    objective = Objective(model, F.cross_entropy, (X, Y))

    def whole_loss(theta: Tensor) -> Tensor:
        return F.cross_entropy((X @ theta[:6].reshape(2, 3).T + theta[6:]) ** 3, Y)

    theta = flat(model)
    for _ in range(2):
        with pytest.raises(
            NotImplementedError, match=r"no second derivative in PyTorch, because of OneWay\. .*method='difference'"
        ):
            objective.hvp(theta)
    assert objective.loss(theta) == pytest.approx(whole_loss(theta).item(), rel=1e-12)
    torch.testing.assert_close(objective.gradient(), torch.autograd.functional.jacobian(whole_loss, theta), **CLOSE)


class KeptSine(torch.autograd.Function):
    """An operation with a right slope, whose second derivative is missing: the cosine is kept as if it were a constant."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.slope = x.cos()
        return x.sin()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * ctx.slope


class SavedSine(KeptSine):
    """The same, done right."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradient * x.cos()


class OwnReLU(torch.autograd.Function):
    """Kinks of a user's own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradient * (x > 0)


class RoundThrough(torch.autograd.Function):
    """Straight through what jumps."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return (4 * x).round() / 4

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class Own(nn.Module):
    def __init__(self, function: type[torch.autograd.Function], width: int = 8) -> None:
        super().__init__()
        self.first, self.second, self.function = nn.Linear(3, width), nn.Linear(width, 2), function

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.function.apply(self.first(x)))


@pytest.mark.parametrize("head", ["any", "zeros"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_symmetric_hessian_that_is_not_the_slope_of_the_gradient_is_refused(dtype: torch.dtype, head: str) -> None:
    models = Own(KeptSine).to(dtype), Own(SavedSine).to(dtype)
    if head == "zeros":
        nn.init.zeros_(models[0].second.weight)
    models[1].load_state_dict(models[0].state_dict())
    wrong, right = (Objective(model, F.cross_entropy, (X, Y), dtype=dtype) for model in models)
    with pytest.raises(NotImplementedError, match=r"off differences of the gradient by 0\.\d+ of their size.*look into KeptSine"):
        wrong.hvp(wrong.theta)
    torch.testing.assert_close(wrong.gradient(), right.gradient())

    def whole_loss(theta: Tensor) -> Tensor:
        hidden = (X @ theta[:24].reshape(8, 3).T + theta[24:32]).sin()
        return F.cross_entropy(hidden @ theta[32:48].reshape(2, 8).T + theta[48:], Y)

    H = torch.autograd.functional.hessian(whole_loss, right.theta.double())
    torch.testing.assert_close(right.hvp(torch.eye(50, dtype=dtype)).double(), H, rtol=1e-4, atol=1e-5)


def test_a_loss_whose_hessian_is_all_missing_is_refused() -> None:
    model = Own(KeptSine).double()
    objective = Objective(model, lambda output, _: output.mean(), (X, Y), parameters="first.*")
    with pytest.raises(NotImplementedError, match=r"off differences of the gradient by 1 of their size"):
        objective.hvp(objective.theta)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_kinks_of_ones_own_are_no_wrong_second_derivatives(dtype: torch.dtype, seed: int) -> None:
    torch.manual_seed(seed)
    model = Own(OwnReLU, width=200)
    objective = Objective(model, F.cross_entropy, (torch.randn(64, 3), torch.arange(64) % 2), dtype=dtype)
    assert objective.hvp(objective.theta).isfinite().all()


@pytest.mark.filterwarnings("ignore:the gradient that autograd gives is not the slope:UserWarning")
def test_of_a_gradient_that_is_known_not_to_be_the_slope_the_hessian_is_that_of_the_other_function() -> None:
    objective = Objective(Own(RoundThrough).double(), F.cross_entropy, (X, Y))
    assert "is not the slope of the loss" in objective.notes[-1]
    assert objective.hvp(objective.theta).isfinite().all()


class TwoFaced(torch.autograd.Function):
    """An operation with a backward pass that cannot be differentiated, because it takes a saved number for a constant."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        ctx.constant = y.detach()
        return x * y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        (x,) = ctx.saved_tensors
        return gradient * ctx.constant, gradient * x


def test_a_second_derivative_that_is_wrong_is_refused_not_returned() -> None:
    objective = Objective.from_function(lambda t: TwoFaced.apply(t[:3], t[3:]).square().sum(), torch.arange(1.0, 7.0).double())
    with pytest.raises(NotImplementedError, match=r"second derivative it gets wrong.*symmetric"):
        objective.hvp(torch.ones(6).double())
    torch.testing.assert_close(objective.gradient()[:1], torch.tensor([32.0]).double())  # 2·x·y² at x = 1, y = 4


def test_a_missing_derivative_of_an_operation_of_torch_is_named() -> None:
    def loss(theta: Tensor) -> Tensor:
        # The scaled dot-product of the fused CPU kernel, called by its own name: no second derivative.
        x = theta.reshape(1, 1, 4, 2)
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(x, x, x)[0].square().sum()

    objective = Objective.from_function(loss, torch.arange(8.0) / 8)
    with pytest.raises(NotImplementedError, match="flash_attention"):
        objective.hvp(torch.ones(8))
    assert objective.loss(torch.ones(8)) == pytest.approx(8.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_attention_has_a_hessian_also_where_its_fused_kernel_has_none(dtype: torch.dtype) -> None:
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 2, enable_nested_tensor=False).to(dtype)
    x = torch.randn(3, 5, 4, dtype=dtype)
    objective = Objective(model, F.mse_loss, (x, torch.zeros_like(x)))
    step, direction = (
        (1e-2 if dtype == torch.float32 else 1e-5),
        F.normalize(torch.randn(objective.n_parameters, dtype=dtype), dim=0),
    )
    change = objective.gradient(objective.theta + step * direction) - objective.gradient(objective.theta - step * direction)
    tolerance = 1e-2 if dtype == torch.float32 else 1e-7
    torch.testing.assert_close(objective.hvp(direction), change / (2 * step), rtol=0, atol=tolerance)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_have_a_hessian_in_single_precision(kind: type[nn.RNNBase]) -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = kind(3, 4, num_layers=2, batch_first=True, dropout=0.5)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x)[0][:, -1]

    x, y = torch.randn(5, 3, 3), torch.arange(5) % 4
    single = Objective(Last(), F.cross_entropy, (x, y))
    double = Objective(copy.deepcopy(single._risk._model), F.cross_entropy, (x, y), dtype=torch.float64, parameters="*")
    v = torch.randn(single.n_parameters)
    torch.testing.assert_close(single.hvp(v).double(), double.hvp(v.double()), rtol=1e-3, atol=1e-5)


class FixedBatch(nn.Module):
    """Reshapes by a batch size that is written into it."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2).double()

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x.reshape(3, 3))


def test_a_model_that_takes_whole_batches_only_gets_whole_batches() -> None:
    batches = [(X[start : start + 3], Y[start : start + 3]) for start in (0, 3, 6)]
    model = FixedBatch()
    objective = Objective(model, F.cross_entropy, batches)
    assert objective.notes == ("the model takes whole batches only: they are used as they were given",)
    assert_is(objective, lambda theta: linear_loss(theta[:6].reshape(2, 3), theta[6:]), flat(model))


def test_a_loss_that_is_linear_in_theta_has_no_curvature() -> None:
    model = nn.Linear(3, 2).double()
    objective = Objective(model, lambda output, target: output.mean(), (X, Y))
    assert torch.equal(objective.hvp(torch.ones(8).double()), torch.zeros(8).double())


def test_a_batch_on_which_the_loss_is_constant_counts_with_its_weight() -> None:
    def loss(model: nn.Module, batch: Tensor) -> Tensor:
        return model(batch).square().mean() if batch.size(0) > 2 else torch.tensor(5.0).double()

    model = nn.Linear(3, 2).double()
    objective = Objective(model, None, [X[:7], X[7:]], batch_loss=loss)

    def whole_loss(theta: Tensor) -> Tensor:
        return 7 / 9 * (X[:7] @ theta[:6].reshape(2, 3).T + theta[6:]).square().mean() + 2 / 9 * 5.0

    assert_is(objective, whole_loss, flat(model))


def test_losses_that_do_something_else_without_gradients_are_evaluated_with_them() -> None:
    def loss(model: nn.Module, batch: Tensor) -> Tensor:
        batch.requires_grad_()
        out = model(batch)
        (slope,) = torch.autograd.grad(out.sum(), batch, create_graph=True) if torch.is_grad_enabled() else (torch.zeros(()),)
        return out.square().mean() + slope.square().mean()

    model = nn.Linear(3, 2).double()
    objective = Objective(model, None, X, batch_loss=loss)

    def whole_loss(theta: Tensor) -> Tensor:
        weight = theta[:6].reshape(2, 3)
        return (X @ weight.T + theta[6:]).square().mean() + weight.sum(dim=0).square().mean()

    assert_is(objective, whole_loss, flat(model))
    assert objective.loss(flat(model) + 1) == pytest.approx(whole_loss(flat(model) + 1).item(), rel=1e-12)
    assert not X.requires_grad


def test_derivatives_inside_the_loss_by_torch_func() -> None:
    def loss(model: nn.Module, batch: Tensor) -> Tensor:
        slopes = torch.func.vmap(torch.func.jacrev(model))(batch)
        return slopes.square().sum(dim=(1, 2)).mean()

    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    objective = Objective(model, None, X, batch_loss=loss)

    def whole_loss(theta: Tensor) -> Tensor:
        first, second = theta[:12].reshape(4, 3), theta[16:24].reshape(2, 4)
        inner = 1 - torch.tanh(X @ first.T + theta[12:16]) ** 2
        return torch.einsum("oh,nh,hi->noi", second, inner, first).square().sum(dim=(1, 2)).mean()

    assert "2.bias" in objective.notes[0]
    assert_is(objective, whole_loss, flat(model))
