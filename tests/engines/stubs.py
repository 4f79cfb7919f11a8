"""Workers and models with known behaviour, for tests of engines; importable by Ray's workers."""

from __future__ import annotations

import os
import resource
import signal
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from pixfoundation.types import Answer
from tests.doubles import BrightModel


@dataclass(frozen=True)
class Sleeper:
    """Sleeps as many seconds as it is told, and returns them."""

    version: int = 1

    def describe(self):
        return {"version": self.version}

    def work(self, payload):
        time.sleep(payload)
        yield payload


@dataclass(frozen=True)
class SleeperFactory:
    """Makes a `Sleeper`."""

    def __call__(self):
        return Sleeper()


@dataclass
class Fatal(BrightModel):
    """Kills or hangs its process at one sample, as often as told; counts in a folder."""

    folder: str = ""
    sample: str = ""
    times: int = 1
    hangs: bool = False
    name: str = "fatal"
    asked: list = field(default_factory=list)

    def answer(self, images, prompts, decoding):
        if any(prompt.sample == self.sample for prompt in prompts):
            marks = Path(self.folder)
            done = len(list(marks.iterdir()))
            if done < self.times:
                (marks / str(done)).touch()
                if self.hangs:
                    time.sleep(600)
                os.kill(os.getpid(), signal.SIGKILL)
        return super().answer(images, prompts, decoding)


@dataclass
class Slow(BrightModel):
    """Takes a while for each question."""

    seconds: float = 0.1
    name: str = "bright"

    def answer(self, images, prompts, decoding) -> list[Answer]:
        time.sleep(self.seconds * len(prompts))
        return super().answer(images, prompts, decoding)


@dataclass
class Solomon:
    """Grades by whether the answer names the left, and picks the first mask; a judge."""

    name: str = "solomon:wise"
    asked: list = field(default_factory=list)

    def ask(self, question):
        self.asked.append(question.text)
        if question.images and "Select" in question.text:
            return "1"
        return "Yes" if "left" in question.text else "No"


@dataclass
class Hungry(BrightModel):
    """Takes memory at one sample, the first time only; counts in a folder.

    Attributes:
        folder: Where it counts.
        sample: The sample.
        size: Bytes that it takes, and keeps for a while.
        limit: Bytes that its process may have in addition to what it has; 0 for no limit.
    """

    folder: str = ""
    sample: str = ""
    size: int = 0
    limit: int = 0
    name: str = "bright"

    def answer(self, images, prompts, decoding):
        mark = Path(self.folder) / "hungry"
        if any(prompt.sample == self.sample for prompt in prompts) and not mark.exists():
            mark.touch()
            if self.limit:
                pages = int(Path("/proc/self/statm").read_text().split()[0])
                most = pages * resource.getpagesize() + self.limit
                resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
            taken = b"x" * self.size
            time.sleep(60)
            del taken
        return super().answer(images, prompts, decoding)


@dataclass
class Reader(BrightModel):
    """Reads what others wrote."""

    def read(self, images, prompts, written, decoding):
        answers = super().answer(images, prompts, decoding)
        return [replace(own, text=other.text) for own, other in zip(answers, written, strict=True)]
