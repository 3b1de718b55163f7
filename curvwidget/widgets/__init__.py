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
from curvwidget.widgets.entry import explore
from curvwidget.widgets.explorer import Explorer
from curvwidget.widgets.explorer_state import ExplorerState
from curvwidget.widgets.export.picture import Picture
from curvwidget.widgets.export.saved import SavedView
from curvwidget.widgets.linking import ExplorerLink, link_explorers
from curvwidget.widgets.loss_map import LossMap
from curvwidget.widgets.places import Place
from curvwidget.widgets.profiles import Profiles
from curvwidget.widgets.request import Request
from curvwidget.widgets.saddle_demo import SaddleDemo
from curvwidget.widgets.saddle_request import SaddleRequest
from curvwidget.widgets.side_by_side import SideBySide
from curvwidget.widgets.spectrum_plot import SpectrumPlot
from curvwidget.widgets.surface import Surface
from curvwidget.widgets.trace_plot import TracePlot
from curvwidget.widgets.trajectory_plot import TrajectoryPlot
from curvwidget.widgets.verdict_bar import VerdictBar
from curvwidget.widgets.working_view import WorkingView

__all__ = [
    "CheckpointAxis",
    "CurvaturePlot",
    "EigenAxis",
    "Explorer",
    "ExplorerLink",
    "ExplorerState",
    "GradientAxis",
    "LossMap",
    "OwnAxis",
    "Picture",
    "Place",
    "Profiles",
    "RandomAxis",
    "SavedView",
    "Request",
    "SaddleDemo",
    "SaddleRequest",
    "SideBySide",
    "SpectrumPlot",
    "Surface",
    "TracePlot",
    "TrajectoryAxis",
    "TrajectoryPlot",
    "VerdictBar",
    "WorkingView",
    "explore",
    "link_explorers",
]
