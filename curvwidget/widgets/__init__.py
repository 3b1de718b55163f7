"""The views, each alone, and the explorer that links them."""

from curvwidget.widgets.axis_sources import (
    CheckpointAxis,
    EigenAxis,
    GradientAxis,
    OwnAxis,
    RandomAxis,
    TrajectoryAxis,
)
from curvwidget.widgets.curvature_plot import CurvaturePlot
from curvwidget.widgets.explorer import Explorer, explore
from curvwidget.widgets.loss_map import LossMap
from curvwidget.widgets.places import Place
from curvwidget.widgets.profiles import Profiles
from curvwidget.widgets.request import Request
from curvwidget.widgets.saddle_demo import SaddleDemo
from curvwidget.widgets.saddle_request import SaddleRequest
from curvwidget.widgets.spectrum_plot import SpectrumPlot
from curvwidget.widgets.surface import Surface
from curvwidget.widgets.trace_plot import TracePlot
from curvwidget.widgets.verdict_bar import VerdictBar

__all__ = [
    "CheckpointAxis",
    "CurvaturePlot",
    "EigenAxis",
    "Explorer",
    "GradientAxis",
    "LossMap",
    "OwnAxis",
    "Place",
    "Profiles",
    "RandomAxis",
    "Request",
    "SaddleDemo",
    "SaddleRequest",
    "SpectrumPlot",
    "Surface",
    "TracePlot",
    "TrajectoryAxis",
    "VerdictBar",
    "explore",
]
