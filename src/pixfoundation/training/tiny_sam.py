"""Trains tiny-sam: transformers' own SamModel, from scratch, on points of drawn scenes.

The embedded weights are what `train` with its defaults gives (see `train` for the cost). The
architecture is SAM's (Kirillov et al. 2023, "Segment Anything") at a hundredth of its size; the
targets are SAM's ambiguity made explicit: the first mask is the thing under the point, the two
others are guesses at the part under it, of which only the better one learns (SAM takes the best
of all three for one target).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import SamConfig, SamModel, SamProcessor
from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

from pixfoundation.benchmarks.pixscenes.scenes import CANVAS
from pixfoundation.errors import CheckpointError
from pixfoundation.training.checkpoints import load_checkpoint, save_checkpoint
from pixfoundation.training.point_masks import BACKGROUND, PART, PointMasks, PointMaskSteps
from pixfoundation.training.sam_card import write_card

Progress = Callable[[int, int, Mapping[str, float]], None]
"""Called after a step with (steps done, steps, running means of the losses)."""

_MEAN = (123.675, 116.28, 103.53)  # of ImageNet on 0..255, as in SAM's image processor
_STD = (58.395, 57.12, 57.375)
_FREQUENCIES = (0.5, 4.0)  # of the Fourier features, lowest and highest, in waves a half image


@dataclass(frozen=True)
class Recipe:
    """Everything that the weights depend on.

    Attributes:
        steps: Optimiser steps; the learning rate falls to zero over them.
        seed: Of the initial weights, the points and the augmentation.
        images: Scenes a step.
        points: Points a scene.
        learning_rate: The highest; AdamW.
        warm_up: Steps until it is reached.
        weight_decay: Of matrices; vectors have none.
        width: Channels of the image encoder.
        decoder_width: Channels of its output and of the decoder; not more than `width`.
        layers: Layers of the image encoder; every third has global attention.
    """

    steps: int = 2800
    seed: int = 0
    images: int = 4
    points: int = 8
    learning_rate: float = 1e-3
    warm_up: int = 100
    weight_decay: float = 0.02
    width: int = 128
    decoder_width: int = 96
    layers: int = 6


def sam_config(recipe: Recipe) -> SamConfig:
    """Returns the configuration of a SAM for 160 px images with 20 x 20 tokens of 8 px.

    Without relative positions, whose biases take a slow path of attention on the CPU.
    """
    width, layers = recipe.decoder_width, recipe.layers
    size = {"image_size": CANVAS, "patch_size": 8}
    return SamConfig(
        vision_config={
            **size,
            "hidden_size": recipe.width,
            "output_channels": width,
            "num_hidden_layers": layers,
            "num_attention_heads": 4,
            "window_size": 10,
            "global_attn_indexes": list(range(2, layers, 3)),
            "num_pos_feats": width // 2,
            "use_rel_pos": False,
            "initializer_range": 0.02,
        },
        prompt_encoder_config={**size, "hidden_size": width},
        mask_decoder_config={
            "hidden_size": width,
            "mlp_dim": 2 * width,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "iou_head_hidden_dim": width,
            "iou_head_depth": 3,
        },
    )


def new_model(recipe: Recipe) -> SamModel:
    """Returns the model with its initial weights, which depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model: Any = SamModel(sam_config(recipe))  # its parts are typed loosely in the library
        # The library starts small models too near to zero to learn (0.02 for every width), so
        # everything starts as in the original SAM: by torch's own rules.
        for module in model.modules():
            if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d | nn.Embedding):
                module.reset_parameters()
        # Random Fourier features of many wavelengths: the library's default has only short ones,
        # which tell a point's exact place but not what is near it. Rounded to half precision,
        # in which they are stored, and never trained.
        low, high = _FREQUENCIES
        scales = torch.logspace(math.log10(low), math.log10(high), recipe.decoder_width // 2)
        features = (torch.randn(2, recipe.decoder_width // 2) * scales).half().float()
    with torch.no_grad():
        # Projected alike, a point and its place in the image attend to each other at once; with
        # independent projections the masks stay empty for hundreds of steps.
        for layer in model.mask_decoder.transformer.layers:
            for attention in (layer.cross_attn_token_to_image, layer.cross_attn_image_to_token):
                attention.q_proj.weight.mul_(2.5)
                attention.k_proj.weight.copy_(attention.q_proj.weight)
        for embedding in (model.shared_image_embedding, model.prompt_encoder.shared_embedding):
            embedding.positional_embedding.copy_(features)
            embedding.positional_embedding.requires_grad_(False)
        # The absolute positions start at zero in the library; these say where a token is at once.
        places = model.get_image_wide_positional_embeddings()  # (1, C, 20, 20)
        positions = model.vision_encoder.pos_embed  # (1, 20, 20, width)
        positions[..., : recipe.decoder_width] = 0.3 * places.permute(0, 2, 3, 1)
    return model


def point_loss(
    logits: Tensor, scores: Tensor, under: Tensor, whole: Tensor, part: Tensor
) -> dict[str, Tensor]:
    """Compares three masks a point with what the point means.

    Args:
        logits: [B, P, 3, h, w].
        scores: [B, P, 3], the predicted IoU.
        under: [B, P]; what lies under the point (see `point_masks`).
        whole: [B, P, h, w], share of each mask pixel covered by the thing (or background), 0..1.
        part: [B, P, h, w], the same of the part (or of the thing, where there is none).

    Returns:
        'masks' and 'scores' to be added up as the loss, and detached IoUs: 'whole' and 'part' of
        the thing and the part under the points, 'background'.
    """
    targets = torch.stack((whole, part, part), dim=2)  # (B, P, 3, h, w)
    losses = _mask_losses(logits, targets)  # (B, P, 3)
    guesses = losses[..., 1:]
    best = guesses.min(dim=-1).values + 0.1 * guesses.mean(dim=-1)
    on_part, on_nothing = under == PART, under == BACKGROUND
    # What is under the point counts fully, the other reading of the point at 0.7.
    per_point = torch.where(on_part, 0.7 * losses[..., 0] + best, losses[..., 0] + 0.7 * best)
    # No mask of a background point may be a thing, so all three learn there.
    per_point = torch.where(on_nothing, losses.mean(dim=-1), per_point)
    with torch.no_grad():
        predicted = logits > 0
        iou_whole = _iou(predicted, (whole > 0.5)[:, :, None])  # (B, P, 3)
        iou_part = _iou(predicted, (part > 0.5)[:, :, None])
        of_things, of_parts = iou_whole[..., 0], iou_part[..., 1:].max(dim=-1).values
    return {
        "masks": per_point.mean(),
        "scores": F.mse_loss(scores, torch.maximum(iou_whole, iou_part)),
        "whole": of_things[~on_nothing].mean(),
        "part": of_parts[on_part].mean(),
        "background": of_things[on_nothing].mean(),
    }


def _mask_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Returns dice + cross-entropy of each mask; targets may be fractions.

    The cross-entropy is per pixel of the target, not of the image: a mean over the image, as of
    large photographs' objects, says next to nothing about a part of one percent of it.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    inside = logits.sigmoid()
    area = targets.sum(dim=(-2, -1))
    overlap = (inside * targets).sum(dim=(-2, -1))
    dice = 1 - (2 * overlap + 1) / (inside.sum(dim=(-2, -1)) + area + 1)
    return dice + entropy.sum(dim=(-2, -1)) / (area + 10)


def _iou(predicted: Tensor, target: Tensor) -> Tensor:
    shared = (predicted & target).sum(dim=(-2, -1))
    return shared / (predicted | target).sum(dim=(-2, -1)).clamp(min=1)


def forward_loss(model: SamModel, batch: PointMasks) -> dict[str, Tensor]:
    """Runs the model on a batch and compares; see `point_loss`."""
    pixels = torch.from_numpy(batch.images).float()  # (B, H, W, 3)
    pixels = ((pixels - torch.tensor(_MEAN)) / torch.tensor(_STD)).permute(0, 3, 1, 2)
    output = model(
        pixel_values=pixels.contiguous(),
        input_points=torch.from_numpy(batch.points)[:, :, None],  # (B, P, 1, 2)
    )
    return point_loss(
        output.pred_masks,
        output.iou_scores,
        torch.from_numpy(batch.under),
        torch.from_numpy(batch.whole).float() / 4,
        torch.from_numpy(batch.part).float() / 4,
    )


def train(
    out: str | Path,
    recipe: Recipe | None = None,
    *,
    threads: int = 1,
    workers: int = 1,
    checkpoint_every: int = 100,
    stop_after: int | None = None,
    measure: bool = True,
    progress: Progress | None = None,
) -> Path:
    """Trains tiny-sam from scratch, or goes on from the last checkpoint in the folder.

    The default recipe takes about an hour on one core and 1 GB of memory. The weights do not
    depend on interruptions or on the number of workers; another number of threads may change the
    order of sums and with it the last digits.

    Args:
        out: Folder of the checkpoint `training.pt` and, when all steps are done, of the model in
            transformers' layout with its model card.
        recipe: What to train; the recipe of the embedded weights by default.
        threads: Threads of torch. More than the idle cores make it slower.
        workers: Processes that draw scenes ahead; 0 draws between the steps.
        checkpoint_every: Steps between checkpoints.
        stop_after: Stop at this step with a checkpoint, as an interruption would.
        measure: Whether to measure the model on the test set at the end and write its card.
        progress: Called after every step.

    Returns:
        The folder.

    Raises:
        CheckpointError: If the folder holds a checkpoint of another recipe.
    """
    recipe = recipe or Recipe()
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder, recipe)
    torch.set_num_threads(threads)
    model = new_model(recipe).train()
    optimiser = _optimiser(model, recipe)
    checkpoint = folder / "training.pt"
    done = load_checkpoint(checkpoint, optimiser, model=model)
    last = min(recipe.steps, stop_after or recipe.steps)
    batches = DataLoader(
        cast(
            Any, PointMaskSteps(recipe.seed, recipe.images, recipe.points)
        ),  # maps steps to batches
        batch_size=None,
        sampler=range(done, last),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        collate_fn=cast(Any, _as_it_is),
    )
    means: dict[str, float] = {}
    for step, batch in enumerate(batches, start=done):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, recipe)
        losses = forward_loss(model, batch)
        optimiser.zero_grad(set_to_none=True)
        (losses["masks"] + losses["scores"]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        _update(means, losses)
        if (step + 1) % checkpoint_every == 0 or step + 1 == last:
            save_checkpoint(checkpoint, step + 1, optimiser, model=model)
        if progress is not None:
            progress(step + 1, recipe.steps, means)
    if last == recipe.steps:
        export(model, folder)
        if measure:
            write_card(folder)
    return folder


def learning_rate(step: int, recipe: Recipe) -> float:
    """Returns the rate of a step: a linear warm-up, then half a cosine down to zero."""
    if step < recipe.warm_up:
        return recipe.learning_rate * (step + 1) / recipe.warm_up
    share = (step - recipe.warm_up) / max(1, recipe.steps - recipe.warm_up)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def export(model: SamModel, folder: str | Path) -> None:
    """Writes a model in half precision with its processor, in transformers' layout."""
    stored = SamModel(model.config)
    stored.load_state_dict(model.state_dict())
    stored.half().save_pretrained(folder)
    square = {"height": CANVAS, "width": CANVAS}
    low = CANVAS // 2
    SamProcessor(
        SamImageProcessorPil(
            size={"longest_edge": CANVAS},
            pad_size=square,
            mask_size={"longest_edge": low},
            mask_pad_size={"height": low, "width": low},
        )
    ).save_pretrained(folder)


def export_checkpoint(trained: str | Path, folder: str | Path) -> int:
    """Exports the last checkpoint of a training that may still be running.

    Returns:
        The number of steps that it has done.

    Raises:
        CheckpointError: If there is none.
    """
    source = Path(trained)
    try:
        recipe = Recipe(**json.loads((source / "recipe.json").read_text()))
    except FileNotFoundError as error:
        raise CheckpointError(f"{source} holds no training of tiny-sam.") from error
    model = new_model(recipe)
    done = load_checkpoint(source / "training.pt", model=model)
    if not done:
        raise CheckpointError(f"{source} holds no checkpoint yet. Wait for the first one.")
    export(model, folder)
    return done


def _claim(folder: Path, recipe: Recipe) -> None:
    """Notes the recipe in the folder, or checks that it is the one that was begun there."""
    note = folder / "recipe.json"
    if note.exists():
        begun = json.loads(note.read_text())
        changed = [
            f"{key} {begun.get(key)} (now {value})"
            for key, value in asdict(recipe).items()
            if begun.get(key) != value
        ]
        if changed:
            raise CheckpointError(
                f"{folder} holds a training with another recipe: {', '.join(changed)}. "
                "Continue with the same recipe, or choose another folder."
            )
    partial = folder / "recipe.partial"
    partial.write_text(json.dumps(asdict(recipe), indent=2) + "\n")
    os.replace(partial, note)


def _optimiser(model: SamModel, recipe: Recipe) -> torch.optim.AdamW:
    trained = [value for value in model.parameters() if value.requires_grad]
    return torch.optim.AdamW(
        [
            {"params": [v for v in trained if v.ndim > 1], "weight_decay": recipe.weight_decay},
            {"params": [v for v in trained if v.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=recipe.learning_rate,
        betas=(0.9, 0.98),
    )


def _update(means: dict[str, float], losses: Mapping[str, Tensor]) -> None:
    """Takes the losses of a step into their running means; a batch may lack a kind of point."""
    for name, value in losses.items():
        now = value.item()
        if not math.isnan(now):
            means[name] = now if name not in means else 0.98 * means[name] + 0.02 * now


def _as_it_is(batch: PointMasks) -> PointMasks:
    return batch
