"""Options of a grounder reach it through `evaluate` and are part of the run's configuration."""

import pytest
from tests.doubles import BrightModel, DiscSegmenter, ListDataset, make_samples

from pixfoundation import api
from pixfoundation.errors import DataError, RunError
from pixfoundation.grounding.attend_and_segment import load


class Attentive(BrightModel):
    """Would give attention; with no token there is nothing to ground."""

    def _one(self, image, prompt):
        from pixfoundation.types import Answer

        return Answer("")


def evaluate(tmp_path, **options):
    model = Attentive(capabilities=frozenset({"attention"}))
    data = ListDataset(make_samples(tmp_path / "images", 1))
    return api.evaluate(
        model,
        data,
        DiscSegmenter(),
        out=tmp_path / "run",
        protocols=(3,),
        grounder_options=options,
    )


def test_the_rank_is_recorded_and_another_rank_is_another_run(tmp_path):
    assert evaluate(tmp_path, rank=2).config.to_json()["grounding"]["rank"] == 2
    with pytest.raises(RunError, match=r"grounding\.rank \(2 there, 3 now\)"):
        evaluate(tmp_path, rank=3)


def test_an_option_that_the_grounder_does_not_take_is_said(tmp_path):
    with pytest.raises(DataError, match="takes no option 'depth'. It takes: .*rank"):
        evaluate(tmp_path, depth=3)
    with pytest.raises(DataError, match="`rank` of the grounder .* at least 1"):
        evaluate(tmp_path, rank=0)
    assert load(DiscSegmenter(), rank=3).rank == 3
