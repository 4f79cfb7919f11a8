"""Training tiny-llava, on a configuration that is tinier still."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from recipes.language_model import LanguageConfig  # noqa: E402
from recipes.language_training import StageConfig  # noqa: E402
from recipes.projector import ProjectorConfig  # noqa: E402
from recipes.tiny_llava import Recipe, RunOptions, get_tokenizer, train  # noqa: E402
from recipes.tower import TowerConfig  # noqa: E402
from recipes.training_log import TrainingLog  # noqa: E402
from transformers import AutoProcessor, LlavaForConditionalGeneration  # noqa: E402

from pixfoundation.datasets.pixscenes.drawing import render  # noqa: E402
from pixfoundation.datasets.pixscenes.scenes import sample_scene  # noqa: E402

TINY = Recipe(
    scenes=12,
    pairs=6,
    held_out=20,
    corpus=40,
    tower=TowerConfig(width=32, inner=32, layers=1, heads=2, steps=3, batch=2),
    projector=ProjectorConfig(steps=5, batch=4, warmup=1),
    language=LanguageConfig(width=48, inner=32, layers=2, heads=3),
    written=(
        StageConfig("letters", steps=2, pairs=1, length=260, others=1, lessons="letters"),
        StageConfig("words", steps=4, pairs=1, length=260, others=1, lessons="words"),
    ),
    drawn=(StageConfig("drawn", steps=4, pairs=1, length=260, others=3),),
)


def quiet(line: str) -> None:
    """Show nothing; unlike a lambda it can go to another process."""


def run(out: Path, progress: Callable[[str], None] = quiet, *, side_by_side=False, **options):
    """Train the tiny recipe with a checkpoint every two steps."""
    how = RunOptions(progress=progress, compile_model=False, every=2, side_by_side=side_by_side)
    return train(out, TINY, how, **options)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny-llava")
    lines: list[str] = []
    model = run(folder / "work", progress=lines.append, save_to=folder / "model", card="# A card")
    return folder, model, lines


def test_all_stages_run_and_report(trained):
    _, _, lines = trained
    assert sum("letter pairs" in line for line in lines) == 5


class Killed(Exception):
    """Stands for the end of the process."""


def kill_at_measurement(number: int):
    """A progress function that ends the training at its `number`-th measurement."""
    seen = 0

    def progress(line: str) -> None:
        nonlocal seen
        seen += line.startswith("letter pairs")
        if seen == number:
            raise Killed

    return progress


def test_a_training_that_was_killed_twice_ends_with_identical_weights(trained, tmp_path):
    _, model, _ = trained
    # One measurement of `letters`, two of the other stages: the first kill falls between two
    # stages, the second into `words`, the third into `drawn`.
    for number in (1, 1, 2):
        with pytest.raises(Killed):
            run(tmp_path, progress=kill_at_measurement(number))
    wanted = model.state_dict()
    for name, value in run(tmp_path).state_dict().items():
        assert torch.equal(value.half(), wanted[name].half()), name


def test_a_second_process_makes_the_same_weights(trained, tmp_path):
    _, model, _ = trained
    log = TrainingLog(tmp_path / "training.log", quiet)
    wanted = model.state_dict()
    for name, value in run(tmp_path, log, side_by_side=True).state_dict().items():
        assert torch.equal(value.half(), wanted[name].half()), name
    lines = [line.split("\t") for line in (tmp_path / "training.log").read_text().splitlines()]
    assert len({process for _, process, _, _ in lines}) == 2
    assert sum("letter pairs" in line for _, _, _, line in lines) == 5


def test_the_saved_folder_loads_with_the_classes_of_transformers_and_answers(trained):
    folder, model, _ = trained
    processor = AutoProcessor.from_pretrained(folder / "model")
    loaded = LlavaForConditionalGeneration.from_pretrained(folder / "model", dtype=torch.float32)
    image = render(sample_scene(np.random.default_rng(1))).image
    content = [{"type": "image"}, {"type": "text", "text": "What color is the car?"}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True
    )
    assert text == "USER: <image>\nWhat color is the car? ASSISTANT:"
    inputs = processor(images=image, text=text, return_tensors="pt")
    new = loaded.generate(**inputs, max_new_tokens=4)[0][inputs.input_ids.shape[1] :]
    assert 1 <= len(new) <= 4
    again = model.float().generate(**inputs, max_new_tokens=4)[0][inputs.input_ids.shape[1] :]
    assert new.tolist() == again.tolist()


def test_the_folder_has_the_layout_of_llava(trained):
    folder, _, _ = trained
    config = json.loads((folder / "model" / "config.json").read_text())
    assert config["model_type"] == "llava"
    assert config["vision_feature_select_strategy"] == "default"
    assert config["image_seq_length"] == 100
    assert (folder / "model" / "README.md").read_text() == "# A card"
    assert (folder / "model" / "model.safetensors").exists()


def test_any_text_survives_the_tokenizer(trained):
    folder, _, _ = trained
    tokenizer = get_tokenizer(TINY, folder / "work" / "tokenizer")
    for text in ("The door of the yellow house is open.", "Grüße, 日本 {x}\n\t!", "a  b"):
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert tokenizer.decode(ids) == text
    assert tokenizer.encode("x")[0] == tokenizer.bos_token_id
    assert len(tokenizer.encode(" yellow", add_special_tokens=False)) == 1
