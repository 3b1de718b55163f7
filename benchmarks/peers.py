"""Hessian-vector products by curvwidget, by other packages, and by nothing but torch, each called in its own form.

What a package wants (a flat vector, a matrix with vectors as columns, a list of tensors) is made before the clock starts, and
what it returns is not turned into anything else while it runs.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.nets import Net, trainable

__all__ = ["DISTRIBUTIONS", "OURS", "PRODUCTS", "Products", "attention_that_bends", "gradient_of", "plain_products"]

OURS = "curvwidget"
#: Whose versions a run writes down.
DISTRIBUTIONS = ("curvlinops-for-pytorch", "hessian-eigenthings", "PyHessian", "loss-landscapes", "scipy", "numpy")


class Products(Protocol):
    """Products with the Hessian of a net, prepared once."""

    def call(self, vectors: Tensor) -> Callable[[], Any]:
        """Prepare one call.

        Args:
            vectors: ``(k, N)``; a single one is given in the form for one.

        Returns:
            What is timed.
        """

    def rows(self, result: Any) -> Tensor:
        """Bring what the call returned into one form.

        Args:
            result: What it returned.

        Returns:
            The products ``(k, N)``.
        """


class _Curvwidget:
    # `Objective.hvp`, one block at a time.

    def __init__(self, net: Net) -> None:
        self.objective = net.objective()

    def call(self, vectors: Tensor) -> Callable[[], Any]:
        block = vectors[0] if len(vectors) == 1 else vectors
        return lambda: self.objective.hvp(block)

    def rows(self, result: Tensor) -> Tensor:
        return result.unsqueeze(0) if result.ndim == 1 else result


class _Curvlinops:
    # `HessianLinearOperator`, forward over reverse, blocks by vmap.

    def __init__(self, net: Net) -> None:
        curvlinops = importlib.import_module("curvlinops")
        model = net.copied()
        parameters = trainable(model)
        on_cpu = net.x.device.type == "cpu"  # elsewhere sums come in any order, and its check refuses what differs by rounding
        data = [(net.x, net.y)]
        self.operator = curvlinops.HessianLinearOperator(model, net.criterion, parameters, data, check_deterministic=on_cpu)

    def call(self, vectors: Tensor) -> Callable[[], Any]:
        block = vectors[0] if len(vectors) == 1 else vectors.T.contiguous()
        return lambda: self.operator @ block

    def rows(self, result: Tensor) -> Tensor:
        return result.unsqueeze(0) if result.ndim == 1 else result.T


class _PyHessian:
    # `hessian` with its graph of the gradient kept, one vector at a time.

    def __init__(self, net: Net) -> None:
        pyhessian = importlib.import_module("pyhessian")
        self.product = importlib.import_module("pyhessian.utils").hessian_vector_product
        with _quiet():
            on_cuda = net.x.device.type == "cuda"
            self.hessian = pyhessian.hessian(net.copied(), net.criterion, data=(net.x, net.y), cuda=on_cuda)

    def call(self, vectors: Tensor) -> Callable[[], Any]:
        sizes = [parameter.numel() for parameter in self.hessian.params]
        lists = [
            [part.view_as(parameter) for part, parameter in zip(vector.split(sizes), self.hessian.params, strict=True)]
            for vector in vectors
        ]
        return lambda: [self.product(self.hessian.gradsH, self.hessian.params, parts) for parts in lists]

    def rows(self, result: Any) -> Tensor:
        return torch.stack([torch.cat([part.flatten() for part in parts]) for parts in result])


class _HessianEigenthings:
    # `HessianOperator`, by double backward from scratch, one vector at a time.

    def __init__(self, net: Net) -> None:
        eigenthings = importlib.import_module("hessian_eigenthings")
        loss = eigenthings.supervised_loss(net.criterion)
        self.operator = eigenthings.HessianOperator(net.copied(), [(net.x, net.y)], loss)

    def call(self, vectors: Tensor) -> Callable[[], Any]:
        return lambda: [self.operator.matvec(vector) for vector in vectors]

    def rows(self, result: Any) -> Tensor:
        return torch.stack(result)


PRODUCTS: dict[str, Callable[[Net], Products]] = {
    OURS: _Curvwidget,
    "PyHessian": _PyHessian,
    "hessian-eigenthings": _HessianEigenthings,
    "curvlinops": _Curvlinops,
}


def plain_products(net: Net, vectors: Tensor) -> Tensor:
    """Multiply by double backward in a few lines of torch: what everybody's products must be.

    Args:
        net: The network.
        vectors: ``(k, N)``.

    Returns:
        The products ``(k, N)``.
    """
    with attention_that_bends(net):
        model = net.copied()
        parameters = trainable(model)
        loss = net.criterion(model(net.x), net.y)
        gradient = torch.cat([part.flatten() for part in torch.autograd.grad(loss, parameters, create_graph=True)])
        products = [torch.autograd.grad(gradient, parameters, vector, retain_graph=True) for vector in vectors]
    return torch.stack([torch.cat([part.flatten() for part in parts]) for parts in products])


def gradient_of(net: Net) -> Callable[[], Any]:
    """Prepare one gradient by torch alone, the unit that a product is measured in.

    Args:
        net: The network.

    Returns:
        What is timed.
    """
    model = net.copied()
    parameters, criterion = trainable(model), net.criterion
    return lambda: torch.autograd.grad(criterion(model(net.x), net.y), parameters)


@contextlib.contextmanager
def attention_that_bends(net: Net) -> Iterator[None]:
    """Let attention be computed by the kernel that has a second derivative, where a net attends.

    Args:
        net: The network.

    Yields:
        Nothing.
    """
    with sdpa_kernel(SDPBackend.MATH) if net.attention else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    # PyHessian leaves a graph in .grad, of which torch warns.
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
