"""README's commands for real models and data, word for word, on small stand-ins.

A server on this machine stands in for the hub's datasets and another one for the judge; the hub's
cache holds tiny random checkpoints under the names of the real models. The recorded checksums and
counts of the datasets, which only the real files can meet, are those of the stand-ins.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.datasets.hub import serve
from tests.datasets.layouts import write_pixcvbench, write_pixmmvp
from tests.judges.server import KEY, judge_server
from tests.optional import needs
from tests.runs.test_judging import reply
from tests.tiny_checkpoints import saved

pytestmark = [pytest.mark.slow, needs("huggingface_hub", "openai", "pyarrow", "spacy")]

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")
CHECKPOINTS = {
    "llava-hf/llava-1.5-7b-hf": "llava",
    "Qwen/Qwen2.5-VL-7B-Instruct": "qwen2_5_vl",
    "facebook/sam-vit-huge": "sam",
}
COMMIT = "a" * 40
PAIRS = 2
START = f"""
from dataclasses import replace
from pixfoundation.datasets import fetch, pixcvbench, pixmmvp
pixmmvp.IMAGES, pixcvbench.QUESTIONS = {2 * PAIRS}, 4
fetch.FETCHABLE.update({{k: replace(v, recorded={{}}) for k, v in fetch.FETCHABLE.items()}})
from pixfoundation.cli import main
main()
"""


def commands(dataset: str) -> list[list[str]]:
    """Return the commands of README's block about a dataset, without the program's name."""
    block = README.split(f"<!-- real-data: {dataset} -->\n```bash\n")[1].split("```")[0]
    lines = [shlex.split(line, comments=True) for line in block.splitlines()]
    return [line[1:] for line in lines if line and line[0] == "pixfoundation"]


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a command in an empty folder and returns all that it printed."""
    cache = tmp_path / "hf" / "hub"
    for repository, family in CHECKPOINTS.items():
        folder = cache / f"models--{repository.replace('/', '--')}"
        shutil.copytree(saved(family), folder / "snapshots" / COMMIT)
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text(COMMIT)
    (tmp_path / "work").mkdir()

    def run_command(arguments, **environment):
        done = subprocess.run(
            [sys.executable, "-c", START, *arguments],
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("PIXFOUNDATION_")},
                "HF_HOME": str(tmp_path / "hf"),
                "XDG_CACHE_HOME": str(tmp_path / "cache"),
                "NO_PROXY": "*",
                "COLUMNS": "160",
                **environment,
            },
            cwd=tmp_path / "work",
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, f"{shlex.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    return run_command


def fetch_environment(hub):
    return {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}


def test_the_real_data_block_of_pixmmvp(run, tmp_path):
    source = write_pixmmvp(tmp_path / "source", PAIRS)
    files = {str(f.relative_to(source)): f.read_bytes() for f in source.rglob("*") if f.is_file()}
    own = {name: data for name, data in files.items() if not name.startswith(("MMVP", "Questions"))}
    fetch, check, evaluate, judge, score, report = commands("pixmmvp")
    with serve({"IVUlab/pixmmvp": own, "MMVP/MMVP": files}) as hub:
        assert "data/pixmmvp" in run(fetch, **fetch_environment(hub))
    assert "0 errors" in run(check)
    assert "The run is complete" in run(evaluate)
    with judge_server(reply) as server:
        printed = run(judge, OPENAI_BASE_URL=server.url, OPENAI_API_KEY=KEY)
    assert "judged by openai:gpt-4o" in printed.replace("\n", " ")
    scores = run(score)
    assert re.search(r"1 \(A†\).*openai:gpt-4o", scores)
    assert "by pattern" in scores
    run(report)
    page = tmp_path / "work" / "page" / "index.html"
    assert page.stat().st_size > 10_000
    assert "data:image" in page.read_text() or any(page.parent.rglob("*.jpg"))


def test_the_real_data_block_of_pixcvbench(run, tmp_path):
    source = write_pixcvbench(tmp_path / "source")
    files = {str(f.relative_to(source)): f.read_bytes() for f in source.rglob("*") if f.is_file()}
    pictures = {name for name in files if name.endswith(".jpg")}
    table = {"test.parquet": files["CV-Bench/test.parquet"]}
    own = {name: files[name] for name in files.keys() - pictures - {"CV-Bench/test.parquet"}}
    fetch, check, evaluate, score = commands("pixcvbench")
    with serve({"IVUlab/pixcvbench": own, "nyu-visionx/CV-Bench": table}) as hub:
        assert "by hand" in run(fetch, **fetch_environment(hub))
    for name in pictures:  # what is left to do by hand
        target = tmp_path / "work" / "data" / "pixcvbench" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(files[name])
    assert "0 errors" in run(check)
    assert "The run is complete" in run(evaluate)
    assert "by task" in run(score)
