"""Any number of threads may use one objective and its siblings."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from curvwidget.objective import Objective
from curvwidget.objective.kernels import differentiable_kernels, full_precision
from tests.cases import case_named

CPU = torch.device("cpu")


def hammer(objectives: list[Objective], vectors: Tensor, rounds: int, start: threading.Barrier) -> list[Tensor]:
    torch.set_num_threads(1)
    start.wait(timeout=30)
    found = []
    for _ in range(rounds):
        for objective in objectives:
            there = objective.theta + 0.1
            found.append(torch.tensor([objective.loss(there)]))
            found.append(objective.gradient(there))
            found.append(objective.hvp(vectors))
    return found


@pytest.mark.parametrize("batch_size", [None, 7], ids=["one batch, kept graphs", "several batches"])
@pytest.mark.parametrize("name", ["MLP with tanh", "transformer encoder layer"])
def test_threads_that_share_a_model_get_what_each_gets_alone(name: str, batch_size: int | None) -> None:
    objective = case_named(name).build().objective(batch_size=batch_size)
    siblings = [objective, objective.at(objective.theta - 0.2), objective.at(-objective.theta)]
    vectors = torch.randn(2, objective.n_parameters, dtype=torch.float64)
    alone = hammer(siblings, vectors, 1, threading.Barrier(1))
    start = threading.Barrier(4)
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(hammer, siblings, vectors, 5, start) for _ in range(4)]
        for run in runs:
            for index, found in enumerate(run.result(timeout=60)):
                # Kept graphs and fresh ones add up in one order: equal to the last bit but for what BLAS does.
                torch.testing.assert_close(found, alone[index % len(alone)], rtol=1e-12, atol=1e-14)


def attention_flags() -> tuple[bool, bool, bool]:
    cuda = torch.backends.cuda
    return cuda.flash_sdp_enabled(), cuda.mem_efficient_sdp_enabled(), cuda.math_sdp_enabled()


def test_kernels_stay_held_until_the_last_thread_lets_go() -> None:
    before = attention_flags()
    assert before != (False, False, True)
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with differentiable_kernels(2, CPU, recurrent=True):
            entered.set()
            leave.wait(timeout=30)

    other = threading.Thread(target=hold)
    with differentiable_kernels(2, CPU, recurrent=True):
        other.start()
        assert entered.wait(timeout=30)
        assert attention_flags() == (False, False, True)
    assert attention_flags() == (False, False, True)
    assert not torch.backends.cudnn.enabled
    leave.set()
    other.join(timeout=30)
    assert attention_flags() == before
    assert torch.backends.cudnn.enabled


def test_kernels_are_let_go_by_an_exception() -> None:
    before = attention_flags()
    with pytest.raises(KeyError), differentiable_kernels(2, CPU, recurrent=True):
        raise KeyError
    assert attention_flags() == before


def test_first_derivatives_leave_attention_as_it_is() -> None:
    before = attention_flags()
    with differentiable_kernels(1, CPU, recurrent=False):
        assert attention_flags() == before


def precision() -> tuple[bool, str]:
    return torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()


@pytest.mark.filterwarnings("ignore:.*CUDA is not available")  # of autocast, where there is none
def test_no_digits_are_left_out_on_a_gpu_while_anybody_computes_there_and_the_users_choice_comes_back() -> None:
    before, gpu = precision(), torch.device("cuda")
    try:
        torch.backends.cudnn.allow_tf32 = True
        torch.set_float32_matmul_precision("medium")
        with full_precision(CPU):
            assert precision() == (True, "medium")
        with full_precision(gpu):
            with full_precision(gpu):
                assert precision() == (False, "highest")
            assert precision() == (False, "highest")
            with torch.backends.cudnn.flags(enabled=False):  # a model may say so, and reads them all for it
                pass
        assert precision() == (True, "medium")
    finally:
        torch.backends.cudnn.allow_tf32 = before[0]
        torch.set_float32_matmul_precision(before[1])
    assert precision() == before


@pytest.mark.filterwarnings("ignore:.*CUDA is not available")
@pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="this torch has the older names alone")
def test_nor_where_that_was_chosen_by_newer_names_which_the_older_ones_do_not_know() -> None:
    conv = torch.backends.cudnn.conv
    before = conv.fp32_precision
    try:
        conv.fp32_precision = "none"  # and recurrent layers as they were: the older name cannot say both
        with pytest.raises(RuntimeError, match="mix of the legacy and new APIs"):
            precision()
        with full_precision(torch.device("cuda")):
            assert conv.fp32_precision == torch.backends.cudnn.rnn.fp32_precision == "ieee"
            assert torch.backends.cuda.matmul.fp32_precision == "ieee"
        assert conv.fp32_precision == "none"
        assert torch.backends.cudnn.rnn.fp32_precision == "tf32"
    finally:
        conv.fp32_precision = before
