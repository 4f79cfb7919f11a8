"""Downloads the published datasets from the Hugging Face hub and verifies the files.

Every file is compared with the checksum that the hub states for it; the annotations are also
compared with the checksums recorded here, which belong to the versions that the scores were
validated with. A file that differs is kept: a wrong checksum must not cost a download.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pixfoundation.datasets.by_hand import FETCHED_BY_HAND
from pixfoundation.datasets.images_by_hand import IMAGES_BY_HAND, advice
from pixfoundation.errors import DataError, PrerequisiteError, UnknownNameError, missing_package
from pixfoundation.existence import exists, isfile
from pixfoundation.failures import in_short
from pixfoundation.wording import counted

CHECKSUMS = "checksums.json"
"""File in the folder that records what was fetched, from which commit, with which SHA-256."""

Placing = Callable[[str], str | None]
"""Maps the path of a file in a repository to its path in the folder; None if it is not needed."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A dataset repository of the hub.

    Attributes:
        id: Id of the repository, as owner/name.
        place: Maps the needed files to their paths in the folder.
    """

    id: str
    place: Placing

    @property
    def url(self) -> str:
        """Address of the repository's page."""
        return f"https://huggingface.co/datasets/{self.id}"


@dataclass(frozen=True, slots=True)
class Fetchable:
    """A dataset that can be downloaded.

    Attributes:
        repositories: The repositories that hold its files.
        recorded: SHA-256 of the files that scores were validated with, by path in the folder.
        by_hand: Returns, for a folder, instructions for what it still needs by hand.
    """

    repositories: tuple[Repository, ...]
    recorded: dict[str, str]
    by_hand: Callable[[Path], tuple[str, ...]] = lambda root: ()


@dataclass(slots=True)
class Fetched:
    """The result of a download.

    Attributes:
        root: The folder.
        downloaded: Paths in the folder of the files downloaded now.
        existing: Number of files that were already present and correct.
        differing: Sentences that name the files which differ from the recorded ones.
        by_hand: Instructions for what must be downloaded by hand.
    """

    root: Path
    downloaded: list[str] = field(default_factory=list)
    existing: int = 0
    differing: list[str] = field(default_factory=list)
    by_hand: tuple[str, ...] = ()


def _place_pixmmvp(path: str) -> str | None:
    name = PurePosixPath(path).name
    if re.fullmatch(r"\d+\.jpg", name):
        return f"MMVP Images/{name}"
    return name if name in (*_PIXMMVP, "Questions.csv") else None


def _place_pixcvbench(path: str) -> str | None:
    parts = PurePosixPath(path).parts
    if parts[-1] == "FinalSegmentations.json":
        source = next((p for p in parts if p in ("ADE20K", "COCO")), None)
        return f"{source}/{parts[-1]}" if source else None
    return "CV-Bench/Objects.csv" if parts[-1] == "Objects.csv" else None


def _place_questions(path: str) -> str | None:
    name = PurePosixPath(path).name
    return f"CV-Bench/{name}" if name in ("test.parquet", "test_2d.parquet") else None


def _place_treebench(path: str) -> str | None:
    name = PurePosixPath(path).name
    return path if name.endswith(".parquet") or name == "TreeBench.tsv" else None


def _images_by_hand(root: Path) -> tuple[str, ...]:
    """Return how to get the images of ADE20K and COCO whose folder holds none."""
    return tuple(
        advice(root, source)
        for source, images in IMAGES_BY_HAND.items()
        if not any((root / images.place).glob("*.jpg"))
    )


_PIXMMVP = {
    "Objects.csv": "9d7b4ebcde03b1319cc651aab6eab72e366d374bc297fb0a3a9d9d05556ac816",
    "Segmentations.json": "ca101b1ed12180cc02cdca118bda125f8ccce47630198cba250270c92d2bcb24",
    "meta_none.txt": "ad4fe9c5d95c0d8ec5d47eb44ffe22e161eb3c28b8da7701c66bf87ce2e81a57",
    "visual_patterns.csv": "c1ef6a6a4a361e544ce9c7365ddffcf4b3540b088189f765cc7ee60e9278f8ba",
}
_PIXCVBENCH = {
    "CV-Bench/Objects.csv": "e47ee51dc7cc963590934a50d7deb1ef43856d63587153670aa66b5bc7790608",
    "ADE20K/FinalSegmentations.json": (
        "6538461659c98aa82f722825276320d9b24618e0f95f58e1f8602a90148cdebe"
    ),
    "COCO/FinalSegmentations.json": (
        "4b348d03c4f8677ccc1b3cf03edb992d0362d30b8df9324c60dc461786f40bcb"
    ),
}
FETCHABLE = {
    "pixmmvp": Fetchable(
        (
            Repository("IVUlab/pixmmvp", _place_pixmmvp),
            Repository("MMVP/MMVP", _place_pixmmvp),
        ),
        _PIXMMVP,
    ),
    "pixcvbench": Fetchable(
        (
            Repository("IVUlab/pixcvbench", _place_pixcvbench),
            Repository("nyu-visionx/CV-Bench", _place_questions),
        ),
        _PIXCVBENCH,
        _images_by_hand,
    ),
    "treebench": Fetchable((Repository("HaochenWang/TreeBench", _place_treebench),), {}),
}


