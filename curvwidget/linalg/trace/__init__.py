"""Estimators of the trace of a matrix known only by its products with vectors, one a file."""

from curvwidget.linalg.trace.hutchinson import stream_hutchinson

__all__ = ["stream_hutchinson"]
