"""Dense pretraining of the vision tower and the projector.

Every patch tells what the thing on it looks like, once through linear heads that are thrown away,
once through the projector, which writes the sum of the symbols' vectors. Masks are used here, on
the vision side, and nowhere else in the training of `tiny-llava`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPVisionConfig, CLIPVisionModel

from pixfoundation.datasets.pixscenes.scenes import BACKGROUNDS, CANVAS
from recipes.checkpoints import load_checkpoint, save_checkpoint
from recipes.scene_store import SceneStore
from recipes.symbolic import SymbolTable
from recipes.symbols import GROUPS, NOTHING, PARTS, PATCH, middles, patch_classes

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class TowerConfig:
    """Shape and schedule of the vision tower's pretraining."""

    width: int = 192
    inner: int = 576
    layers: int = 5
    heads: int = 6
    steps: int = 4000
    batch: int = 16
    rate: float = 1.2e-3
    warmup: int = 150
    alignment: float = 4.0
    seed: int = 0


def build_tower(config: TowerConfig) -> CLIPVisionModel:
    """Return an untrained tower in the layout of CLIP's vision model."""
    torch.manual_seed(config.seed)
    return CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=config.width,
            intermediate_size=config.inner,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            image_size=CANVAS,
            patch_size=PATCH,
            hidden_act="gelu",
        )
    )


def normalise(images: np.ndarray) -> Tensor:
    """Pictures uint8 [B, H, W, 3] as CLIP wants them, float [B, 3, H, W]."""
    pixels = torch.tensor(np.asarray(images)).permute(0, 3, 1, 2).float() / 255
    mean = torch.tensor(CLIP_MEAN).view(1, 3, 1, 1)
    std = torch.tensor(CLIP_STD).view(1, 3, 1, 1)
    return (pixels - mean) / std


def patch_features(tower: CLIPVisionModel, pixels: Tensor) -> Tensor:
    """Return the features that LLaVA's projector gets, [B, patches, width].

    LLaVA's `vision_feature_layer=-1` means the output of the last layer, before the final
    layer norm, without the class token.
    """
    return tower(pixel_values=pixels, output_hidden_states=True).hidden_states[-1][:, 1:]


class Projector(nn.Module):
    """LLaVA's two-layer projector, with the names that it has in transformers."""

    def __init__(self, width: int, text_width: int) -> None:
        """Make a projector from features of a width to vectors of the language model's."""
        super().__init__()
        self.linear_1 = nn.Linear(width, text_width)
        self.linear_2 = nn.Linear(text_width, text_width)

    def forward(self, features: Tensor) -> Tensor:
        """[B, P, width] -> [B, P, text width]."""
        return self.linear_2(F.gelu(self.linear_1(features)))


class DenseLogits(NamedTuple):
    """What the heads say of every patch."""

    owned: Tensor  # [B, P]
    middle: Tensor  # [B, P]
    background: Tensor  # [B, P, backgrounds]
    parts: Tensor  # [B, P, parts]
    classes: list[Tensor]  # one [B, P, values] a group


class DenseHeads(nn.Module):
    """One linear head for all groups, parts, ownership, middles and background."""

    def __init__(self, width: int) -> None:
        """Make heads for features of a width."""
        super().__init__()
        self.sizes = [len(values) for values in GROUPS.values()]
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, 2 + len(BACKGROUNDS) + len(PARTS) + sum(self.sizes))

    def forward(self, features: Tensor) -> DenseLogits:
        """Return the logits of every patch."""
        logits = self.out(self.norm(features)).float()
        owned, middle, background, parts, classes = logits.split(
            [1, 1, len(BACKGROUNDS), len(PARTS), sum(self.sizes)], dim=-1
        )
        groups = list(classes.split(self.sizes, dim=-1))
        return DenseLogits(owned[..., 0], middle[..., 0], background, parts, groups)


@dataclass(frozen=True)
class DenseTargets:
    """Targets of one batch, see `SceneStore`."""

    classes: Tensor  # long [B, P, groups], -100 where nothing applies
    owned: Tensor  # float [B, P]
    middles: Tensor  # float [B, P]
    parts: Tensor  # float [B, P, parts]
    backgrounds: Tensor  # long [B]
    weights: Tensor  # float [B, P], by the share that the owner covers
    symbols: Tensor  # float [B, P, SYMBOLS]


def dense_targets(store: SceneStore, rows: np.ndarray) -> DenseTargets:
    """Targets of the given scenes."""
    owners = store.owners[rows].astype(np.int64)  # [B, P]
    owned = owners != NOTHING
    classes = patch_classes(store.classes[rows], store.owners[rows], store.parts[rows])
    per_patch = classes.astype(np.int64)
    per_patch[classes == NOTHING] = -100
    bits = store.parts[rows][..., None] >> np.arange(len(PARTS), dtype=np.uint32) & 1
    weights = np.minimum(store.shares[rows].astype(np.float32) / 255 * 3, 1)
    return DenseTargets(
        torch.from_numpy(per_patch),
        torch.from_numpy(owned.astype(np.float32)),
        torch.from_numpy(middles(store.owners[rows], store.shares[rows]).astype(np.float32)),
        torch.from_numpy(bits.astype(np.float32)),
        torch.from_numpy(store.backgrounds[rows].astype(np.int64)),
        torch.from_numpy(np.where(owned, weights, 0).astype(np.float32)),
        store.symbols(rows),
    )


