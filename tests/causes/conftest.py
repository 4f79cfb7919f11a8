"""Runs of the planted models: one whose answer uses what it attends to, and one that does not."""

import pytest
from tests.planted_attention import (
    AnswerFrom,
    PlantedDataset,
    SquareSegmenter,
    planted_model,
    planted_samples,
)

from pixfoundation.evaluation import evaluate
from pixfoundation.models.base import Decoding

PAIRS = 6


def planted_run(folder, answer_from: AnswerFrom = "ball", pairs=PAIRS, **options):
    samples = planted_samples(folder / "images", pairs, 5, answer_from)
    return evaluate(
        planted_model(answer_from),
        PlantedDataset(samples),
        SquareSegmenter(),
        out=folder / "run",
        protocols=options.pop("protocols", (2, 3)),
        decoding=Decoding(24),
        **options,
    )


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """By what the answer depends on: the ball, which head 3.1 looks at, or the tile."""
    kinds: tuple[AnswerFrom, ...] = ("ball", "tile")
    return {kind: planted_run(tmp_path_factory.mktemp(kind), kind) for kind in kinds}
