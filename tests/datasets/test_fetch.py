"""`datasets fetch` against a server that stands in for the hub: resume, checksums, no network."""

import json
import os
import subprocess
import sys

import pytest

from tests.optional import needs

from .hub import serve, sha256
from .layouts import write_pixmmvp

pytestmark = needs("huggingface_hub")

ANNOTATIONS = ("Objects.csv", "Segmentations.json", "meta_none.txt", "visual_patterns.csv")


@pytest.fixture
def repositories(tmp_path):
    """The two repositories of PixMMVP, with a small set's files at other places than ours."""
    root = write_pixmmvp(tmp_path / "source", pairs=2)
    images = {
        f"MMVP Images/{n}.jpg": (root / "MMVP Images" / f"{n}.jpg").read_bytes()
        for n in range(1, 5)
    }
    return {
        "IVUlab/pixmmvp": {
            **{f"data/{name}": (root / name).read_bytes() for name in ANNOTATIONS},
            "README.md": b"# hi",
        },
        "MMVP/MMVP": {"Questions.csv": (root / "Questions.csv").read_bytes(), **images},
    }


def run(tmp_path, endpoint, *arguments):
    """Runs the command in a fresh process: the hub's address is read once, at import."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": endpoint,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(tmp_path / "hf"),
        "NO_PROXY": "*",
    }
    command = [sys.executable, "-c", "from pixfoundation.cli import main; main()", "data"]
    return subprocess.run(
        [*command, *arguments], env=environment, capture_output=True, text=True, timeout=300
    )


def test_fetching_again_downloads_nothing(tmp_path, repositories):
    to = tmp_path / "to"
    with serve(repositories) as hub:
        first = run(tmp_path, hub.url, "fetch", "pixmmvp", "--out", str(to), "--keep-going")
        assert first.returncode == 0, first.stderr
        assert "9 files downloaded" in first.stderr
        assert "not the version that scores were validated with" in first.stderr
        assert not (to / "README.md").exists()
        served = len(hub.served)
        second = run(tmp_path, hub.url, "fetch", "pixmmvp", "--out", str(to), "--keep-going")
        assert "9 already present" in second.stderr
        assert len(hub.served) == served
    assert (to / "MMVP Images" / "4.jpg").read_bytes() == repositories["MMVP/MMVP"][
        "MMVP Images/4.jpg"
    ]
    record = json.loads((to / "checksums.json").read_text())
    assert record["Objects.csv"]["sha256"] == sha256((to / "Objects.csv").read_bytes())
    (to / "Objects.csv").write_text((to / "Objects.csv").read_text() + "\n")
    checked = run(tmp_path, hub.url, "check", "pixmmvp", "--data-root", str(to))
    assert checked.returncode == 0, checked.stdout
    assert "Objects.csv: checksum: has changed since it was fetched" in checked.stdout


def test_another_version_stops_but_is_kept(tmp_path, repositories):
    to = tmp_path / "to"
    with serve(repositories) as hub:
        stopped = run(tmp_path, hub.url, "fetch", "pixmmvp", "--out", str(to))
    assert stopped.returncode == 1
    assert "Objects.csv is not the version that scores were validated with" in stopped.stderr
    assert sha256((to / "Objects.csv").read_bytes()) in stopped.stderr
    assert "--keep-going" in stopped.stderr
    assert "Traceback" not in stopped.stderr


def test_a_wrong_checksum_does_not_cost_the_file(tmp_path, repositories):
    to = tmp_path / "to"
    with serve(repositories) as hub:
        hub.lies.add("Questions.csv")
        done = run(tmp_path, hub.url, "fetch", "pixmmvp", "--out", str(to), "--keep-going")
    assert done.returncode == 0, done.stderr
    assert "Questions.csv does not have the checksum that the hub states" in done.stderr
    assert (to / "Questions.csv").read_bytes() == repositories["MMVP/MMVP"]["Questions.csv"]


def test_a_download_that_breaks_off_goes_on(tmp_path, repositories):
    to, name = tmp_path / "to", "MMVP Images/2.jpg"
    repositories["MMVP/MMVP"][name] += bytes(24_000_000)  # the library writes by 10 MB
    with serve(repositories) as hub:
        hub.break_after[name] = 21_000_000
        for _ in range(2):
            done = run(tmp_path, hub.url, "fetch", "pixmmvp", "--out", str(to), "--keep-going")
            if done.returncode == 0:
                break
        assert done.returncode == 0, done.stderr
        resumed = [wanted for path, wanted in hub.served if path == name and wanted]
    assert (to / name).read_bytes() == repositories["MMVP/MMVP"][name]
    assert resumed, "the second part was asked for by its range"


def test_without_network_one_sentence_says_what_to_do_by_hand(tmp_path):
    done = run(tmp_path, "http://127.0.0.1:9", "fetch", "pixmmvp", "--out", str(tmp_path / "to"))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for part in ("https://huggingface.co/datasets/IVUlab/pixmmvp", "by hand", "datasets check"):
        assert part in done.stderr


def test_unknown_data_sets_are_named(tmp_path):
    done = run(tmp_path, "http://127.0.0.1:9", "fetch", "pixmvp")
    assert done.returncode == 1
    assert "Did you mean 'pixmmvp'" in done.stderr


def test_treebench_is_fetched_with_its_tables_only(tmp_path):
    files = {"README.md": b"# hi", "data/test-00000.parquet": b"table", "TreeBench.tsv": b"index"}
    to = tmp_path / "to"
    with serve({"HaochenWang/TreeBench": files}) as hub:
        done = run(tmp_path, hub.url, "fetch", "treebench", "--out", str(to))
    assert done.returncode == 0, done.stderr
    assert "2 files downloaded" in done.stderr
    assert (to / "data" / "test-00000.parquet").read_bytes() == b"table"
    assert not (to / "README.md").exists()
