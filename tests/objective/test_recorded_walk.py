"""Products by records of walks are those of the loss's Hessian, for any loss, and need nothing of the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from curvwidget.objective import Objective
from curvwidget.objective.graph_memory import record_over_graph
from tests.cases import CASES, Case, dense_hessian
from tests.objective.models import Checkpointed

CUT = [(case, 5) for case in CASES if case.name not in ("quadratic form", "physics-informed")]  # whose data can be cut
KEPT = "graphs of the gradient kept"


def recording(objective: Objective) -> Objective:
    """Let it record at the first product."""
    objective._products.expect_many()
    return objective


def plainly(build: Callable[[], Objective]) -> Objective:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CURVWIDGET_PLAIN", "1")
        return build()


@pytest.mark.parametrize(("case", "batch_size"), [*((case, None) for case in CASES), *CUT], ids=str)
def test_records_give_the_products_of_the_dense_hessian_and_of_the_plain_way(case: Case, batch_size: int | None) -> None:
    problem = case.build()
    options = {} if batch_size is None else {"batch_size": batch_size}
    objective = recording(problem.objective(**options))
    vectors = torch.randn(6, objective.n_parameters, dtype=torch.float64)
    single = torch.stack([objective.hvp(vector) for vector in vectors])
    assert len(objective._products.records) == len(objective._risk.weights)
    assert not objective._products.graphs
    torch.testing.assert_close(single, vectors @ dense_hessian(problem), rtol=1e-9, atol=1e-12)
    plain = plainly(lambda: case.build().objective(**options))
    close = {"rtol": 1e-12, "atol": 1e-13 * float(single.abs().max())}
    torch.testing.assert_close(single, plain.hvp(vectors), **close)
    assert not plain._products.records
    for at_once in (1, 4):
        objective._risk.ways.at_once = at_once
        torch.testing.assert_close(objective.hvp(vectors), single, **close)
    assert torch.equal(objective.hvp(vectors[0]), single[0])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_vectors_may_lie_in_memory_as_they_like(case: Case) -> None:
    objective = recording(case.build().objective())
    columns = torch.randn(objective.n_parameters, 5, dtype=torch.float64)
    rows = columns.T.contiguous()
    truth = torch.stack([objective.hvp(row) for row in rows])
    close = {"rtol": 1e-12, "atol": 1e-13 * float(truth.abs().max())}
    torch.testing.assert_close(torch.stack([objective.hvp(column) for column in columns.T]), truth, **close)
    torch.testing.assert_close(objective.hvp(columns.T), truth, **close)
    one = torch.ones(1, dtype=torch.float64).expand(objective.n_parameters)
    torch.testing.assert_close(objective.hvp(one), objective.hvp(one.contiguous()), **close)


class LastState(nn.Module):
    """Classifies a sequence by the last state of a recurrent net."""

    def __init__(self, kind: type[nn.RNNBase], width: int = 4) -> None:
        super().__init__()
        self.layer, self.head = kind(3, width, num_layers=2, batch_first=True), nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x)[0][:, -1])


class Tokens(nn.Module):
    """Classifies a sequence of tokens by the mean of what they are embedded as."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(7, 4, **options), nn.Linear(4, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(torch.tanh(self.embedding(tokens)).mean(dim=1))


class Strided(nn.Module):
    """A block of a ResNet that halves its image, with another path around it."""

    def __init__(self, norm: Callable[[int], nn.Module] = nn.BatchNorm2d) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 4, 3, 2, 1, bias=False), nn.Conv2d(4, 4, 3, 1, 1, bias=False)
        self.around, self.norms = nn.Conv2d(2, 4, 1, 2, bias=False), nn.ModuleList([norm(4), norm(4), norm(4)])
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        inside = self.norms[1](self.second(F.relu(self.norms[0](self.first(x)))))
        return self.head(F.relu(inside + self.norms[2](self.around(x))).mean(dim=(2, 3)))


