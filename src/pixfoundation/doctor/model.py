"""Whether a model's answers and attention are the same however they are computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixfoundation.doctor.findings import Finding, Status, check
from pixfoundation.doctor.picture import Picture
from pixfoundation.errors import DataError
from pixfoundation.images import grey_image
from pixfoundation.models.base import Decoding, Model
from pixfoundation.models.interventions import ScoresAnswers
from pixfoundation.models.self_checks import GivesEagerRows, Rebatches
from pixfoundation.types import Answer

TOKENS = 16
"""Tokens of an answer that are looked at."""
CLOSE = {"float32": 1e-3, "float16": 5e-2, "bfloat16": 1e-1}
"""Greatest difference of attention rows that rounding explains, as a share of the highest value."""
SAME_SCORE = 1e-4
"""Difference of log-probabilities below which an answer does not depend on the image."""
ISSUE = "Paste the output of `pixfoundation doctor --json` into an issue; do not use the numbers."


@dataclass(frozen=True, slots=True)
class ModelExaminer:
    """The checks of one model.

    Attributes:
        model: The model.
        first: A picture.
        second: Another picture.
    """

    model: Model
    first: Picture
    second: Picture

    def findings(self) -> Iterator[Finding]:
        """Make every check that the model allows, one after the other."""
        yield check("question", self.question)
        yield check("looks at the image", self.looks)
        yield check("captured attention", self.captured)
        yield check("batch of two", self.batch_of_two)
        yield check("shared prefix", self.shared_prefix)

    @property
    def _decoding(self) -> Decoding:
        return Decoding(max_new_tokens=TOKENS, attention="attention" in self.model.capabilities)

    @property
    def precision(self) -> str:
        """Precision of the weights, as the fingerprint says; float32 if it does not."""
        named = str(self.model.fingerprint().get("dtype", "float32"))
        return named if named in CLOSE else "float32"

    def question(self) -> Finding:
        """Ask one question."""
        decoding = Decoding(max_new_tokens=64, attention=self._decoding.attention)
        (answer,) = self.model.answer(
            [self.first.image], [self.first.prompt(self.model, 3)], decoding
        )
        if answer.error is not None:
            return Finding("question", Status.WRONG, answer.error)
        text = answer.text.strip()
        if not text:
            remedy = "Check the chat template of the checkpoint, and --model-option conversation."
            return Finding("question", Status.WRONG, "The answer is empty.", remedy)
        words = text.split()
        if len(words) >= 12 and len(set(words)) <= len(words) // 4:
            remedy = "Check the chat template and the precision: the answer repeats itself."
            return Finding("question", Status.WARNING, f"It answers: {text!r}", remedy)
        own = {"tokens": len(answer.token_ids)}
        return Finding("question", Status.FINE, f"It answers: {text!r}", figures=own)

    def looks(self) -> Finding:
        """Compare an answer's probability about the picture with that about a grey one."""
        name = "looks at the image"
        if not isinstance(self.model, ScoresAnswers):
            return _skipped(name, "The model does not say how likely an answer is.")
        prompt = self.first.prompt(self.model, 3)
        answer = self._ask([self.first])[0]
        grey = grey_image(self.first.image.size)
        own, other = self.model.score_answer([self.first.image, grey], prompt, answer.token_ids)
        moved = float(np.abs(np.subtract(own.log_probabilities, other.log_probabilities)).max())
        figures = {"largest difference of log-probabilities": moved}
        if moved <= SAME_SCORE:
            words = "The answer is as likely about a grey image: the picture does not reach it."
            remedy = "Check the processor and the image token of the checkpoint."
            return Finding(name, Status.WRONG, words, remedy, figures)
        words = f"A grey image moves the log-probability of a token by up to {moved:.2g}."
        return Finding(name, Status.FINE, words, figures=figures)

    def captured(self) -> Finding:
        """Compare captured attention with that of whole matrices."""
        name = "captured attention"
        if "attention" not in self.model.capabilities:
            return _skipped(name, "The model gives no attention.")
        if not isinstance(self.model, GivesEagerRows):
            return _skipped(name, "This family cannot compute whole attention matrices.")
        answer = self._ask([self.first])[0]
        if answer.trace is None:
            return Finding(name, Status.WRONG, "The answer carries no attention.", ISSUE)
        prompt = self.first.prompt(self.model, 3)
        eager = self.model.eager_rows(self.first.image, prompt, answer.token_ids)
        own = answer.trace.rows[: len(answer.token_ids)]
        return self._compared(name, "eager attention", own, eager)

    def batch_of_two(self) -> Finding:
        """Compare answers given one by one with those given in one batch."""
        name = "batch of two"
        alone = [self._ask([picture], self._batched(1, False))[0] for picture in self._both]
        together = self._ask(self._both, self._batched(2, False))
        return self._same_answers(name, "in a batch of two", alone, together)

    def shared_prefix(self) -> Finding:
        """Compare two questions about one image with and without a shared prefix."""
        name = "shared prefix"
        if not isinstance(self.model, Rebatches):
            return _skipped(name, "This family reads an image anew for each question.")
        alone = self._two_questions(self._batched(1, False))
        shared = self._two_questions(self._batched(2, True))
        return self._same_answers(name, "with a shared prefix", alone, shared)

    # ---- asking and comparing ----------------------------------------------------------------

    @property
    def _both(self) -> list[Picture]:
        return [self.first, self.second]

    def _batched(self, size: int, shared: bool) -> Model:
        if isinstance(self.model, Rebatches):
            return self.model.rebatched(size, share_prefix=shared)
        return self.model

    def _ask(self, pictures: list[Picture], model: Model | None = None) -> list[Answer]:
        model = model or self.model
        prompts = [picture.prompt(model, 3) for picture in pictures]
        return sound(model.answer([each.image for each in pictures], prompts, self._decoding))

    def _two_questions(self, model: Model) -> list[Answer]:
        prompts = [self.first.prompt(model, protocol) for protocol in (3, 1)]
        return sound(model.answer([self.first.image] * 2, prompts, self._decoding))

    def _same_answers(
        self, name: str, manner: str, alone: list[Answer], other: list[Answer]
    ) -> Finding:
        for one, two in zip(alone, other, strict=True):
            if one.token_ids != two.token_ids:
                place = _first_difference(one.token_ids, two.token_ids)
                words = f"An answer differs {manner} from token {place + 1} on."
                if self.precision == "float32":
                    return Finding(name, Status.WRONG, words, ISSUE)
                remedy = (
                    f"Rounding in {self.precision} may explain that. --dtype float32, or "
                    "--batch-size 1 for every run that is compared, rules it out."
                )
                return Finding(name, Status.WARNING, words, remedy)
        traces = [(a.trace, b.trace) for a, b in zip(alone, other, strict=True)]
        rows = [(a.rows, b.rows) for a, b in traces if a is not None and b is not None]
        if not rows:
            return Finding(name, Status.FINE, f"Both answers are the same {manner}.")
        common = [min(len(a), len(b)) for a, b in rows]
        one = np.concatenate([a[:n].ravel() for (a, _), n in zip(rows, common, strict=True)])
        two = np.concatenate([b[:n].ravel() for (_, b), n in zip(rows, common, strict=True)])
        return self._compared(name, f"the answers {manner}", one, two)

    def _compared(
        self, name: str, what: str, own: NDArray[np.float32], other: NDArray[np.float32]
    ) -> Finding:
        if own.shape != other.shape:
            words = f"The attention has the shape {own.shape}, that of {what} {other.shape}."
            return Finding(name, Status.WRONG, words, ISSUE)
        if not (np.isfinite(own).all() and np.isfinite(other).all()):
            words = "The attention is not finite."
            remedy = "Choose another --dtype, such as bfloat16 or float32."
            return Finding(name, Status.WRONG, words, remedy)
        gap = float(np.abs(own - other).max() / max(float(np.abs(other).max()), 1e-12))
        figures = {"relative difference": gap, "allowed": CLOSE[self.precision]}
        words = f"It equals {what} within {gap:.1e} of the highest value ({self.precision})."
        if gap <= CLOSE[self.precision]:
            return Finding(name, Status.FINE, words, figures=figures)
        words = (
            f"It differs from {what} by {gap:.1e} of the highest value; {self.precision} explains "
            f"{CLOSE[self.precision]:.0e}."
        )
        return Finding(name, Status.WRONG, words, ISSUE, figures)


def _skipped(name: str, words: str) -> Finding:
    return Finding(name, Status.SKIPPED, words)


def sound(answers: list[Answer]) -> list[Answer]:
    """Return answers; raises DataError if one of them is an error."""
    for answer in answers:
        if answer.error is not None:
            raise DataError(f"A question has no answer: {answer.error}")
    return answers


def _first_difference(one: tuple[int, ...], two: tuple[int, ...]) -> int:
    pairs = zip(one, two, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(two)))
