"""Runs campaigns in a child process that is watched, so that hangs and crashes count, too."""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import resource
import shutil
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pixfoundation.errors import PixFoundationError
from tests.fuzz.analyses import CAMPAIGNS
from tests.fuzz.campaigns import Campaign
from tests.fuzz.mutators import damage

HANG_SECONDS = 5.0
"""Processor time after which one input counts as a hang."""
MEMORY = 6 << 30
"""Address space of the child in bytes."""


@dataclass
class Result:
    """What a campaign found.

    Attributes:
        read: Number of inputs that were read all the same.
        refused: Number that ended with an error of the package.
        failures: Index and description of every other end.
        slowest: Seconds of processor time of the slowest input.
    """

    read: int = 0
    refused: int = 0
    failures: list[tuple[int, str]] = field(default_factory=list)
    slowest: float = 0.0

    def places(self) -> Counter[str]:
        """Count the failures by where they arose, and what they are."""
        return Counter(place_of(text) for _, text in self.failures)


def place_of(text: str) -> str:
    """Return the class of an error, and the last place in the package that it went through."""
    lines = text.strip().splitlines()
    places = [line.strip().split("/src/")[-1] for line in lines if "/pixfoundation/" in line]
    return f"{lines[-1].split(':')[0]} at {places[-1]}" if places else lines[-1][:120]


class Workplace:
    """A folder with the good files of a campaign, one of which is damaged at a time."""

    def __init__(self, campaign: Campaign, root: Path) -> None:
        self.campaign, self.root = campaign, root
        campaign.make(root)
        campaign.read(root, random.Random(0))  # whole files are read; imports are done
        self.good = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
        matching = {path for pattern in campaign.damaged for path in root.glob(pattern)}
        self.targets = sorted(path for path in matching if path in self.good)

    def attempt(self, seed: int, index: int) -> bool:
        """Try one input; return whether it was read. Raises whatever leaves the reader."""
        dice = random.Random(f"{self.campaign.name}-{seed}-{index}")
        if self.targets:
            number = min(1 + (dice.random() < 0.2), len(self.targets))
            for target in dice.sample(self.targets, number):
                name = target.relative_to(self.root).as_posix()
                target.write_bytes(damage(name, self.good[target], dice))
        try:
            self.campaign.read(self.root, dice)
        except PixFoundationError as error:
            str(error).encode()
            return False
        else:
            return True
        finally:
            self._restore()

    def _restore(self) -> None:
        for path in self.root.rglob("*"):
            if path.is_file() and path not in self.good:
                path.unlink()
        for path, data in self.good.items():
            if not path.exists() or path.read_bytes() != data:
                path.write_bytes(data)


def prepare() -> None:
    """Make a process quiet and bounded; nothing needs to survive a power cut here."""
    logging.disable(logging.CRITICAL)
    os.fsync = lambda file: None
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _work(name: str, seed: int, indices: list[int], pipe) -> None:
    prepare()
    with tempfile.TemporaryDirectory() as folder:
        place = Workplace(CAMPAIGNS[name], Path(folder))
        for index in indices:
            pipe.send(("start", index, ""))
            begin = time.process_time()
            try:
                outcome, text = ("read" if place.attempt(seed, index) else "refused"), ""
            except Exception:
                outcome, text = "traceback", traceback.format_exc()
            pipe.send((outcome, time.process_time() - begin, text))
    pipe.send(("end", 0, ""))


def run_campaign(name: str, seed: int, indices: Iterable[int]) -> Result:
    """Try the inputs with these indices; a child that hangs or dies is replaced by a new one."""
    result, left = Result(), list(indices)
    while left:
        here, there = multiprocessing.Pipe(duplex=False)
        child = multiprocessing.get_context("fork").Process(
            target=_work, args=(name, seed, left, there), daemon=True
        )
        child.start()
        there.close()
        current, ended = -1, False
        try:
            while not ended:
                if not _answers(here, child):
                    result.failures.append((current, f"hang of over {HANG_SECONDS:g} s"))
                    break
                outcome, value, text = here.recv()
                if outcome == "start":
                    current = int(value)
                elif outcome == "end":
                    ended = True
                else:
                    if value > HANG_SECONDS:
                        outcome, text = "traceback", f"slow: more than {HANG_SECONDS:g} s"
                    result.slowest = max(result.slowest, value)
                    result.read += outcome == "read"
                    result.refused += outcome == "refused"
                    if outcome == "traceback":
                        result.failures.append((current, text))
        except EOFError:
            child.join()
            if current == -1:
                raise RuntimeError(f"the good files of {name!r} cannot be read") from None
            result.failures.append((current, f"crash: exit status {child.exitcode}"))
        finally:
            child.kill()
            child.join()
        left = [] if ended else [index for index in left if index > current]
    return result


def _answers(pipe, child) -> bool:
    """Wait for the child's next word; False if it has used too much processor time for one."""
    before = _processor_seconds(child.pid)
    start = time.monotonic()
    while not pipe.poll(0.5):
        used = _processor_seconds(child.pid) - before
        if used > HANG_SECONDS or (time.monotonic() - start > 120):
            return False
    return True


def _processor_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def keep(folder: Path, name: str, seed: int, index: int) -> None:
    """Write the damaged files of one input, to look at them."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Workplace(CAMPAIGNS[name], Path(scratch))
        place._restore = lambda: None  # type: ignore[method-assign]
        try:
            place.attempt(seed, index)
        except Exception:
            traceback.print_exc()
        shutil.copytree(scratch, folder / f"{name}-{seed}-{index}", dirs_exist_ok=True)
