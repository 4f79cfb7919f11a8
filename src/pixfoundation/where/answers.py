"""The answers of a run that a pass over prompt and answer can look at again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from pixfoundation.errors import DataError, RunError
from pixfoundation.models.base import GivesForwards, Model
from pixfoundation.phrases import NounPhrases
from pixfoundation.runs.asked import check_asked
from pixfoundation.runs.collect import Progress
from pixfoundation.runs.identity import check_model
from pixfoundation.runs.log import run_log
from pixfoundation.runs.measuring import attempt
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.stage import StageCount
from pixfoundation.runs.store import RunDirectory
from pixfoundation.similarity import Similarity
from pixfoundation.types import Answer, Phrase, Prompt, Protocol, Sample


@dataclass(frozen=True, slots=True, eq=False)
class SeenAnswer:
    """An answer about an object that is in the image, with its phrases.

    Attributes:
        sample: The sample; its ground truth is not empty.
        prompt: What was asked.
        answer: The text with its tokens.
        phrases: The noun phrases that have tokens, in the order of the text.
        named: Index of the phrase that is most similar to the expression: no look at the truth.
    """

    sample: Sample
    prompt: Prompt
    answer: Answer
    phrases: tuple[Phrase, ...]
    named: int

    @property
    def tokens(self) -> list[tuple[int, ...]]:
        """The tokens of each phrase."""
        return [phrase.tokens for phrase in self.phrases]

    @property
    def places(self) -> list[float]:
        """First character of each phrase over the length of the answer, 0 to 1."""
        length = max(len(self.answer.text.rstrip()), 1)
        return [phrase.span[0] / length for phrase in self.phrases]


def seen_answers(records: RunRecords, protocol: Protocol, limit: int | None) -> list[SeenAnswer]:
    """Return the answers of a run with a phrase, where there is an object to find.

    Args:
        records: The records of the run.
        protocol: The protocol of the answers, 1 or 3.
        limit: Greatest number of answers, from the first; None for all.

    Raises:
        RunError: If there is none.
    """
    check_asked(records, protocol, "the phrases")
    if not any(sample.expression is not None for sample in records.samples):
        raise RunError(
            f"No sample of {records.run.path} has a referring expression, which says the phrase "
            "that is looked at: the one most like it. `pixfoundation emergence` and `claims` "
            "choose it by the masks instead."
        )
    similarity, finder = Similarity(), NounPhrases()
    answers: list[SeenAnswer] = []
    for sample in records.samples:
        record = records.answers.get((sample.id, protocol))
        if sample.mask.is_empty or sample.expression is None or record is None or record.error:
            continue
        answer = Answer(record.text, record.token_ids, record.spans, thoughts=record.thoughts)
        phrases = tuple(phrase for phrase in finder.find(answer) if phrase.tokens)
        if not phrases:
            continue
        likeness = similarity.of([phrase.text for phrase in phrases], sample.expression)
        prompt = Prompt(sample.id, protocol, record.prompt, sample.expression)
        answers.append(SeenAnswer(sample, prompt, answer, phrases, int(likeness.argmax())))
        if len(answers) == limit:
            break
    if not answers:
        raise RunError(
            f"{records.run.path} has no answer to protocol {protocol} with tokens and a noun "
            "phrase about an object that is in its image: there is nothing to look at again."
        )
    return answers


def check_giving(run: RunDirectory, model: Model) -> GivesForwards:
    """Return the model of a run, if it offers passes over prompt and answer.

    Raises:
        RunError: If the run is one of another model.
        DataError: If the model does not offer them.
    """
    check_model(run, model)
    if not isinstance(model, GivesForwards):
        raise DataError(
            f"The model {model.name!r} offers no pass over prompt and answer, which is what is "
            "looked at. Image-text-to-text models of transformers do."
        )
    return model


def look_again(
    run: RunDirectory,
    answers: Sequence[SeenAnswer],
    look: Callable[[SeenAnswer], None],
    on_progress: Callable[[Progress], None],
    stage: str,
) -> None:
    """Call a function for each answer; one that fails is logged and left out.

    Args:
        run: The run, whose lock is held.
        answers: The answers that are still to be looked at.
        look: Looks at one answer and keeps what it sees.
        on_progress: Called after every answer.
        stage: What is done, for the log.

    Raises:
        RunError: If all answers fail, or several in a row, or no other can follow.
    """
    with run_log(run, stage) as log:
        count = StageCount(len(answers), 0, log)
        for answer in answers:
            count.note(answer.sample.id, answer.prompt.protocol, attempt(partial(look, answer)))
            on_progress(count.progress())
        count.end()
