"""Whatever is killed at whatever moment, the run ends complete, with each answer once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast

import pytest

from pixfoundation import api
from pixfoundation.engines.ray import RayEngine
from pixfoundation.runs.store import RunDirectory
from tests.doubles import BrightModel, DiscSegmenter, ListDataset, make_samples
from tests.engines.stubs import Hungry
from tests.optional import needs

pytestmark = [pytest.mark.slow, needs("ray")]

KILLS = int(os.environ.get("PIXFOUNDATION_RAY_KILLS", "1"))
"""Number of random moments; CI has time for one, and twenty of each kind are 60."""
NODE: dict[str, Any] = {"num_cpus": 2, "object_store_memory": 80_000_000}
PAIRS = 8

COMMAND = f"""
import sys
from pathlib import Path
from pixfoundation import api
from pixfoundation.engines.ray import RayEngine
from tests.doubles import DiscSegmenter, ListDataset, make_samples
from tests.engines.stubs import Slow
data = ListDataset(make_samples(Path(sys.argv[1]), {PAIRS}))
engine = RayEngine(workers=2, cpus_per_worker=0.5, address=sys.argv[3], patience=240)
api.evaluate(Slow(seconds=0.2), data, DiscSegmenter(), out=sys.argv[2], engine=engine)
"""


@pytest.fixture(autouse=True)
def without_token(monkeypatch):
    """These clusters live on this machine and for one test only."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")


@pytest.fixture
def cluster():
    """A head and two more nodes on this machine, on which no program is connected."""
    from ray.cluster_utils import Cluster

    made: Any = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    nodes = [made.add_node(**NODE) for _ in range(2)]
    yield made, nodes
    for node in [*nodes, made.head_node]:
        node.kill_all_processes(check_alive=False)


def expected(tmp_path: Path) -> list[str]:
    data = ListDataset(make_samples(tmp_path / "images", PAIRS))
    segmenter: Any = DiscSegmenter()
    return lines(api.evaluate(BrightModel(), data, segmenter, out=tmp_path / "here"))


def lines(run: RunDirectory) -> list[str]:
    return sorted(
        line
        for stem in ("answers", "candidates")
        for line in (run.path / f"{stem}.jsonl").read_text().splitlines()
    )


def start(tmp_path: Path, address: str) -> subprocess.Popen[bytes]:
    arguments = [str(tmp_path / "images"), str(tmp_path / "run"), address]
    return subprocess.Popen([sys.executable, "-c", COMMAND, *arguments])


def wait_for_answers(tmp_path: Path, count: int) -> None:
    file = tmp_path / "run" / "answers.jsonl"
    until = time.monotonic() + 240
    while not file.exists() or file.read_bytes().count(b"\n") < count:
        assert time.monotonic() < until, "no answers came"
        time.sleep(0.05)


def workers_of(nodes) -> list[int]:
    """Processes of actors on these nodes; others on this machine may have a Ray of their own."""
    import psutil

    raylets = {info.process.pid for node in nodes for info in node.all_processes["raylet"]}
    return [
        process.pid
        for process in psutil.process_iter(["cmdline", "ppid"])
        if process.info["ppid"] in raylets
        and "ray::RayWorker" in " ".join(process.info["cmdline"] or [])
    ]


def test_workers_a_node_and_the_command_are_killed_at_random_moments(cluster, tmp_path):
    made, nodes = cluster
    whole = expected(tmp_path)
    draw = random.Random(17)
    kinds = ["worker", "node", "command"]
    for turn in range(KILLS):
        kind = kinds[turn % 3]
        folder = tmp_path / str(turn)
        folder.mkdir()
        (folder / "images").symlink_to(tmp_path / "images")
        command = start(folder, made.address)
        wait_for_answers(folder, draw.randrange(1, 3 * PAIRS))
        if kind == "worker":
            os.kill(draw.choice(workers_of([made.head_node, *nodes])), signal.SIGKILL)
        elif kind == "node":
            nodes.pop().kill_all_processes(check_alive=False)
            nodes.append(made.add_node(**NODE))
        else:
            command.kill()
            command.wait()
            command = start(folder, made.address)
        assert command.wait(400) == 0
        assert lines(RunDirectory(folder / "run")) == whole, kind


def at_the_same_port(head: dict[str, Any], port: int) -> Any:
    """A new head where the first one was; its port may take a moment to become free."""
    from ray.cluster_utils import Cluster

    for attempt in range(5):
        try:
            return Cluster(initialize_head=True, head_node_args={**head, "gcs_server_port": port})
        except (Exception, SystemExit):
            if attempt == 4:
                raise
            time.sleep(5)
    return None


def test_a_run_waits_for_the_head_to_come_back(tmp_path):
    from ray.cluster_utils import Cluster

    whole = expected(tmp_path)
    head = {**NODE, "include_dashboard": False}
    first: Any = Cluster(initialize_head=True, head_node_args=head)
    address = first.address
    port = int(address.rpartition(":")[2])
    command = start(tmp_path, address)
    try:
        wait_for_answers(tmp_path, 6)
        first.head_node.kill_all_processes(check_alive=False)
        second = at_the_same_port(head, port)
        try:
            assert second.address == address
            assert command.wait(400) == 0
            assert lines(RunDirectory(tmp_path / "run")) == whole
            assert "connection to Ray is lost" in (tmp_path / "run" / "run.log").read_text()
        finally:
            second.head_node.kill_all_processes(check_alive=False)
    finally:
        command.kill()


@pytest.mark.skipif(KILLS < 2, reason="what others do with memory disturbs it: more kills run it")
def test_a_worker_that_ray_stops_since_memory_runs_low_gives_its_batch_to_another(tmp_path):
    import psutil
    from ray.cluster_utils import Cluster

    whole = expected(tmp_path)
    memory = psutil.virtual_memory()
    if memory.available < 4 * 2**30:
        pytest.skip("there is not enough memory to let it run low")
    threshold = 1 - (memory.available - 1.5 * 2**30) / memory.total
    head = {
        **NODE,
        "include_dashboard": False,
        "_system_config": {"memory_monitor_refresh_ms": 100, "memory_usage_threshold": threshold},
    }
    made: Any = Cluster(initialize_head=True, head_node_args=head)
    model: Any = Hungry(folder=str(tmp_path), sample="3", size=int(2.5 * 2**30))
    data, segmenter = (
        ListDataset(make_samples(tmp_path / "images", PAIRS)),
        cast("Any", DiscSegmenter()),
    )
    engine = RayEngine(workers=1, address=made.address)
    try:
        run = api.evaluate(model, data, segmenter, out=tmp_path / "run", engine=engine)
    finally:
        made.head_node.kill_all_processes(check_alive=False)
    assert lines(run) == whole
    assert "the machine ran out of memory" in (run.path / "run.log").read_text()
