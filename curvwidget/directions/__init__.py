"""The axes of a slice: random directions, Hessian eigenvectors, the gradient, own vectors, and the way between two planes."""

from curvwidget.directions.blend import blend_directions
from curvwidget.directions.directions import Directions
from curvwidget.directions.given import gradient_direction, own_directions
from curvwidget.directions.hessian import directions_from_eigenpairs, hessian_directions
from curvwidget.directions.normalize import NORMALIZATIONS, Normalization
from curvwidget.directions.random import DISTRIBUTIONS, Distribution, random_directions

__all__ = [
    "DISTRIBUTIONS",
    "NORMALIZATIONS",
    "Directions",
    "Distribution",
    "Normalization",
    "blend_directions",
    "directions_from_eigenpairs",
    "gradient_direction",
    "hessian_directions",
    "own_directions",
    "random_directions",
]
