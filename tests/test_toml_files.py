"""TOML files of users are read, or refused by name: whatever their bytes are."""

import pytest

from pixfoundation.errors import DataError
from pixfoundation.toml_files import read_toml


def test_a_mark_of_byte_order_is_no_part_of_the_file(tmp_path):
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbfa = 1\n")
    assert read_toml(tmp_path / "a.toml") == {"a": 1}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a = ", "a.toml is not TOML"),
        (b"\xff", "a.toml is not TOML"),
        (b"a = " + b"9" * 5000, "a.toml is not TOML"),
        (b"a = " + b"[" * 20_000, "a.toml: its values are nested too deeply"),
        (None, "a.toml cannot be read: No such file"),
    ],
    ids=["cut", "no text", "long number", "deep", "missing"],
)
def test_what_cannot_be_read_is_named(tmp_path, data, said):
    file = tmp_path / "a.toml"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(DataError, match=said):
        read_toml(file)
