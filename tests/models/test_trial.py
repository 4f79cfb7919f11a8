"""One image and one question are tried when a part is loaded; what fails names the file."""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pixfoundation import api
from pixfoundation.errors import CheckpointError, DataError
from pixfoundation.models.cambrian.network import Cambrian
from pixfoundation.models.cambrian.prompt import prompt_ids
from pixfoundation.models.common import placement
from pixfoundation.models.common.llava_sam.network import LlavaSam
from pixfoundation.models.llava_grounding.network import LlavaGrounding
from pixfoundation.models.omg_llava.network import OmgLlava
from pixfoundation.trial import check_tokens, step
from tests.models.cambrian import tiny_checkpoint as cambrian
from tests.models.cambrian.words import tokenizer
from tests.models.common.llava_sam import tiny_checkpoint as lisa
from tests.models.llava_grounding import tiny_checkpoint as llava_grounding
from tests.models.omg_llava import tiny_checkpoint as omg_llava
from tests.tiny_checkpoints import saved

Load = Callable[[], Any]


@pytest.fixture(autouse=True)
def enough_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch off the memory check, so that other work on the machine does not matter."""
    monkeypatch.setattr(placement, "_free_on", lambda device: None)  # pyright: ignore


def _cambrian(folder: Path) -> tuple[Path, Load]:
    words = tokenizer()
    made = cambrian.write(folder, position=prompt_ids(words, "").index(-200))
    words.save_pretrained(made.folder)
    options: dict[str, Any] = {"towers": str(made.towers), "dtype": "float32", "device": "cpu"}
    return made.folder, lambda: api.load_model(str(made.folder), **options)


def _lisa(folder: Path) -> tuple[Path, Load]:
    made = lisa.write(folder, lisa.LISA, seed=1)
    options: dict[str, Any] = {"vision_tower": str(made.tower), "dtype": "float32"}
    return made.folder, lambda: api.load_model(str(made.folder), **options)


def _llava_grounding(folder: Path) -> tuple[Path, Load]:
    variant = llava_grounding.VARIANTS["a"]
    made = llava_grounding.write(folder / "a", variant)
    options: dict[str, Any] = {
        "vision_tower": str(made / "clip"), "dtype": "float32", "device": "cpu",
        "image_side": variant.side, "queries": variant.queries,
    }  # fmt: skip
    return made, lambda: api.load_model(str(made), **options)


def _omg_llava(folder: Path) -> tuple[Path, Load]:
    made = omg_llava.save(omg_llava.make_tensors(), folder)
    return made, lambda: api.load_model(str(made), device="cpu", image_side=128)


FAMILIES: dict[str, Callable[[Path], tuple[Path, Load]]] = {
    "cambrian": _cambrian,
    "lisa": _lisa,
    "llava_grounding": _llava_grounding,
    "omg_llava": _omg_llava,
}

STEPS: list[tuple[str, type, str, str]] = [
    ("cambrian", Cambrian, "encode", "a vision encoder fails.*preprocessor_config.json"),
    ("cambrian", Cambrian, "aggregate", "its connector fails.*config.json .query_num_list"),
    ("cambrian", Cambrian, "generate", "the language model fails.*config.json"),
    ("lisa", LlavaSam, "encode", "its vision tower fails.*mm_vision_tower"),
    ("lisa", LlavaSam, "generate", "the language model fails.*config.json"),
    ("lisa", LlavaSam, "masks", "its mask decoder fails.*config.json .out_dim"),
    ("llava_grounding", LlavaGrounding, "encode_image", "its vision tower fails.*mm_vision_tower"),
    ("llava_grounding", LlavaGrounding, "generate", "the language model fails.*config.json"),
    ("llava_grounding", LlavaGrounding, "segment", "its segmenter fails.*IMAGE_SIZE"),
    ("omg_llava", OmgLlava, "vision", "its perception fails.*trunk"),
    ("omg_llava", OmgLlava, "generate", "the language model fails.*config.json"),
    ("omg_llava", OmgLlava, "segment", "its mask decoder fails"),
]


@pytest.fixture(scope="module")
def load_of(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Load]:
    return {
        name: write(tmp_path_factory.mktemp(name) / "made")[1] for name, write in FAMILIES.items()
    }


@pytest.mark.parametrize(("family", "core", "method", "says"), STEPS)
def test_a_step_that_fails_is_said_at_loading_with_the_files(
    load_of: dict[str, Load],
    monkeypatch: pytest.MonkeyPatch,
    family: str,
    core: type,
    method: str,
    says: str,
):
    def fail(*arguments: Any, **options: Any) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(core, method, fail)
    with pytest.raises(CheckpointError, match=says) as caught:
        load_of[family]()
    assert "mat1 and mat2 shapes cannot be multiplied" in str(caught.value)


@pytest.mark.parametrize("family", ["lisa", "llava_grounding"])
def test_a_tokenizer_that_writes_tokens_which_the_model_lacks_is_refused(
    tmp_path: Path, family: str
):
    folder, load = FAMILIES[family](tmp_path / "made")
    file = folder / "added_tokens.json"
    added = json.loads(file.read_text())
    file.write_text(json.dumps({token: 4000 + row for token, row in added.items()}))
    with pytest.raises(CheckpointError, match="belongs? to (another|different) checkpoint"):
        load()


def test_weights_that_are_no_numbers_are_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    made = lisa.write(tmp_path / "made", lisa.LISA, seed=1)
    made.weights["model.mm_projector.weight"].fill_(torch.inf)
    lisa.write_shards(made.folder, made.weights, 3)
    with caplog.at_level(logging.WARNING):
        api.load_model(str(made.folder), vision_tower=str(made.tower), dtype="float32")
    assert "image tokens or mask logits of a first question are not finite in float32" in (
        caplog.text
    )


SIDES = r'("(?:longest_edge|height|width)": )\d+', r"\g<1>24"
MEANS = r'"image_mean": \[[^]]*\]', '"image_mean": [0.5, 0.5]'


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [("sam", *SIDES), ("sam_hq", *SIDES), ("sam2", *MEANS), ("clipseg", *MEANS)],
)
def test_a_segmenter_whose_processor_does_not_fit_is_refused_at_loading(
    tmp_path: Path, name: str, field: str, value: str
):
    folder = Path(shutil.copytree(saved(name), tmp_path / "copy"))
    changed = 0
    for file in folder.glob("*processor_config.json"):
        text = file.read_text()
        other = re.sub(field, value, text)
        changed += other != text
        file.write_text(other)
    assert changed, "the copy differs from the checkpoint"
    with pytest.raises(CheckpointError, match=r"the segmenter fails.*preprocessor_config\.json"):
        api.load_segmenter(str(folder), device="cpu")


def test_a_local_judge_is_asked_once_at_loading(tmp_path: Path):
    folder = Path(shutil.copytree(saved("llava"), tmp_path / "copy"))
    file = folder / "config.json"
    config = json.loads(file.read_text())
    config["text_config"]["num_key_value_heads"] = 1
    file.write_text(json.dumps(config))
    from pixfoundation.judges.local import load

    with pytest.raises(CheckpointError):
        load(str(folder), device="cpu", dtype="float32")


def test_a_local_judge_with_an_old_processor_gets_what_that_lacks(tmp_path: Path):
    folder = Path(shutil.copytree(saved("llava"), tmp_path / "copy"))
    file = folder / "processor_config.json"
    config = json.loads(file.read_text())
    for field in ("patch_size", "vision_feature_select_strategy"):
        config.pop(field, None)
    file.write_text(json.dumps(config))
    from pixfoundation.judges.base import Question
    from pixfoundation.judges.local import load
    from pixfoundation.judges.picking import to_png
    from pixfoundation.trial import trial_image

    judge = load(str(folder), device="cpu", dtype="float32")
    judge.ask(Question("Which?", images=(to_png(trial_image()),), max_tokens=2))


def test_a_local_judge_that_takes_no_image_is_warned_about(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    from pixfoundation.judges.local import LocalJudge, load

    inputs: Any = LocalJudge._inputs  # pyright: ignore[reportPrivateUsage]

    def blind(self: LocalJudge, prompt: str, images: list[Any]) -> Any:
        if images:
            raise ValueError("no images")
        return inputs(self, prompt, images)

    monkeypatch.setattr(LocalJudge, "_inputs", blind)
    with caplog.at_level(logging.WARNING):
        load(str(saved("llava")), device="cpu", dtype="float32")
    assert "cannot be asked about images" in caplog.text
    assert "ValueError: no images" in caplog.text


def test_a_step_says_what_failed_whatever_it_raised():
    says = r"here: its tokenizer fails.*No\. Check a\.json"
    with pytest.raises(CheckpointError, match=says), step("here", "its tokenizer", "a.json"):
        raise DataError("No.")
    says = "memory ran out at a first question"
    with pytest.raises(CheckpointError, match=says), step("here", "its tokenizer", "a.json"):
        raise MemoryError
    with pytest.raises(CheckpointError, match="writes the token 9, but the model has 9"):
        check_tokens("here", [-200, 1, 9], 9, "tokenizer.json")
