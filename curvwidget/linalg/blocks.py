"""Products with many vectors, several at once where the operator is faster so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import torch
from torch import Tensor

from curvwidget.linalg.operator import SymmetricOperator

__all__ = ["stream_products"]


def stream_products(
    matrix: SymmetricOperator, vector: Callable[[int], Tensor], *, start: int = 0, stop: int | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield vectors with their products.

    Blocks begin at multiples of their length. Without an end they are always whole, so that a product is the same to the last bit
    wherever the stream begins and however many are taken from it.

    Args:
        matrix: The matrix A.
        vector: Gives the vector ``(N,)`` of an index.
        start: The first index.
        stop: The index after the last; None for no end.

    Yields:
        The vector v of each index, and A·v.
    """
    rows = matrix.rows_at_once()
    if rows == 1:
        for index in count(start) if stop is None else range(start, stop):
            alone = vector(index)
            yield alone, (matrix @ alone).detach()
        return
    for first in count(start - start % rows, rows):
        end = first + rows if stop is None else min(first + rows, stop)
        if end <= start:
            return
        block = torch.stack([vector(index) for index in range(first, end)])
        products = (matrix @ block).detach()
        for index in range(max(start, first), end):
            yield block[index - first], products[index - first]
        if end == stop:
            return
