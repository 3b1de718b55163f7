"""Can the Hessian that autograd gives for a loss be believed?"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from curvwidget.objective.derivatives import differentiate_with_graph, explained, graph_nodes, no_derivative
from curvwidget.objective.risk import Risk

__all__ = ["check_hessian"]

_PROBE_SAMPLES = 64
_TOLERANCE = {8: 1e-6, 4: 3e-2}  # by the bytes of the smallest numbers that θ is used as; half precision says too little


def check_hessian(risk: Risk, theta: Tensor) -> None:
    """Refuse second derivatives that PyTorch gets wrong without saying so, upon a few samples.

    Two kinds are known. An operation marked ``@once_differentiable`` raises an error where ``backward()`` differentiates
    it twice; ``autograd.grad`` for given inputs passes it by, and leaves its part of the Hessian out. And an operation may have a
    wrong second derivative (fused weight normalization has, in PyTorch 2.13): its Hessian is then not symmetric.

    Args:
        risk: The loss.
        theta: ``(N,)``.

    Raises:
        NotImplementedError: If there is no second derivative, or a wrong one.
    """
    generator = torch.Generator().manual_seed(0)
    u, v = (torch.randn(len(theta), generator=generator, dtype=torch.float64).to(theta) for _ in range(2))
    with risk.session(theta, order=2) as leaves:
        value = risk.single_number(risk.probe(_PROBE_SAMPLES, leaves))
        gradient = differentiate_with_graph(risk, value, leaves).gradient
        if any("Error" in node.name() for node in graph_nodes(gradient)):
            names = ", ".join(_once_differentiable(value)) or "a torch.autograd.Function"
            raise NotImplementedError(no_derivative("second", names))
        if not gradient.requires_grad:
            return
        with explained("second"):
            Hu, Hv = (
                risk.flatten(torch.autograd.grad(gradient, leaves, vector, retain_graph=True, allow_unused=True))
                for vector in (u, v)
            )
    there, back = float(v @ Hu), float(u @ Hv)
    allowed = _TOLERANCE.get(min(leaf.dtype.itemsize for leaf in leaves), math.inf)
    if abs(there - back) > allowed * float(Hu.norm() + Hv.norm()):
        wrong = (
            f"an operation whose second derivative it gets wrong (u·Hv = {back:.6g} but v·Hu = {there:.6g}, where a Hessian is "
            "symmetric): look for custom autograd functions and fused normalizations"
        )
        raise NotImplementedError(no_derivative("second", wrong))


def _once_differentiable(value: Tensor) -> list[str]:
    functions = [getattr(node, "_forward_cls", None) for node in graph_nodes(value)]
    return sorted({function.__name__ for function in functions if function and hasattr(function.backward, "__wrapped__")})
