"""What cannot be looked at is refused at the door, by a message that names the argument, what came and what was expected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, Dataset, TensorDataset

from curvwidget.objective import Objective


def net(inputs: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 4), nn.Tanh(), nn.Linear(4, 2))


def pair(samples: int = 8) -> tuple[Tensor, Tensor]:
    return torch.randn(samples, 3), torch.randint(2, (samples,))


class Unsized(Dataset[Any]):
    def __getitem__(self, index: int) -> Any:
        return torch.zeros(3), 0


class Uncopyable(nn.Linear):
    def __deepcopy__(self, memo: object) -> nn.Module:
        raise TypeError("it holds a socket")


def spread_over_devices() -> nn.Module:
    model = net()
    model[2].to("meta")
    return model


def poisoned() -> nn.Module:
    model = net()
    with torch.no_grad():
        model[0].weight[0, 0] = float("nan")
    return model


ARGUMENTS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "no module": ({"model": lambda x: x}, TypeError, r"model must be a torch.nn.Module, got function"),
    "no parameters": ({"model": nn.Flatten()}, ValueError, r"model must have parameters, got Flatten without any"),
    "only frozen parameters": (
        {"model": net().requires_grad_(False)}, ValueError, r"model must have a parameter that requires grad, got none"
    ),
    "lazy layers": ({"model": nn.LazyLinear(2)}, ValueError, r"model must be initialized: 'weight' has no shape yet"),
    "meta device": ({"model": net().to("meta")}, ValueError, r"weights in memory, got '0.weight' on the meta"),
    "part on the meta device": ({"model": spread_over_devices()}, ValueError, r"got '2.weight' on the meta device"),
    "complex parameters": (
        {"model": nn.Linear(3, 2, dtype=torch.complex64)}, TypeError, r"real floating-point .* 'weight' of torch.complex64"
    ),
    "NaN in the parameters": ({"model": poisoned()}, ValueError, r"model must have finite parameters.* in '0.weight'"),
    "a model that cannot be copied": ({"model": Uncopyable(3, 2)}, TypeError, r"model must be copyable .*a Uncopyable .*socket"),
    "no loss": ({"criterion": None}, TypeError, r"either criterion\(output, target\) or batch_loss.*got neither"),
    "two losses": ({"batch_loss": F.cross_entropy}, TypeError, r"either criterion.*got both"),
    "criterion that is no function": ({"criterion": 3.0}, TypeError, r"criterion must be callable, got float"),
    "batch_loss that is no function": ({"criterion": None, "batch_loss": "x"}, TypeError, r"batch_loss must be callable.*str"),
    "BatchNorm policy": ({"batchnorm": "train"}, ValueError, r"batchnorm must be one of 'running', .*'recalibrate', got 'train'"),
    "batch_size 0": ({"batch_size": 0}, ValueError, r"batch_size must be at least 1, got 0"),
    "batch_size 2.5": ({"batch_size": 2.5}, TypeError, r"batch_size must be a whole number, got 2.5"),
    "batch_size when recalibrating": (
        {"batch_size": 4, "batchnorm": "recalibrate"}, ValueError, r"batch_size must be None with batchnorm='recalibrate'.*got 4"
    ),
    "dtype": ({"dtype": torch.float16}, ValueError, r"dtype must be torch.float32, torch.float64 or None, got torch.float16"),
    "device": ({"device": "gpu"}, ValueError, r"device must be a torch.device or its name, got 'gpu'"),
    "unknown parameter": (
        {"parameters": ["0.*", "head.*"]}, ValueError, r"parameters must match .*got 'head\.\*'; the model has 0.weight"
    ),
    "no parameter named": ({"parameters": []}, ValueError, r"parameters must name at least one parameter, got an empty list"),
    "parameters by number": ({"parameters": [0]}, TypeError, r"parameters must be names, a predicate or None, got int in it"),
    "parameters of no kind": ({"parameters": 1.5}, TypeError, r"parameters must be names, a predicate or None, got float"),
    "predicate that accepts none": (
        {"parameters": lambda name, tensor: False}, ValueError, r"parameters must accept at least one parameter, got a predicate"
    ),
    "no data": ({"data": None}, TypeError, r"data must be \(x, y\), a Dataset, a DataLoader or a list of batches, got NoneType"),
    "data that is text": ({"data": "mnist"}, TypeError, r"data must be .* got str"),
    "empty list": ({"data": []}, ValueError, r"data must hold at least one batch, got an empty list"),
    "empty tuple": ({"data": ()}, ValueError, r"data must hold at least one batch, got an empty tuple"),
    "empty dataset": ({"data": TensorDataset(*pair(0))}, ValueError, r"at least one batch, got an empty TensorDataset"),
    "empty loader": (
        {"data": DataLoader(TensorDataset(*pair(2)), batch_size=4, drop_last=True)}, ValueError, r"got an empty DataLoader"
    ),
    "an empty batch": ({"data": [pair(3), pair(0)]}, ValueError, r"at least one sample a batch, got an empty batch \(number 1\)"),
    "dataset without length": ({"data": Unsized()}, TypeError, r"data must have a length, got a Unsized without __len__"),
    "x alone": ({"data": torch.randn(8, 3)}, ValueError, r"data must hold pairs \(x, y\) for a criterion, got a Tensor of 8"),
    "list of x and y": ({"data": list(pair())}, ValueError, r"pairs \(x, y\).*got a Tensor of 8; write one data set as a tuple"),
    "triples": ({"data": [(*pair(), torch.ones(8))]}, ValueError, r"data must hold pairs \(x, y\) .* got a tuple of 3"),
    "x and y of different lengths": (
        {"data": (torch.randn(8, 3), torch.zeros(7).long())}, ValueError, r"one target a sample, got 8 inputs and 7 targets"
    ),
    "float64 data for a float32 model": (
        {"data": (np.random.default_rng(0).normal(size=(8, 3)), np.zeros(8, dtype=int))}, ValueError,
        r"data must have the model's dtype torch.float32, got torch.float64; give dtype=torch.float32",
    ),
    "batches that cannot be merged for recalibration": (
        {"data": [(torch.ones(4, 3), torch.ones(4, 2)), (torch.ones(4, 3), torch.ones(4).long())], "batchnorm": "recalibrate"},
        ValueError, r"data must be one batch, or batches that can be merged.*got 2 batches",
    ),
    "criterion that is a class": (
        {"criterion": nn.CrossEntropyLoss}, TypeError, r"criterion must be .* the class CrossEntropyLoss: write CrossEntropyLoss"
    ),
    "criterion that returns a vector": (
        {"criterion": nn.CrossEntropyLoss(reduction="none")}, ValueError, r"criterion must return one number.*got shape \(8,\)"
    ),
    "criterion that returns a float": (
        {"criterion": lambda output, target: F.cross_entropy(output, target).item()}, TypeError,
        r"criterion must return a tensor with one number, got float",
    ),
    "criterion that returns a whole number": (
        {"criterion": lambda output, target: (output.argmax(1) == target).sum()}, ValueError,
        r"criterion must return a real floating-point number, got torch.int64",
    ),
    "criterion that returns a sum": (
        {"criterion": nn.CrossEntropyLoss(reduction="sum")}, ValueError, r"criterion must return the mean.*got a sum: 8 "
    ),
    "loss without a gradient": (
        {"criterion": lambda output, target: F.cross_entropy(output.detach(), target)}, ValueError,
        r"criterion must depend on the parameters differentiably.*detach",
    ),
    "loss that does not look at the model": (
        {"criterion": None, "batch_loss": lambda model, batch: torch.ones((), requires_grad=True) * 2}, ValueError,
        r"batch_loss must depend on the parameters differentiably",
    ),
    "NaN loss": ({"data": (torch.full((8, 3), float("nan")), pair()[1])}, ValueError, r"criterion must be finite.*got nan"),
    "infinite loss": (
        {"criterion": lambda output, target: output.mean() / 0}, ValueError, r"criterion must be finite.*got -?inf"
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_a_wrong_argument_is_refused_by_name(change: tuple[dict[str, Any], type[Exception], str]) -> None:
    given, kind, message = change
    arguments = {"model": net(), "criterion": F.cross_entropy, "data": pair(), **given}
    with pytest.raises(kind, match=message):
        Objective(**arguments)


def test_a_nan_far_into_the_data_is_found() -> None:
    x, y = pair(500)
    x[499, 0] = float("nan")
    with pytest.raises(ValueError, match="criterion must be finite"):
        Objective(net(), F.cross_entropy, (x, y), batch_size=100)


def test_the_users_own_error_comes_as_it_is() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        Objective(net(inputs=5), F.cross_entropy, pair())


class NoisyNet(nn.Module):
    def __init__(self, noise: str) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.noise = noise
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        if self.noise == "functional dropout":
            x = F.dropout(x)
        if self.noise == "sampling":
            x = x + torch.distributions.Normal(0.0, 0.1).sample(x.shape)
        if self.noise == "a running mean":
            self.calls += 1
            x = x / self.calls
        return self.linear(x)


@pytest.mark.parametrize("noise", ["functional dropout", "sampling", "a running mean"])
def test_a_loss_that_differs_from_call_to_call_is_refused_with_its_usual_causes(noise: str) -> None:
    with pytest.raises(ValueError, match=r"criterion must be deterministic, got .* and .*dropout.*sampling"):
        Objective(NoisyNet(noise), F.cross_entropy, pair())


class Masked(nn.Module):
    """Hides its body behind zeros, as at the start of training: a head of zeros, ReZero's α, LoRA's B."""

    def __init__(self, mask: str, body: str) -> None:
        super().__init__()
        self.skip, self.first, self.head = nn.Linear(3, 2), nn.Linear(3, 4), nn.Linear(4, 2)
        self.alpha = nn.Parameter(torch.full((), float(mask != "alpha")))
        self.body = body
        if mask == "head":
            nn.init.zeros_(self.head.weight)

    def forward(self, x: Tensor) -> Tensor:
        features = torch.tanh(self.first(x))
        features = {"dropout": F.dropout, "detach": Tensor.detach, "fine": lambda t: t}[self.body](features)
        return self.skip(x) + self.alpha * self.head(features)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("mask", ["head", "alpha"])
def test_what_zeros_hide_at_theta_is_refused_all_the_same(mask: str, dtype: torch.dtype) -> None:
    with pytest.raises(ValueError, match=r"criterion must be deterministic.*dropout"):
        Objective(Masked(mask, "dropout"), F.cross_entropy, pair(40), dtype=dtype)
    with pytest.raises(ValueError, match=r"moves with first.bias, first.weight but has no gradient"):
        Objective(Masked(mask, "detach"), F.cross_entropy, pair(40), dtype=dtype)
    model, data = Masked(mask, "fine"), pair(40)
    objective = Objective(model, F.cross_entropy, data, dtype=dtype)
    assert objective.notes == ()
    assert objective.loss(objective.theta) == pytest.approx(F.cross_entropy(model(data[0]), data[1]).item(), rel=1e-6)


def test_a_sum_is_refused_at_a_perfect_fit_too_and_a_mean_is_not() -> None:
    model = nn.Linear(3, 2)
    x = torch.randn(20, 3)
    y = model(x).detach()
    for data in ((x, y), [(x[:8], y[:8]), (x[8:], y[8:])]):
        with pytest.raises(ValueError, match=r"criterion must return the mean over the samples, got a sum: \d+ samples"):
            Objective(model, nn.MSELoss(reduction="sum"), data)
        assert Objective(model, nn.MSELoss(), data).notes == ()


def test_dropout_layers_are_switched_off_and_so_are_no_noise() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.9), nn.Linear(4, 2))
    Objective(model, F.cross_entropy, pair())


def test_a_state_that_changes_at_each_call_without_changing_the_loss_is_fine() -> None:
    class Counting(NoisyNet):
        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return self.linear(x)

    model = Counting("none")
    objective = Objective(model, F.cross_entropy, pair())
    assert objective.loss(objective.theta) == objective.loss()
    assert float(model.calls) == 0


def test_a_loss_that_uses_the_users_own_model_is_refused() -> None:
    model = net()

    def decayed(output: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(output, target) + 0.1 * sum(parameter.square().sum() for parameter in model.parameters())

    with pytest.raises(ValueError, match=r"criterion must take the parameters from the model that it is given.*batch_loss"):
        Objective(model, decayed, pair())
    with pytest.raises(ValueError, match=r"batch_loss must take the parameters from the model that it is given"):
        Objective(model, None, pair(), batch_loss=lambda _, batch: F.cross_entropy(model(batch[0]), batch[1]))


def test_a_model_that_holds_on_to_its_own_layers_where_a_copy_shares_them_is_refused() -> None:
    class Holding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 2)
            self.apply_it = lambda x: torch.tanh(self.linear(x))

        def forward(self, x: Tensor) -> Tensor:
            return self.apply_it(x)

    with pytest.raises(ValueError, match=r"uses those of your own model.*in a function kept as an attribute.*make that a method"):
        Objective(Holding(), F.cross_entropy, pair())


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad:UserWarning")
def test_parameters_whose_gradient_is_hidden_are_refused() -> None:
    class Hiding(nn.Module):
        def __init__(self, how: str) -> None:
            super().__init__()
            self.first, self.second, self.how = nn.Linear(3, 4), nn.Linear(4, 2), how

        def forward(self, x: Tensor) -> Tensor:
            if self.how == "detach":
                return self.second(self.first(x).detach().tanh())
            return self.second(checkpoint(self.first, x, use_reentrant=True))

    for how in ("detach", "checkpoint"):
        with pytest.raises(ValueError, match=r"moves with first.bias, first.weight but has no gradient.*use_reentrant=False"):
            Objective(Hiding(how), F.cross_entropy, pair())
        Objective(Hiding(how), F.cross_entropy, pair(), parameters="second.*")


def test_reentrant_checkpointing_that_autograd_cannot_differentiate_says_what_to_do() -> None:
    class Reentrant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.middle, self.last = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(checkpoint(self.middle, self.first(x), use_reentrant=True))

    with pytest.raises(RuntimeError, match=r"the loss cannot be differentiated.*use_reentrant=False"):
        Objective(Reentrant(), F.cross_entropy, pair())


def test_a_model_that_writes_to_its_parameters_is_refused() -> None:
    model = nn.Sequential(nn.Embedding(5, 3, max_norm=0.1), nn.Flatten(), nn.Linear(6, 2))
    with pytest.raises(ValueError, match=r"model must leave its parameters as they are in forward.*max_norm"):
        Objective(model, F.cross_entropy, (torch.randint(5, (8, 2)), torch.randint(2, (8,))))


def test_batches_that_cannot_be_cut_refuse_a_smaller_batch_size() -> None:
    def loss(model: nn.Module, batch: dict[str, Any]) -> Tensor:
        return F.cross_entropy(model(batch["x"]), batch["y"]) * batch["scale"]

    x, y = pair()
    batch = {"x": x, "y": y, "scale": 2.0}
    Objective(net(), None, batch, batch_loss=loss, batch_size=8)
    with pytest.raises(ValueError, match="batch_size must be None for batches that cannot be cut, got 4"):
        Objective(net(), None, batch, batch_loss=loss, batch_size=4)


VECTORS: dict[str, tuple[Any, type[Exception], str]] = {
    "too short": (torch.zeros(25), ValueError, r"must have shape .* with N = 26, got \(25,\)"),
    "a block of too short ones": (torch.zeros(2, 25), ValueError, r"must have shape .* with N = 26, got \(2, 25\)"),
    "a cube": (torch.zeros(1, 2, 26), ValueError, r"must have shape .* with N = 26, got \(1, 2, 26\)"),
    "a scalar": (torch.tensor(1.0), ValueError, r"must have shape .* with N = 26, got \(\)"),
    "whole numbers": (
        torch.zeros(26).long(),
        TypeError,
        r"must be a floating-point tensor .*got torch.int64 of shape \(26,\)",
    ),
    "complex numbers": (torch.zeros(26) * 1j, TypeError, r"must be a floating-point tensor of shape .*got torch.complex64"),
    "an array": (np.zeros(26), TypeError, r"must be a floating-point tensor of shape .*got ndarray"),
    "a list": ([0.0] * 26, TypeError, r"must be a floating-point tensor of shape .*got list"),
}


@pytest.mark.parametrize("given", VECTORS.values(), ids=VECTORS.keys())
@pytest.mark.parametrize("method", ["loss", "losses", "gradient", "hvp", "at", "hessian", "hvp at theta"])
def test_a_wrong_vector_is_refused_by_name(method: str, given: tuple[Any, type[Exception], str]) -> None:
    value, kind, message = given
    objective = Objective(net(), F.cross_entropy, pair())
    name = {"losses": "thetas", "hvp": "vectors"}.get(method, "theta")
    arguments = (objective.theta, value) if method == "hvp at theta" else (value,)
    with pytest.raises(kind, match=f"{name} {message}"):
        getattr(objective, method.partition(" ")[0])(*arguments)


def test_a_point_that_is_not_finite_is_refused_and_a_loss_that_is_not_is_returned() -> None:
    objective = Objective.from_function(lambda t: t.log().sum(), torch.ones(2))
    with pytest.raises(ValueError, match="theta must be finite, got NaN or inf"):
        objective.at(torch.tensor([1.0, float("nan")]))
    with pytest.raises(ValueError, match="the loss at theta must be finite, got nan"):
        objective.at(torch.tensor([1.0, -1.0]))
    losses = objective.losses(torch.tensor([[1.0, -1.0], [1.0, 0.0], [1.0, 1.0]]))
    assert losses.isnan().tolist() == [True, False, False]
    assert losses.isneginf().tolist() == [False, True, False]


FUNCTIONS: dict[str, tuple[Any, Any, type[Exception], str]] = {
    "no function": (3, torch.zeros(2), TypeError, r"function must be callable, got int"),
    "an array": (torch.sum, np.zeros(2), TypeError, r"theta must be a floating-point tensor of shape \(N,\), got ndarray"),
    "whole numbers": (torch.sum, torch.zeros(2).long(), TypeError, r"theta must be a floating-point tensor .*got torch.int64"),
    "half precision": (torch.sum, torch.zeros(2).half(), TypeError, r"theta must be float32 or float64, got torch.float16"),
    "a matrix": (torch.sum, torch.zeros(2, 2), ValueError, r"theta must have shape \(N,\), got \(2, 2\)"),
    "nothing": (torch.sum, torch.zeros(0), ValueError, r"theta must have shape \(N,\), got \(0,\)"),
    "NaN": (torch.sum, torch.tensor([float("nan")]), ValueError, r"theta must be finite, got NaN or inf"),
    "a vector": (lambda t: t, torch.zeros(2), ValueError, r"function must return one number.*got shape \(2,\)"),
    "a float": (lambda t: 1.0, torch.zeros(2), TypeError, r"function must return a tensor with one number, got float"),
    "a constant": (
        lambda t: t.detach().sum(),
        torch.zeros(2),
        ValueError,
        r"function must depend on the parameters differentiably",
    ),
    "noise": (lambda t: t.sum() + torch.rand(()), torch.zeros(2), ValueError, r"function must be deterministic"),
    "a pole": (lambda t: (1 / t).sum(), torch.zeros(2), ValueError, r"function must be finite at the point to look at, got inf"),
}


@pytest.mark.parametrize("given", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_a_wrong_function_or_point_is_refused_by_name(given: tuple[Any, Any, type[Exception], str]) -> None:
    function, theta, kind, message = given
    with pytest.raises(kind, match=message):
        Objective.from_function(function, theta)


def test_a_loss_that_has_no_value_beside_theta_is_taken_as_it_is_there() -> None:
    def loss(t: Tensor) -> Tensor:
        return -2 * torch.linalg.cholesky(torch.eye(2).double() + t * (1 - torch.eye(2).double())).diagonal().log().sum()

    theta = torch.tensor([0.992], dtype=torch.float64)  # from 1 on there are no factors
    assert Objective.from_function(loss, theta).loss() == pytest.approx(-np.log(1 - 0.992**2))