def dense_loss(told: DenseLogits, targets: DenseTargets) -> Tensor:
    """Sum of the cross-entropies, each averaged over the patches that it applies to."""
    loss = F.binary_cross_entropy_with_logits(told.owned, targets.owned)
    patches = told.owned.shape[1]
    loss = loss + 0.2 * F.cross_entropy(
        told.background.flatten(0, 1), targets.backgrounds.repeat_interleave(patches)
    )
    middle_loss = F.binary_cross_entropy_with_logits(told.middle, targets.middles, reduction="none")
    loss = loss + (middle_loss * targets.owned).sum() / targets.owned.sum().clamp(min=1)
    part_loss = F.binary_cross_entropy_with_logits(told.parts, targets.parts, reduction="none")
    loss = loss + (part_loss.sum(-1) * targets.owned).sum() / targets.owned.sum().clamp(min=1)
    for group, logits in enumerate(told.classes):
        labels = targets.classes[..., group].flatten()
        each = F.cross_entropy(logits.flatten(0, 1), labels, ignore_index=-100, reduction="none")
        weights = targets.weights.flatten() * (labels != -100)
        # Groups that few things have still count: the mean runs over their own patches,
        # damped so that a handful of patches does not dominate a batch.
        loss = loss + (each * weights).sum() / (weights.sum() + 0.02 * len(labels))
    return loss


def alignment_loss(written: Tensor, target: Tensor) -> Tensor:
    """Squared error of the projected patches as a share of the variance, both means over all."""
    return F.mse_loss(written.float(), target) / target.var()


@torch.no_grad()
def dense_accuracy(
    tower: CLIPVisionModel, heads: DenseHeads, store: SceneStore, rows: np.ndarray
) -> dict[str, float]:
    """Share of patches (owner covers at least a third) told right, by group."""
    right: dict[str, list[float]] = {name: [] for name in (*GROUPS, "parts", "owned", "middle")}
    for chunk in np.array_split(rows, max(1, len(rows) // 64)):
        told = heads(patch_features(tower, normalise(store.images[chunk])))
        targets = dense_targets(store, chunk)
        clear = targets.weights >= 1
        middle = (told.middle > 0).float() == targets.middles
        right["middle"] += middle[targets.owned > 0].float().tolist()
        right["owned"] += ((told.owned > 0).float() == targets.owned).flatten().float().tolist()
        same = ((told.parts > 0).float() == targets.parts).all(-1)
        right["parts"] += same[clear].float().tolist()
        for group, (name, logits) in enumerate(zip(GROUPS, told.classes, strict=True)):
            labels = targets.classes[..., group]
            mask = clear & (labels != -100)
            right[name] += (logits.argmax(-1)[mask] == labels[mask]).float().tolist()
    return {name: float(np.mean(values)) if values else math.nan for name, values in right.items()}


def cosine(step: int, warmup: int, steps: int, floor: float = 0.02) -> float:
    """Factor of the learning rate: linear warm-up, then a half cosine down to `floor`."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(done, 1)))


def train_tower(
    config: TowerConfig,
    store: SceneStore,
    table: SymbolTable,
    checkpoint: Path,
    *,
    held_out: SceneStore | None = None,
    log: Callable[[str], None] = print,
    save_every: int = 200,
    compile_model: bool = True,
) -> tuple[CLIPVisionModel, Projector]:
    """Pretrain the tower, continuing from the checkpoint if there is one.

    Args:
        config: shape and schedule.
        store: training scenes.
        table: vectors of the symbols, which the projector learns to write.
        checkpoint: file that the state is written to and read from.
        held_out: scenes to report accuracy on.
        log: receives progress lines.
        save_every: steps between checkpoints.
        compile_model: use `torch.compile` (1.3 times faster, a minute to start).
    """
    tower = build_tower(config)
    heads = DenseHeads(config.width)
    projector = Projector(config.width, table.table.shape[1])
    params = [*tower.parameters(), *heads.parameters(), *projector.parameters()]
    optimiser = torch.optim.AdamW(params, lr=config.rate, weight_decay=0.02, betas=(0.9, 0.98))
    modules = {"tower": tower, "heads": heads, "projector": projector}
    start = load_checkpoint(checkpoint, optimiser, **modules)

    def forward(pixels: Tensor) -> tuple[DenseLogits, Tensor]:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            features = patch_features(tower, pixels)
            return heads(features), projector(features)

    run = torch.compile(forward, dynamic=False) if compile_model else forward
    average = np.zeros(2)
    for step in range(start, config.steps):
        rng = np.random.default_rng([config.seed, 1, step])
        rows = np.sort(rng.choice(len(store), size=config.batch, replace=False))
        for group in optimiser.param_groups:
            group["lr"] = config.rate * cosine(step, config.warmup, config.steps)
        targets = dense_targets(store, rows)
        told, written = run(normalise(store.images[rows]))
        gap = alignment_loss(written, table(targets.symbols))
        loss = dense_loss(told, targets) + config.alignment * gap
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(params, 1.0)
        optimiser.step()
        now = np.array([float(loss.detach()), float(gap.detach())])
        average = now if step == start else 0.98 * average + 0.02 * now
        if (step + 1) % 50 == 0:
            log(f"tower step {step + 1}/{config.steps} loss {average[0]:.3f} gap {average[1]:.3f}")
        if (step + 1) % save_every == 0 or step + 1 == config.steps:
            save_checkpoint(checkpoint, step + 1, optimiser, **modules)
            if held_out is not None:
                rows = np.arange(min(len(held_out), 200))
                scores = dense_accuracy(tower, heads, held_out, rows)
                log(" ".join(f"{name} {value:.2f}" for name, value in scores.items()))
    return tower, projector
