"""A new family needs one folder and not one line elsewhere, built in or installed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import pixfoundation
from pixfoundation.models.card import built_in_cards
from pixfoundation.models.tables import fill_tables

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(pixfoundation.__file__).parent

CARD = '''
"""Card of the toy family."""

from pixfoundation.models.card import KnownCheckpoint, ModelCard
from pixfoundation.models.coordinates.formats import CoordinateFormat

CARD = ModelCard(
    family="toy",
    title="Toy",
    capabilities=frozenset({"masks"}),
    loader="MODULE.adapter:load",
    architectures=(r"^Toy",),
    tensors=(r"^toy_head\\.",),
    files=("toy_weights.*",),
    licence="Toy: for play only.",
    checkpoints=(
        KnownCheckpoint(
            name="toy-1b",
            summary="Toy of one billion",
            hub_id="toys/toy-1b",
            memory="2 GB",
            published_row="Toy (1B)",
            coordinates=CoordinateFormat("thousand"),
        ),
    ),
)
'''
ADAPTER = '''
"""Adapter of the toy family."""

from pixfoundation.models.card import location_of
from pixfoundation.prompts import PromptTemplates


class Toy:
    capabilities = frozenset({"masks"})
    templates = PromptTemplates()

    def __init__(self, name):
        self.name, self.location = name, location_of(name)


def load(name, *, device=None, dtype=None, colour="red"):
    return Toy(name)
'''
PROBE = """
import json, sys
from pixfoundation import api
from pixfoundation.models import models
from pixfoundation.models.card import all_cards
from pixfoundation.models.detection import detect_family, find_entry
from pixfoundation.models.tables import TABLES

folders = sys.argv[1:]
entry = models.entry("toy-1b")
listed = [e.name for e in models if "toy" in e.name]
recognised = [find_entry(name).name for name in ("toys/toy-1b", *folders)]
families = [detect_family(name).family for name in ("toys/toy-1b", *folders)]
tables = [table(all_cards(), "") for table in TABLES.values()]
heavy = sorted({"torch", "transformers"} & sys.modules.keys()) if not folders else []
loaded = [api.load_model(name) for name in ("toy-1b", "toys/toy-1b", *folders)]
print(json.dumps({
    "listed": listed, "summary": entry.summary, "details": entry.details, "heavy": heavy,
    "recognised": recognised, "families": families, "tables": tables,
    "loaded": [[type(model).__module__, model.location] for model in loaded],
    "other": detect_family("someone/else").family,
}))
"""


def write_family(folder: Path, module: str) -> None:
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text('"""The toy family."""\n')
    (folder / "card.py").write_text(CARD.replace("MODULE", module))
    (folder / "adapter.py").write_text(ADAPTER)


def built_in(folder: Path) -> Path:
    """Link the package into a folder, with one more family among its models."""
    models = folder / "pixfoundation" / "models"
    models.mkdir(parents=True)
    for source, target in ((PACKAGE, models.parent), (PACKAGE / "models", models)):
        for entry in source.iterdir():
            if entry.name not in ("models", "__pycache__"):
                (target / entry.name).symlink_to(entry)
    write_family(models / "toy", "pixfoundation.models.toy")
    return folder


def installed(folder: Path) -> Path:
    """Write what pip leaves behind after installing a package of one family."""
    write_family(folder / "toy_plugin", "toy_plugin")
    info = folder / "toy_plugin-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-plugin\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[pixfoundation.model_cards]\ntoy = toy_plugin.card:CARD\nlost = toy_plugin.card:NOTHING\n"
    )
    return folder


def run(folder: Path, code: str, *arguments: str) -> str:
    paths = [str(folder), str(PACKAGE.parent)]
    code = f"import sys; sys.path[:0] = {paths!r}\n{code}"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def checkpoint_folders(folder: Path) -> list[str]:
    """Write three folders of a toy, each recognised by something else."""
    by_class, by_tensor, by_file = (folder / name for name in ("class", "tensor", "file"))
    for made in (by_class, by_tensor, by_file):
        made.mkdir()
    (by_class / "config.json").write_text(json.dumps({"architectures": ["ToyForCausalLM"]}))
    (by_tensor / "config.json").write_text(json.dumps({"architectures": ["LlavaLlamaForCausalLM"]}))
    save_file({"toy_head.weight": torch.zeros(1)}, by_tensor / "model.safetensors")
    (by_file / "toy_weights.bin").write_bytes(b"")
    return [str(by_class), str(by_tensor), str(by_file)]


@pytest.mark.parametrize("arrange", [built_in, installed])
def test_one_folder_is_enough(arrange, tmp_path):
    site = arrange(tmp_path / "site")
    folders = checkpoint_folders(tmp_path)
    seen = json.loads(run(site, PROBE, *folders))
    assert seen["listed"] == ["toy-1b", "toy-1b+coordinates"]
    assert seen["summary"] == "Toy of one billion"
    assert seen["details"] == {
        "gives": "masks",
        "weights": "toys/toy-1b",
        "memory": "2 GB in half precision",
        "reproduces": "Toy (1B)",
        "licence": "Toy: for play only.",
    }
    assert seen["recognised"] == ["toy-1b", "toy", "toy", "toy"]
    assert seen["families"] == ["toy"] * 4
    module = "pixfoundation.models.toy.adapter" if arrange is built_in else "toy_plugin.adapter"
    assert seen["loaded"] == [[module, "toys/toy-1b"]] * 2 + [[module, name] for name in folders]
    assert seen["other"] == "transformers"
    assert all("toy-1b" in table for table in seen["tables"])


@pytest.mark.parametrize("arrange", [built_in, installed])
def test_listing_reads_cards_and_imports_nothing_heavy(arrange, tmp_path):
    site = arrange(tmp_path / "site")
    assert json.loads(run(site, PROBE))["heavy"] == []
    code = "from pixfoundation.cli import main; sys.argv[1:] = ['models', 'toy', '--json']; main()"
    names = [entry["name"] for entry in json.loads(run(site, code))]
    assert names == ["toy-1b", "toy-1b+coordinates"]


def test_a_built_in_card_has_the_name_of_its_folder_and_a_loader():
    folders = {path.parent.name for path in (PACKAGE / "models").glob("*/card.py")}
    assert {card.family for card in built_in_cards()} == folders
    assert sum(card.is_fallback for card in built_in_cards()) == 1
    for card in built_in_cards():
        assert card.loader.count(":") == 1
        assert (ROOT / "docs" / card.docs).is_file()


@pytest.mark.parametrize(("page", "folder"), [("README.md", "docs/"), ("docs/models.md", "")])
def test_the_tables_of_the_documentation_are_up_to_date(page, folder):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert "<!-- models: " in text
    assert fill_tables(text, folder) == text, "run: python -m pixfoundation.models " + page
