"""Make the figures of `docs/sensitivity.md` with the embedded models, and print its table.

    pixfoundation run --limit 12 --per-kind 3 --out varied --variants KINDS
    python docs/sensitivity_figures.py varied docs/images

KINDS: typos,templates,grounding,grounding-typos,crop,maskout,flip,rotate,jpeg,other-image
"""

from __future__ import annotations

import sys
from pathlib import Path

import pixfoundation as pf
from pixfoundation.report import sensitivity_figures
from pixfoundation.report.sensitivity_tables import render

DPI = 90


def main(run: Path, out: Path) -> None:
    """Draw the figures of a run into a folder, and print its table."""
    sensitivity = pf.measure_sensitivity(run)
    plots = {
        "sensitivity_variants": sensitivity_figures.variant_strips([sensitivity]),
        "sensitivity_flips": sensitivity_figures.flip_matrix(sensitivity),
        "sensitivity_accuracy_and_miou": sensitivity_figures.accuracy_against_miou([sensitivity]),
    }
    for name, plot in plots.items():
        plot.savefig(out / f"{name}.png", dpi=DPI)
    print(render([sensitivity], "markdown"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
