"""The networks that everything is measured on: small and middling, dense, convolutional and attentive, all of them trained.

Each has seen scikit-learn's digits, in the form that it takes: a loss at random weights has another spectrum and another surface
than one that somebody would look at.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import curvwidget as cw
from curvwidget import zoo

__all__ = ["NETS", "Net", "Transformer", "build_net", "mlp_of_width", "trainable"]

_FEW_SAMPLES = 8
_FEW = 64  # images that the losses on the way are taken from


@dataclass(frozen=True, eq=False)
class Net:
    """A network, and the data on which its loss is looked at: one batch.

    Attributes:
        name: What it is.
        model: In eval mode.
        x: Inputs.
        y: Labels.
        attention: Whether it attends: attention has several kernels, and only one of them has a second derivative.
    """

    name: str
    model: nn.Module
    x: Tensor
    y: Tensor
    attention: bool = False

    @property
    def criterion(self) -> nn.Module:
        """The mean loss of a batch, as a module, which other packages want."""
        return nn.CrossEntropyLoss()

    @property
    def n_parameters(self) -> int:
        """N."""
        return sum(parameter.numel() for parameter in trainable(self.model))

    def copied(self) -> nn.Module:
        """Copy the model, for a package that leaves its marks on it.

        Returns:
            The copy.
        """
        return copy.deepcopy(self.model)

    def objective(self) -> cw.Objective:
        """Look at the loss through curvwidget, as a user would: nothing is chosen for it.

        Returns:
            A new objective, which has kept nothing yet.
        """
        return cw.Objective(self.model, self.criterion, (self.x, self.y))

    def describe(self) -> dict[str, str | int]:
        """Say what it is, for a row of a table.

        Returns:
            Name, number of parameters and samples.
        """
        return {"net": self.name, "parameters": self.n_parameters, "batch": len(self.x)}


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """List the parameters that θ holds.

    Args:
        model: The model.

    Returns:
        Those that require a gradient, in their order.
    """
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


class Transformer(nn.Module):
    """Two layers of attention over the rows of an image, then their mean, then a class."""

    def __init__(self, *, frozen_norms: bool = False) -> None:
        """Build the network from torch's global generator.

        Args:
            frozen_norms: Whether weights and biases of its LayerNorms stay as they are, and so are no part of θ.
        """
        super().__init__()
        self.read = nn.Linear(8, 32)
        self.place = nn.Parameter(0.1 * torch.randn(8, 32))
        self.layers = nn.Sequential(
            *(nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, activation="gelu", batch_first=True) for _ in range(2))
        )
        for module in self.modules():
            if isinstance(module, nn.LayerNorm):
                module.requires_grad_(not frozen_norms)
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Classify images.

        Args:
            x: Images ``(n, 1, 8, 8)``.

        Returns:
            Logits ``(n, 10)``.
        """
        out: Tensor = self.layers(self.read(x.squeeze(1)) + self.place)
        logits: Tensor = self.head(out.mean(dim=1))
        return logits


@dataclass(frozen=True)
class _Recipe:
    # How a network comes about; the images that its loss is looked at are the first of those that it was trained on.
    make: Callable[[], nn.Module]
    batch: int
    batch_on_cuda: int
    image: tuple[int, ...] = (1, 8, 8)
    epochs: int = 8
    images: int = 1347
    step: int = 64
    learning_rate: float = 3e-3
    attention: bool = False


def _dense(*widths: int, activation: type[nn.Module]) -> nn.Module:
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])


def _convolutional() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(8, 16, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Flatten(), nn.Linear(64, 10)),
    )


NETS: dict[str, _Recipe] = {
    "MLP 64-64-10": _Recipe(lambda: _dense(64, 64, 10, activation=nn.Tanh), 512, 512),
    "MLP 784-256-128-10": _Recipe(lambda: _dense(784, 256, 128, 10, activation=nn.ReLU), 1024, 1024, image=(1, 28, 28), epochs=3),
    "conv net": _Recipe(_convolutional, 512, 512),
    "ResNet-20": _Recipe(zoo.resnet20, 32, 256, image=(3, 32, 32), epochs=4, images=256, step=32, learning_rate=1e-3),
    "transformer": _Recipe(Transformer, 64, 1024, attention=True),
    "transformer, norms frozen": _Recipe(lambda: Transformer(frozen_norms=True), 64, 1024, attention=True),
}


@cache
def build_net(name: str, device: str = "cpu", *, trained: bool = True, quick: bool = False) -> Net:
    """Build a network of the list, once.

    Args:
        name: Which.
        device: Where.
        trained: Whether to train it: what memory it takes does not depend on that.
        quick: Whether to leave it untrained, on a few samples, to see only that something runs.

    Returns:
        The network.
    """
    recipe = NETS[name]
    (x, y), _ = zoo.load_digits()
    channels, height, width = recipe.image
    if (height, width) != (8, 8):
        x = F.interpolate(x, size=(height, width), mode="bilinear").expand(-1, channels, -1, -1)
    x, y = x[: recipe.images].contiguous(), y[: recipe.images]
    if trained and not quick:
        training = zoo.train_model(
            recipe.make,
            F.cross_entropy,
            (x, y),
            (x[:_FEW], y[:_FEW]),
            epochs=recipe.epochs,
            learning_rate=recipe.learning_rate,
            batch_size=recipe.step,
            checkpoints=2,
        )
        model = training.model
    else:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            model = recipe.make().eval()
    rows = _FEW_SAMPLES if quick else (recipe.batch if torch.device(device).type == "cpu" else recipe.batch_on_cuda)
    return Net(name, model.to(device), x[:rows].to(device), y[:rows].to(device), recipe.attention)


def mlp_of_width(width: int, batch: int, device: str = "cpu") -> Net:
    """Build an untrained MLP 64-width-width-10 on random images, to see how costs grow with either number.

    Args:
        width: Of its hidden layers.
        batch: Samples.
        device: Where.

    Returns:
        The network.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = _dense(64, width, width, 10, activation=nn.Tanh).eval()
        x, y = torch.rand(batch, 1, 8, 8), torch.randint(10, (batch,))
    return Net(f"MLP 64-{width}-{width}-10", model.to(device), x.to(device), y.to(device))
