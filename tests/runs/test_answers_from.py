"""Texts from elsewhere, attention by one forward: the records are those of generating."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pixfoundation import api
from pixfoundation.errors import DataError, JudgeError, RunError
from pixfoundation.models.base import Decoding, GivenAnswer
from pixfoundation.runs.answer_check import read_check
from pixfoundation.runs.answer_sources import StoredAnswers, load_answers
from pixfoundation.runs.store import RunDirectory
from pixfoundation.types import Ended
from tests.doubles import BrightModel, ListDataset, make_samples
from tests.judges.server import judge_server

DECODING = Decoding(max_new_tokens=16)


@pytest.fixture(scope="module")
def parts():
    return (
        api.load_model("tiny-llava"),
        api.load_dataset("pixscenes"),
        api.load_segmenter("tiny-sam"),
    )


@pytest.fixture(scope="module")
def generated(parts, tmp_path_factory) -> RunDirectory:
    out = tmp_path_factory.mktemp("runs") / "generated"
    return api.evaluate(*parts, out=out, limit=2, decoding=DECODING)


def looked(parts, out: Path, answers, **options) -> RunDirectory:
    return api.evaluate(*parts, out=out, limit=2, answers=answers, **options)


def lines(run: RunDirectory, stem: str) -> list[str]:
    return (run.path / f"{stem}.jsonl").read_text().splitlines()


def texts_alone(run: RunDirectory, file: Path, **fields) -> Path:
    """Writes a file of answers as a server would give them: without tokens."""
    records = [json.loads(line) for line in lines(run, "answers")]
    kept = ("sample", "protocol", "text", *(["ended"] if "ended" in fields else []))
    made = [{key: record[key] for key in kept if key in record} for record in records]
    file.write_text("\n".join(json.dumps(record) for record in made))
    return file


@pytest.mark.parametrize("batch_size", [1, 3])
def test_the_run_equals_the_one_that_generated_the_answers(parts, generated, tmp_path, batch_size):
    run = looked(parts, tmp_path / "out", generated.path, batch_size=batch_size)
    assert lines(run, "answers") == lines(generated, "answers")
    assert lines(run, "candidates") == lines(generated, "candidates")


def test_where_the_answers_come_from_is_recorded_and_another_source_refused(
    parts, generated, tmp_path
):
    run = looked(parts, tmp_path / "out", generated.path)
    config = json.loads((run.path / "run.json").read_text())["config"]
    assert config["answers"]["kind"] == "run"
    assert config["answers"]["name"] == "tiny-llava"
    assert config["decoding"]["max_new_tokens"] == 16
    with pytest.raises(RunError, match="answers"):
        api.evaluate(*parts, out=run.path, limit=2, decoding=DECODING)


def test_a_run_of_the_model_itself_does_not_mention_answers(generated):
    config = json.loads((generated.path / "run.json").read_text())["config"]
    assert "answers" not in config


def test_texts_without_tokens_give_the_same_points(parts, generated, tmp_path):
    file = texts_alone(generated, tmp_path / "answers.jsonl", ended=True)
    run = looked(parts, tmp_path / "out", file)
    for key, record in generated.answers().items():
        own = run.answers()[key]
        assert own.text == record.text
        if key[1] != 2:
            assert (own.token_ids, own.spans) == (record.token_ids, record.spans)
    assert lines(run, "candidates") == lines(generated, "candidates")


def test_a_check_generates_for_some_samples_and_counts_what_agrees(parts, generated, tmp_path):
    run = looked(parts, tmp_path / "out", generated.path, check=2)
    check = read_check(run.path)
    assert check is not None
    assert (check.samples, check.texts, check.equal_texts) == (2, 6, 6)
    assert check.tokens == check.equal_tokens > 0
    assert check.points == check.equal_points > 0
    assert check.first_difference is None


def test_a_check_names_the_first_text_that_differs(parts, generated, tmp_path):
    file = texts_alone(generated, tmp_path / "answers.jsonl")
    changed = [json.loads(line) for line in file.read_text().splitlines()]
    changed[0]["text"] = "blue"
    file.write_text("\n".join(json.dumps(record) for record in changed))
    run = looked(parts, tmp_path / "out", file, check=4, decoding=DECODING)
    check = read_check(run.path)
    assert check is not None
    assert check.equal_texts == check.texts - 1
    assert "given 'blue'" in check.sentence


def test_missing_answers_are_refused_before_anything_is_read(parts, generated, tmp_path):
    with pytest.raises(DataError, match=r"lacks 3 of 9 answers.*limit"):
        api.evaluate(*parts, out=tmp_path / "out", limit=3, answers=generated.path)


def test_answers_about_other_data_are_refused(parts, tmp_path):
    samples = make_samples(tmp_path / "images", 1)
    other = api.evaluate(BrightModel(), ListDataset(samples), out=tmp_path / "other")
    with pytest.raises(DataError, match="answers about boxes"):
        looked(parts, tmp_path / "out", other.path)


def test_a_model_that_cannot_read_is_refused(generated, tmp_path):
    samples = make_samples(tmp_path / "images", 1)
    with pytest.raises(DataError, match="'bright' cannot read"):
        api.evaluate(
            BrightModel(), ListDataset(samples), out=tmp_path / "out", answers=generated.path
        )


def test_a_failed_answer_stays_a_failure_with_its_reason(parts, generated, tmp_path):
    file = texts_alone(generated, tmp_path / "answers.jsonl")
    records = [json.loads(line) for line in file.read_text().splitlines()]
    records[0] |= {"text": "", "error": "The server was gone."}
    file.write_text("\n".join(json.dumps(record) for record in records))
    run = looked(parts, tmp_path / "out", file)
    failed = [record for record in run.answers().values() if record.error]
    assert [record.error for record in failed] == ["The server was gone."]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1.*not valid JSON"),
        ('{"sample": "1", "protocol": 4, "text": ""}', "line 1, protocol"),
        ('{"sample": "1", "protocol": 1}', "line 1.*text"),
        (
            '{"sample":"1","protocol":1,"text":"a"}\n{"sample":"1","protocol":1,"text":"b"}',
            "line 2",
        ),
        ("\n", "holds no answers"),
    ],
)
def test_a_damaged_file_is_named_by_line_and_field(tmp_path, line, message):
    file = tmp_path / "answers.jsonl"
    file.write_text(line)
    with pytest.raises(DataError, match=message):
        load_answers(file)


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(DataError, match="no answers at"):
        load_answers(tmp_path / "none")
    with pytest.raises(DataError, match="endpoint:URL"):
        load_answers(tmp_path, model="x")


def test_a_check_without_answers_is_refused(parts, tmp_path):
    with pytest.raises(DataError, match="needs `answers`"):
        api.evaluate(*parts, out=tmp_path / "out", limit=1, check=1)


def test_a_prompt_of_the_source_is_read_in_the_words_in_which_it_was_asked(
    parts, generated, tmp_path
):
    stored = StoredAnswers.of_run(generated.path)
    key = next(key for key in stored.lines if key[1] == 1)
    other = replace(stored.lines[key], prompt="Is it red?")
    source = replace(stored, lines={**stored.lines, key: other})
    run = looked(parts, tmp_path / "out", source)
    assert run.answers()[key].prompt == "Is it red?"


def read_one(parts, given: GivenAnswer):
    model, data, _ = parts
    from pixfoundation.images import load_image
    from pixfoundation.prompts import build_prompt

    sample = data.samples[0]
    prompt = build_prompt(sample, 1, model.templates)
    return model.read([load_image(sample.image)], [prompt], [given], Decoding(attention=True))[0]


def test_thoughts_without_their_tokens_are_refused(parts):
    answer = read_one(parts, GivenAnswer("red", thoughts="It looks red."))
    assert "thoughts whose tokens are not known" in answer.error


def test_text_that_the_tokenizer_cannot_write_is_refused(parts):
    answer = read_one(parts, GivenAnswer("\u4e2d\u6587 \U0001f408"))
    assert answer.error is None or "cannot write" in answer.error


def test_the_text_of_an_image_token_is_refused(parts):
    answer = read_one(parts, GivenAnswer("an <image> of a cat"))
    assert "special token" in answer.error


def test_an_answer_that_was_cut_has_no_stop_token(parts):
    cut = read_one(parts, GivenAnswer("the red", ended=Ended.LENGTH))
    whole = read_one(parts, GivenAnswer("the red"))
    assert cut.token_ids == whole.token_ids[:-1]
    assert cut.ended is Ended.LENGTH
    assert whole.spans[-1] == (7, 7)


def test_blanks_around_an_answer_do_not_move_its_spans(parts):
    plain, padded = (read_one(parts, GivenAnswer(text)) for text in ("the red", "  the red\n"))
    assert padded.text == "  the red\n"
    for answer in (plain, padded):
        start, end = next(span for span in answer.spans if span[1] == answer.text.index("red") + 3)
        assert answer.text[start:end].strip() == "red"


def test_a_stop_token_that_a_published_file_kept_in_the_text_is_not_read(parts):
    model = parts[0]
    stop = model.processor.tokenizer.eos_token
    kept = read_one(parts, GivenAnswer(f"the red{stop}"))
    plain = read_one(parts, GivenAnswer("the red"))
    assert kept.text == f"the red{stop}"
    assert kept.token_ids == plain.token_ids


def test_a_served_model_answers_in_the_same_command(parts, tmp_path):
    with judge_server(lambda body: "the red house") as server:
        source = load_answers(f"endpoint:{server.url}", at_once=2)
        run = looked(parts, tmp_path / "out", source)
        assert {body["model"] for body in server.requests} == {"served"}
    assert {record.text for record in run.answers().values()} == {"the red house"}
    assert run.config.answers is not None
    assert run.config.answers.name == "openai:served"
    points = [c.point for r in run.candidates().values() for c in r.candidates]
    assert points


def test_of_several_served_models_one_must_be_named():
    with judge_server(lambda body: "a") as server:
        server.models = ["one", "two"]
        with pytest.raises(DataError, match="lists one, two.*model=NAME"):
            load_answers(f"endpoint:{server.url}")
        with pytest.raises(DataError, match="modle"):
            load_answers(f"endpoint:{server.url}", modle="x")


def test_an_endpoint_that_is_not_there_is_said_at_once():
    with pytest.raises(JudgeError, match="Is the server running"):
        load_answers("endpoint:http://127.0.0.1:9/v1")
