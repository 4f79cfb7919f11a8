"""The sensitivity of a run directory: its scores under the default prompt and each variant."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from pixfoundation.errors import DataError
from pixfoundation.runs.completeness import measure_completeness
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.options import ScoreOptions, refuse_other_prompts
from pixfoundation.scoring.score import score
from pixfoundation.scoring.scores import Scores
from pixfoundation.sensitivity.analysis import Sensitivity, summarise
from pixfoundation.variants import Variant


def measure_sensitivity(
    run: RunRecords | RunDirectory | Path | str, options: ScoreOptions | None = None
) -> Sensitivity:
    """Summarise how much the scores of a run move over its variants.

    Args:
        run: The run directory, or its records.
        options: How the run is scored; None for the defaults.

    Raises:
        RunError: If the run directory cannot be read.
        DataError: If the run has no variants, or nothing for the default prompt or a named
            selector; or if the options ask for other prompts than the default: all are shown.
    """
    refuse_other_prompts(options, "The sensitivity of a run")
    options = options or ScoreOptions()
    records = RunRecords.of(run)
    if records.run.varied and not (records.answers or records.candidates or records.verdicts):
        raise DataError(
            f"{records.run.path} holds nothing for the default prompt, which variants are compared "
            "with. Run or import it, too."
        )
    reasons: dict[str, Counter[str]] = {}
    varied: dict[Variant, Scores] = {}
    plain = replace(options, replicates=0)  # the summary draws pairs and variants itself
    for variant in records.variants():
        own = records.at(variant)
        if measure_completeness(own).useless:
            count = Counter({"all of its answers failed": len(own.samples)})
            reasons.setdefault(variant.kind, Counter()).update(count)
        else:
            varied[variant] = score(own, plain)
    for record in records.run.skipped.values():
        reasons.setdefault(record.variant.kind, Counter())[record.line.skipped or ""] += 1
    unaltered = Counter(one.variant.kind for one in records.run.varied.values() if not one.altered)
    return summarise(
        score(records, options),
        varied,
        replicates=options.replicates,
        seed=options.seed,
        skipped=reasons,
        unaltered=unaltered,
    )
