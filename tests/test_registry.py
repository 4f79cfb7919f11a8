"""Names lead to factories; a wrong one gets near matches, a missing package its remedy."""

import pytest

from pixfoundation.errors import PixFoundationError, PrerequisiteError, UnknownNameError
from pixfoundation.registry import Registry


@pytest.fixture
def shapes():
    return Registry("shape", group="pixfoundation.no-such-group")


def test_a_typo_names_near_matches_and_everything_known(shapes):
    shapes.register("square")(int)
    shapes.register("circle")(float)
    with pytest.raises(UnknownNameError, match=r"'sqare'. Did you mean 'square'\?.*circle, square"):
        shapes.get("sqare")
    with pytest.raises(UnknownNameError, match="Unknown shape 'zzz'. Known"):
        shapes.get("zzz")


def test_a_name_is_taken_once(shapes):
    shapes.register("square")(int)
    with pytest.raises(PixFoundationError, match="already registered"):
        shapes.register("square")(Registry)


def test_announced_names_are_listed_without_import(shapes):
    shapes.announce("later", "no_such_module_at_all", "load", summary="not yet", needs="patience")
    assert [(e.name, e.summary, e.details) for e in shapes] == [
        ("later", "not yet", {"needs": "patience"})
    ]
    with pytest.raises(PrerequisiteError, match=r"pip install 'pixfoundation\[models\]'"):
        shapes.get("later")
