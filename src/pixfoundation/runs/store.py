"""A run directory: every answer of a model, and everything that scoring needs.

```
run.json            the configuration, the versions and the hardware
samples.jsonl       the samples of the dataset with their ground truth
variants.jsonl      what the variants of samples change, see `runs.variants`
answers.jsonl       one line per sample and protocol
candidates.jsonl    one line per sample and protocol, masks as COCO run lengths
verdicts.jsonl      one line per verdict of a judge
batches.json        batches of a judge that are under way, see `runs.batch_file`
deletions.jsonl     answers of the model with a part of the image covered
run.log             what happened and when, see `runs.log`
```

Processes that share a run each append to files of their own, as `answers.2-of-4.jsonl`.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from msgspec import Struct

from pixfoundation.errors import DataError, RunError
from pixfoundation.existence import exists
from pixfoundation.runs import reading
from pixfoundation.runs.config import RunConfig
from pixfoundation.runs.image_files import find_image, load_recorded
from pixfoundation.runs.jsonl import Appender, write_json
from pixfoundation.runs.reading import DamageList, RecordKind
from pixfoundation.runs.records import (
    AnswerRecord,
    CandidateRecord,
    DeletionRecord,
    Key,
    VerdictRecord,
)
from pixfoundation.typed_json import UnreadableError, decode, read_file
from pixfoundation.types import Sample
from pixfoundation.wording import counted, listed, without_folder

logger = logging.getLogger(__name__)

SETUP_LOCK = ".setup.lock"

if TYPE_CHECKING:  # scoring a run opens no image, and most runs have no variants
    from PIL import Image

    from pixfoundation.runs.variant_store import KeptVariants, VariantSource
    from pixfoundation.runs.variants import VariantRecord
    from pixfoundation.variants import VariedSample

R = TypeVar("R")
Attempt = TypeVar("Attempt", AnswerRecord, CandidateRecord)

FORMAT = 1
"""Version of the layout of a run directory; other versions are refused."""


class RunDirectory:
    """Reads a run directory, and writes to it while its lock is held.

    Attributes:
        path: The folder.
        config: The configuration of the run.
        samples: The samples by id, in the order of the dataset.
        varied: The variants of the samples, by the id of their records.
        skipped: The variants that do not exist for a sample, with the reason.
        damage: The damaged lines that were skipped in the files read so far.
    """

    def __init__(
        self,
        path: Path | str,
        data_root: Path | str | None = None,
        *,
        images: Mapping[str, Path] | None = None,
    ) -> None:
        """Open an existing run directory.

        Args:
            path: The folder.
            data_root: The dataset's folder, if it has moved since the run; None if it has not. The
                samples then name the images that are found there.
            images: Where the images of samples lie now, by the id of the sample; None to look for
                all of them.

        Raises:
            RunError: If the folder holds no run, or one that cannot be read.
        """
        self.path = Path(path)
        self.config, self._environment = read_config(self.path)
        self.damage = DamageList()
        self.samples: dict[str, Sample] = {}
        self._known: dict[str, Sample] = {}
        self._data_root = None if data_root is None else Path(data_root)
        self._images = images or {}
        self.samples.update((s.id, self._located(s)) for s in self._records(reading.SAMPLES))
        self._known = dict(self.samples)
        self.varied: Mapping[str, VariedSample] = {}
        self.skipped: Mapping[str, VariantRecord] = {}
        if any(self.path.glob("variants*.jsonl")):
            self._read_variants()

    @classmethod
    def create(
        cls,
        path: Path | str,
        config: RunConfig,
        samples: Iterable[Sample],
        environment: Mapping[str, Any] | None = None,
        variants: VariantSource | None = None,
    ) -> RunDirectory:
        """Make a run directory, or open the existing one if its configuration is the same.

        A run over more samples of the same dataset, or with more variants, continues one with
        fewer. A run without any answer, as a wrong command leaves it, does not stand in the way
        of a corrected one: it is started anew.

        Args:
            path: The folder; made if it is missing.
            config: The configuration.
            samples: The samples to run over.
            environment: Versions and hardware, recorded but not compared.
            variants: The variants of these samples; None for none.

        Raises:
            RunError: If the folder holds a run of another configuration (the message names the
                differences) or other variants of the same name, or cannot be written.
        """
        path = Path(path)
        _make_folder(path)
        with _locked(path / SETUP_LOCK, path, patience=60):  # several shards may start at once
            run = cls._create(path, config, list(samples), environment)
            if variants is not None:
                run._know(run._kept_variants.keep(variants, run.samples))
            return run

    @classmethod
    def _create(
        cls,
        path: Path,
        config: RunConfig,
        samples: Sequence[Sample],
        environment: Mapping[str, Any] | None,
    ) -> RunDirectory:
        known = exists(path / "run.json")
        differences = _differences(read_config(path)[0], config) if known else []
        if differences and not _has_answers(path) and _is_idle(path):
            _clear(path)
            logger.warning(
                "%s held no answer; the configuration is now another (%s).",
                *(path, "; ".join(differences)),
            )
            known = False
        if known:
            if differences:
                raise RunError(
                    f"{path} holds a run of another configuration; nothing was changed. "
                    f"It differs in {'; '.join(differences)}. "
                    "Choose another folder, or repeat the first configuration."
                )
        else:
            record = {
                "format": FORMAT,
                "config": config.to_json(),
                "environment": dict(environment or {}),
            }
            write_json(path / "run.json", record)
        # What is asked about is looked at where it lies now, though the data may have moved.
        run = cls(path, images={sample.id: sample.image.absolute() for sample in samples})
        missing = [sample for sample in samples if sample.id not in run.samples]
        if missing:
            with Appender(path / "samples.jsonl") as file:
                for sample in missing:
                    # Absolute, so that a report can be made from any folder.
                    kept = replace(sample, image=sample.image.absolute())
                    file.append(kept.to_json())
                    run.samples[kept.id] = run._known[kept.id] = kept
        return run

    @cached_property
    def _kept_variants(self) -> KeptVariants:
        from pixfoundation.runs.variant_store import KeptVariants

        kept = KeptVariants(self.path)
        self.varied, self.skipped = kept.varied, kept.skipped
        return kept

    def _read_variants(self) -> None:
        from pixfoundation.runs.variants import VARIANTS

        for record in self._records(VARIANTS):
            for varied in self._kept_variants.add(record, self.samples):
                own = replace(varied, sample=self._located(varied.sample))
                self._kept_variants.varied[own.sample.id] = own
                self._know([own])

    def _located(self, sample: Sample) -> Sample:
        """Return a sample with the path at which its image lies now."""
        if sample.id in self._images:
            return replace(sample, image=self._images[sample.id])
        if sample.image.is_absolute() and self._data_root is None:
            return sample
        return replace(sample, image=find_image(sample.image, self.path, self._data_root))

    def _know(self, varied: Iterable[VariedSample]) -> None:
        """Let records of variants be read like those of samples."""
        self._known.update((each.sample.id, each.sample) for each in varied)

    @property
    def name(self) -> str:
        """Name of the run: that of its model, or of its folder if the model has none.

        A model that was given as a folder is called by the last part of its path.
        """
        return without_folder(self.config.model.name or self.path.name)

    def __str__(self) -> str:
        from pixfoundation.runs.completeness import measure_completeness
        from pixfoundation.runs.run_records import RunRecords

        state, config = measure_completeness(RunRecords(self)), self.config
        samples = counted(len(self.samples), "sample")
        return listed(
            f"{self.name} on {config.dataset.name}: {samples} in {self.path}",
            [
                ("answers", state.sentence or f"{state.answers}, complete"),
                ("protocols", ", ".join(map(str, config.protocols))),
                ("segmenter", config.segmenter.name if config.segmenter else None),
                ("grounder", config.grounding.name),
            ],
        )

    # ---- reading ---------------------------------------------------------------------------

    @property
    def all_samples(self) -> Mapping[str, Sample]:
        """The samples and their variants, by the id of their records."""
        return self._known

    @property
    def environment(self) -> dict[str, Any]:
        """Versions and hardware with which the run was started."""
        return self._environment

    def answers(self) -> dict[Key, AnswerRecord]:
        """Return all answers; of several with one key the last without an error, if any."""
        return _latest(self._records(reading.ANSWERS))

    def candidates(self) -> dict[Key, CandidateRecord]:
        """Return all candidates; of several with one key as `answers` does."""
        return _latest(self._records(reading.CANDIDATES))

    def verdicts(self) -> list[VerdictRecord]:
        """Return all verdicts in the order written."""
        return list(self._records(reading.VERDICTS))

    def deletions(self) -> dict[str, DeletionRecord]:
        """Return the answers to covered images by sample id; of several the last written."""
        return {record.sample: record for record in self._records(reading.DELETIONS)}

    def _records(self, kind: RecordKind[R]) -> Iterator[R]:
        """Read `<stem>.jsonl`, then the shards `<stem>.<infix>.jsonl` in their order."""
        shards = sorted(self.path.glob(f"{kind.stem}.*.jsonl"))
        for file in [self.path / f"{kind.stem}.jsonl", *shards]:
            yield from kind.read(file, self._known, self.damage)

    def check_unchanged(self) -> None:
        """Check that the configuration on disk still is the one that was read.

        Raises:
            RunError: If another process has replaced it, since the run had no answers yet.
        """
        if differences := _differences(self.config, read_config(self.path)[0]):
            raise RunError(
                f"Another process has started a run of another configuration in {self.path}. It "
                f"differs in {'; '.join(differences)}. Choose another folder."
            )

    def load_image(self, id: str) -> Image.Image:
        """Return the RGB image of a sample, or of a variant with its change.

        Args:
            id: Id of the records.

        Raises:
            DataError: If the image cannot be read.
        """
        image = load_recorded(self._known[id].image)
        change = self.varied[id].change if id in self.varied else None
        return image if change is None else change.apply(image)

    # ---- writing ---------------------------------------------------------------------------

    def locked(self, infix: str | None = None) -> AbstractContextManager[None]:
        """Lock the run, or one shard of it, against a second process.

        Args:
            infix: The middle of the shard's file names; None for the run itself.

        Raises:
            RunError: If another process holds the lock.
        """
        return _locked(self.path / (f".{infix}.lock" if infix else ".lock"), self.path)

    def appender(self, stem: str, infix: str | None = None) -> Appender:
        """Open a file for appending; the lock must be held.

        Args:
            stem: Which records the file holds: `answers`, `candidates`, `verdicts`, `deletions`.
            infix: The middle of the shard's file names; None for the run itself.
        """
        return Appender(self.path / (f"{stem}.{infix}.jsonl" if infix else f"{stem}.jsonl"))


def _latest(records: Iterable[Attempt]) -> dict[Key, Attempt]:
    latest: dict[Key, Attempt] = {}
    for record in records:
        before = latest.get(record.key)
        if record.error is None or before is None or before.error is not None:
            latest[record.key] = record
    return latest


class _RunFile(Struct):
    """What `run.json` holds."""

    format: int
    config: dict[str, Any]
    environment: dict[str, Any] = {}


class _Attempted(Struct):
    """What a line of answers says about its failure."""

    error: str | None = None


def read_config(path: Path) -> tuple[RunConfig, dict[str, Any]]:
    """Return the configuration and the environment of a run.

    Raises:
        RunError: If the folder holds no run, or one that cannot be read.
    """
    file = path / "run.json"
    try:
        record = read_file(file, _RunFile)
        if record.format != FORMAT:
            raise RunError(
                f"{file} is of layout {record.format}, but this version of PixFoundation reads "
                f"layout {FORMAT}."
            )
        return RunConfig.from_json(record.config), record.environment
    except FileNotFoundError as error:
        raise RunError(
            f"{path} is not a run directory: it has no run.json. "
            "`pixfoundation run --out DIR` makes one."
        ) from error
    except OSError as error:
        raise RunError(f"{file} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, DataError) as error:
        raise RunError(f"{file} is damaged: {error}") from error


def _has_answers(path: Path) -> bool:
    """Return whether a run directory holds more than recorded failures.

    What cannot be read counts as an answer, so that nothing is thrown away that somebody may want.
    """
    for stem in ("verdicts", "deletions"):
        if any(file.stat().st_size for file in path.glob(f"{stem}*.jsonl")):
            return True
    for file in (*path.glob("answers*.jsonl"), *path.glob("imports.json")):
        for line in file.read_bytes().splitlines():
            try:
                is_failure = bool(decode(line, _Attempted).error)
            except UnreadableError:
                is_failure = False
            if not is_failure:
                return True
    return False


def _is_idle(path: Path) -> bool:
    """Return whether no process writes to a run directory."""
    from filelock import FileLock, Timeout  # reading a run locks nothing

    for file in path.glob(".*lock"):
        if file.name == SETUP_LOCK:
            continue
        lock = FileLock(file, timeout=0)
        try:
            lock.acquire()
        except (Timeout, OSError):
            return False
        lock.release()
    return True


def _clear(path: Path) -> None:
    """Remove the configuration, the samples and the recorded failures; the log stays."""
    for pattern in (
        "samples*.jsonl",
        "variants*.jsonl",
        "answers*.jsonl",
        "candidates*.jsonl",
        "run.json",
    ):
        for file in path.glob(pattern):
            file.unlink()


@contextmanager
def _locked(file: Path, run: Path, patience: float = 0) -> Generator[None, None, None]:
    """Hold a lock.

    Args:
        file: The lock file.
        run: The run directory that it stands for.
        patience: Seconds to wait for the lock.
    """
    from filelock import FileLock, Timeout  # reading a run locks nothing

    lock = FileLock(file, timeout=patience)
    try:
        lock.acquire()
    except Timeout as error:
        raise RunError(
            f"Another process is writing to {run}. Wait for it to end, or choose another folder. "
            "To share the work, give each process a shard: `shard` 1/4, 2/4 and so on."
        ) from error
    except OSError as error:
        raise RunError(f"{run} cannot be locked: {error.strerror}.") from error
    try:
        yield
    finally:
        lock.release()


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"The folder {path} cannot be made: {error.strerror}.") from error


def _differences(existing: RunConfig, new: RunConfig) -> list[str]:
    """Name the differences between two configurations, as `path (old there, new now)`."""
    return list(_compare("", existing.to_json(), new.to_json()))


def _compare(name: str, existing: Any, new: Any) -> Iterator[str]:
    if isinstance(existing, dict) and isinstance(new, dict):
        before, after = cast("dict[str, Any]", existing), cast("dict[str, Any]", new)
        for key in sorted(before.keys() | after.keys()):
            path = f"{name}.{key}" if name else key
            yield from _compare(path, before.get(key), after.get(key))
    elif existing != new:
        yield f"{name} ({existing!r} there, {new!r} now)"
