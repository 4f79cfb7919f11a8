"""LISA on tiny checkpoints in the published layout, against `plain`."""

import json
from dataclasses import replace

import pytest
import torch
from PIL import Image

from pixfoundation import api
from pixfoundation.conventions import PUBLISHED
from pixfoundation.errors import CheckpointError, DataError
from pixfoundation.models import models
from pixfoundation.models.base import Decoding
from pixfoundation.models.common.llama_tokens import LlamaTokens
from pixfoundation.models.common.llava_sam.adapter import LlavaSamModel
from pixfoundation.models.common.llava_sam.checkpoint import UNDIVIDED
from pixfoundation.models.common.llava_sam.pixels import ImagePixels
from pixfoundation.models.common.placement import Placement
from pixfoundation.models.glamm import checkpoint as glamm
from pixfoundation.models.lisa import checkpoint as lisa
from pixfoundation.models.lisa.prompt import DIALOGUE
from pixfoundation.types import Prompt
from tests.models.common.llava_sam import tiny_checkpoint as tiny
from tests.models.common.llava_sam.plain import assert_same, random_pixels
from tests.models.common.llava_sam.plain import generate as reference

SEG = 600
PROMPT = [1, 20, 601, -200, 602, 45, 300, 77]
SIZES = {  # (height, width) inside SAM's 64 pixels, and of the image
    "portrait, larger": ((64, 40), (160, 100)),
    "landscape, smaller": ((36, 64), (18, 32)),
    "square, equal": ((64, 64), (64, 64)),
}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return tiny.write_fond_of(SEG, tmp_path_factory.mktemp("lisa"), tiny.LISA, seed=1)


@pytest.fixture(scope="module")
def core(original):
    return lisa.load(
        original.folder, lisa.LisaOptions(vision_tower=original.tower, dtype=torch.float32)
    )


@pytest.fixture(scope="module")
def pixels():
    return random_pixels(28)


@pytest.fixture(scope="module")
def answer(original, pixels):
    """The reference's ids of a long answer."""
    ids, _ = reference(original, PROMPT, *pixels, (64, 64), (64, 64), 70, SEG)
    return ids


def length_until(answer, count):
    """Return the length of the longest start of the answer with `count` [SEG]."""
    places = [index for index, token in enumerate(answer) if token == SEG]
    assert len(places) > count, "the tiny model must emit [SEG] often enough"
    return places[count]


@pytest.mark.parametrize("count", [1, 2, 11])
@pytest.mark.parametrize("size", SIZES)
def test_ids_and_masks_equal_the_original_way(original, core, pixels, answer, count, size):
    resized, whole = SIZES[size]
    tokens = length_until(answer, count)
    output = core.generate(torch.tensor(PROMPT), ImagePixels(*pixels, resized, whole), tokens)
    assert output.masks.shape == (count, *whole)
    assert_same(output, reference(original, PROMPT, *pixels, resized, whole, tokens, SEG))


def test_no_seg_gives_no_mask(core, pixels, answer):
    never = next(token for token in range(3, 600) if token not in answer)
    output = core.generate(
        torch.tensor(PROMPT), ImagePixels(*pixels, (64, 64), (30, 20)), 12, never
    )
    assert output.ids.tolist() == answer[:12]
    assert output.masks.shape == (0, 30, 20)


def test_seg_as_the_first_token_takes_the_state_of_the_prompt(original, core, pixels, answer):
    output = core.generate(
        torch.tensor(PROMPT), ImagePixels(*pixels, (64, 40), (32, 20)), 1, answer[0]
    )
    assert len(output.masks) == 1
    assert_same(output, reference(original, PROMPT, *pixels, (64, 40), (32, 20), 1, answer[0]))


def test_a_batch_dimension_and_a_known_seg_id_change_nothing(core, pixels, answer):
    flat = core.generate(torch.tensor(PROMPT), ImagePixels(*pixels, (64, 64), (9, 9)), 12)
    batched = core.generate(torch.tensor([PROMPT]), ImagePixels(*pixels, (64, 64), (9, 9)), 12, SEG)
    assert flat.ids.tolist() == batched.ids.tolist()
    assert torch.equal(flat.masks, batched.masks)


def test_a_seg_in_the_prompt_counts_only_when_asked(original, core, pixels):
    prompt = [*PROMPT, SEG, 50]
    sizes = (64, 64), (20, 20)
    without = core.generate(torch.tensor(prompt), ImagePixels(*pixels, *sizes), 8)
    output = core.generate(torch.tensor(prompt), ImagePixels(*pixels, *sizes), 8, prompt_masks=True)
    assert len(output.masks) == len(without.masks) + 1
    torch.testing.assert_close(output.masks[1:], without.masks, rtol=1e-4, atol=1e-5)
    assert_same(output, reference(original, prompt, *pixels, *sizes, 8, SEG, prompt_masks=True))


