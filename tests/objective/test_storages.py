"""Memory that tensors share is counted once."""

from __future__ import annotations

import torch

from curvwidget.objective.storages import Storages


def test_each_storage_counts_once_and_whole() -> None:
    whole, other = torch.zeros(100, dtype=torch.float64), torch.zeros(10)
    found = Storages([whole[:3], whole.view(10, 10).t(), other])
    assert found.bytes_beside([]) == 800 + 40
    assert found.bytes_beside([whole[50:]]) == 40
    assert found.bytes_beside([other, whole, torch.zeros(5)]) == 0
    assert whole[7] in found
    assert whole.clone() not in found


def test_sparse_tensors_have_no_memory_of_their_own() -> None:
    sparse = torch.eye(3).to_sparse()
    found = Storages([sparse])
    assert found.bytes_beside([]) == 0
    assert sparse not in found
    found.add(sparse.coalesce().values())
    assert found.bytes_beside([sparse]) == 12
