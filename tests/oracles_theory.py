"""Random planes drawn in all N dimensions: the slow and sure way to what `curvwidget.curvature.prediction` predicts."""

from __future__ import annotations

import numpy as np

__all__ = ["principal", "project_diagonal", "within_standard_errors"]

CHUNK = 1000


def project_diagonal(eigenvalues, samples, *, seed, unit=False, orthogonalize=False):
    """Slice Hessians (A, B, C) ``(samples, 3)`` of H = diag(eigenvalues) along two directions drawn in R^N."""
    rng = np.random.default_rng(seed)
    weights = np.asarray(eigenvalues, dtype=float)
    rows = []
    for start in range(0, samples, CHUNK):
        size = min(CHUNK, samples - start)
        eta, delta = rng.standard_normal((2, size, len(weights)))
        if orthogonalize:
            delta = delta - eta * ((eta * delta).sum(1) / (eta**2).sum(1))[:, None]
        if unit:
            eta = eta / np.linalg.norm(eta, axis=1)[:, None]
            delta = delta / np.linalg.norm(delta, axis=1)[:, None]
        rows.append(np.stack([(eta**2) @ weights, (eta * delta) @ weights, (delta**2) @ weights], axis=1))
    return np.concatenate(rows)


def principal(entries):
    """κ₋, κ₊ ``(S, 2)`` of slice Hessians (A, B, C), by the general eigensolver."""
    a, b, c = entries.T
    return np.linalg.eigvalsh(np.stack([np.stack([a, b], axis=1), np.stack([b, c], axis=1)], axis=1))


def within_standard_errors(sample, expected, count=4):
    """Assert that the means of a sample's columns are within that many standard errors of what is expected.

    For a sample of yes and no the error is that of the expected share, of at least one in the whole sample.
    """
    sample = np.asarray(sample)
    if sample.dtype == bool:
        error = np.sqrt(np.maximum(expected * (1 - expected), 1 / len(sample)) / len(sample))
    else:
        error = sample.std(axis=0, ddof=1) / np.sqrt(len(sample))
    off = np.abs(sample.mean(axis=0) - expected) / error
    assert (off < count).all(), f"{off} standard errors off: {sample.mean(axis=0)} is not {expected}"
