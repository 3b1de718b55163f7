"""The public names, arguments and attributes that things outside the package rely on, as the design wrote them down."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import curvwidget as cw
from curvwidget._results import ArrayResult

NOTHING = inspect.Parameter.empty
PUBLIC: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # by position, then by keyword alone; with defaults
    "Objective": (
        {"model": NOTHING, "criterion": NOTHING, "data": NOTHING},
        {"batch_loss": None, "parameters": None, "batchnorm": "running", "batch_size": None, "device": None, "dtype": None},
    ),
    "Objective.from_function": ({"function": NOTHING, "theta": NOTHING}, {}),
    "Objective.loss": ({"theta": None}, {}),
    "Objective.losses": ({"thetas": NOTHING}, {}),
    "Objective.gradient": ({"theta": None}, {}),
    "Objective.hvp": ({"vectors": NOTHING, "theta": None}, {}),
    "Objective.at": ({"theta": NOTHING}, {}),
    "random_directions": (
        {"objective": NOTHING, "count": 2},
        {"distribution": "gaussian", "normalization": None, "orthogonalize": False, "seed": 0},
    ),
    "hessian_directions": ({"objective": NOTHING}, {"largest": 1, "smallest": 1, "tol": 1e-3, "seed": 0}),
    "gradient_direction": ({"objective": NOTHING}, {}),
    "directions_between": ({"objective": NOTHING, "checkpoints": NOTHING}, {}),  # any number of them
    "trajectory_directions": ({"objective": NOTHING, "checkpoints": NOTHING, "count": 2}, {}),
    "blend_directions": ({"a": NOTHING, "b": NOTHING, "t": NOTHING}, {}),
    "slice_loss": ({"objective": NOTHING, "directions": NOTHING}, {"span": "auto", "resolution": 41, "tolerance": None}),
    "project_curvature": ({"objective": NOTHING, "directions": NOTHING}, {"method": "hvp"}),
    "sample_projections": (
        {"objective": NOTHING},
        {"samples": 100, "distribution": "gaussian", "normalization": None, "method": "hvp", "seed": 0},
    ),
    "predict_projections": (
        {},
        {"trace": None, "trace_of_square": None, "eigenvalues": None, "n_parameters": None, "normalization": None},
    ),
    "estimate_trace": ({"objective": NOTHING}, {"method": "hutchinson", "samples": 100, "target_stderr": None, "seed": 0}),
    "extreme_eigenpairs": ({"operator": NOTHING}, {"largest": 1, "smallest": 1, "tol": 1e-3, "seed": 0}),
    "spectral_density": ({"operator": NOTHING}, {"probes": 8, "steps": 80, "seed": 0}),
    "explore": ({"objective": NOTHING}, {}),
    "SaddleDemo": ({}, {}),
}
STREAMS = {
    "slice_loss": "stream_slice",
    "estimate_trace": "stream_trace",
    "extreme_eigenpairs": "stream_eigenpairs",
    "spectral_density": "stream_spectral_density",
    "sample_projections": "stream_projections",
}


@pytest.fixture(scope="module")
def objective() -> cw.Objective:
    slopes = torch.linspace(-1.0, 2.0, 7, dtype=torch.float64)
    return cw.Objective.from_function(lambda theta: 0.5 * (slopes * theta**2).sum(), torch.ones(7, dtype=torch.float64))


def found(name: str) -> Callable[..., Any]:
    thing: Any = cw
    for part in name.split("."):
        thing = getattr(thing, part)
    return thing


@pytest.mark.parametrize("name", PUBLIC)
def test_arguments_stand_where_the_contract_says_and_have_its_defaults(name: str) -> None:
    parameters = {key: value for key, value in inspect.signature(found(name)).parameters.items() if key != "self"}
    by_position, by_keyword = PUBLIC[name]
    for expected, (key, parameter) in zip(by_position, parameters.items(), strict=False):
        assert key == expected
        assert parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.VAR_POSITIONAL)
        assert parameter.default == by_position[key]
    for key, default in by_keyword.items():
        assert parameters[key].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters[key].default == default
    further = [parameter for key, parameter in parameters.items() if key not in by_position | by_keyword]
    assert all(parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD) for parameter in further), "others, by keyword"
    assert all(parameter.default is not NOTHING for parameter in further if parameter.kind is parameter.KEYWORD_ONLY)


@pytest.mark.parametrize("name", STREAMS)
def test_long_work_has_a_twin_that_streams_and_takes_the_same(name: str) -> None:
    plain, stream = (set(inspect.signature(found(each)).parameters) for each in (name, STREAMS[name]))
    assert plain <= stream


@pytest.mark.parametrize("name", cw.__all__)
def test_what_is_public_is_there_and_told(name: str) -> None:
    assert inspect.getdoc(found(name))


def test_an_objective_has_what_the_contract_names(objective: cw.Objective) -> None:
    assert (objective.theta.shape, objective.n_parameters) == ((7,), 7)
    assert isinstance(objective.loss(), float)
    assert isinstance(objective.at(torch.zeros(7)), cw.Objective)
    assert objective.losses(torch.zeros(3, 7)).shape == (3,)
    assert objective.hvp(torch.zeros(7)).shape == (7,)
    assert objective.hvp(torch.zeros(4, 7)).shape == (4, 7)
    assert objective.gradient().shape == (7,)


def test_results_have_the_shapes_that_the_contract_names(objective: cw.Objective) -> None:
    directions = cw.random_directions(objective)
    assert directions.vectors.shape == (2, 7)
    assert (len(directions.labels), directions.seed, directions.normalization) == (2, 0, None)
    ends = cw.hessian_directions(objective)
    assert (np.shape(ends.eigenvalues), np.shape(ends.residuals)) == ((2,), (2,))

    plane = cw.slice_loss(objective, directions, resolution=5)
    assert [axis.shape for axis in plane.axes] == [(5,), (5,)]
    assert (plane.values.shape, plane.values.dtype) == ((5, 5), np.float64)
    assert (plane.directions.labels, plane.evaluations, plane.error) == (directions.labels, 25, 0.0)

    seen = cw.project_curvature(objective, directions)
    assert (seen.matrix.shape, seen.principal.shape, seen.gradient.shape) == ((2, 2), (2,), (2,))
    assert seen.verdict in ("minimum", "maximum", "saddle", "flat")
    assert isinstance(seen.degenerate, bool)
    assert np.shape(seen.error) in ((), (2,))

    sample = cw.sample_projections(objective, samples=6)
    assert (sample.matrices.shape, sample.principal.shape) == ((6, 2, 2), (6, 2))
    assert {"minimum", "maximum", "saddle"} <= set(sample.probabilities)
    assert sample.directions(3).vectors.shape == (2, 7)

    prediction = cw.predict_projections(eigenvalues=np.linspace(-1.0, 2.0, 7))
    assert (np.shape(prediction.expected_principal), np.shape(prediction.std)) == ((2,), (2,))
    assert prediction.curvature_of_expectation == pytest.approx(3.5)
    assert np.all(np.asarray(prediction.density(np.linspace(-5, 5, 11))) >= 0)

    trace = cw.estimate_trace(objective, samples=8)
    assert trace.mean_curvature == pytest.approx(trace.trace / 7)
    assert (trace.samples.shape, trace.stderr > 0, list(trace.by_block)) == ((8,), True, ["theta"])
    assert np.isfinite(trace.trace_of_square)
    assert len(trace.history)

    pairs = cw.extreme_eigenpairs(objective)
    np.testing.assert_allclose(pairs.values, [2.0, -1.0], rtol=1e-6)
    assert (pairs.vectors.shape, pairs.residuals.shape, pairs.converged.all(), pairs.hvps > 0) == ((2, 7), (2,), True, True)

    density = cw.spectral_density(objective, probes=2, steps=7)
    assert density.nodes.shape == density.weights.shape
    np.testing.assert_allclose(np.reshape(density.weights, (2, -1)).sum(axis=1), 1.0)
    assert np.shape(density.density(np.linspace(-2, 3, 9))) == (9,)


@pytest.mark.parametrize("kind", [getattr(cw, name) for name in cw.__all__ if isinstance(getattr(cw, name), type)])
def test_results_that_hold_arrays_can_be_labelled_saved_and_loaded(kind: type) -> None:
    if issubclass(kind, ArrayResult):
        assert callable(kind.save) and callable(kind.load) and callable(getattr(kind, "to_xarray", None))  # noqa: PT018


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda o: o.hvp(torch.zeros(6)), "vectors"),
        (lambda o: o.hvp(torch.zeros(2, 2, 7)), "vectors"),
        (lambda o: o.hvp([0.0] * 7), "vectors"),
        (lambda o: o.loss(torch.zeros(8)), "theta"),
        (lambda o: o.losses(torch.zeros(7)), "thetas"),
        (lambda o: o.at(torch.full((7,), float("nan"))), "theta"),
        (lambda o: o.gradient(torch.zeros(7, dtype=torch.int64)), "theta"),
        (lambda o: cw.random_directions(o, 0), "count"),
        (lambda o: cw.random_directions(o, True), "count"),
        (lambda o: cw.random_directions(o, distribution="cauchy"), "distribution"),
        (lambda o: cw.random_directions(o, normalization="weights"), "normalization"),
        (lambda o: cw.random_directions(o, seed=-1), "seed"),
        (lambda o: cw.random_directions(o, seed=0.5), "seed"),
        (lambda o: cw.hessian_directions(o, largest=-1), "largest"),
        (lambda o: cw.hessian_directions(o, largest=9), "largest"),
        (lambda o: cw.hessian_directions(o, tol=0.0), "tol"),
        (lambda o: cw.directions_between(o, torch.zeros(6)), "7"),
        (lambda o: cw.blend_directions(cw.random_directions(o), cw.random_directions(o, 1), 0.5), "2"),
        (lambda o: cw.blend_directions(cw.random_directions(o), cw.random_directions(o), 1.5), "t must"),
        (lambda o: cw.slice_loss(o, cw.random_directions(o), resolution=4), "resolution"),
        (lambda o: cw.slice_loss(o, cw.random_directions(o), resolution=(5, 5, 5)), "resolution"),
        (lambda o: cw.slice_loss(o, cw.random_directions(o), span=-1.0), "span"),
        (lambda o: cw.slice_loss(o, cw.random_directions(o), span="wide"), "span"),
        (lambda o: cw.slice_loss(o, cw.random_directions(o), tolerance=-0.01), "tolerance"),
        (lambda o: cw.slice_loss(o, cw.random_directions(o, 4)), "directions"),
        (lambda o: cw.project_curvature(o, cw.random_directions(o), method="newton"), "method"),
        (lambda o: cw.sample_projections(o, samples=0), "samples"),
        (lambda o: cw.sample_projections(o, method="newton"), "method"),
        (lambda o: cw.predict_projections(), "trace"),
        (lambda o: cw.predict_projections(eigenvalues=np.array([1.0, np.nan])), "eigenvalues"),
        (lambda o: cw.estimate_trace(o, method="guess"), "method"),
        (lambda o: cw.estimate_trace(o, samples=0), "samples"),
        (lambda o: cw.estimate_trace(o, method="xtrace", samples=3), "samples"),
        (lambda o: cw.estimate_trace(o, target_stderr=0.0), "target_stderr"),
        (lambda o: cw.extreme_eigenpairs(o, largest=0, smallest=0), "largest"),
        (lambda o: cw.spectral_density(o, probes=0), "probes"),
        (lambda o: cw.spectral_density(o, steps=0), "steps"),
        (lambda o: cw.explore("model"), "objective"),
        (lambda o: cw.Objective(torch.nn.Linear(2, 1), None, (torch.zeros(1, 2), torch.zeros(1, 1))), "criterion"),
        (lambda o: cw.Objective("model", torch.nn.functional.mse_loss, (torch.zeros(1, 2), torch.zeros(1, 1))), "model"),
        (lambda o: cw.Objective(torch.nn.Linear(2, 1), torch.nn.functional.mse_loss, []), "data"),
    ],
)
def test_bad_input_is_refused_at_the_door_with_its_name(
    objective: cw.Objective, call: Callable[[cw.Objective], Any], named: str
) -> None:
    before: Tensor = objective.theta
    with pytest.raises((ValueError, TypeError), match=named):
        call(objective)
    torch.testing.assert_close(objective.theta, before, rtol=0, atol=0)
