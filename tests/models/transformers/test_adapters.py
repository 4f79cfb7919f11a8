"""LoRA adapters by hub id, with names of earlier versions, and beside weights that others load."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file

from pixfoundation import api
from pixfoundation.errors import CheckpointError
from pixfoundation.judges.local import load as load_judge
from pixfoundation.models.transformers.adapter import load
from pixfoundation.models.transformers.lora_names import current_names
from tests.tiny_checkpoints import saved

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = "adapter_model.safetensors"


def write_adapter(family: str, folder: Path) -> dict[str, torch.Tensor]:
    """Write an adapter that changes what a tiny model says; return the merged weights."""
    peft: Any = pytest.importorskip("peft")
    torch.manual_seed(1)
    model: Any = load(str(saved(family)))
    config = peft.LoraConfig(
        r=2, target_modules=r".*language_model.*\.(q_proj|v_proj)", init_lora_weights=False,
        rank_pattern={r".*layers\.1\.self_attn\.q_proj": 3},
    )  # fmt: skip
    wrapped: Any = peft.get_peft_model(model._model, config)
    wrapped.peft_config["default"].base_model_name_or_path = str(saved(family))
    wrapped.save_pretrained(folder)
    return wrapped.merge_and_unload().state_dict()


def assert_same(model: Any, merged: dict[str, torch.Tensor]) -> None:
    weights = model._model.state_dict()
    assert all(torch.allclose(weights[key], merged[key], atol=1e-6) for key in merged)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache without a network, with one repository `me/tuned`."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    repository = tmp_path / "cache" / "models--me--tuned"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    return snapshot


def test_an_adapter_is_loaded_by_its_hub_id_and_recorded_with_its_commit(hub: Path):
    merged = write_adapter("llava", hub)
    model = api.load_model("me/tuned", device="cpu")
    assert_same(model, merged)
    assert model.fingerprint()["adapter"]["source"] == "me/tuned"
    assert model.fingerprint()["adapter"]["revision"] == COMMIT
    assert model.fingerprint()["adapter"]["base"] == str(saved("llava"))


def test_the_option_adapter_takes_a_hub_id(hub: Path):
    merged = write_adapter("llava", hub)
    assert_same(api.load_model(str(saved("llava")), adapter="me/tuned", device="cpu"), merged)
    with pytest.raises(CheckpointError, match=r"hub holds no adapter_config\.json there"):
        api.load_model(str(saved("llava")), adapter="me/other", device="cpu")


OLD_NAMES = {
    "llava": ("model.language_model.", "language_model.model."),
    "qwen2_5_vl": ("model.language_model.", "model."),
}


@pytest.mark.parametrize("family", OLD_NAMES)
def test_layers_as_they_were_named_before_are_found(
    tmp_path: Path, family: str, caplog: pytest.LogCaptureFixture
):
    folder = tmp_path / "adapter"
    merged = write_adapter(family, folder)
    new, old = OLD_NAMES[family]
    tensors = load_file(folder / WEIGHTS)
    renamed = {key.replace(new, old, 1): value for key, value in tensors.items()}
    assert renamed.keys() != tensors.keys()
    save_file(renamed, folder / WEIGHTS)
    config = json.loads((folder / "adapter_config.json").read_text())
    config["target_modules"] = ["q_proj", "v_proj"]  # as most adapters say it
    (folder / "adapter_config.json").write_text(json.dumps(config))
    with caplog.at_level(logging.INFO):
        model = load(str(folder))
    assert_same(model, merged)
    assert "as an earlier version of transformers did" in caplog.text


def test_a_name_that_the_model_never_had_stays_as_it_is():
    model: Any = load(str(saved("llava")))
    key = "base_model.model.other.layers.0.q_proj.lora_A.weight"
    assert current_names([key], model._model) == {key: key}


def test_an_adapter_of_another_family_says_what_to_do(tmp_path: Path):
    folder = tmp_path / "adapter"
    write_adapter("llava", folder)
    base = tmp_path / "lisa"
    base.mkdir()
    (base / "config.json").write_text(
        '{"model_type": "llava", "architectures": ["LISAForCausalLM"]}'
    )
    with pytest.raises(CheckpointError, match=r"belongs to .*LISA.*merge it with that project"):
        load(str(folder), base=str(base))


@pytest.mark.parametrize("loads", [load_judge, api.load_segmenter])
def test_an_adapter_alone_is_named_by_judges_and_segmenters(tmp_path: Path, loads: Any):
    folder = tmp_path / "adapter"
    write_adapter("llava", folder)
    with pytest.raises(CheckpointError, match=r"is an adapter of .*llava.*not a model.*merge"):
        loads(str(folder), device="cpu")


def test_an_adapter_beside_the_weights_of_a_judge_is_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    folder = Path(shutil.copytree(saved("llava"), tmp_path / "model"))
    write_adapter("llava", tmp_path / "adapter")
    for file in (tmp_path / "adapter").iterdir():
        shutil.copy(file, folder)
    with caplog.at_level(logging.WARNING):
        judge: Any = load_judge(str(folder), device="cpu", dtype="float32")
    assert "adapter (adapter_config.json) next to the weights is left out" in caplog.text
    plain: Any = load_judge(str(saved("llava")), device="cpu", dtype="float32")
    assert judge._model.state_dict().keys() == plain._model.state_dict().keys()
    assert_same(judge, plain._model.state_dict())
