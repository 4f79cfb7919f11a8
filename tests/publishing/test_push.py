"""A run becomes a dataset that pyarrow reads, and reaches a stand-in of the hub as it is told."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from shutil import copytree

import pytest
from typer.testing import CliRunner

import pixfoundation as pf
from pixfoundation.cli import app
from pixfoundation.errors import DataError, PrerequisiteError
from pixfoundation.exports.table import answer_rows
from pixfoundation.publishing import table
from pixfoundation.publishing.eval_results import EvalResult
from pixfoundation.publishing.folder import write_publication
from pixfoundation.publishing.licences import licence_sentence
from pixfoundation.publishing.table import write_table
from pixfoundation.publishing.upload import push
from tests.optional import needs
from tests.publishing.hub import TOKEN, serve
from tests.report.test_page import make_run

pytestmark = needs("huggingface_hub", "pyarrow", "yaml")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with images, answers and masks."""
    return pf.ExportedRun(make_run(tmp_path_factory.mktemp("published")).path)


@pytest.fixture(scope="module")
def made(run, tmp_path_factory):
    """The files of that run, without images."""
    return write_publication(run, "me/run", tmp_path_factory.mktemp("hub"))


@pytest.fixture
def hub(monkeypatch):
    """The client of the hub, turned to a stand-in on this machine, with a token."""
    from huggingface_hub import constants

    with serve() as stand_in:
        monkeypatch.setattr(constants, "ENDPOINT", stand_in.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield stand_in


def table_of(folder):
    import pyarrow.parquet as pq

    return pq.read_table(folder / "data" / "test.parquet")


def test_the_rows_are_those_of_the_run_and_name_no_folder(run, made):
    rows = table_of(made.dataset).to_pylist()
    own = answer_rows(run)
    for name in ("sample", "protocol", "answer", "right", "iou", "failure"):
        assert [row[name] for row in rows] == [row[name] for row in own]
    masks = [None if a.mask is None else a.mask.to_json() for a in run.answers()]
    assert [row["mask"] and json.loads(row["mask"]) for row in rows] == masks
    assert not {"image", "truth_mask"} & set(rows[0])
    texts = [path for path in made.files if path.suffix in (".md", ".json", ".parquet")]
    assert len(texts) == 3
    assert not [
        path for path in texts if str(run.records.run.path.parent).encode() in path.read_bytes()
    ]


def test_images_are_inside_only_when_asked_for(run, tmp_path):
    (tmp_path / "data").mkdir()
    assert write_table(run, tmp_path / "data" / "test.parquet", images=True) == 0
    table = table_of(tmp_path)
    first, row = next(run.answers()), table.slice(0, 1).to_pylist()[0]
    assert row["image"]["bytes"] == first.image.read_bytes()
    assert json.loads(row["truth_mask"]) == first.sample.mask.to_json()
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert set(features) == set(table.column_names)


def test_rows_in_many_groups_are_the_same_table(run, tmp_path, monkeypatch):
    import pyarrow.parquet as parquet

    written = []
    for size in (table.GROUP_BYTES, 1):
        monkeypatch.setattr(table, "GROUP_BYTES", size)
        out = tmp_path / f"{size}.parquet"
        assert write_table(run, out, images=True) == 0
        written.append(parquet.ParquetFile(out))
    whole, groups = written
    assert whole.num_row_groups == 1
    assert groups.num_row_groups == whole.metadata.num_rows > 1
    assert groups.read().equals(whole.read(), check_metadata=True)


def test_the_card_has_metadata_figures_and_the_columns_of_the_table(run, made):
    from huggingface_hub import DatasetCard

    card = DatasetCard.load(made.dataset / "README.md")
    (file,) = card.data.configs[0]["data_files"]
    assert (made.dataset / file["path"]).is_file()
    a = run.scores.lead.a
    assert f"{100 * a.value:.1f}" in card.text
    assert 'load_dataset("me/run"' in card.text
    assert "No images" in card.text
    scores = json.loads((made.dataset / "scores.json").read_text())
    assert scores["A"] == a.value


def test_the_entry_is_read_by_the_library_of_the_hub(run, tmp_path):
    import yaml
    from huggingface_hub import parse_eval_result_entries

    result = EvalResult(model="me/model", benchmark="them/bench", figure="A")
    result.write(run, tmp_path / "entry.yaml", "me/run")
    (entry,) = parse_eval_result_entries(yaml.safe_load((tmp_path / "entry.yaml").read_text()))
    assert (entry.dataset_id, entry.task_id) == ("them/bench", "A")
    assert entry.value == pytest.approx(100 * run.scores.lead.a.value, abs=0.005)
    assert entry.source_url == "https://huggingface.co/datasets/me/run"
    assert f"{len(run.scores.samples)} samples" in entry.notes


def test_an_entry_without_a_figure_or_benchmark_is_refused(run, tmp_path):
    with pytest.raises(DataError, match="no figure 'B'. It has .*A"):
        EvalResult(model="a/b", benchmark="c/d", figure="B").write(run, tmp_path / "f", "me/run")
    with pytest.raises(DataError, match="--benchmark"):
        EvalResult(model="a/b", figure="A").write(run, tmp_path / "f", "me/run")
    with pytest.raises(DataError, match="'run' is no id"):
        write_publication(run, "run", tmp_path / "hub")


def test_only_what_an_earlier_call_wrote_is_replaced(run, tmp_path, monkeypatch):
    monkeypatch.setattr("pixfoundation.publishing.folder.write_run_pictures", lambda *args: {})
    for mine in ("model/weights.bin", "dataset/mine.txt"):
        (tmp_path / mine).parent.mkdir()
        (tmp_path / mine).write_text("mine")
    result = EvalResult(model="me/model", benchmark="them/bench", figure="A")
    first = write_publication(run, "me/run", tmp_path, result=result)
    assert all(path.is_file() for path in first.files)
    second = write_publication(run, "me/run", tmp_path)
    assert not (tmp_path / "model" / result.path(run)).exists()
    assert set(first.files) - set(second.files) == {tmp_path / "model" / result.path(run)}
    for mine in ("model/weights.bin", "dataset/mine.txt"):
        assert (tmp_path / mine).read_text() == "mine"
        assert tmp_path / mine not in second.files


def test_a_push_is_private_and_holds_what_was_written(made, tmp_path, hub):
    own = copytree(made.dataset, tmp_path / "own")
    files = tuple(own / path.relative_to(made.dataset) for path in made.files)
    made = replace(made, dataset=own, files=files)
    (own / "mine.txt").write_text("not for others")
    (address,) = push(made)
    assert address == f"{hub.url}/datasets/me/run"
    assert hub.private == {"datasets/me/run": True}
    written = {str(path.relative_to(made.dataset)): path.read_bytes() for path in made.files}
    assert hub.files["datasets/me/run"] == written
    assert not [path for path in made.files if TOKEN.encode() in path.read_bytes()]
    with pytest.raises(DataError, match="me/run exists already.*--update"):
        push(made)
    (made.dataset / "scores.json").write_text("{}")
    push(made, update=True)
    assert hub.files["datasets/me/run"]["scores.json"] == b"{}"


def test_a_model_gets_its_result_as_a_pull_request(run, made, tmp_path, hub):
    hub.files["models/them/model"] = {}
    result = EvalResult(model="them/model", benchmark="c/d", figure="A")
    result.write(run, tmp_path / result.path(run), "me/run")
    files = (*made.files, tmp_path / result.path(run))
    _, request = push(replace(made, model=tmp_path, result=result, files=files), public=True)
    assert hub.private["datasets/me/run"] is False
    assert request.endswith("them/model/discussions/1")
    assert not hub.files["models/them/model"]
    assert list(hub.requests["models/them/model"]) == [result.path(run)]


def test_what_stands_in_the_way_is_said_in_one_sentence(made, hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setenv("HF_TOKEN", "hf_other")
    with pytest.raises(PrerequisiteError, match="refuses the token for me/run") as refused:
        push(made)
    assert "hf_other" not in str(refused.value)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(PrerequisiteError, match="cannot be reached.*the same command"):
        push(made)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(PrerequisiteError, match="HF_HUB_OFFLINE is set"):
        push(made)
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(PrerequisiteError, match="no token.*hf auth login"):
        push(made)


def test_a_dry_run_writes_its_files_and_pushes_nothing(run, tmp_path, hub, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    out = tmp_path / "files"
    command = ["push", str(run.records.run.path), "--repo", "me/run", "--dry-run", "--images"]
    result = CliRunner().invoke(app, [*command, "--out", str(out)])
    assert result.exit_code in (0, 3), result.output
    assert "Nothing was pushed" in result.output
    assert "licence" in result.stderr
    assert (out / "dataset" / "README.md").is_file()
    assert not hub.files


def test_licences_that_are_not_known_are_not_guessed():
    assert "huggingface.co/datasets/IVUlab/pixmmvp" in licence_sentence("pixmmvp")
    assert "not known" in licence_sentence("mine")
    assert "apache-2.0" in licence_sentence("pixscenes")


@pytest.mark.slow
def test_the_command_pushes_to_the_address_in_the_environment(run, tmp_path, hub):
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0"}
    environment["HF_HOME"] = str(tmp_path / "home")
    command = [sys.executable, "-m", "pixfoundation", "push", str(run.records.run.path)]
    done = subprocess.run(
        [*command, "--repo", "me/run"], env=environment, capture_output=True, text=True
    )
    assert f"{hub.url}/datasets/me/run" in done.stdout.replace("\n", ""), done.stderr
    assert "README.md" in hub.files["datasets/me/run"]
    assert TOKEN not in done.stdout + done.stderr
