"""Options of a judge that several commands share, and the judge that they describe."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from platformdirs import user_cache_path

from pixfoundation.cli.options import given, parse_options

if TYPE_CHECKING:
    from pixfoundation.engines import Engine
    from pixfoundation.judges.cache import CachedJudge
    from pixfoundation.runs.batch_queue import BatchProgress
    from pixfoundation.runs.batched_judging import BatchedJudge
    from pixfoundation.runs.dealt_judging import DealtJudge, JudgeRecipe

SERVED = "openai"
"""The backend that loads nothing: it asks a server."""

MODEL_FOR_SELECTOR = typer.Option(
    None, help="The judge's model, for --selector judge: its name at the endpoint, or a hub id."
)
MODEL_REQUIRED = typer.Option(
    help="The judge's model: its name at the endpoint, or a hub id.",
    envvar="PIXFOUNDATION_JUDGE_MODEL",
)


@dataclass(frozen=True, slots=True)
class JudgeOptions:
    """The judge that is asked, and its settings.

    Attributes:
        backend: Name in the registry of judges.
        model: The judge's model; None if no judge was named.
        base_url: Address of the endpoint; None for the vendor's.
        key_file: File whose first line is the key; None to read the environment.
        cache: Folder of the cached replies; None for the user's cache.
        options: Further options of the backend, as KEY=VALUE.
        budget: Greatest number of requests; None for no bound.
    """

    backend: str
    model: str | None
    base_url: str | None
    key_file: Path | None
    cache: Path | None
    options: tuple[str, ...]
    budget: int | None

    def load(self) -> CachedJudge:
        """Return the judge, with a cache of its replies.

        Raises:
            UnknownNameError: If there is no such backend.
            DataError: If no model is named, or the backend does not take one of the options.
            JudgeError: If the judge cannot be reached.
        """
        from pixfoundation.judges.cache import CachedJudge

        return CachedJudge(self.recipe().make(), self._folder, self.budget)

    def recipe(self) -> JudgeRecipe:
        """Return how the judge is loaded: its model and the options of the backend.

        Raises:
            UnknownNameError: If there is no such backend.
            DataError: If no model is named, or the backend does not take one of the options.
        """
        from pixfoundation.errors import DataError
        from pixfoundation.judges import judges
        from pixfoundation.runs.dealt_judging import JudgeRecipe
        from pixfoundation.typed_options import read_options

        if self.model is None:
            raise DataError("The judge has no model. Name one with --judge-model.")
        factory = judges.get(self.backend)
        given_options = {
            **given(base_url=self.base_url, key_file=self.key_file),
            **parse_options(self.options),
        }
        options = read_options(f"The judge {self.backend!r}", factory, given_options, self.model)
        return JudgeRecipe(self.backend, self.model, options)

    @contextmanager
    def opened(self, engine: Engine | None) -> Generator[CachedJudge | DealtJudge]:
        """Load the judge in this process, or in the workers of an engine.

        Args:
            engine: The engine; None for this process.

        Raises:
            typer.BadParameter: If nothing of the judge would be loaded, or requests are counted.
            PixFoundationError: As for `load`.
        """
        if engine is None:
            yield self.load()
            return
        from pixfoundation.runs.dealt_judging import dealt_judge

        if self.backend == SERVED:
            raise typer.BadParameter(
                "--engine ray is for judges that the workers load themselves, as --judge-backend "
                "local does. An endpoint is asked several questions at a time by --at-once."
            )
        if self.budget is not None:
            raise typer.BadParameter(
                "--budget bounds requests to an endpoint; the workers of --engine ray ask a model "
                "of their own."
            )
        with dealt_judge(engine, self.recipe(), self._folder) as judge:
            yield judge

    @contextmanager
    def batched(
        self,
        engine: Engine | None,
        file: Path,
        on_progress: Callable[[BatchProgress | None], None],
        *,
        wait: bool,
    ) -> Generator[BatchedJudge]:
        """Load the judge, to be asked by batches of its provider.

        Args:
            engine: The engine; only None for this process is taken.
            file: Where the batches that are under way are kept.
            on_progress: Called at every look at the batches.
            wait: Whether to wait for the replies.

        Raises:
            typer.BadParameter: If the judge is not behind an endpoint.
            PixFoundationError: As for `load`.
        """
        if self.backend != SERVED or engine is not None:
            other = "--engine ray" if engine else f"--judge-backend {self.backend}"
            raise typer.BadParameter(
                "--batch is for judges behind an endpoint with OpenAI's batch API, not for "
                f"{other}."
            )
        judge = self.recipe().make()
        from pixfoundation.judges.cache import ReplyCache
        from pixfoundation.runs.batched_judging import BatchedJudge, BatchOptions

        options = BatchOptions(wait=wait, budget=self.budget, on_progress=on_progress)
        yield BatchedJudge(judge, ReplyCache(self._folder), file, options)

    @property
    def _folder(self) -> Path:
        return self.cache or user_cache_path("pixfoundation") / "judge"


def judge_options(
    judge_model: str | None = typer.Option(
        None, help="The judge's model: its name at the endpoint, or a hub id."
    ),
    judge_backend: str = typer.Option(
        "openai",
        help="A name of `pixfoundation judges`: openai (any compatible endpoint) or local.",
    ),
    base_url: str | None = typer.Option(
        None,
        help="The judge's endpoint, such as http://localhost:8000/v1. Default: "
        "PIXFOUNDATION_JUDGE_URL or OPENAI_BASE_URL, else the vendor's.",
    ),
    key_file: Path | None = typer.Option(
        None,
        help="A file with the judge's key. Default: PIXFOUNDATION_JUDGE_KEY or OPENAI_API_KEY.",
    ),
    budget: int | None = typer.Option(
        None, min=0, help="Greatest number of requests that this command may make."
    ),
    judge_option: list[str] | None = typer.Option(
        None,
        metavar="KEY=VALUE",
        help="Further option of the judge: timeout=60 of an endpoint, device=cpu or dtype=float16 "
        "of a local model; repeatable.",
    ),
    cache: Path | None = typer.Option(
        None, help="Folder of the judge's cached replies, shared by all runs."
    ),
) -> JudgeOptions:
    """Return the options of a judge as one object."""
    return JudgeOptions(
        judge_backend,
        judge_model,
        base_url,
        key_file,
        cache,
        tuple(judge_option or ()),
        budget,
    )
