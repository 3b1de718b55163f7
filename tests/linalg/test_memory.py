"""The memory of Lanczos is its basis, whose size is bounded, and not its products."""

from __future__ import annotations

import subprocess
import sys

import pytest

N = 2_000_000  # float32: 8 MB a vector
CAP = 16
MEASURED = f"""
import resource, torch
from curvwidget.linalg import SymmetricOperator, extreme_eigenpairs, spectral_density
torch.set_num_threads(1)
values = torch.linspace(-1, 1, {N})
values[0], values[1] = -1.05, 1.05
operator = SymmetricOperator({N}, lambda rows: rows * values, dtype=torch.float32)
extreme_eigenpairs(operator, largest=1, smallest=0, max_hvps=2, max_basis=9)  # what a first search of any size needs

def grown(run):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = run()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, result

small, density = grown(lambda: spectral_density(operator, probes=1, steps=40, max_basis=10))
large, pairs = grown(lambda: extreme_eigenpairs(operator, max_basis={CAP}, max_hvps=200, tol=1e-4))
cut = int(any("cap of {CAP} vectors" in note for note in pairs.notes))
print(small, large, density.hvps, pairs.hvps, cut, int(pairs.converged.all()))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ru_maxrss is in KiB on Linux only")
def test_the_peak_memory_of_lanczos_is_its_cap_whatever_the_products() -> None:
    """Ten vectors of 8 MB for the density; 16 for the eigenpairs, whose search is cut back beyond and still converges.

    Beside the basis there are some vectors: a probe in float64, a product, what is left of it, sums in float64, the pairs found.
    """
    done = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True, timeout=300)
    small, large, density_hvps, hvps, cut, converged = map(int, done.stdout.split())
    vector, beside = 4 * N, 12
    assert density_hvps == 9
    assert small * 1024 < (10 + beside) * vector
    assert (cut, converged) == (1, 1)
    assert hvps > CAP + 2 * beside  # so many vectors would not have fitted
    assert large * 1024 < (CAP + beside) * vector
