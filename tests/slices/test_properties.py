"""What holds for slices of any span, resolution, seed, dtype and cut of the data."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import curvwidget as cw

QUICK = settings(max_examples=25, deadline=None)
ODD = st.integers(1, 6).map(lambda half: 2 * half + 1)
DTYPES = st.sampled_from([torch.float32, torch.float64])


@QUICK
@given(
    spans=st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=3),
    resolution=ODD,
    seed=st.integers(0, 2**64 - 1),
    dtype=DTYPES,
)
def test_a_quadratic_is_sliced_as_its_projection_says(spans, resolution, seed, dtype) -> None:
    diagonal = torch.tensor([3.0, -1.0, 0.5, 2.0], dtype=dtype)
    objective = cw.Objective.from_function(lambda t: 0.5 * (diagonal * t**2).sum() + t[0], torch.zeros(4, dtype=dtype))
    directions = cw.random_directions(objective, len(spans), seed=seed)
    found = cw.slice_loss(objective, directions, span=spans, resolution=resolution)
    assert found.values.shape == (resolution,) * len(spans)
    assert found.span == tuple(spans)
    for axis in found.axes:
        assert (axis == -axis[::-1]).all()
        assert (np.diff(axis) > 0).all()
    assert found.center == objective.loss()
    assert found.evaluations == found.values.size
    vectors = directions.vectors.double().numpy()
    moved = np.stack(np.meshgrid(*found.axes, indexing="ij"), axis=-1) @ vectors
    terms = 0.5 * diagonal.double().numpy() * moved**2
    rounding = 20 * torch.finfo(dtype).eps * (np.abs(terms).sum(axis=-1) + np.abs(moved[..., 0])).max()
    np.testing.assert_allclose(found.values, terms.sum(axis=-1) + moved[..., 0], rtol=0, atol=rounding)


@QUICK
@given(cuts=st.lists(st.integers(1, 11), max_size=4, unique=True), dtype=DTYPES, resolution=ODD)
def test_any_cut_of_the_data_into_batches_gives_the_same_slice(cuts, dtype, resolution) -> None:
    """Trap 5, of slices."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).to(dtype)
    x, y = torch.randn(12, 3, dtype=dtype), torch.randn(12, 2, dtype=dtype)
    edges = [0, *sorted(cuts), 12]
    batches = [(x[start:end], y[start:end]) for start, end in pairwise(edges)]
    whole = cw.Objective(model, nn.functional.mse_loss, (x, y))
    cut = cw.Objective(model, nn.functional.mse_loss, batches, batch_size=5)
    slices = [cw.slice_loss(each, cw.random_directions(each), span=0.3, resolution=resolution).values for each in (whole, cut)]
    np.testing.assert_allclose(slices[1], slices[0], rtol=50 * torch.finfo(dtype).eps)


@QUICK
@given(scale=st.floats(1e-3, 1e3), span=st.floats(1e-2, 1), resolution=ODD)
def test_a_direction_of_another_length_shows_the_same_points_at_other_coordinates(scale, span, resolution) -> None:
    objective = cw.Objective.from_function(lambda t: t.cos().sum() + t[0], torch.ones(3, dtype=torch.float64))
    direction = cw.random_directions(objective, 1, seed=1)
    longer = cw.own_directions(objective, direction.vectors * scale)
    first = cw.slice_loss(objective, direction, span=span, resolution=resolution)
    second = cw.slice_loss(objective, longer, span=span / scale, resolution=resolution)
    np.testing.assert_allclose(second.values, first.values, rtol=1e-12, atol=1e-12)


@QUICK
@given(count=st.integers(1, 3), resolution=ODD, values=st.sampled_from([np.nan, np.inf, -np.inf]), dtype=DTYPES)
def test_slices_come_back_from_files_with_all_that_they_were(tmp_path_factory, count, resolution, values, dtype) -> None:
    objective = cw.Objective.from_function(lambda t: (t**2).sum(), torch.zeros(4, dtype=dtype))
    found = cw.slice_loss(objective, cw.random_directions(objective, count), span=1.0, resolution=resolution)
    found.values.flat[0] = values
    path = tmp_path_factory.mktemp("slices") / "slice.npz"
    found.save(path)
    loaded = cw.LossSlice.load(path)
    np.testing.assert_array_equal(loaded.values, found.values)
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(loaded.axes, found.axes, strict=True))
    assert torch.equal(loaded.directions.vectors, found.directions.vectors)
    assert (loaded.directions.labels, loaded.directions.seed) == (found.directions.labels, 0)
    assert (loaded.evaluations, loaded.error, loaded.progress) == (found.evaluations, found.error, 1.0)
