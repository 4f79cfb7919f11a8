"""Imported files of the published code give the published numbers, ties and oddities included."""

import numpy as np
import pytest
from PIL import Image
from tests.datasets.layouts import write_pixmmvp

from pixfoundation.conventions import PUBLISHED
from pixfoundation.datasets.pixmmvp import load
from pixfoundation.emergence.analysis import analyse, best_indices
from pixfoundation.emergence.nulls import published_histogram
from pixfoundation.emergence.overlaps import answer_overlaps
from pixfoundation.runs.importing import Outputs, import_outputs


@pytest.fixture
def data(tmp_path):
    """Three pairs of 12 x 16 images; 3 to 5 have a mask."""
    return load(write_pixmmvp(tmp_path / "data", pairs=3))


def write_outputs(folder, data, answers):
    """Writes candidates and their text file.

    Args:
        folder: Where to.
        data: The benchmark.
        answers: By image number its text and, per phrase, (words, start, which part of the ground
            truth each of its three masks covers).
    """
    (folder / "masks").mkdir(parents=True)
    truths = {int(sample.id): sample.mask.decode() for sample in data.samples}
    lines = []
    for number, (text, phrases) in answers.items():
        for k, (words, start, shares) in enumerate(phrases):
            end = start + len(words)
            lines.append(f"{number}.jpg - {k} - {words}| x| 0.500000 | {start} | {end}| {text}\n")
            for m, share in enumerate(shares):
                inside = np.flatnonzero(truths[number].ravel())
                mask = np.zeros(truths[number].size, np.uint8)
                mask[inside[: round(share * inside.size)]] = 255
                file = folder / "masks" / f"{number}_{k:03d}_{m:03d}.png"
                Image.fromarray(mask.reshape(truths[number].shape)).save(file)
    (folder / "meta.txt").write_text("".join(lines))
    return Outputs(3, folder / "masks", meta=folder / "meta.txt")


def when(tmp_path, data, answers):
    outputs = write_outputs(tmp_path / "out", data, answers)
    imported = import_outputs(data, outputs, tmp_path / "run")
    return imported.run, analyse(imported.run, conventions=PUBLISHED.emergence)


def test_the_last_of_equal_masks_wins(tmp_path, data):
    half, none = (0.5, 0.5, 0.5), (0, 0, 0)
    text = "0123456789" * 2
    _, found = when(
        tmp_path,
        data,
        {
            3: (text, [("first", 0, half), ("second", 10, half)]),
            4: (text, [("first", 2, none), ("second", 18, none)]),
            5: (text, [("first", 4, (0.25, 0.75, 0)), ("second", 12, half)]),
        },
    )
    picks = [
        e.phrases[i].span[0]
        for e, i in zip(found.answers, best_indices(found.answers), strict=True)
    ]
    assert picks == [10, 18, 4]
    assert found.bins.tolist() == [0, 0, 1, 0, 0, 1, 0, 0, 0, 1]


def test_the_order_of_the_lines_counts_even_where_a_place_repeats(tmp_path, data):
    """Two phrases at one place with another between them stay two: the last line wins the tie."""
    text = "0123456789" * 2
    tie = (0.5, 0, 0)
    _, found = when(
        tmp_path, data, {3: (text, [("same", 2, tie), ("other", 15, tie), ("same", 2, tie)])}
    )
    (each,) = found.answers
    assert len(each.phrases) == 3
    assert found.bins.tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("A cup on a mat.   ", 15),
        ("A cup - on a mat.", 5),
        ("A cup on a mat- ", 14),
        ("A cup -on a mat.", 16),
    ],
)
def test_the_length_is_that_of_the_text_before_the_first_dash_and_blank(
    tmp_path, data, text, length
):
    run, _ = when(tmp_path, data, {3: (text, [("cup", 2, (1, 1, 1))])})
    (each,) = answer_overlaps(run, 3, conventions=PUBLISHED.emergence)
    assert each.places.tolist() == [2 / length]


def test_a_place_beyond_the_cut_text_is_dropped(tmp_path, data):
    _, found = when(tmp_path, data, {3: ("A cup - on a mat.", [("a mat", 11, (1, 1, 1))])})
    assert found.bins.sum() == 0
    assert len(found.answers) == 1
    assert all(null.location.mean.sum() == 0 for null in found.nulls), "chance by the same rule"


def test_bins_are_half_open_at_whole_tenths():
    """Three tenths as a float lie below the edge that `linspace` gives."""
    places = np.array([start / 10 for start in range(10)])
    assert published_histogram(places).tolist() == [1] * 10


def test_images_without_a_mask_are_not_counted(tmp_path, data):
    empty = next(int(s.id) for s in data.samples if s.mask.is_empty)
    text = "A cup on a mat."
    _, found = when(
        tmp_path,
        data,
        {empty: (text, [("cup", 2, (0, 0, 0))]), 3: (text, [("mat", 11, (1, 1, 1))])},
    )
    assert [each.sample.id for each in found.answers] == ["3"]
