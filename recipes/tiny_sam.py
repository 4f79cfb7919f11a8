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
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import SamConfig, SamModel, SamProcessor
from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

from pixfoundation.datasets.pixscenes.scenes import CANVAS
from pixfoundation.errors import CheckpointError
from recipes.checkpoints import load_checkpoint, save_checkpoint
from recipes.point_loss import point_loss
from recipes.point_masks import PointMasks, PointMaskSteps
from recipes.sam_card import write_card

Progress = Callable[[int, int, Mapping[str, float]], None]
"""Called after a step with (steps done, steps, running means of the losses)."""

_MEAN = (123.675, 116.28, 103.53)  # of ImageNet on 0..255, as in SAM's image processor
_STD = (58.395, 57.12, 57.375)
_FREQUENCIES = (0.5, 4.0)  # of the Fourier features, lowest and highest, in waves a half image


@dataclass(frozen=True)
class Recipe:
    """Everything that the weights depend on.

    Attributes:
        steps: Optimiser steps of the first cycle, whose learning rate falls to zero.
        seed: Seed of the initial weights, the points and the augmentation.
        images: Scenes per step.
        points: Points per scene.
        learning_rate: The highest of the first cycle; AdamW.
        refine_steps: Steps of a second cycle, which multiplies in bfloat16: a third faster.
        refine_rate: The highest learning rate of the second cycle.
        warm_up: Steps of either cycle until its highest rate is reached.
        weight_decay: Weight decay of matrices; vectors have none.
        width: Channels of the image encoder.
        decoder_width: Channels of its output and of the decoder; not more than `width`.
        layers: Layers of the image encoder; every third has global attention.
    """

    steps: int = 2800
    seed: int = 0
    images: int = 4
    points: int = 8
    learning_rate: float = 1e-3
    refine_steps: int = 800
    refine_rate: float = 6e-4
    warm_up: int = 100
    weight_decay: float = 0.02
    width: int = 128
    decoder_width: int = 96
    layers: int = 6


@dataclass(frozen=True)
class Cycle:
    """A stretch of the training over which the learning rate rises and falls once.

    Attributes:
        first: Its first step.
        end: The step after its last.
        rate: Its highest learning rate.
        bfloat16: Whether matrices are multiplied in bfloat16.
    """

    first: int
    end: int
    rate: float
    bfloat16: bool


def cycles(recipe: Recipe) -> tuple[Cycle, Cycle]:
    """Return the two cycles of a recipe."""
    end = recipe.steps + recipe.refine_steps
    return (
        Cycle(0, recipe.steps, recipe.learning_rate, bfloat16=False),
        Cycle(recipe.steps, end, recipe.refine_rate, bfloat16=True),
    )


def sam_config(recipe: Recipe) -> SamConfig:
    """Return the configuration of a SAM for 160 px images with 20 x 20 tokens of 8 px.

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


def new_model(recipe: Recipe, attention: str = "sdpa") -> SamModel:
    """Return the model with its initial weights, which depend on the seed alone.

    Args:
        recipe: What to build.
        attention: Transformers' implementation of it, 'sdpa' or 'eager'.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        config = sam_config(recipe)
        config._attn_implementation = attention
        model: Any = SamModel(config)  # its parts are typed loosely in the library
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
            for crossing in (layer.cross_attn_token_to_image, layer.cross_attn_image_to_token):
                crossing.q_proj.weight.mul_(2.5)
                crossing.k_proj.weight.copy_(crossing.q_proj.weight)
        for embedding in (model.shared_image_embedding, model.prompt_encoder.shared_embedding):
            embedding.positional_embedding.copy_(features)
            embedding.positional_embedding.requires_grad_(False)
        # The absolute positions start at zero in the library; these say where a token is at once.
        places = model.get_image_wide_positional_embeddings()  # (1, C, 20, 20)
        positions = model.vision_encoder.pos_embed  # (1, 20, 20, width)
        positions[..., : recipe.decoder_width] = 0.3 * places.permute(0, 2, 3, 1)
    return model


