"""Which scenes the trainings see: numbered, each number drawn from its own seed."""

from __future__ import annotations

import numpy as np

from pixfoundation.benchmarks.pixscenes.scenes import Scene, sample_scene

PLAIN_NAMESPACE = 101
"""Seed namespace of the plain scenes that the vision tower is pretrained on."""

HELD_OUT_NAMESPACE = 102
"""Seed namespace of plain scenes that the tower's progress is measured on."""


def _plain(namespace: int, entry: int) -> tuple[Scene, ...]:
    rng = np.random.default_rng(np.random.SeedSequence([namespace, entry]))
    # A third of the scenes repeats kinds often, so that numbers above one are seen enough.
    return (sample_scene(rng, repeat=0.55 if rng.random() < 0.33 else 0.15),)


def plain_scenes(entry: int) -> tuple[Scene, ...]:
    """Scene number `entry` of the tower's training set."""
    return _plain(PLAIN_NAMESPACE, entry)


def held_out_scenes(entry: int) -> tuple[Scene, ...]:
    """Scene number `entry` of the tower's held-out set."""
    return _plain(HELD_OUT_NAMESPACE, entry)