def test_decoding_stops_at_the_end_token(original, core, pixels, answer):
    core.stop_ids = frozenset({answer[4]})
    try:
        output = core.generate(torch.tensor(PROMPT), ImagePixels(*pixels, (64, 64), (9, 9)), 40)
    finally:
        core.stop_ids = frozenset({2})
    assert output.ids.tolist() == answer[: answer.index(answer[4]) + 1]


def test_a_sam_of_another_depth_and_size_loads(tmp_path):
    sizes = replace(
        tiny.LISA, sam_side=48, sam_depth=3, sam_window=4, sam_global=(0, 2), sam_heads=4
    )
    made = tiny.write(tmp_path, sizes, seed=3)
    core = lisa.load(made.folder, lisa.LisaOptions(vision_tower=made.tower, dtype=torch.float32))
    pixels = random_pixels(28, 48, seed=0)
    seg = int(core.generate(torch.tensor(PROMPT), ImagePixels(*pixels, (48, 30), (9, 9)), 1).ids[0])
    output = core.generate(torch.tensor(PROMPT), ImagePixels(*pixels, (48, 30), (24, 15)), 4, seg)
    assert_same(output, reference(made, PROMPT, *pixels, (48, 30), (24, 15), 4, seg))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_runs_with_exact_rotary_tables(original, core, pixels, dtype):
    half = lisa.load(original.folder, lisa.LisaOptions(vision_tower=original.tower, dtype=dtype))
    assert half.embedding.dtype == dtype
    rotary = half.llm.model.rotary_emb.inv_freq
    assert rotary.dtype == torch.float32
    assert torch.equal(rotary, core.llm.model.rotary_emb.inv_freq)
    neck = half.sam.vision_encoder.neck.conv1.weight
    assert neck.dtype == (torch.float32 if dtype == torch.float16 else dtype)
    exact = core.generate(torch.tensor(PROMPT), ImagePixels(*pixels, (64, 64), (64, 64)), 1)
    seg = int(exact.ids[0])
    expected = core.generate(torch.tensor(PROMPT), ImagePixels(*pixels, (64, 64), (64, 64)), 1, seg)
    output = half.generate(torch.tensor(PROMPT), ImagePixels(*pixels, (64, 64), (64, 64)), 1, seg)
    assert output.ids.tolist() == expected.ids.tolist()
    agreement = ((output.masks > 0) == (expected.masks > 0)).float().mean()
    assert agreement > 0.95


