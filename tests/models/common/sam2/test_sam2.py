"""SAM 2 in its authors' layout: loaded strictly, and equal to plain torch on language tokens."""

import json
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import Sam2Model

from pixfoundation.errors import CheckpointError, DataError
from pixfoundation.models.common.loading import empty_weights
from pixfoundation.models.common.sam2.key_map import is_video_only, sam2_names
from pixfoundation.models.common.sam2.loading import find_sam2, load_sam2
from pixfoundation.models.common.sam2.masks import (
    NO_OBJECT,
    best_masks,
    decode_tokens,
    encode_image,
    to_image_size,
)
from pixfoundation.models.common.sam2.sizes import PUBLISHED
from tests.models.common.sam2.plain_sam2 import PlainSam2
from tests.models.common.sam2.tiny_sam2 import TinySam2, shapes, tensors

LARGE = TinySam2(
    width=144, blocks=(2, 6, 36, 4), heads=(2, 4, 8, 16), windows=(8, 4, 16, 8),
    global_blocks=(23, 33, 43), background=7, side=1024, channels=256, decoder_heads=8,
)  # fmt: skip
TINY = TinySam2()


@pytest.fixture(scope="module")
def weights():
    return tensors(TINY)


@pytest.fixture(scope="module")
def file(tmp_path_factory, weights):
    path = tmp_path_factory.mktemp("sam2") / "sam2.pt"
    torch.save({"model": weights}, path)
    return path


@pytest.fixture(scope="module")
def sam(file):
    return load_sam2(file, sizes=TINY.given)[0]


@pytest.fixture(scope="module")
def pixels():
    return torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("sizes", [LARGE, TinySam2(is_2_1=True, layer_scale="gamma")])
def test_every_tensor_has_its_place_and_every_place_is_filled(sizes):
    given = None if sizes is LARGE else sizes.given  # the published sizes are known
    layout = find_sam2(shapes(sizes), "a test", given)
    with empty_weights():
        model = Sam2Model(layout.config)
    places = {n: tuple(v.shape) for n, v in model.state_dict(keep_vars=True).items()}
    rows = {f"prompt_encoder.point_embed.weight[{i}]": (1, sizes.channels) for i in range(4)}
    places |= rows
    del places["prompt_encoder.point_embed.weight"]
    filled = {}
    for key, shape in shapes(sizes).items():
        names = sam2_names(key)
        assert is_video_only(key) == (not names)
        filled |= dict.fromkeys(names, shape)
    assert filled == places


@pytest.mark.parametrize("count", [1, 2])
def test_low_resolution_masks_equal_plain_torch(sam, weights, pixels, count):
    plain = PlainSam2(weights, TINY)
    tokens = torch.randn(12, count, TINY.channels, generator=torch.Generator().manual_seed(2))
    decoded = decode_tokens(sam, encode_image(sam, pixels), tokens)
    features = plain.encode(pixels)
    for place, own in enumerate(tokens):
        masks, scores, present = plain.decode(features, own)
        assert torch.allclose(decoded.logits[place], masks, atol=1e-4)
        assert torch.allclose(decoded.scores[place], scores, atol=1e-5)
        assert torch.allclose(decoded.object_scores[place], present, atol=1e-4)
        best = plain.best(features, own, suppress=True)
        assert torch.allclose(best_masks(decoded, suppress=True)[place], best, atol=1e-4)
    assert (decoded.logits > 0).any()
    assert (decoded.logits < 0).any()
    assert len(set(decoded.scores.argmax(-1).tolist())) > 1, "the choice of the mask is tested"


def test_the_object_score_suppresses_only_where_it_is_asked_to(sam, pixels):
    tokens = torch.randn(8, 1, TINY.channels, generator=torch.Generator().manual_seed(3))
    decoded = decode_tokens(sam, encode_image(sam, pixels), tokens)
    absent = torch.linspace(-1, 1, 8)
    decoded = decoded._replace(object_scores=absent)
    suppressed, kept = best_masks(decoded, suppress=True), best_masks(decoded)
    assert (suppressed[absent <= 0] == NO_OBJECT).all()
    assert torch.equal(suppressed[absent > 0], kept[absent > 0])
    assert (kept > NO_OBJECT).all()


def test_no_token_gives_no_mask(sam, pixels):
    decoded = decode_tokens(sam, encode_image(sam, pixels), torch.zeros(0, 1, TINY.channels))
    assert decoded.logits.shape == (0, 3, 16, 16)
    assert to_image_size(best_masks(decoded), (64, 64), (30, 50)).shape == (0, 30, 50)


