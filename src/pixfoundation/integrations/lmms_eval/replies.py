"""Masks in the text of a reply, since lmms-eval passes text from models to tasks.

A reply is the answer, followed by `<masks>{...}</masks>` where the model gives masks. The JSON
object holds `candidates`, each with a `mask` as COCO run lengths (`size` and `counts`), and
optionally the fields of `types.Candidate`. PixFoundation's own models add their whole records, so
that a run which is made of the replies has the same figures.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from msgspec import Struct

from pixfoundation.errors import DataError
from pixfoundation.runs.records import AnswerRecord, CandidateRecord
from pixfoundation.typed_json import decode
from pixfoundation.types import Candidate, Protocol, Sample

BEGIN, END = "<masks>", "</masks>"


class _Block(Struct):
    """What stands between `<masks>` and `</masks>`."""

    candidates: list[dict[str, Any]] | None = None
    random: list[dict[str, Any]] = []
    error: str | None = None
    answer: dict[str, Any] | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model replied to one document.

    Attributes:
        answer: The answer.
        candidates: The masks; None if the reply says nothing about masks.
        model: Name of the model; None if the reply does not tell.
    """

    answer: AnswerRecord
    candidates: CandidateRecord | None
    model: str | None


def write_reply(answer: AnswerRecord, candidates: CandidateRecord | None, model: str) -> str:
    """Return the records of one question as a reply.

    Args:
        answer: The answer.
        candidates: The masks; None for a protocol from which nothing is grounded.
        model: Name of the model.
    """
    block: dict[str, Any] = {"model": model}
    if candidates is not None:
        block |= _without_key(candidates.to_json())
    block["answer"] = _without_key(answer.to_json())
    return f"{answer.text}\n{BEGIN}{json.dumps(block, ensure_ascii=False)}{END}"


def read_reply(text: str, sample: Sample, protocol: Protocol, prompt: str) -> Reply:
    """Read a reply of any model.

    Masks that cannot be read count as a failure of grounding, with the reason; the answer stays.

    Args:
        text: The reply.
        sample: The sample that was asked about.
        protocol: 1, 2 or 3.
        prompt: The prompt of the document.
    """
    before, tag, rest = text.partition(BEGIN)
    answer = AnswerRecord(sample.id, protocol, prompt, before.strip() if tag else text)
    if not tag:
        return Reply(answer, None, None)
    body = rest.partition(END)[0]
    try:
        block = decode(body.encode(), _Block)
        candidates = _candidates(block, sample, protocol)
        if block.answer is not None:
            key = {"sample": sample.id, "protocol": protocol}
            answer = AnswerRecord.from_json({**block.answer, **key})
        elif candidates is not None and block.error is None:
            answer = replace(answer, masks=len(candidates.candidates))
    except DataError as error:
        reason = f"The masks of the reply cannot be read: {error}"
        return Reply(answer, CandidateRecord(sample.id, protocol, error=reason), None)
    return Reply(answer, candidates, block.model)


def _candidates(block: _Block, sample: Sample, protocol: Protocol) -> CandidateRecord | None:
    """Return the masks of a reply; None if it says nothing about masks.

    Raises:
        DataError: If a mask is damaged, or not of the size of the image.
    """
    if block.candidates is None:
        return None
    own, random = (
        tuple(Candidate.from_json({"source": "native", **data}) for data in masks)
        for masks in (block.candidates, block.random)
    )
    for candidate in (*own, *random):
        if candidate.mask.size != sample.size:
            raise DataError(
                f"a mask is {candidate.mask.size[0]} x {candidate.mask.size[1]}, the image "
                f"{sample.size[0]} x {sample.size[1]} (height x width)."
            )
    return CandidateRecord(sample.id, protocol, own, random, block.error)


def _without_key(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in ("sample", "protocol")}
