"""The tables in `docs/` that say what each rule decides and what the published code does."""

from __future__ import annotations

import dataclasses
import re

from pixfoundation.conventions.choices import Choice
from pixfoundation.conventions.rulebook import DEFAULT, LAYERS, PUBLISHED

_FIXED = {
    "grounding": (
        ("precision of the mean attention", "float32", "half precision", "its ties are noise"),
        (
            "decoding",
            "greedy",
            "LLaVA: sampling at 0.2 from one seed for the whole run",
            "an answer should not depend on those before it; `--temperature 0.2` samples",
        ),
        ("SAM's scores", "kept", "discarded", "the selector `score` needs them"),
    ),
    "judging": (
        (
            "an unreadable reply to the pick request",
            "asked again once, then no verdict",
            "the first image",
            "nothing is guessed",
        ),
    ),
}
"""By layer, what is never done as published: subject, default, published, reason."""


def differences(*layers: str) -> str:
    """Return a Markdown table of what the default does differently from the published code.

    Args:
        layers: Names of `LAYERS`, in the order of the rows.
    """
    lines = [
        "| what | rule | default | published | why the default differs |",
        "|---|---|---|---|---|",
    ]
    for layer in layers:
        default, published = getattr(DEFAULT, layer), getattr(PUBLISHED, layer)
        for rule in dataclasses.fields(default):
            ours, theirs = (
                getattr(default, rule.name),
                getattr(published, rule.name),
            )
            if ours != theirs:
                cells = (_meaning(ours), _meaning(theirs), rule.metadata["why"])
                name = f"`{layer}.{rule.name}`"
                lines.append(f"| {rule.metadata['decides']} | {name} | {' | '.join(cells)} |")
        for subject, *cells in _FIXED.get(layer, ()):
            lines.append(f"| {subject} | (fixed) | {' | '.join(cells)} |")
    return "\n".join(lines)


def all_rules() -> str:
    """Return a Markdown table of every rule with its values and its published source."""
    lines = ["| rule | decides | values | published source |", "|---|---|---|---|"]
    for layer in LAYERS:
        default, published = getattr(DEFAULT, layer), getattr(PUBLISHED, layer)
        for rule in dataclasses.fields(default):
            ours, theirs = (
                getattr(default, rule.name),
                getattr(published, rule.name),
            )
            values = list(type(ours)) if isinstance(ours, Choice) else [ours, theirs]
            text = [
                f"`{value}`{' (default)' * (value == ours)}{' (published)' * (value == theirs)}"
                + (f": {value.meaning}" if isinstance(value, Choice) else "")
                for value in values
            ]
            cells = (rule.metadata["decides"], "<br>".join(text), rule.metadata["source"] or "-")
            lines.append(f"| `{layer}.{rule.name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def fill_tables(text: str) -> str:
    """Return a documentation page with the tables between its markers written anew.

    A marker is `<!-- conventions: LAYERS -->`, with the names of layers or the word `all`; the
    table ends at `<!-- end -->`.
    """

    def table(match: re.Match[str]) -> str:
        layers = match[1].split()
        content = all_rules() if layers == ["all"] else differences(*layers)
        return f"<!-- conventions: {match[1]} -->\n\n{content}\n\n<!-- end -->"

    return re.sub(r"<!-- conventions: ([\w ]+) -->.*?<!-- end -->", table, text, flags=re.DOTALL)


def _meaning(value: Choice | float) -> str:
    return value.meaning if isinstance(value, Choice) else f"{value:g}"