class Attention(nn.Module):
    """Scaled dot-product attention to what came before."""

    def __init__(self) -> None:
        super().__init__()
        self.parts, self.head = nn.Linear(3, 12), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (part[:, None] for part in self.parts(x).chunk(3, dim=-1))
        return self.head(F.scaled_dot_product_attention(query, key, value, is_causal=True)[:, 0].mean(dim=1))


class Tied(nn.Module):
    """One layer, three times; and a sum of a product with itself."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.layer(torch.tanh(self.layer(x)))
        return self.layer(torch.tanh(hidden + hidden))


class Masked(nn.Module):
    """Leaves out some of its hidden units by a mask of truth values."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.head = nn.Linear(3, 6), nn.Linear(6, 2)
        self.register_buffer("mask", torch.arange(6) % 3 > 0)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.hidden(x)) * self.mask / 0.7)


class Mixed(nn.Module):
    """Computes its first layer in float32 and its second in float64."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 4, dtype=torch.float32), nn.Linear(4, 2, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x.float())).double())


Y = torch.arange(9) % 2
INPUTS = {
    "rows": torch.randn(9, 3, generator=torch.Generator().manual_seed(1)),
    "sequences": torch.randn(9, 5, 3, generator=torch.Generator().manual_seed(2)),
    "tokens": torch.randint(7, (9, 5), generator=torch.Generator().manual_seed(3)),
    "images": torch.randn(9, 2, 8, 8, generator=torch.Generator().manual_seed(4)),
}
MODELS: dict[str, tuple[Callable[[], nn.Module], str, dict[str, Any]]] = {
    "GRU": (lambda: LastState(nn.GRU), "sequences", {}),
    "LSTM": (lambda: LastState(nn.LSTM), "sequences", {}),
    "embedding": (lambda: Tokens(padding_idx=0), "tokens", {}),
    "sparse embedding": (lambda: Tokens(sparse=True), "tokens", {}),
    "weight norm": (lambda: nn.Sequential(parametrizations.weight_norm(nn.Linear(3, 4)), nn.Tanh(), nn.Linear(4, 2)), "rows", {}),
    "LayerNorm": (lambda: nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.SiLU(), nn.Linear(4, 2)), "rows", {}),
    "GroupNorm": (lambda: Strided(lambda channels: nn.GroupNorm(2, channels)), "images", {}),
    "running statistics": (Strided, "images", {"batchnorm": "running"}),
    "statistics of batches": (Strided, "images", {"batchnorm": "batch"}),
    "recalibrated": (Strided, "images", {"batchnorm": "recalibrate"}),
    "checkpointing": (Checkpointed, "rows", {}),
    "attention": (Attention, "sequences", {}),
    "dropout": (lambda: nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.GELU(), nn.Linear(4, 2)), "rows", {}),
    "tied": (Tied, "rows", {}),
    "masked": (Masked, "rows", {}),
    "mixed": (Mixed, "rows", {"dtype": None}),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_any_models_products_come_from_its_record_and_need_nothing_of_the_model(name: str, dtype: torch.dtype) -> None:
    make, inputs, options = MODELS[name]
    model = make()

    def build() -> Objective:
        return Objective(model, F.cross_entropy, (INPUTS[inputs], Y), **{"dtype": dtype, **options})

    plain, objective = plainly(build), recording(build())
    vectors = torch.randn(5, objective.n_parameters, dtype=objective.dtype)
    truth = plain.hvp(vectors)
    eps = torch.finfo(torch.float32 if dtype == torch.float32 or name == "mixed" else dtype).eps
    close = {"rtol": 0, "atol": 100 * eps * float(truth.norm(dim=1).max())}
    torch.testing.assert_close(objective.hvp(vectors[0]), truth[0], **close)
    assert (len(objective._products.records), len(objective._products.graphs)) == (1, 0)
    objective.loss(objective.theta + 1)  # another point stands in the model now
    # What torch.func.vmap has no rule for is measured as a failure: sparse gradients, and the fused LSTM of single precision.
    alone = name == "sparse embedding" or (name == "LSTM" and dtype == torch.float32)
    for at_once in (1, 1) if alone else (1, 4):
        objective._risk.ways.at_once = at_once
        torch.testing.assert_close(objective.hvp(vectors), truth, **close)
    assert len(objective._products.records) == 1  # nothing that it needs was written to
    if dtype == torch.float64 and name != "mixed":  # and something independent: the slope of the gradient
        step = 1e-5 / float(vectors[0].norm())
        ahead, behind = (objective.gradient(objective.theta + sign * step * vectors[0]) for sign in (1, -1))
        torch.testing.assert_close(objective.hvp(vectors[0]), (ahead - behind) / (2 * step), rtol=0, atol=1e-6)


def test_a_loss_that_is_linear_in_theta_is_not_recorded_and_has_no_curvature() -> None:
    objective = recording(Objective(nn.Linear(3, 2), lambda output, target: output.mean(), (INPUTS["rows"], Y)))
    assert torch.equal(objective.hvp(torch.ones(8)), torch.zeros(8))
    assert objective.ways.startswith(f"{KEPT}, not recorded (the result does not depend on the arguments)")


class Power(torch.autograd.Function):
    """y = x³, with a backward pass of the user's own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Callable[..., Tensor]) -> Tensor:
        ctx.save_for_backward(x)
        ctx.slope = slope
        return x**3

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return Slope.apply(x, gradient, ctx.slope), None


