"""The figures of a task, computed by `score` from a run directory that is made of the replies.

The tables of lmms-eval therefore show what `pixfoundation score` prints. With the environment
variable `PIXFOUNDATION_LMMS_RUNS` the run directories are kept in the folder that it names, for
`pixfoundation report` and everything else that reads a run.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pixfoundation.errors import PixFoundationError
from pixfoundation.integrations.lmms_eval.docs import KEY, dataset_of, sample_of
from pixfoundation.integrations.lmms_eval.package import load_module
from pixfoundation.integrations.lmms_eval.replies import Reply, read_reply
from pixfoundation.runs.config import DatasetDescription, ModelDescription, RunConfig
from pixfoundation.runs.environment import describe_environment
from pixfoundation.runs.records import Key
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.accuracy import parser_grader
from pixfoundation.scoring.grading import grade_by_rules
from pixfoundation.scoring.intervals import Estimate
from pixfoundation.scoring.options import ParserName
from pixfoundation.scoring.score import score
from pixfoundation.scoring.scores import Scores
from pixfoundation.types import PROTOCOLS, Protocol, Sample

RUNS = "PIXFOUNDATION_LMMS_RUNS"
"""Environment variable that names the folder in which run directories are kept."""
UNNAMED = "lmms-eval"
"""Name of a model that lmms-eval asked and that does not tell its own."""


@dataclass(frozen=True, slots=True)
class Replied:
    """The reply to one document; a task has one for each.

    Attributes:
        source: The dataset, as the documents name it.
        sample: Id of the sample.
        protocol: 1, 2 or 3.
        prompt: The prompt of the document.
        text: The reply.
        right: Whether the answer is right, as `score` grades it by default, for the log of the
            samples; None for protocol 3.
    """

    source: str
    sample: str
    protocol: Protocol
    prompt: str
    text: str
    right: bool | None = None

    def __str__(self) -> str:
        """Return what logs show in place of the reply, which they have already."""
        grade = "" if self.right is None else f", {'right' if self.right else 'wrong'}"
        return f"sample {self.sample}, protocol {self.protocol}{grade}"


_FIGURES: dict[int, tuple[str, ...]] = {
    1: ("A_dagger", "M_dagger", "M_dagger_chance"),
    2: ("A",),
    3: ("M", "M_chance"),
}


def process_all(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Replied]:
    """Return what is kept of the reply to a document, once for each figure."""
    return dict.fromkeys([*sum(_FIGURES.values(), ()), "S"], _replied(doc, results[0]))


def process_protocol_1(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Replied]:
    """Return the same for a task of protocol 1."""
    return dict.fromkeys(_FIGURES[1], _replied(doc, results[0]))


def process_protocol_2(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Replied]:
    """Return the same for a task of protocol 2."""
    return dict.fromkeys(_FIGURES[2], _replied(doc, results[0]))


def process_protocol_3(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Replied]:
    """Return the same for a task of protocol 3."""
    return dict.fromkeys(_FIGURES[3], _replied(doc, results[0]))


def _replied(doc: Mapping[str, Any], text: str) -> Replied:
    sample, protocol, prompt = sample_of(doc), doc["protocol"], doc["prompt"]
    right = None
    if protocol != 3 and sample.has_answer:
        answer = read_reply(text, sample, protocol, prompt).answer
        grade = grade_by_rules if protocol == 1 else parser_grader(ParserName.TOLERANT)
        right = answer.error is None and grade(sample, answer).right
    return Replied(doc[KEY], sample.id, protocol, prompt, text, right)


def a_dagger(replies: Sequence[Replied]) -> float:
    """Return A†: the accuracy of protocol 1, 0..1."""
    return _value(_scored(replies).lead.a_dagger)


def a(replies: Sequence[Replied]) -> float:
    """Return A: the accuracy of protocol 2, 0..1."""
    return _value(_scored(replies).lead.a)


def m_dagger(replies: Sequence[Replied]) -> float:
    """Return M†: the mIoU of protocol 1, 0..1."""
    return _value(_scored(replies).lead.m_dagger)


def m(replies: Sequence[Replied]) -> float:
    """Return M: the mIoU of protocol 3, 0..1."""
    return _value(_scored(replies).lead.m)


def s(replies: Sequence[Replied]) -> float:
    """Return S: the harmonic mean of max(A†, A) and max(M†, M), 0..1."""
    return _value(_scored(replies).lead.s)


def m_dagger_chance(replies: Sequence[Replied]) -> float:
    """Return the level that chance reaches next to M†, 0..1."""
    scores = _scored(replies)
    return _value(scores.chance(1, scores.selector))


def m_chance(replies: Sequence[Replied]) -> float:
    """Return the level that chance reaches next to M, 0..1."""
    scores = _scored(replies)
    return _value(scores.chance(3, scores.selector))


def _value(figure: Estimate | None) -> float:
    """Return a figure; NaN where there is none, such as the mIoU of a model without masks."""
    return float("nan") if figure is None or figure.value is None else figure.value


def _scored(replies: Sequence[Replied]) -> Scores:
    return _score(tuple(replies))


@lru_cache(maxsize=8)
def _score(replies: tuple[Replied, ...]) -> Scores:
    """Score the replies of a task once for all of its figures, and log the table.

    Raises:
        RunError: If every answer failed.
    """
    logger = load_module("loguru").logger
    with _folder(replies) as path:
        try:
            scores = score(_write_run(path, replies))
        except PixFoundationError as error:
            logger.error(str(error))
            raise
        logger.info(str(scores))
        if RUNS in os.environ:
            logger.info(f"The run directory: {path}")
    return scores


@contextmanager
def _folder(replies: Sequence[Replied]) -> Generator[Path]:
    """Give a new folder for a run: one that stays if a place for it is named."""
    kept = os.environ.get(RUNS)
    if not kept:
        with TemporaryDirectory() as folder:
            yield Path(folder) / "run"
        return
    protocols = "".join(map(str, sorted({reply.protocol for reply in replies})))
    name = f"{dataset_of(replies[0].source).name}-{protocols}"
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    yield next(path for each in names if not (path := Path(kept) / each).exists())


def _write_run(path: Path, replies: Sequence[Replied]) -> RunDirectory:
    """Write the replies as a run directory.

    Samples that were not asked under each protocol are left out, if others were: `--limit` counts
    documents and may end in the middle of a sample.
    """
    dataset = dataset_of(replies[0].source)
    asked = {reply.protocol for reply in replies}
    protocols: tuple[Protocol, ...] = tuple(protocol for protocol in PROTOCOLS if protocol in asked)
    by_key: dict[Key, Replied] = {(reply.sample, reply.protocol): reply for reply in replies}
    touched = [s for s in dataset.samples if any((s.id, p) in by_key for p in protocols)]
    whole = [s for s in touched if _is_whole(s, protocols, by_key)] or touched
    if len(whole) < len(touched):
        load_module("loguru").logger.warning(
            f"{len(touched) - len(whole)} of {len(touched)} samples were not asked under each "
            "protocol and are left out of the figures; choose another --limit."
        )
    read = [
        read_reply(reply.text, sample, reply.protocol, reply.prompt)
        for sample in whole
        for protocol in protocols
        if (reply := by_key.get((sample.id, protocol))) is not None
    ]
    name = next((reply.model for reply in read if reply.model is not None), UNNAMED)
    config = RunConfig(
        model=ModelDescription.of(name, {}),
        dataset=DatasetDescription(
            name=dataset.name, fingerprint=dataset.fingerprint(), notes=tuple(dataset.notes)
        ),
        protocols=protocols,
    )
    run = RunDirectory.create(path, config, whole, describe_environment())
    _append(run, read)
    return RunDirectory(path)


def _is_whole(sample: Sample, protocols: Sequence[Protocol], by_key: Mapping[Key, Replied]) -> bool:
    return all((sample.id, p) in by_key for p in protocols if sample.asks(p))


def _append(run: RunDirectory, replies: Sequence[Reply]) -> None:
    with run.locked(), run.appender("answers") as answers, run.appender("candidates") as masks:
        for reply in replies:
            answers.append(reply.answer.to_json())
            if reply.candidates is not None:
                masks.append(reply.candidates.to_json())
