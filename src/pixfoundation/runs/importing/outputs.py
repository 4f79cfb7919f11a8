"""Turn output files of the published code into a run directory."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pixfoundation.datasets.base import Dataset
from pixfoundation.errors import DataError, RunError
from pixfoundation.existence import exists, isfile
from pixfoundation.runs.config import DatasetDescription, ModelDescription, RunConfig
from pixfoundation.runs.importing.issues import Issue
from pixfoundation.runs.importing.mask_files import MaskFile, MaskFolder, read_folder
from pixfoundation.runs.importing.mask_lists import read_mask_list
from pixfoundation.runs.importing.meta_file import MetaLine, read_meta
from pixfoundation.runs.importing.row_files import (
    AnswerFile,
    Lookup,
    imported_answer,
    read_answers,
    read_grades,
    read_picks,
)
from pixfoundation.runs.importing.variants import Asked, find_asked
from pixfoundation.runs.jsonl import write_json
from pixfoundation.runs.records import AnswerRecord, CandidateRecord, VerdictRecord
from pixfoundation.runs.store import RunDirectory
from pixfoundation.types import PROTOCOLS, Candidate, Phrase, Protocol, Sample

Record = TypeVar("Record", AnswerRecord, CandidateRecord, VerdictRecord)


@dataclass(frozen=True, slots=True)
class Outputs:
    """Output files of one protocol.

    Attributes:
        protocol: 1, 2 or 3.
        masks: Folder of single masks or of candidates, or one JSON file of run lengths.
        meta: Text file of a candidate folder, with phrases and similarities.
        picks: JSON Lines of the automatic selection among the candidates.
        answers: JSON Lines of the model's answers.
        grades: Grades of the answers to protocol 1.
        variant: The variant in the published layout that was asked about: `crop/03`, or its
            published number (`--varidx`) where it is of one kind only; None for the default prompt.
        variant_files: Folder of the variants' files; None for the folder of the dataset.
    """

    protocol: Protocol
    masks: Path | None = None
    meta: Path | None = None
    picks: Path | None = None
    answers: Path | None = None
    grades: Path | None = None
    variant: str | int | None = None
    variant_files: Path | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """Result of an import.

    Attributes:
        run: The run directory.
        counts: Number of answers, samples with masks, masks, grades and picks; zeros left out.
        issues: Everything that was missing, extra, unreadable or contradictory.
    """

    run: RunDirectory
    counts: Mapping[str, int]
    issues: tuple[Issue, ...]


def import_outputs(
    dataset: Dataset, outputs: Outputs, out: Path | str, *, model: str | None = None
) -> Imported:
    """Turn files of the published code into a run directory, or add them to an existing one.

    Several imports into one directory add up, one protocol and variant at a time; a second import
    of the same records replaces the first.

    Args:
        dataset: The dataset that the model was run on.
        outputs: The files.
        out: The run directory.
        model: Name of the model; None to take it from the answers or from the existing run.

    Raises:
        DataError: If no file was given, a file is missing or of another kind, or the variant does
            not change this protocol.
        RunError: If `out` holds another kind of run, or cannot be written.
    """
    _check(outputs)
    asked = find_asked(dataset, outputs.protocol, outputs.variant, outputs.variant_files)
    samples = asked.samples
    issues: list[Issue] = list(asked.issues)
    lookup = Lookup(samples)
    protocol = outputs.protocol
    answer_file = AnswerFile([], [])
    if outputs.answers:
        answer_file = read_answers(outputs.answers, protocol, lookup, issues)
    answers = answer_file.records
    folder = None
    if outputs.masks and isfile(outputs.masks):
        folder = read_mask_list(outputs.masks, samples, issues)
    elif outputs.masks:
        resize = dataset.name == "pixcvbench"
        folder = read_folder(outputs.masks, samples, issues, resize=resize)
    meta = read_meta(outputs.meta, issues) if outputs.meta else {}
    if folder is not None and outputs.meta:
        _check_meta(outputs.meta, folder, meta, samples, issues)
        answers = answers or _answers_from_meta(protocol, meta, lookup)
    texts = {record.sample: record.text for record in answers}
    candidates = [
        _record(protocol, id, files, meta, texts.get(id, ""))
        for id, files in _files(folder, samples)
    ]
    names = {id: [file.name for file in files] for id, files in _files(folder, samples)}
    names = names or _names_before(Path(out), asked.key(protocol))
    verdicts: list[VerdictRecord] = []
    if outputs.grades:
        order = answer_file.lines or [
            AnswerRecord(sample.id, protocol, "", "") for sample in samples
        ]
        verdicts += read_grades(outputs.grades, protocol, order, lookup, issues)
    if outputs.picks:
        if not names:
            raise DataError(
                f"The picks of {outputs.picks} are among candidates: give their folder as `masks`, "
                "or import it first."
            )
        verdicts += read_picks(outputs.picks, protocol, names, samples, issues)
    run = _open(dataset, asked, Path(out), model or answer_file.model)
    counts = {
        "answers": len(answers),
        "samples with masks": len(candidates),
        "masks": sum(len(record.candidates) for record in candidates),
        "grades": sum(verdict.kind == "grade" for verdict in verdicts),
        "picks": sum(verdict.kind == "pick" for verdict in verdicts),
    }
    _write(run, asked, answers, candidates, verdicts)
    _remember(run, outputs, asked, names, counts, issues)
    return Imported(run, {k: v for k, v in counts.items() if v}, tuple(issues))


def _check(outputs: Outputs) -> None:
    if outputs.protocol not in PROTOCOLS:
        raise DataError(f"Protocols are 1, 2 and 3, but got {outputs.protocol!r}.")
    if not any((outputs.masks, outputs.answers, outputs.grades, outputs.picks)):
        raise DataError("There is nothing to import: give `masks`, `answers`, `grades` or `picks`.")
    if outputs.meta and not outputs.masks:
        raise DataError("`meta` describes a folder of candidates: give that folder as `masks`.")
    if outputs.grades and outputs.protocol != 1:
        raise DataError("`grades` belong to protocol 1; protocol 2 is graded by its letters.")


def _files(
    folder: MaskFolder | None, samples: Sequence[Sample]
) -> list[tuple[str, list[MaskFile]]]:
    if folder is None:
        return []
    return [(sample.id, folder.masks[sample.id]) for sample in samples if sample.id in folder.masks]


def _record(
    protocol: Protocol,
    id: str,
    files: Sequence[MaskFile],
    meta: Mapping[int, list[MetaLine]],
    text: str,
) -> CandidateRecord:
    """Make the candidates of one sample, in the published order: that of the file names."""
    lines = meta.get(int(id), []) if id.isdecimal() and len(id) < 19 else []
    phrases = _phrases(lines, text)
    candidates: list[Candidate] = []
    for file in files:
        if file.phrase >= len(lines):
            candidates.append(Candidate(file.mask, index=file.index, source=_source(meta, files)))
            continue
        similarity = lines[file.phrase].similarity
        candidates.append(
            Candidate(
                file.mask,
                phrases[file.phrase],
                index=file.index,
                similarity=-1.0 if math.isnan(similarity) else similarity,
            )
        )
    return CandidateRecord(id, protocol, tuple(candidates))


def _phrases(lines: Sequence[MetaLine], text: str) -> list[Phrase]:
    """Place phrases in the answer: the long lines say where; noun phrases come in its order.

    A place that is not known is an empty span at the phrase's number, so that two phrases with the
    same words stay two.
    """
    phrases: list[Phrase] = []
    end = 0
    for number, line in enumerate(lines):
        span = line.span
        if span is None and (start := text.find(line.phrase, end)) >= 0 and line.phrase:
            span = (start, start + len(line.phrase))
            end = span[1]
        phrases.append(Phrase(line.phrase, span or (number, number), core=line.core))
    return phrases


def _source(meta: Mapping[int, list[MetaLine]], files: Sequence[MaskFile]) -> Any:
    """Candidates of phrases come from attention, candidates without from coordinates."""
    single = len(files) == 1 and "_" not in files[0].name
    if not meta and (single or all(file.listed for file in files)):
        return "native"
    return "attention" if meta else "coordinates"


def _check_meta(
    path: Path,
    folder: MaskFolder,
    meta: Mapping[int, list[MetaLine]],
    samples: Sequence[Sample],
    issues: list[Issue],
) -> None:
    """Compare the phrases of a meta file with the candidates of a folder."""
    known = {sample.id for sample in samples}
    for number, lines in meta.items():
        if str(number) not in known:
            issues.append(Issue(path, f"image {number} is not known.", lines[0].line))
            continue
        with_masks = {file.phrase for file in folder.masks.get(str(number), [])}
        for place, line in enumerate(lines):
            if place not in with_masks:
                issues.append(Issue(path, f"phrase {place} of {number} has no masks.", line.line))
    for id, files in folder.masks.items():
        lines = meta.get(int(id), []) if id.isdecimal() and len(id) < 19 else []
        for phrase in sorted({file.phrase for file in files if file.phrase >= len(lines)}):
            issues.append(
                Issue(path, f"has no line for phrase {phrase} of image {id}; it has no similarity.")
            )


def _answers_from_meta(
    protocol: Protocol, meta: Mapping[int, list[MetaLine]], lookup: Lookup
) -> list[AnswerRecord]:
    """Return the answers that the long meta lines repeat, with newlines turned into blanks."""
    return [
        imported_answer(str(number), protocol, "", lines[0].text)
        for number, lines in sorted(meta.items())
        if str(number) in lookup.samples and lines[0].text is not None
    ]


def _open(dataset: Dataset, asked: Asked, out: Path, model: str | None) -> RunDirectory:
    """Make the run directory, or open the one that earlier imports made."""
    description = ModelDescription(name=model or "imported")
    if exists(out / "run.json"):
        existing = RunDirectory(out).config
        if not existing.imported:
            raise RunError(f"{out} holds a run that was not imported; choose another folder.")
        description = existing.model
    config = RunConfig(
        model=description,
        dataset=DatasetDescription(
            name=dataset.name, fingerprint=dataset.fingerprint(), notes=tuple(dataset.notes)
        ),
        protocols=PROTOCOLS,
        imported=True,
    )
    return RunDirectory.create(out, config, dataset.samples, variants=asked.source)


def _write(
    run: RunDirectory,
    asked: Asked,
    answers: Sequence[AnswerRecord],
    candidates: Sequence[CandidateRecord],
    verdicts: Sequence[VerdictRecord],
) -> None:
    with run.locked():
        for stem, records in (
            ("answers", _under_own_ids(answers, asked)),
            ("candidates", _under_own_ids(candidates, asked)),
            ("verdicts", _under_own_ids(verdicts, asked)),
        ):
            if records:
                with run.appender(stem) as file:
                    for record in records:
                        file.append(record.to_json())


def _under_own_ids(records: Sequence[Record], asked: Asked) -> list[Record]:
    return [replace(record, sample=asked.id_of(record.sample)) for record in records]


def _remember(
    run: RunDirectory,
    outputs: Outputs,
    asked: Asked,
    names: Mapping[str, list[str]],
    counts: Mapping[str, int],
    issues: Sequence[Issue],
) -> None:
    """Write what was imported, so that picks can be added later and a reader knows the sources."""
    data = _imports(run.path)
    entry = {
        "files": {
            field: str(getattr(outputs, field))
            for field in ("masks", "meta", "picks", "answers", "grades")
            if getattr(outputs, field)
        },
        "counts": dict(counts),
        "issues": [str(issue) for issue in issues],
        "names": dict(names),
    }
    data.setdefault(asked.key(outputs.protocol), []).append(entry)
    write_json(run.path / "imports.json", data)


def _names_before(out: Path, key: str) -> dict[str, list[str]]:
    entries = _imports(out).get(key, [])
    for entry in reversed(entries):
        if entry.get("names"):
            return entry["names"]
    return {}


def _imports(out: Path) -> dict[str, Any]:
    file = out / "imports.json"
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RunError(f"{file} is damaged: {error}. Import into a new folder.") from error
