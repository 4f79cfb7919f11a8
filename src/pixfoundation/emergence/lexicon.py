"""The lexicon of the rule-based concept labels, read from `lexicon.toml`."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files


@cache
def lexicon_words(group: str) -> frozenset[str]:
    """Return the words of a group such as `state_words`."""
    text = (files("pixfoundation.emergence") / "lexicon.toml").read_text(encoding="utf-8")
    return frozenset(tomllib.loads(text)[group].split())
