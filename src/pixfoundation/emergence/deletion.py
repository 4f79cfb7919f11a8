"""Whether a model uses what it attends to: does its answer change when that place is covered?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pixfoundation.choice_parsing import parse_tolerant
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.intervals import Bootstrap, Estimate


def deletion_test(run: RunRecords | RunDirectory, seed: int = 2024) -> Mapping[str, Estimate]:
    """Compare covering the attended place with covering as much elsewhere, sample by sample.

    Args:
        run: With the lines that `runs.deleting.collect_deletions` wrote, or its records.
        seed: Of the bootstrap.

    Returns:
        `deleted` and `control`, the shares of changed answers, and `difference`, their paired
        difference; empty if nothing was covered yet.
    """
    source = RunRecords.of(run)
    known = source.run.samples
    records = [record for id, record in source.deletions.items() if id in known]
    if not records:
        return {}
    samples = [known[record.sample] for record in records]
    changed = np.zeros((len(records), 2))
    for row, record, sample in zip(changed, records, samples, strict=True):
        whole, *covered = (parse_tolerant(text, sample.options) for text in record.answers)
        row[:] = [said != whole for said in covered]
    bootstrap = Bootstrap(samples, seed=seed)
    return {
        "deleted": bootstrap.mean(changed[:, 0]),
        "control": bootstrap.mean(changed[:, 1]),
        "difference": bootstrap.mean(changed[:, 0] - changed[:, 1]),
    }
