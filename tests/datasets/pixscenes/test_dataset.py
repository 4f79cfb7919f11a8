"""The benchmark: fixed, balanced, drawn once, the same from every folder."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from pixfoundation.datasets import datasets
from pixfoundation.datasets.pixscenes.dataset import TEST_PAIRS, load, make_pair
from pixfoundation.errors import DataError


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return load(tmp_path_factory.mktemp("scenes"), pairs=18)


def test_it_is_registered_by_name():
    assert datasets.get("pixscenes") is load


def test_both_pictures_of_a_pair_share_question_and_options(small):
    assert len(small.samples) == 36
    for first, second in zip(small.samples[::2], small.samples[1::2], strict=True):
        assert first.pair == second.pair
        assert first.question == second.question
        assert first.options == second.options
        assert {first.answer, second.answer} == {"a", "b"}


def test_pictures_are_there_and_of_the_size_of_the_masks(small):
    for sample in small.samples:
        with Image.open(sample.image) as image:
            assert image.size[::-1] == sample.size == sample.mask.size
    assert small.check() == []


def test_a_second_load_reads_what_the_first_drew(small, tmp_path):
    again = load(small.folder.parent, pairs=18)
    assert again.samples == small.samples
    elsewhere = load(tmp_path, pairs=18)
    assert elsewhere.fingerprint() == small.fingerprint()
    for one, other in zip(small.samples, elsewhere.samples, strict=True):
        with Image.open(one.image) as first, Image.open(other.image) as second:
            assert np.array_equal(np.asarray(first), np.asarray(second))


def test_more_and_fewer_pairs_extend_the_same_list(small, tmp_path):
    assert load(tmp_path, pairs=2).samples[0].question == small.samples[0].question
    assert [s.question for s in load(tmp_path, pairs=4).samples] == [
        s.question for s in small.samples[:8]
    ]


def test_a_damaged_index_or_a_lost_picture_is_drawn_again(tmp_path):
    first = load(tmp_path, pairs=2)
    (first.folder / "samples.json").write_text("[{")
    first.samples[0].image.unlink()
    assert load(tmp_path, pairs=2).samples == first.samples
    assert load(tmp_path, pairs=2).check() == []


def test_a_damaged_picture_is_reported(tmp_path):
    data = load(tmp_path, pairs=1)
    data.samples[1].image.write_bytes(b"no picture")
    (problem,) = data.check()
    assert problem.entry == data.samples[1].id


def test_the_patterns_of_the_test_set_are_balanced():
    patterns = Counter(make_pair("test", i).pattern for i in range(TEST_PAIRS))
    assert len(patterns) == 9
    assert max(patterns.values()) - min(patterns.values()) <= 1


def test_train_and_test_share_no_scene():
    test = {side.scene for i in range(40) for side in make_pair("test", i).sides}
    train = {side.scene for i in range(40) for side in make_pair("train", i).sides}
    assert not test & train


@pytest.mark.parametrize("options", [{"split": "validation"}, {"pairs": 0}])
def test_wrong_options_are_refused(tmp_path, options):
    with pytest.raises(DataError):
        load(tmp_path, **options)


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(DataError, match="another folder"):
        load(file, pairs=1)
