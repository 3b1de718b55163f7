"""Random directions: the axes of the theory."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from curvwidget._checks import check_choice, check_count
from curvwidget.directions.directions import Directions
from curvwidget.directions.normalize import NORMALIZATIONS, Normalization, normalize
from curvwidget.objective import Objective

__all__ = ["DISTRIBUTIONS", "Distribution", "check_seed", "random_directions"]

Distribution = Literal["gaussian", "rademacher", "sphere"]
DISTRIBUTIONS: tuple[Distribution, ...] = ("gaussian", "rademacher", "sphere")


def random_directions(
    objective: Objective,
    count: int = 2,
    *,
    distribution: Distribution = "gaussian",
    normalization: Normalization = None,
    orthogonalize: bool = False,
    seed: int = 0,
) -> Directions:
    """Draw random directions.

    The default is what the theory is about: every entry is drawn from N(0, 1) and nothing is normalized, so that the expected
    projected Hessian is tr(H)·I (Böttcher and Wheeler, arXiv:2208.13219).

    Args:
        objective: Gives N, and for a normalization θ and its blocks.
        count: Number of directions k.
        distribution: ``"gaussian"``: N(0, I); ``"rademacher"``: entries ±1; ``"sphere"``: uniform on the sphere of radius √N.
            Each has covariance I.
        normalization: None; ``"unit"``: length 1; ``"model"``: length ‖θ‖; ``"layer"``: each parameter tensor as long as that
            of θ; ``"filter"``: each filter as long as that of θ, biases and norm layers zero (Li et al., arXiv:1712.09913). A
            filter is an entry of a tensor's first dimension: an output of a linear layer, an output channel of a convolution
            (an input channel of a transposed one), a row of an embedding.
        orthogonalize: Make the directions orthogonal to each other, before they are normalized, with their lengths kept. In high
            dimension they nearly are: the cosine of two has standard deviation 1/√N.
        seed: The same seed gives the same directions, on any device and in any dtype (up to its rounding); the global generators
            are not touched.

    Returns:
        Directions ``(k, N)``.

    Raises:
        ValueError: If an option is unknown, ``count`` is below 1, more orthogonal directions than N are asked for, or the
            normalization leaves nothing of a direction.

    Example:
        >>> import torch, curvwidget as cw
        >>> objective = cw.Objective.from_function(lambda t: (t**2).sum(), torch.zeros(1000))
        >>> cw.random_directions(objective, seed=3).vectors.shape
        torch.Size([2, 1000])
    """
    count = check_count("count", count)
    check_choice("distribution", distribution, DISTRIBUTIONS)
    check_choice("normalization", normalization, NORMALIZATIONS)
    seed = check_seed(seed)
    size = objective.n_parameters
    if orthogonalize and count > size:
        raise ValueError(f"count must be at most N = {size} for orthogonal directions, got {count}")
    vectors = _draw(count, size, distribution, seed)
    if orthogonalize:
        vectors = _orthogonalize(vectors)
    vectors = normalize(vectors.to(objective.device), objective, normalization)
    return Directions(
        vectors=vectors.to(objective.dtype),
        labels=tuple(f"random {index + 1} (seed {seed})" for index in range(count)),
        seed=seed,
        normalization=normalization,
    )


def check_seed(seed: object) -> int:
    """Return a seed that torch's generators take.

    Args:
        seed: What came.

    Returns:
        The seed.

    Raises:
        ValueError: If it is negative or needs more than 64 bits.
    """
    number = check_count("seed", seed, minimum=0)
    if number >= 2**64:
        raise ValueError(f"seed must be below 2**64, got {number}")
    return number


def _draw(count: int, size: int, distribution: Distribution, seed: int) -> Tensor:
    # On the CPU in float64, so that a seed means the same directions everywhere; row by row, so that a further one changes none.
    generator = torch.Generator().manual_seed(seed)
    if distribution == "rademacher":
        signs = [torch.randint(0, 2, (size,), generator=generator, dtype=torch.float64) for _ in range(count)]
        return torch.stack(signs) * 2 - 1
    vectors = torch.stack([torch.randn(size, generator=generator, dtype=torch.float64) for _ in range(count)])
    if distribution == "sphere":
        vectors *= size**0.5 / vectors.norm(dim=1, keepdim=True)
    return vectors


def _orthogonalize(vectors: Tensor) -> Tensor:
    # Gram-Schmidt by QR; each direction keeps its length and its side.
    basis, triangle = torch.linalg.qr(vectors.T)
    signs = torch.where(triangle.diagonal() < 0, -1.0, 1.0).to(vectors.dtype)
    return torch.mul((basis * signs).T, vectors.norm(dim=1, keepdim=True))
