"""Masks as arrays of NumPy, and as files that scanners and label tools write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixfoundation.datasets.mask_images import read_mask_image
from pixfoundation.errors import DataError

MASK = np.zeros((20, 30), bool)
MASK[5:15, 8:20] = True


def read(folder: Path, array: Any, values: list[Any] | None = None) -> Any:
    file = folder / "mask.npy"
    np.save(file, array, allow_pickle=True)
    return read_mask_image(file, values)


@pytest.mark.parametrize(
    "array",
    [
        MASK,
        MASK.astype(np.uint8),
        MASK.astype(np.uint8) * 255,
        MASK.astype(np.int64),
        MASK.astype(np.uint16) * 3000,
        MASK.astype(np.float32),
        MASK.astype(np.float16) * 255,
        MASK[None],
        MASK[..., None],
        np.asfortranarray(MASK),
    ],
)
def test_an_array_is_a_mask(tmp_path: Path, array: Any):
    np.testing.assert_array_equal(read(tmp_path, array).foreground, MASK)


def test_values_of_an_array_can_be_chosen(tmp_path: Path):
    labels = MASK * 300
    labels[0, 0] = 7
    np.testing.assert_array_equal(read(tmp_path, labels, [300]).foreground, MASK)
    assert "perhaps several instances" in read(tmp_path, labels).notes[0]
    with pytest.raises(DataError, match="none of the values"):
        read(tmp_path, labels, [8])


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((3, 20, 30)), "shape .3, 20, 30."),
        (np.zeros((0, 30)), "shape .0, 30."),
        (np.full((2, 2), np.nan), "not finite"),
        (np.full((2, 2), -1), "negative values, down to -1"),
        (np.full((2, 2), "a"), "not of numbers"),
        (np.full((2, 2), None), "cannot be read as an array"),
        (np.full((2, 2), 1j), "not of numbers"),
    ],
)
def test_an_array_that_is_no_mask_is_refused(tmp_path: Path, array: Any, says: str):
    with pytest.raises(DataError, match=says):
        read(tmp_path, array)


def test_a_file_that_is_no_array_is_refused(tmp_path: Path):
    file = tmp_path / "mask.npy"
    file.write_bytes(b"not an array")
    with pytest.raises(DataError, match="cannot be read as an array"):
        read_mask_image(file)
    with pytest.raises(DataError, match="no mask at"):
        read_mask_image(tmp_path / "other.npy")
