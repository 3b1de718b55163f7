"""The loss on a grid over one, two or three directions."""

from curvwidget.slices.descent import Descent, find_descent, stream_descent
from curvwidget.slices.evaluate import slice_loss, stream_slice
from curvwidget.slices.loss_slice import LossSlice
from curvwidget.slices.span import auto_span, settle_span, span_from_curvature

__all__ = [
    "Descent",
    "LossSlice",
    "auto_span",
    "find_descent",
    "settle_span",
    "slice_loss",
    "span_from_curvature",
    "stream_descent",
    "stream_slice",
]
