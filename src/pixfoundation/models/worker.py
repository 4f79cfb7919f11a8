"""A model in an environment of its own: a command that reads and writes JSON lines.

For each request one line goes to the command's standard input,
`{"id": 7, "image": "/path.png", "prompt": "...", "expression": "...", "protocol": 3}`, and one line
comes back on its standard output: `{"id": 7, "text": "..."}` with, as far as the model gives them,
`"masks": [{"mask": {"size": [h, w], "counts": "..."}, "phrase": "...", "score": 0.9}]` or
`"error": "..."`. What it writes to standard error is kept in a file.
"""

from __future__ import annotations

import json
import os
import queue
import shlex
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from pixfoundation.errors import DataError, PixFoundationError
from pixfoundation.masks import Mask
from pixfoundation.models.base import Capability, Decoding
from pixfoundation.models.coordinates import Frame, parse_regions
from pixfoundation.prompts import PromptTemplates
from pixfoundation.types import Answer, NativeMask, Prompt


class WorkerError(PixFoundationError):
    """The worker cannot be started, keeps failing, or answers something else."""


def load(
    name: str,
    *,
    command: str | None = None,
    timeout: float = 600.0,
    restarts: int = 3,
    log: Path | str = "worker.log",
    identify: str | None = None,
    frame: Frame | None = None,
    device: str | None = None,
    dtype: str | None = None,
) -> WorkerModel:
    """Prepares the worker; it is started at the first question.

    Args:
        name: `worker`.
        command: The command line, without a shell.
        timeout: Seconds that one answer may take, loading included.
        restarts: How often one question is put to a fresh worker after a crash or a time-out.
        log: Where its standard error goes, appended.
        identify: Wording of protocol 3, with `{expression}`.
        frame: Read coordinates from the text, in this frame, instead of masks.
        device: Means nothing here.
        dtype: Means nothing here.

    Raises:
        DataError: If no command is given.
    """
    if not command:
        raise DataError('Which command answers? Say --model-option command="python worker.py".')
    templates = PromptTemplates(identify=identify) if identify else PromptTemplates()
    return WorkerModel(shlex.split(command), timeout, restarts, Path(log), templates, frame)


class WorkerModel:
    """The model.

    Attributes:
        name: `worker`.
        capabilities: `masks`, or `coordinates` if a frame is given.
        templates: How it is asked.
    """

    def __init__(
        self,
        command: Sequence[str],
        timeout: float,
        restarts: int,
        log: Path,
        templates: PromptTemplates,
        frame: Frame | None,
    ) -> None:
        """Keeps the settings; see `load` for the arguments."""
        self.name = "worker"
        self.capabilities: frozenset[Capability] = frozenset(
            {"coordinates"} if frame else {"masks"}
        )
        self.templates = templates
        self._command, self._timeout, self._restarts = list(command), timeout, restarts
        self._frame: Frame | None = frame
        self._log = log
        self._process: _Process | None = None
        self._asked = 0

    def answer(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
    ) -> list[Answer]:
        """Answers one after the other; see `Model.answer`.

        Raises:
            WorkerError: If the worker fails at one question in every try.
        """
        with tempfile.TemporaryDirectory() as folder:
            paths: dict[int, Path] = {}
            for image in images:
                if id(image) not in paths:
                    paths[id(image)] = Path(folder) / f"{len(paths)}.png"
                    image.save(paths[id(image)])
            return [
                self._one(image, paths[id(image)], prompt, decoding)
                for image, prompt in zip(images, prompts, strict=True)
            ]

    def fingerprint(self) -> dict[str, Any]:
        """Returns the command; what it runs is not known here."""
        return {"command": self._command, "coordinates": self._frame}

    def close(self) -> None:
        """Ends the worker."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def _one(self, image: Image.Image, path: Path, prompt: Prompt, decoding: Decoding) -> Answer:
        failure: WorkerError | None = None
        for _ in range(self._restarts + 1):
            self._asked += 1
            request = {
                "id": self._asked,
                "image": str(path),
                "prompt": prompt.text,
                "expression": prompt.expression,
                "protocol": prompt.protocol,
                "max_new_tokens": decoding.max_new_tokens,
            }
            try:
                if self._process is None:
                    self._process = _Process(self._command, self._log)
                reply = self._process.ask(request, self._timeout)
                return _read(reply, image, self._frame)
            except WorkerError as error:
                failure = error
                self.close()
        raise WorkerError(
            f"The worker failed {self._restarts + 1} times at sample {prompt.sample}, protocol "
            f"{prompt.protocol}: {failure} Its own words are in {self._log}."
        )


class _Process:
    """The running command, its lines read by a thread so that waiting can end."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        try:
            self._errors = open(log, "ab")  # noqa: SIM115 - closed by `end`
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        except OSError as error:
            raise WorkerError(f"{command[0]} cannot be started: {error.strerror}.") from error
        self._lines: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        if self._process.stdout is not None:
            for line in self._process.stdout:
                self._lines.put(line)
        self._lines.put(b"")

    def ask(self, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        try:
            if self._process.stdin is not None:
                self._process.stdin.write(json.dumps(request).encode() + b"\n")
                self._process.stdin.flush()
            line = self._lines.get(timeout=timeout)
        except OSError as error:
            raise WorkerError("It ended before it was asked.") from error
        except queue.Empty as error:
            raise WorkerError(f"It did not answer within {timeout:g} seconds.") from error
        if not line:
            raise WorkerError("It ended without an answer.")
        try:
            reply = json.loads(line)
        except ValueError as error:
            raise WorkerError(f"It wrote {line[:80]!r}, which is no JSON.") from error
        if not isinstance(reply, dict) or reply.get("id") != request["id"]:
            raise WorkerError(f"It did not answer question {request['id']}, but wrote {reply!r}.")
        return reply

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._errors.close()


def _read(reply: dict[str, Any], image: Image.Image, frame: Frame | None) -> Answer:
    if reply.get("error"):
        raise WorkerError(f"It says: {reply['error']}")
    text = reply.get("text")
    if not isinstance(text, str):
        raise WorkerError("Its answer has no 'text'.")
    size = (image.height, image.width)
    if frame is not None:
        return Answer(text, regions=parse_regions(text, frame, size))
    return Answer(text, masks=tuple(_mask(entry, text, size) for entry in reply.get("masks") or ()))


def _mask(entry: Any, text: str, size: tuple[int, int]) -> NativeMask:
    try:
        mask = Mask.from_rle(entry["mask"])
        phrase, score = entry.get("phrase"), entry.get("score")
    except (KeyError, TypeError, AttributeError, DataError) as error:
        raise WorkerError(f"One of its masks cannot be read: {error}") from error
    if mask.size != size:
        raise WorkerError(f"One of its masks is {mask.size}, the image {size} (height, width).")
    start = text.find(phrase) if phrase else -1
    span = (start, start + len(phrase)) if start >= 0 else None
    return NativeMask(mask, phrase, span, None if score is None else float(score))
