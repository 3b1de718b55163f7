"""CIFAR-10 is read from the binary version's files: one label byte and 3,072 pixel bytes a record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from curvwidget import zoo

TRAIN = [f"data_batch_{number}.bin" for number in range(1, 6)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six small files; the pixel of channel c, row i, column j of record r in file f is (f + 2r + 50c + 3i + 5j) mod 256."""
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for number, name in enumerate([*TRAIN, "test_batch.bin"]):
        with (folder / name).open("wb") as file:
            for record in range(3):
                file.write(bytes([(number + record) % 10]))
                file.write(bytes(pixel(number, record, c, i, j) for c in range(3) for i in range(32) for j in range(32)))
    return folder


def pixel(number: int, record: int, c: int, i: int, j: int) -> int:
    return (number + 2 * record + 50 * c + 3 * i + 5 * j) % 256


def test_labels_and_pixels_come_back_in_their_places(folder: Path) -> None:
    data = zoo.load_cifar10(folder, normalize=False)
    x, y = data.train
    assert x.shape == (15, 3, 32, 32)
    assert x.dtype == torch.float32
    assert y.tolist() == [(number + record) % 10 for number in range(5) for record in range(3)]
    for number, record, c, i, j in [(0, 0, 0, 0, 0), (1, 2, 0, 4, 31), (4, 1, 2, 31, 7), (2, 0, 1, 9, 10)]:
        assert float(x[3 * number + record, c, i, j]) * 255 == pytest.approx(pixel(number, record, c, i, j), abs=1e-4)
    x_test, y_test = data.test
    assert y_test.tolist() == [5, 6, 7]
    assert float(x_test[1, 2, 3, 4]) * 255 == pytest.approx(pixel(5, 1, 2, 3, 4), abs=1e-4)
    assert data.classes[5] == "dog"


def test_normalizing_shifts_and_scales_each_channel(folder: Path) -> None:
    (raw, _), (shifted, _) = (zoo.load_cifar10(folder, normalize=normalize).train for normalize in (False, True))
    for channel, (mean, std) in enumerate([(0.4914, 0.2470), (0.4822, 0.2435), (0.4465, 0.2616)]):
        np.testing.assert_allclose(shifted[:, channel], (raw[:, channel] - mean) / std, atol=1e-5)


def test_the_folder_above_will_do_and_so_will_a_part_of_the_images(folder: Path) -> None:
    data = zoo.load_cifar10(folder.parent, samples=4)
    assert data.train[1].tolist() == [0, 1, 2, 1]
    assert len(data.test[0]) == 3
    assert torch.equal(data.train[0], zoo.load_cifar10(str(folder)).train[0][:4])


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "data_batch_3.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no data_batch_3\.bin"):
        zoo.load_cifar10(folder)
    (folder / "test_batch").touch()
    with pytest.raises(FileNotFoundError, match="the binary version is needed"):
        zoo.load_cifar10(folder)


def test_a_file_that_is_cut_short_is_refused(folder: Path) -> None:
    short = folder / "data_batch_2.bin"
    short.write_bytes(short.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"data_batch_2\.bin must consist of records of 3073 bytes, got 9119 bytes"):
        zoo.load_cifar10(folder)
    short.write_bytes(b"")
    with pytest.raises(ValueError, match="got 0 bytes"):
        zoo.load_cifar10(folder)


def test_a_label_that_is_none_is_refused(folder: Path) -> None:
    (folder / "test_batch.bin").write_bytes(bytes([3]) + bytes(3072) + bytes([12]) + bytes(3072))
    with pytest.raises(ValueError, match="must have labels from 0 to 9, got 12 in record 1"):
        zoo.load_cifar10(folder)
