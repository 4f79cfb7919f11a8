"""Datasets that `fetch` does not download, and how to get each by hand.

Only data whose licence is known to allow it is downloaded by a command.
"""

from __future__ import annotations

_UNKNOWN = "the licence of its files is not known to us, so read its page first. Then: "


def _by_hub(repository: str, name: str) -> str:
    return (
        f"{_UNKNOWN}hf download {repository} --repo-type dataset --local-dir data/{name}, and "
        "unpack the archives in it."
    )


_COCO = (
    "the images of COCO train2014 (cocodataset.org, terms of COCO) and the annotations of the "
    "refer project (lichengunc/refer) are put into one folder; docs/referring.md shows the layout."
)

FETCHED_BY_HAND = {
    "vistaqa": _by_hub("vista26/VistaQA", "vistaqa"),
    "vstar": _by_hub("craigwu/vstar_bench", "vstar"),
    "multihopspatial": _by_hub("etri-vilab/MultihopSpatial", "multihopspatial"),
    "refcoco": _COCO,
    "refcoco+": _COCO,
    "refcocog": _COCO,
    "grefcoco": (
        f"{_UNKNOWN}hf download FudanCVL/gRefCOCO --repo-type dataset --local-dir data/grefcoco, "
        "and put the images of COCO train2014 into it as docs/referring.md shows."
    ),
    "reasonseg": (
        f"{_UNKNOWN}get its folders val and test from the page of the project LISA "
        "(dvlab-research/LISA) into data/reasonseg."
    ),
    "vizwiz-grounding": (
        f"{_UNKNOWN}get the files from vizwiz.org (Answer Grounding for VQA) into "
        "data/vizwiz-grounding."
    ),
}
"""What to do instead, by the name of a dataset, as a clause."""
