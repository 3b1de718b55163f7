"""Random directions are what the theory says they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import curvwidget as cw


def flat(n: int, dtype=torch.float64) -> cw.Objective:
    return cw.Objective.from_function(lambda theta: (theta**2).sum(), torch.zeros(n, dtype=dtype))


@pytest.mark.parametrize("distribution", ["gaussian", "rademacher", "sphere"])
def test_entries_have_mean_zero_and_covariance_one(distribution) -> None:
    """Trap 2: mean and covariances within 4 standard errors."""
    n = 100_000
    a, b = cw.random_directions(flat(n), distribution=distribution, seed=5).vectors.numpy()
    assert abs(a.mean()) < 4 / n**0.5
    # Var(x²) is 2 for a Gaussian and at most that for the others.
    assert abs((a**2).mean() - 1) < 4 * (2 / n) ** 0.5
    assert abs((a * b).mean()) < 4 / n**0.5
    assert abs(np.mean(a[1:] * a[:-1])) < 4 / n**0.5


def test_gaussian_directions_are_not_normalized() -> None:
    lengths = cw.random_directions(flat(1001), 50, seed=1).norms
    assert abs(lengths.mean() - 1001**0.5) < 4 * 0.7071 / 50**0.5
    assert lengths.std() == pytest.approx(0.7071, rel=0.4)


def test_the_cosine_of_two_directions_has_deviation_one_over_root_n() -> None:
    n, count = 1001, 400
    vectors = cw.random_directions(flat(n), 2 * count, distribution="gaussian", normalization="unit", seed=2).vectors
    cosines = (vectors[:count] * vectors[count:]).sum(1).numpy()
    assert cosines.std() == pytest.approx(n**-0.5, rel=4 / (2 * count) ** 0.5)


def test_the_same_seed_gives_the_same_directions_and_another_one_others() -> None:
    objective = flat(100)
    first = cw.random_directions(objective, seed=7).vectors
    assert torch.equal(first, cw.random_directions(objective, seed=7).vectors)
    assert not torch.equal(first, cw.random_directions(objective, seed=8).vectors)


def test_a_seed_means_the_same_directions_in_float32_and_float64() -> None:
    double = cw.random_directions(flat(100), seed=7).vectors
    single = cw.random_directions(flat(100, torch.float32), seed=7).vectors
    assert single.dtype == torch.float32
    assert torch.equal(single, double.float())


@pytest.mark.parametrize("n", [1, 5, 16, 100])
@pytest.mark.parametrize("distribution", ["gaussian", "rademacher", "sphere"])
def test_drawing_more_directions_does_not_change_the_first_ones(n, distribution) -> None:
    few = cw.random_directions(flat(n), 1, distribution=distribution, seed=3).vectors
    many = cw.random_directions(flat(n), 4, distribution=distribution, seed=3).vectors
    assert torch.equal(few[0], many[0])


def test_the_global_generators_are_not_touched() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    cw.random_directions(flat(10), seed=3)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [2, 50, 5000])
def test_an_orthogonal_pair_has_no_cosine(n, dtype) -> None:
    """Trap 2: below 1e−6, in either precision and at any size."""
    for normalization in (None, "unit"):
        pair = cw.random_directions(flat(n, dtype), orthogonalize=True, normalization=normalization, seed=9)
        assert abs(pair.gram[0, 1]) / np.prod(pair.norms) < 1e-6


def test_orthogonal_directions_are_orthogonal_and_keep_their_lengths() -> None:
    """Trap 2: four of them in six dimensions."""
    objective = flat(6)
    plain = cw.random_directions(objective, 4, seed=1)
    turned = cw.random_directions(objective, 4, orthogonalize=True, seed=1)
    gram = turned.gram
    off = gram / np.outer(turned.norms, turned.norms) - np.eye(4)
    assert np.abs(off).max() < 1e-12
    np.testing.assert_allclose(turned.norms, plain.norms, rtol=1e-12)
    assert float(plain.vectors[0] @ turned.vectors[0]) > 0


class EveryLayer(nn.Module):
    """One layer of each kind that has filters."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4)
        self.conv1 = nn.Conv1d(2, 3, 2)
        self.conv2 = nn.Conv2d(2, 3, 2)
        self.conv3 = nn.Conv3d(1, 2, 2)
        self.transposed = nn.ConvTranspose2d(2, 3, 2)  # its first dimension counts input channels
        self.embedding = nn.Embedding(5, 3)
        self.norm = nn.LayerNorm(4)
        self.batchnorm = nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        used = [parameter.sin().sum() for parameter in self.parameters()]
        return x.sum() + torch.stack(used).sum()


