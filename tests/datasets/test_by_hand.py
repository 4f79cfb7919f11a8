"""Data that no command may download: the message says what to do instead."""

import pytest

from pixfoundation.datasets import datasets
from pixfoundation.datasets.by_hand import FETCHED_BY_HAND
from pixfoundation.datasets.fetch import FETCHABLE, fetch
from pixfoundation.errors import PrerequisiteError


@pytest.mark.parametrize("name", FETCHED_BY_HAND)
def test_what_is_not_fetched_says_how_to_get_it(name, tmp_path):
    with pytest.raises(PrerequisiteError, match=f"data/{name}|one folder") as caught:
        fetch(name, tmp_path)
    assert name in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_every_dataset_of_files_is_fetched_or_explained():
    own = {"folder", "pixscenes"}
    assert {entry.name for entry in datasets} - own == {*FETCHED_BY_HAND, *FETCHABLE}
