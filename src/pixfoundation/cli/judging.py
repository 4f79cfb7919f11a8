"""Options of a judge that several commands share, and the judge they name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from platformdirs import user_cache_path

from pixfoundation.cli.options import given, parse_options

if TYPE_CHECKING:
    from pixfoundation.judges.asking import CachedJudge

JUDGE = typer.Option("openai", help="Who judges: openai (any compatible endpoint) or local.")
BASE_URL = typer.Option(
    None,
    help="The judge's endpoint, as http://localhost:8000/v1. Default: PIXFOUNDATION_JUDGE_URL or "
    "OPENAI_BASE_URL, else the vendor's.",
)
KEY_FILE = typer.Option(
    None, help="A file with the judge's key. Default: PIXFOUNDATION_JUDGE_KEY or OPENAI_API_KEY."
)
JUDGE_OPTION = typer.Option(
    None,
    metavar="KEY=VALUE",
    help="A further option of the judge: timeout=60 of an endpoint, device=cpu or dtype=float16 of "
    "a local model; repeatable.",
)
CACHE = typer.Option(None, help="Where the judge's replies are kept, for all runs.")


def make_judge(
    judge: str,
    model: str,
    *,
    base_url: str | None = None,
    key_file: Path | None = None,
    cache: Path | None = None,
    more: Sequence[str] | None = None,
    budget: int | None = None,
) -> CachedJudge:
    """Make a judge that keeps its replies.

    Args:
        judge: A name of the registry of judges.
        model: Its model.
        base_url: The endpoint; the vendor's if None.
        key_file: Its first line is the key.
        cache: The folder of the replies; the user's cache if None.
        more: Further options of that judge, as KEY=VALUE.
        budget: Most requests; None for no bound.

    Raises:
        DataError: If that judge does not take one of the options.
        JudgeError: If it cannot be had.
    """
    from pixfoundation.judges import judges
    from pixfoundation.judges.asking import CachedJudge
    from pixfoundation.registry import check_options

    factory = judges.get(judge)
    options = {**given(base_url=base_url, key_file=key_file), **parse_options(more)}
    check_options(f"The judge {judge!r}", factory, options)
    folder = cache or user_cache_path("pixfoundation") / "judge"
    return CachedJudge(factory(model, **options), folder, budget)
