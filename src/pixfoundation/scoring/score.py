"""`score`: the scores of a run directory."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixfoundation.errors import DataError, RunError
from pixfoundation.runs.completeness import measure_completeness
from pixfoundation.runs.jsonl import write_json
from pixfoundation.runs.records import RULES, AnswerRecord, VerdictKind
from pixfoundation.runs.run_records import RunRecords, by_protocol
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring import accuracy, grounding, paired
from pixfoundation.scoring.accuracy import Accuracy
from pixfoundation.scoring.answer_counts import answer_notes, count_answers
from pixfoundation.scoring.conditions import describe_conditions
from pixfoundation.scoring.grading import Grade, grade_by_rules, grade_by_verdicts
from pixfoundation.scoring.grounding import MaskScores
from pixfoundation.scoring.intervals import Bootstrap, Estimate
from pixfoundation.scoring.notes import (
    completeness_notes,
    data_notes,
    own_variants,
    selection_notes,
    settings_notes,
)
from pixfoundation.scoring.options import ParserName, PromptCase, ScoreOptions
from pixfoundation.scoring.paired import Paired
from pixfoundation.scoring.scores import BOUNDS, DEFAULT_SELECTORS, Scores
from pixfoundation.scoring.settings import Settings, find_similarity, resolve_settings
from pixfoundation.scoring.verdicts import VerdictCount, count_verdicts, verdict_notes
from pixfoundation.selectors import selectors as registry
from pixfoundation.selectors.base import SelectorSettings
from pixfoundation.similarity import Similarity
from pixfoundation.types import Protocol, Sample
from pixfoundation.wording import counted

if TYPE_CHECKING:  # most runs have neither boxes, nor nothing but expressions
    from pixfoundation.scoring.boxes import BoxScores
    from pixfoundation.scoring.referring import Referring

__all__ = ["ScoreOptions", "Scores", "score"]


def score(
    run: RunRecords | RunDirectory | Path | str,
    options: ScoreOptions | None = None,
    *,
    only: Sequence[str] | None = None,
) -> Scores:
    """Score a run directory; nothing but its files is needed.

    Phrase similarities are kept in its file `similarity.json`, so that the next call is faster.

    Args:
        run: The run directory, or its records.
        options: How the run is scored; None for the defaults.
        only: Ids of the samples to score, in that order; None for all.

    Raises:
        RunError: If the run directory cannot be read, or all of its answers failed.
        UnknownNameError: If a selector or the vectors are not known.
        DataError: If the run has nothing for a named selector, no verdicts of a named judge, or no
            variants where `options.prompts` asks for them.
        PrerequisiteError: If the similarity was asked for by name and no vectors are installed.
    """
    options = options or ScoreOptions()
    records = RunRecords.of(run, only)
    if options.prompts is not PromptCase.DEFAULT:
        from pixfoundation.scoring.over_variants import score_over_variants

        return score_over_variants(records, options)
    return score_records(records, options)


def score_records(
    records: RunRecords, options: ScoreOptions, bootstrap: Bootstrap | None = None
) -> Scores:
    """Score the samples that records look at, as they are; see `score`.

    Args:
        records: The records of a run, or of one of its variants.
        options: How the run is scored.
        bootstrap: The draws of the intervals, for these samples; None for draws of their own.
    """
    run = records.run
    completeness = measure_completeness(records)
    if completeness.useless:
        raise RunError(
            f"{run.path} holds nothing to score: all of its "
            f"{counted(completeness.answers, 'answer')} failed. The first: {completeness.reason} "
            "`pixfoundation run --retry-failed` tries them again."
        )
    required = "similarity" in (options.selectors or ())
    similarity = find_similarity(run, options.vectors, required=required)
    settings = resolve_settings(records, options, similarity)
    bootstrap = bootstrap or Bootstrap(records.samples, settings.replicates, settings.seed)
    scoring = _Scoring(records, settings, bootstrap)
    accuracies, other_parser = scoring.accuracies()
    requested = {*(options.selectors or DEFAULT_SELECTORS), *options.named_selectors}
    groundings = scoring.groundings(requested, similarity)
    _store(similarity, run)
    names = _selectors_of(run, groundings, options.named_selectors)
    lines = {name: scoring.line(name, accuracies, groundings) for name in names}
    leading = options.selector or next((name for name in names if name not in BOUNDS), None)
    counts = scoring.verdict_counts()
    answers = count_answers(records)
    return Scores(
        name=run.name,
        dataset=run.config.dataset.name or "",
        samples=records.samples,
        settings=settings,
        accuracy=accuracies,
        other_parser=other_parser,
        groundings=groundings,
        paired=lines,
        lead=lines[leading] if leading else scoring.line(None, accuracies, groundings),
        failed=records.failures(),
        completeness=completeness,
        folder=run.path.resolve().name,
        model=run.name,
        conditions=describe_conditions(run.config, settings, accuracies, records.samples),
        verdicts=counts,
        answers=answers,
        notes=(
            *completeness_notes(completeness),
            *settings_notes(settings, groundings, similarity),
            *selection_notes(groundings, leading),
            *answer_notes(answers),
            *data_notes(records, accuracies, groundings, similarity is not None),
            *verdict_notes(counts),
        ),
        bootstrap=bootstrap,
        referring=scoring.referring(groundings, options),
        boxes=scoring.boxes(groundings, accuracies),
        variants=own_variants(records),
        own_masks=any(answer.masks is not None for answer in records.answers.values()),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Scoring:
    """One run with its settings.

    Attributes:
        records: The records of the run.
        settings: How it is scored.
        bootstrap: The draws of the intervals.
    """

    records: RunRecords
    settings: Settings
    bootstrap: Bootstrap

    def accuracies(self) -> tuple[dict[Protocol, Accuracy], Accuracy | None]:
        """Return the accuracies that the run has, and that of protocol 2 by the other parser."""
        verdicts = {
            verdict.sample: verdict
            for verdict in self.records.verdicts
            if (verdict.kind, verdict.protocol) == ("grade", 1)
            and verdict.judge == self.settings.grade_judge
        }

        def grade_by_judge(sample: Sample, answer: AnswerRecord) -> Grade:
            return grade_by_verdicts(verdicts, sample, answer)

        answers = by_protocol(self.records.answers)
        if verdicts:  # an import may bring grades without the answers
            answers[1] = {**{id: AnswerRecord(id, 1, "") for id in verdicts}, **answers.get(1, {})}
        results: dict[Protocol, Accuracy] = {}
        other: Accuracy | None = None
        if 1 in answers:
            by_rules = self.settings.grade_judge == RULES
            grader = grade_by_rules if by_rules else grade_by_judge
            results[1] = self._accuracy(1, answers[1], grader, self.settings.grade_judge)
        if 2 in answers:
            parser = self.settings.parser
            tolerant = parser is ParserName.TOLERANT
            second = ParserName.PUBLISHED if tolerant else ParserName.TOLERANT
            results[2] = self._accuracy(2, answers[2], accuracy.parser_grader(parser), parser.value)
            other = self._accuracy(2, answers[2], accuracy.parser_grader(second), second.value)
        return results, other

    def _accuracy(
        self,
        protocol: Protocol,
        answers: Mapping[str, AnswerRecord],
        grader: accuracy.Grader,
        graded_by: str,
    ) -> Accuracy:
        return accuracy.measure(
            protocol,
            self.records.samples,
            answers,
            grader,
            graded_by,
            self.bootstrap,
            conventions=self.settings.conventions.scoring,
        )

    def groundings(
        self, names: Collection[str], similarity: Similarity | None
    ) -> dict[tuple[Protocol, str], MaskScores]:
        """Measure every named selector that applies, protocol by protocol."""
        order = [name for name in DEFAULT_SELECTORS if name in names]
        order += sorted(set(names) - set(order))
        settings = SelectorSettings(
            self.settings.conventions.selection, similarity, self.settings.threshold
        )
        selectors = [registry.get(name)(settings) for name in order]
        samples, imported = self.records.samples, self.records.run.config.imported
        answers = by_protocol(self.records.answers)
        results: dict[tuple[Protocol, str], MaskScores] = {}
        for protocol, candidates in by_protocol(self.records.candidates).items():
            verdicts = [v for v in self.records.verdicts if v.protocol == protocol]
            offered = grounding.collect_candidates(
                samples,
                candidates,
                answers.get(protocol, {}),
                grounding.picks_from(verdicts, self.settings.pick_judge),
            )
            asked = [grounding.was_asked(sample, protocol, imported) for sample in samples]
            present = [answer for answer in offered if answer is not None]
            for selector in selectors:
                if selector.applies(present):
                    results[protocol, selector.name] = grounding.measure(
                        protocol,
                        selector,
                        samples,
                        offered,
                        asked,
                        self.bootstrap,
                        conventions=self.settings.conventions.scoring,
                    )
        position = {name: i for i, name in enumerate(order)}
        return dict(sorted(results.items(), key=lambda item: (position[item[0][1]], item[0][0])))

    def line(
        self,
        selector: str | None,
        accuracies: Mapping[Protocol, Accuracy],
        groundings: Mapping[tuple[Protocol, str], MaskScores],
    ) -> Paired:
        """Return the published table's line of a selector; None for the accuracies alone."""
        answered: dict[Protocol, Estimate] = {
            protocol: _table_accuracy(result) for protocol, result in accuracies.items()
        }
        masks = {protocol: own for (protocol, name), own in groundings.items() if name == selector}
        shown: dict[Protocol, Estimate] = {p: masks[p].present for p in (1, 3) if p in masks}
        best_a, best_m = _best(answered), _best(shown)
        grove = failures = None
        if best_a is not None and best_m is not None:
            right, overlaps = accuracies[best_a].right, masks[best_m].overlaps
            grove = paired.grove_score(right, overlaps.iou, self.bootstrap)
            failures = paired.split_failures(right, overlaps, self.records.samples, self.bootstrap)
        return Paired(
            selector=selector,
            a_dagger=answered.get(1),
            a=answered.get(2),
            m_dagger=shown.get(1),
            m=shown.get(3),
            s=paired.s_score(list(answered.values()), list(shown.values())),
            grove=grove,
            failures=failures,
            accuracy_protocol=best_a,
            mask_protocol=best_m,
        )

    def referring(
        self,
        groundings: Mapping[tuple[Protocol, str], MaskScores],
        options: ScoreOptions,
    ) -> dict[tuple[Protocol, str], Referring]:
        """Return the scores of referring segmentation.

        Without a convention they are for datasets that ask for nothing else.
        """
        samples, imported = self.records.samples, self.records.run.config.imported
        convention = options.convention
        if convention is None and not grounding.is_referring(samples):
            return {}
        from pixfoundation.scoring import referring

        convention = convention or referring.default_convention(samples)
        return {
            (protocol, name): referring.measure(
                masks,
                samples,
                [grounding.was_asked(sample, protocol, imported) for sample in samples],
                convention,
                self.bootstrap,
                boundary=options.boundary,
            )
            for (protocol, name), masks in groundings.items()
        }

    def boxes(
        self,
        groundings: Mapping[tuple[Protocol, str], MaskScores],
        accuracies: Mapping[Protocol, Accuracy],
    ) -> dict[tuple[Protocol, str], BoxScores]:
        """Return the scores of boxes, if some truth is a box."""
        if not any(sample.boxes for sample in self.records.samples):
            return {}
        from pixfoundation.scoring import boxes

        candidates = by_protocol(self.records.candidates)
        best = _best({protocol: own.question for protocol, own in accuracies.items()})
        return {
            (protocol, name): boxes.measure(
                masks,
                self.records.samples,
                candidates.get(protocol, {}),
                accuracies.get(protocol if best is None else best),
                self.bootstrap,
            )
            for (protocol, name), masks in groundings.items()
        }

    def verdict_counts(self) -> dict[VerdictKind, VerdictCount]:
        """Count the verdicts that the scores use."""
        pick = self.settings.pick_judge
        judges: dict[VerdictKind, str | None] = {
            "grade": self.settings.grade_judge,
            "presence": pick,
            "pick": pick,
        }
        return count_verdicts(self.records, judges)


