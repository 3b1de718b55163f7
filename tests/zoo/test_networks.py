"""The networks for 32 × 32 images have the sizes that are published and counted by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from curvwidget import zoo


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("build", "options", "n"),
    [
        (zoo.resnet56, {}, 855_770),
        (zoo.resnet56, {"shortcuts": False}, 853_018),
        (zoo.densenet121, {}, 6_956_298),
    ],
)
@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_parameter_counts_are_those_of_the_literature(build, options, n, activation) -> None:
    """Claim 15: DenseNet-121 for 32 × 32 images has 6,956,298 parameters (the MLP's 20,501 are counted in test_training.py)."""
    assert count(build(activation=activation, **options)) == n


def test_resnet20_has_as_many_parameters_as_its_layers_add_up_to() -> None:
    def block(inputs: int, outputs: int) -> int:
        return 9 * inputs * outputs + 9 * outputs**2 + 4 * outputs

    stages = 3 * block(16, 16) + block(16, 32) + 2 * block(32, 32) + block(32, 64) + 2 * block(64, 64)
    plain = 27 * 16 + 2 * 16 + stages + 650
    wider = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    assert count(zoo.resnet20(shortcuts=False)) == plain
    assert count(zoo.resnet20()) == plain + wider


@pytest.mark.parametrize("build", [zoo.resnet20, zoo.densenet121])
def test_a_network_classifies_images_and_comes_from_its_seed(build) -> None:
    state = torch.get_rng_state()
    model = build(classes=7, seed=3).eval()
    assert torch.equal(state, torch.get_rng_state())
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        logits = model(x)
        assert logits.shape == (2, 7)
        assert torch.isfinite(logits).all()
        assert torch.equal(logits, build(classes=7, seed=3).eval()(x))
        assert not torch.equal(logits, build(classes=7, seed=4).eval()(x))


def test_resolution_halves_between_the_stages() -> None:
    sizes: list[tuple[int, ...]] = []
    model = zoo.resnet20()
    for block in model.blocks:
        block.register_forward_hook(lambda module, given, out: sizes.append(tuple(out.shape[1:])))
    model.eval()(torch.randn(1, 3, 32, 32))
    assert sizes == [(16, 32, 32)] * 3 + [(32, 16, 16)] * 3 + [(64, 8, 8)] * 3


def test_a_shortcut_carries_the_input_past_a_block_of_zeros_and_without_it_nothing_comes_through() -> None:
    x = torch.rand(1, 3, 32, 32)
    for shortcuts in (True, False):
        model = zoo.resnet20(shortcuts=shortcuts).eval()
        block = model.blocks[1]
        nn.init.zeros_(block.second.weight)
        inside = model.blocks[0](model.activation(model.norm(model.first(x))))
        expected = inside if shortcuts else torch.zeros_like(inside)
        torch.testing.assert_close(block(inside), expected)
