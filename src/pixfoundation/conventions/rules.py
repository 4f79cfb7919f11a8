"""The rules of each layer, with their defaults."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, cast

from pixfoundation.conventions.choices import (
    AnswerEnd,
    AnswerLength,
    AnswerText,
    AttentionGrid,
    AttentionRow,
    Choice,
    CoordinateMasks,
    DegenerateMap,
    EmptyTruth,
    ImageNewline,
    KeptMasks,
    LastToken,
    MaskCrop,
    MaskPairing,
    MissingAnswers,
    MissingCandidates,
    NativeMasks,
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
from pixfoundation.errors import DataError


def _rule(decides: str, source: str = "", why: str = "") -> dict[str, str]:
    """Return the metadata of a rule.

    Args:
        decides: What the rule decides.
        source: Where the published value comes from; empty if it is the default.
        why: Why the default differs from the published value.
    """
    return {"decides": decides, "source": source, "why": why}


_LLAVA_SAM = "`infer_lisa.py`, `infer_glamm.py`"
_LLAVA_GROUNDING = "`infer_llavag.py`"
_OMG = "`infer_omgllava.py`"
_RGA = "`infer_rga.py`"
_CAMBRIAN = "`infer_pixfoundation_cambrian.py`"
_ATTEND = "`infer_pixfoundation.py`"
_SELECTION = "`eval_nonpixLMM_iou.py`"
_IOU = "`eval_iou.py`, `eval_nonpixLMM_iou.py`"
_WHEN = "`eval_nonpixLMM_when_analysis.py`"


class LayerConventions:
    """Rules of one layer; values are checked and converted when an instance is made."""

    __slots__ = ()

    def __post_init__(self) -> None:
        """Turn plain strings and numbers into the values that the rules hold.

        Raises:
            DataError: If a rule has no such value.
        """
        for rule in fields(cast(Any, self)):
            value = _converted(rule.name, rule.default, getattr(self, rule.name))
            object.__setattr__(self, rule.name, value)

    def to_json(self) -> dict[str, str | float]:
        """Return the rules as plain JSON data."""
        values = {rule.name: getattr(self, rule.name) for rule in fields(cast(Any, self))}
        return {
            name: value.value if isinstance(value, Choice) else value
            for name, value in values.items()
        }


def _converted(name: str, default: object, value: object) -> Choice | float:
    if isinstance(default, Choice):
        known = [member.value for member in type(default)]
        if value not in known:
            raise DataError(f"{name} must be one of {', '.join(known)}, but is {value!r}.")
        return type(default)(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise DataError(f"{name} must be a number of at least 0, but is {value!r}.")
    return float(value)


@dataclass(frozen=True, slots=True)
class ModelConventions(LayerConventions):
    """What model adapters do where the published wrapper of a model does something of its own."""

    question_escaping: QuestionEscaping = field(
        default=QuestionEscaping.NONE,
        metadata=_rule(
            "special characters in questions to LISA and GLaMM",
            _LLAVA_SAM,
            "the models were not trained on entities",
        ),
    )
    answer_text: AnswerText = field(
        default=AnswerText.PLAIN,
        metadata=_rule(
            "the text of an answer of LISA, GLaMM, LLaVA-Grounding, OMG-LLaVA, Sa2VA, UniPixel "
            "and UniGR, which is then asked as its wrapper asks it, too",
            f"{_LLAVA_SAM}, {_LLAVA_GROUNDING}, {_OMG}, {_RGA}",
            "phrases need their place in the text",
        ),
    )
    mask_pairing: MaskPairing = field(
        default=MaskPairing.TOKENS,
        metadata=_rule(
            "the phrase of a native mask",
            f"{_LLAVA_GROUNDING}, {_OMG}",
            "a phrase without a mask must not shift the pairs after it",
        ),
    )
    answer_end: AnswerEnd = field(
        default=AnswerEnd.STOP_TOKEN,
        metadata=_rule(
            "the end of an answer of LLaVA-Grounding",
            _LLAVA_GROUNDING,
            "text is no stop token",
        ),
    )
    kept_masks: KeptMasks = field(
        default=KeptMasks.ALL,
        metadata=_rule("the masks of an answer of OMG-LLaVA", _OMG, "no mask is lost"),
    )
    mask_crop: MaskCrop = field(
        default=MaskCrop.CENTRE,
        metadata=_rule(
            "where the image is cut out of OMG-LLaVA's square",
            _OMG,
            "the corner shifts the masks of every image that is not square",
        ),
    )
    image_newline: ImageNewline = field(
        default=ImageNewline.KEPT,
        metadata=_rule(
            "the newline behind the image in Cambrian-1's prompt",
            _CAMBRIAN,
            "it was there in training",
        ),
    )
    attention_grid: AttentionGrid = field(
        default=AttentionGrid.IMAGE,
        metadata=_rule(
            "the pixels that Cambrian-1's attention grid covers",
            _CAMBRIAN,
            "the same on square images; up to 155 pixels off at 800 x 450",
        ),
    )


@dataclass(frozen=True, slots=True)
class GroundingConventions(LayerConventions):
    """How an answer becomes candidates."""

    attention_row: AttentionRow = field(
        default=AttentionRow.EMITTING,
        metadata=_rule(
            "the attention row of a token",
            _ATTEND,
            "the shift looks like an accident of editing; it moves the mean as well",
        ),
    )
    single_token: SingleToken = field(
        default=SingleToken.PLAIN,
        metadata=_rule(
            "the map of an answer of one token",
            _ATTEND,
            "a map that is zero everywhere points nowhere",
        ),
    )
    degenerate_map: DegenerateMap = field(
        default=DegenerateMap.CENTRE,
        metadata=_rule(
            "the point of a map that is constant or not a number",
            _ATTEND,
            "an arbitrary pixel is not a finding",
        ),
    )
    last_token: LastToken = field(
        default=LastToken.READ,
        metadata=_rule(
            "the last token, where a token's row is that of its own query",
            _CAMBRIAN,
            "the row costs one forward and loses no phrase",
        ),
    )
    phrase_edges: PhraseEdges = field(
        default=PhraseEdges.TRIMMED,
        metadata=_rule(
            "bullets, quotes and line breaks at a phrase's ends",
            _ATTEND,
            "they belong to the list, not to the thing",
        ),
    )
    coordinate_masks: CoordinateMasks = field(
        default=CoordinateMasks.ALL,
        metadata=_rule(
            "the masks of a point or box in the answer",
            "`infer_qwen.py`, `infer_simple_baseline.py`; Seg-Zero, VisionReasoner",
            "which mask counts is for the selector to decide",
        ),
    )


@dataclass(frozen=True, slots=True)
class SelectionConventions(LayerConventions):
    """Which candidate of an answer counts."""

    ties: Ties = field(
        default=Ties.LAST,
        metadata=_rule("which of equal masks or phrases the oracles and similarity take"),
    )
    phrase_mask: PhraseMask = field(
        default=PhraseMask.BEST_SCORED,
        metadata=_rule(
            "the mask of the phrase that the similarity chose",
            _SELECTION,
            "the published files hold no scores",
        ),
    )
    negative_similarity: NegativeSimilarity = field(
        default=NegativeSimilarity.EMPTY_MASK,
        metadata=_rule(
            "an answer whose phrases all have a negative similarity",
            _SELECTION,
            "it is below the threshold like any other",
        ),
    )
    similarity_threshold: SimilarityThreshold = field(
        default=SimilarityThreshold.VECTORS,
        metadata=_rule(
            "the similarity below which no phrase names the expression",
            _SELECTION,
            "a threshold belongs to the vectors that it was made for",
        ),
    )
    native_masks: NativeMasks = field(
        default=NativeMasks.UNION,
        metadata=_rule("the native masks that the selector `native` takes"),
    )


@dataclass(frozen=True, slots=True)
class ScoringConventions(LayerConventions):
    """How answers and selected masks become numbers."""

    option_parser: ParserRule = field(
        default=ParserRule.TOLERANT,
        metadata=_rule(
            "the option letters of protocol 2",
            "`protocol2_accuracy.py`",
            "the strict parser does not understand `(a) Open`",
        ),
    )
    no_mask: NoMask = field(
        default=NoMask.EMPTY_MASK,
        metadata=_rule(
            "an answer that offers no mask",
            _IOU,
            "it shows nothing, which is right where there is nothing",
        ),
    )
    missing_candidates: MissingCandidates = field(
        default=MissingCandidates.MISSING,
        metadata=_rule(
            "a sample whose candidates are missing or failed",
            _IOU,
            "what was not computed says nothing about the model",
        ),
    )
    empty_truth: EmptyTruth = field(
        default=EmptyTruth.ONE, metadata=_rule("an image without ground truth")
    )
    pair_rule: PairRule = field(
        default=PairRule.DATASET,
        metadata=_rule(
            "the pairs of the accuracy by pair",
            "`protocol1_accuracy.py`, `protocol2_accuracy.py`",
            "a missing line must not shift all later pairs",
        ),
    )
    missing_answers: MissingAnswers = field(
        default=MissingAnswers.WRONG,
        metadata=_rule(
            "a question without an answer",
            "`protocol1_accuracy.py`, `protocol2_accuracy.py`",
            "leaving questions out must not raise a score",
        ),
    )


@dataclass(frozen=True, slots=True)
class JudgingConventions(LayerConventions):
    """How a judge is asked."""

    pick_request: PickRequest = field(
        default=PickRequest.TOURNAMENT,
        metadata=_rule(
            "the request for the mask that shows the object best",
            "`infer_pixfoundation_auto_gpt.py`",
            "judges read long lists badly and prefer early places",
        ),
    )
    temperature: float = field(
        default=0.0,
        metadata=_rule(
            "the judge's temperature",
            "`protocol1_accuracy.py`, `infer_pixfoundation_auto_gpt.py`",
            "a verdict should be the same the next time",
        ),
    )


@dataclass(frozen=True, slots=True)
class EmergenceConventions(LayerConventions):
    """How the place and the concept of the best phrases are counted."""

    ties: Ties = field(
        default=Ties.FIRST,
        metadata=_rule(
            "which of equal phrases is the best",
            _WHEN,
            "either favours a place; the nulls break ties in the same way",
        ),
    )
    no_overlap: NoOverlap = field(
        default=NoOverlap.APART,
        metadata=_rule(
            "an answer none of whose masks overlaps the ground truth",
            _WHEN,
            "no phrase is the best there",
        ),
    )
    answer_length: AnswerLength = field(
        default=AnswerLength.WHOLE,
        metadata=_rule(
            "the text in which the place of a phrase is measured",
            _WHEN,
            "the cut is an artefact of the file format",
        ),
    )
    place_bins: PlaceBins = field(
        default=PlaceBins.CLOSED,
        metadata=_rule("the bins of the location histogram", _WHEN, "nothing is dropped"),
    )
