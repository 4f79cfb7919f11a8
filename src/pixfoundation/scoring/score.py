"""`score`: everything that a run directory says about a model, in numbers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pixfoundation.errors import DataError, PrerequisiteError, RunError
from pixfoundation.runs.jsonl import write_json
from pixfoundation.runs.records import AnswerRecord, CandidateRecord, Key, VerdictRecord
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring import accuracy, grounding, paired
from pixfoundation.scoring.accuracy import Accuracy
from pixfoundation.scoring.grading import RULES, grade_by_rules, grade_by_verdicts
from pixfoundation.scoring.grounding import Grounding
from pixfoundation.scoring.intervals import Bootstrap, Figure
from pixfoundation.scoring.iou import EmptyPolicy
from pixfoundation.scoring.paired import Paired
from pixfoundation.scoring.scores import DEFAULT_SELECTORS, Scores, Settings
from pixfoundation.scoring.verdicts import count_verdicts, verdict_notes
from pixfoundation.selectors import selectors as registry
from pixfoundation.selectors.base import ALIASES, Rules
from pixfoundation.similarity import PhraseVectors, Similarity
from pixfoundation.types import Protocol, Sample

__all__ = ["Scores", "score"]


def score(
    run: RunDirectory | Path | str,
    *,
    selectors: Sequence[str] | None = None,
    selector: str | None = None,
    parser: str | None = None,
    judge: str | None = None,
    empty: EmptyPolicy = "one",
    native: str = "union",
    published: bool = False,
    vectors: str | PhraseVectors | None = None,
    only: Sequence[str] | None = None,
    replicates: int = 1000,
    seed: int = 2024,
) -> Scores:
    """Scores a run directory; nothing but its files is needed.

    Phrase similarities are kept in its file `similarity.json`, so that the next time is faster.

    Args:
        run: The run directory.
        selectors: Which selectors; None for those of the published tables that the run has.
        selector: The one that leads the table; None for the first that the run has.
        parser: Reads option letters in protocol 2: `tolerant`, `published`, `published-cvbench`;
            None for the tolerant one, or under `published` the benchmark's own.
        judge: Whose verdicts count where a run has several judges'; `rules` to grade by rules
            though there are verdicts. None for the last judge that wrote.
        empty: What an image without ground truth counts: `one` (an empty mask 1, any other 0), or
            `skip`.
        native: Which of a model's own masks count: `union` or `first`.
        published: Obey every rule of the published scripts.
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
    run = run if isinstance(run, RunDirectory) else RunDirectory(run)
    selectors = None if selectors is None else [ALIASES.get(name, name) for name in selectors]
    selector = ALIASES.get(selector or "", selector)
    samples = tuple(run.samples.values() if only is None else (run.samples[id] for id in only))
    bootstrap = Bootstrap(samples, replicates, seed)
    verdicts = run.verdicts()
    _check_judge(run, verdicts, judge)
    answered, candidates = run.answers(), run.candidates()
    answers = _by_protocol(answered)
    wanted = set(selectors or DEFAULT_SELECTORS) | ({selector} if selector else set())
    similarity = _similarity(run, vectors, required="similarity" in (selectors or ()))
    settings = Settings(
        published=published,
        parser=_parser(parser, run, published),
        grade_judge=_judge(verdicts, ("grade",), judge) or RULES,
        pick_judge=_judge(verdicts, ("pick", "presence"), judge),
        empty=_one_of("--empty", empty, ("one", "skip")),
        native=_one_of("--native", native, ("union", "first")),
        vectors=_vectors_used(candidates.values(), similarity),
        replicates=replicates,
        seed=seed,
    )
    counts = count_verdicts(
        samples,
        answered,
        candidates,
        verdicts,
        {
            "grade": settings.grade_judge,
            **dict.fromkeys(("presence", "pick"), settings.pick_judge or ""),
        },
    )
    accuracies, other = _accuracies(samples, answers, verdicts, settings, bootstrap)
    rules = Rules(published, similarity, settings.native)
    groundings = _groundings(
        run, samples, answers, candidates, verdicts, wanted, rules, settings, bootstrap
    )
    if similarity is not None and similarity.grew:
        with contextlib.suppress(RunError):  # a cache: a run that cannot be written is scored too
            write_json(run.path / "similarity.json", similarity.to_json())
    held = list(dict.fromkeys(name for _, name in groundings))
    for name in (*(selectors or ()), *((selector,) if selector else ())):
        if name not in held:
            raise DataError(
                f"{run.path} has nothing for the selector {name!r}. "
                f"It has: {', '.join(held) or 'none of those asked for'}."
            )
    lines = {
        name: _line(name, samples, accuracies, groundings, bootstrap) for name in (held or [""])
    }
    return Scores(
        name=str(run.config.model.get("name", run.path.name)),
        dataset=str(run.config.dataset.get("name", "")),
        samples=samples,
        settings=settings,
        accuracy=accuracies,
        other_parser=other,
        groundings=groundings,
        paired=lines,
        selector=selector or (held[0] if held else None),
        failed=_failures(answers, candidates),
        verdicts=counts,
        notes=(
            *_settings_notes(settings, groundings),
            *_notes(run, samples, accuracies, groundings, similarity),
            *verdict_notes(counts),
        ),
        bootstrap=bootstrap,
    )


