"""LLaVA 1.5 is asked in its published conversation, whatever its folder is called."""

import shutil
from typing import Any

import pytest
import transformers as hf

from pixfoundation.models.transformers.adapter import load
from tests.tiny_checkpoints import saved
from tests.tiny_parts import TOWER, tokenizer

LLAVA_1_5_TEMPLATE = (
    "{% for m in messages %}{{ m['role'].upper() + ': ' }}{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}{{ '<image>\n' }}{% endif %}{% endfor %}"
    "{% for c in m['content'] %}{% if c['type'] == 'text' %}{{ c['text'] + ' ' }}{% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
OTHER_TEMPLATE = LLAVA_1_5_TEMPLATE.replace("m['role'].upper() + ': '", "'Question: '")


def llava(folder, *, side=336, patch=14, template=LLAVA_1_5_TEMPLATE, text=hf.LlamaConfig):
    """Write a tiny checkpoint with the facts of LLaVA 1.5, or with one of them changed."""
    words = tokenizer("<image>")
    size: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1}
    heads: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 2}
    vision: dict[str, Any] = TOWER | {"image_size": side, "patch_size": patch}
    config = hf.LlavaConfig(
        vision_config=hf.CLIPVisionConfig(**vision, projection_dim=16),
        text_config=text(vocab_size=len(words), **size, **heads),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_seq_length=(side // patch) ** 2,
    )
    processor = hf.LlavaProcessor(
        hf.CLIPImageProcessorPil(
            size={"shortest_edge": side}, crop_size={"height": side, "width": side}
        ),
        words,
        patch_size=patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    )
    hf.LlavaForConditionalGeneration(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def conversation(folder, **options):
    return load(str(folder), device="cpu", **options).fingerprint()["conversation"]


def test_a_renamed_folder_is_asked_as_before(tmp_path):
    original = llava(tmp_path / "llava-1.5-7b-hf")
    renamed = tmp_path / "my weights"
    shutil.copytree(original, renamed)
    assert conversation(original) == conversation(renamed) == "llava_v1"
    assert conversation(renamed, conversation="checkpoint") == "checkpoint"


def test_a_folder_that_only_has_the_name_of_llava_is_asked_by_its_own_template(tmp_path):
    folder = tmp_path / "llava-1.5-7b-hf"
    shutil.copytree(saved("llava"), folder)
    assert conversation(folder) == "checkpoint"


@pytest.mark.parametrize(
    "other",
    [{"side": 224}, {"template": OTHER_TEMPLATE}, {"text": hf.MistralConfig}],
    ids=["another vision tower", "another template", "another language model"],
)
def test_one_other_fact_makes_it_another_model(tmp_path, other):
    assert conversation(llava(tmp_path / "llava-1.5", **other)) == "checkpoint"


def test_a_hub_id_with_a_card_is_asked_as_the_card_says(tmp_path, monkeypatch):
    from huggingface_hub import constants

    commit = "a" * 40
    cached = tmp_path / "models--llava-hf--llava-1.5-7b-hf"
    shutil.copytree(saved("llava"), cached / "snapshots" / commit)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert conversation("llava-hf/llava-1.5-7b-hf") == "llava_v1"
    assert conversation("llava-1.5-7b") == "llava_v1"
    assert conversation(cached / "snapshots" / commit) == "llava_v1"
