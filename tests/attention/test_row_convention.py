"""Which row a token's map is read from: rows are numbered, so a value tells its row."""

import numpy as np
import pytest

from pixfoundation.attention.row_convention import (
    PRESETS,
    RowConvention,
    row_convention,
    token_maps,
)
from pixfoundation.errors import DataError
from pixfoundation.geometry import GridFrame
from pixfoundation.types import AttentionTrace

TOKENS = 4


@pytest.fixture
def trace() -> AttentionTrace:
    """Row j holds 10 j + 10 everywhere; the row before the first holds 3."""
    rows = 10.0 * np.arange(1, TOKENS + 2, dtype=np.float32)
    return AttentionTrace(
        rows=np.broadcast_to(rows[:, None, None], (TOKENS + 1, 2, 3)).copy(),
        frame=GridFrame.stretched(2, 3, (20, 30)),
        first_row=np.full((2, 3), 3, dtype=np.float32),
    )


def values(trace: AttentionTrace, reading: RowConvention, **options: bool) -> list[float]:
    return token_maps(trace, TOKENS, reading, **options)[:, 0, 0].tolist()


def test_predict_reads_the_row_that_emitted_the_token(trace):
    assert values(trace, RowConvention("predict"), centred=False) == [10, 20, 30, 40]


def test_self_reads_the_row_whose_query_is_the_token(trace):
    assert values(trace, RowConvention("self"), centred=False) == [20, 30, 40, 50]


def test_self_cannot_read_the_last_token_without_its_row(trace):
    short = AttentionTrace(trace.rows[:TOKENS], trace.frame, trace.first_row)
    assert values(short, RowConvention("self"), centred=False) == [20, 30, 40]


def test_the_published_first_row_is_the_one_before(trace):
    assert values(trace, PRESETS["pixfoundation"], centred=False) == [3, 20, 30, 40]


def test_the_centre_is_the_mean_of_the_emitting_rows_the_stop_token_s_included(trace):
    assert values(trace, RowConvention("predict")) == [-15, -5, 5, 15]
    assert values(trace, RowConvention("self")) == [-5, 5, 15, 25]


def test_the_published_centre_holds_the_odd_first_row(trace):
    centre = (3 + 20 + 30 + 40) / 4
    assert values(trace, PRESETS["pixfoundation-cambrian"]) == [
        row - centre for row in (20, 30, 40, 50)
    ]


def test_an_unknown_preset_is_named_with_those_that_exist():
    with pytest.raises(DataError, match=r"'nope'.*pixfoundation"):
        row_convention("nope")


def test_a_row_that_was_not_captured_is_asked_for_in_vain(trace):
    bare = AttentionTrace(trace.rows, trace.frame)
    with pytest.raises(DataError, match="not captured"):
        token_maps(bare, TOKENS, PRESETS["pixfoundation"])
