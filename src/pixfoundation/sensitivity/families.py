"""The p of the worst variants of several kinds and measures, adjusted as one family."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pixfoundation.scoring.multiple_tests import holm

if TYPE_CHECKING:
    from pixfoundation.sensitivity.analysis import KindSummary


def adjusted_p(summaries: Iterable[KindSummary]) -> dict[KindSummary, float]:
    """Return p of the worst variant of each summary, adjusted by Holm's method for all of them.

    Each p is corrected within its kind already (Westfall and Young), for the worst of several
    variants; who looks at many kinds and measures finds a low one by chance again.

    Args:
        summaries: All that is shown together: one family of tests.

    Returns:
        One p for each summary that has a test.
    """
    tests = {
        summary: test.p_corrected
        for summary in summaries
        if (test := summary.tests[summary.spread.worst]) is not None
    }
    return dict(zip(tests, holm(list(tests.values())), strict=True))
