"""When failures are no longer those of single samples, so that a run should stop."""

from __future__ import annotations

from pixfoundation.errors import RunError
from pixfoundation.models.asking import LOST
from pixfoundation.runs.records import AnswerRecord, CandidateRecord
from pixfoundation.wording import counted

MAX_FAILURES_IN_A_ROW = 5
"""Number of failing samples in a row after which a run stops, unless it is told otherwise."""


class Streak:
    """Counts the samples in a row at which the model fails, or the grounding.

    A sample fails if none of its questions was answered, or none of its answers grounded.
    """

    def __init__(self, most: int) -> None:
        """Begin to count.

        Args:
            most: Number of failing samples in a row that stops the run; 0 never to stop it.
        """
        self._most = most
        self._length = 0
        self._sample: str | None = None
        self._answered: list[bool] = []
        self._grounded: list[bool] = []
        self._reason = ""

    def note(self, answer: AnswerRecord, candidates: CandidateRecord | None) -> None:
        """Count what became of a question; raise RunError if no other can follow."""
        if answer.sample != self._sample:
            self._end_sample()
            self._sample = answer.sample
        self._answered.append(answer.error is None)
        if candidates is not None:
            self._grounded.append(candidates.error is None)
        error = answer.error or (candidates and candidates.error)
        self._reason = error or self._reason
        if error is not None and error.startswith(LOST):
            raise RunError(
                f"The run was stopped at sample {answer.sample}. {error} What was written is safe; "
                "the same command goes on after that sample."
            )

    def check(self) -> None:
        """End the sample.

        Raises:
            RunError: If too many in a row failed.
        """
        self._end_sample()
        if 0 < self._most <= self._length:
            raise RunError(
                f"The run was stopped, because {counted(self._length, 'sample')} in a row "
                "failed, the last "
                f"one with: {self._reason} What was written is safe. Correct the cause and give "
                "the same command with `retry_failed`; or set `max_failures_in_a_row` higher (0 "
                "never to stop)."
            )

    def _end_sample(self) -> None:
        if self._sample is not None:
            works = any(self._answered) and (any(self._grounded) or not self._grounded)
            self._length = 0 if works else self._length + 1
        self._sample, self._answered, self._grounded = None, [], []
