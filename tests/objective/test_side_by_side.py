"""Work on several threads is all done, once, by threads that compute alone, and whoever asked for it is left as it was."""

from __future__ import annotations

import itertools
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from curvwidget._interrupt import checkpoint, interruptible
from curvwidget.objective import Objective, affine, products, recorded_plane
from curvwidget.objective import along as along_module
from curvwidget.objective.side_by_side import choose_threads, do_side_by_side, most_threads
from tests.cases import CASES, Case, case_named, dense_hessian
from tests.objective.conftest import Witness
from tests.objective.planes import coordinates, directions

THREADS = 3
NETS = ("MLP with tanh", "convolution with BatchNorm", "transformer encoder layer", "tied language model")
MODELS = [case for case in CASES if case.build().model is not None]


@pytest.fixture(autouse=True)
def several_threads(one_thread: None) -> None:
    torch.set_num_threads(THREADS)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Points and vectors are given to threads, however small they are, from the first on."""
    monkeypatch.setattr(affine, "_MULTIPLICATIONS_A_TERM", 0.1)
    monkeypatch.setattr(along_module, "_FIRST_POINTS", 0)
    for module in (recorded_plane, products):
        monkeypatch.setattr(module, "choose_threads", lambda _, most: most)


class Stopped(Exception):  # noqa: N818
    pass


def patient_for(looks: int) -> Callable[[], None]:
    """What interrupts at the next look after so many, and is asked by the calling thread alone."""
    asking, seen = threading.get_ident(), itertools.count(1)

    def check() -> None:
        assert threading.get_ident() == asking
        if next(seen) > looks:
            raise Stopped

    return check


@pytest.mark.parametrize("threads", [1, 2, THREADS, 9])
def test_each_piece_is_done_once_by_a_thread_that_computes_alone(threads: int) -> None:
    done: list[tuple[int, int, int, int]] = []
    all_there = threading.Barrier(threads)

    def work(thread: int, pieces: Iterator[int]) -> None:
        done.append((next(pieces), thread, threading.get_ident(), torch.get_num_threads()))
        all_there.wait(timeout=30)
        done.extend((piece, thread, threading.get_ident(), torch.get_num_threads()) for piece in pieces)

    do_side_by_side(work, 40, threads)
    pieces, numbers, idents, computing_with = zip(*done, strict=True)
    assert sorted(pieces) == list(range(40))
    assert set(numbers) == set(range(threads))
    assert len(set(idents)) == threads
    assert threading.get_ident() in idents
    assert set(computing_with) == {1}
    assert torch.get_num_threads() == THREADS


def test_no_more_threads_are_asked_than_there_are_pieces() -> None:
    numbers = []

    def work(thread: int, pieces: Iterator[int]) -> None:
        numbers.append(thread)
        assert len(list(pieces)) <= 2

    do_side_by_side(work, 2, 8)
    assert set(numbers) <= {0, 1}
    do_side_by_side(work, 0, 8)


@pytest.mark.parametrize("failing", [0, 1, 2], ids=["the calling thread", "another one", "the last one"])
def test_an_error_comes_out_when_all_have_stopped(failing: int) -> None:
    begun, at_work = [], set()

    def work(thread: int, pieces: Iterator[int]) -> None:
        at_work.add(thread)
        try:
            for piece in pieces:
                begun.append(piece)
                time.sleep(0.002)
                checkpoint()  # raises in whoever is still at it when another has failed
                if thread == failing and len(begun) > 6:
                    raise KeyError(piece)
        finally:
            at_work.remove(thread)

    with pytest.raises(KeyError):
        do_side_by_side(work, 10_000, THREADS)
    assert not at_work
    assert len(begun) < 100
    assert torch.get_num_threads() == THREADS


def test_an_interrupt_reaches_all_of_them_within_their_pieces() -> None:
    at_work = set()

    def work(thread: int, pieces: Iterator[int]) -> None:
        at_work.add(thread)
        try:
            for _ in pieces:
                while True:  # a piece that never ends by itself
                    checkpoint()
                    time.sleep(0.001)
        finally:
            at_work.remove(thread)

    with interruptible(patient_for(5)), pytest.raises(Stopped):
        do_side_by_side(work, 10, THREADS)
    assert not at_work
    assert torch.get_num_threads() == THREADS


def test_who_has_nothing_left_to_do_can_be_interrupted_while_it_waits() -> None:
    other_has_one = threading.Event()

    def work(thread: int, pieces: Iterator[int]) -> None:
        for _ in pieces:
            while thread:
                other_has_one.set()
                checkpoint()
                time.sleep(0.001)
            assert other_has_one.wait(timeout=30)

    with interruptible(patient_for(20)), pytest.raises(Stopped):
        do_side_by_side(work, 4, 2)


def test_several_may_ask_at_the_same_time() -> None:
    def ask(count: int) -> int:
        found = []
        do_side_by_side(lambda _, pieces: found.extend(pieces), count, THREADS)
        return sum(found)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(40))) == [count * (count - 1) // 2 for count in range(40)]


def test_threads_are_chosen_where_pieces_do_not_hinder_each_other() -> None:
    def asleep(_: int, pieces: Iterator[int]) -> None:
        for _piece in pieces:
            time.sleep(0.004)

    lock = threading.Lock()

    def one_by_one(_: int, pieces: Iterator[int]) -> None:
        for _piece in pieces:
            with lock:
                time.sleep(0.004)
            if threading.current_thread() is not threading.main_thread():
                time.sleep(0.012)

    def tiny(_: int, pieces: Iterator[int]) -> None:
        for _piece in pieces:
            pass

    assert choose_threads(asleep, THREADS) == THREADS
    assert choose_threads(one_by_one, THREADS) == 0
    assert choose_threads(asleep, 1) == 0
    assert choose_threads(tiny, THREADS) == 0


def test_many_threads_are_chosen_where_few_are_slower_than_one_operation_divided_among_all() -> None:
    def divisible(_: int, pieces: Iterator[int]) -> None:
        for _piece in pieces:
            time.sleep(0.016 if torch.get_num_threads() == 1 else 0.004)

    lock = threading.Lock()

    def crowded(thread: int, pieces: Iterator[int]) -> None:
        for _piece in pieces:
            if thread > 3:  # whoever comes fifth or later hinders all others
                with lock:
                    time.sleep(0.02)
            time.sleep(0.004)

    assert choose_threads(divisible, 8) == 8
    assert choose_threads(divisible, 3) == 0
    assert choose_threads(crowded, 8) == 4


def test_what_takes_long_is_tried_once_and_left_to_all_threads() -> None:
    begun = []

    def long(_: int, pieces: Iterator[int]) -> None:
        for piece in pieces:
            begun.append(piece)
            time.sleep(0.3)

    assert choose_threads(long, THREADS) == 0
    assert begun == [0]


def test_the_caller_s_number_of_threads_is_the_most() -> None:
    assert most_threads() == THREADS
    torch.set_num_threads(1)
    assert most_threads() == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_fork_has_threads_of_its_own() -> None:
    do_side_by_side(lambda _, pieces: [None for _ in pieces].clear(), 9, THREADS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork where there are threads
        child = os.fork()
    if child == 0:
        found: list[int] = []
        do_side_by_side(lambda _, pieces: found.extend(pieces), 50, 2)
        os._exit(0 if sum(found) == 1225 else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("case", MODELS, ids=str)
def test_points_on_several_threads_have_the_losses_that_they_have_alone(case: Case, count: int) -> None:
    objective = case.build().objective()
    vectors, points = directions(objective, count), coordinates(count, 11)
    along = objective.along(vectors)
    found = along.at(points)
    assert along._plane is not None
    assert along._plane.threads == along.points_at_once == THREADS
    truth = objective.losses(objective.theta + torch.from_numpy(points) @ vectors).numpy()
    np.testing.assert_allclose(found, truth, rtol=1e-12, atol=1e-14)
    assert along.at(points[:1]).tolist() + along.at(points[1:]).tolist() == found.tolist()  # to the last bit


@pytest.mark.usefixtures("always")
def test_points_on_threads_of_uneven_batches_and_of_several_planes() -> None:
    objective = case_named("convolution with BatchNorm").build().objective(batch_size=5)
    points = coordinates(2, 9)
    for shift in range(3):
        vectors = directions(objective).roll(shift, 1)
        found = objective.along(vectors).at(points)
        truth = objective.losses(objective.theta + torch.from_numpy(points) @ vectors).numpy()
        np.testing.assert_allclose(found, truth, rtol=1e-12, atol=1e-14)
    assert len(objective._risk.ways.point_threads) == 1  # measured once


@pytest.mark.usefixtures("always")
def test_points_on_threads_may_be_interrupted_and_leave_everything_as_it_was() -> None:
    problem = case_named("residual convolution").build()
    assert problem.model is not None
    objective = problem.objective(batch_size=4)
    along, points = objective.along(directions(objective)), coordinates(2, 200)
    truth = along.at(points)
    witness = Witness(problem.model, objective.theta)
    for patience in (0, 1, 5, 12):
        with interruptible(patient_for(patience)), pytest.raises(Stopped):
            along.at(points)
        witness.assert_untouched()
    assert along.at(points).tolist() == truth.tolist()


@pytest.mark.usefixtures("always")
def test_points_that_are_no_numbers_come_as_they_are() -> None:
    net = nn.Linear(2, 1).double()
    nn.init.ones_(net.weight)
    nn.init.ones_(net.bias)
    data = torch.rand(4, 2, dtype=torch.float64), torch.ones(4, 1)
    objective = Objective(net, lambda output, y: (output.log() - y).square().mean(), data)
    along = objective.along(torch.eye(3, dtype=torch.float64)[2:])
    found = along.at(np.linspace(-4, 1, 9)[:, None])
    assert along.points_at_once == THREADS
    assert np.isnan(found[0])
    assert np.isfinite(found[-1])


def test_memory_for_points_of_several_threads_is_within_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    def most(budget: str) -> int:
        monkeypatch.setenv("CURVWIDGET_MEMORY", budget)
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(64, 256), nn.Tanh(), nn.Linear(256, 10))
        objective = Objective(net, F.cross_entropy, (torch.randn(512, 64), torch.randint(10, (512,))))
        along = objective.along(directions(objective))
        along.expect_many()
        along.at(np.zeros((1, 2)))
        assert along._plane is not None
        return along._plane.most_threads

    hidden = 512 * 256 * 4  # what is known of the first layer, three times, and on each thread
    assert most("64MB") == THREADS
    assert most(str(6 * hidden)) == 2
    assert most(str(hidden)) == 1


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("at_once", [1, 4])
@pytest.mark.parametrize("batch_size", [None, 5], ids=["one batch", "uneven batches"])
@pytest.mark.parametrize("case", [case_named(name) for name in NETS], ids=str)
def test_vectors_on_several_threads_have_dense_products(case: Case, batch_size: int | None, at_once: int) -> None:
    problem = case.build()
    objective = problem.objective(batch_size=batch_size)
    ways = objective._risk.ways
    vectors = torch.randn(11, objective.n_parameters, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    objective.hvp(vectors)
    assert ways.threads == THREADS
    ways.at_once = at_once
    expected = vectors @ dense_hessian(problem)
    torch.testing.assert_close(objective.hvp(vectors), expected, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(objective.hvp(vectors[:2]), expected[:2], rtol=1e-9, atol=1e-12)
    assert torch.equal(objective.hvp(vectors), objective.hvp(vectors))
    assert f"on each of {THREADS} threads" in objective.ways


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("kind", ["points", "vectors"])
def test_it_can_be_switched_off(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    objective = case_named("MLP with tanh").build().objective()
    if kind == "points":
        monkeypatch.setattr(recorded_plane.RecordedPlane, "takes_threads", False)
        along = objective.along(directions(objective))
        along.at(coordinates(2, 3))
        assert along.points_at_once == 1
    else:
        monkeypatch.setattr(products.HessianProducts, "takes_threads", False)
        objective.hvp(torch.randn(8, objective.n_parameters, dtype=torch.float64))
        assert objective._risk.ways.threads == 0


@pytest.mark.usefixtures("always")
def test_products_on_threads_may_be_interrupted_and_are_the_same_afterwards() -> None:
    problem = case_named("residual convolution").build()
    assert problem.model is not None
    objective = problem.objective()
    vectors = torch.randn(9, objective.n_parameters, dtype=torch.float64)
    truth = objective.hvp(vectors)
    witness = Witness(problem.model, objective.theta, vectors)
    with interruptible(patient_for(1)), pytest.raises(Stopped):
        objective.hvp(vectors)
    witness.assert_untouched()
    assert torch.equal(objective.hvp(vectors), truth)


@pytest.mark.usefixtures("always")
def test_fewer_threads_of_the_caller_are_fewer_at_once() -> None:
    objective = case_named("MLP with tanh").build().objective()
    vectors, points = torch.randn(8, objective.n_parameters, dtype=torch.float64), coordinates(2, 9)
    along = objective.along(directions(objective))
    losses, found = along.at(points), objective.hvp(vectors)
    computing: set[str] = set()

    def asked(number: int) -> bool:
        torch.set_num_threads(number)
        np.testing.assert_allclose(along.at(points), losses, rtol=1e-12)
        torch.testing.assert_close(objective.hvp(vectors), found, rtol=1e-9, atol=1e-12)
        return bool(computing)

    with pytest.MonkeyPatch.context() as patch:
        for module in (recorded_plane, products):
            patch.setattr(module, "do_side_by_side", lambda *args: (computing.add("threads"), do_side_by_side(*args)))
        assert not asked(1)
        assert asked(2)
