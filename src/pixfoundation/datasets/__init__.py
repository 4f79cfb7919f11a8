"""Benchmarks by name; none is read until it is asked for."""

from pixfoundation.datasets.base import datasets

__all__ = ["datasets"]

datasets.announce(
    "pixscenes",
    "pixfoundation.datasets.pixscenes.dataset",
    "load",
    summary="150 pairs drawn by the project; needs nothing",
)
datasets.announce(
    "pixmmvp",
    "pixfoundation.datasets.pixmmvp",
    "load",
    summary="150 pairs of MMVP with expressions and masks; needs --data-root",
)
datasets.announce(
    "pixcvbench",
    "pixfoundation.datasets.pixcvbench",
    "load",
    summary="1,438 questions of CV-Bench with expressions and masks; needs --data-root",
)
datasets.announce(
    "folder",
    "pixfoundation.datasets.folder",
    "load",
    summary="your own images with one JSON Lines file; needs --data-root",
)
