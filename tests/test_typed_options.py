"""Options are typed by the signature of their factory, checked before it is called."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer

from pixfoundation import api
from pixfoundation.cli.options import parse_options
from pixfoundation.datasets import datasets
from pixfoundation.errors import DataError
from pixfoundation.grounding import grounders
from pixfoundation.judges import judges
from pixfoundation.models import models
from pixfoundation.reading import readings
from pixfoundation.segmenters import segmenters
from pixfoundation.typed_options import (
    Count,
    OneOf,
    OptionText,
    Share,
    Within,
    _annotations,
    read_options,
    takes_options_of,
)


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


def make(
    name: str,
    *,
    view: Literal["whole", "tiles"] = "whole",
    points: Count = 1,
    side: Annotated[int, Within(least=64, multiple_of=64)] = 64,
    share: Share = 0.5,
    wait: Annotated[float, Within(above=0)] | None = None,
    pad: bool | None = None,
    colour: Colour = Colour.RED,
    ask: Annotated[str, OneOf(("point", "box"))] = "point",
    label: str | None = None,
    folder: Path | None = None,
    layers: Sequence[Annotated[int, Within(least=0)]] | None = None,
    heads: Sequence[int] | Mapping[int, Sequence[int]] | None = None,
    words: tuple[str, ...] = (),
    anything: Any = None,
):
    pass


def typed(*pairs: str) -> dict[str, Any]:
    return read_options("The thing 'x'", make, parse_options(pairs))


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("view=tiles", "tiles"),
        ("points=3", 3),
        ("side=128", 128),
        ("share=0", 0.0),
        ("share=1e-3", 0.001),
        ("wait=30", 30.0),
        ("wait=null", None),
        ("pad=true", True),
        ("pad=no", False),
        ("colour=blue", Colour.BLUE),
        ("ask=box", "box"),
        ("label=5", "5"),
        ("label=[1]", "[1]"),
        ("label=true", "true"),
        ("label=", ""),
        ("label=a=b", "a=b"),
        ("folder=a/b", Path("a/b")),
        ("layers=3", [3]),
        ("layers=3,5", [3, 5]),
        ("layers=3, 5", [3, 5]),
        ("layers=[3,5]", [3, 5]),
        ("heads=0,1", [0, 1]),
        ('heads={"3": [0, 1]}', {3: [0, 1]}),
        ("heads.3=0,1", {3: [0, 1]}),
        ("words=a,b", ("a", "b")),
        ("anything=5", 5),
        ("anything=five", "five"),
    ],
)
def test_a_text_of_the_command_line_is_read_by_the_type_of_its_option(pair, value):
    (read,) = typed(pair).values()
    assert read == value
    assert type(read) is type(value)


def test_the_parts_of_a_mapping_are_given_one_by_one():
    assert typed("heads.3=0,1", "heads.5=2") == {"heads": {3: [0, 1], 5: [2]}}


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("view=tile", r"`view` of the thing 'x' must be one of whole, tiles, but got 'tile'. "
                      r"Did you mean 'tiles'\?"),
        ("view=Tiles", r"Did you mean 'tiles'\?"),
        ("points=0", r"`points` .* must be a whole number of at least 1, but got '0'"),
        ("points=-1", "at least 1, but got '-1'"),
        ("points=two", "a whole number"),
        ("points=1.5", "a whole number"),
        ("points=", "a whole number"),
        ("points=true", "a whole number"),
        ("side=100", "of at least 64 and that is a multiple of 64, but got '100'"),
        ("share=2", "a number of at least 0 and of at most 1"),
        ("share=nan", "a number"),
        ("wait=inf", "a number above 0"),
        ("wait=0", "a number above 0"),
        ("pad=maybe", "true or false"),
        ("colour=rde", r"one of red, blue, but got 'rde'. Did you mean 'red'\?"),
        ("ask=boxes", r"one of point, box, .* Did you mean 'box'\?"),
        ("layers=a", "a list of whole numbers of at least 0, written as layers=A,B"),
        ("layers=1,-1", "of at least 0"),
        ("layers=[1", "a list of whole numbers"),
        ("layers=", "a list of whole numbers"),
        ("heads=all", "or a mapping, written as heads.3=0,1 heads.5=2"),
        ("heads.a=1", "or a mapping"),
        ("points.3=1", "a whole number of at least 1, but got 3=1"),
        ("veiw=tiles", r"takes no option 'veiw'. Did you mean 'view'\? It takes: any"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_name_with_what_is_allowed(pair, message):
    with pytest.raises(DataError, match=message):
        typed(pair)


@pytest.mark.parametrize("pairs", [["a"], ["=1"], ["a b=1"], [".=1"], ["a.=1"]])
def test_a_pair_of_another_form_is_refused(pairs):
    with pytest.raises(typer.BadParameter, match="expected KEY=VALUE"):
        parse_options(pairs)


@pytest.mark.parametrize("pairs", [["a=1", "a=2"], ["a=1", "a.b=2"], ["a.b=1", "a.b=2"]])
def test_an_option_that_is_given_twice_is_refused(pairs):
    with pytest.raises(typer.BadParameter, match="twice"):
        parse_options(pairs)


def test_values_from_python_are_checked_and_kept():
    given = {"points": 2, "layers": (1, 2), "heads": {1: [0]}, "folder": Path("x"), "pad": None}
    assert read_options("It", make, given) == given
    for wrong in ({"points": True}, {"points": "many"}, {"layers": "3"}, {"label": 5}):
        with pytest.raises(DataError, match=f"`{next(iter(wrong))}` of it must be"):
            read_options("It", make, wrong)


def test_options_that_a_factory_passes_on_are_those_of_the_other():
    def outer(name: str, *, own: int = 1, **options: Any):
        pass

    assert read_options("It", outer, {"points": OptionText("x")}) == {"points": "x"}
    takes_options_of({"x": make}.__getitem__)(outer)
    read = read_options("It", outer, parse_options(["points=2", "own=3"]), "x")
    assert read == {"points": 2, "own": 3}
    with pytest.raises(
        DataError, match=r"takes no option 'pionts'. Did you mean 'points'\?.* own,"
    ):
        read_options("It", outer, {"pionts": 2}, "x")


def test_annotations_of_a_plug_in_that_do_not_resolve_leave_the_names_checked():
    def load(name: str, *, colour: "NotThere" = None):  # noqa: F821
        pass

    assert read_options("It", load, parse_options(["colour=[1]"])) == {"colour": [1]}
    with pytest.raises(DataError, match="takes no option"):
        read_options("It", load, {"form": 1})


REGISTRIES = {
    "dataset": (datasets, {"root"}),
    "grounder": (grounders, {"segmenter", "conventions"}),
    "judge": (judges, set()),
    "model": (models, set()),
    "segmenter": (segmenters, set()),
}


@pytest.mark.parametrize("kind", REGISTRIES)
def test_every_option_of_the_package_has_a_type(kind):
    registry, _ = REGISTRIES[kind]
    for entry in registry:
        if not entry.origin.startswith("pixfoundation"):
            continue
        for name in [e.name for e in readings] if kind == "grounder" else [entry.name]:
            annotations, is_open = _annotations(entry.load(), name)
            assert not is_open, f"{kind} {entry.name} takes options that nothing checks"
            assert Any not in annotations.values(), f"{kind} {entry.name}: {annotations}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model_options": {"view": OptionText("tile")}}, "`view` of the model 'tiny-llava'"),
        ({"model_options": {"dtype": "flaot16"}}, r"float32, float16, bfloat16, .*'float16'\?"),
        ({"dataset_options": {"pairs": OptionText("-3")}}, "`pairs` of the dataset 'pixscenes'"),
        ({"grounder_options": {"rank": OptionText("0")}}, "`rank` of the grounder 'attend-and"),
    ],
)
def test_all_options_are_checked_before_anything_is_loaded(options, message):
    with pytest.raises(DataError, match=message):
        api.check_names("tiny-llava", "pixscenes", "tiny-sam", **options)
