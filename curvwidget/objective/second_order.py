"""Can the Hessian that autograd gives for a loss be believed?"""

from __future__ import annotations

import torch
from torch import Tensor

from curvwidget.objective.derivatives import explained, graph_nodes, no_derivative
from curvwidget.objective.kernels import differentiable_kernels
from curvwidget.objective.risk import Risk

__all__ = ["check_hessian"]

_PROBE_SAMPLES = 64
_TOLERANCE = {torch.float64: 1e-7, torch.float32: 1e-2}


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
    with differentiable_kernels(2, recurrent=risk.recurrent), risk.session(theta, grad=True) as leaves:
        value = risk.single_number(risk.probe(_PROBE_SAMPLES, leaves))
        with explained("first"):
            pieces = torch.autograd.grad(value, leaves, create_graph=True, allow_unused=True)
        slope_u, slope_v = (
            sum(
                ((piece * part).sum() for piece, part in zip(pieces, risk.split(w), strict=True) if piece is not None),
                theta[:0].sum(),
            )
            for w in (u, v)
        )
        if any("Error" in node.name() for node in graph_nodes(slope_u)):
            names = ", ".join(_once_differentiable(value)) or "a torch.autograd.Function"
            raise NotImplementedError(no_derivative("second", names))
        if not slope_u.requires_grad:
            return
        with explained("second"):
            Hu, Hv = (
                risk.flatten(torch.autograd.grad(slope, leaves, retain_graph=True, allow_unused=True))
                for slope in (slope_u, slope_v)
            )
    there, back = float(v @ Hu), float(u @ Hv)
    if abs(there - back) > _TOLERANCE[theta.dtype] * float(Hu.norm() + Hv.norm()):
        wrong = (
            f"an operation whose second derivative it gets wrong (u·Hv = {back:.6g} but v·Hu = {there:.6g}, where a Hessian is "
            "symmetric): look for custom autograd functions and fused normalizations"
        )
        raise NotImplementedError(no_derivative("second", wrong))


def _once_differentiable(value: Tensor) -> list[str]:
    functions = [getattr(node, "_forward_cls", None) for node in graph_nodes(value)]
    return sorted({function.__name__ for function in functions if function and hasattr(function.backward, "__wrapped__")})
