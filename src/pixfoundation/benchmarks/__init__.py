"""Benchmarks by name; none is read until it is asked for."""

from pixfoundation.benchmarks.base import benchmarks

__all__ = ["benchmarks"]

benchmarks.announce(
    "pixscenes",
    "pixfoundation.benchmarks.pixscenes.dataset",
    "load",
    summary="150 pairs drawn by the project; needs nothing",
)
benchmarks.announce(
    "pixmmvp",
    "pixfoundation.benchmarks.pixmmvp",
    "load",
    summary="150 pairs of MMVP with expressions and masks; needs --data-root",
)
benchmarks.announce(
    "pixcvbench",
    "pixfoundation.benchmarks.pixcvbench",
    "load",
    summary="1,438 questions of CV-Bench with expressions and masks; needs --data-root",
)
benchmarks.announce(
    "folder",
    "pixfoundation.benchmarks.folder",
    "load",
    summary="your own images with one JSON Lines file; needs --data-root",
)