class Slope(torch.autograd.Function):
    """3·x²·g; its derivative for x is what the user wrote."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gradient: Tensor, slope: Callable[..., Tensor]) -> Tensor:
        ctx.save_for_backward(x, gradient)
        ctx.slope = slope
        return 3 * x**2 * gradient

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, Tensor, None]:
        x, gradient = ctx.saved_tensors
        return ctx.slope(6 * x * gradient, outer), 3 * x**2 * outer, None


def by_numpy(factor: Tensor, outer: Tensor) -> Tensor:
    return torch.from_numpy(factor.detach().numpy() * outer.detach().numpy())


def in_place(factor: Tensor, outer: Tensor) -> Tensor:
    total = torch.zeros_like(factor)
    total.add_(factor * outer)
    return total


def into_a_view(factor: Tensor, outer: Tensor) -> Tensor:
    total = torch.zeros_like(factor)
    total[:].add_(factor * outer)
    return total


def by_number(factor: Tensor, outer: Tensor) -> Tensor:
    return factor * outer if float(outer.sum()) < 1e300 else outer


class CountsItsCalls:
    """Writes to a tensor of its own at each call."""

    def __init__(self) -> None:
        self.calls = torch.zeros((), dtype=torch.float64)

    def __call__(self, factor: Tensor, outer: Tensor) -> Tensor:
        self.calls.add_(1)
        return factor * outer + 0 * self.calls


def cubes(slope: Callable[..., Tensor]) -> Objective:
    """L = Σ θ³/6 + θ²/2, whose Hessian is diag(θ + 1)."""
    theta = torch.arange(1.0, 7.0, dtype=torch.float64)
    return Objective.from_function(lambda theta: Power.apply(theta, slope).sum() / 6 + theta.square().sum() / 2, theta)


@pytest.mark.parametrize(
    ("slope", "reason"),
    [
        (in_place, None),
        (by_number, "aten._local_scalar_dense.default looks at numbers or draws some"),
        (by_numpy, "other products"),
        (into_a_view, "what depends on the arguments is read under a name unknown to autograd"),
    ],
)
def test_backward_passes_of_ones_own_are_recorded_where_that_gives_their_products(
    slope: Callable[..., Tensor], reason: str | None
) -> None:
    objective = recording(cubes(slope))
    vectors = torch.randn(6, 6, dtype=torch.float64)
    for vector in vectors:
        torch.testing.assert_close(objective.hvp(vector), (objective.theta + 1) * vector)
    torch.testing.assert_close(objective.hvp(vectors), (objective.theta + 1) * vectors)
    assert len(objective._products.records) == (reason is None)
    assert objective.ways.startswith(
        f"{KEPT} until their walks are recorded" if reason is None else f"{KEPT}, not recorded ({reason})"
    )
    assert len(objective._products.graphs) == (reason is not None)


def test_an_error_without_words_is_named_by_its_kind() -> None:
    def fails(factor: Tensor, outer: Tensor) -> Tensor:
        assert not torch.utils._python_dispatch._get_current_dispatch_mode_stack()  # while it is recorded, that is
        return factor * outer

    objective = recording(cubes(fails))
    torch.testing.assert_close(objective.hvp(objective.theta), (objective.theta + 1) * objective.theta)
    assert "not recorded (" in objective.ways
    assert "not recorded ()" not in objective.ways


def test_a_backward_pass_that_writes_to_what_was_recorded_is_not_believed_for_long() -> None:
    objective = recording(cubes(CountsItsCalls()))
    for _ in range(4):
        vector = torch.randn(6, dtype=torch.float64)
        torch.testing.assert_close(objective.hvp(vector), (objective.theta + 1) * vector)


def test_vectors_are_given_one_by_one_to_graphs_where_only_records_take_several() -> None:
    objective = cubes(in_place)  # torch.func.vmap refuses to write several vectors into one
    vectors = torch.randn(20, 6, dtype=torch.float64)
    torch.testing.assert_close(objective.hvp(vectors), (objective.theta + 1) * vectors)
    assert objective._products.records
    objective._risk.ways.at_once = 4
    there = objective.theta + 1
    torch.testing.assert_close(objective.hvp(vectors, there), (there + 1) * vectors)
    torch.testing.assert_close(objective.hvp(vectors), (objective.theta + 1) * vectors)


def test_a_product_is_memory_of_its_own() -> None:
    objective = recording(Objective.from_function(lambda theta: theta.square().sum() / 2, torch.ones(4, dtype=torch.float64)))
    vector = torch.randn(4, dtype=torch.float64)
    product = objective.hvp(vector)
    assert len(objective._products.records) == 1
    product.zero_()  # H = 1, and yet
    assert bool(vector.all())
    assert torch.equal(objective.hvp(vector), vector)


def test_a_weight_that_is_used_at_each_step_is_held_once_and_in_theta() -> None:
    x = torch.randn(2, 20, 3)
    objective = recording(Objective(LastState(nn.GRU, width=48), F.cross_entropy, (x, torch.arange(2))))
    objective.hvp(objective.theta)
    constants = objective._products.records[0].constants
    in_theta = [constant for constant in constants if constant.untyped_storage().data_ptr() == objective._theta.data_ptr()]
    assert len(in_theta) > 20
    assert record_over_graph(objective._risk, objective._theta, 0, constants) < 1.6


def test_of_parameters_that_theta_is_no_memory_of_each_is_copied_once() -> None:
    objective = recording(Objective(Mixed(), F.cross_entropy, (INPUTS["rows"].double(), Y)))
    vector = torch.randn(objective.n_parameters, dtype=torch.float64)
    before = objective.hvp(vector)
    constants = objective._products.records[0].constants
    own = [tensor.untyped_storage().data_ptr() for tensor in objective._risk.parameters.tensors]
    assert not any(constant.untyped_storage().data_ptr() in own for constant in constants)
    weight = objective._risk.parameters.tensors[2]
    views = {constant.untyped_storage().data_ptr() for constant in constants if constant.shape in (weight.shape, weight.T.shape)}
    assert len(views) == 1
    objective.loss(objective.theta + 1)
    assert torch.equal(objective.hvp(vector), before)
