"""One Hessian-vector product, and a block of eight, beside other packages and in units of one gradient."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.agreement import REFUSALS, check_agreement, why_not
from benchmarks.nets import Net, build_net
from benchmarks.peers import OURS, PRODUCTS, Products, attention_that_bends, gradient_of, plain_products
from benchmarks.timing import Rounds, Times, interleave, repeated

__all__ = ["BLOCK", "Chosen", "measure", "measure_products"]

BLOCK = 8
GRADIENT = "gradient"

_MILLISECOND = 1e-3
_ROUNDS = Rounds(seconds=14, least=5, least_seconds=0.02)
_FEW_ROUNDS = Rounds(seconds=0, least=2, most=2)
_EIGHT = " × 8"  # what sets the block's entry apart from the single product's


@dataclass(frozen=True)
class Chosen:
    """Who is timed on a net, and who is not.

    Attributes:
        timed: Products that were seen to be right, by package.
        why_not: The reasons of the others.
        notes: What had to be done for those that are timed.
        first: Seconds from nothing to the first product and the first block, once, with what a package prepares and measures.
    """

    timed: dict[str, Any]
    why_not: dict[str, str]
    notes: dict[str, str]
    first: dict[str, float]


def measure(names: list[str], device: str = "cpu", *, quick: bool = False) -> dict[str, Any]:
    """Measure products on networks of the list.

    Args:
        names: Which.
        device: Where.
        quick: Whether to see only that it runs.

    Returns:
        Tables for the results' file.
    """
    tables: dict[str, list[dict[str, Any]]] = {}
    for name in names:
        measured = measure_products(build_net(name, device, quick=quick), _FEW_ROUNDS if quick else _ROUNDS)
        for table, rows in measured.items():
            tables.setdefault(table, []).extend(rows)
        print(f"hvp: {name} done", flush=True)
    return {
        "title": "Hessian-vector products",
        "description": (
            "One product, and a block of eight. Each package's product is compared with a double backward in plain torch "
            "before it is timed. Medians and quartiles; ratios are taken between neighbours in time. A gradient is one "
            "forward and backward pass, by torch alone."
        ),
        **{table: rows for table, rows in tables.items() if rows},
    }


def measure_products(net: Net, rounds: Rounds) -> dict[str, list[dict[str, Any]]]:
    """Measure products on one network.

    Args:
        net: The network.
        rounds: How often.

    Returns:
        Rows of six tables.
    """
    generator = torch.Generator().manual_seed(1)
    vectors = torch.randn(BLOCK, net.n_parameters, generator=generator).to(net.x.device)
    chosen = choose(net, vectors)
    with attention_that_bends(net):
        contenders = {GRADIENT: repeated(gradient_of(net))}
        for package, products in chosen.timed.items():
            contenders[package] = repeated(products.call(vectors[:1]))
            contenders[package + _EIGHT] = repeated(products.call(vectors))
        times = interleave(contenders, rounds, net.x.device)
    return {
        "one_product": [_single(net, package, times) for package in (*chosen.timed, GRADIENT)],
        "block_of_eight": [_block(net, package, times) for package in chosen.timed],
        "from_nothing_to_the_first_block": [
            {"net": net.name, "package": package, "time_ms": seconds / _MILLISECOND} for package, seconds in chosen.first.items()
        ],
        "ways_of_curvwidget": [{"net": net.name, "ways": chosen.timed[OURS].objective.ways}],
        "timed_with_help": [{"net": net.name, "package": package, "help": note} for package, note in chosen.notes.items()],
        "not_timed": [{"net": net.name, "package": package, "why": reason} for package, reason in chosen.why_not.items()],
    }


def choose(net: Net, vectors: Tensor) -> Chosen:
    """See who computes the products of a net, and whether they are the same.

    Where ours are others than those of plain torch a `Disagreement` is raised: there is nothing to measure then.

    Args:
        net: The network.
        vectors: ``(k, N)``.

    Returns:
        The packages.
    """
    expected = plain_products(net, vectors)
    chosen = Chosen({}, {}, {}, {})
    chosen.timed[OURS], chosen.first[OURS] = _checked(OURS, net, vectors, expected)
    for package in PRODUCTS:
        if package == OURS:
            continue
        try:
            checked = _checked(package, net, vectors, expected)
        except REFUSALS as error:
            if not net.attention or isinstance(error, ImportError):
                chosen.why_not[package] = why_not(error)
                continue
            try:
                with attention_that_bends(net):
                    checked = _checked(package, net, vectors, expected)
            except REFUSALS as other:
                chosen.why_not[package] = why_not(other)
                continue
            chosen.notes[package] = f"torch's attention set to its math kernel; as it is, {why_not(error)}"
        chosen.timed[package], chosen.first[package] = checked
    return chosen


def _checked(package: str, net: Net, vectors: Tensor, expected: Tensor) -> tuple[Products, float]:
    PRODUCTS[package](net)  # its import and torch's first use are no part of what follows
    began = time.perf_counter()
    products = PRODUCTS[package](net)
    results = {count: products.call(vectors[:count])() for count in (1, len(vectors))}
    seconds = time.perf_counter() - began
    for count, result in results.items():
        check_agreement(f"{package}'s product with {count}", products.rows(result), expected[:count])
    return products, seconds


def _single(net: Net, package: str, times: Times) -> dict[str, Any]:
    return {
        **net.describe(),
        "package": package,
        "time_ms": times.of(package, unit=_MILLISECOND),
        "gradients": times.ratio(package, GRADIENT),
        "times_ours": times.ratio(package, OURS),
    }


def _block(net: Net, package: str, times: Times) -> dict[str, Any]:
    return {
        **net.describe(),
        "package": package,
        "time_ms": times.of(package + _EIGHT, unit=_MILLISECOND),
        "over_eight_single": times.ratio(package + _EIGHT, package, factor=BLOCK),
        "times_ours": times.ratio(package + _EIGHT, OURS + _EIGHT),
    }
