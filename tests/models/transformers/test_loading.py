"""What a checkpoint lacks, or brings too much of, is said when it is loaded."""

import contextlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pixfoundation import api
from pixfoundation.errors import CheckpointError, DataError, PixFoundationError
from pixfoundation.models.transformers.adapter import load
from tests.tiny_checkpoints import saved


@pytest.fixture
def folder(tmp_path) -> Path:
    return Path(shutil.copytree(saved("llava"), tmp_path / "model"))


def change(file: Path, *removed: str, **changes) -> None:
    content = json.loads(file.read_text())
    for key in removed:
        content.pop(key, None)
    file.write_text(json.dumps({**content, **changes}))


def test_a_processor_saved_before_patch_size_is_completed_from_the_configuration(folder):
    new = load(str(folder)).processor
    lacking = ("patch_size", "vision_feature_select_strategy", "num_additional_image_tokens")
    change(folder / "processor_config.json", *lacking)
    old = load(str(folder)).processor
    for name in lacking:
        assert getattr(old, name) == getattr(new, name)


def test_image_tokens_that_do_not_match_are_said_with_the_file(folder):
    change(folder / "config.json", image_token_index=3, image_token_id=3)
    with pytest.raises(CheckpointError, match=r"`image_token_id` in config.json is 3"):
        load(str(folder))


def test_a_wrong_patch_size_is_said_before_any_data_is_touched(folder):
    change(folder / "processor_config.json", patch_size=16)
    with pytest.raises(CheckpointError, match=r"fails at a first question: .* processor"):
        load(str(folder))


def test_a_template_that_fails_is_said(folder):
    (folder / "chat_template.jinja").write_text("{{ raise_exception('roles must alternate') }}")
    with pytest.raises(CheckpointError, match="its chat template fails .*roles must alternate"):
        load(str(folder))


@pytest.mark.parametrize(
    "file", ["model.safetensors", "config.json", "tokenizer.json", "processor_config.json"]
)
def test_a_git_lfs_pointer_is_named_as_such(folder, file):
    (folder / file).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:a\nsize 1\n")
    with pytest.raises(CheckpointError, match=f"{file} is a Git LFS pointer"):
        load(str(folder))


@pytest.mark.parametrize("kind", ["config", "model", "processor", "tokenizer"])
@pytest.mark.parametrize("loads", [api.load_model, api.load_segmenter])
def test_code_in_a_checkpoint_is_never_run(folder, monkeypatch, kind, loads):
    ran = folder / "RAN"
    code = f"open({str(ran)!r}, 'w').write('x')\nclass X:\n    pass\n"
    (folder / "own.py").write_text(code)
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    files = {
        "config": ("config.json", {"model_type": "own_chat", "auto_map": {"AutoConfig": "own.X"}}),
        "model": (
            "config.json",
            {"auto_map": {"AutoModel": "own.X", "AutoModelForImageTextToText": "own.X"}},
        ),
        "processor": (
            "processor_config.json",
            {"processor_class": "Own", "auto_map": {"AutoProcessor": "own.X"}},
        ),
        "tokenizer": (
            "tokenizer_config.json",
            {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.X", None]}},
        ),
    }
    file, changes = files[kind]
    change(folder / file, **changes)
    with contextlib.suppress(PixFoundationError):
        loads(str(folder))
    assert not ran.exists()


def test_a_checkpoint_with_code_of_its_own_says_what_to_do_instead(folder):
    change(folder / "config.json", model_type="own_chat", auto_map={"AutoConfig": "own.X"})
    with pytest.raises(CheckpointError, match="no code from a checkpoint is run.*worker"):
        load(str(folder))


@pytest.fixture
def adapter(tmp_path):
    """A LoRA adapter of the tiny LLaVA that changes what it says."""
    peft = pytest.importorskip("peft")
    torch.manual_seed(1)
    base = load(str(saved("llava")))._model
    config = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    wrapped = peft.get_peft_model(base, config)
    wrapped.peft_config["default"].base_model_name_or_path = str(saved("llava"))
    wrapped.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter", wrapped.merge_and_unload().state_dict()


def weights(model):
    return model._model.state_dict()


def same(first, second) -> bool:
    return all(torch.allclose(first[key], second[key], atol=1e-6) for key in second)


def test_the_folder_of_an_adapter_is_loaded_with_its_base_and_recorded(adapter):
    place, merged = adapter
    model = load(str(place))
    assert same(weights(model), merged)
    said = model.fingerprint()
    assert said["adapter"]["base"] == str(saved("llava"))
    assert said["adapter"]["weights"].startswith("sha256:")
    assert said["weights"] == load(str(saved("llava"))).fingerprint()["weights"]
    change(place / "adapter_config.json", base_model_name_or_path="/no/such/folder")
    with pytest.raises(CheckpointError, match=r"adapter of /no/such/folder, which is not there"):
        load(str(place))
    assert same(weights(load(str(place), base=str(saved("llava")))), merged)


def test_an_adapter_beside_whole_weights_is_applied_only_when_that_is_said(adapter, folder):
    place, merged = adapter
    before = weights(load(str(folder)))
    for file in place.iterdir():
        shutil.copy(file, folder)
    with pytest.raises(CheckpointError, match="whole weights and an adapter .*adapter=none"):
        load(str(folder))
    plain = load(str(folder), adapter="none")
    assert same(weights(plain), before)
    assert "adapter" not in plain.fingerprint()
    assert same(weights(load(str(folder), adapter=str(folder))), merged)
    assert same(weights(load(str(saved("llava")), adapter=str(place))), merged)


def test_an_adapter_that_fits_only_in_part_is_refused(adapter):
    place, _ = adapter
    tensors = load_file(place / "adapter_model.safetensors")
    renamed = {key.replace("language_model", "old_name"): value for key, value in tensors.items()}
    save_file(renamed, place / "adapter_model.safetensors")
    with pytest.raises(CheckpointError, match="does not fit its base"):
        load(str(place))
    (place / "adapter_model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="lacks the adapter's weights"):
        load(str(place))


def test_an_adapter_that_was_saved_unmerged_is_said(folder):
    tensors = load_file(folder / "model.safetensors")
    key = next(key for key in tensors if "q_proj.weight" in key)
    tensors[key.replace(".weight", ".lora_A.default.weight")] = torch.zeros(2, 32)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match="adapter that is not merged"):
        load(str(folder))


def test_a_base_without_an_adapter_is_refused(folder):
    with pytest.raises(DataError, match="`base` is for the folder of an adapter"):
        load(str(folder), base="x")
