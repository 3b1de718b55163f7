"""Blocks of arrays that the front end takes apart."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from curvwidget.widgets.packing import pack, unpack


def test_arrays_come_back_bit_by_bit_with_nan_and_infinities() -> None:
    arrays = {
        "doubles": np.array([[np.nan, np.inf], [-np.inf, -0.0]]),
        "floats": np.arange(6, dtype=np.float32).reshape(1, 2, 3),
        "bytes": np.array([1, 2, 3], dtype=np.uint8),
        "shorts": np.array([], dtype=np.uint16),
        "words": np.array(7, dtype=np.uint32),
    }
    meta, found = unpack(pack({"labels": ["λ", "θ"], "version": 1}, arrays))
    assert meta == {"labels": ["λ", "θ"], "version": 1}
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


def test_each_array_starts_at_a_multiple_of_8_bytes() -> None:
    block = pack({"odd": "θ"}, {"a": np.ones(3, np.uint8), "b": np.ones(3, np.float32), "c": np.ones(2)})
    assert block[:4] == b"CVW1"
    (length,) = struct.unpack("<I", block[4:8])
    header = json.loads(block[8 : 8 + length])
    assert (8 + length) % 8 == 0
    assert [field["offset"] % 8 for field in header["fields"].values()] == [0, 0, 0]
    assert np.frombuffer(block, "<f8", 2, 8 + length + header["fields"]["c"]["offset"]).tolist() == [1, 1]


def test_numbers_are_little_endian_and_contiguous_whatever_they_were() -> None:
    big = np.arange(6, dtype=">f8").reshape(2, 3).T
    _, arrays = unpack(pack({}, {"big": big}))
    np.testing.assert_array_equal(arrays["big"], big)
    assert arrays["big"].dtype == np.dtype("<f8")


def test_an_array_of_another_type_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="array 'counts' must be one of f4, f8, u1, u2, u4, got int64"):
        pack({}, {"counts": np.arange(3, dtype=np.int64)})


def test_nan_in_the_description_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        pack({"loss": float("nan")}, {})


def test_a_block_from_elsewhere_is_refused() -> None:
    with pytest.raises(ValueError, match="block must start with b'CVW1', got b'PNG!'"):
        unpack(b"PNG!" + bytes(20))