def test_parts_on_two_devices_are_connected(original, core, pixels, monkeypatch):
    """Two spellings of the CPU stand in for two GPUs, so weights are where they should be."""
    monkeypatch.setattr("accelerate.utils.modeling.check_device_same", lambda *devices: True)
    model = lisa.load(
        original.folder, lisa.LisaOptions(vision_tower=original.tower, dtype=torch.float32)
    )
    size = sum(p.numel() * 4 for p in model.parameters())
    plan = Placement.plan(
        model, lambda name: torch.float32, "auto", whole=UNDIVIDED, budget={0: size // 3, 1: size}
    )
    stand_ins = {torch.device("cuda", 0): "cpu", torch.device("cuda", 1): "cpu:0"}
    devices = {gpu: torch.device(name) for gpu, name in stand_ins.items()}
    Placement(
        {devices[gpu]: weights for gpu, weights in plan.weights.items()},
        plan.working,
        {part: devices[gpu] for part, gpu in plan.parts.items()},
    ).finish(model)
    assert {str(device) for device in plan.parts.values()} == {"cuda:0", "cuda:1"}
    expected = core.generate(torch.tensor(PROMPT), ImagePixels(*pixels, (64, 40), (32, 20)), 20)
    output = model.generate(torch.tensor(PROMPT), ImagePixels(*pixels, (64, 40), (32, 20)), 20)
    assert output.ids.tolist() == expected.ids.tolist()
    assert len(output.masks)
    assert torch.equal(output.masks, expected.masks)


# ---- loading: errors name what is wrong -------------------------------------------------------


@pytest.fixture
def broken(tmp_path):
    """A separate checkpoint per test, to be damaged."""
    return tiny.write(tmp_path, tiny.LISA)


def load(made, **options):
    return lisa.load(
        made.folder, lisa.LisaOptions(vision_tower=made.tower, dtype=torch.float32, **options)
    )


def shards(made):
    return sorted(made.folder.glob("*.bin"))


def without(made, *prefixes):
    kept = {k: v for k, v in made.weights.items() if not k.startswith(prefixes)}
    tiny.write_shards(made.folder, kept, 3)


def renamed(made, old, new):
    changed = {k.replace(old, new): v for k, v in made.weights.items()}
    tiny.write_shards(made.folder, changed, 3)


def cut_short(made):
    shards(made)[1].write_bytes(shards(made)[1].read_bytes()[:-500])


def smaller_tokenizer(made, **changes):
    (made.folder / "added_tokens.json").write_text(json.dumps(changes))


def other_resolution(made, side):
    config = json.loads((made.tower / "config.json").read_text())
    config["vision_config"]["image_size"] = side
    (made.tower / "config.json").write_text(json.dumps(config))


DAMAGE = {
    "truncated shard": (cut_short, "truncated or damaged"),
    "missing shard": (lambda made: shards(made)[2].unlink(), "lacks pytorch_model-00003-of-00003"),
    "vocabulary": (
        lambda made: made.change_config(vocab_size=32000),
        "says vocab_size 32000, but the weights hold 603",
    ),
    "no seg": (
        lambda made: smaller_tokenizer(made, **{"<im_start>": 600}),
        r"has no token \[SEG\] \(it adds: <im_start>\)",
    ),
    "tokenizer too large": (
        lambda made: smaller_tokenizer(made, **{"[SEG]": 600, "<new>": 603}),
        "<new> the id 603, but the weights have 603",
    ),
    "legacy v0": (
        lambda made: without(made, "model.visual_model.", "model.text_hidden_fcs."),
        "legacy v0 layout",
    ),
    "GLaMM": (
        lambda made: renamed(made, "visual_model", "grounding_encoder"),
        "is a GLaMM checkpoint .* Load it as GLaMM",
    ),
    "unused key": (
        lambda made: renamed(made, "model.norm.weight", "model.strange.weight"),
        "no place in the model: model.strange.weight.*not in it: llm.model.norm.weight",
    ),
    "missing key": (
        lambda made: without(made, "model.layers.1.mlp.up_proj"),
        "not in it: llm.model.layers.1.mlp.up_proj.weight",
    ),
    "no config": (lambda made: (made.folder / "config.json").unlink(), "no .*config.json"),
    "incomplete config": (
        lambda made: (made.folder / "config.json").write_text('{"vocab_size": 603}'),
        "lacks hidden_size",
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_the_error_names_what_is_wrong_with_a_checkpoint(broken, case):
    damage, message = DAMAGE[case]
    damage(broken)
    with pytest.raises(CheckpointError, match=message):
        load(broken)


@pytest.mark.parametrize(
    ("named", "side", "trained"),
    [
        ("openai/clip-vit-large-patch14", 336, 224),
        ("openai/clip-vit-large-patch14-336", 224, 336),
    ],
)
def test_a_tower_of_the_wrong_resolution_is_refused(broken, named, side, trained):
    broken.change_config(mm_vision_tower=named)
    other_resolution(broken, side)
    with pytest.raises(CheckpointError, match=f"sees {side} pixels, but .* trained with {trained}"):
        load(broken)


def test_a_tower_is_compared_with_the_local_one_that_the_checkpoint_names(broken, tmp_path):
    other = tiny.write(tmp_path / "other", replace(tiny.LISA, clip_side=56))
    with pytest.raises(CheckpointError, match="sees 56 pixels, but .* trained with 28"):
        lisa.load(broken.folder, lisa.LisaOptions(vision_tower=other.tower))


def test_a_tower_of_another_width_is_refused(broken, tmp_path):
    other = tiny.write(tmp_path / "other", replace(tiny.LISA, clip_width=32))
    with pytest.raises(CheckpointError, match="is 32 wide, but the projector .* takes 16"):
        lisa.load(broken.folder, lisa.LisaOptions(vision_tower=other.tower))


def test_pixels_of_the_wrong_size_are_refused(core, pixels):
    clip, sam = pixels
    with pytest.raises(CheckpointError, match=r"pixels for CLIP are \[1, 3, 56, 56\]"):
        core.generate(
            torch.tensor(PROMPT), ImagePixels(torch.zeros(1, 3, 56, 56), sam, (9, 9), (9, 9)), 1
        )
    with pytest.raises(CheckpointError, match=r"pixels for SAM are \[1, 3, 32, 32\]"):
        core.generate(
            torch.tensor(PROMPT), ImagePixels(clip, torch.zeros(1, 3, 32, 32), (9, 9), (9, 9)), 1
        )


def test_lisa_takes_no_boxes(core, pixels):
    with pytest.raises(DataError, match="no region encoder"):
        core.generate(
            torch.tensor(PROMPT),
            ImagePixels(*pixels, (9, 9), (9, 9)),
            1,
            boxes=torch.tensor([[0, 0, 1, 1.0]]),
        )


def test_without_tokenizer_files_the_seg_id_must_be_given(broken, pixels):
    for name in ("added_tokens.json", "tokenizer_config.json", "tokenizer.model"):
        (broken.folder / name).unlink()
    core = load(broken)
    assert core.seg_token_id is None
    with pytest.raises(CheckpointError, match="Give seg_token_id"):
        core.generate(torch.tensor(PROMPT), ImagePixels(*pixels, (9, 9), (9, 9)), 1)
    assert (
        len(core.generate(torch.tensor(PROMPT), ImagePixels(*pixels, (9, 9), (9, 9)), 1, SEG).ids)
        == 1
    )


def test_glamm_refuses_a_lisa_checkpoint(broken):
    with pytest.raises(CheckpointError, match="is a LISA checkpoint"):
        glamm.load(broken.folder, glamm.GlammOptions(vision_tower=broken.tower))


# ---- the adapter ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def adapter(original, core):
    tokens = LlamaTokens.of_folder(original.folder)
    return LlavaSamModel("lisa-7b", core, tokens, DIALOGUE, original.folder)


@pytest.fixture(scope="module")
def photo():
    return Image.effect_noise((50, 31), 90).convert("RGB")


def test_published_names_are_listed():
    names = {entry.name: entry for entry in models}
    for name in ("lisa-7b", "lisa-7b-explanatory", "lisa-13b", "lisa-13b-explanatory"):
        assert names[name].details["gives"] == "masks"


def test_an_answer_carries_its_masks_in_the_image_s_size(adapter, photo):
    prompt = Prompt("1", 3, "Can you segment the cup in this image?", "the cup")
    (answer,) = adapter.answer([photo], [prompt], Decoding(max_new_tokens=30))
    assert answer.masks is not None
    assert len(answer.masks) == answer.token_ids.count(SEG) > 0
    assert {own.mask.size for own in answer.masks} == {(31, 50)}
    assert "[SEG]" not in answer.text
    assert len(answer.spans) == len(answer.token_ids)


def test_no_mask_is_an_empty_tuple(adapter, photo, monkeypatch):
    monkeypatch.setattr(adapter, "_seg", 599)
    (answer,) = adapter.answer([photo], [Prompt("1", 3, "?")], Decoding(max_new_tokens=5))
    assert answer.masks == ()


def test_an_image_is_encoded_once_for_all_its_questions(adapter, photo, monkeypatch):
    encoded = []
    encode = adapter.core.encode
    monkeypatch.setattr(adapter.core, "encode", lambda *a: encoded.append(1) or encode(*a))
    other = photo.copy()
    prompts = [Prompt(str(i), 3, f"question {i}") for i in range(3)]
    adapter.answer([other] * 3, prompts, Decoding(max_new_tokens=2))
    assert len(encoded) == 1


def test_published_prompt_and_answer_are_those_of_the_wrapper(adapter, photo):
    tokens = adapter.tokens
    escaped = DIALOGUE.prompt_ids(tokens, "a < b & c?", escape=True)
    assert escaped == DIALOGUE.prompt_ids(tokens, "a &lt; b &amp; c?")
    assert DIALOGUE.templates.identify == "Can you segment {expression} in this image?"
    prompts = [Prompt("1", 3, "Can you segment the cup in this image?")]
    (answer,) = adapter.answer(
        [photo], prompts, Decoding(max_new_tokens=30, conventions=PUBLISHED.model)
    )
    assert "[SEG]" in answer.text


def test_sampling_is_refused(adapter, photo):
    with pytest.raises(DataError, match="greedily"):
        adapter.answer([photo], [Prompt("1", 3, "?")], Decoding(temperature=0.2))


def test_loading_by_name_logs_licence_and_memory(original, caplog):
    caplog.set_level("INFO", logger="pixfoundation")
    model = api.load_model(
        "lisa-7b", checkpoint=str(original.folder), vision_tower=str(original.tower), device="cpu"
    )
    logged = caplog.text
    assert "LLaMA" in logged
    assert "GiB for weights" in logged
    assert model.fingerprint()["weights"].startswith("sha256:")
    assert model.templates is DIALOGUE.templates
