"""Options of `run` about answers that come from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from pixfoundation.cli.options import parse_options

if TYPE_CHECKING:
    from pixfoundation.runs.answer_sources import AnswerSource
    from pixfoundation.runs.store import RunDirectory


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """The options as typed.

    Attributes:
        place: Where the answers come from; None if the model answers.
        options: Options of an endpoint.
        check: Number of samples to generate for.
    """

    place: str | None
    options: dict[str, Any]
    check: int

    def source(self) -> AnswerSource | None:
        """Return where the answers come from; None if the model answers.

        Raises:
            DataError: If there are no answers, or an option is not known.
            RunError: If they cannot be read.
            JudgeError: If the endpoint cannot be reached.
        """
        if self.place is None:
            return None
        from pixfoundation.runs.answer_sources import load_answers

        return load_answers(self.place, **self.options)


def answer_options(
    answers_from: str | None = typer.Option(
        None,
        metavar="RUN|FILE|endpoint:URL",
        help="Take the texts from another run, a file or a served model, and read the attention of "
        "each by one forward instead of generating.",
    ),
    answers_option: list[str] | None = typer.Option(
        None,
        metavar="KEY=VALUE",
        help="Option of endpoint:URL, such as model=NAME or at_once=16; repeatable.",
    ),
    check: int = typer.Option(
        0,
        min=0,
        help="With --answers-from: generate for N samples too, and count how many texts and points "
        "agree.",
    ),
) -> AnswerOptions:
    """Collect the options.

    Raises:
        typer.BadParameter: If an option lacks what it belongs to.
    """
    if answers_from is None and (answers_option or check):
        raise typer.BadParameter("--answers-option and --check belong to --answers-from.")
    return AnswerOptions(answers_from, parse_options(answers_option), check)


def say_check(run: RunDirectory) -> None:
    """Say how many of the given answers the model generates itself."""
    from pixfoundation.cli.printing import notes
    from pixfoundation.runs.answer_check import read_check

    checked = read_check(run.path)
    if checked is not None:
        style = None if checked.equal_texts == checked.texts else "yellow"
        notes().print_prose(checked.sentence) if style is None else notes().print(
            checked.sentence, style=style
        )
