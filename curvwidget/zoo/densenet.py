"""DenseNet-121 for 32 × 32 images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from curvwidget._checks import check_count
from curvwidget.zoo.activations import Activation, make_activation
from curvwidget.zoo.seeded import seeded

__all__ = ["DenseNet", "densenet121"]

_BLOCKS = (6, 12, 24, 16)


class DenseNet(nn.Module):
    """Blocks of layers that each see all earlier ones, for 3 × 32 × 32 images.

    Huang et al., "Densely connected convolutional networks", 2017, with bottlenecks and halving transitions; as usual for small
    images, the first layer is a 3 × 3 convolution without pooling.
    """

    def __init__(self, blocks: tuple[int, ...], *, growth: int = 32, activation: Activation = "relu", classes: int = 10) -> None:
        """Build the network from torch's global generator.

        Args:
            blocks: Layers of each block.
            growth: Channels that each layer adds.
            activation: ``"relu"`` as published, or ``"silu"`` or ``"tanh"``, which are smooth.
            classes: Number of classes.
        """
        super().__init__()
        growth, classes = check_count("growth", growth), check_count("classes", classes)
        width = 2 * growth
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1, bias=False)]
        for index, count in enumerate(blocks):
            for _ in range(check_count("blocks", count)):
                layers.append(_DenseLayer(width, growth, activation))
                width += growth
            if index < len(blocks) - 1:
                layers.append(_transition(width, activation))
                width //= 2
        self.features = nn.Sequential(*layers, nn.BatchNorm2d(width), make_activation(activation))
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Classify images.

        Args:
            x: Images ``(n, 3, 32, 32)``.

        Returns:
            Logits ``(n, classes)``.
        """
        logits: Tensor = self.head(self.features(x).mean(dim=(2, 3)))
        return logits


class _DenseLayer(nn.Module):
    def __init__(self, width: int, growth: int, activation: Activation) -> None:
        super().__init__()
        self.new = nn.Sequential(
            *(nn.BatchNorm2d(width), make_activation(activation), nn.Conv2d(width, 4 * growth, 1, bias=False)),
            *(nn.BatchNorm2d(4 * growth), make_activation(activation), nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.new(x), x], dim=1)


def _transition(width: int, activation: Activation) -> nn.Module:
    return nn.Sequential(
        nn.BatchNorm2d(width), make_activation(activation), nn.Conv2d(width, width // 2, 1, bias=False), nn.AvgPool2d(2)
    )


def densenet121(*, activation: Activation = "relu", classes: int = 10, seed: int = 0) -> DenseNet:
    """Build a DenseNet-121 for 32 × 32 images: 6,956,298 parameters.

    Args:
        activation: ``"relu"``, ``"silu"`` or ``"tanh"``.
        classes: Number of classes.
        seed: Seed of the weights.

    Returns:
        The untrained network; torch's global generator is left as it was.

    Example:
        >>> from curvwidget import zoo
        >>> sum(parameter.numel() for parameter in zoo.densenet121().parameters())
        6956298
    """
    with seeded(seed):
        return DenseNet(_BLOCKS, activation=activation, classes=classes)
