"""The views, each alone, and the explorer that links them."""

from curvwidget.widgets.curvature_plot import CurvaturePlot
from curvwidget.widgets.explorer import Explorer, explore
from curvwidget.widgets.loss_map import LossMap
from curvwidget.widgets.profiles import Profiles
from curvwidget.widgets.request import EigenAxis, GradientAxis, OwnAxis, RandomAxis, Request
from curvwidget.widgets.saddle_demo import SaddleDemo
from curvwidget.widgets.saddle_request import SaddleRequest
from curvwidget.widgets.spectrum_plot import SpectrumPlot
from curvwidget.widgets.surface import Surface
from curvwidget.widgets.trace_plot import TracePlot
from curvwidget.widgets.verdict_bar import VerdictBar

__all__ = [
    "CurvaturePlot",
    "EigenAxis",
    "Explorer",
    "GradientAxis",
    "LossMap",
    "OwnAxis",
    "Profiles",
    "RandomAxis",
    "Request",
    "SaddleDemo",
    "SaddleRequest",
    "SpectrumPlot",
    "Surface",
    "TracePlot",
    "VerdictBar",
    "explore",
]
