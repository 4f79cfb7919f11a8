"""Templates around questions and expressions.

The templates are those of the paper's later version: `data/pixmmvp/prompt_templates.csv` and
`lang_grounding_prompt_templates.csv` of MSiam/PixFoundation.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pixfoundation.errors import DataError
from pixfoundation.prompts import QuestionTemplate
from pixfoundation.types import Sample
from pixfoundation.variants.base import (
    Aspect,
    NotApplicable,
    Partners,
    TemplateChanges,
    Variant,
    VariantSettings,
    VariedSample,
    kinds,
)

QUESTION_TEMPLATES = tuple(
    QuestionTemplate.parse(text)
    for text in (
        "Ques:{}\n|{}\nInstruct:|{}\nAns:",
        "{}\n|{}\n|{}\nAnswer:",
        "{} |{} |{}",
        "Question-{} |{}. |{}.Answer-",
        "{}\t|{}\t|{}Answer::",
        "Question, {} |{}. |{}. Answer,",
        "Q: {}\n|{}\n|{}\nA:",
        "{}\t|{}\t|{}A:",
        "{}|{}|{}",
        "Q::{}|{}\n|{}\nA::",
    )
)
"""The ten published templates of questions; the ninth is the default prompt."""

GROUNDING_TEMPLATES = (
    "Can you please segment {} in the given image",
    "Can you segment {} in this image?",
    "Can you identify {} in this image? (with grounding)",
    "Identify {} in the scene, with grounding.",
    "Can you identify {} in this image? (with grounding)",
    "Locate the {} and output a tight mask. If the object does not exist in the image dont generate"
    " any masks.",
    "Output mask for the {}.",
)
"""The seven published templates of protocol 3; the third and the fifth are the same."""

BOX_WORDS = (("masks", "boxes"), ("mask", "box"), ("segment", "detect"))
"""What a template says to a model that answers with boxes."""


def grounding_templates(settings: VariantSettings) -> tuple[str, ...]:
    """Return the distinct templates of protocol 3, each with one `{expression}`.

    Raises:
        DataError: If a template does not have exactly one `{}`.
    """
    templates = GROUNDING_TEMPLATES if settings.grounding is None else settings.grounding
    for template in templates:
        check_grounding_template(template)
    literal = (template.replace("{}", "\0") for template in dict.fromkeys(templates))
    escaped = (text.replace("{", "{{").replace("}", "}}") for text in literal)
    return tuple(text.replace("\0", "{expression}") for text in escaped)


def check_grounding_template(template: str) -> None:
    """Raise DataError if a template of protocol 3 does not have exactly one `{}`."""
    if template.count("{}") != 1:
        raise DataError(f"A template of protocol 3 has one {{}}, but got {template!r}.")


def box_wording(template: str) -> str:
    """Return a template of protocol 3 as it is put to a model that answers with boxes."""
    for mask, box in BOX_WORDS:
        template = template.replace(mask, box)
    return template


def read_templates(
    path: Path, column: str = "Template", check: Callable[[str], object] = str
) -> list[str]:
    r"""Read a CSV file of templates; `\n` and `\t` in them stand for a line break and a tab.

    Args:
        path: The file, with one template per row.
        column: The column that holds the templates.
        check: Raises DataError if a template is not valid.

    Raises:
        DataError: If the file cannot be read or has no such column, or a template is not valid.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if column not in (rows.fieldnames or ()):
                raise DataError(f"{path} has no column {column!r}.")
            texts = [row[column] or "" for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    templates = [text.replace("\\n", "\n").replace("\\t", "\t") for text in texts]
    for number, template in enumerate(templates, start=1):
        try:
            check(template)
        except DataError as error:
            raise DataError(f"{path}, row {number}: {error}") from error
    return templates


def replaced_in_prompt(varied: Sample, original: Sample) -> Sample:
    """Change question and options also in the dataset's own prompt, where it has one."""
    if original.prompt is None:
        return varied
    prompt = original.prompt
    if original.question and varied.question:
        prompt = prompt.replace(original.question, varied.question, 1)
    for before, after in zip(original.options, varied.options, strict=True):
        head, match, tail = prompt.rpartition(before)
        prompt = f"{head}{after}{tail}" if match else prompt
    return replace(varied, prompt=prompt)


class QuestionTemplates:
    """The question in other templates; its words stay."""

    name = "templates"
    aspect = Aspect.QUESTION

    def __init__(self, settings: VariantSettings) -> None:
        """Take the templates."""
        self._templates = settings.templates or QUESTION_TEMPLATES
        self.count = len(self._templates)

    def vary(self, sample: Sample, variant: Variant, partners: Partners) -> VariedSample:
        """Put the question into a template, the same for all samples; see `VariantKind.vary`."""
        if sample.question is None:
            raise NotApplicable("it has no question")
        template = self._templates[variant.index]
        return VariedSample(
            variant,
            sample,
            TemplateChanges(question=template),
            altered=template != QuestionTemplate(),
        )


class GroundingTemplates:
    """Protocol 3 in other words; the expression stays."""

    name = "grounding"
    aspect = Aspect.EXPRESSION

    def __init__(self, settings: VariantSettings) -> None:
        """Take the templates."""
        self._templates = grounding_templates(settings)
        self.count = len(self._templates)

    def vary(self, sample: Sample, variant: Variant, partners: Partners) -> VariedSample:
        """Put the expression into a template; see `VariantKind.vary`."""
        if sample.expression is None:
            raise NotApplicable("it has no expression")
        return VariedSample(
            variant, sample, TemplateChanges(identify=self._wording(self._templates[variant.index]))
        )

    def _wording(self, template: str) -> str:
        return template


class BoxTemplates(GroundingTemplates):
    """Protocol 3 in the words for models that answer with boxes."""

    name = "grounding-boxes"

    def _wording(self, template: str) -> str:
        return box_wording(template)


kinds.register("templates", summary="The question in other templates.")(QuestionTemplates)
kinds.register("grounding", summary="Other templates of protocol 3.")(GroundingTemplates)
kinds.register("grounding-boxes", summary="Templates of protocol 3 that ask for boxes.")(
    BoxTemplates
)
