"""A hub id or a folder finds the adapter that loads it, or one sentence says what to take."""

import json

import pytest

from pixfoundation import api
from pixfoundation.errors import CheckpointError, DataError, UnknownNameError
from pixfoundation.models import models
from pixfoundation.models.detection import detect_family, find_entry
from tests.models.common.llava_sam import tiny_checkpoint as llava_sam
from tests.tiny_checkpoints import saved

from .cambrian import tiny_checkpoint as cambrian
from .llava_grounding import tiny_checkpoint as grounding
from .omg_llava import tiny_checkpoint as omg


@pytest.mark.parametrize(
    ("name", "adapter"),
    [
        ("xinlai/LISA-7B-v1", "lisa-7b"),
        ("xinlai/LISA-13B-llama2-v1-explanatory", "lisa-13b-explanatory"),
        ("MBZUAI/GLaMM-FullScope", "glamm"),
        ("MBZUAI/GLaMM-GCG", "glamm-gcg"),
        ("Haozhangcx/llava_grounding_gd_vp", "llava-grounding"),
        ("zhangtao-whu/OMG-LLaVA", "omg-llava"),
        ("nyu-visionx/cambrian-8b", "cambrian-8b"),
        ("llava-hf/llava-1.5-7b-hf", "llava-1.5-7b"),
        ("someone/some-model", "transformers"),
        ("Qwen/Qwen2.5-VL-7B-Instruct+coordinates", "coordinates"),
    ],
)
def test_published_ids_find_their_adapter(name, adapter):
    entry = find_entry(name)
    assert entry.name == adapter
    assert entry.load().__module__ == entry.origin


def test_a_folder_may_be_asked_for_coordinates(monkeypatch):
    folder = saved("llava")
    monkeypatch.chdir(folder.parent)
    model = api.load_model(f"{folder.name}+coordinates", frame="unit", device="cpu")
    assert model.capabilities == {"coordinates"}


def test_a_registered_name_is_itself_and_a_wrong_one_says_so():
    assert find_entry("lisa-13b") == models.entry("lisa-13b")
    with pytest.raises(UnknownNameError, match="Did you mean 'lisa-7b'"):
        find_entry("lisa-7B")


@pytest.mark.parametrize(
    ("original", "name"),
    [
        ("liuhaotian/llava-v1.5-7b", r"load \'llava-1\.5-7b\' \(llava-hf/llava-1\.5-7b-hf\)"),
        ("liuhaotian/llava-v1.5-13b", r"load \'llava-1\.5-13b\'"),
        ("liuhaotian/llava-v1.6-mistral-7b", r"load \'llava-1\.6-mistral-7b\'"),
        ("OpenGVLab/InternVL3-8B", r"load \'internvl3-8b\'"),
    ],
)
def test_an_id_in_an_original_layout_says_which_one_to_take(original, name):
    with pytest.raises(CheckpointError, match=name):
        api.load_model(original)


@pytest.mark.parametrize("name", ["./no/folder", "/no/folder", "~/folder", "no/such/folder"])
def test_a_folder_that_is_not_there_says_so(name):
    with pytest.raises(CheckpointError, match=f"There is no folder {name}"):
        api.load_model(name)


@pytest.mark.parametrize("says", ["LlavaLlamaForCausalLM", "LISAForCausalLM"])
def test_a_folder_of_lisa_is_loaded_as_lisa(tmp_path, says):
    made = llava_sam.write(tmp_path / "lisa", llava_sam.LISA)
    made.change_config(architectures=[says])
    assert detect_family(str(made.folder)).family == "lisa"
    model = api.load_model(str(made.folder), device="cpu", dtype="float32")
    assert model.capabilities == {"masks"}


@pytest.mark.parametrize("says", ["LlavaLlamaForCausalLM", "GLaMMForCausalLM"])
def test_a_folder_of_glamm_is_glamm(tmp_path, says):
    made = llava_sam.write(tmp_path / "glamm", llava_sam.GLAMM)
    made.change_config(architectures=[says])
    assert detect_family(str(made.folder)).family == "glamm"


def test_folders_of_the_others_are_recognised(tmp_path):
    made = cambrian.write(tmp_path / "cambrian")
    assert detect_family(str(made.folder)).family == "cambrian"
    folder = grounding.write(tmp_path / "grounding", grounding.Tiny())
    assert detect_family(str(folder)).family == "llava_grounding"
    folder = omg.save(omg.make_tensors(), tmp_path / "omg")
    assert detect_family(str(folder)).family == "omg_llava"


def test_tensors_tell_where_the_class_name_does_not(tmp_path):
    for made, name in (
        (cambrian.write(tmp_path / "cambrian").folder, "cambrian"),
        (grounding.write(tmp_path / "grounding", grounding.Tiny()), "llava_grounding"),
    ):
        config = json.loads((made / "config.json").read_text())
        config |= {"architectures": ["LlavaLlamaForCausalLM"], "mm_vision_tower": "x"}
        (made / "config.json").write_text(json.dumps(config))
        assert detect_family(str(made)).family == name


def test_a_folder_of_the_original_llava_says_what_to_take(tmp_path):
    made = llava_sam.write(tmp_path / "llava", llava_sam.LISA)
    plain = {k: v for k, v in made.weights.items() if not k.startswith("model.visual_model.")}
    llava_sam.write_shards(made.folder, plain, 2)
    with pytest.raises(CheckpointError, match="llava-hf/llava-1.5-7b-hf"):
        api.load_model(str(made.folder))


@pytest.mark.parametrize(
    ("architecture", "adapter"),
    [
        ("LISAForCausalLM", "lisa"),
        ("GLaMMForCausalLM", "glamm"),
        ("CambrianLlamaForCausalLM", "cambrian"),
        ("LlavaForConditionalGeneration", "transformers"),
    ],
)
def test_the_configuration_of_an_unknown_hub_id_tells(tmp_path, monkeypatch, architecture, adapter):
    held = tmp_path / "models--some--one" / "snapshots" / ("a" * 40)
    held.mkdir(parents=True)
    (held / "config.json").write_text(json.dumps({"architectures": [architecture]}))
    refs = tmp_path / "models--some--one" / "refs"
    refs.mkdir()
    (refs / "main").write_text("a" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert detect_family("some/one").family == adapter


def test_other_folders_go_to_transformers(tmp_path):
    assert detect_family(str(saved("llava"))).family == "transformers"
    assert detect_family(str(tmp_path)).family == "transformers"
    (tmp_path / "config.json").write_text("{damaged")
    assert detect_family(str(tmp_path)).family == "transformers"


@pytest.mark.parametrize(
    "name", ["tiny-llava", "lisa-7b", "qwen3-vl-4b+coordinates", "cambrian-8b"]
)
def test_an_option_that_a_model_does_not_take_is_named(name):
    options = {"frame": "thousand"} if "+" in name else {}
    with pytest.raises(DataError, match=r"takes no option 'colour'. It takes: .*dtype"):
        api.load_model(name, colour="red", **options)
