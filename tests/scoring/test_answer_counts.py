"""Cut, empty and refused answers are counted wherever numbers are shown."""

from pixfoundation.cli.score_tables import print_scores
from pixfoundation.report.tables import render_table
from pixfoundation.runs.records import AnswerRecord
from pixfoundation.scoring.score import score
from pixfoundation.types import Ended

from .runs import four_samples, letters, write_run


def answers():
    return [
        AnswerRecord("1", 2, "?", "", thoughts="Option (a) would", ended=Ended.LENGTH),
        AnswerRecord("2", 2, "?", "B. I see", ended=Ended.LENGTH, left_out=1),
        AnswerRecord("3", 2, "?", "I'm sorry, but I can't assist with that request."),
        AnswerRecord("4", 2, "?", "", ended=Ended.CONTENT_FILTER, doubtful=2),
    ]


def test_each_kind_is_counted_in_json_and_notes(tmp_path):
    scores = score(write_run(tmp_path / "r", four_samples(), answers()))
    assert scores.to_json()["answers"] == {
        "protocol2": {
            "answers": 4, "cut": 2, "cut_before_answer": 1, "empty": 2, "refused": 2,
            "broken_off": 0, "doubtful": 1, "left_out": 1,
        }
    }  # fmt: skip
    (note,) = (note for note in scores.notes if "cut" in note)
    assert note.startswith(
        "Protocol 2: of 4 answers: 2 cut at the token limit (1 before an answer), 2 empty, 2 ref"
    )
    assert note in render_table([scores]) or note.removesuffix(".") in render_table([scores])
    assert (scores.accuracy[2].question.value, scores.accuracy[2].unparsed) == (0.25, 3)


def test_the_table_shows_what_there_is(tmp_path, capsys):
    def shown(run):
        print_scores(score(run))
        return capsys.readouterr().out

    text = shown(write_run(tmp_path / "r", four_samples(), answers()))
    assert all(name in text for name in ("cut", "empty", "refused"))
    plain = shown(write_run(tmp_path / "p", four_samples(), letters("A", "B", "A", "B")))
    assert "cut" not in plain
    assert "answers" not in score(write_run(tmp_path / "q", four_samples(), letters("A"))).to_json()


def test_records_keep_the_parts_of_an_answer():
    for record in answers():
        assert AnswerRecord.from_json(record.to_json()) == record
    plain = AnswerRecord("1", 2, "?", "B", ended=Ended.STOP).to_json()
    assert plain.keys() == {"sample", "protocol", "prompt", "text", "token_ids", "spans"}