def fetch(
    name: str,
    root: Path,
    *,
    keep_going: bool = False,
    on_progress: Callable[[str], None] = lambda line: None,
) -> Fetched:
    """Download a dataset; correct files are kept, and an interrupted download is resumed.

    Args:
        name: A name of `FETCHABLE`.
        root: The folder, created if it is missing.
        keep_going: Continue when a file differs from the recorded one.
        on_progress: Called with one line for every downloaded file.

    Returns:
        What was downloaded, what was present, and what differs.

    Raises:
        UnknownNameError: If the hub has no dataset of that name.
        PrerequisiteError: If `huggingface_hub` is not installed, or the hub cannot be reached; the
            message says how to do it by hand. Also for a dataset of `FETCHED_BY_HAND`.
        DataError: If a file differs from the recorded one (it is kept) or cannot be written.
    """
    if name in FETCHED_BY_HAND:
        raise PrerequisiteError(f"{name} is not downloaded: {FETCHED_BY_HAND[name]}")
    if name not in FETCHABLE:
        raise UnknownNameError("dataset on the hub", name, FETCHABLE)
    fetchable = FETCHABLE[name]
    root = Path(root)
    done = Fetched(root, by_hand=fetchable.by_hand(root))
    record = _read_record(root)
    for repository in fetchable.repositories:
        for remote in _remote_files(repository, root):
            target = root / remote.place
            if _as_stated(target, remote):
                done.existing += 1
                digest = hash_file(target)
            else:
                on_progress(f"{repository.id}: {remote.path}")
                digest = _download(repository, remote, root, target)
                done.downloaded.append(remote.place)
            record[remote.place] = {
                "sha256": digest,
                "repository": repository.id,
                "revision": remote.revision,
            }
            _write_record(root, record)
            difference = _difference(fetchable, remote, target, digest)
            if difference and not keep_going:
                raise DataError(f"{difference} The file is kept; `keep_going` continues with it.")
            if difference:
                done.differing.append(difference)
    return done


def recheck(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield every fetched file that has changed since, with a sentence that says how."""
    for place, entry in _read_record(root).items():
        file = root / place
        if not exists(file):
            yield file, f"was fetched from {entry['repository']} but is missing."
        elif hash_file(file) != entry["sha256"]:
            yield file, f"has changed since it was fetched from {entry['repository']}."


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file as text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ---- the hub -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Remote:
    """A file of the hub: its path there, its path in the folder, and its stated checksums."""

    path: str
    place: str
    revision: str
    size: int | None
    sha256: str | None
    git_sha1: str | None


def _remote_files(repository: Repository, root: Path) -> list[_Remote]:
    hub = _hub()
    try:
        info = hub.HfApi().dataset_info(repository.id, files_metadata=True)
    except Exception as error:  # the hub client raises many unrelated types when offline
        raise _unreachable(repository, root, error) from error
    files = []
    for entry in info.siblings or ():
        place = repository.place(entry.rfilename)
        if place is not None:
            lfs = entry.lfs.sha256 if entry.lfs else None
            files.append(
                _Remote(entry.rfilename, place, info.sha or "main", entry.size, lfs, entry.blob_id)
            )
    return sorted(files, key=lambda remote: remote.place)


def _download(repository: Repository, remote: _Remote, root: Path, target: Path) -> str:
    """Download one file into a staging folder, then move it to its place in one step."""
    hub = _hub()
    staging = root / ".download" / repository.id.replace("/", "--")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        downloaded = hub.hf_hub_download(
            repository.id,
            remote.path,
            repo_type="dataset",
            revision=remote.revision,
            local_dir=staging,
        )
        Path(downloaded).replace(target)
    except OSError as error:
        if error.errno is not None and not isinstance(error, ConnectionError):
            raise DataError(f"{target} cannot be written: {error.strerror}.") from error
        raise _unreachable(repository, root, error) from error
    except Exception as error:  # see above
        raise _unreachable(repository, root, error) from error
    return hash_file(target)


def _unreachable(repository: Repository, root: Path, error: Exception) -> PrerequisiteError:
    reason = in_short(error).removesuffix(".")
    return PrerequisiteError(
        f"{repository.url} cannot be fetched ({reason}). Download it by hand on a machine with "
        f"network access, put its files into {root}, and run `pixfoundation datasets check`."
    )


def _hub() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise missing_package("huggingface_hub", "Fetching datasets", "data") from error
    return huggingface_hub


# ---- checksums ---------------------------------------------------------------------------------


def _as_stated(file: Path, remote: _Remote) -> bool:
    """Whether a file exists and has the size and checksum that the hub states."""
    if not isfile(file) or (remote.size is not None and file.stat().st_size != remote.size):
        return False
    if remote.sha256 is not None:
        return hash_file(file) == remote.sha256
    return remote.git_sha1 is not None and _git_sha1(file) == remote.git_sha1


def _difference(fetchable: Fetchable, remote: _Remote, file: Path, digest: str) -> str | None:
    if not _as_stated(file, remote):
        return (
            f"{file} does not have the checksum that the hub states for {remote.path}: it has "
            f"{counted(file.stat().st_size, 'byte')} and SHA-256 {digest}."
        )
    recorded = fetchable.recorded.get(remote.place)
    if recorded is not None and digest != recorded:
        return (
            f"{file} is not the version that scores were validated with: its SHA-256 is {digest}, "
            f"the recorded one is {recorded}."
        )
    return None


def _git_sha1(file: Path) -> str:
    """Return the blob id that git, and so the hub, gives to a file outside Git LFS."""
    data = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _read_record(root: Path) -> dict[str, Any]:
    file = root / CHECKSUMS
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(f"{file} is damaged ({error}); delete it and fetch again.") from error


def _write_record(root: Path, record: dict[str, Any]) -> None:
    file = root / CHECKSUMS
    temporary = file.with_suffix(".new")
    try:
        temporary.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        temporary.replace(file)
    except OSError as error:
        raise DataError(f"{file} cannot be written: {error.strerror}.") from error
