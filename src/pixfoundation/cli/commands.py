"""The commands with their modules, in the order in which `--help` lists them.

The list of commands is printed, and names are completed, without importing any command: importing
all of them takes several times as long as Python itself. `tests/cli/test_start.py` holds the
summaries here against the first lines of the commands.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeAlias

from pixfoundation.cli.command import Command, Group

_Context: TypeAlias = Any
"""A context of click; typer brings a click of its own, or uses the installed one."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A command of the command line, or a group of commands, that is imported when it is used.

    Attributes:
        module: Module of this package that defines it.
        attribute: Name of the function, or of the application of a group, in that module.
        summary: What it does, in one line.
    """

    module: str
    attribute: str
    summary: str

    def load(self, name: str) -> Any:
        """Import the command and return it under its name."""
        from typer import Typer
        from typer.main import get_command, get_group

        loaded = getattr(import_module(f"pixfoundation.cli.{self.module}"), self.attribute)
        if isinstance(loaded, Typer):
            command: Any = get_group(loaded)
        else:
            alone = Typer(
                add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
            )
            alone.command(name, cls=Command)(loaded)
            command = get_command(alone)
        command.name = name
        return command


COMMANDS = {
    "demo": Listed(
        "demo",
        "demo_command",
        "Run, score and report the embedded models on the embedded dataset; needs no network.",
    ),
    "doctor": Listed(
        "doctor",
        "doctor_command",
        "Check whether this machine, a model and a segmenter give right numbers.",
    ),
    "run": Listed(
        "run",
        "run_command",
        "Run a model over a dataset; the same command again continues where it stopped.",
    ),
    "status": Listed(
        "status",
        "status_command",
        "Say how far runs are: answers, rate, time left, workers, failures; from their files "
        "alone.",
    ),
    "score": Listed(
        "score",
        "score_command",
        "Score a run: accuracy by question and by pair, mIoU by selector, S, the failure split.",
    ),
    "compare": Listed(
        "compare",
        "compare_command",
        "Compare two runs on the samples that they share, pair by pair.",
    ),
    "gcg": Listed(
        "gcg",
        "gcg_command",
        "Score grounded captions (GLaMM's GCG): AP50, mIoU, recall, METEOR, CIDEr.",
    ),
    "table": Listed(
        "table",
        "table_command",
        "Print the scores of runs in the published layout: PixGr., A†, A, M†, M, S.",
    ),
    "reproduce": Listed(
        "reproduce",
        "reproduce_command",
        "Make the runs of a recipe, and print each row next to the published one.",
    ),
    "recipe": Listed(
        "recipe",
        "recipe_app",
        "List the recipes of published tables, show one, or check a file.",
    ),
    "judge": Listed(
        "judge",
        "judge_command",
        "Have a judge grade the answers of protocol 1, pick masks, and label the "
        "concepts of phrases.",
    ),
    "import": Listed(
        "imports",
        "import_command",
        "Import outputs of the published code: masks, candidates, picks, answers, grades.",
    ),
    "emergence": Listed(
        "emergence",
        "emergence_command",
        "Show when grounding emerges: place and concept of the best masks, compared with chance.",
    ),
    "sensitivity": Listed(
        "sensitivity",
        "sensitivity_command",
        "Show how much answers and masks move when only the wording or the view does.",
    ),
    "compare-readings": Listed(
        "compare_readings",
        "compare_readings_command",
        "Compare readings on the answers of a run: pointing game, mIoU, energy, cost, chance.",
    ),
    "heads": Listed(
        "heads",
        "heads_command",
        "Show which layers and heads look at the object, against shuffled images.",
    ),
    "deletion": Listed(
        "deletion",
        "deletion_command",
        "Cover what the best phrase attends to, or as much elsewhere, and ask protocol 2 again.",
    ),
    "curves": Listed(
        "causes",
        "curves_command",
        "Remove the image part by part in the order of a phrase's map: insertion and deletion "
        "curves.",
    ),
    "claims": Listed(
        "claims",
        "claims_command",
        "Judge claims about a run: the best phrase is late, attention finds the object, it is "
        "used.",
    ),
    "controls": Listed(
        "controls",
        "controls_command",
        "Run the whole pipeline under controls: random weights, a blank or another image, "
        "shuffled.",
    ),
    "stability": Listed(
        "stability",
        "stability_command",
        "Show how stable attention is over runs (segmenters, readings, seeds) and over variants.",
    ),
    "knockout": Listed(
        "causes",
        "knockout_command",
        "Block the attention of the text to the attended place, and score the answer again.",
    ),
    "report": Listed(
        "report",
        "report_command",
        "Write one self-contained HTML page: the tables, and a gallery of every sample.",
    ),
    "export": Listed(
        "export",
        "export_command",
        "Write a run in the form that another tool reads: CSV, COCO results and more.",
    ),
    "track": Listed(
        "track",
        "track_command",
        "Record scores and figures of runs in Trackio, Weights & Biases, MLflow or TensorBoard.",
    ),
    "push": Listed(
        "push",
        "push_command",
        "Make a dataset of a run and push it to the Hugging Face hub, private unless --public.",
    ),
    "ground": Listed(
        "ground",
        "ground_command",
        "Ground an expression in one image: the answer, its noun phrases, and their masks.",
    ),
    "app": Listed(
        "serve",
        "app_command",
        "Serve a local web page: one image, one expression, its masks, the attention by token.",
    ),
    "cite": Listed(
        "cite",
        "cite_command",
        "Print BibTeX entries for this package and its sources, and how runs were made.",
    ),
    "models": Listed(
        "listing",
        "models_command",
        "List the models by name, what each gives and needs, and which published row it "
        "reproduces.",
    ),
    "segmenters": Listed("listing", "segmenters_command", "List the segmenters by name."),
    "selectors": Listed(
        "listing",
        "selectors_command",
        "List the selectors: what chooses among the candidate masks of an answer.",
    ),
    "grounders": Listed(
        "listing",
        "grounders_command",
        "List the grounders: what turns an answer into candidate masks.",
    ),
    "readings": Listed(
        "listing",
        "readings_command",
        "List the readings: what turns a model's forward pass into one map per phrase.",
    ),
    "judges": Listed(
        "listing",
        "judges_command",
        "List the judge backends: what can grade answers and pick masks.",
    ),
    "exporters": Listed(
        "listing",
        "exporters_command",
        "List the exporters: the forms in which `export` writes a run.",
    ),
    "trackers": Listed(
        "listing",
        "trackers_command",
        "List the trackers: where `track` records scores and figures.",
    ),
    "variants": Listed(
        "variants",
        "variants_app",
        "List the kinds of variants, show them, or paraphrase questions.",
    ),
    "datasets": Listed(
        "datasets", "datasets_app", "List the datasets, check, register or download one."
    ),
    "train": Listed(
        "train",
        "train_app",
        "Train the embedded models from scratch.",
    ),
    "convert-weights": Listed(
        "convert",
        "convert_command",
        "Write the tensors of a pickled file as safetensors; the source stays as it is.",
    ),
}


class _Commands(MutableMapping[str, Any]):
    """The commands by name, each imported when it is first asked for."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = COMMANDS[name].load(name)
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)

    def __contains__(self, name: object) -> bool:
        return name in COMMANDS


class LazyGroup(Group):
    """The group of all commands, each of which is imported when it is looked up."""

    _summaries_only = False

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Commands()

    def list_commands(self, ctx: _Context) -> list[str]:
        """Return the names of all commands, in the order of the list."""
        return list(COMMANDS)

    def get_command(self, ctx: _Context, cmd_name: str) -> Any:
        """Return a command; while commands are merely listed, one that knows its summary alone."""
        if self._summaries_only and cmd_name in COMMANDS:
            return Command(cmd_name, help=COMMANDS[cmd_name].summary)
        return super().get_command(ctx, cmd_name)

    def format_help(self, ctx: _Context, formatter: Any) -> None:
        """Print the help text without importing the commands."""
        with self._listing():
            super().format_help(ctx, formatter)

    def shell_complete(self, ctx: _Context, incomplete: str) -> Any:
        """Complete a name without importing the commands."""
        with self._listing():
            return super().shell_complete(ctx, incomplete)

    @contextmanager
    def _listing(self) -> Generator[None]:
        self._summaries_only = True
        try:
            yield
        finally:
            self._summaries_only = False
