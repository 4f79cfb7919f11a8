"""The values that rules can have, each with what it means."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Choice(StrEnum):
    """One value of a rule, with what it means."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        """Make a member that equals its value and carries its meaning."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member


# ---- models --------------------------------------------------------------------------------------


class QuestionEscaping(Choice):
    """Whether a question is HTML-escaped."""

    NONE = "none", "questions as they are"
    HTML = "html", "HTML-escaped by the model's wrapper"


class AnswerText(Choice):
    """What is kept of an answer's text."""

    PLAIN = "plain", "the text without tags, each token with its characters"
    STORED = "stored", "the text as the model's wrapper stores it, without the tokens' characters"


class MaskPairing(Choice):
    """Which phrase a native mask belongs to."""

    TOKENS = "tokens", "the phrase that its segmentation token closes"
    WRAPPER = "wrapper", "LLaVA-Grounding: by cutting the text at ` <seg>`; OMG-LLaVA: no phrase"


class AnswerEnd(Choice):
    """Where an answer of LLaVA-Grounding ends."""

    STOP_TOKEN = "stop-token", "at the stop token"
    STOP_TEXT = "stop-text", "also where ordinary tokens spell `</s>`"


class KeptMasks(Choice):
    """Which masks of OMG-LLaVA an answer keeps."""

    ALL = "all", "those that the model option `masks` names"
    FIRST = "first", "the first"


class MaskCrop(Choice):
    """Where the image is cut out of OMG-LLaVA's padded square."""

    CENTRE = "centre", "from the centre, where it was padded"
    TOP_LEFT = "top-left", "from the top left corner"


class ImageNewline(Choice):
    """What happens to the newline behind the image in Cambrian-1's prompt."""

    KEPT = "kept", "kept, as in training"
    DROPPED = "dropped", "dropped: its splitter takes it for a start token"


class AttentionGrid(Choice):
    """Which pixels Cambrian-1's attention grid covers."""

    IMAGE = "image", "each cell on the pixels that it was computed from"
    SQUARE = "square", "the cut grid stretched over the padded square"


# ---- grounding -----------------------------------------------------------------------------------


class AttentionRow(Choice):
    """Which attention row is a token's."""

    EMITTING = "emitting", "the query that emitted it; of the first token the last prompt token"
    PUBLISHED = (
        "published",
        "as in the model's published evaluation; of the first token the query one before (`-2:-1`)",
    )


class SingleToken(Choice):
    """What the map of an answer of one token is."""

    PLAIN = "plain", "its plain map, flagged as degenerate"
    CENTRED = "centred", "its map less its own mean: zero everywhere, flagged as degenerate"


class DegenerateMap(Choice):
    """Where a map without a maximum points."""

    CENTRE = "centre", "the centre of the image, flagged as degenerate"
    ORIGIN = "origin", "pixel (0, 0), flagged as degenerate"


class LastToken(Choice):
    """Whether the last token has a map where a token's row is that of its own query."""

    READ = "read", "has a map, by one more forward"
    DROPPED = "dropped", "has none; a phrase with it is dropped"


class PhraseEdges(Choice):
    """What happens to bullets, quotes and line breaks at the ends of a phrase."""

    TRIMMED = "trimmed", "cut off"
    KEPT = "kept", "kept"


class CoordinateMasks(Choice):
    """Which masks of one point or box count."""

    ALL = "all", "all that the segmenter gives"
    ONE = "one", "its last; for a box with points its best-scored"


# ---- selection -----------------------------------------------------------------------------------


class Ties(Choice):
    """Which of several equal candidates or phrases wins."""

    FIRST = "first", "the first"
    LAST = "last", "the last"


class PhraseMask(Choice):
    """Which mask of the phrase that the similarity chose counts."""

    BEST_SCORED = "best-scored", "the segmenter's best-scored, where scores are known"
    LAST = "last", "the last (of SAM's three the third)"


class NegativeSimilarity(Choice):
    """What is selected where every similarity is negative."""

    EMPTY_MASK = "empty-mask", "an empty mask, as for any best similarity below the threshold"
    NOTHING = "nothing", "nothing: IoU 0"


class SimilarityThreshold(Choice):
    """Below which best similarity an answer does not name the expression."""

    VECTORS = "vectors", "that of the vectors: 0.7 for `en_core_web_lg`, 0.56 for `wordllama`"
    PUBLISHED = "published", "0.7, whatever the vectors"


class NativeMasks(Choice):
    """Which native masks the selector `native` takes."""

    UNION = "union", "all, united"
    FIRST = "first", "the first"


# ---- scoring -------------------------------------------------------------------------------------


class ParserRule(Choice):
    """Which option parser reads the answers of protocol 2."""

    TOLERANT = "tolerant", "tolerant parser; both results are shown where they differ"
    PUBLISHED = "published", "strict parser of the dataset's published script"


class NoMask(Choice):
    """What an answer counts that offers no mask."""

    EMPTY_MASK = "empty-mask", "an empty mask: 1 where there is nothing to find"
    ZERO = "zero", "IoU 0, also where there is nothing to find"


class MissingCandidates(Choice):
    """What a sample counts whose candidates are missing."""

    MISSING = "missing", "IoU 0, counted as missing"
    NO_MASK = "no-mask", "an answer that offers no mask"


class EmptyTruth(Choice):
    """How an image without ground truth is scored."""

    ONE = "one", "an empty mask scores 1, any other 0"
    SKIP = "skip", "the image is left out"


class PairRule(Choice):
    """Which two questions make a pair."""

    DATASET = "dataset", "the pairs of the dataset"
    CONSECUTIVE = (
        "consecutive",
        "consecutive lines of the file; of an odd last line protocol 1 ignores the grade and "
        "protocol 2 adds it",
    )


class MissingAnswers(Choice):
    """How a question without an answer is scored."""

    WRONG = "wrong", "wrong, and counted as unanswered"
    LEFT_OUT = "left-out", "left out of the denominator"


# ---- judging -------------------------------------------------------------------------------------


class PickRequest(Choice):
    """How a judge is asked which mask shows the object."""

    TOURNAMENT = (
        "tournament",
        "a tournament: at most 12 overlays per request, shuffled, near-equal masks shown once, "
        "'none of them' on offer",
    )
    SINGLE = "single", "one request with all overlays in their order (499 at most)"


# ---- emergence -----------------------------------------------------------------------------------


class NoOverlap(Choice):
    """What happens to an answer none of whose masks overlaps the ground truth."""

    APART = "apart", "counted apart"
    COUNTED = "counted", "has a best phrase like any other"


class AnswerLength(Choice):
    """Which text a phrase's place is measured in."""

    WHOLE = "whole", "the answer without white space at its end"
    CUT = "cut", "line breaks as blanks, up to the first `- `"


class PlaceBins(Choice):
    """How places become ten bins."""

    CLOSED = "closed", "a place of 100 % is in the last bin"
    HALF_OPEN = "half-open", "places of 100 % and above are dropped"