def _store(similarity: Similarity | None, run: RunDirectory) -> None:
    """Keep new similarities in the run; a folder that cannot be written is no error here."""
    if similarity is not None and similarity.grew:
        with contextlib.suppress(RunError):
            write_json(run.path / "similarity.json", similarity.to_json())


def _selectors_of(
    run: RunDirectory,
    groundings: Mapping[tuple[Protocol, str], MaskScores],
    named: Sequence[str],
) -> list[str]:
    """Return the selectors that were measured.

    Raises:
        DataError: If the run has nothing for a selector that was asked for by name.
    """
    measured = list(dict.fromkeys(name for _, name in groundings))
    for name in named:
        if name not in measured:
            raise DataError(
                f"{run.path} has nothing for the selector {name!r}. "
                f"It has: {', '.join(measured) or 'none of those asked for'}."
            )
    return measured


def _table_accuracy(result: Accuracy) -> Estimate:
    """Return the accuracy of the published tables: by pair if there are pairs, else by question."""
    return result.pair if result.pair.value is not None else result.question


def _best(estimates: Mapping[Protocol, Estimate]) -> Protocol | None:
    """Return the protocol with the greatest value, of equals the later."""
    best: Protocol | None = None
    greatest = float("-inf")
    for protocol, estimate in estimates.items():
        if estimate.value is not None and estimate.value >= greatest:
            best, greatest = protocol, estimate.value
    return best