# ---- the parts ---------------------------------------------------------------------------------


def _accuracies(
    samples: Sequence[Sample],
    answers: Mapping[Protocol, Mapping[str, AnswerRecord]],
    verdicts: Sequence[VerdictRecord],
    settings: Settings,
    bootstrap: Bootstrap,
) -> tuple[dict[Protocol, Accuracy], Accuracy | None]:
    """Grades protocols 1 and 2 as far as the run has them, and protocol 2 by the other parser."""
    found: dict[Protocol, Accuracy] = {}
    other: Accuracy | None = None
    grades = {
        v.sample: v
        for v in verdicts
        if (v.kind, v.protocol, v.judge) == ("grade", 1, settings.grade_judge)
    }

    def by_judge(sample: Sample, answer: AnswerRecord) -> accuracy.Grade:
        return grade_by_verdicts(grades, sample, answer)

    given = dict(answers)
    if grades:  # an import may bring grades without the answers
        given[1] = {**{id: AnswerRecord(id, 1, "") for id in grades}, **answers.get(1, {})}
    for protocol in (1, 2):
        if protocol not in given:
            continue
        if protocol == 1:
            name = settings.grade_judge
            grader = grade_by_rules if name == RULES else by_judge
        else:
            name = settings.parser
            grader = accuracy.parser_grader(name)
        args = (protocol, samples, given[protocol])
        found[protocol] = accuracy.measure(
            *args, grader, name, bootstrap, published=settings.published
        )
        if protocol == 2:
            second = "published" if name == "tolerant" else "tolerant"
            other = accuracy.measure(
                *args,
                accuracy.parser_grader(second),
                second,
                bootstrap,
                published=settings.published,
            )
    return found, other


def _groundings(
    run: RunDirectory,
    samples: Sequence[Sample],
    answers: Mapping[Protocol, Mapping[str, AnswerRecord]],
    candidates: Mapping[Key, CandidateRecord],
    verdicts: Sequence[VerdictRecord],
    wanted: set[str],
    rules: Rules,
    settings: Settings,
    bootstrap: Bootstrap,
) -> dict[tuple[Protocol, str], Grounding]:
    """Measures every wanted selector that applies, protocol by protocol."""
    order = [name for name in DEFAULT_SELECTORS if name in wanted]
    order += sorted(wanted - set(order))
    chosen = [registry.get(name)(rules) for name in order]
    found: dict[tuple[Protocol, str], Grounding] = {}
    for protocol, records in _by_protocol(candidates).items():
        said = [v for v in verdicts if v.protocol == protocol]
        choices = grounding.build_choices(
            samples,
            records,
            answers.get(protocol, {}),
            grounding.picks_from(said, settings.pick_judge),
        )
        asked = [grounding.was_asked(s, protocol, run.config.imported) for s in samples]
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
                    empty=settings.empty,
                    published=settings.published,
                )
    position = {name: i for i, name in enumerate(order)}
    return dict(sorted(found.items(), key=lambda item: (position[item[0][1]], item[0][0])))


