"""A model in an environment of its own: a command that reads and writes JSON lines.

For each question one line goes to the command's standard input,
`{"id": 7, "image": "/path.png", "prompt": "...", "expression": "...", "protocol": 3}`, and one line
comes back on its standard output: `{"id": 7, "text": "..."}` with, as far as the model gives them,
`"masks": [{"mask": {"size": [h, w], "counts": "..."}, "phrase": "...", "score": 0.9}]`,
`"thoughts": "..."` and `"ended": "length"` (why the answer ended), or `"error": "..."`. What it
writes to standard error, and what else it prints, is kept in the run directory. See docs/worker.md.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Annotated, Any

from PIL import Image

from pixfoundation.answer_parts import read_message, valid_text
from pixfoundation.errors import DataError, UnavailableError
from pixfoundation.hub import Dtype
from pixfoundation.masks import Mask
from pixfoundation.models.base import Capability, Decoding, describe_model
from pixfoundation.models.coordinates.formats import Frame
from pixfoundation.models.coordinates.placing import read_places
from pixfoundation.option_bundles import takes_bundles
from pixfoundation.prompts import PromptTemplates
from pixfoundation.typed_options import Seconds, Within, as_choice
from pixfoundation.types import Answer, NativeMask, Prompt

LOG = "worker.log"

CHILDREN_MAY_FINISH = 0.5
"""Seconds between the end of the command and that of the processes which it left behind."""


class WorkerError(UnavailableError):
    """The worker cannot be started."""


class _NoAnswer(Exception):
    """The worker ended, hangs, or broke the protocol: only a fresh one can answer."""


class _QuestionFailed(Exception):
    """The worker is alive, but has no valid answer to this question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessOptions:
    """How the worker is started, and for how long it is waited for.

    Attributes:
        command: The command line, without a shell.
        timeout: Seconds that one answer may take, loading included.
        restarts: How often one question is put to a fresh worker after a crash or a time-out.
        log: Where its standard error goes, appended; by default `worker.log` in the run directory,
            or the terminal where there is no run.
    """

    command: str | None = None
    timeout: Seconds = 600.0
    restarts: Annotated[int, Within(least=0)] = 1
    log: Path | str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.timeout, int | float) or self.timeout <= 0:
            raise DataError(
                f"The timeout is a number of seconds above 0, but got {self.timeout!r}."
            )
        if not isinstance(self.restarts, int) or self.restarts < 0:
            raise DataError(f"The number of restarts is 0 or more, but got {self.restarts!r}.")


@takes_bundles(process=ProcessOptions)
def load(
    name: str,
    process: ProcessOptions,
    *,
    identify: str | None = None,
    frame: Frame | None = None,
    device: str | None = None,
    dtype: Dtype | None = None,
) -> WorkerModel:
    """Prepare the worker; it is started at the first question.

    The fields of the bundle are keyword options of this function.

    Args:
        name: `worker`.
        process: How the worker is started, and for how long it is waited for.
        identify: Prompt of protocol 3, with `{expression}`.
        frame: Read coordinates from the text, in this frame, instead of masks.
        device: Ignored; part of the common factory signature.
        dtype: Ignored; part of the common factory signature.

    Raises:
        DataError: If no command is given, or an option has no such value.
    """
    if not process.command:
        raise DataError(
            "The worker needs its command. Set the model option `command`, for instance to "
            "'python worker.py'."
        )
    if frame is not None:
        frame = as_choice(Frame, "frame", frame)
    if frame is Frame.RESIZED:
        others = ", ".join(other for other in Frame if other is not Frame.RESIZED)
        raise DataError(f"Coordinates of a worker come as {others}, but got {frame.value!r}.")
    templates = PromptTemplates(identify=identify) if identify else PromptTemplates()
    return WorkerModel(process, templates, frame)


class WorkerModel:
    """The model.

    Attributes:
        name: `worker`.
        capabilities: `masks`, or `coordinates` if a frame is given.
        templates: How it is asked.
    """

    def __init__(
        self, process: ProcessOptions, templates: PromptTemplates, frame: Frame | None
    ) -> None:
        """Keep the settings; see `load` for the arguments."""
        self.name = "worker"
        self.capabilities: frozenset[Capability] = frozenset(
            {"coordinates"} if frame else {"masks"}
        )
        self.templates = templates
        self._command = shlex.split(process.command or "")
        self._timeout, self._restarts = process.timeout, process.restarts
        self._frame: Frame | None = frame
        self._log = None if process.log is None else Path(process.log)
        self._log_is_given = process.log is not None
        self._process: _Process | None = None
        self._asked = 0

    def log_in(self, folder: Path) -> None:
        """Keep what the worker says in a folder, unless a place for it was given."""
        if not self._log_is_given and self._log != folder / LOG:
            self.close()
            self._log = folder / LOG

    def answer(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
    ) -> list[Answer]:
        """Answer one question after the other; see `Model.answer`.

        A question that the worker does not answer in any try is an answer with an `error`.

        Raises:
            WorkerError: If the worker cannot be started.
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

    def __str__(self) -> str:
        return describe_model(self)

    def fingerprint(self) -> dict[str, Any]:
        """Return the command; what it runs is not known here."""
        return {"command": self._command, "coordinates": self._frame}

    def close(self) -> None:
        """End the worker."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def _one(self, image: Image.Image, path: Path, prompt: Prompt, decoding: Decoding) -> Answer:
        reason = ""
        for _ in range(self._restarts + 1):
            self._asked += 1
            request = {
                "id": self._asked,
                "image": str(path),
                "prompt": prompt.text,
                "expression": prompt.expression,
                "protocol": prompt.protocol,
                "max_new_tokens": decoding.max_new_tokens,
                "temperature": decoding.temperature,
            }
            try:
                if self._process is None:
                    self._process = _Process(self._command, self._log)
                return _read(self._process.ask(request, self._timeout), image, self._frame)
            except _NoAnswer as error:
                reason = str(error)
                self.close()
            except _QuestionFailed as error:
                reason = str(error)
                break
        return self._failed(prompt, reason)

    def _failed(self, prompt: Prompt, reason: str) -> Answer:
        words = f" Its log is {self._log}." if self._log else ""
        return Answer(
            "",
            error=f"The worker failed at sample {prompt.sample}, protocol {prompt.protocol}: "
            f"{reason}{words}",
        )


