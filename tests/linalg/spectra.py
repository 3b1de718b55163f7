"""Symmetric matrices of known spectrum on which every solver and estimator is tried: solvers on spectra, never on networks."""

from __future__ import annotations

import numpy as np
import torch

from curvwidget.linalg import SymmetricOperator

__all__ = ["dense", "diagonal", "rotated", "semicircle", "small_beside_large"]


def diagonal(values, *, dtype=torch.float64) -> SymmetricOperator:
    """diag(values), whose eigenvectors are the axes."""
    entries = torch.as_tensor(np.asarray(values), dtype=dtype)
    return SymmetricOperator(len(entries), lambda rows: rows * entries, dtype=dtype)


def rotated(values, *, seed=0):
    """A dense matrix ``(N, N)`` of that spectrum with random eigenvectors."""
    Q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values))))
    A = (Q * np.asarray(values, dtype=float)) @ Q.T
    return (A + A.T) / 2


def dense(A, *, dtype=torch.float64, blocks=None) -> SymmetricOperator:
    """The matrix A, known to the solver by its products alone."""
    matrix = torch.as_tensor(A, dtype=dtype)
    return SymmetricOperator(len(matrix), lambda rows: rows @ matrix, dtype=dtype, blocks=blocks or {})


def semicircle(n):
    """Quantiles of Wigner's semicircle law on [−1, 1] ``(n,)``, ascending: the bulk of a spectrum."""
    x = np.linspace(-1, 1, 20_001)
    below = 0.5 + (x * np.sqrt(1 - x**2) + np.arcsin(x)) / np.pi
    return np.interp((np.arange(n) + 0.5) / n, below, x)


def small_beside_large():
    """The case of the theory's section 5: λ_max = 100 beside λ_min = −0.0671 at the edge of a bulk ``(2000,)``."""
    return np.concatenate([[-0.0671], 0.066 * semicircle(1998), [100.0]])
