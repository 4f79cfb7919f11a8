"""`score`: everything that a run directory says about a model, in numbers."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from pixfoundation.conventions import DEFAULT, Conventions
from pixfoundation.errors import DataError, RunError
from pixfoundation.runs.jsonl import write_json
from pixfoundation.runs.records import AnswerRecord
from pixfoundation.runs.run_records import RunRecords, by_protocol
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring import accuracy, grounding, paired
from pixfoundation.scoring.accuracy import Accuracy
from pixfoundation.scoring.grading import RULES, grade_by_rules, grade_by_verdicts
from pixfoundation.scoring.grounding import MaskScores
from pixfoundation.scoring.intervals import Bootstrap, Estimate
from pixfoundation.scoring.notes import data_notes, settings_notes
from pixfoundation.scoring.paired import Paired
from pixfoundation.scoring.scores import DEFAULT_SELECTORS, Scores, Settings
from pixfoundation.scoring.settings import find_similarity, resolve_settings
from pixfoundation.scoring.verdicts import VerdictCount, count_verdicts, verdict_notes
from pixfoundation.selectors import selectors as registry
from pixfoundation.selectors.base import ALIASES, Rules
from pixfoundation.similarity import PhraseVectors, Similarity
from pixfoundation.types import Protocol, Sample

__all__ = ["Scores", "score"]


def score(
    run: RunRecords | RunDirectory | Path | str,
    *,
    selectors: Sequence[str] | None = None,
    selector: str | None = None,
    parser: str | None = None,
    judge: str | None = None,
    empty: str | None = None,
    native: str | None = None,
    conventions: Conventions = DEFAULT,
    vectors: str | PhraseVectors | None = None,
    only: Sequence[str] | None = None,
    replicates: int = 1000,
    seed: int = 2024,
) -> Scores:
    """Scores a run directory; nothing but its files is needed.

    Phrase similarities are kept in its file `similarity.json`, so that the next time is faster.

    Args:
        run: The run directory, or its records if they are at hand.
        selectors: Which selectors; None for those of the published tables that the run has.
        selector: The one that leads the table; None for the first that the run has.
        parser: Reads option letters in protocol 2: `tolerant`, `published`, `published-cvbench`;
            None for the tolerant one, or under `published` the benchmark's own.
        judge: Whose verdicts count where a run has several judges'; `rules` to grade by rules
            though there are verdicts. None for the last judge that wrote.
        empty: How an image without ground truth is scored, `one` (an empty mask 1, any other 0) or
            `skip`; None for what the conventions say.
        native: Which native masks count, `union` or `first`; None for what the conventions say.
        conventions: The rules.
        vectors: For the phrase similarity, or their name; None for the first installed.
        only: Ids of the samples to score, in that order; None for all.
        replicates: Bootstrap draws of the intervals.
        seed: Of the draws.

    Raises:
        RunError: If the run directory cannot be read.
        UnknownNameError: If a selector or the vectors are not known.
        DataError: If an option has no such value, or the run has nothing for a named selector or of
            a named judge.
        PrerequisiteError: If the similarity was asked for by name and no vectors are installed.
    """
    evidence = RunRecords.of(run, only)
    samples, run = evidence.samples, evidence.run
    bootstrap = Bootstrap(samples, replicates, seed)
    selectors = None if selectors is None else [ALIASES.get(name, name) for name in selectors]
    selector = ALIASES.get(selector or "", selector)
    named = (*(selectors or ()), *((selector,) if selector else ()))
    similarity = find_similarity(run, vectors, required="similarity" in (selectors or ()))
    settings = resolve_settings(
        evidence,
        similarity,
        conventions=_with_options(conventions, empty, native),
        parser=parser,
        judge=judge,
        replicates=replicates,
        seed=seed,
    )
    accuracies, other = _accuracies(evidence, settings, bootstrap)
    wanted = {*(selectors or DEFAULT_SELECTORS), *named}
    rules = Rules(settings.conventions.selection, similarity)
    groundings = _groundings(evidence, wanted, rules, settings, bootstrap)
    _remember(similarity, run)
    held = _selectors_held(run, groundings, named)
    counts = _count_verdicts(evidence, settings)
    return Scores(
        name=run.name,
        dataset=run.config.dataset.name or "",
        samples=samples,
        settings=settings,
        accuracy=accuracies,
        other_parser=other,
        groundings=groundings,
        paired={
            name: _line(name, samples, accuracies, groundings, bootstrap) for name in (held or [""])
        },
        selector=selector or (held[0] if held else None),
        failed=evidence.failures(),
        verdicts=counts,
        notes=(
            *settings_notes(settings, groundings),
            *data_notes(evidence, accuracies, groundings, similarity),
            *verdict_notes(counts),
        ),
        bootstrap=bootstrap,
    )


def _with_options(conventions: Conventions, empty: str | None, native: str | None) -> Conventions:
    """Return the conventions with the rules that have options of their own."""
    rules: dict[str, dict[str, str]] = {}
    if empty is not None:
        rules["scoring"] = {"empty_truth": empty}
    if native is not None:
        rules["selection"] = {"native_masks": native}
    return Conventions.from_mapping(rules, conventions, source="options of score")


def _accuracies(
    evidence: RunRecords, settings: Settings, bootstrap: Bootstrap
) -> tuple[dict[Protocol, Accuracy], Accuracy | None]:
    """Grades protocols 1 and 2 as far as the run has them, and protocol 2 by the other parser."""
    grades = {
        v.sample: v
        for v in evidence.verdicts
        if (v.kind, v.protocol, v.judge) == ("grade", 1, settings.grade_judge)
    }

    def by_judge(sample: Sample, answer: AnswerRecord) -> accuracy.Grade:
        return grade_by_verdicts(grades, sample, answer)

    given = by_protocol(evidence.answers)
    if grades:  # an import may bring grades without the answers
        given[1] = {**{id: AnswerRecord(id, 1, "") for id in grades}, **given.get(1, {})}

    def measured(protocol: Protocol, grader: accuracy.Grader, name: str) -> Accuracy:
        return accuracy.measure(
            protocol,
            evidence.samples,
            given[protocol],
            grader,
            name,
            bootstrap,
            conventions=settings.conventions.scoring,
        )

    found: dict[Protocol, Accuracy] = {}
    other: Accuracy | None = None
    if 1 in given:
        grader = grade_by_rules if settings.grade_judge == RULES else by_judge
        found[1] = measured(1, grader, settings.grade_judge)
    if 2 in given:
        found[2] = measured(2, accuracy.parser_grader(settings.parser), settings.parser)
        second = "published" if settings.parser == "tolerant" else "tolerant"
        other = measured(2, accuracy.parser_grader(second), second)
    return found, other


def _groundings(
    evidence: RunRecords, wanted: set[str], rules: Rules, settings: Settings, bootstrap: Bootstrap
) -> dict[tuple[Protocol, str], MaskScores]:
    """Measures every wanted selector that applies, protocol by protocol."""
    order = [name for name in DEFAULT_SELECTORS if name in wanted]
    order += sorted(wanted - set(order))
    chosen = [registry.get(name)(rules) for name in order]
    found: dict[tuple[Protocol, str], MaskScores] = {}
    samples, imported = evidence.samples, evidence.run.config.imported
    answers = by_protocol(evidence.answers)
    for protocol, records in by_protocol(evidence.candidates).items():
        said = [v for v in evidence.verdicts if v.protocol == protocol]
        choices = grounding.build_choices(
            samples,
            records,
            answers.get(protocol, {}),
            grounding.picks_from(said, settings.pick_judge),
        )
        asked = [grounding.was_asked(s, protocol, imported) for s in samples]
        there = [choice for choice in choices if choice is not None]
        for selector in chosen:
            if selector.applies(there):
                found[protocol, selector.name] = grounding.measure(
                    protocol,
                    selector,
                    samples,
                    choices,
                    asked,
                    bootstrap,
                    conventions=settings.conventions.scoring,
                )
    position = {name: i for i, name in enumerate(order)}
    return dict(sorted(found.items(), key=lambda item: (position[item[0][1]], item[0][0])))


def _remember(similarity: Similarity | None, run: RunDirectory) -> None:
    """Keep new similarities beside the run; one that cannot be written is scored all the same."""
    if similarity is not None and similarity.grew:
        with contextlib.suppress(RunError):
            write_json(run.path / "similarity.json", similarity.to_json())


def _selectors_held(
    run: RunDirectory,
    groundings: Mapping[tuple[Protocol, str], MaskScores],
    named: Sequence[str],
) -> list[str]:
    """The selectors that were measured; refuses a named one that the run has nothing for."""
    held = list(dict.fromkeys(name for _, name in groundings))
    for name in named:
        if name not in held:
            raise DataError(
                f"{run.path} has nothing for the selector {name!r}. "
                f"It has: {', '.join(held) or 'none of those asked for'}."
            )
    return held


def _line(
    name: str,
    samples: Sequence[Sample],
    accuracies: Mapping[Protocol, Accuracy],
    groundings: Mapping[tuple[Protocol, str], MaskScores],
    bootstrap: Bootstrap,
) -> Paired:
    """Make the published table's line of one selector."""
    answered: dict[Protocol, Estimate] = {p: _table_accuracy(a) for p, a in accuracies.items()}
    masks = {p: found for (p, held), found in groundings.items() if held == name}
    shown: dict[Protocol, Estimate] = {p: masks[p].present for p in (1, 3) if p in masks}
    best_a = _best(answered)
    best_m = _best(shown)
    grove = failures = None
    if best_a is not None and best_m is not None:
        right, found = accuracies[best_a].right, masks[best_m].overlaps
        grove = paired.grove_score(right, found.iou, bootstrap)
        failures = paired.split_failures(right, found, samples, bootstrap)
    return Paired(
        selector=name,
        a_dagger=answered.get(1),
        a=answered.get(2),
        m_dagger=shown.get(1),
        m=shown.get(3),
        s=paired.s_score(list(answered.values()), list(shown.values())),
        grove=grove,
        failures=failures,
        of=(best_a, best_m),
    )


def _table_accuracy(result: Accuracy) -> Estimate:
    """By pair where the data has pairs, else by question: what the published tables hold."""
    return result.pair if result.pair.value is not None else result.question


def _best(figures: Mapping[Protocol, Estimate]) -> Protocol | None:
    """The protocol with the greatest figure, of equals the later."""
    best: Protocol | None = None
    for protocol, figure in figures.items():
        held = figures[best].value if best is not None else None
        if figure.value is not None and (held is None or figure.value >= held):
            best = protocol
    return best


def _count_verdicts(evidence: RunRecords, settings: Settings) -> dict[str, VerdictCount]:
    """Count the verdicts that the numbers go by."""
    pick = settings.pick_judge or ""
    judges = {"grade": settings.grade_judge, "presence": pick, "pick": pick}
    return count_verdicts(evidence, judges)
