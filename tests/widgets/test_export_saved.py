"""A saved explorer comes back as it was, without computing, and shows itself without a model."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

import curvwidget as cw
from curvwidget.curvature import stream_trace
from curvwidget.runs import InlineExecutor, bytes_of
from curvwidget.widgets import EigenAxis, Explorer, RandomAxis
from curvwidget.widgets.export.saved import SavedState, SavedView

calls = 0


def quadratic(n: int = 6) -> cw.Objective:
    diagonal = torch.tensor([3.0] + [1.0] * (n - 2) + [-2.0], dtype=torch.float64)

    def loss(t: torch.Tensor) -> torch.Tensor:
        global calls  # noqa: PLW0603 - what a test counts
        calls += 1
        return 2 + 0.5 * (diagonal * t**2).sum()

    return cw.Objective.from_function(loss, torch.zeros(n, dtype=torch.float64))


@pytest.fixture
def saved(tmp_path) -> tuple[Explorer, str]:
    explorer = cw.explore(quadratic(), seed=3, resolution=11, planes=15, probes=12, executor=InlineExecutor())
    explorer.request = cw.widgets.Request(axes=(EigenAxis(0), RandomAxis(5, 1)), resolution=11, planes=15, probes=12)
    explorer.controls.scale.value = "difference"
    explorer.probe = (0.01, -0.02)
    explorer.save(tmp_path / "state.npz")
    return explorer, tmp_path / "state.npz"


def test_what_was_saved_comes_back_without_computing(saved) -> None:
    explorer, path = saved
    objective = quadratic()
    before = calls
    again = Explorer.load(path, objective, executor=InlineExecutor())
    assert calls == before
    assert again.request == explorer.request
    assert again.probe == (0.01, -0.02)
    assert again.loss_map.scale == "difference"
    assert again.loss_map.packet == explorer.loss_map.packet
    np.testing.assert_array_equal(again.slice.values, explorer.slice.values)
    np.testing.assert_array_equal(again.curvature.matrix, explorer.curvature.matrix)
    np.testing.assert_array_equal(again.eigenpairs.values, explorer.eigenpairs.values)
    assert torch.equal(again.eigenpairs.vectors, explorer.eigenpairs.vectors)
    assert again.trace.trace == explorer.trace.trace
    assert again.slice_trace.stderr == explorer.slice_trace.stderr
    np.testing.assert_array_equal(again.sample.matrices, explorer.sample.matrices)
    assert again.verdict_bar.sentence == explorer.verdict_bar.sentence
    assert again.state == "idle"


def test_a_loaded_explorer_goes_on(saved) -> None:
    _, path = saved
    again = Explorer.load(path, quadratic(), executor=InlineExecutor())
    again.new_random_plane()
    assert again.error is None
    assert isinstance(again.request.axes[0], RandomAxis)
    assert torch.equal(again.slice.directions.vectors, again.directions.vectors)


def test_the_seed_comes_back_so_that_samples_are_gone_on_with(saved) -> None:
    _, path = saved
    objective = quadratic()
    again = Explorer.load(path, objective, executor=InlineExecutor())
    again.request = dataclasses.replace(again.request, planes=20)
    assert (again.state, again.error) == ("idle", None)
    np.testing.assert_array_equal(again.sample.matrices, cw.sample_projections(objective, samples=20, seed=3).matrices)


def test_a_trace_that_was_interrupted_is_gone_on_with_after_loading(tmp_path) -> None:
    objective = quadratic()
    explorer = cw.explore(objective, seed=3, resolution=11, planes=0, probes=30, spectrum_probes=0, executor=InlineExecutor())
    begun = next(stream_trace(objective, samples=30, seed=3))
    saved = dataclasses.replace(SavedState.of(explorer), results={**SavedState.of(explorer).results, "trace": begun})
    saved.save(tmp_path / "state.npz")
    again = Explorer.load(tmp_path / "state.npz", objective, executor=InlineExecutor())
    again.new_random_plane()
    assert (again.state, again.error) == ("idle", None)
    np.testing.assert_array_equal(again.trace.samples, cw.estimate_trace(objective, samples=30, seed=3).samples)


def test_a_file_without_a_seed_takes_the_one_given_and_another_than_the_files_is_refused(saved, tmp_path) -> None:
    _, path = saved
    with pytest.raises(ValueError, match="seed must be that of the file, 3, or None, got 4"):
        Explorer.load(path, quadratic(), seed=4)
    with np.load(path) as archive:
        parts = dict(archive)
    header = json.loads(str(parts.pop("__header__")))
    del header["result"]["fields"]["seed"]
    np.savez(tmp_path / "earlier.npz", __header__=np.array(json.dumps(header)), **parts)
    again = Explorer.load(tmp_path / "earlier.npz", quadratic(), seed=3, executor=InlineExecutor())
    again.request = dataclasses.replace(again.request, planes=20)
    assert (again.state, len(again.sample)) == ("idle", 20)
    assert Explorer.load(tmp_path / "earlier.npz", quadratic(), executor=InlineExecutor()).seed == 0


def test_a_loaded_explorer_keeps_no_more_than_it_is_told(saved) -> None:
    _, path = saved
    again = Explorer.load(path, quadratic(), cache_bytes=1000, executor=InlineExecutor())
    again.new_random_plane()
    assert again._answerers.kept.nbytes <= 1000 < bytes_of(again.slice)


def test_own_directions_and_a_place_come_back(tmp_path) -> None:
    explorer = cw.explore(quadratic(), resolution=11, planes=5, probes=5, executor=InlineExecutor())
    explorer.directions = cw.Directions(torch.eye(6, dtype=torch.float64)[:2], ("<b>", "b"))
    explorer.probe = (0.1, 0.05)
    explorer.go_to_probe()
    explorer.save(tmp_path / "state.npz")
    again = Explorer.load(tmp_path / "state.npz", quadratic(), executor=InlineExecutor())
    assert again.directions.labels == ("<b>", "b")
    assert torch.equal(again.center.theta, explorer.center.theta)
    np.testing.assert_array_equal(again.slice.values, explorer.slice.values)


def test_a_saved_state_is_shown_and_exported_without_a_model(saved) -> None:
    explorer, path = saved
    view = SavedView.load(path)
    assert view.loss_map.packet == explorer.loss_map.packet
    assert view.profiles.probe == (0.01, -0.02)
    assert view.verdict_bar.facts == explorer.verdict_bar.facts
    assert view.to_png()[:4] == b"\x89PNG"
    assert "curvwidget-content" in view.to_html()
    view.loss_map.probe = (0.0, 0.01)
    assert view.profiles.probe == (0.0, 0.01)


def test_a_state_of_another_model_is_refused(saved) -> None:
    _, path = saved
    with pytest.raises(ValueError, match="N = 7"):
        Explorer.load(path, quadratic(7), executor=InlineExecutor())


def test_nothing_is_unpickled(saved) -> None:
    _, path = saved
    with np.load(path, allow_pickle=False) as archive:
        assert all(archive[name].dtype != object for name in archive.files)
    assert isinstance(SavedState.load(path), SavedState)
