"""A slice holds a bounded block of points, whatever its grid."""

from __future__ import annotations

import subprocess
import sys
import weakref

import pytest
import torch

import curvwidget as cw

N = 2_000_000  # float32: 8 MB a vector
MEASURED = f"""
import resource, torch, curvwidget as cw
from curvwidget.slices import known_losses
torch.set_num_threads(1)
known_losses._STEP_SECONDS = 1e9  # blocks are bounded by their memory alone, not by the time that they take
objective = cw.Objective.from_function(lambda t: torch.dot(t, t), torch.full(({N},), 1e-3))
axes = cw.own_directions(objective, torch.stack([torch.ones({N}), torch.linspace(-1, 1, {N})]))
cw.slice_loss(objective, axes, span=1e-3, resolution=3)  # what a first slice of any size needs
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
plane = cw.slice_loss(objective, axes, span=1e-3, resolution=9)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, plane.evaluations)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ru_maxrss is in KiB on Linux only")
def test_the_peak_memory_of_a_plane_is_a_block_and_not_its_points() -> None:
    """Trap 12: 81 points of 8 MB each would take 650 MB; a block of 64 MiB, and little else, is allowed."""
    done = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True, timeout=300)
    grown, evaluations = map(int, done.stdout.split())
    assert evaluations == 81
    assert grown * 1024 < 64 * 2**20 + 4 * 4 * N


def test_no_more_points_than_a_block_are_alive_at_a_time() -> None:
    """Trap 12: counted, on a plane of 1,681 points."""
    living: weakref.WeakSet[torch.Tensor] = weakref.WeakSet()
    counts: list[int] = []

    def spy(theta: torch.Tensor) -> torch.Tensor:
        living.add(theta)
        counts.append(len(living))
        return (theta**2).sum()

    objective = cw.Objective.from_function(spy, torch.zeros(4, dtype=torch.float64))
    cw.slice_loss(objective, cw.random_directions(objective), span=1.0, resolution=41)
    assert max(counts) <= 2 * 64
