"""Files of results: every kind comes back as it was; what is damaged or pickled is refused by name, and nothing is unpickled."""

from __future__ import annotations

import dataclasses
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import curvwidget as cw
import curvwidget.widgets
from curvwidget._results import _KINDS, ArrayResult
from curvwidget.runs import InlineExecutor
from curvwidget.widgets.export.saved import SavedState


class Trap:
    """What fails the test that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("unpickled",))


@pytest.fixture(scope="module")
def results() -> dict[str, ArrayResult]:
    """One result of each kind."""
    slopes = torch.linspace(-1.0, 2.0, 7, dtype=torch.float64)
    objective = cw.Objective.from_function(
        lambda t: (0.5 * slopes * t**2 + 0.1 * t**4).sum(), torch.full((7,), 0.5, dtype=torch.float64)
    )
    directions = cw.random_directions(objective)
    plane = cw.slice_loss(objective, directions, resolution=5)
    spectrum = np.linspace(-1.0, 2.0, 300)
    closed = cw.predict_projections(trace=spectrum.sum(), trace_of_square=(spectrum**2).sum(), n_parameters=300)
    drawn = cw.predict_projections(eigenvalues=np.array([100.0] + [1.0] * 6))
    explorer = cw.explore(objective, resolution=5, planes=3, probes=3, spectrum_probes=1, executor=InlineExecutor())
    found: list[ArrayResult] = [
        directions,
        plane,
        cw.find_plane_minima(objective, plane),
        cw.project_curvature(objective, directions),
        cw.sample_projections(objective, samples=3),
        cw.estimate_trace(objective, samples=3),
        cw.extreme_eigenpairs(objective),
        cw.spectral_density(objective, probes=1, steps=4),
        cw.find_descent(objective, directions[0], lines=2),
        cw.place_checkpoints(objective, directions, [objective.theta + 1]),
        drawn,
        closed.law,
        drawn.law,
        SavedState.of(explorer),
    ]
    return {type(result).__name__: result for result in found}


@pytest.fixture(params=sorted(_KINDS))
def result(request: pytest.FixtureRequest, results: dict[str, ArrayResult]) -> ArrayResult:
    return results[request.param]


def check_equal(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    if isinstance(one, ArrayResult):
        for field in dataclasses.fields(one):
            if field.metadata.get("saved", True):
                check_equal(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, torch.Tensor | np.ndarray):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
    elif isinstance(one, tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            check_equal(a, b)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            check_equal(one[key], other[key])
    else:
        assert one == other or one != one  # NaN stays NaN


def test_every_kind_comes_back_as_it_was(result, tmp_path: Path) -> None:
    result.save(tmp_path / "result.npz")
    check_equal(type(result).load(tmp_path / "result.npz"), result)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.99])
def test_a_file_that_was_cut_short_is_refused_by_name(result, share, tmp_path: Path) -> None:
    path = tmp_path / "cut.npz"
    result.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=rf"path must be a file written by {type(result).__name__}\.save, got '.*cut\.npz': "):
        type(result).load(path)


def test_nothing_in_a_file_is_unpickled(result, tmp_path: Path) -> None:
    kind = type(result)
    result.save(tmp_path / "result.npz")
    with np.load(tmp_path / "result.npz", allow_pickle=False) as archive:
        names = archive.files
    trapped = io.BytesIO()
    np.save(trapped, np.array([Trap()], dtype=object), allow_pickle=True)
    for name in names:
        with zipfile.ZipFile(tmp_path / "result.npz") as source, zipfile.ZipFile(tmp_path / "trap.npz", "w") as target:
            for entry in source.namelist():
                target.writestr(entry, trapped.getvalue() if entry == f"{name}.npy" else source.read(entry))
        with pytest.raises(ValueError, match=rf"path must be a file written by {kind.__name__}\.save, got .*allow_pickle=False"):
            kind.load(tmp_path / "trap.npz")
    (tmp_path / "trap.npy").write_bytes(trapped.getvalue())
    (tmp_path / "trap.pkl").write_bytes(pickle.dumps(Trap()))
    for path in (tmp_path / "trap.npy", tmp_path / "trap.pkl"):
        with pytest.raises(ValueError, match=rf"path must be a file written by {kind.__name__}\.save, got '.*trap"):
            kind.load(path)


def test_an_array_by_itself_another_kind_and_a_later_version_are_refused(results, tmp_path: Path) -> None:
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(ValueError, match=r"path must be a file written by LossSlice\.save, got '.*array\.npy': it is no archive"):
        cw.LossSlice.load(tmp_path / "array.npy")
    results["Directions"].save(tmp_path / "directions.npz")
    with pytest.raises(ValueError, match="holds a Directions, expected a LossSlice"):
        cw.LossSlice.load(tmp_path / "directions.npz")
    with np.load(tmp_path / "directions.npz") as archive:
        arrays = dict(archive)
    newer = str(arrays.pop("__header__")).replace('"labels"', '"colour"', 1)
    np.savez(tmp_path / "newer.npz", __header__=np.array(newer), **arrays)
    with pytest.raises(ValueError, match="the file holds a Directions with 'colour', which this version does not know"):
        cw.Directions.load(tmp_path / "newer.npz")
    with pytest.raises(FileNotFoundError):
        cw.LossSlice.load(tmp_path / "nothing.npz")
