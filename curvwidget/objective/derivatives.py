"""Values, gradients and Hessian-vector products of one term of a risk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from curvwidget.objective.risk import Risk

__all__ = [
    "GradientGraph",
    "explained",
    "graph_nodes",
    "graph_of_gradient",
    "graph_product",
    "graph_products",
    "no_derivative",
    "term_gradient",
    "term_value",
]

_NO_DERIVATIVE = re.compile(r"derivative for (\S+) is not implemented")


@dataclass(frozen=True, eq=False)
class GradientGraph:
    """∇L_b with the graph from which its products with vectors come.

    Attributes:
        leaves: What is differentiated for.
        gradient: ∇L_b ``(N,)``, with its graph.
    """

    leaves: tuple[Tensor, ...]
    gradient: Tensor


def term_value(risk: Risk, index: int, theta: Tensor) -> float:
    """Evaluate one term.

    Args:
        risk: The loss.
        index: Which term.
        theta: ``(N,)``.

    Returns:
        L_b(θ).
    """
    with risk.session(theta, order=0) as leaves:
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
    with risk.session(theta, order=1) as leaves:
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
    with risk.session(theta, order=2) as leaves:
        return differentiate_with_graph(risk, risk.term(index, leaves), leaves)


def differentiate_with_graph(risk: Risk, value: Tensor, leaves: tuple[Tensor, ...]) -> GradientGraph:
    """Differentiate a value and keep the graph of its gradient, within a session.

    Args:
        risk: The loss.
        value: What it gave.
        leaves: As the session gave them.

    Returns:
        The gradient with its graph.
    """
    if not value.requires_grad:
        return GradientGraph(leaves, risk.flatten([torch.zeros_like(leaf) for leaf in leaves]).detach())
    with explained("first"):
        return GradientGraph(leaves, risk.flatten(torch.autograd.grad(value, leaves, create_graph=True, allow_unused=True)))


def graph_product(risk: Risk, graph: GradientGraph, vector: Tensor) -> Tensor:
    """Multiply the Hessian of one term with a vector, within a session of the graph's θ.

    Args:
        risk: The loss.
        graph: Its gradient.
        vector: ``(N,)``.

    Returns:
        H_b(θ)·v, ``(N,)``.
    """
    if not graph.gradient.requires_grad:  # linear in θ
        return torch.zeros_like(vector)
    return risk.flatten(torch.autograd.grad(graph.gradient, graph.leaves, vector, retain_graph=True, allow_unused=True))


def graph_products(risk: Risk, graph: GradientGraph, vectors: Tensor) -> Tensor:
    """Multiply the Hessian of one term with several vectors by one walk of the graph, within a session of the graph's θ.

    Args:
        risk: The loss.
        graph: Its gradient.
        vectors: ``(k, N)``.

    Returns:
        H_b(θ)·v of each, ``(k, N)``.
    """
    if not graph.gradient.requires_grad:
        return torch.zeros_like(vectors)
    pieces = torch.autograd.grad(
        graph.gradient, graph.leaves, vectors, retain_graph=True, allow_unused=True, is_grads_batched=True
    )
    return risk.flatten(pieces, rows=len(vectors))


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
            operation = missing.group(1).strip("'\"")
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
