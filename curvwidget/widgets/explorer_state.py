"""What the explorer has found, as traits to read and to observe."""

from __future__ import annotations

import dataclasses

import traitlets

from curvwidget.curvature import ProjectedCurvature, ProjectionPrediction, ProjectionSample, TraceEstimate
from curvwidget.curvature.plane_minima import PlaneMinima
from curvwidget.directions import Trajectory
from curvwidget.linalg import Eigenpairs, SpectralDensity
from curvwidget.slices import Descent, LossSlice
from curvwidget.slices.first_look import FirstLook
from curvwidget.widgets.update import Known, Update
from curvwidget.widgets.working_view import WorkState

__all__ = ["ExplorerState"]

_KNOWN = tuple(field.name for field in dataclasses.fields(Known))
_OF_THE_PLANE = ("curvature", "trajectory", "minima")


class ExplorerState(WorkState):
    """The explorer's results. They change as its worker finds them, on its thread."""

    slice = traitlets.Instance(LossSlice, allow_none=True)
    """The slice shown, the finest so far; None while there is nothing but a first `look`."""
    look = traitlets.Instance(FirstLook, allow_none=True)
    """What the map shows of a plane before there is a slice of it on all samples; None where it shows the slice."""
    curvature = traitlets.Instance(ProjectedCurvature, allow_none=True)
    """The projected curvature of the plane shown."""
    eigenpairs = traitlets.Instance(Eigenpairs, allow_none=True)
    """Both ends of the Hessian's spectrum, once found."""
    trace = traitlets.Instance(TraceEstimate, allow_none=True)
    """The trace by Hutchinson, so far."""
    slice_trace = traitlets.Instance(TraceEstimate, allow_none=True)
    """The trace from slices alone, so far."""
    other_traces = traitlets.Tuple()
    """The trace by further methods, as `Request.trace_methods` asks for them, so far."""
    density = traitlets.Instance(SpectralDensity, allow_none=True)
    """The density of all eigenvalues, so far."""
    scaled_traces = traitlets.Dict()
    """By normalization, the trace that directions see that are normalized by filter, layer or model, so far."""
    trajectory = traitlets.Instance(Trajectory, allow_none=True)
    """Where the checkpoints lie beside the plane shown."""
    minima = traitlets.Instance(PlaneMinima, allow_none=True)
    """Further minima of the plane shown, with their curvatures; after `Explorer.look_around` also those outside the picture."""
    descent = traitlets.Instance(Descent, allow_none=True)
    """How far down the negative curvature led when it was last followed."""
    sample = traitlets.Instance(ProjectionSample, allow_none=True)
    """The curvatures of random planes, so far."""
    prediction = traitlets.Instance(ProjectionPrediction, allow_none=True)
    """What trace and tr(H²) predict for random planes."""

    @property
    def known(self) -> Known:
        """What is known of the point, whatever plane is shown."""
        return Known(**{name: getattr(self, name) for name in _KNOWN})

    def take(self, update: Update) -> None:
        """Keep what an update has that is new, except the picture.

        Args:
            update: From the worker.
        """
        if update.curvature is not None or update.look is not None:
            self._forget_plane()
        if update.look is not None:
            self.slice, self.look = None, update.look
        for name in (*_KNOWN, *_OF_THE_PLANE, "descent"):
            result = getattr(update, name)
            if result is not None:
                setattr(self, name, result)

    def recall(self, known: Known) -> None:
        """Replace all that belongs to a point by what is known of another one.

        Args:
            known: What is known of that.
        """
        for name in _KNOWN:
            setattr(self, name, getattr(known, name))
        self.prediction = None
        self._forget_plane()

    def _forget_plane(self) -> None:
        for name in _OF_THE_PLANE:
            setattr(self, name, None)
