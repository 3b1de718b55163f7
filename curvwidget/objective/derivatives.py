"""Values, gradients and Hessian-vector products of one term of a risk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from curvwidget.objective.kernels import differentiable_kernels
from curvwidget.objective.risk import Risk

__all__ = [
    "GradientGraph",
    "explained",
    "graph_nodes",
    "graph_of_gradient",
    "no_derivative",
    "term_gradient",
    "term_product",
    "term_value",
]

_NO_DERIVATIVE = re.compile(r"derivative for (\S+) is not implemented")


@dataclass(frozen=True, eq=False)
class GradientGraph:
    """∇L_b with the graph from which its products with vectors come.

    Attributes:
        leaves: What is differentiated for.
        value: L_b.
        pieces: ∇L_b, one tensor a leaf; None where L_b does not depend on it.
    """

    leaves: tuple[Tensor, ...]
    value: Tensor
    pieces: tuple[Tensor | None, ...]


def term_value(risk: Risk, index: int, theta: Tensor) -> float:
    """Evaluate one term.

    Args:
        risk: The loss.
        index: Which term.
        theta: ``(N,)``.

    Returns:
        L_b(θ).
    """
    with risk.session(theta, grad=risk.needs_grad) as leaves:
        return float(risk.term(index, leaves).detach())


def term_gradient(risk: Risk, index: int, theta: Tensor) -> Tensor:
    """Evaluate the gradient of one term.

    Args:
        risk: The loss.
        index: Which term.
        theta: ``(N,)``.

    Returns:
        ∇L_b(θ), ``(N,)``.
    """
    with differentiable_kernels(1, recurrent=risk.recurrent), risk.session(theta, grad=True) as leaves:
        value = risk.term(index, leaves)
        if not value.requires_grad:  # a batch may be constant: all its targets ignored, say
            return torch.zeros_like(theta)
        with explained("first"):
            return risk.flatten(torch.autograd.grad(value, leaves, allow_unused=True))


def graph_of_gradient(risk: Risk, index: int, theta: Tensor) -> GradientGraph:
    """Evaluate the gradient of one term and keep its graph.

    Args:
        risk: The loss.
        index: Which term.
        theta: ``(N,)``.

    Returns:
        The gradient with its graph.
    """
    with differentiable_kernels(2, recurrent=risk.recurrent), risk.session(theta, grad=True) as leaves:
        value = risk.term(index, leaves)
        if not value.requires_grad:
            return GradientGraph(leaves, value, (None,) * len(leaves))
        with explained("first"):
            return GradientGraph(leaves, value, torch.autograd.grad(value, leaves, create_graph=True, allow_unused=True))


def term_product(risk: Risk, graph: GradientGraph, theta: Tensor, vector: Tensor) -> Tensor:
    """Multiply the Hessian of one term with a vector.

    Args:
        risk: The loss.
        graph: Its gradient at ``theta``.
        theta: ``(N,)``: put back into the model, from which the graph takes it.
        vector: ``(N,)``.

    Returns:
        H_b(θ)·v, ``(N,)``.
    """
    with differentiable_kernels(2, recurrent=risk.recurrent), risk.session(theta, grad=True):
        pairs = [
            (piece, part)
            for piece, part in zip(graph.pieces, risk.split(vector), strict=True)
            if piece is not None and piece.requires_grad
        ]
        if not pairs:  # linear in θ
            return torch.zeros_like(theta)
        pieces, parts = zip(*pairs, strict=True)
        with explained("second"):
            return risk.flatten(torch.autograd.grad(pieces, graph.leaves, parts, retain_graph=True, allow_unused=True))


def graph_nodes(value: Tensor) -> Iterator[Any]:
    """Walk the graph of a value.

    Args:
        value: A tensor.

    Yields:
        Each node once.
    """
    waiting, seen = [value.grad_fn], {value.grad_fn}
    while waiting:
        node = waiting.pop()
        if node is None:
            continue
        yield node
        for following, _ in node.next_functions:
            if following not in seen:
                seen.add(following)
                waiting.append(following)


def no_derivative(order: str, operation: str) -> str:
    """Make the message that says which operation stands in the way, and which ways lead around it.

    Args:
        order: ``"first"`` or ``"second"``.
        operation: What has no derivative.

    Returns:
        The message.
    """
    return (
        f"the loss has no {order} derivative in PyTorch, because of {operation}. Loss values do not need it: take curvature from "
        "differences of the loss (method='difference'), traces from slices (method='slices'), or write the operation otherwise"
    )


@contextmanager
def explained(order: str) -> Iterator[None]:
    """Say which operation has no derivative, where autograd's message does not help a user.

    Args:
        order: ``"first"`` or ``"second"``.

    Yields:
        Nothing.

    Raises:
        NotImplementedError: In place of the error inside the block, if an operation has no derivative.
        RuntimeError: Likewise, if activation checkpointing is at fault; otherwise the error as it came.
    """
    try:
        yield
    except RuntimeError as error:
        message = str(error)
        if missing := _NO_DERIVATIVE.search(message):
            operation = missing.group(1)
        elif "double backward" in message:
            operation = message.partition("\n")[0]
        elif "use_reentrant" in message:
            raise RuntimeError(
                "the loss cannot be differentiated: its activation checkpointing works with .backward() alone; "
                "call torch.utils.checkpoint.checkpoint(..., use_reentrant=False)"
            ) from error
        else:
            raise
        raise NotImplementedError(no_derivative(order, operation)) from error
