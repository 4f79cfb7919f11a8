"""Which scenes the trainings see: numbered, each number drawn from its own seed."""

from __future__ import annotations

import numpy as np

from pixfoundation.datasets.pixscenes.pairs import Pair
from pixfoundation.datasets.pixscenes.questions import PATTERNS, sample_pair
from pixfoundation.datasets.pixscenes.scenes import Scene, sample_scene
from recipes.curriculum import draw_pairs

PLAIN_NAMESPACE = 101
"""Seed namespace of the plain scenes that the vision tower is pretrained on."""

HELD_OUT_NAMESPACE = 102
"""Seed namespace of plain scenes that the tower's progress is measured on."""

PAIRS_NAMESPACE = 103
"""Seed namespace of the drawn pairs that the language side is trained on."""


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


def training_pair(entry: int) -> Pair:
    """Pair number `entry` of the language side's drawn training set."""
    rng = np.random.default_rng(np.random.SeedSequence([PAIRS_NAMESPACE, entry]))
    return draw_pairs(rng, 1)[0]


def training_pair_scenes(entry: int) -> tuple[Scene, ...]:
    """Both pictures of a training pair."""
    return tuple(side.scene for side in training_pair(entry).sides)


VALIDATION_NAMESPACE = 201
"""Seed namespace of the pairs on which progress is measured."""


def validation_pair(entry: int) -> Pair:
    """Pair number `entry` of the validation set; the patterns come in turn."""
    rng = np.random.default_rng(np.random.SeedSequence([VALIDATION_NAMESPACE, entry]))
    return sample_pair(rng, PATTERNS[entry % len(PATTERNS)])


def validation_pair_scenes(entry: int) -> tuple[Scene, ...]:
    """Both pictures of a validation pair."""
    return tuple(side.scene for side in validation_pair(entry).sides)
