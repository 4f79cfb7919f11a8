"""What a page says about how a run was made: settings, versions, date and command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pixfoundation.runs.store import RunDirectory
from pixfoundation.wording import without_folder

_SHOWN_ONCE = ("conventions",)
"""Parts of the configuration that are too long for a list; only their changes are told."""
_LOCAL = ("folder", "command")
"""Settings that name folders of this machine."""


def run_settings(run: RunDirectory) -> list[tuple[str, str]]:
    """Return name and value of every setting of a run, its versions, date and command line.

    Args:
        run: A run directory. What an earlier version did not record is left out.
    """
    config = run.config.to_json()
    try:
        environment = run.environment
    except (OSError, ValueError, KeyError):
        environment = {}
    packages = environment.get("packages") or {}
    facts = {
        "folder": str(run.path.resolve()),
        "started": environment.get("started"),
        "command": environment.get("command"),
        **{key: value for key, value in config.items() if key not in _SHOWN_ONCE},
        "python": environment.get("python"),
        "platform": environment.get("platform"),
        "device": environment.get("device"),
        "versions": ", ".join(f"{name} {number}" for name, number in packages.items()),
    }
    return list(_flat(facts))


def settings_for_others(run: RunDirectory) -> list[tuple[str, str]]:
    """Return the settings of `run_settings` that hold on any machine, without its folders."""
    return [
        (name, without_folder(value)) for name, value in run_settings(run) if name not in _LOCAL
    ]


def _flat(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the settings one by one, those of a part after the name of the part."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name} ")
        elif isinstance(value, list):
            if value:
                yield f"{prefix}{name}", ", ".join(str(each) for each in value)
        elif value is not None and value != "":
            yield f"{prefix}{name}", str(value)
