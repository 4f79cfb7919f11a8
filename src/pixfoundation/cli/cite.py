"""`pixfoundation cite`: BibTeX entries, and a sentence about how runs were made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pixfoundation.cli.printing import print_text

if TYPE_CHECKING:
    from pixfoundation.runs.store import RunDirectory

PAPER = """@article{siam2025pixfoundation,
  title   = {PixFoundation: Are We Heading in the Right Direction with Pixel-level Vision
             Foundation Models?},
  author  = {Siam, Mennatullah},
  journal = {arXiv preprint arXiv:2502.04192},
  year    = {2025},
  url     = {https://arxiv.org/abs/2502.04192}
}
"""
"""Source of PixMMVP, PixCV-Bench, the protocols and S."""
ATTEND = """@article{cao2024emerging,
  title   = {Emerging Pixel Grounding in Large Multimodal Models Without Grounding Supervision},
  author  = {Cao, Shengcao and others},
  journal = {arXiv preprint arXiv:2410.08209},
  year    = {2024},
  url     = {https://arxiv.org/abs/2410.08209}
}
"""
"""Source of attend-and-segment."""
TOOLKIT = """@software{{pixfoundation_toolkit,
  title   = {{PixFoundation toolkit}},
  author  = {{{{The PixFoundation developers}}}},
  version = {{{version}}},
  license = {{Apache-2.0}}
}}
"""


def cite_command(
    runs: list[Path] | None = typer.Argument(
        None, help="Run directories; a sentence says how each was made."
    ),
) -> None:
    """Print BibTeX entries for this package and its sources, and how runs were made.

    Models, segmenters and datasets have papers of their own: their pages name them.

    Examples:
      pixfoundation cite > references.bib

      pixfoundation cite runs/llava runs/lisa
    """
    from pixfoundation import __version__
    from pixfoundation.runs.store import RunDirectory

    opened = [RunDirectory(run) for run in runs or ()]
    attends = not opened or any(run.config.grounding.name == "attend-and-segment" for run in opened)
    entries = [PAPER, *([ATTEND] if attends else ()), TOOLKIT.format(version=__version__)]
    sentences = [f"% {_sentence(run)}\n" for run in opened]
    print_text("\n".join([*entries, *sentences]))


def _sentence(run: RunDirectory) -> str:
    """Return how a run was made, as the methods section of a paper would say it."""
    from pixfoundation.conventions import DEFAULT, PUBLISHED
    from pixfoundation.wording import counted

    config = run.config
    packages: dict[str, str] = run.environment.get("packages") or {}
    decoding = config.decoding.to_json()
    temperature, longest = decoding.get("temperature") or 0, decoding.get("max_new_tokens")
    rules = "own rules"
    for name, rulebook in (("published", PUBLISHED), ("default", DEFAULT)):
        if config.conventions.agrees_with(rulebook, "model", "grounding"):
            rules = f"{name} rules"
            break
    model = config.model.to_json()
    parts = [
        f"{run.name} ({', '.join(str(model[k]) for k in ('revision', 'dtype') if model.get(k))})",
        f"on {counted(len(run.samples), 'sample')} of {config.dataset.name}",
        f"masks by {config.grounding.name}" if config.grounding.name else "no masks",
        f"segmenter {config.segmenter.name}" if config.segmenter else "",
        f"protocols {', '.join(map(str, config.protocols))}",
        "greedy decoding" if not temperature else f"temperature {temperature:g}",
        f"at most {longest} tokens" if longest else "",
        f"seed {config.seed}",
        rules,
        f"PixFoundation {packages.get('pixfoundation', '(version not recorded)')}",
    ]
    return "; ".join(part for part in parts if part).replace(" ()", "") + "."