def forward_loss(model: Any, batch: PointMasks, bfloat16: bool = False) -> dict[str, Tensor]:
    """Run the model on a batch and compares; see `point_loss`.

    Args:
        model: A `SamModel`.
        batch: What to run it on.
        bfloat16: Whether to multiply matrices in bfloat16. Coordinates are never rounded so.
    """
    pixels = torch.from_numpy(batch.images).float()  # (B, H, W, 3)
    pixels = ((pixels - torch.tensor(_MEAN)) / torch.tensor(_STD)).permute(0, 3, 1, 2)
    points = torch.from_numpy(batch.points)[:, :, None]  # (B, P, 1, 2)
    labels = torch.ones(points.shape[:3], dtype=torch.int)
    sparse, dense = model.prompt_encoder(points, labels, None, None)
    places = model.get_image_wide_positional_embeddings().repeat(len(points), 1, 1, 1)
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        logits, scores = model.mask_decoder(
            image_embeddings=model.vision_encoder(pixels.contiguous()).last_hidden_state,
            image_positional_embeddings=places,
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
        )
    return point_loss(
        logits.float(),
        scores.float(),
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

    The default recipe takes about 25 minutes of one free 2.6 GHz core and 1 GB of memory. The
    weights do not depend on interruptions or on the number of workers; another number of threads
    may change the order of sums and with it the last digits.

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
    total = recipe.steps + recipe.refine_steps
    last = min(total, stop_after or total)
    checkpoint = folder / "training.pt"
    for cycle in cycles(recipe):
        # The backward pass of fused attention is slow in bfloat16, the plain one is not.
        model = new_model(recipe, "eager" if cycle.bfloat16 else "sdpa").train()
        optimiser = _optimiser(model, recipe)
        done = load_checkpoint(checkpoint, optimiser, model=model)
        means: dict[str, float] = {}
        steps = range(done, min(cycle.end, last))
        for step, batch in zip(steps, _batches(recipe, steps, workers), strict=True):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(step, recipe)
            losses = forward_loss(model, batch, cycle.bfloat16)
            optimiser.zero_grad(set_to_none=True)
            (losses["masks"] + losses["scores"]).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            _update(means, losses)
            if (step + 1) % checkpoint_every == 0 or step + 1 == steps.stop:
                save_checkpoint(checkpoint, step + 1, optimiser, model=model)
            if progress is not None:
                progress(step + 1, total, means)
    if last == total:
        export_checkpoint(folder, folder)
        if measure:
            write_card(folder)
    return folder


def _batches(recipe: Recipe, steps: range, workers: int) -> DataLoader[Any]:
    numbered = PointMaskSteps(recipe.seed, recipe.images, recipe.points)
    return DataLoader(
        cast(Any, numbered),
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        collate_fn=cast(Any, _as_it_is),
    )


def learning_rate(step: int, recipe: Recipe) -> float:
    """Return the rate of a step: in each cycle a linear warm-up, then half a cosine to zero."""
    cycle = next(cycle for cycle in cycles(recipe) if step < cycle.end)
    step -= cycle.first
    if step < recipe.warm_up:
        return cycle.rate * (step + 1) / recipe.warm_up
    share = (step - recipe.warm_up) / max(1, cycle.end - cycle.first - recipe.warm_up)
    return cycle.rate * 0.5 * (1 + math.cos(math.pi * share))


def export(model: SamModel, folder: str | Path) -> None:
    """Write a model in half precision with its processor, in transformers' layout."""
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
    """Export the last checkpoint of a training that may still be running.

    Returns:
        The number of steps that it has done.

    Raises:
        CheckpointError: If there is no training state.
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
    """Note the recipe in the folder, or checks that it is the one that was begun there."""
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
    """Take the losses of a step into their running means; a batch may lack a kind of point."""
    for name, value in losses.items():
        now = value.item()
        if not math.isnan(now):
            means[name] = now if name not in means else 0.98 * means[name] + 0.02 * now


def _as_it_is(batch: PointMasks) -> PointMasks:
    return batch
