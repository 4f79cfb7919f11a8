"""A picture of the variants of one image, each with its ground truth outlined."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pixfoundation.errors import DataError
from pixfoundation.images import load_image
from pixfoundation.report.figure_files import WRITING
from pixfoundation.report.figure_style import new_plot
from pixfoundation.report.palette import AMBER
from pixfoundation.types import Sample
from pixfoundation.variants import VariedSample

COLUMNS = 5
CELL = (2.3, 2.5)


def write_sheet(sample: Sample, variants: Sequence[VariedSample], out: Path) -> None:
    """Draw the image and its variants.

    Args:
        sample: The sample.
        variants: Its variants; those of texts, and those that do not exist, are not drawn.
        out: The PNG or PDF file.

    Raises:
        DataError: If no variant changes the image, the image cannot be read, or the file cannot be
            written.
    """
    from matplotlib import rc_context

    image = load_image(sample.image)
    cells = [("default", image, sample)]
    for varied in variants:
        if varied.skipped is not None:
            continue
        if varied.change is not None:
            cells.append((str(varied.variant), varied.change.apply(image), varied.sample))
        elif varied.sample.image != sample.image:
            other = load_image(varied.sample.image)
            cells.append((str(varied.variant), other, varied.sample))
    if len(cells) == 1:
        raise DataError(
            f"No variant of sample {sample.id} changes its image. Name kinds that do, such as crop."
        )
    rows = -(-len(cells) // COLUMNS)
    columns = min(len(cells), COLUMNS)
    plot = new_plot(CELL[0] * columns, CELL[1] * rows)
    axes = plot.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, (title, picture, own) in zip(axes, cells, strict=False):
        axis.imshow(np.asarray(picture), interpolation="nearest")
        if not own.mask.is_empty:
            # A margin of background, so that the outline closes at the border of the image.
            padded = np.pad(own.mask.decode().astype(float), 1)
            height, width = own.size
            axis.contour(
                np.arange(-1, width + 1), np.arange(-1, height + 1), padded, [0.5],
                colors=AMBER, linewidths=1.5,
            )  # fmt: skip
        axis.set_title(f"{title}\n{own.size[1]} x {own.size[0]}", fontsize=8)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with rc_context(WRITING):
            plot.savefig(out, dpi=130)
    except (OSError, ValueError) as error:
        raise DataError(f"{out} cannot be written: {error}.") from error
