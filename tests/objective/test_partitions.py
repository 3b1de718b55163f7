"""How the data comes in batches does not matter: the loss is the mean over all samples."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from curvwidget.objective import Objective
from tests.cases import case_named, dense_gradient, dense_hessian

SAMPLES = 23
EXACT = {"rtol": 1e-11, "atol": 1e-13}
cuts = st.lists(st.integers(1, SAMPLES - 1), unique=True, max_size=6).map(sorted)


def cut(data: tuple[Tensor, Tensor], places: list[int]) -> list[tuple[Tensor, ...]]:
    x, y = data
    return list(zip(x.tensor_split(places), y.tensor_split(places), strict=True))


def trace(objective: Objective) -> float:
    return float(objective.hvp(torch.eye(objective.n_parameters, dtype=torch.float64)).trace())


PROBLEM = case_named("MLP with tanh").build()
GRADIENT, H = dense_gradient(PROBLEM), dense_hessian(PROBLEM)


@settings(max_examples=15, deadline=None)
@given(places=cuts, batch_size=st.none() | st.integers(3, SAMPLES + 3))
def test_any_partition_gives_the_same_loss_gradient_product_and_trace(places: list[int], batch_size: int | None) -> None:
    objective = Objective(PROBLEM.model, F.cross_entropy, cut(PROBLEM.data, places), batch_size=batch_size)
    theta = PROBLEM.point
    assert objective.n_samples == SAMPLES
    assert objective.loss() == pytest.approx(PROBLEM.whole_loss(theta).item(), rel=1e-12)
    assert objective.loss(-theta) == pytest.approx(PROBLEM.whole_loss(-theta).item(), rel=1e-12)
    torch.testing.assert_close(objective.gradient(), GRADIENT, **EXACT)
    torch.testing.assert_close(objective.hvp(theta), H @ theta, **EXACT)
    assert trace(objective) == pytest.approx(float(H.trace()), rel=1e-12)


@settings(max_examples=8, deadline=None)
@given(places=cuts)
def test_batches_of_a_batch_loss_count_by_their_samples(places: list[int]) -> None:
    def batch_loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        return F.cross_entropy(model(batch[0]), batch[1])

    objective = Objective(PROBLEM.model, None, cut(PROBLEM.data, places), batch_loss=batch_loss)
    assert len(objective._risk.weights) == len(places) + 1  # used as they are
    assert objective.loss() == pytest.approx(PROBLEM.whole_loss(PROBLEM.point).item(), rel=1e-12)
    torch.testing.assert_close(objective.gradient(), GRADIENT, **EXACT)
    torch.testing.assert_close(objective.hvp(torch.eye(len(H)).double()), H, **EXACT)


@pytest.mark.parametrize("batch_size", [1, 4, 22, 23, 100])
def test_a_batch_size_is_a_limit(batch_size: int) -> None:
    objective = Objective(PROBLEM.model, F.cross_entropy, PROBLEM.data, batch_size=batch_size)
    assert max(objective._risk.batches.sizes) <= batch_size
    assert max(objective._risk.batches.sizes) - min(objective._risk.batches.sizes) <= 1
    assert sum(objective._risk.batches.sizes) == SAMPLES
    assert sum(objective._risk.weights) == pytest.approx(1)


def test_a_shuffled_loader_gives_the_loss_of_its_data() -> None:
    loader = DataLoader(TensorDataset(*PROBLEM.data), batch_size=5, shuffle=True)
    objective = Objective(PROBLEM.model, F.cross_entropy, loader)
    assert objective.loss() == pytest.approx(PROBLEM.whole_loss(PROBLEM.point).item(), rel=1e-12)
    torch.testing.assert_close(objective.hvp(PROBLEM.point), H @ PROBLEM.point, **EXACT)


class TestLossesThatAreNoMeans:
    """Class weights: each batch divides by the weights that it holds."""

    weight = torch.tensor([1.0, 5.0, 0.2]).double()
    parts = ((slice(0, 10), 10 / 23), (slice(10, 23), 13 / 23))

    def truth(self, theta: Tensor, parts: tuple[tuple[slice, float], ...]) -> Tensor:
        x, y = PROBLEM.data
        hidden = torch.tanh(x @ theta[:20].reshape(5, 4).T + theta[20:25])
        each = F.cross_entropy(hidden @ theta[25:40].reshape(3, 5).T + theta[40:43], y, reduction="none")
        weights = self.weight[y]
        return sum(share * (each[part] * weights[part]).sum() / weights[part].sum() for part, share in parts)

    def test_given_batches_are_kept_and_the_user_is_told(self) -> None:
        criterion = nn.CrossEntropyLoss(weight=self.weight)
        with pytest.warns(UserWarning, match="criterion is not a mean over samples.*the batches as they were given"):
            objective = Objective(PROBLEM.model, criterion, cut(PROBLEM.data, [10]))
        assert "not a mean over samples" in objective.notes[-1]
        assert objective._risk.batches.sizes == (10, 13)
        assert objective.loss() == pytest.approx(self.truth(PROBLEM.point, self.parts).item(), rel=1e-12)
        H = torch.autograd.functional.hessian(lambda theta: self.truth(theta, self.parts), PROBLEM.point)
        torch.testing.assert_close(objective.hvp(torch.eye(43).double()), H, **EXACT)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_a_head_of_zeros_hides_nothing_though_all_samples_have_one_loss(self, dtype: torch.dtype) -> None:
        model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).to(dtype)
        nn.init.zeros_(model[2].weight)
        nn.init.zeros_(model[2].bias)
        batches = [(x.to(dtype), y) for x, y in cut(PROBLEM.data, [10])]
        with pytest.warns(UserWarning, match="criterion is not a mean over samples.*the batches as they were given"):
            objective = Objective(model, nn.CrossEntropyLoss(weight=self.weight.to(dtype)), batches)
        theta = objective.theta.double()
        slope = torch.autograd.functional.jacobian(lambda t: self.truth(t, self.parts), theta)
        torch.testing.assert_close(objective.gradient().double(), slope, rtol=1e-4, atol=1e-6)
        assert Objective(model, F.cross_entropy, batches).notes == ()

    def test_one_batch_is_no_matter(self) -> None:
        objective = Objective(PROBLEM.model, nn.CrossEntropyLoss(weight=self.weight), PROBLEM.data)
        assert objective.notes == ()
        assert objective.loss() == pytest.approx(self.truth(PROBLEM.point, ((slice(0, 23), 1.0),)).item(), rel=1e-12)

    def test_a_batch_size_that_was_asked_for_is_kept_and_the_user_is_told(self) -> None:
        with pytest.warns(UserWarning, match="criterion is not a mean.*batches of 13 at most"):
            objective = Objective(PROBLEM.model, nn.CrossEntropyLoss(weight=self.weight), PROBLEM.data, batch_size=13)
        assert objective._risk.batches.sizes == (11, 12)

    def test_targets_ignored_far_into_the_data_are_noticed(self) -> None:
        x, y = torch.randn(300, 4).double(), torch.randint(3, (300,))
        y[200:240] = -100
        with pytest.warns(UserWarning, match="criterion is not a mean"):
            Objective(PROBLEM.model, F.cross_entropy, cut((x, y), [100, 220]))


def test_pairs_count_by_their_targets_where_x_is_made_of_more_than_samples() -> None:
    """Bags of six, two and nine tokens: a batch weighs as many bags as it has, and not tokens."""
    torch.manual_seed(0)
    pairs = []
    for bags, tokens in ((16, 6), (16, 2), (8, 9)):
        x = {"tokens": torch.randint(12, (bags * tokens,)), "offsets": torch.arange(0, bags * tokens, tokens)}
        pairs.append((x, torch.randint(3, (bags,))))

    class Bags(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.head = nn.EmbeddingBag(12, 5), nn.Linear(5, 3)

        def forward(self, x: dict[str, Tensor]) -> Tensor:
            return self.head(torch.tanh(self.embedding(x["tokens"], x["offsets"])))

    model = Bags().double()
    truth = sum(len(y) * F.cross_entropy(model(x), y).item() for x, y in pairs) / 40
    objective = Objective(model, F.cross_entropy, pairs)
    assert (objective.n_samples, objective.notes) == (40, ())
    assert objective.loss() == pytest.approx(truth, rel=1e-12)
    by_tokens = Objective(model, None, pairs, batch_loss=lambda net, pair: F.cross_entropy(net(pair[0]), pair[1]))
    assert by_tokens.n_samples == 96 + 32 + 72
    assert "counted by the first of its tensors: 96, 32, 72" in by_tokens.notes[-1]


@pytest.mark.parametrize("where", [slice(900, None, 2), slice(0, None, 97)], ids=["at the end", "all over"])
@pytest.mark.parametrize("seed", range(4))
def test_ignored_targets_leave_the_loss_that_of_the_batches_as_given(where: slice, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.randn(1000, 4, generator=generator).double(), torch.randint(3, (1000,), generator=generator)
    y[where] = -100
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    batches = list(zip(x.split(20), y.split(20), strict=True))
    truth = sum(20 * F.cross_entropy(model(a), b).item() for a, b in batches) / 1000
    with pytest.warns(UserWarning, match="criterion is not a mean over samples"):
        assert Objective(model, F.cross_entropy, batches).loss() == pytest.approx(truth, rel=1e-9)
