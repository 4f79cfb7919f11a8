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
