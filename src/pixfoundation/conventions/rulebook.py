"""`Conventions`: all rules together, and the two rulebooks `DEFAULT` and `PUBLISHED`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from pixfoundation.conventions.choices import (
    AnswerEnd,
    AnswerLength,
    AnswerText,
    AttentionGrid,
    AttentionRow,
    CoordinateMasks,
    DegenerateMap,
    ImageNewline,
    KeptMasks,
    LastToken,
    MaskCrop,
    MaskPairing,
    MissingAnswers,
    MissingCandidates,
    NegativeSimilarity,
    NoMask,
    NoOverlap,
    PairRule,
    ParserRule,
    PhraseEdges,
    PhraseMask,
    PickRequest,
    PlaceBins,
    QuestionEscaping,
    SimilarityThreshold,
    SingleToken,
    Ties,
)
from pixfoundation.conventions.rules import (
    EmergenceConventions,
    GroundingConventions,
    JudgingConventions,
    ModelConventions,
    ScoringConventions,
    SelectionConventions,
)
from pixfoundation.errors import DataError
from pixfoundation.toml_files import read_toml


@dataclass(frozen=True, slots=True)
class Conventions:
    """All rules, grouped by the layer that takes them.

    Attributes:
        model: Rules of the model adapters.
        grounding: Rules of the grounders.
        selection: Rules of the selectors.
        scoring: Rules of the scores.
        judging: Rules of the judges.
        emergence: Rules of the emergence analysis.
    """

    model: ModelConventions = field(default_factory=ModelConventions)
    grounding: GroundingConventions = field(default_factory=GroundingConventions)
    selection: SelectionConventions = field(default_factory=SelectionConventions)
    scoring: ScoringConventions = field(default_factory=ScoringConventions)
    judging: JudgingConventions = field(default_factory=JudgingConventions)
    emergence: EmergenceConventions = field(default_factory=EmergenceConventions)

    @classmethod
    def from_mapping(
        cls,
        rules: Mapping[str, Any],
        base: Conventions | None = None,
        *,
        source: str = "conventions",
    ) -> Conventions:
        """Set single rules on top of a rulebook.

        Args:
            rules: Values by layer and rule, as `{"scoring": {"pair_rule": "consecutive"}}`.
            base: The rulebook that holds the rules which are not named; `DEFAULT` if None.
            source: Name of where the rules come from, for messages.

        Raises:
            DataError: If a layer, a rule or a value is not known; the message names `source`, the
                key and the known values.
        """
        base = base if base is not None else cls()
        parts: dict[str, Any] = {}
        for layer, values in rules.items():
            if layer not in LAYERS:
                raise DataError(
                    f"{source}: there is no layer {layer!r}. Known: {', '.join(LAYERS)}."
                )
            if not isinstance(values, Mapping):
                raise DataError(f"{source}: {layer} must hold rules by name, but is {values!r}.")
            part = getattr(base, layer)
            for name, value in cast(Mapping[str, object], values).items():
                if name not in part.to_json():
                    raise DataError(
                        f"{source}: there is no rule {layer}.{name}. "
                        f"Known: {', '.join(part.to_json())}."
                    )
                try:
                    part = dataclasses.replace(part, **{name: value})
                except DataError as error:
                    raise DataError(f"{source}: {layer}.{error}") from error
            parts[layer] = part
        return dataclasses.replace(base, **parts)

    @classmethod
    def load(cls, path: Path | str, base: Conventions | None = None) -> Conventions:
        """Read single rules from a TOML file with one table per layer.

        Args:
            path: The file.
            base: The rulebook that holds the rules which are not named; `DEFAULT` if None.

        Raises:
            DataError: If the file cannot be read, or holds a rule or value that is not known.
        """
        return cls.from_mapping(read_toml(path), base, source=str(path))

    def to_json(self) -> dict[str, dict[str, str | float]]:
        """Return all rules by layer as plain JSON data, which `from_mapping` reads."""
        return {layer: getattr(self, layer).to_json() for layer in LAYERS}

    def changed(self, *layers: str) -> dict[str, str | float]:
        """Return the rules that differ from the default, as `layer.rule`.

        Args:
            layers: The layers to look at; all if none is named.
        """
        rules, default = self.to_json(), DEFAULT.to_json()
        return {
            f"{layer}.{name}": value
            for layer in layers or LAYERS
            for name, value in rules[layer].items()
            if value != default[layer][name]
        }

    def agrees_with(self, other: Conventions, *layers: str) -> bool:
        """Return whether the named layers have the same rules; all layers if none is named.

        The rules that options of a command set by themselves (`empty_truth`, `native_masks`) are
        the same in both rulebooks and are not compared.
        """
        mine, theirs = self.to_json(), other.to_json()
        return all(
            value == theirs[layer][name] or name in SET_BY_OPTIONS
            for layer in layers or LAYERS
            for name, value in mine[layer].items()
        )


SET_BY_OPTIONS = frozenset({"empty_truth", "native_masks"})
"""Rules that have an option of their own, whichever rulebook is used."""

PUBLISHED_PARSERS = {"pixcvbench": "published-cvbench"}
"""Option parsers of the published scripts by dataset; `published` for all other datasets."""

LAYERS = tuple(part.name for part in dataclasses.fields(Conventions))
"""The layers that have rules."""

DEFAULT = Conventions()
"""What PixFoundation does unless told otherwise."""

PUBLISHED = Conventions(
    ModelConventions(
        question_escaping=QuestionEscaping.HTML,
        answer_text=AnswerText.STORED,
        mask_pairing=MaskPairing.WRAPPER,
        answer_end=AnswerEnd.STOP_TEXT,
        kept_masks=KeptMasks.FIRST,
        mask_crop=MaskCrop.TOP_LEFT,
        image_newline=ImageNewline.DROPPED,
        attention_grid=AttentionGrid.SQUARE,
    ),
    GroundingConventions(
        attention_row=AttentionRow.PUBLISHED,
        single_token=SingleToken.CENTRED,
        degenerate_map=DegenerateMap.ORIGIN,
        last_token=LastToken.DROPPED,
        phrase_edges=PhraseEdges.KEPT,
        coordinate_masks=CoordinateMasks.ONE,
    ),
    SelectionConventions(
        phrase_mask=PhraseMask.LAST,
        negative_similarity=NegativeSimilarity.NOTHING,
        similarity_threshold=SimilarityThreshold.PUBLISHED,
    ),
    ScoringConventions(
        option_parser=ParserRule.PUBLISHED,
        no_mask=NoMask.ZERO,
        missing_candidates=MissingCandidates.NO_MASK,
        pair_rule=PairRule.CONSECUTIVE,
        missing_answers=MissingAnswers.LEFT_OUT,
    ),
    JudgingConventions(pick_request=PickRequest.SINGLE, temperature=0.2),
    EmergenceConventions(
        ties=Ties.LAST,
        no_overlap=NoOverlap.COUNTED,
        answer_length=AnswerLength.CUT,
        place_bins=PlaceBins.HALF_OPEN,
    ),
)
"""What the published code does."""