@pytest.fixture
def every_layer() -> tuple[EveryLayer, cw.Objective]:
    torch.manual_seed(0)
    model = EveryLayer().double()
    with torch.no_grad():
        model.linear.weight[1] = 0  # a dead filter
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        model.linear.weight[1] = 0
    data = [torch.zeros(1, dtype=torch.float64)]
    return model, cw.Objective(model, None, data, batch_loss=lambda net, batch: net(batch))


def test_filter_normalization_agrees_with_a_hand_written_loop(every_layer) -> None:
    """Trap 4: one filter an entry of the first dimension; biases and norm layers zero; a dead filter stays dead."""
    model, objective = every_layer
    raw = cw.random_directions(objective, 1, seed=4).vectors[0]
    ours = cw.random_directions(objective, 1, normalization="filter", seed=4).vectors[0]
    offset = 0
    for name, parameter in model.named_parameters():
        size = parameter.numel()
        direction = raw[offset : offset + size].reshape(parameter.shape)
        got = ours[offset : offset + size].reshape(parameter.shape)
        if name.endswith("bias") or name.startswith(("norm", "batchnorm")):
            assert torch.equal(got, torch.zeros_like(got)), name
        else:
            for filter_index in range(parameter.shape[0]):
                weights = parameter.detach()[filter_index]
                expected = direction[filter_index] / direction[filter_index].norm() * weights.norm()
                torch.testing.assert_close(got[filter_index], expected, rtol=1e-12, atol=1e-15)
        offset += size
    assert offset == objective.n_parameters
    assert {block.name.split(".")[0] for block in objective.blocks} == {name for name, _ in model.named_children()}


def test_layer_normalization_gives_each_tensor_the_length_of_its_weights(every_layer) -> None:
    model, objective = every_layer
    ours = cw.random_directions(objective, 1, normalization="layer", seed=4).vectors[0]
    for block, parameter in zip(objective.blocks, model.parameters(), strict=True):
        assert float(ours[block.slice].norm()) == pytest.approx(float(parameter.detach().norm()), rel=1e-12)


def test_model_and_unit_normalization_give_the_whole_direction_its_length(every_layer) -> None:
    _, objective = every_layer
    assert cw.random_directions(objective, normalization="unit").norms == pytest.approx([1, 1], rel=1e-12)
    length = float(objective.theta.norm())
    assert cw.random_directions(objective, normalization="model").norms == pytest.approx([length, length], rel=1e-12)


def test_a_normalization_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"normalization 'filter' leaves nothing"):
        cw.random_directions(flat(5), normalization="filter")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalization": "filters"}, r"normalization must be one of None, 'unit', 'filter', 'layer', 'model', got 'filters'"),
        ({"distribution": "uniform"}, r"distribution must be one of 'gaussian', 'rademacher', 'sphere', got 'uniform'"),
        ({"seed": -1}, r"seed must be at least 0, got -1"),
        ({"seed": 2**64}, r"seed must be below 2\*\*64"),
        ({"count": 0}, r"count must be at least 1, got 0"),
        ({"count": 9, "orthogonalize": True}, r"count must be at most N = 8"),
    ],
)
def test_bad_options_are_refused_by_name(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        cw.random_directions(flat(8), **options)