def _line(
    name: str,
    samples: Sequence[Sample],
    accuracies: Mapping[Protocol, Accuracy],
    groundings: Mapping[tuple[Protocol, str], Grounding],
    bootstrap: Bootstrap,
) -> Paired:
    """Makes the published table's line of one selector."""
    answered: dict[Protocol, Figure] = {p: _table_accuracy(a) for p, a in accuracies.items()}
    masks = {p: found for (p, held), found in groundings.items() if held == name}
    shown: dict[Protocol, Figure] = {p: masks[p].present for p in (1, 3) if p in masks}
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


def _table_accuracy(result: Accuracy) -> Figure:
    """By pair where the data has pairs, else by question: what the published tables hold."""
    return result.pair if result.pair.value is not None else result.question


def _best(figures: Mapping[Protocol, Figure]) -> Protocol | None:
    """The protocol with the greatest figure, of equals the later."""
    best: Protocol | None = None
    for protocol, figure in figures.items():
        held = figures[best].value if best is not None else None
        if figure.value is not None and (held is None or figure.value >= held):
            best = protocol
    return best


def _failures(
    answers: Mapping[Protocol, Mapping[str, AnswerRecord]],
    candidates: Mapping[Key, CandidateRecord],
) -> tuple[tuple[str, Protocol, str], ...]:
    failed: dict[Key, str] = {}
    answered = [record for records in answers.values() for record in records.values()]
    for record in (*answered, *candidates.values()):
        if record.error is not None:
            failed.setdefault(record.key, record.error)
    return tuple((sample, protocol, reason) for (sample, protocol), reason in failed.items())


def _settings_notes(
    settings: Settings, groundings: Mapping[tuple[Protocol, str], Grounding]
) -> tuple[str, ...]:
    """Names what the numbers depend on, and no column of a table says."""
    notes = []
    if settings.vectors and any(name == "similarity" for _, name in groundings):
        notes.append(f"Phrase similarity by {settings.vectors}.")
    if settings.pick_judge:
        notes.append(f"Masks picked by {settings.pick_judge}.")
    return tuple(notes)


def _notes(
    run: RunDirectory,
    samples: Sequence[Sample],
    accuracies: Mapping[Protocol, Accuracy],
    groundings: Mapping[tuple[Protocol, str], Grounding],
    similarity: Similarity | None,
) -> tuple[str, ...]:
    notes = [str(note) for note in run.config.dataset.get("notes", ())]
    for protocol, result in accuracies.items():
        if result.unanswered:
            notes.append(
                f"Protocol {protocol}: {result.unanswered} of {len(samples)} questions have no "
                "answer; they count as wrong."
            )
    missing = {p: g.missing for (p, _), g in groundings.items() if g.missing}
    for protocol, number in missing.items():
        notes.append(
            f"Protocol {protocol}: {number} of {len(samples)} samples have no candidates on "
            "record; they count 0."
        )
    if similarity is None:
        notes.append(
            "The selector 'similarity' needs phrase vectors: pip install 'pixfoundation[nouns]'"
        )
    return tuple(dict.fromkeys(notes))


# ---- small things ------------------------------------------------------------------------------


def _similarity(
    run: RunDirectory, vectors: str | PhraseVectors | None, required: bool
) -> Similarity | None:
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


def _parser(name: str | None, run: RunDirectory, published: bool) -> str:
    if name is None:
        own = "published-cvbench" if run.config.dataset.get("name") == "pixcvbench" else "published"
        return own if published else "tolerant"
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


def _by_protocol(records: Mapping[Any, Any]) -> dict[Protocol, dict[str, Any]]:
    """Sorts records by protocol, then by sample in the order written."""
    found: dict[Protocol, dict[str, Any]] = {}
    for (sample, protocol), record in sorted(records.items(), key=lambda item: item[0][1]):
        found.setdefault(protocol, {})[sample] = record
    return found
