"""Each encoder agrees with plain arithmetic, and says in one sentence what is wrong with it."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from pixfoundation.errors import CheckpointError, PrerequisiteError
from pixfoundation.models.cambrian.sizes import read_tower_name
from pixfoundation.models.cambrian.tower_files import find_tower, kind_of, tower_bytes
from pixfoundation.models.cambrian.towers import load_tower, resample_positions
from tests.models.cambrian import plain
from tests.models.cambrian import tiny_checkpoint as tiny
from tests.models.cambrian.conftest import picture

PICTURE = picture(90, 60)


def test_siglip_with_exact_gelu_padded_with_the_colour_of_clip(model, made):
    image = plain.pixels(PICTURE, 54, plain.CLIP[0], *plain.HALF)
    features = plain.siglip(made.siglip, image, tiny.SIGLIP["num_heads"])
    expected = plain.bilinear(features.view(27, 27, -1), 24).flatten(0, 1)
    torch.testing.assert_close(model.encode(PICTURE)[0][0], expected, atol=1e-5, rtol=0)


def test_convnext_of_all_stages_with_its_own_epsilon(model, made):
    image = plain.pixels(PICTURE, 64, plain.CLIP[0], *plain.CLIP)
    expected = plain.convnext(made.convnext, image, 96, 1e-5)
    torch.testing.assert_close(model.encode(PICTURE)[3][0], expected, atol=2e-5, rtol=0)
    wrong = plain.convnext(made.convnext, image, 96, 1e-2)
    assert (expected - wrong).abs().max() > 1e-3  # the epsilon is seen


def test_clip_of_the_last_layer_but_one_without_its_class_token(model, made):
    from transformers import CLIPVisionModel

    image = plain.pixels(PICTURE, 48, plain.CLIP[0], *plain.CLIP)[None]
    clip = CLIPVisionModel.from_pretrained(made.clip)
    clip.encoder.layers = clip.encoder.layers[:-1]
    expected = clip(image).last_hidden_state[0, 1:]
    torch.testing.assert_close(model.encode(PICTURE)[1][0], expected, atol=1e-5, rtol=0)


def test_dinov2_with_positions_resampled_as_in_2024(model, made):
    from transformers import Dinov2Model

    image = plain.pixels(PICTURE, 54, plain.IMAGENET[0], *plain.IMAGENET)[None]
    dino = Dinov2Model.from_pretrained(made.dinov2)
    old = dino.embeddings.position_embeddings.detach()
    moved = plain.bicubic_as_in_2024(old[0, 1:].view(37, 37, -1), 27).flatten(0, 1)
    dino.embeddings.position_embeddings.data = torch.cat([old[:, :1], moved[None]], 1)
    features = dino(image).last_hidden_state[0, 1:]
    expected = plain.bilinear(features.view(27, 27, -1), 24).flatten(0, 1)
    torch.testing.assert_close(model.encode(PICTURE)[2][0], expected, atol=2e-5, rtol=0)


def test_positions_follow_the_old_rule_and_not_the_new_one():
    old = torch.randn(1, 1 + 37 * 37, 4, generator=torch.Generator().manual_seed(0))
    moved = resample_positions(old, 27)
    expected = plain.bicubic_as_in_2024(old[0, 1:].view(37, 37, 4), 27).flatten(0, 1)
    torch.testing.assert_close(moved[0, 1:], expected, atol=1e-5, rtol=0)
    assert torch.equal(moved[:, 0], old[:, 0])
    grid = old[:, 1:].view(1, 37, 37, 4).permute(0, 3, 1, 2)
    new = torch.nn.functional.interpolate(grid, size=(27, 27), mode="bicubic")
    assert (new.flatten(2).transpose(1, 2) - moved[:, 1:]).abs().mean() > 0.05


@pytest.mark.parametrize(
    ("name", "width", "kind", "hub", "resolution"),
    [
        ("facebook/dinov2-giant-res378", 1536, "dinov2", "facebook/dinov2-giant", 378),
        ("facebook/dinov2-giant-res378", 1024, "dinov2", "facebook/dinov2-large", 378),
        ("openai/clip-vit-large-patch14-336", 1024, "clip", "openai/clip-vit-large-patch14-336",
         None),
        ("siglip/CLIP-ViT-SO400M-14-384", 1152, "siglip", "timm/ViT-SO400M-14-SigLIP-384", None),
        ("clip-convnext-XXL-multi-stage", 5760, "convnext",
         "laion/CLIP-convnext_xxlarge-laion2B-s34B-b82K-augreg-soup", 1024),
    ],
)  # fmt: skip
def test_names_and_widths_tell_which_encoder(name, width, kind, hub, resolution):
    spec = read_tower_name(0, name, width=width, side=24)
    assert (spec.kind, spec.hub, spec.resolution) == (kind, hub, resolution)


def test_an_unknown_encoder_is_named():
    with pytest.raises(CheckpointError, match="Unknown vision tower 'sam-vit-h'"):
        read_tower_name(0, "sam-vit-h", width=8, side=24)


def test_folders_are_known_by_what_they_hold(made):
    assert kind_of(made.towers / "siglip") == "siglip"
    assert kind_of(made.towers / "convnext") == "convnext"
    assert kind_of(made.clip) == "clip"
    assert kind_of(made.dinov2) == "dinov2"
    assert kind_of(made.towers) is None
    assert kind_of(made.folder) is None


def test_memory_of_an_encoder_is_known_before_it_is_loaded(model, made):
    for tower in model.towers:
        loaded = sum(p.numel() for p in tower.parameters()) * 4
        said = tower_bytes(tower.spec, tower.folder, torch.float32)
        assert abs(said - loaded) < 0.6 * loaded  # heads, and DINOv2's larger position table


@pytest.fixture
def towers(made, tmp_path):
    """A copy of the towers, to be damaged."""
    return shutil.copytree(made.towers, tmp_path / "towers")


def spec_of(model, kind):
    return next(tower.spec for tower in model.towers if tower.spec.kind == kind)


def test_a_missing_tower_is_named_with_the_way_to_get_it(model, towers):
    shutil.rmtree(towers / "facebook")
    with pytest.raises(CheckpointError, match=r"no folder with.*dinov2-giant.*hf download"):
        find_tower(spec_of(model, "dinov2"), towers)
    with pytest.raises(PrerequisiteError, match="no folder .*elsewhere"):
        find_tower(spec_of(model, "dinov2"), towers / "elsewhere")


def test_two_towers_of_one_kind_are_not_chosen_between(model, towers):
    shutil.copytree(towers / "siglip", towers / "another")
    with pytest.raises(CheckpointError, match=r"several siglip towers \(another, siglip\)"):
        find_tower(spec_of(model, "siglip"), towers)


def test_a_tower_of_another_width_is_refused(made, towers, tmp_path):
    spec = read_tower_name(0, "siglip/x", width=99, side=24)
    with pytest.raises(CheckpointError, match=r"gives 24 channels.*mm_projector_aux_0 takes 99"):
        load_tower(spec, towers / "siglip", dtype=torch.float32)


def test_a_truncated_tower_is_named(model, towers):
    file = towers / "convnext" / "open_clip_model.safetensors"
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(CheckpointError, match=r"open_clip_model.safetensors.*truncated"):
        find_tower(spec_of(model, "convnext"), towers)


def test_a_trunk_that_does_not_tell_its_heads_is_refused(model, towers):
    (towers / "siglip" / "trunk.json").write_text("{}")
    with pytest.raises(CheckpointError, match="number of attention heads"):
        load_tower(spec_of(model, "siglip"), towers / "siglip", dtype=torch.float32)


def test_a_trunk_with_a_tensor_too_few_or_too_many_is_refused(model, made, towers):
    missing = {k: v for k, v in made.siglip.items() if k != "blocks.1.mlp.fc2.bias"}
    tiny.save_trunk(towers / "siglip", missing, tiny.SIGLIP)
    with pytest.raises(CheckpointError, match=r"layers\.1\.mlp\.fc2\.bias"):
        load_tower(spec_of(model, "siglip"), towers / "siglip", dtype=torch.float32)
    unknown = made.siglip | {"blocks.0.ls1.gamma": torch.zeros(24)}
    tiny.save_trunk(towers / "siglip", unknown, tiny.SIGLIP)
    with pytest.raises(CheckpointError, match=r"ls1\.gamma"):
        load_tower(spec_of(model, "siglip"), towers / "siglip", dtype=torch.float32)


def test_open_clip_and_timm_folders_say_the_same_thing(model, made, towers):
    """Fused weights under `visual.trunk.`, in a PyTorch file, or under timm's own names."""
    spec = spec_of(model, "siglip")
    pixels = torch.randn(1, 3, 54, 54, generator=torch.Generator().manual_seed(0))
    expected = model.towers[0](pixels)
    folder = towers / "siglip"
    stored = load_file(folder / "open_clip_model.safetensors")
    (folder / "open_clip_model.safetensors").unlink()
    torch.save(stored, folder / "open_clip_pytorch_model.bin")
    (folder / "trunk.json").rename(folder / "kept.txt")
    hub = {"model_cfg": {"vision_cfg": {"timm_model_name": "x", "num_heads": 3},
                         "text_cfg": {"num_heads": 12}},
           "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}  # fmt: skip
    (folder / "open_clip_config.json").write_text(json.dumps(hub))
    as_bin = load_tower(spec, folder, dtype=torch.float32)
    assert torch.equal(as_bin(pixels), expected)
    (folder / "open_clip_pytorch_model.bin").unlink()
    torch.save(made.siglip, folder / "pytorch_model.bin")
    plain_names = load_tower(spec, folder, dtype=torch.float32)
    assert torch.equal(plain_names(pixels), expected)
