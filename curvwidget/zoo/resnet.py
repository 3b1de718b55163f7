"""Residual networks for 32 × 32 images, with their shortcuts and without."""

from __future__ import annotations

from torch import Tensor, nn

from curvwidget._checks import check_count
from curvwidget.zoo.activations import Activation, make_activation
from curvwidget.zoo.seeded import seeded

__all__ = ["ResNet", "resnet20", "resnet56"]

_WIDTHS = (16, 32, 64)


class ResNet(nn.Module):
    """Three stages of blocks of two 3 × 3 convolutions each, for 3 × 32 × 32 images.

    He et al., "Deep residual learning for image recognition", 2016, section 4.2; where the width changes the shortcut is a
    1 × 1 convolution, and the variant without shortcuts has the same blocks, both as in Li et al., "Visualizing the loss
    landscape of neural nets", 2018.
    """

    def __init__(self, blocks: int, *, shortcuts: bool = True, activation: Activation = "relu", classes: int = 10) -> None:
        """Build the network from torch's global generator.

        Args:
            blocks: Blocks a stage; the network has 6·blocks + 2 layers.
            shortcuts: Whether the input of each block is added to its output.
            activation: ``"relu"`` as published, or ``"silu"`` or ``"tanh"``, which are smooth.
            classes: Number of classes.
        """
        super().__init__()
        blocks, classes = check_count("blocks", blocks), check_count("classes", classes)
        self.first = nn.Conv2d(3, _WIDTHS[0], 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(_WIDTHS[0])
        self.activation = make_activation(activation)
        layers, width = [], _WIDTHS[0]
        for stage, wider in enumerate(_WIDTHS):
            for block in range(blocks):
                stride = 2 if stage and not block else 1
                layers.append(_Block(width, wider, stride, shortcuts=shortcuts, activation=activation))
                width = wider
        self.blocks = nn.Sequential(*layers)
        self.head = nn.Linear(width, classes)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Classify images.

        Args:
            x: Images ``(n, 3, 32, 32)``.

        Returns:
            Logits ``(n, classes)``.
        """
        out = self.blocks(self.activation(self.norm(self.first(x))))
        logits: Tensor = self.head(out.mean(dim=(2, 3)))
        return logits


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, *, shortcuts: bool, activation: Activation) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.activation = make_activation(activation)
        self.shortcut: nn.Module | None = nn.Identity() if shortcuts else None
        if shortcuts and (stride != 1 or inputs != outputs):
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        out = self.activation(self.first_norm(self.first(x)))
        out = self.second_norm(self.second(out))
        if self.shortcut is not None:
            out = out + self.shortcut(x)
        activated: Tensor = self.activation(out)
        return activated


def resnet20(*, shortcuts: bool = True, activation: Activation = "relu", classes: int = 10, seed: int = 0) -> ResNet:
    """Build a ResNet-20: 272,474 parameters, or 269,722 without shortcuts.

    Args:
        shortcuts: Whether the input of each block is added to its output.
        activation: ``"relu"``, ``"silu"`` or ``"tanh"``.
        classes: Number of classes.
        seed: Seed of the weights.

    Returns:
        The untrained network; torch's global generator is left as it was.

    Example:
        >>> from curvwidget import zoo
        >>> sum(parameter.numel() for parameter in zoo.resnet20().parameters())
        272474
    """
    return _seeded(3, shortcuts, activation, classes, seed)


def resnet56(*, shortcuts: bool = True, activation: Activation = "relu", classes: int = 10, seed: int = 0) -> ResNet:
    """Build a ResNet-56: 855,770 parameters, or 853,018 without shortcuts.

    Args:
        shortcuts: Whether the input of each block is added to its output.
        activation: ``"relu"``, ``"silu"`` or ``"tanh"``.
        classes: Number of classes.
        seed: Seed of the weights.

    Returns:
        The untrained network; torch's global generator is left as it was.
    """
    return _seeded(9, shortcuts, activation, classes, seed)


def _seeded(blocks: int, shortcuts: bool, activation: Activation, classes: int, seed: int) -> ResNet:
    with seeded(seed):
        return ResNet(blocks, shortcuts=shortcuts, activation=activation, classes=classes)
