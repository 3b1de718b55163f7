"""Symmetric matrices known only by their products with vectors: eigenpairs, traces, spectral density. No model, no network."""

from curvwidget.linalg.density import SpectralDensity
from curvwidget.linalg.eigenpairs import Eigenpairs
from curvwidget.linalg.extremes import extreme_eigenpairs, stream_eigenpairs
from curvwidget.linalg.operator import HasHessian, SymmetricOperator, as_operator
from curvwidget.linalg.trace import stream_exact, stream_hutchinson, stream_hutchpp, stream_xtrace
from curvwidget.linalg.trace_estimate import TraceEstimate
from curvwidget.linalg.ubaru2017slq import spectral_density, stream_spectral_density

__all__ = [
    "HasHessian",
    "SymmetricOperator",
    "as_operator",
    "Eigenpairs",
    "extreme_eigenpairs",
    "stream_eigenpairs",
    "TraceEstimate",
    "stream_exact",
    "stream_hutchinson",
    "stream_hutchpp",
    "stream_xtrace",
    "SpectralDensity",
    "spectral_density",
    "stream_spectral_density",
]
