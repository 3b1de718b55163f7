"""CIFAR-10 from the files of its binary version."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from curvwidget._checks import check_count

__all__ = ["Cifar10", "load_cifar10"]

Array = np.ndarray[Any, Any]

_RECORD = 1 + 3 * 32 * 32  # bytes: a label, then the red, the green and the blue pixels, row by row
_TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_TEST = ("test_batch.bin",)
_FOLDER = "cifar-10-batches-bin"
# Mean and standard deviation of each channel over the 50,000 training images.
_MEAN = torch.tensor([0.4914, 0.4822, 0.4465]).reshape(3, 1, 1)
_STD = torch.tensor([0.2470, 0.2435, 0.2616]).reshape(3, 1, 1)


@dataclass(frozen=True, eq=False)
class Cifar10:
    """Images and labels.

    Attributes:
        train: Images ``(n, 3, 32, 32)`` float32 and labels ``(n,)`` int64 of the five training files, in their order.
        test: The same of the test file.
        classes: Names of the ten labels.
    """

    train: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    classes: tuple[str, ...] = (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    )


def load_cifar10(path: str | PathLike[str], *, normalize: bool = True, samples: int | None = None) -> Cifar10:
    """Read the binary version of CIFAR-10 (Krizhevsky, 2009). Nothing is downloaded, and nothing is unpickled.

    A file that does not consist of whole records with labels from 0 to 9 is refused with a `ValueError` that says what it holds.

    Args:
        path: The folder ``cifar-10-batches-bin`` with its six ``.bin`` files, or the folder that holds it.
        normalize: Whether each channel is shifted and scaled to mean 0 and variance 1 over the training set; otherwise the
            pixels are in [0, 1].
        samples: How many of the first images of training and test set to keep, at most; None for all.

    Returns:
        Training and test data.

    Raises:
        FileNotFoundError: If a file is missing.
    """
    folder = Path(path)
    if (folder / _FOLDER).is_dir():
        folder = folder / _FOLDER
    if samples is not None:
        samples = check_count("samples", samples)
    missing = [name for name in (*_TRAIN, *_TEST) if not (folder / name).is_file()]
    if missing:
        pickled = (
            " (the Python version's files have no ending; the binary version is needed)"
            if (folder / "test_batch").exists()
            else ""
        )
        raise FileNotFoundError(
            f"path must be the folder of CIFAR-10's binary version, but {folder} has no {missing[0]}{pickled}"
        )
    train, test = (_read([folder / name for name in names], normalize, samples) for names in (_TRAIN, _TEST))
    return Cifar10(train, test)


def _read(files: list[Path], normalize: bool, samples: int | None) -> tuple[Tensor, Tensor]:
    records, found = [], 0
    for file in files:
        if samples is not None and found >= samples:
            break
        records.append(_records(file))
        found += len(records[-1])
    raw = np.concatenate(records)[:samples]
    images = torch.from_numpy(raw[:, 1:].reshape(-1, 3, 32, 32)).float() / 255
    if normalize:
        images = (images - _MEAN) / _STD
    return images, torch.from_numpy(raw[:, 0].astype(np.int64))


def _records(file: Path) -> Array:
    raw = np.fromfile(file, dtype=np.uint8)
    if len(raw) == 0 or len(raw) % _RECORD:
        raise ValueError(
            f"{file} must consist of records of {_RECORD} bytes, got {len(raw)} bytes: it is cut short or of another kind"
        )
    records = raw.reshape(-1, _RECORD)
    if records[:, 0].max() > 9:
        where = int(np.argmax(records[:, 0] > 9))
        raise ValueError(f"{file} must have labels from 0 to 9, got {records[where, 0]} in record {where}")
    return records
