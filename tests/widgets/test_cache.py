"""What the explorer has found is kept: asked again, it costs no evaluation; and the memory for it is bounded."""

from __future__ import annotations

import dataclasses
import gc
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch

import curvwidget as cw
from curvwidget.runs import InlineExecutor, Kept, bytes_of
from curvwidget.widgets import EigenAxis, Explorer, GradientAxis, Place, RandomAxis, Request
from curvwidget.widgets.answerers import Answerers
from curvwidget.widgets.kept_stream import KeptStream
from curvwidget.widgets.update import Known


class Counted:
    """A double well in the first coordinate, that counts how often it is asked."""

    def __init__(self, n: int = 20) -> None:
        self.calls = 0
        self.weights = torch.linspace(0.5, 2.0, n, dtype=torch.float64)
        self.objective = cw.Objective.from_function(self, torch.full((n,), 0.1, dtype=torch.float64))

    def __call__(self, t: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return 2 + t[0] ** 4 - 2 * t[0] ** 2 + (self.weights * t**2)[1:].sum()

    def explore(self, **options) -> Explorer:
        settings = {"resolution": 11, "planes": 10, "probes": 5, "executor": InlineExecutor()}
        return cw.explore(self.objective, **(settings | options))


def change(explorer: Explorer, **changes: object) -> None:
    explorer.request = dataclasses.replace(explorer.request, **changes)


THERE_AND_BACK: dict[str, Callable[[Explorer], None]] = {
    "another random plane": lambda explorer: change(explorer, axes=(RandomAxis(5, 0), RandomAxis(5, 1))),
    "the gradient": lambda explorer: change(explorer, axes=(GradientAxis(), RandomAxis(0, 1))),
    "the Hessian's plane": lambda explorer: change(explorer, axes=(EigenAxis(0), EigenAxis(-1))),
    "a blend": lambda explorer: change(explorer, blend=0.5),
    "another span": lambda explorer: change(explorer, zoom=2.0),
    "another grid": lambda explorer: change(explorer, resolution=21),
    "another law of random planes": lambda explorer: change(explorer, normalization="unit"),
    "another point": lambda explorer: explorer.go_to(Place(torch.full((20,), 0.3, dtype=torch.float64), "there")),
}


@pytest.mark.parametrize("way", THERE_AND_BACK)
def test_there_and_back_costs_nothing_on_the_way_back_nor_when_one_goes_there_again(way: str) -> None:
    loss = Counted()
    explorer = loss.explore()
    here, first = explorer.request, explorer.slice
    before = {name: getattr(explorer, name) for name in ("curvature", "eigenpairs", "trace", "sample", "density", "minima")}
    THERE_AND_BACK[way](explorer)
    there, second = explorer.request, explorer.slice
    assert second is not first
    loss.calls = 0
    explorer.request = here
    assert loss.calls == 0
    assert explorer.slice is first
    assert {name: getattr(explorer, name) for name in before} == before
    assert explorer.loss_map.slice is explorer.profiles.slice is explorer.surface.slice is first
    explorer.request = there
    assert loss.calls == 0
    assert explorer.slice is second
    assert explorer.state == "idle"


def test_the_hessians_ends_are_of_no_matter_to_a_plane_without_them() -> None:
    loss = Counted()
    explorer = loss.explore()
    first = explorer.slice
    change(explorer, blend=1.0)
    blended = explorer.slice
    change(explorer, blend=0.5)
    assert explorer.slice.values.tolist() != blended.values.tolist()
    loss.calls = 0
    explorer.controls.blend.value = 0.0
    assert (loss.calls, explorer.slice) == (0, first)
    change(explorer, distribution="rademacher", axes=(EigenAxis(0), EigenAxis(-1)), planes=0)
    loss.calls = 0
    change(explorer, distribution="gaussian")
    assert loss.calls == 0  # the law of random axes is of no matter to eigenvectors
    assert explorer.slice is not blended


def test_more_planes_than_were_drawn_are_drawn_and_not_all_anew() -> None:
    loss = Counted()
    explorer = loss.explore(planes=10, probes=0, spectrum_probes=0)
    change(explorer, planes=14)
    plain = cw.sample_projections(loss.objective, samples=14)
    np.testing.assert_array_equal(explorer.sample.matrices, plain.matrices)
    assert explorer.sample.hvps == plain.hvps


def test_more_probes_than_were_taken_are_added_and_fewer_cost_nothing() -> None:
    loss = Counted()
    methods = ("hutchinson", "slices", "hutch++", "xtrace")
    explorer = loss.explore(normalization="model", probes=8, trace_methods=methods, spectrum_probes=2, planes=0)
    seen: dict[str, list[int]] = {"trace": [], "slice_trace": [], "density": [], "other_traces": []}
    explorer.observe(lambda change: seen["trace"].append(len(change["new"].samples)), "trace")
    explorer.observe(lambda change: seen["slice_trace"].append(len(change["new"].samples)), "slice_trace")
    explorer.observe(lambda change: seen["density"].append(len(change["new"].nodes)), "density")
    explorer.observe(lambda change: seen["other_traces"].extend(trace.hvps for trace in change["new"]), "other_traces")
    change(explorer, probes=20, spectrum_probes=5)
    # as if there had been so many at once, and never with less than there was
    for found, options in (
        (explorer.trace, {}),
        (explorer.slice_trace, {"method": "slices", "seed": 1}),
        (explorer.other_traces[0], {"method": "hutch++", "seed": 2}),
        (explorer.other_traces[1], {"method": "xtrace", "seed": 3}),
    ):
        np.testing.assert_array_equal(found.samples, cw.estimate_trace(loss.objective, samples=20, **options).samples)
    scaled = cw.estimate_normalized_trace(loss.objective, normalization="model", samples=20)
    np.testing.assert_array_equal(explorer.scaled_traces["model"].samples, scaled.samples)
    np.testing.assert_array_equal(explorer.density.nodes, cw.spectral_density(loss.objective, probes=5).nodes)
    assert (min(seen["trace"]), min(seen["slice_trace"]), min(seen["density"]), min(seen["other_traces"])) == (9, 9, 2, 8)
    known = explorer.known
    loss.calls = 0
    change(explorer, probes=10, spectrum_probes=3)
    change(explorer, probes=20, spectrum_probes=5)
    assert (loss.calls, explorer.known) == (0, known)


def test_an_estimate_that_more_probes_cannot_mend_is_left_as_it_is() -> None:
    loss = Counted()
    explorer = loss.explore(probes=60, trace_methods=("exact", "xtrace"), spectrum_probes=0, planes=0)
    explorer.observe(lambda _: pytest.fail("computed anew"), "other_traces")
    loss.calls = 0
    change(explorer, probes=90)  # N is 20: XTrace has all of the matrix, as the exact trace has
    assert (explorer.state, loss.calls) == ("idle", 0)


def test_without_memory_all_is_computed_anew_and_is_the_same() -> None:
    kept, forgetful = Counted(), Counted()
    explorer, other = kept.explore(), forgetful.explore(cache_bytes=0)
    here, first = explorer.request, other.slice
    for one in (explorer, other):
        change(one, zoom=2.0)
    kept.calls = forgetful.calls = 0
    for one in (explorer, other):
        one.request = here
    assert kept.calls == 0 < forgetful.calls
    assert other.slice is not first
    np.testing.assert_array_equal(other.slice.values, first.values)
    assert other.known.eigenpairs is not None


def test_the_memory_stays_within_its_bound_and_the_newest_is_in_it() -> None:
    loss = Counted()
    bound = 40_000
    explorer = loss.explore(cache_bytes=bound, tolerance=None, planes=0, probes=0, spectrum_probes=0)
    for seed in range(12):
        change(explorer, axes=(RandomAxis(seed, 0), RandomAxis(seed, 1)))
    kept = explorer._answerers.kept
    assert bytes_of(explorer.slice) <= kept.nbytes <= bound < 12 * bytes_of(explorer.slice) + kept.nbytes
    newest = explorer.slice
    loss.calls = 0
    change(explorer, zoom=1.5)
    change(explorer, zoom=1.0)
    assert explorer.slice is newest
    change(explorer, axes=(RandomAxis(0, 0), RandomAxis(0, 1)))  # forgotten
    assert loss.calls >= 11 * 11


def test_a_slice_that_was_cancelled_is_gone_on_with() -> None:
    calls = 0

    def loss(t: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        if not t.requires_grad:
            calls += 1
            time.sleep(0.001)
        return (t**2).sum() - 2 * t[0] ** 2

    objective = cw.Objective.from_function(loss, torch.zeros(6, dtype=torch.float64))
    explorer = cw.explore(objective, resolution=21, tolerance=None, planes=0, probes=0, spectrum_probes=0)
    deadline = time.monotonic() + 20
    while (explorer.slice is None or explorer.slice.progress < 0.1) and time.monotonic() < deadline:
        time.sleep(0.005)
    explorer.cancel()
    assert explorer.wait(10)
    begun = explorer.slice
    assert begun.progress < 1
    calls = 0
    explorer.request = dataclasses.replace(explorer.request, planes=1)
    assert explorer.wait(30)
    assert calls <= 21 * 21 - begun.evaluations  # no point twice
    assert explorer.slice.directions is begun.directions
    plain = cw.slice_loss(objective, explorer.directions, span=explorer.slice.span, resolution=21)
    np.testing.assert_array_equal(explorer.slice.values, plain.values)
    explorer.close()


def living_tensors() -> int:
    gc.collect()
    storages = [thing.untyped_storage() for thing in gc.get_objects() if type(thing) is torch.Tensor]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


@pytest.mark.parametrize("start", ["at home", "elsewhere"])
def test_what_a_slice_left_half_done_holds_is_within_the_bound_too(start: str) -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.Tanh(), torch.nn.Linear(64, 10))
    data = torch.randn(4000, 32), torch.randint(0, 10, (4000,))
    objective = cw.Objective(net, torch.nn.functional.cross_entropy, data)
    answerers = Answerers(objective, seed=0, checkpoints=(), kept=Kept(2**30))
    here, there = (Place(objective.theta + step, f"{step}") for step in (0.1, 0.2))
    left, request = (None if start == "at home" else here), Request(tolerance=None)
    answerers.at(there)
    before = living_tensors()
    for update in answerers.at(left).answer(request, Known()):
        if update.slice is not None and update.slice.progress > 0.2:
            break
    begun = living_tensors() - before
    answerers.at(there)
    del update
    assert living_tensors() - before <= answerers.kept.nbytes < 2**18 < begun
    # what was kept of it is found again
    again = [update.slice for update in answerers.at(left).answer(request, Known()) if update.slice is not None][-1]
    assert again.progress == 1
    there_as_well = cw.slice_loss(objective.at(answerers.at(left).objective.theta), again.directions, span=again.span)
    np.testing.assert_allclose(again.values, there_as_well.values, rtol=1e-5)


def test_a_long_step_is_interrupted_at_once_and_a_short_one_ends() -> None:
    from curvwidget._interrupt import checkpoint, interruptible

    @dataclasses.dataclass
    class Step:
        progress: float

    class Stopped(BaseException):
        pass

    stop = threading.Event()
    waits = [0.0, 0.2, 0.2]

    def stream() -> object:
        for step, seconds in enumerate(waits):
            time.sleep(seconds)
            checkpoint()
            yield Step((step + 1) / len(waits))

    def check() -> None:
        if stop.is_set():
            raise Stopped

    with interruptible(check):
        short = KeptStream(stream, long_step=0.1)
        steps = iter(short)
        assert next(steps).progress < 0.5
        stop.set()
        next(steps)  # the one before was short: this one ends
        with pytest.raises(Stopped):
            next(steps)
        assert short.latest is None
        endless = KeptStream(stream)
        assert [step.progress for step in endless][-1] == 1.0
