"""From the options of a scoring to its settings: whose verdicts, which parser, which vectors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pixfoundation.conventions import PUBLISHED_PARSERS, Conventions, ParserRule, ScoringConventions
from pixfoundation.errors import DataError, PrerequisiteError
from pixfoundation.runs.records import CandidateRecord, VerdictRecord
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring import accuracy
from pixfoundation.scoring.grading import RULES
from pixfoundation.scoring.scores import Settings
from pixfoundation.similarity import PhraseVectors, Similarity


def resolve_settings(
    evidence: RunRecords,
    similarity: Similarity | None,
    *,
    conventions: Conventions,
    parser: str | None,
    judge: str | None,
    replicates: int,
    seed: int,
) -> Settings:
    """Decides what the options left open, and refuses values that they do not have.

    Args:
        evidence: What there is to score.
        similarity: Of phrases, if it can be computed here.
        conventions: The rules.
        parser: Of option letters; None for what the conventions and the dataset call for.
        judge: Whose verdicts count; None for the last that wrote.
        replicates: Bootstrap draws.
        seed: Of the draws.

    Raises:
        DataError: If an option has no such value, or the run nothing of the judge.
    """
    verdicts = evidence.verdicts
    _check_judge(evidence.run, verdicts, judge)
    return Settings(
        conventions=conventions,
        parser=_parser(parser, evidence.run, conventions.scoring),
        grade_judge=_judge(verdicts, ("grade",), judge) or RULES,
        pick_judge=_judge(verdicts, ("pick", "presence"), judge),
        vectors=_vectors_used(evidence.candidates.values(), similarity),
        replicates=replicates,
        seed=seed,
    )


def find_similarity(
    run: RunDirectory, vectors: str | PhraseVectors | None, required: bool
) -> Similarity | None:
    """The similarity of phrases with what a run remembers of it; None without vectors.

    Args:
        run: Whose file `similarity.json` is read.
        vectors: Those to use, or their name; None for the first installed.
        required: Whether it is an error if none are installed.

    Raises:
        PrerequisiteError: If it is required, or vectors were named, and there are none.
    """
    try:
        return Similarity.cached(run.path / "similarity.json", vectors)
    except PrerequisiteError:
        if required or vectors is not None:
            raise
        return None


def _vectors_used(
    candidates: Iterable[CandidateRecord], similarity: Similarity | None
) -> str | None:
    """Names where the similarities come from: imported with the phrases, or computed here."""
    stored = {
        candidate.similarity is not None
        for record in candidates
        for candidate in record.candidates
        if candidate.phrase is not None
    }
    names = ["imported"] if True in stored else []
    if False in stored and similarity is not None:
        names.append(similarity.name)
    return " and ".join(names) or None


def _parser(name: str | None, run: RunDirectory, conventions: ScoringConventions) -> str:
    if name is None:
        own = PUBLISHED_PARSERS.get(run.config.dataset.name or "", "published")
        return own if conventions.option_parser is ParserRule.PUBLISHED else "tolerant"
    return _one_of("--parser", name, tuple(accuracy.PARSERS))


def _check_judge(run: RunDirectory, verdicts: Sequence[VerdictRecord], wanted: str | None) -> None:
    names = list(dict.fromkeys(verdict.judge for verdict in verdicts))
    if wanted not in (None, RULES, *names):
        raise DataError(
            f"{run.path} has no verdicts of {wanted!r}. "
            f"It has those of: {'; '.join(names) or 'nobody'}."
        )


def _judge(
    verdicts: Sequence[VerdictRecord], kinds: tuple[str, ...], wanted: str | None
) -> str | None:
    """The judge that was asked for, else the last that wrote a verdict of these kinds."""
    names = [verdict.judge for verdict in verdicts if verdict.kind in kinds]
    if wanted is None:
        return names[-1] if names else None
    return wanted if wanted in names else None


def _one_of(option: str, value: Any, known: tuple[str, ...]) -> Any:
    if value not in known:
        raise DataError(f"{option} is {' or '.join(known)}, but got {value!r}.")
    return value
