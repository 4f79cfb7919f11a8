"""The process of a Ray worker: it makes one worker and does one unit at a time."""

from __future__ import annotations

import os
import pickle
import platform
from dataclasses import dataclass
from typing import Any

from pixfoundation.engines.base import Worker, WorkerFactory, WorkerLostError
from pixfoundation.errors import PixFoundationError
from pixfoundation.failures import describe


@dataclass(frozen=True, slots=True)
class Reply:
    """What a worker sends back.

    Attributes:
        value: The results of a unit, or the description, pickled.
        error: What went wrong, in one sentence; None if nothing did.
        lost: Whether the worker cannot go on.
        fault: Whether the error is one of this package, about more than one unit.
        host: Name of the machine.
        process: Number of the process.
    """

    value: bytes = b""
    error: str | None = None
    lost: bool = False
    fault: bool = False
    host: str = ""
    process: int = 0


class RayWorker:
    """The class of the actors; `ray.remote` wraps it."""

    def __init__(self, factory: bytes) -> None:
        """Keep how the worker is made.

        Args:
            factory: A pickled factory. It is read with the first call, so that what is missing on
                this machine can be said.
        """
        self._factory = factory
        self._worker: Worker | None = None

    def describe(self) -> Reply:
        """Make the worker and return its description."""
        from importlib import import_module

        cloudpickle: Any = import_module("ray.cloudpickle")

        try:
            factory: WorkerFactory = cloudpickle.loads(self._factory)
            self._worker = factory()
            return self._reply(cloudpickle.dumps(self._worker.describe()))
        except Exception as error:  # anything: a missing plug-in, folder, package, memory
            return self._reply(error=describe(error), fault=True)

    def work(self, payload: bytes) -> Reply:
        """Do one unit, which is pickled, and return its pickled results."""
        if self._worker is None:
            return self._reply(error="The worker was never made.", lost=True)
        try:
            results = list(self._worker.work(pickle.loads(payload)))
            return self._reply(pickle.dumps(results, pickle.HIGHEST_PROTOCOL))
        except WorkerLostError as error:
            return self._reply(error=str(error), lost=True)
        except PixFoundationError as error:
            return self._reply(error=describe(error), fault=True)
        except Exception as error:  # what the worker itself does not take into account
            return self._reply(error=describe(error))

    def _reply(self, value: bytes = b"", **fields: Any) -> Reply:
        return Reply(value, host=platform.node(), process=os.getpid(), **fields)
