"""A run that lacks answers, or in which answers failed, looks it."""

import pytest

from pixfoundation.errors import RunError
from pixfoundation.runs.completeness import measure_completeness
from pixfoundation.runs.records import AnswerRecord
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.scoring.score import score
from tests.scoring.runs import columns, four_samples, letters, make_sample, native, write_run


def state(run):
    return measure_completeness(RunRecords.of(run))


def failed(id, protocol=2, reason="The image cannot be read."):
    return AnswerRecord(id, protocol, "?", error=reason)


def test_a_sound_run_has_no_mark(tmp_path):
    run = write_run(tmp_path / "r", four_samples(), letters("a", "b", "a", "b"))
    assert (state(run).sound, state(run).mark, state(run).sentence) == (True, None, None)
    assert "completeness" not in score(run).to_json()


def test_missing_answers_are_counted_over_what_is_asked(tmp_path):
    answers = letters("a") + letters("red door", protocol=3)
    found = state(write_run(tmp_path / "r", four_samples(), answers))
    assert (found.answers, found.expected) == (2, 7)  # sample 4 has no expression
    assert found.sentence == "incomplete: 2 of 7 answers"


def test_failures_are_named_and_a_run_of_nothing_else_cannot_be_scored(tmp_path):
    some = write_run(
        tmp_path / "some", four_samples(), [failed("1"), *letters(None, "b", "a", "b")]
    )
    assert state(some).sentence == "1 of 4 answers failed"
    assert score(some).notes[0] == "1 of 4 answers failed."
    every = write_run(tmp_path / "all", four_samples(), [failed(str(i)) for i in range(1, 5)])
    assert state(every).useless
    with pytest.raises(RunError, match="all of its 4 answers failed.*The image cannot be read"):
        score(every)


def sharded(path, on_record, samples=8):
    """A run of which shards, by their infix, hold answers of these samples."""
    run = write_run(path, [make_sample(str(i), None) for i in range(samples)])
    (run.path / "answers.jsonl").unlink()
    for infix, ids in on_record.items():
        with run.appender("answers", infix) as file:
            for id in ids:
                for protocol in (1, 2, 3):
                    file.append(AnswerRecord(str(id), protocol, "?", "a").to_json())
    return state(run)


def test_open_shards_are_named_with_the_option_that_computes_them(tmp_path):
    found = sharded(tmp_path / "r", {"1-of-2": [0, 2, 4, 6]})
    assert found.open_shards == ("2/2",)
    assert found.sentence == "incomplete: 12 of 24 answers, part 2/2 open (--shard 2/2)"


def test_the_shard_of_a_missing_sample_follows_from_the_batches(tmp_path):
    found = sharded(tmp_path / "r", {"1-of-2": [0, 1, 4, 5], "2-of-2": [2, 3, 6]})
    assert found.open_shards == ("2/2",)


def test_a_run_continued_without_shards_has_none_open(tmp_path):
    run = write_run(tmp_path / "r", four_samples(), letters("a"))
    with run.appender("answers", "1-of-2") as file:
        file.append(AnswerRecord("2", 2, "?", "a").to_json())
    assert state(run).sentence == "incomplete: 2 of 4 answers"


def test_an_import_of_masks_alone_is_complete(tmp_path):
    masks = native(*(columns(0, 4) for _ in range(4)))
    run = write_run(tmp_path / "r", four_samples(), (), masks, imported=True)
    assert state(run).sound
    fewer = write_run(tmp_path / "f", four_samples(), (), masks[:2], imported=True)
    assert state(fewer).sentence == "incomplete: 2 of 3 answers"
