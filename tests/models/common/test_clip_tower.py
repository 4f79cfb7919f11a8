"""CLIP's vision tower is filled from a whole CLIP and from the tower alone."""

import pytest
import torch
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModel

from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.checkpoints import Checkpoint
from pixfoundation.models.common.clip_tower import load_clip_tower
from pixfoundation.models.common.loading import empty_weights

CONFIG = CLIPVisionConfig(
    hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1, image_size=8,
    patch_size=4,
)  # fmt: skip


@pytest.fixture
def weights():
    torch.manual_seed(0)
    return {name: value.clone() for name, value in CLIPVisionModel(CONFIG).state_dict().items()}


@pytest.mark.parametrize("whole", [True, False])
def test_every_tensor_arrives(weights, whole, tmp_path):
    stored = (
        {f"vision_model.{name}": value for name, value in weights.items()} if whole else weights
    )
    if whole:
        stored |= {"logit_scale": torch.ones(()), "text_model.final": torch.ones(2)}
    save_file(stored, tmp_path / "model.safetensors")
    with empty_weights():
        tower = CLIPVisionModel(CONFIG)
    load_clip_tower(tower, Checkpoint.open(tmp_path), torch.float32, lambda name: "cpu")
    state = tower.state_dict()
    assert all(torch.equal(state[name], value) for name, value in weights.items())


def test_a_missing_tensor_is_an_error(weights, tmp_path):
    weights.pop(next(name for name in weights if name.endswith("fc1.weight")))
    save_file(weights, tmp_path / "model.safetensors")
    with empty_weights():
        tower = CLIPVisionModel(CONFIG)
    with pytest.raises(CheckpointError, match=r"fc1\.weight"):
        load_clip_tower(tower, Checkpoint.open(tmp_path), torch.float32, lambda name: "cpu")
