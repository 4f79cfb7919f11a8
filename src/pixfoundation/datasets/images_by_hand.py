"""The images of PixCV-Bench, which are not on the hub, and the commands that download them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ByHand:
    """Images that are not on the hub and are downloaded by hand.

    Attributes:
        url: Address of the archive.
        archive_folder: Folder of the images within the archive.
        place: Folder of the images within that of the dataset.
    """

    url: str
    archive_folder: str
    place: str

    def command(self, root: Path) -> str:
        """Return the command that downloads the images and puts them into their folder."""
        archive = self.url.rpartition("/")[2]
        folder = shlex.quote(str(root / self.place))
        return (
            f"curl -LO {self.url} && mkdir -p {folder} && "
            f"unzip -q -j {archive} '{self.archive_folder}/*' -d {folder}"
        )


IMAGES_BY_HAND = {
    "ADE20K": ByHand(
        "http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip",
        "ADEChallengeData2016/images/validation",
        "ADE20K/validation/images",
    ),
    "COCO": ByHand("http://images.cocodataset.org/zips/val2017.zip", "val2017", "COCO/coco/images"),
}


def advice(root: Path, source: str) -> str:
    """Return a sentence that says how to get the images of ADE20K or COCO.

    Args:
        root: The folder of the dataset.
        source: `ADE20K` or `COCO`.
    """
    return (
        f"The images of {source} are not on the hub; this command downloads them: "
        f"{IMAGES_BY_HAND[source].command(root)}"
    )
