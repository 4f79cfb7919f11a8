"""What config.json of a published Sa2VA says, as configurations of transformers' own classes.

The class that `auto_map` names is never run. Defaults are those of the published classes, so that a
field that is left out means what it means there.

Source: bytedance/Sa2VA, projects/sa2va/hf (`configuration_*.py`, `modeling_*.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.internlm2 import EMBEDDINGS, llama_config
from pixfoundation.models.common.llm_settings import rope_parameters, stop_ids
from pixfoundation.models.sa2va.key_map import LANGUAGE
from pixfoundation.models.sa2va.templates import Conversation, conversation
from pixfoundation.models.sa2va.tiles import SIDE

WORKING = (
    "ByteDance/Sa2VA-1B, -4B, -8B, -26B, -InternVL3-2B, -InternVL3-8B, -InternVL3-14B, "
    "-Qwen2_5-VL-3B, -Qwen2_5-VL-7B and -Qwen3-VL-4B"
)
PATCH = 14  # side of a patch of InternViT, in pixels


class Kind(StrEnum):
    """The vision-language model that a Sa2VA stands on.

    Of Qwen3-VL the state at `[SEG]` is taken before the language model's final norm: the library
    that this variant was trained with returned the last layer's output as its last hidden state,
    but for the other variants the normalised one.
    """

    INTERNVL = "InternVL"
    INTERNVL_INTERNLM2 = "InternVL with InternLM2"
    QWEN2_5_VL = "Qwen2.5-VL"
    QWEN3_VL = "Qwen3-VL"

    @property
    def is_internvl(self) -> bool:
        """Whether it is an InternVL."""
        return self in (Kind.INTERNVL, Kind.INTERNVL_INTERNLM2)


@dataclass(frozen=True)
class Settings:
    """How a checkpoint is built and asked.

    Attributes:
        kind: The vision-language model.
        config: Its configuration, of the class in transformers.
        rows: Number of token embeddings.
        conversation: The conversation of an InternVL variant; None for Qwen-VL, whose files bring
            a chat template.
        stop_ids: Ids that end an answer, as config.json names them (Qwen-VL).
    """

    kind: Kind
    config: Any
    rows: int
    conversation: Conversation | None = None
    stop_ids: tuple[int, ...] = ()


def read_settings(
    config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], file: Path
) -> Settings:
    """Read the settings of a checkpoint.

    Args:
        config: The content of config.json.
        shapes: Shapes of the tensors by their names in the checkpoint.
        file: config.json, for messages.

    Raises:
        CheckpointError: If the checkpoint is of a kind that is not supported, or incomplete.
    """
    for field in ("use_llm_lora", "use_backbone_lora"):
        if config.get(field):
            raise CheckpointError(
                f"{file}: {field} is {config[field]}, so a low-rank update is not merged into the "
                "weights. Merge it with the authors' tools/convert_to_hf.py."
            )
    return _internvl(config, shapes, file) if "llm_config" in config else _qwen(config, file)


def _internvl(
    config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], file: Path
) -> Settings:
    from transformers import InternVLConfig

    llm = _part(config, "llm_config", file)
    name = str((llm.get("architectures") or ["InternLM2ForCausalLM"])[0])
    _check_constants(config, file)
    language = {
        key.removeprefix(LANGUAGE): shape
        for key, shape in shapes.items()
        if key.startswith(LANGUAGE)
    }
    if name == "InternLM2ForCausalLM":
        kind = Kind.INTERNVL_INTERNLM2
        rows = language.get(EMBEDDINGS, (0,))[0]
        text: Any = llama_config(llm, language, rows, file)
    else:
        kind = Kind.INTERNVL
        rows = language.get("model.embed_tokens.weight", (0,))[0]
        text = _text_config(name, llm, rows, file)
    whole = InternVLConfig(
        vision_config=_vision_config(_part(config, "vision_config", file), file),
        text_config=text,
        downsample_ratio=0.5,
        tie_word_embeddings=False,
    )
    return Settings(kind, whole, rows, conversation(config.get("template"), str(file)))


def _check_constants(config: Mapping[str, Any], file: Path) -> None:
    """Refuse values that the published code does not expect: it reads some and ignores others."""
    expected = {
        "select_layer": (-1, -1),
        "ps_version": ("v1", "v2"),  # the value that a missing field means, the value expected
        "downsample_ratio": (0.5, 0.5),
    }
    for field, (missing, value) in expected.items():
        stored = config.get(field, missing)
        if stored != value:
            raise CheckpointError(
                f"{file}: {field} is {stored!r}, but every published Sa2VA has {value!r}. This "
                f"checkpoint cannot be loaded; published ones are {WORKING}."
            )
    vision = _part(config, "vision_config", file)
    side = config.get("force_image_size") or vision.get("image_size", SIDE)
    if side != SIDE:
        raise CheckpointError(
            f"{file}: the image size is {side}, but Sa2VA cuts images into tiles "
            f"of {SIDE} pixels. This checkpoint cannot be loaded; published ones are {WORKING}."
        )


def _vision_config(stored: Mapping[str, Any], file: Path) -> Any:
    from transformers import InternVLVisionConfig

    patch = stored.get("patch_size", PATCH)
    if patch != PATCH:
        raise CheckpointError(
            f"{file}: patch_size is {patch}, but Sa2VA counts image tokens by patches of {PATCH} "
            f"pixels. This checkpoint cannot be loaded; published ones are {WORKING}."
        )
    return InternVLVisionConfig(
        hidden_size=stored.get("hidden_size", 3200),
        num_hidden_layers=stored.get("num_hidden_layers", 48),
        num_attention_heads=stored.get("num_attention_heads", 25),
        attention_bias=stored.get("qkv_bias", False),
        use_qk_norm=stored.get("qk_normalization", True),
        intermediate_size=stored.get("intermediate_size", 12800),
        hidden_act=stored.get("hidden_act", "gelu"),
        norm_type=stored.get("norm_type", "rms_norm"),
        layer_norm_eps=stored.get("layer_norm_eps", 1e-6),
        image_size=[SIDE, SIDE],
        patch_size=[PATCH, PATCH],
        use_absolute_position_embeddings=True,
        use_mean_pooling=True,  # otherwise a norm would follow that no checkpoint has
    )


def _text_config(name: str, stored: Mapping[str, Any], rows: int, file: Path) -> Any:
    """Return the configuration of a language model that transformers has under the same names."""
    import transformers

    known: dict[str, Any] = {
        "Qwen2ForCausalLM": transformers.Qwen2Config,
        "Qwen3ForCausalLM": transformers.Qwen3Config,
        "LlamaForCausalLM": transformers.LlamaConfig,
    }
    if name not in known:
        phi = " (the Phi-3 variants)" if name.startswith("Phi3") else ""
        raise CheckpointError(
            f"{file}: the language model is {name}{phi}, which is not supported. Take one of "
            f"{WORKING}."
        )
    left_out = {"architectures", "model_type", "rope_theta", "rope_scaling", "rope_parameters"}
    own = {
        field.name: stored[field.name]
        for field in fields(known[name])
        if field.name in stored and field.name not in left_out
    }
    own |= {"vocab_size": rows, "tie_word_embeddings": False}
    return known[name](**own, rope_parameters=rope_parameters(stored))


def _qwen(config: Mapping[str, Any], file: Path) -> Settings:
    import transformers

    text = _part(config, "text_config", file)
    vision = _part(config, "vision_config", file)
    named = f"{text.get('model_type', '')} {vision.get('model_type', '')}"
    is_newer = "qwen3_vl" in named or (
        "qwen2_5_vl" not in named and "deepstack_visual_indexes" in vision
    )
    kind = Kind.QWEN3_VL if is_newer else Kind.QWEN2_5_VL
    build: Any = transformers.Qwen3VLConfig if is_newer else transformers.Qwen2_5_VLConfig
    left_out = {
        *("auto_map", "architectures", "model_type", "template", "dtype", "torch_dtype"),
        *("transformers_version", "tie_word_embeddings"),
    }
    stored = {key: value for key, value in config.items() if key not in left_out}
    try:
        whole = build(**stored, tie_word_embeddings=False)
    except Exception as error:  # the configuration classes raise many kinds
        raise CheckpointError(
            f"{file} is no configuration of {kind}: {error}. Download it again."
        ) from error
    whole.text_config.tie_word_embeddings = False
    ends = config.get("eos_token_id")
    if ends is None:
        ends = text.get("eos_token_id")
    return Settings(kind, whole, whole.text_config.vocab_size, None, stop_ids(ends, file))


def _part(config: Mapping[str, Any], name: str, file: Path) -> Mapping[str, Any]:
    part = config.get(name)
    if not isinstance(part, Mapping):
        raise CheckpointError(
            f"{file} has no {name}, so it is no configuration of Sa2VA. Give the folder of a "
            "complete checkpoint, with its own config.json."
        )
    return part
