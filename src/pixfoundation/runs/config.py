"""The configuration of a run, as `run.json` holds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    field_serializer,
    model_serializer,
    model_validator,
)

from pixfoundation.conventions import DEFAULT, PUBLISHED, Conventions
from pixfoundation.types import Protocol

_RECORDED = ("model", "grounding")
"""Layers whose rules the results of a run depend on."""


class Description(BaseModel):
    """What identifies a part of a run.

    Each part describes itself by its fingerprint, so further fields are kept as they are. Fields
    that are not set are not written.

    Attributes:
        name: Name of the part; None if it has none.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str | None = None

    @classmethod
    def of(cls, name: str, fields: Mapping[str, Any]) -> Self:
        """Return the description of a part with its name first.

        Args:
            name: Name of the part.
            fields: Everything else, such as its fingerprint; a `name` in it takes precedence.
        """
        return cls.model_validate({"name": name, **fields})

    @model_serializer(mode="wrap")
    def _write(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Return the fields that are set, `name` first."""
        data: dict[str, Any] = handler(self)
        return {key: value for key, value in data.items() if key in self.model_fields_set}


class ModelDescription(Description):
    """Name, revision, options and prompt templates of a model."""


class DatasetDescription(Description):
    """What identifies a dataset.

    Attributes:
        fingerprint: Changes whenever the samples do.
        notes: What every table must say about the dataset.
    """

    fingerprint: str | None = None
    notes: tuple[str, ...] = ()


class SegmenterDescription(Description):
    """Name and options of a segmenter."""


class GroundingDescription(Description):
    """Name and options of a grounder; nothing is set where nothing is grounded."""


class DecodingDescription(Description):
    """How answers are decoded.

    Attributes:
        max_new_tokens: Greatest number of tokens per answer.
        temperature: Sampling temperature; 0 for greedy decoding.
    """

    max_new_tokens: int | None = None
    temperature: int | float | None = None


class AnswersDescription(Description):
    """Where the texts of a run come from, if the model did not write them.

    Attributes:
        kind: `run`, `file` or `endpoint`.
        sha256: Hash of the other run's configuration, or of the file.
    """

    kind: str = "run"
    sha256: str | None = None


class RunConfig(BaseModel):
    """Everything that a run's results depend on: equal configurations give equal results.

    Attributes:
        model: The model.
        dataset: The dataset.
        segmenter: The segmenter; None if only native masks are used.
        grounding: The grounder.
        protocols: The protocols that are run.
        decoding: How answers are decoded.
        seed: Seed of the random points and of sampling.
        published: Whether models and grounders follow the published rules; derived.
        imported: Whether the answers come from files of the published code.
        conventions: Rules of models and grounders. Files without this key hold only `published`,
            which means `PUBLISHED` or `DEFAULT`.
        answers: Where the texts come from; None, and not written, if the model wrote them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: ModelDescription
    dataset: DatasetDescription
    segmenter: SegmenterDescription | None = None
    grounding: GroundingDescription = GroundingDescription()
    protocols: tuple[Protocol, ...]
    decoding: DecodingDescription = DecodingDescription()
    seed: int = 2024
    published: bool = False
    imported: bool = False
    conventions: Conventions = DEFAULT
    answers: AnswersDescription | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_conventions(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Complete the rules from the key `published`, and the other way round."""
        rules = data.get("conventions")
        if not isinstance(rules, Conventions):
            base = PUBLISHED if data.get("published") else DEFAULT
            rules = Conventions.from_mapping(rules or {}, base)
        published = rules.agrees_with(PUBLISHED, *_RECORDED)
        return {**data, "conventions": rules, "published": published}

    @field_serializer("conventions")
    def _write_conventions(self, rules: Conventions) -> dict[str, Any]:
        """Return the rules that the results of a run depend on."""
        return {layer: getattr(rules, layer).to_json() for layer in _RECORDED}

    def to_json(self) -> dict[str, Any]:
        """Return the configuration as plain JSON data."""
        data = self.model_dump(mode="json")
        if self.answers is None:
            del data["answers"]
        return data
