"""Options of a judge that several commands share, and the judge they name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from platformdirs import user_cache_path

from pixfoundation.cli.options import given

if TYPE_CHECKING:
    from pixfoundation.judges.asking import CachedJudge

JUDGE = typer.Option("openai", help="Who judges: openai (any compatible endpoint) or local.")
BASE_URL = typer.Option(None, help="The judge's endpoint, as http://localhost:8000/v1.")
KEY_FILE = typer.Option(
    None, help="A file with the judge's key. Default: PIXFOUNDATION_JUDGE_KEY or OPENAI_API_KEY."
)
CACHE = typer.Option(None, help="Where the judge's replies are kept, for all runs.")


def make_judge(
    judge: str,
    model: str,
    *,
    base_url: str | None = None,
    key_file: Path | None = None,
    cache: Path | None = None,
    retries: int = 6,
    budget: int | None = None,
) -> CachedJudge:
    """Makes a judge that keeps its replies.

    Args:
        judge: A name of the registry of judges.
        model: Its model.
        base_url: The endpoint; the vendor's if None.
        key_file: Its first line is the key.
        cache: The folder of the replies; the user's cache if None.
        retries: Tries after the first, of judges behind an endpoint.
        budget: Most requests; None for no bound.
    """
    from pixfoundation.judges import judges
    from pixfoundation.judges.asking import CachedJudge

    options = given(base_url=base_url, key_file=key_file)
    if judge == "openai":
        options["retries"] = retries
    folder = cache or user_cache_path("pixfoundation") / "judge"
    return CachedJudge(judges.get(judge)(model, **options), folder, budget)