class _Process:
    """The running command, its lines read by a thread so that waiting can end."""

    def __init__(self, command: Sequence[str], log: Path | None) -> None:
        self._errors: IO[bytes] | None = None
        try:
            if log is not None:
                self._errors = open(log, "ab")  # noqa: SIM115 - closed by `end`
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,  # a process group of its own, to be ended as a whole
            )
        except OSError as error:
            if self._errors is not None:
                self._errors.close()
            raise WorkerError(
                f"The worker {command[0]!r} cannot be started: {error.strerror} "
                f"({error.filename}). Correct the model option `command`."
            ) from error
        self._lines: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=self._watch, daemon=True).start()
        self._finalizer = weakref.finalize(self, _end_group, self._process)

    def _listen(self) -> None:
        if self._process.stdout is not None:
            for line in self._process.stdout:
                self._lines.put(line)
        self._lines.put(b"")

    def _watch(self) -> None:
        """End what the command leaves behind when it ends: children may keep its output open."""
        if hasattr(os, "waitid"):
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
            time.sleep(CHILDREN_MAY_FINISH)
            self._finalizer()

    def ask(self, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        deadline = time.monotonic() + timeout
        try:
            if self._process.stdin is not None:
                self._process.stdin.write(json.dumps(request).encode() + b"\n")
                self._process.stdin.flush()
            while True:
                line = self._lines.get(timeout=max(deadline - time.monotonic(), 0))
                if not line:
                    raise _NoAnswer(f"It ended {self._how()} without an answer.")
                if (reply := _object(line)) is not None:
                    break
                self._keep(line)
        except OSError as error:
            raise _NoAnswer(f"It ended {self._how()} before it was asked.") from error
        except queue.Empty as error:
            raise _NoAnswer(f"It did not answer within {timeout:g} seconds.") from error
        if reply.get("id") != request["id"]:
            raise _NoAnswer(
                f"It answered question {reply.get('id')!r}, but {request['id']} was asked."
            )
        return reply

    def end(self) -> None:
        self._finalizer()
        for stream in (self._process.stdin, self._errors):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue  # a line that it will not read any more

    def _how(self) -> str:
        """With what exit status, or by which signal."""
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "its output"
        return f"with status {code}" if code >= 0 else f"by signal {-code}"

    def _keep(self, line: bytes) -> None:
        """Keep a line that a library printed to standard output together with the errors."""
        kept = self._errors or sys.stderr.buffer
        kept.write(line)
        kept.flush()


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and all others of its group."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _object(line: bytes) -> dict[str, Any] | None:
    """Read a line as a JSON object; None if it is not one."""
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _read(reply: dict[str, Any], image: Image.Image, frame: Frame | None) -> Answer:
    if reply.get("error"):
        raise _QuestionFailed(f"It says: {valid_text(str(reply['error']))}")
    text = reply.get("text")
    if not isinstance(text, str):
        raise _QuestionFailed("Its answer has no 'text'.")
    fields = {"content": text, "reasoning": reply.get("thoughts")}
    message = read_message(fields, reply.get("ended"))
    answer = Answer(message.text, thoughts=message.thoughts, ended=message.ended)
    size = (image.height, image.width)
    if frame is not None:
        places = read_places(message.text, frame, size)
        return replace(
            answer,
            regions=places.regions,
            doubtful=places.doubtful,
            left_out=places.left_out,
        )
    masks = reply.get("masks") or ()
    if not isinstance(masks, list | tuple):
        raise _QuestionFailed("Its 'masks' are not a list.")
    return replace(answer, masks=tuple(_mask(entry, message.text, size) for entry in masks))


def _mask(entry: Any, text: str, size: tuple[int, int]) -> NativeMask:
    try:
        mask = Mask.from_rle(entry["mask"])
        phrase = None if entry.get("phrase") is None else valid_text(str(entry["phrase"]))
        score = None if entry.get("score") is None else float(entry["score"])
    except (KeyError, TypeError, ValueError, AttributeError, DataError) as error:
        raise _QuestionFailed(f"One of its masks cannot be read: {error}") from error
    if mask.size != size:
        raise _QuestionFailed(f"One of its masks is {mask.size}, the image {size} (height, width).")
    start = text.find(phrase) if phrase else -1
    span = (start, start + len(phrase)) if phrase and start >= 0 else None
    return NativeMask(mask, phrase, span, score)
