"""`Settings`: how a run was scored, with everything decided that the options leave open."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pixfoundation.conventions import (
    DEFAULT,
    PUBLISHED,
    PUBLISHED_PARSERS,
    Conventions,
    EmptyTruth,
    NativeMasks,
    ParserRule,
    ScoringConventions,
)
from pixfoundation.errors import DataError, PrerequisiteError
from pixfoundation.runs.records import RULES, CandidateRecord, VerdictKind, VerdictRecord
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.options import ParserName, ScoreOptions
from pixfoundation.similarity import PhraseVectors, Similarity

_LAYERS = ("selection", "scoring")


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run is scored; written into every output.

    Attributes:
        conventions: The rules of selectors and scores.
        parser: Option parser of protocol 2.
        grade_judge: Judge that grades protocol 1; `rules` for the rule-based grades.
        pick_judge: Judge that picks masks; None if no judge did.
        vectors: Names of the phrase vectors, or `imported`; None if no similarity was used.
        threshold: Similarity that was asked for instead of the threshold of the vectors; None for
            that of the vectors.
        replicates: Number of bootstrap draws.
        seed: Seed of the draws.
    """

    conventions: Conventions
    parser: ParserName
    grade_judge: str
    pick_judge: str | None
    vectors: str | None
    threshold: float | None
    replicates: int
    seed: int

    @property
    def published(self) -> bool:
        """Whether selectors and scores follow the published rules."""
        return self.conventions.agrees_with(PUBLISHED, *_LAYERS)

    @property
    def empty(self) -> EmptyTruth:
        """How an image without ground truth is scored."""
        return self.conventions.scoring.empty_truth

    @property
    def native(self) -> NativeMasks:
        """Which native masks the selector `native` takes."""
        return self.conventions.selection.native_masks

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON data.

        The key `conventions` is there only if the rules are neither the default nor the published
        ones; it holds the rules that differ from the default.
        """
        data: dict[str, Any] = {
            "published": self.published,
            "parser": self.parser.value,
            "grade_judge": self.grade_judge,
            "pick_judge": self.pick_judge,
            "empty": self.empty.value,
            "native": self.native.value,
            "vectors": self.vectors,
            "replicates": self.replicates,
            "seed": self.seed,
        }
        if self.threshold is not None:
            data["threshold"] = self.threshold
        if not (self.published or self.conventions.agrees_with(DEFAULT, *_LAYERS)):
            data["conventions"] = self.conventions.changed(*_LAYERS)
        return data


def resolve_settings(
    records: RunRecords, options: ScoreOptions, similarity: Similarity | None
) -> Settings:
    """Decide what the options leave open.

    Args:
        records: The records of the run.
        options: What the caller chose.
        similarity: Similarity of phrases, if it can be computed here.

    Raises:
        DataError: If the run holds no verdicts of the judge that was asked for.
    """
    verdicts = records.verdicts
    _check_judge(records.run, verdicts, options.judge)
    rules = options.rules
    return Settings(
        conventions=rules,
        parser=options.parser or _parser(records.run, rules.scoring),
        grade_judge=_judge(verdicts, {"grade"}, options.judge) or RULES,
        pick_judge=_judge(verdicts, {"pick", "presence"}, options.judge),
        vectors=_vectors_used(records.candidates.values(), similarity),
        threshold=options.threshold,
        replicates=options.replicates,
        seed=options.seed,
    )


def find_similarity(
    run: RunDirectory, vectors: str | PhraseVectors | None, required: bool
) -> Similarity | None:
    """Return the similarity of phrases, with what the run has stored of it.

    Args:
        run: The run, whose file `similarity.json` is read.
        vectors: The phrase vectors, or their name; None for the first installed.
        required: Whether it is an error if none are installed.

    Returns:
        The similarity; None if no vectors are installed and none are required.

    Raises:
        PrerequisiteError: If vectors are required or named, but not installed.
    """
    try:
        return Similarity.cached(run.path / "similarity.json", vectors)
    except PrerequisiteError:
        if required or vectors is not None:
            raise
        return None


def _vectors_used(records: Iterable[CandidateRecord], similarity: Similarity | None) -> str | None:
    """Return where similarities come from: imported with the phrases, or computed here."""
    stored = {
        candidate.similarity is not None
        for record in records
        for candidate in record.candidates
        if candidate.phrase is not None
    }
    names = ["imported"] if True in stored else []
    if False in stored and similarity is not None:
        names.append(similarity.name)
    return " and ".join(names) or None


def _parser(run: RunDirectory, conventions: ScoringConventions) -> ParserName:
    if conventions.option_parser is ParserRule.TOLERANT:
        return ParserName.TOLERANT
    return ParserName(PUBLISHED_PARSERS.get(run.config.dataset.name or "", "published"))


def _check_judge(run: RunDirectory, verdicts: Sequence[VerdictRecord], judge: str | None) -> None:
    names = list(dict.fromkeys(verdict.judge for verdict in verdicts))
    if judge not in (None, RULES, *names):
        raise DataError(
            f"{run.path} has no verdicts of {judge!r}. "
            f"It has those of: {'; '.join(names) or 'nobody'}."
        )


def _judge(
    verdicts: Sequence[VerdictRecord], kinds: Collection[VerdictKind], judge: str | None
) -> str | None:
    """Return the judge that was asked for, else the last that gave a verdict of these kinds."""
    names = [verdict.judge for verdict in verdicts if verdict.kind in kinds]
    if judge is None:
        return names[-1] if names else None
    return judge if judge in names else None
