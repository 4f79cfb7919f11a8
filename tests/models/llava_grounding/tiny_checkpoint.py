"""Tiny LLaVA-Grounding checkpoints in the published key layout, with seeded random weights."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

TOKENIZER = Path(__file__).parent.parent / "data" / "tokenizer.model"
PIECES = 600  # of that vocabulary
TAGS = {"<g_s>": PIECES, "<g_e>": PIECES + 1, "<seg>": PIECES + 2}


@dataclass(frozen=True)
class Tiny:
    """Sizes of a tiny checkpoint; the letter names them in the golden file."""

    seed: int = 1
    hidden: int = 32
    layers: int = 2
    heads: int = 4
    clip: int = 16
    clip_layers: int = 3
    clip_heads: int = 2
    clip_side: int = 28
    patch: int = 14
    embed: int = 8
    depths: tuple[int, ...] = (1, 2, 1, 1)
    swin_heads: tuple[int, ...] = (2, 2, 4, 4)
    window: int = 3
    width: int = 32
    encoder_layers: int = 2
    decoder_layers: int = 3
    mlp: int = 48
    queries: int = 20
    side: int = 128
    tag_scale: float = 1.0  # scale of the rows of the three tags in the output head
    grammar: float = 0.0  # how strongly words, <g_s>, words, <g_e>, <seg> follow each other

    @property
    def vocabulary(self) -> int:
        return PIECES + len(TAGS)


VARIANTS = {
    "a": Tiny(seed=1),
    "b": Tiny(
        seed=2, hidden=48, heads=3, window=4, depths=(2, 1, 2, 1), encoder_layers=1,
        decoder_layers=2, queries=13, side=160, tag_scale=1.5,
    ),
    "c": Tiny(seed=3, clip_side=42, tag_scale=0.8, grammar=0.5),
}  # fmt: skip


def weights(tiny: Tiny) -> dict[str, torch.Tensor]:
    """Return all tensors of a checkpoint by published key."""
    rng = np.random.default_rng(tiny.seed)

    def normal(*shape: int, scale: float = 1.0, mean: float = 0.0) -> torch.Tensor:
        return torch.from_numpy((mean + scale * rng.standard_normal(shape)).astype(np.float32))

    made: dict[str, torch.Tensor] = {}

    def linear(key: str, outputs: int, inputs: int, *kernel: int, bias: bool = True) -> None:
        fan = inputs * int(np.prod(kernel, dtype=int))
        made[f"{key}.weight"] = normal(outputs, inputs, *kernel, scale=fan**-0.5)
        if bias:
            made[f"{key}.bias"] = normal(outputs, scale=0.1)

    def norm(key: str, width: int) -> None:
        made[f"{key}.weight"] = normal(width, scale=0.2, mean=1.0)
        made[f"{key}.bias"] = normal(width, scale=0.1)

    _language(tiny, made, normal, linear)
    _tower(tiny, made, normal, linear, norm)
    linear("model.mm_projector", tiny.hidden, tiny.clip)
    _backbone(tiny, made, normal, linear, norm)
    _pixel_decoder(tiny, made, normal, linear, norm)
    _predictor(tiny, made, normal, linear, norm)
    made["seg_model.model.criterion.empty_weight"] = normal(134)
    made["interactive_model.model.obj_projector.weight"] = normal(5, 3)
    return made


def _language(tiny, made, normal, linear):
    made["model.embed_tokens.weight"] = normal(tiny.vocabulary, tiny.hidden)
    for i in range(tiny.layers):
        at = f"model.layers.{i}"
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            linear(f"{at}.self_attn.{name}", tiny.hidden, tiny.hidden, bias=False)
        made[f"{at}.self_attn.rotary_emb.inv_freq"] = normal(tiny.hidden // tiny.heads // 2)
        linear(f"{at}.mlp.gate_proj", 2 * tiny.hidden, tiny.hidden, bias=False)
        linear(f"{at}.mlp.up_proj", 2 * tiny.hidden, tiny.hidden, bias=False)
        linear(f"{at}.mlp.down_proj", tiny.hidden, 2 * tiny.hidden, bias=False)
        for name in ("input_layernorm", "post_attention_layernorm"):
            made[f"{at}.{name}.weight"] = normal(tiny.hidden, scale=0.2, mean=1.0)
    made["model.norm.weight"] = normal(tiny.hidden, scale=0.2, mean=1.0)
    head = normal(tiny.vocabulary, tiny.hidden, scale=0.05)
    head[300:330] = normal(30, tiny.hidden, scale=0.35)
    head[-3:] = normal(3, tiny.hidden, scale=0.4 * tiny.tag_scale)
    head[2] = normal(tiny.hidden, scale=0.2)
    start, end, seg = TAGS.values()
    plain_words, phrase_words = range(300, 310), range(310, 320)
    embedded = made["model.embed_tokens.weight"]
    for current, following in (
        (plain_words, [start]),
        ([start], phrase_words),
        (phrase_words, [end]),
        ([end], [seg]),
        ([seg], plain_words),
    ):
        for token in following:
            scale = len(current) ** 0.5
            head[token] += tiny.grammar * embedded[list(current)].mean(0) * scale
    made["lm_head.weight"] = head


def _tower(tiny, made, normal, linear, norm):
    root = "model.vision_tower.vision_tower.vision_model."
    made[f"{root}embeddings.class_embedding"] = normal(tiny.clip)
    linear(f"{root}embeddings.patch_embedding", tiny.clip, 3, tiny.patch, tiny.patch, bias=False)
    places = (tiny.clip_side // tiny.patch) ** 2 + 1
    made[f"{root}embeddings.position_embedding.weight"] = normal(places, tiny.clip)
    norm(f"{root}pre_layrnorm", tiny.clip)
    for i in range(tiny.clip_layers):
        at = f"{root}encoder.layers.{i}"
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            linear(f"{at}.self_attn.{name}", tiny.clip, tiny.clip)
        norm(f"{at}.layer_norm1", tiny.clip)
        linear(f"{at}.mlp.fc1", 2 * tiny.clip, tiny.clip)
        linear(f"{at}.mlp.fc2", tiny.clip, 2 * tiny.clip)
        norm(f"{at}.layer_norm2", tiny.clip)
    norm(f"{root}post_layernorm", tiny.clip)


def _backbone(tiny, made, normal, linear, norm):
    root = "seg_model.model.backbone."
    linear(f"{root}patch_embed.proj", tiny.embed, 3, 4, 4)
    norm(f"{root}patch_embed.norm", tiny.embed)
    for stage, (depth, heads) in enumerate(zip(tiny.depths, tiny.swin_heads, strict=True)):
        width = tiny.embed * 2**stage
        for block in range(depth):
            at = f"{root}layers.{stage}.blocks.{block}"
            norm(f"{at}.norm1", width)
            table = f"{at}.attn.relative_position_bias_table"
            made[table] = normal((2 * tiny.window - 1) ** 2, heads)
            area = tiny.window**2
            made[f"{at}.attn.relative_position_index"] = torch.zeros(area, area, dtype=torch.long)
            linear(f"{at}.attn.qkv", 3 * width, width)
            linear(f"{at}.attn.proj", width, width)
            norm(f"{at}.norm2", width)
            linear(f"{at}.mlp.fc1", 4 * width, width)
            linear(f"{at}.mlp.fc2", width, 4 * width)
        if stage < 3:
            linear(f"{root}layers.{stage}.downsample.reduction", 2 * width, 4 * width, bias=False)
            norm(f"{root}layers.{stage}.downsample.norm", 4 * width)
    for stage in range(4):
        norm(f"{root}norm{stage}", tiny.embed * 2**stage)


def _deformable(tiny, made, normal, linear, at):
    """Add a deformable attention: offsets of a few cells; 8 heads, 4 levels and 4 points."""
    made[f"{at}.sampling_offsets.weight"] = normal(256, tiny.width, scale=0.2)
    made[f"{at}.sampling_offsets.bias"] = normal(256, scale=2.0)
    linear(f"{at}.attention_weights", 128, tiny.width)
    linear(f"{at}.value_proj", tiny.width, tiny.width)
    linear(f"{at}.output_proj", tiny.width, tiny.width)


def _pixel_decoder(tiny, made, normal, linear, norm):
    root = "seg_model.model.sem_seg_head.pixel_decoder."
    for i, (stage, kernel) in enumerate([(1, 1), (2, 1), (3, 1), (3, 3)]):
        linear(f"{root}input_proj.{i}.0", tiny.width, tiny.embed * 2**stage, kernel, kernel)
        norm(f"{root}input_proj.{i}.1", tiny.width)
    made[f"{root}transformer.level_embed"] = normal(4, tiny.width)
    for i in range(tiny.encoder_layers):
        at = f"{root}transformer.encoder.layers.{i}"
        _deformable(tiny, made, normal, linear, f"{at}.self_attn")
        norm(f"{at}.norm1", tiny.width)
        linear(f"{at}.linear1", tiny.mlp, tiny.width)
        linear(f"{at}.linear2", tiny.width, tiny.mlp)
        norm(f"{at}.norm2", tiny.width)
    linear(f"{root}mask_features", tiny.width, tiny.width, 1, 1)
    linear(f"{root}adapter_1", tiny.width, tiny.embed, 1, 1, bias=False)
    norm(f"{root}adapter_1.norm", tiny.width)
    linear(f"{root}layer_1", tiny.width, tiny.width, 3, 3, bias=False)
    norm(f"{root}layer_1.norm", tiny.width)


def _predictor(tiny, made, normal, linear, norm):
    root, width = "seg_model.model.sem_seg_head.predictor.", tiny.width
    made[f"{root}lang_mapper"] = normal(tiny.hidden, width)
    made[f"{root}class_embed"] = normal(width, tiny.hidden, scale=0.3)
    made[f"{root}logit_scale"] = torch.tensor(0.6)
    linear(f"{root}enc_output", width, width)
    norm(f"{root}enc_output_norm", width)
    for i in range(3):
        linear(f"{root}mask_embed.layers.{i}", width, width)
    norm(f"{root}decoder_norm", width)
    for i in range(tiny.decoder_layers):
        at = f"{root}decoder.layers.{i}"
        _deformable(tiny, made, normal, linear, f"{at}.cross_attn")
        norm(f"{at}.norm1", width)
        made[f"{at}.self_attn.in_proj_weight"] = normal(3 * width, width, scale=width**-0.5)
        made[f"{at}.self_attn.in_proj_bias"] = normal(3 * width, scale=0.1)
        linear(f"{at}.self_attn.out_proj", width, width)
        norm(f"{at}.norm2", width)
        linear(f"{at}.linear1", tiny.mlp, width)
        linear(f"{at}.linear2", width, tiny.mlp)
        norm(f"{at}.norm3", width)
    linear(f"{root}decoder.ref_point_head.layers.0", width, 2 * width)
    linear(f"{root}decoder.ref_point_head.layers.1", width, width)
    for i, outputs in enumerate((width, width, 4)):
        linear(f"{root}_bbox_embed.layers.{i}", outputs, width)
    for key in [key for key in made if key.startswith(f"{root}_bbox_embed.")]:
        for copy in range(tiny.decoder_layers):
            for shared in (f"bbox_embed.{copy}.", f"decoder.bbox_embed.{copy}."):
                made[key.replace("_bbox_embed.", shared)] = made[key]
    for leaf in ("weight", "bias"):
        made[f"{root}decoder.norm.{leaf}"] = made[f"{root}decoder_norm.{leaf}"]


def settings(tiny: Tiny) -> dict:
    """Return config.json as transformers 4.31 wrote it, without the unused keys."""
    return {
        "architectures": ["LlavaLlamaForCausalLM_joint_2st_it_only_ref_instr"],
        "model_type": "llava",
        "vocab_size": tiny.vocabulary,
        "hidden_size": tiny.hidden,
        "intermediate_size": 2 * tiny.hidden,
        "num_hidden_layers": tiny.layers,
        "num_attention_heads": tiny.heads,
        "num_key_value_heads": tiny.heads,
        "max_position_embeddings": 512,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "rope_scaling": None,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "torch_dtype": "float16",
        "mm_vision_tower": "openai/clip-vit-large-patch14",
        "mm_hidden_size": tiny.clip,
        "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "patch",
        "mm_use_im_start_end": False,
        "mm_use_im_patch_token": False,
    }


def clip_settings(tiny: Tiny) -> dict:
    """Return CLIP's config.json."""
    return {
        "model_type": "clip_vision_model",
        "hidden_size": tiny.clip,
        "intermediate_size": 2 * tiny.clip,
        "num_hidden_layers": tiny.clip_layers,
        "num_attention_heads": tiny.clip_heads,
        "image_size": tiny.clip_side,
        "patch_size": tiny.patch,
        "hidden_act": "quick_gelu",
    }


