"""What is known of the licence of a dataset whose images may be published again."""

from __future__ import annotations

from pixfoundation.datasets.fetch import FETCHABLE

OWN = {"pixscenes": "apache-2.0"}
"""Licences, as the hub writes them, of datasets whose every part is under one licence."""


def licence_of(dataset: str) -> str | None:
    """Return the licence of a dataset as the hub writes it; None if it is not known here."""
    return OWN.get(dataset)


def licence_sentence(dataset: str) -> str:
    """Return what there is to say about publishing images of a dataset, in one or two sentences."""
    licence = licence_of(dataset)
    if licence is not None:
        return f"The images of {dataset} are under the licence {licence}."
    pages = [each.url for each in FETCHABLE[dataset].repositories] if dataset in FETCHABLE else []
    where = f" ({', '.join(pages)})" if pages else ""
    return (
        f"The licence of the images, questions and masks of {dataset} is not known here: read it "
        f"at their source{where}, and keep the repository private unless it allows to publish "
        "them again."
    )
