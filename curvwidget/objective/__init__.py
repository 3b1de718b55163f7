"""The loss of a model on data as a function of one flat vector θ."""

from curvwidget.objective.along import LossesAlong
from curvwidget.objective.objective import Objective
from curvwidget.objective.parameters import ParameterBlock

__all__ = ["Objective", "LossesAlong", "ParameterBlock"]
