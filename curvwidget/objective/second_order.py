"""Can the Hessian that autograd gives for a loss be believed?"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction

from curvwidget.objective.derivatives import differentiate_with_graph, explained, graph_nodes, graph_product, no_derivative
from curvwidget.objective.risk import Risk
from curvwidget.objective.slope import doubt_slope
from curvwidget.objective.soundness import nudged

__all__ = ["check_hessian"]

_PROBE_SAMPLES = 64
_TOLERANCE = {8: 1e-6, 4: 3e-2}  # by the bytes of the smallest numbers that θ is used as; half precision says too little
_FEW_SAMPLES = 8  # for differences of gradients: so few that hardly one of them crosses a kink on the way
_STEP = {torch.float64: 1e-6, torch.float32: 1e-3}  # of max(‖θ‖, 1)
_SHORTER = 5.0  # the second one, by which kinks and rounding are told from a wrong derivative
_AGREE = 0.01  # relative, of a product and a difference
_SETTLED = 0.05  # of what the differences are off the product


def check_hessian(risk: Risk, theta: Tensor) -> None:
    """Refuse second derivatives that PyTorch gets wrong without saying so, upon a few samples.

    Three kinds are known. An operation marked ``@once_differentiable`` raises an error where ``backward()`` differentiates
    it twice; ``autograd.grad`` for given inputs passes it by, and leaves its part of the Hessian out. An operation may have a
    wrong second derivative (fused weight normalization has, in PyTorch 2.13): its Hessian is then not symmetric. And a custom
    autograd function may keep what depends on its input as if it were a constant, which can leave a Hessian that is symmetric
    and wrong all the same: where there are such functions, a product is compared with differences of gradients.

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
        custom = _custom_functions(value)
        allowed = _TOLERANCE.get(min(leaf.dtype.itemsize for leaf in leaves), math.inf)
        if gradient.requires_grad:
            with explained("second"):
                Hu, Hv = (
                    risk.flatten(torch.autograd.grad(gradient, leaves, vector, retain_graph=True, allow_unused=True))
                    for vector in (u, v)
                )
            there, back = float(v @ Hu), float(u @ Hv)
            if abs(there - back) > allowed * float(Hu.norm() + Hv.norm()):
                wrong = (
                    f"an operation whose second derivative it gets wrong (u·Hv = {back:.6g} but v·Hu = {there:.6g}, where a "
                    "Hessian is symmetric): look for custom autograd functions and fused normalizations"
                )
                raise NotImplementedError(no_derivative("second", wrong))
    if custom and math.isfinite(allowed) and (off := _off_differences(risk, nudged(risk, theta), u)):
        if doubt_slope(risk, theta):
            return  # it has been told that gradient and Hessian belong to another function
        wrong = (
            "an operation whose second derivative it gets wrong (products with the Hessian are off differences of the gradient "
            f"by {off:.2g} of their size): look into {', '.join(custom)} for what forward() keeps on ctx without "
            "save_for_backward(), and for what backward() does not differentiate"
        )
        raise NotImplementedError(no_derivative("second", wrong))


def _off_differences(risk: Risk, theta: Tensor, vector: Tensor) -> float:
    # How far H·v is off differences of the gradient, relative to the larger of the two; 0 where they agree, and where two steps
    # do not say the same.
    with risk.session(theta, order=2) as leaves:
        graph = differentiate_with_graph(risk, risk.single_number(risk.probe(_FEW_SAMPLES, leaves)), leaves)
        product = graph_product(risk, graph, vector)
    step = _STEP[theta.dtype] * max(float(theta.norm()), 1.0) / float(vector.norm())
    found: list[Tensor] = []
    for length in (step, step / _SHORTER):
        ahead, behind = (_gradient(risk, theta + way * length * vector) for way in (1, -1))
        found.append((ahead - behind) / (2 * length) - product)
        size = max(float(product.norm()), float((found[-1] + product).norm()))
        if not float(found[-1].norm()) > _AGREE * size:
            return 0.0
    longer, shorter = found
    return float(shorter.norm()) / size if float((longer - shorter).norm()) <= _SETTLED * float(shorter.norm()) else 0.0


def _gradient(risk: Risk, theta: Tensor) -> Tensor:
    with risk.session(theta, order=1) as leaves:
        value = risk.single_number(risk.probe(_FEW_SAMPLES, leaves))
        return risk.flatten(torch.autograd.grad(value, leaves, allow_unused=True))


def _custom_functions(value: Tensor) -> list[str]:
    nodes = (node for node in graph_nodes(value) if isinstance(node, BackwardCFunction))
    functions = {node._forward_cls for node in nodes}  # type: ignore[attr-defined]
    return sorted(function.__name__ for function in functions if not function.__module__.startswith("curvwidget."))


def _once_differentiable(value: Tensor) -> list[str]:
    functions = [getattr(node, "_forward_cls", None) for node in graph_nodes(value)]
    return sorted({function.__name__ for function in functions if function and hasattr(function.backward, "__wrapped__")})
