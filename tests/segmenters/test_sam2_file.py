"""A SAM 2 in its authors' file segments like the same weights in plain torch and transformers."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tests.models.common.sam2.plain_sam2 import PlainSam2
from tests.models.common.sam2.tiny_sam2 import TinySam2, tensors

import pixfoundation as pf
from pixfoundation.errors import CheckpointError
from pixfoundation.segmenters import find_entry

TINY = TinySam2(is_2_1=True, layer_scale="gamma")


@pytest.fixture(scope="module", params=["sam2.pt", "sam2.safetensors"])
def file(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("sam2") / request.param
    if path.suffix == ".pt":
        torch.save({"model": tensors(TINY)}, path)
    else:
        save_file(tensors(TINY), path)
    return path


@pytest.fixture(scope="module")
def image():
    pixels = np.random.default_rng(0).integers(0, 255, (48, 90, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_points_become_masks(file, image):
    segmenter: Any = pf.load_segmenter(str(file), sam2_sizes=TINY.given)
    output = segmenter.segment(image, points=[(5.0, 6.0), (80.0, 40.0)])
    assert output.masks.shape == (2, 3, 48, 90)
    assert 0 < output.masks.mean() < 1
    assert segmenter.fingerprint()["weights"].startswith("sha256:")
    # One click in plain torch: the Fourier features of the point, its type, and the padding.
    weights = tensors(TINY)
    plain = PlainSam2(weights, TINY)
    values = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    square = torch.nn.functional.interpolate(values, (64, 64), mode="bilinear", antialias=True)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    features = plain.encode((square - mean[:, None, None]) / std[:, None, None])
    at = (torch.tensor([80.0 * 64 / 90, 40.0 * 64 / 48]) + 0.5) / 64
    matrix = weights["sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"]
    angles = 2 * torch.pi * ((2 * at - 1) @ matrix)
    point = torch.cat([angles.sin(), angles.cos()])
    point = point + weights["sam_prompt_encoder.point_embeddings.1.weight"][0]
    logits, scores, _ = plain.decode(features, point[None], paddings=1)
    large = torch.nn.functional.interpolate(logits[None], (48, 90), mode="bilinear")[0]
    assert np.abs(output.scores[1] - scores.numpy()).max() < 1e-4
    assert (output.masks[1] != (large > 0).numpy()).mean() < 0.005


def test_sizes_are_read_from_the_json_file_of_the_same_name(file, image):
    sizes = file.with_suffix(".json")
    sizes.write_text(json.dumps(TINY.given))
    segmenter: Any = pf.load_segmenter(str(file))
    assert segmenter.segment(image, points=[(5.0, 6.0)]).masks.any()
    sizes.unlink()
    with pytest.raises(CheckpointError, match="another size than the published ones"):
        pf.load_segmenter(str(file))


def test_a_pickle_with_code_is_not_opened(tmp_path):
    class Runs:
        def __reduce__(self):
            return (print, ("code",))

    torch.save({"model": Runs()}, tmp_path / "sam2.pt")
    with pytest.raises(CheckpointError, match="is not opened, because reading them would run code"):
        pf.load_segmenter(str(tmp_path / "sam2.pt"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"There is no file .*sam2_hiera.pt"):
        pf.load_segmenter(str(tmp_path / "sam2_hiera.pt"))
    assert find_entry("sam2_hiera.pt").name == "sam2_hiera.pt"