def test_two_steps_of_resizing_are_not_one():
    logits = torch.randn(1, 16, 16, generator=torch.Generator().manual_seed(0))
    once, twice = to_image_size(logits, (40, 30)), to_image_size(logits, (64, 64), (40, 30))
    large = torch.nn.functional.interpolate(logits[None], (64, 64), mode="bilinear")
    expected = torch.nn.functional.interpolate(large, (40, 30), mode="bilinear")[0]
    assert torch.equal(twice, expected)
    assert not torch.allclose(once, twice, atol=1e-3)


@pytest.mark.parametrize("form", ["names", "original names", "transformers", "file", "first head"])
def test_sizes_that_no_tensor_tells_can_be_given_in_several_forms(file, tmp_path, form):
    given = dict(TINY.given)
    if form == "original names":
        given["num_heads"] = given.pop("heads")[0]
        given["window_spec"] = given.pop("windows")
        given["global_att_blocks"] = given.pop("global_blocks")
        given |= {"embed_dim": 8, "stages": [1, 2, 3, 1]}
    if form == "transformers":
        given["num_attention_heads_per_stage"] = given.pop("heads")
        given["window_size_per_stage"] = given.pop("windows")
        given["global_attention_blocks"] = given.pop("global_blocks")
    if form == "first head":
        given["heads"] = 1
    if form == "file":
        (tmp_path / "sizes.json").write_text(json.dumps(given))
        given = str(tmp_path / "sizes.json")
    model, sizes = load_sam2(file, sizes=given)
    assert sizes.heads == TINY.heads
    assert sizes.image_size == TINY.side
    vision: Any = model.config.vision_config
    assert vision.backbone_config.global_attention_blocks == [4, 5]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, r"another size than the published ones: width 8 and 1/2/3/1 blocks.*sam2_sizes"),
        ({"heads": 1}, r"No tensor tells its windows, global_blocks"),
        (TINY.given | {"windows": [8, 4, 4, 2]}, r"first window of 4, but 8 is given"),
        (TINY.given | {"heads": [3, 2, 4, 8]}, r"heads do not divide"),
        (TINY.given | {"global_blocks": [9]}, r"7 blocks, but global blocks \[9\]"),
        (TINY.given | {"image_size": 72}, r"do not divide an image of 72 pixels"),
        (TINY.given | {"stages": [1, 1, 1, 1]}, r"stages \[1, 1, 1, 1\], but the tensors"),
    ],
)
def test_a_sam2_of_another_size_is_refused_with_what_to_give(file, given, message):
    with pytest.raises(CheckpointError, match=message):
        load_sam2(file, sizes=given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"depth": 3}, r"no entry 'depth'. It takes: background"),
        ({"heads": "many"}, r"heads in sam2_sizes must be a whole number"),
        ("missing.json", r"missing.json, which cannot be read"),
    ],
)
def test_sizes_that_cannot_be_read_are_refused(file, given, message):
    with pytest.raises(DataError, match=message):
        load_sam2(file, sizes=given)


def test_missing_and_left_over_tensors_are_both_listed(tmp_path, weights):
    changed = {k: v for k, v in weights.items() if "not_a_point" not in k}
    changed["sam_mask_decoder.extra.weight"] = torch.zeros(1)
    changed.pop("sam_prompt_encoder.point_embeddings.2.weight")
    save_file(changed, tmp_path / "sam2.safetensors")
    with pytest.raises(CheckpointError) as caught:
        load_sam2(tmp_path / "sam2.safetensors", sizes=TINY.given)
    for part in (
        "1 keys of it have no place in the model: sam_mask_decoder.extra.weight",
        "2 parameters of the model are not in it",
        "prompt_encoder.not_a_point_embed.weight",
        "prompt_encoder.point_embed.weight[2]",
    ):
        assert part in str(caught.value)


def test_another_model_is_no_sam2(tmp_path):
    save_file({"conv1.weight": torch.zeros(2, 2)}, tmp_path / "resnet.safetensors")
    with pytest.raises(CheckpointError, match="holds no SAM 2 in the layout of its authors"):
        load_sam2(tmp_path / "resnet.safetensors")


def test_the_published_sizes_are_four():
    assert [name for name, _ in PUBLISHED.values()] == ["tiny", "small", "base-plus", "large"]
