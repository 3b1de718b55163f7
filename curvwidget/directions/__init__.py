"""The axes of a slice: random directions, Hessian eigenvectors, the gradient, own vectors, other points, the way between two."""

from curvwidget.directions.between import directions_between
from curvwidget.directions.blend import blend_directions
from curvwidget.directions.checkpoints import Checkpoint, read_checkpoint
from curvwidget.directions.directions import Directions
from curvwidget.directions.given import gradient_direction, own_directions
from curvwidget.directions.hessian import directions_from_eigenpairs, hessian_directions
from curvwidget.directions.normalize import NORMALIZATIONS, Normalization
from curvwidget.directions.random import DISTRIBUTIONS, Distribution, random_directions
from curvwidget.directions.trajectory import Trajectory, place_checkpoints, trajectory_directions

__all__ = [
    "DISTRIBUTIONS",
    "NORMALIZATIONS",
    "Checkpoint",
    "Directions",
    "Distribution",
    "Normalization",
    "Trajectory",
    "blend_directions",
    "directions_between",
    "directions_from_eigenpairs",
    "gradient_direction",
    "hessian_directions",
    "own_directions",
    "place_checkpoints",
    "random_directions",
    "read_checkpoint",
    "trajectory_directions",
]
