"""Which variants a run asks about, and the variants themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from pixfoundation.errors import DataError
from pixfoundation.option_letters import split_lettered
from pixfoundation.types import LETTERS, Protocol, Sample
from pixfoundation.variants import published
from pixfoundation.variants.base import (
    Aspect,
    NotApplicable,
    Partners,
    TemplateChanges,
    Variant,
    VariantKind,
    VariantSettings,
    VariedSample,
    kinds,
)
from pixfoundation.variants.changes import PublishedColours
from pixfoundation.variants.visual import with_changed_truth

PER_KIND = 10
SEED = 2024


class Generator(StrEnum):
    """Which generator makes the variants."""

    CORRECTED = "corrected"
    PUBLISHED = "published"


PUBLISHED_KINDS = (
    "typos",
    "templates",
    "paraphrases",
    "grounding",
    "expression-typos",
    "crop",
    "maskout",
)
"""The kinds that the published generators make."""


@dataclass(frozen=True, slots=True)
class VariantPlan:
    """The variants of a run.

    Attributes:
        kinds: Names of the kinds, in order.
        per_kind: Number of variants of each kind; fewer of those that have fewer.
        seed: Seed of the draws.
        generator: Which generator makes them.
        settings: Settings of the kinds.
    """

    kinds: tuple[str, ...]
    per_kind: int = PER_KIND
    seed: int = SEED
    generator: Generator = Generator.CORRECTED
    settings: VariantSettings = field(default_factory=VariantSettings)

    def __post_init__(self) -> None:
        if not self.kinds:
            raise DataError("Name at least one kind of variants.")
        if len(set(self.kinds)) != len(self.kinds):
            raise DataError(f"A kind of variants is named twice: {', '.join(self.kinds)}.")
        if self.per_kind < 1:
            raise DataError(f"per_kind must be at least 1, but is {self.per_kind}.")
        if self.seed < 0:
            raise DataError(f"seed must be at least 0, but is {self.seed}.")
        for name in self.kinds:
            kinds.entry(name)
        if self.generator is Generator.PUBLISHED:
            if others := [name for name in self.kinds if name not in PUBLISHED_KINDS]:
                raise DataError(
                    f"The published code makes no variants of the kind {others[0]!r}. "
                    f"It makes: {', '.join(PUBLISHED_KINDS)}."
                )
            if self.seed != published.SEED:
                raise DataError(
                    f"The published variants have the seed {published.SEED}, not {self.seed}."
                )

    def load_kinds(self) -> dict[str, VariantKind]:
        """Return the kinds by name."""
        return {name: kinds.get(name)(self.settings) for name in self.kinds}

    def variants(self) -> list[Variant]:
        """Return the variants in order."""
        counts = {
            name: self.per_kind if kind.count is None else min(self.per_kind, kind.count)
            for name, kind in self.load_kinds().items()
        }
        if self.generator is Generator.PUBLISHED:
            counts |= {name: min(self.per_kind, _published_count(name)) for name in counts}
            if "paraphrases" in counts and self.settings.paraphrases is None:
                raise DataError(
                    "The published paraphrases are not public. Give a file of paraphrases, or "
                    "leave the kind 'paraphrases' out."
                )
        return [
            Variant(name, index, self.seed)
            for name, count in counts.items()
            for index in range(count)
        ]

    def vary(self, samples: Sequence[Sample]) -> Iterator[VariedSample]:
        """Make every variant of every sample, sample by sample.

        A variant that does not exist for a sample is returned with its reason in `skipped`.

        Args:
            samples: All samples of the dataset, in its order. The published generators need all of
                them, also where a run asks about a part.
        """
        if self.generator is Generator.PUBLISHED:
            yield from _published(self, samples)
            return
        loaded, partners = self.load_kinds(), Partners(samples)
        variants = self.variants()
        for sample in samples:
            for variant in variants:
                try:
                    yield loaded[variant.kind].vary(sample, variant, partners)
                except NotApplicable as reason:
                    yield VariedSample(variant, sample, altered=False, skipped=str(reason))

    def to_json(self) -> dict[str, Any]:
        """Return the plan as plain JSON data, without texts that the variants' records hold."""
        typos = self.settings.typos
        return {
            "kinds": list(self.kinds),
            "per_kind": self.per_kind,
            "seed": self.seed,
            "generator": self.generator.value,
            "typos": {name: getattr(typos, name) for name in typos.__slots__},
        }


def _published_count(kind: str) -> int:
    return {"grounding": 14, "expression-typos": 1}.get(kind, published.PER_KIND)


def _published(plan: VariantPlan, samples: Sequence[Sample]) -> Iterator[VariedSample]:
    """Make the published variants, sample by sample."""
    variants = plan.variants()
    made: Mapping[str, list[list[VariedSample]]] = {
        name: _published_kind(name, plan, samples) for name in plan.kinds
    }
    for number in range(len(samples)):
        for variant in variants:
            yield made[variant.kind][variant.index][number]