def write(folder: Path, tiny: Tiny, made: dict[str, torch.Tensor] | None = None) -> Path:
    """Write a folder as published: three shards, an index, slow tokenizer files, and CLIP's."""
    made = weights(tiny) if made is None else made
    folder.mkdir(parents=True, exist_ok=True)
    keys, index = list(made), {}
    share = -(-len(keys) // 3)
    for i in range(3):
        name = f"pytorch_model-{i + 1:05d}-of-00003.bin"
        part = {key: made[key].clone() for key in keys[i * share : (i + 1) * share]}
        torch.save(part, folder / name)
        index |= dict.fromkeys(part, name)
    files = {
        "pytorch_model.bin.index.json": {"metadata": {}, "weight_map": index},
        "config.json": settings(tiny),
        "added_tokens.json": TAGS,
        "tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer", "legacy": True},
        "clip/config.json": clip_settings(tiny),
    }
    (folder / "clip").mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    shutil.copy(TOKENIZER, folder / "tokenizer.model")
    return folder


def picture(width: int, height: int, seed: int = 0):
    """Return an RGB image of coloured tiles."""
    from PIL import Image

    tiles = np.random.default_rng(seed).integers(0, 256, (height // 16 + 1, width // 16 + 1, 3))
    large = tiles.astype(np.uint8).repeat(16, 0).repeat(16, 1)[:height, :width]
    return Image.fromarray(large)
