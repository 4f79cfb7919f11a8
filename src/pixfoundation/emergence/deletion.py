"""The deletion test: does an answer change when the attended place is covered?"""

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
        run: A run with lines written by `runs.deleting.collect_deletions`, or its records.
        seed: Seed of the bootstrap draws.

    Returns:
        `deleted` and `control`, the shares of changed answers, and `difference`, the paired
        difference of the two; empty if nothing was covered yet.
    """
    all_records = RunRecords.of(run)
    known = all_records.run.samples
    records = [record for id, record in all_records.deletions.items() if id in known]
    if not records:
        return {}
    samples = [known[record.sample] for record in records]
    changed = np.zeros((len(records), 2))
    for row, record, sample in zip(changed, records, samples, strict=True):
        whole, *covered = (parse_tolerant(text, sample.options) for text in record.answers)
        row[:] = [answer != whole for answer in covered]
    bootstrap = Bootstrap(samples, seed=seed)
    return {
        "deleted": bootstrap.mean(changed[:, 0]),
        "control": bootstrap.mean(changed[:, 1]),
        "difference": bootstrap.mean(changed[:, 0] - changed[:, 1]),
    }
