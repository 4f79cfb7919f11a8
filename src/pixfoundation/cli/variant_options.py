"""Options that describe the variants of a run, shared by `run` and `variants`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pixfoundation.types import Sample
    from pixfoundation.variants import TypoCounts, VariantPlan

PER_KIND = typer.Option(10, min=1, help="Number of variants of each kind, at most.")
SEED = typer.Option(2024, min=0, help="Seed of the variants' draws.")
PARAPHRASES = typer.Option(
    None,
    help="JSON file of paraphrased questions, by sample id. Default: paraphrases by rules.",
)
TEMPLATES = typer.Option(
    None, help="CSV file of question templates, column Template: question|options|instruction."
)
GROUNDING = typer.Option(
    None, help="CSV file of templates of protocol 3, column Template, with one {} each."
)
TYPOS = typer.Option(
    None,
    metavar="PLACE=N",
    help="Number of typos in: question, instruction, option, grounding, word; repeatable.",
)


@dataclass(frozen=True, slots=True)
class VariantOptions:
    """The options as typed.

    Attributes:
        per_kind: Number of variants of each kind.
        seed: Seed of the draws.
        paraphrases: File of paraphrases.
        templates: File of question templates.
        grounding: File of templates of protocol 3.
        typos: Numbers of typos, as PLACE=N.
    """

    per_kind: int
    seed: int
    paraphrases: Path | None
    templates: Path | None
    grounding: Path | None
    typos: tuple[str, ...]

    def plan(self, kinds: str, samples: Sequence[Sample], *, published: bool) -> VariantPlan:
        """Return the plan of a run's variants.

        Args:
            kinds: Names of kinds, by commas.
            samples: The samples of the dataset, to which the file of paraphrases belongs.
            published: Whether the published generators make the variants.

        Raises:
            DataError: If a file does not fit, or a number is not valid.
            UnknownNameError: If there is no such kind.
        """
        from pixfoundation.prompts import QuestionTemplate
        from pixfoundation.variants import Generator, VariantPlan, VariantSettings
        from pixfoundation.variants.paraphrases import read_paraphrases
        from pixfoundation.variants.wording import check_grounding_template, read_templates

        questions = grounding = None
        if self.templates is not None:
            parse = QuestionTemplate.parse
            questions = tuple(parse(text) for text in read_templates(self.templates, check=parse))
        if self.grounding is not None:
            grounding = tuple(read_templates(self.grounding, check=check_grounding_template))
        settings = VariantSettings(
            typos=self._typos(),
            templates=questions,
            grounding=grounding,
            paraphrases=None
            if self.paraphrases is None
            else read_paraphrases(self.paraphrases, samples),
        )
        return VariantPlan(
            tuple(name.strip() for name in kinds.split(",") if name.strip()),
            self.per_kind,
            self.seed,
            Generator.PUBLISHED if published else Generator.CORRECTED,
            settings,
        )

    def _typos(self) -> TypoCounts:
        from pixfoundation.variants import TypoCounts

        counts: dict[str, int] = {}
        for pair in self.typos:
            place, _, number = pair.partition("=")
            if place not in TypoCounts.__slots__ or not number.isdecimal():
                raise typer.BadParameter(
                    f"expected PLACE=N with a place of {', '.join(TypoCounts.__slots__)}, "
                    f"but got {pair!r}."
                )
            counts[place] = int(number)
        return TypoCounts(**counts)


def variant_options(
    per_kind: int = PER_KIND,
    variant_seed: int = SEED,
    paraphrases: Path | None = PARAPHRASES,
    question_templates: Path | None = TEMPLATES,
    grounding_templates: Path | None = GROUNDING,
    typos: list[str] | None = TYPOS,
) -> VariantOptions:
    """Return the options of variants as one object."""
    return VariantOptions(
        per_kind,
        variant_seed,
        paraphrases,
        question_templates,
        grounding_templates,
        tuple(typos or ()),
    )
