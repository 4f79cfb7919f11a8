"""Answers, grades and picks: files with a row per question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pixfoundation.answer_parts import is_wrapped, read_message, valid_text
from pixfoundation.datasets.text_files import read_csv
from pixfoundation.errors import DataError
from pixfoundation.runs.importing.issues import Issue, numbers_of_lines, read_rows
from pixfoundation.runs.records import IMPORTED, AnswerRecord, VerdictRecord
from pixfoundation.types import Protocol, Sample
from pixfoundation.wording import counted

_YES_OR_NO = re.compile(r"^(yes|no)\.*$", re.IGNORECASE)


class Lookup:
    """Finds the sample that a row is about."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        """Indexes samples by id and by the name of their image."""
        self.samples = {sample.id: sample for sample in samples}
        self._by_image: dict[str, list[Sample]] = {}
        for sample in samples:
            self._by_image.setdefault(sample.image.name, []).append(sample)

    def find(self, value: Any, taken: set[str]) -> Sample | None:
        """Find by id (`12`), or by image name (`000000135902.jpg`).

        Of several questions about one image it is the first that has no row yet: the published code
        writes them in the order of the benchmark.
        """
        if isinstance(value, int) and not isinstance(value, bool):
            return self.samples.get(str(value))
        if not isinstance(value, str):
            return None
        if value in self.samples:
            return self.samples[value]
        members = self._by_image.get(Path(value).name, [])
        return next((s for s in members if s.id not in taken), members[0] if members else None)


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """The answers of a file.

    Attributes:
        records: The answers that can be used, in the order of the file.
        lines: For each line of the file, the answer it gives; None where it gives none.
        model: The name of the model, if the file has one.
    """

    records: list[AnswerRecord]
    lines: list[AnswerRecord | None]
    model: str | None = None


def read_answers(path: Path, protocol: Protocol, lookup: Lookup, issues: list[Issue]) -> AnswerFile:
    """Read an answer file of the published code.

    Protocols 1 and 3: `question_id, prompt, answer` (the truth), `response`. Protocol 2:
    `question_id` (or `questionId`), `prompt, answer` (the model's), `gt_answer, text_options`.

    Raises:
        DataError: If the file is missing or not text, or is plainly of another protocol.
    """
    key, truth_key = ("answer", "gt_answer") if protocol == 2 else ("response", "answer")
    lines: dict[int, AnswerRecord] = {}
    taken: set[str] = set()
    model = None
    numbers = numbers_of_lines(path)
    for number, row in read_rows(path, issues):
        if (protocol == 2) == ("response" in row) and not lines:
            raise DataError(
                f"{path}, line {number}: these are no answers of protocol {protocol}: "
                f"protocol 2 has 'gt_answer' and no 'response', 1 and 3 have 'response'."
            )
        value = row.get("question_id", row.get("questionId"))
        sample = lookup.find(value, taken)
        if sample is None:
            issues.append(Issue(path, f"question_id {value!r} is not known; skipped.", number))
            continue
        if sample.id in taken:
            issues.append(Issue(path, f"a second answer of {sample.id}; the first counts.", number))
            continue
        text = row.get(key)
        if not isinstance(text, str):
            issues.append(Issue(path, f"has no text {key!r}; skipped.", number))
            continue
        _check_truth(path, number, row, row.get(truth_key), sample, issues)
        taken.add(sample.id)
        model = model or row.get("model_id")
        prompt = row.get("prompt")
        lines[number] = imported_answer(
            sample.id,
            protocol,
            prompt if isinstance(prompt, str) else "",
            text,
            thoughts=row.get("reasoning_content", row.get("reasoning")),
            finish_reason=row.get("finish_reason"),
        )
    for id in lookup.samples:
        if id not in taken:
            issues.append(Issue(path, f"has no answer for sample {id}."))
    return AnswerFile(
        list(lines.values()),
        [lines.get(number) for number in numbers],
        model if isinstance(model, str) else None,
    )


def imported_answer(
    sample: str,
    protocol: Protocol,
    prompt: str,
    text: str,
    *,
    thoughts: object = None,
    finish_reason: object = None,
) -> AnswerRecord:
    """Return the record of an answer from a file; its thoughts are kept apart.

    A text without thoughts and wrappers stays as it is, stop tokens included: published figures
    depend on its length.

    Args:
        sample: Id of the sample.
        protocol: 1, 2 or 3.
        prompt: The prompt; empty if the file has none.
        text: The text as it stands in the file.
        thoughts: Thoughts that stand in a field of their own.
        finish_reason: Why the answer ended, as the file says it.
    """
    reply = read_message({"content": text, "reasoning": thoughts}, finish_reason)
    parts_differ = bool(reply.thoughts) or reply.unfinished or is_wrapped(text)
    return AnswerRecord(
        sample,
        protocol,
        prompt,
        reply.text if parts_differ else valid_text(text),
        thoughts=reply.thoughts,
        ended=reply.ended,
    )


def read_grades(
    path: Path,
    protocol: Protocol,
    order: Sequence[AnswerRecord | None],
    lookup: Lookup,
    issues: list[Issue],
) -> list[VerdictRecord]:
    """Read grades: the published table with a column `acc`, or JSON lines.

    The table's rows have no ids: they are the lines of the answer file, so their number must be the
    same, and where the table repeats the responses, these must be the same, too. JSON lines hold
    `question_id` and `acc` (0 or 1) or `reply`, the judge's words; of these only 'yes' and 'no',
    with full stops after, are a verdict, and only 'yes' and 'yes.' are a right answer (published).

    Args:
        path: The file.
        protocol: The protocol of the answers.
        order: The answers in the order of their file; None for a line that gave none.
        lookup: Finds the samples of the dataset.
        issues: List to which rows that cannot be read are added.

    Raises:
        DataError: If the file is missing, has no such column, or does not go with the answers.
    """
    if path.suffix.lower() in (".jsonl", ".json"):
        rows = _graded_rows(path, lookup, issues)
    else:
        rows = _graded_table(path, order, issues)
    verdicts: list[VerdictRecord] = []
    for number, id, value, reply in rows:
        if value is None:
            issues.append(Issue(path, f"the grade of sample {id} is neither 0 nor 1.", number))
        right = None if value is None else bool(value)
        verdicts.append(
            VerdictRecord(id, protocol, "grade", IMPORTED, right, value is not None, reply)
        )
    return verdicts


def read_picks(
    path: Path,
    protocol: Protocol,
    names: dict[str, list[str]],
    samples: Sequence[Sample],
    issues: list[Issue],
) -> list[VerdictRecord]:
    """Read the picks of automatic selection: `question_id` from 0, `selected file` or `NONE`.

    Args:
        path: The file.
        protocol: The protocol of the candidates.
        names: File names of the candidates by sample id, in order.
        samples: The samples in the order of the dataset, which the question ids count.
        issues: List to which rows that cannot be read are added.

    Raises:
        DataError: If the file is missing or not text.
    """
    verdicts: dict[str, VerdictRecord] = {}
    for number, row in read_rows(path, issues):
        value = row.get("question_id")
        position = value if isinstance(value, int) and not isinstance(value, bool) else -1
        if isinstance(value, str) and value.isdecimal() and len(value) < 19:
            position = int(value)
        chosen = row.get("selected file")
        if not 0 <= position < len(samples) or not isinstance(chosen, str):
            issues.append(
                Issue(path, "needs a 'question_id' from 0 and a 'selected file'; skipped.", number)
            )
            continue
        id = samples[position].id
        if id in verdicts:
            issues.append(Issue(path, f"a second pick of {id}; the first counts.", number))
            continue
        name = chosen.replace("\\", "/").rsplit("/", 1)[-1]
        if name == "NONE" or (not names.get(id) and Path(name).stem.lstrip("0") == id):
            index = None
        elif name in names.get(id, ()):
            index = names[id].index(name)
        else:
            issues.append(Issue(path, f"{name!r} is no candidate of sample {id}; no pick.", number))
            continue
        verdicts[id] = VerdictRecord(id, protocol, "pick", IMPORTED, index, True, chosen)
    for sample in samples:
        if sample.id not in verdicts:
            issues.append(Issue(path, f"has no pick for sample {sample.id}."))
    return list(verdicts.values())


def _check_truth(
    path: Path, number: int, row: dict[str, Any], truth: Any, sample: Sample, issues: list[Issue]
) -> None:
    """Says where a file's truth is not the benchmark's, which is what scores go by."""
    if isinstance(truth, str) and truth.strip(" ()").lower() != sample.answer:
        issues.append(
            Issue(
                path,
                f"the answer of {sample.id} is {truth!r} there, ({sample.answer}) here.",
                number,
            )
        )
    options = row.get("text_options")
    if isinstance(options, list) and tuple(cast("list[Any]", options)) != sample.options:
        issues.append(
            Issue(
                path,
                f"the options of {sample.id} are {options!r} there, {list(sample.options)!r} here.",
                number,
            )
        )


Graded = tuple[int, str, int | None, str]
"""Line, sample id, 0 or 1 or None for what is neither, and the judge's words."""


def _graded_table(
    path: Path, order: Sequence[AnswerRecord | None], issues: list[Issue]
) -> list[Graded]:
    table = read_csv(path, ("acc",))
    header = [cell.strip().lower() for cell in table[0].cells] if table else []
    if header.count("acc") != 1:
        raise DataError(f"{path} has no column 'acc', or several; it is not a table of grades.")
    rows = table[1:]
    if len(rows) != len(order):
        raise DataError(
            f"{path} has {counted(len(rows), 'grade')} for "
            f"{counted(len(order), 'answer')}. They are matched by their "
            "order, so their number must be the same: give the table of just these answers, or "
            "JSON lines with 'question_id' and 'acc'."
        )
    graded: list[Graded] = []
    for row, answer in zip(rows, order, strict=True):
        if len(row.cells) != len(header):
            raise DataError(
                f"{path}, line {row.line}: has {counted(len(row.cells), 'cell')} instead "
                f"of {len(header)}."
            )
        cells = dict(zip(header, row.cells, strict=True))
        cell = cells["acc"].strip()
        if answer is None:
            issues.append(Issue(path, "is the grade of an answer that was skipped.", row.line))
            continue
        response = cells.get("response")
        if response is not None and answer.text and not _same_words(response, answer.text):
            raise DataError(
                f"{path}, line {row.line}: grades the response {response[:60]!r}, but the answer "
                f"in this place, of sample {answer.sample}, is {answer.text[:60]!r}. The table is "
                "in another order, or of other answers."
            )
        grade = {"1": 1, "0": 0, "1.0": 1, "0.0": 0}.get(cell)
        graded.append((row.line, answer.sample, grade, cell))
    return graded


def _same_words(first: str, second: str) -> bool:
    """Whether two texts are the same but for white space, which tables change."""
    return first.split() == second.split()


def _graded_rows(path: Path, lookup: Lookup, issues: list[Issue]) -> list[Graded]:
    graded: dict[str, Graded] = {}
    for number, row in read_rows(path, issues):
        value = row.get("question_id", row.get("questionId"))
        sample = lookup.find(value, set(graded))
        if sample is None:
            issues.append(Issue(path, f"question_id {value!r} is not known; skipped.", number))
        elif sample.id in graded:
            issues.append(Issue(path, f"a second grade of {sample.id}; the first counts.", number))
        elif isinstance(reply := row.get("reply"), str):
            read = _YES_OR_NO.match(reply)
            right = int(reply.lower() in ("yes", "yes.")) if read else None
            graded[sample.id] = (number, sample.id, right, reply)
        else:
            acc = row.get("acc")
            graded[sample.id] = (number, sample.id, acc if acc in (0, 1) else None, str(acc))
    return list(graded.values())
