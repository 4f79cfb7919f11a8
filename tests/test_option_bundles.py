"""Factories that get their options as frozen types take them as plain keyword options."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pytest

import pixfoundation
from pixfoundation.errors import DataError
from pixfoundation.option_bundles import read_choices, takes_bundles
from pixfoundation.typed_options import OptionText, Within, read_options, takes_options_of


class Finish(StrEnum):
    MATT = "matt"
    GLOSSY = "glossy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    width: Annotated[int, Within(least=1)] = 4
    height: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Colour:
    name: str | None = None
    finish: Finish | None = None
    mixed: Mapping[str, float] = field(default_factory=dict[str, float])

    def __post_init__(self) -> None:
        read_choices(self)


@takes_bundles(size=Size, colour=Colour)
def make(model: str, size: Size, colour: Colour, *, layers: list[int] | None = None) -> Any:
    """Make a box."""
    return model, size, colour, layers


def test_every_field_is_a_keyword_option_with_its_default():
    assert make("box") == ("box", Size(), Colour(), None)
    assert make("box", height=9, name="red", layers=[1]) == (
        "box",
        Size(height=9),
        Colour(name="red"),
        [1],
    )
    with pytest.raises(TypeError, match="depth"):
        make("box", depth=2)


def test_the_signature_shows_the_fields_and_not_the_bundles():
    shown = inspect.signature(make).parameters
    assert list(shown) == ["model", "width", "height", "name", "finish", "mixed", "layers"]
    assert shown["height"].default == 3
    assert all(shown[name].kind is inspect.Parameter.KEYWORD_ONLY for name in list(shown)[1:])
    assert make.__doc__ == "Make a box."


def test_options_are_typed_by_the_annotations_of_the_fields():
    typed = {
        "width": OptionText("7"),
        "mixed": {"red": OptionText("0.5")},
        "layers": OptionText("3,5"),
    }
    read = read_options("The model 'box'", make, typed)
    assert read == {"width": 7, "mixed": {"red": 0.5}, "layers": [3, 5]}
    with pytest.raises(DataError, match="`width` of the model 'box' must be .* at least 1"):
        read_options("The model 'box'", make, {"width": 0})
    with pytest.raises(DataError, match=r"no option 'widht'. Did you mean 'width'\?"):
        read_options("The model 'box'", make, {"widht": 1})


def test_a_factory_that_passes_its_options_on_takes_those_of_the_bundles():
    @takes_options_of(lambda name: make)
    def wrap(model: str, *, frame: str = "unit", **options: Any) -> Any:
        return frame, make(model, **options)

    assert read_options("The model", wrap, {"width": OptionText("2")}) == {"width": 2}


def test_a_bundle_is_frozen():
    with pytest.raises(FrozenInstanceError):
        make("box")[1].width = 5


@dataclass(frozen=True)
class NoDefault:
    side: int


@dataclass(frozen=True)
class Named:
    model: str = ""


def _take_size(name: str, size: Size) -> None: ...


@pytest.mark.parametrize(
    ("bundles", "reason"),
    [
        ({"frame": Size}, "no parameter 'frame'"),
        ({"size": NoDefault}, "'side' of NoDefault has no default"),
    ],
)
def test_a_bundle_that_does_not_fit_the_factory_is_refused(bundles: Any, reason: str):
    with pytest.raises(TypeError, match=reason):
        takes_bundles(**bundles)(_take_size)


def test_two_options_of_one_name_are_refused():
    def take(model: str, first: Named) -> None: ...

    def take_both(first: Size, second: Size) -> None: ...

    cases: list[tuple[Callable[..., Any], dict[str, type]]] = [
        (take, {"first": Named}),
        (take_both, {"first": Size, "second": Size}),
    ]
    for factory, bundles in cases:
        with pytest.raises(TypeError, match="two options"):
            takes_bundles(**bundles)(factory)


def test_a_choice_is_taken_as_text_and_kept_as_a_member():
    assert make("box", finish="matt")[2].finish is Finish.MATT
    assert make("box", finish=Finish.GLOSSY)[2].finish is Finish.GLOSSY
    assert make("box")[2].finish is None
    read = read_options("The model 'box'", make, {"finish": OptionText("glossy")})
    assert read["finish"] is Finish.GLOSSY


def test_an_unknown_choice_is_refused_with_the_known_ones():
    with pytest.raises(DataError, match="Expected `finish` to be 'matt' or 'glossy', but got 'x'"):
        make("box", finish="x")
    with pytest.raises(DataError, match=r"one of matt, glossy, but got 'mat'. Did you mean 'matt'"):
        read_options("The model 'box'", make, {"finish": OptionText("mat")})


def test_an_option_that_is_a_choice_is_an_enum():
    """Texts that are compared in the code are members of enums, read once where they come in."""
    package = Path(pixfoundation.__file__).parent
    literals = {
        match[1]
        for path in package.rglob("*.py")
        for match in re.finditer(r"^(\w+) = Literal\[\"", path.read_text(), re.MULTILINE)
    }
    # Not options: what plug-ins declare, and the kinds of stored records.
    assert literals == {"Capability", "PromptKind", "VerdictKind", "Source"}
