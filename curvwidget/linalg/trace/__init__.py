"""Estimators of the trace of a matrix known only by its products with vectors, one a file."""

from curvwidget.linalg.trace.epperly2024xtrace import stream_xtrace
from curvwidget.linalg.trace.exact import stream_exact
from curvwidget.linalg.trace.hutchinson import stream_hutchinson
from curvwidget.linalg.trace.meyer2020hutch import stream_hutchpp

__all__ = ["stream_exact", "stream_hutchinson", "stream_hutchpp", "stream_xtrace"]
