"""Names lead to factories; a wrong one gets near matches, a missing package its remedy."""

import importlib
import sys

import pytest

from pixfoundation.errors import PixFoundationError, PrerequisiteError, UnknownNameError
from pixfoundation.registry import Registry

REGISTRIES = []


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


def test_what_is_registered_temporarily_is_forgotten(shapes):
    shapes.register("square")(int)
    with shapes.temporary():
        shapes.register("circle")(float)
        assert "circle" in shapes
    assert [entry.name for entry in shapes] == ["square"]


def test_a_built_in_is_one_file_that_registers_itself(monkeypatch, tmp_path):
    (tmp_path / "many_shapes").mkdir()
    (tmp_path / "many_shapes" / "__init__.py").write_text(
        "from pixfoundation.registry import Registry, import_submodules\n"
        "shapes = Registry('shape', group='pixfoundation.no-such-group')\n"
        "import_submodules(__name__)\n"
    )
    for name in ("square", "circle"):
        (tmp_path / "many_shapes" / f"{name}.py").write_text(
            "from many_shapes import shapes\n"
            f"@shapes.register({name!r}, summary='flat')\n"
            "def load(): ...\n"
        )
    monkeypatch.syspath_prepend(str(tmp_path))
    shapes = importlib.import_module("many_shapes").shapes
    assert [(entry.name, entry.summary) for entry in shapes] == [
        ("circle", "flat"),
        ("square", "flat"),
    ]


def test_announced_names_are_listed_without_import(shapes):
    shapes.announce("later", "no_such_module_at_all", "load", summary="not yet", needs="patience")
    assert [(e.name, e.summary, e.details) for e in shapes] == [
        ("later", "not yet", {"needs": "patience"})
    ]
    with pytest.raises(PrerequisiteError, match=r"pip install 'pixfoundation\[models\]'"):
        shapes.get("later")


def test_a_plug_in_is_listed_unimported_and_may_register_itself(monkeypatch, tmp_path):
    (tmp_path / "round_shapes.py").write_text(
        "from tests.test_registry import REGISTRIES\n"
        "@REGISTRIES[-1].register('oval', summary='Rather round.', gives='roundness')\n"
        "def load(): return 'oval'\n"
    )
    info = tmp_path / "round_shapes-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: round-shapes\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[pixfoundation.test-shapes]\noval = round_shapes:load\nlost = round_shapes:nothing\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    shapes = Registry("shape", group="pixfoundation.test-shapes")
    REGISTRIES.append(shapes)
    assert [(e.name, e.summary) for e in shapes] == [
        ("lost", "from the package round-shapes"),
        ("oval", "from the package round-shapes"),
    ]
    assert "round_shapes" not in sys.modules
    assert shapes.get("oval")() == "oval"
    assert shapes.entry("oval").details == {"gives": "roundness"}
    with pytest.raises(PixFoundationError, match="announced as 'round_shapes:nothing' but cannot"):
        shapes.get("lost")


def plugged_in(folder, name, entry_points, code=""):
    """Write an installed package that announces a shape."""
    info = folder / f"{name}-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_bytes(entry_points)
    (folder / f"{name}.py").write_text(code)


@pytest.mark.parametrize(
    "entry_points",
    [
        b"[pixfoundation.test-broken]\nno equals sign\n",
        b"oval = round_shapes:load\n[pixfoundation.test-broken]\n",
        b"[pixfoundation.test-broken]\noval = not a module!\n",
        b"[pixfoundation.test-broken]\noval = \n",
        b"[pixfoundation.test-broken]\noval = \xff\xfe\n",
        b"[pixfoundation.test-broken\noval = a:b\n[pixfoundation.test-broken]\n: = \n",
    ],
)
def test_malformed_metadata_costs_one_warning(monkeypatch, tmp_path, caplog, entry_points):
    plugged_in(tmp_path, "broken_shapes", entry_points)
    plugged_in(tmp_path, "good_shapes", b"[pixfoundation.test-broken]\nround = good_shapes:load\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    shapes = Registry("shape", group="pixfoundation.test-broken")
    assert "round" in [entry.name for entry in shapes]
    list(Registry("colour", group="pixfoundation.test-colours"))
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) <= 1
    assert all("broken_shapes" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def load(:", "SyntaxError"),
        ("import no_such_package_at_all", "no_such_package_at_all"),
        ("", "load"),
    ],
)
def test_a_plug_in_that_fails_at_import_is_named(monkeypatch, tmp_path, code, reason):
    group = f"pixfoundation.test-{abs(hash(code))}"
    plugged_in(tmp_path, "bad_shapes", f"[{group}]\noval = bad_shapes:load\n".encode(), code)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "bad_shapes", raising=False)
    with pytest.raises(PixFoundationError, match=f"'bad_shapes:load' but cannot be .*{reason}"):
        Registry("shape", group=group).get("oval")