def _published_kind(
    name: str, plan: VariantPlan, samples: Sequence[Sample]
) -> list[list[VariedSample]]:
    """Return [variant][sample] of one kind."""
    if name in ("typos", "templates", "paraphrases"):
        return _published_questions(name, plan, samples)
    if name == "grounding":
        masks, _ = published.grounding_variants()
        texts = [template.replace("{}", "{expression}") for template in masks]
        return [
            [_identify(Variant(name, index, plan.seed), sample, text) for sample in samples]
            for index, text in enumerate(texts)
        ]
    if name == "expression-typos":
        return [_published_expressions(Variant(name, 0, plan.seed), samples)]
    first = 0 if name == "crop" else published.PER_KIND
    make = published.crops if name == "crop" else published.hidden_boxes
    masks = [sample.mask for sample in samples]
    return [
        [
            _published_image(Variant(name, index, plan.seed), sample, change)
            for sample, change in zip(samples, make(masks, first + index), strict=True)
        ]
        for index in range(published.PER_KIND)
    ]


def _published_questions(
    name: str, plan: VariantPlan, samples: Sequence[Sample]
) -> list[list[VariedSample]]:
    asked = [sample for sample in samples if sample.question is not None]
    paraphrases = plan.settings.paraphrases
    if name != "typos" and any(s.prompt is not None for s in asked):
        raise DataError(
            f"The published {name} of this dataset cannot be made: their draws go on from those of "
            "questions that it does not hold. Leave them out, or read the published files."
        )
    rows = [published.QuestionRow(s.question or "", _published_options(s)) for s in asked]
    all_variants = published.question_variants(
        rows,
        None if paraphrases is None else [paraphrases.get(s.id, ()) for s in asked],
    )
    first = published.PER_KIND * ("typos", "templates", "paraphrases").index(name)
    table: list[list[VariedSample]] = []
    for index in range(published.PER_KIND):
        variant = Variant(name, index, plan.seed)
        texts = {s.id: q for s, q in zip(asked, all_variants[first + index], strict=True)}
        table.append([_published_question(variant, s, texts.get(s.id)) for s in samples])
    return table


def _published_options(sample: Sample) -> str | tuple[str, ...]:
    """Return the options as the published files have them: one text, or CV-Bench's list.

    Raises:
        DataError: If a sample like PixMMVP's does not have two options.
    """
    if sample.prompt is not None:
        return _lettered(sample)
    if len(sample.options) != 2:
        raise DataError(
            f"Sample {sample.id} has {len(sample.options)} options, but the published generator of "
            "question variants handles two."
        )
    return "(a) {} (b) {}".format(*sample.options)


def _lettered(sample: Sample) -> tuple[str, ...]:
    return tuple(f"({LETTERS[i].upper()}) {text}" for i, text in enumerate(sample.options))


def _published_question(
    variant: Variant, sample: Sample, text: published.PublishedQuestion | None
) -> VariedSample:
    if text is None:
        return VariedSample(variant, sample, altered=False, skipped="it has no question")
    varied = replace(
        sample,
        question=text.question,
        options=split_lettered(text.options),
        prompt=_published_prompt(sample, text),
    )
    return VariedSample(variant, varied, TemplateChanges(letter_instruction=text.instruction))


def _published_prompt(sample: Sample, text: published.PublishedQuestion) -> str | None:
    """Return the dataset's own prompt as the generator changes it; None if it has none."""
    if sample.prompt is None:
        return None
    prompt = sample.prompt.replace(sample.question or "", text.question)
    return f"{prompt.replace(chr(10).join(_lettered(sample)), text.options)}. {text.instruction}"


def _identify(variant: Variant, sample: Sample, template: str) -> VariedSample:
    if sample.expression is None:
        return VariedSample(variant, sample, altered=False, skipped="it has no expression")
    return VariedSample(variant, sample, TemplateChanges(identify=template))


def _published_expressions(variant: Variant, samples: Sequence[Sample]) -> list[VariedSample]:
    # The published file says "None" where there is no expression, and misspells that as well.
    texts = published.expression_variants([s.expression or "None" for s in samples])
    return [
        VariedSample(variant, s, altered=False, skipped="it has no expression")
        if s.expression is None
        else VariedSample(variant, replace(s, expression=text.strip()))
        for s, text in zip(samples, texts, strict=True)
    ]


def _published_image(variant: Variant, sample: Sample, change: Any) -> VariedSample:
    coloured = PublishedColours(change)
    varied = with_changed_truth(sample, coloured.apply_to_mask(sample.mask), coloured)
    return VariedSample(variant, varied, change=coloured, altered=change is not None)


def protocols_of(kind: str) -> tuple[Protocol, ...]:
    """Return the protocols that variants of a kind are asked under."""
    aspect: Aspect = kinds.get(kind).aspect
    return aspect.protocols
