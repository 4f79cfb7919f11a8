"""Judging and the tests that ask a model again give the same lines on Ray as in this process."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pixfoundation.engines.ray import RayEngine
from pixfoundation.judges import judges
from pixfoundation.judges.cache import CachedJudge
from pixfoundation.runs.dealt_judging import JudgeRecipe, dealt_judge
from pixfoundation.runs.deleting import collect_deletions
from pixfoundation.runs.judging import judge_run
from pixfoundation.runs.store import RunDirectory
from tests.doubles import BrightModel, make_samples
from tests.engines.stubs import Solomon
from tests.optional import needs
from tests.runs.test_collect import run_all, start
from tests.runs.test_deleting import CONFIG, on_the_box

pytestmark = [needs("ray"), pytest.mark.usefixtures("cluster")]

ENGINE = RayEngine(workers=2, cpus_per_worker=0.5)


@dataclass
class Killed(BrightModel):
    """Kills its process the first time that it is asked about a sample; fails at another."""

    mark: str = ""

    def answer(self, images, prompts, decoding):
        mark = Path(self.mark)
        if self.mark and prompts[0].sample == "2" and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if prompts[0].sample == "4":
            raise ValueError("the image is too long")
        return super().answer(images, prompts, decoding)


def lines(run: RunDirectory, stem: str) -> list[str]:
    return sorted((run.path / f"{stem}.jsonl").read_text().splitlines())


def test_a_test_on_ray_writes_the_lines_of_this_process_though_a_worker_is_killed(tmp_path):
    samples = make_samples(tmp_path / "images", 3)
    samples[5].image.unlink()
    runs = [RunDirectory.create(tmp_path / name, CONFIG, samples) for name in ("one", "many")]
    one, many = runs
    states: list[Any] = []
    for run, engine in ((one, None), (many, ENGINE)):
        model = Killed(mark=str(tmp_path / "mark") if engine else "")
        collect_deletions(run, model, on_the_box(run), engine=engine, on_progress=states.append)
        assert (states[-1].done, states[-1].failed) == (6, 2)
    assert states[-1].lost == 1
    assert len(lines(one, "deletions")) == 4
    assert lines(many, "deletions") == lines(one, "deletions")
    log = (many.path / "run.log").read_text()
    assert "failed: sample 4, protocol 2: ValueError: the image is too long" in log
    assert "failed: sample 5, protocol 2: There is no image" in log
    # the same call again asks about what is missing alone, and here it need not be Ray
    assert collect_deletions(many, BrightModel(), on_the_box(many)) == 5


def test_a_judge_in_workers_gives_the_verdicts_of_one_in_this_process(tmp_path):
    samples = make_samples(tmp_path / "images", 3)
    one, many = (start(tmp_path / name, samples) for name in ("one", "many"))
    for run in (one, many):
        run_all(run)
    here = CachedJudge(Solomon(), tmp_path / "kept")
    expected = judge_run(one, here)

    def dealt():
        with dealt_judge(ENGINE, Solomon(), tmp_path / "elsewhere") as judge:
            return judge_run(many, judge), judge.asked

    final, asked = dealt()
    assert final == expected
    assert lines(many, "verdicts") == lines(one, "verdicts")
    kept = [{f.name for f in (tmp_path / name).glob("*.txt")} for name in ("kept", "elsewhere")]
    assert kept[0] == kept[1]
    assert 0 < here.asked <= asked  # two workers may ask the same at the same time
    (many.path / "verdicts.jsonl").unlink()
    assert dealt()[1] == 0  # the replies are known
    assert lines(many, "verdicts") == lines(one, "verdicts")


def test_a_judge_in_a_folder_is_named_as_it_was_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wise").mkdir()
    monkeypatch.setattr(judges, "get", lambda backend: lambda model: Solomon(f"{backend}:{model}"))
    there = JudgeRecipe("solomon", "wise").portable()
    assert there.model == str(tmp_path / "wise")
    assert there.make().name == JudgeRecipe("solomon", "wise").make().name == "solomon:wise"


@pytest.mark.slow
def test_causal_tests_on_ray_write_the_lines_of_this_process(tmp_path):
    from pixfoundation.causes.curves import CurveOptions, collect_curves
    from pixfoundation.causes.fills import Fill
    from pixfoundation.causes.knockouts import KnockoutOptions, collect_knockouts
    from pixfoundation.controls.collect import ControlOptions, run_controls
    from pixfoundation.controls.kinds import ControlKind
    from tests.causes.conftest import planted_run
    from tests.planted_attention import SquareSegmenter, planted_model

    made = planted_run(tmp_path, "ball", pairs=2)
    curves = CurveOptions(fills=(Fill.MEAN,), shares=(0.05, 0.1), draws=2)
    knockouts = KnockoutOptions(draws=2, window=0)
    kinds = (ControlKind.RANDOM_WEIGHTS, ControlKind.OTHER_IMAGE)
    one_worker = RayEngine(workers=1)  # each imports torch
    runs: dict[str, RunDirectory] = {}
    for name, engine in (("here", None), ("ray", one_worker)):
        run = runs[name] = RunDirectory(shutil.copytree(made.path, tmp_path / name))
        model = planted_model("ball")
        assert collect_curves(run, model, curves, engine=engine) == 0
        assert collect_knockouts(run, model, knockouts, engine=engine) == 0
        run_controls(run, model, SquareSegmenter(), ControlOptions(kinds), engine=engine)
    one, many = runs["here"], runs["ray"]
    for stem in ("curves", "knockouts"):
        assert len(lines(one, stem)) == 4
        assert lines(many, stem) == lines(one, stem)
    for kind in kinds:
        pair = [RunDirectory(run.path / "controls" / kind) for run in (one, many)]
        for stem in ("answers", "candidates"):
            assert lines(pair[0], stem) == lines(pair[1], stem)
            assert len(lines(pair[0], stem)) >= 4
