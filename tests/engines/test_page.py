"""The page 'Many GPUs and machines': its scripts say what they should, and its example works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pixfoundation.runs.store import RunDirectory

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "many-gpus.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
THOROUGH = int(os.environ.get("PIXFOUNDATION_RAY_KILLS", "1"))
STAND_IN = """#!/bin/bash
line="$(basename "$0")"
for word in "$@"; do line="$line $word"; done
echo "$line" >> "$CALLS"
if [ "$1 $2" = "show hostnames" ]; then printf 'node1\\nnode2\\nnode3\\nnode4\\n'; fi
"""


def run(script: str, folder: Path, **environment: str) -> list[str]:
    """Run a script with stand-ins for Slurm, Ray and this package; returns what it called."""
    commands = folder / "bin"
    commands.mkdir()
    for name in ("srun", "scontrol", "ray", "pixfoundation", "sleep"):
        (commands / name).write_text(STAND_IN)
        (commands / name).chmod(0o755)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "activate").touch()
    path = f"{commands}{os.pathsep}{os.environ['PATH']}"
    calls = folder / "calls"
    subprocess.run(
        ["bash", "-euc", f"{script}\nwait"],
        cwd=folder,
        env={**os.environ, "PATH": path, "CALLS": str(calls), **environment},
        check=True,
    )
    return [line for line in calls.read_text().splitlines() if not line.startswith("sleep")]


def script_with(words: str) -> str:
    (found,) = [block for block in BLOCKS if words in block]
    return found


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_is_valid_bash(block):
    subprocess.run(["bash", "-n"], input=block, text=True, check=True)
    if checker := shutil.which("shellcheck"):
        # 1091: the environment is not there to be followed
        command = [checker, "--shell=bash", "--exclude=1091", "-"]
        subprocess.run(command, input=block, text=True, check=True)


def test_the_script_of_slurm_starts_a_head_and_the_other_nodes_and_runs_there(tmp_path):
    calls = run(
        script_with("#SBATCH --nodes=4"),
        tmp_path,
        SLURM_JOB_NODELIST="node[1-4]",
        SLURM_JOB_NUM_NODES="4",
        SLURM_CPUS_PER_TASK="64",
    )
    where = next(i for i, line in enumerate(calls) if line.startswith("pixfoundation run"))
    assert "--engine ray --ray-address node1:6379" in calls[where]
    started = sorted(line for line in calls if line.startswith("srun"))
    assert len(started) == 2
    head, others = started if "--head" in started[0] else started[::-1]
    assert head == (
        "srun --nodes=1 --ntasks=1 -w node1 ray start --head --node-ip-address=node1 --port=6379 "
        "--num-cpus=64 --num-gpus=8 --block"
    )
    assert others == (
        "srun --nodes=3 --ntasks=3 --exclude=node1 ray start --address=node1:6379 "
        "--num-cpus=64 --num-gpus=8 --block"
    )


def test_the_array_of_slurm_gives_each_job_its_shard(tmp_path):
    script = script_with("#SBATCH --array=1-8")
    (call,) = run(script, tmp_path, SLURM_ARRAY_TASK_ID="3", SLURM_ARRAY_TASK_COUNT="8")
    assert call.endswith("--shard 3/8 --out runs/llava")


def test_every_command_of_the_page_takes_the_options_that_it_is_given():
    from typer.testing import CliRunner

    from pixfoundation.cli import app

    text = "\n".join(BLOCKS).replace("\\\n", " ")
    commands = re.findall(r"^pixfoundation (\w+) (.*)$", text, re.MULTILINE)
    assert len(commands) > 8
    for name, rest in commands:
        help_text = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"}).output
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in help_text, f"{name} {option}"


def has_namespaces() -> bool:
    """Whether a test can hide its processes: `ray stop` ends all that it sees."""
    unshare = shutil.which("unshare")
    command = [str(unshare), "--pid", "--fork", "--mount-proc", "true"]
    return unshare is not None and subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(THOROUGH < 2, reason="takes a minute: PIXFOUNDATION_RAY_KILLS=2 runs it")
@pytest.mark.skipif(not has_namespaces(), reason="needs process namespaces of its own")
def test_three_nodes_on_one_machine_word_for_word(tmp_path):
    pytest.importorskip("ray", reason="needs Ray: pip install 'pixfoundation[ray]'")
    block = re.search(r"<!-- ray-example -->\n```bash\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    environment["RAY_TMPDIR"] = "/tmp"  # sockets have short names
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", "bash", "-euc", block[1]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "runs/ray: 18 of 18 answers, complete" in done.stdout
    run = RunDirectory(tmp_path / "runs" / "ray")
    assert len((run.path / "answers.jsonl").read_text().splitlines()) == 18
    assert "runs/ray" in done.stdout
