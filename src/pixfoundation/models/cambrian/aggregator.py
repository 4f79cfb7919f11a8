"""The Spatial Vision Aggregator: four feature grids become one sequence of image tokens.

Every cell of a square query grid attends only to the cells of the four encoders that cover the same
patch of the image: one cell of each coarse encoder and a window of 4 x 4 in ConvNeXt's four times
finer grid (Cambrian-1, arXiv 2406.16860, section 4). The same layer is used twice: as the connector
before the language model, and as the samplers between its layers, in which the image tokens attend
to the encoders again.

Modules have the names of the published checkpoint, so that it loads without renaming.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixfoundation.models.cambrian.sizes import HEADS, CambrianSizes
from pixfoundation.models.cambrian.unpadding import Margins


@dataclass(frozen=True)
class ImageContext:
    """One image as input of the language model.

    Attributes:
        tokens: Image tokens, [rows * (columns + 1), width], row by row; each row ends with the
            newline token.
        margins: Padding that was cut off the square grid.
        summary: [1, 1, vision width], the mean over all tokens of the first encoder, padding
            included.
        windows: For each encoder [rows * columns, window, vision width]: the cells that each image
            token attends to in the samplers.
        visible: For each encoder the boolean [rows * columns, window]: False on padding.
    """

    tokens: Tensor
    margins: Margins
    summary: Tensor
    windows: tuple[Tensor, ...]
    visible: tuple[Tensor, ...]

    @property
    def grid(self) -> tuple[int, int]:
        """The (rows, columns) of image tokens, newlines not counted."""
        return self.margins.grid


class FeedForward(nn.Module):
    """Two linear layers without biases around an exact GELU."""

    def __init__(self, width_in: int, width_hidden: int, width_out: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(width_in, width_hidden, bias=False)
        self.linear_2 = nn.Linear(width_hidden, width_out, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return [..., width out] for [..., width in]."""
        return self.linear_2(F.gelu(self.linear_1(x)))


class WindowAttention(nn.Module):
    """Attention of one query to the windows of several encoders, each with its own projections."""

    def __init__(self, width: int, encoders: int) -> None:
        super().__init__()
        self.encoders = encoders
        self.q_proj = _norm_linear(width)
        for i in range(encoders):
            self.add_module(f"k_proj_{i}", _norm_linear(width))
            self.add_module(f"v_proj_{i}", _norm_linear(width))
        self.o_proj = nn.Linear(width, width, bias=False)

    def forward(self, query: Tensor, windows: Sequence[Tensor], visible: Tensor) -> Tensor:
        """Return [n, 1, width] for queries [n, 1, width] and masks [n, all windows]."""
        keys = self._project("k_proj", windows)  # n, heads, all windows, head width
        values = self._project("v_proj", windows)
        out = F.scaled_dot_product_attention(
            _split_heads(self.q_proj(query)), keys, values, attn_mask=visible[:, None, None, :]
        )  # n, heads, 1, head width
        return self.o_proj(out.transpose(1, 2).flatten(2))

    def _project(self, name: str, windows: Sequence[Tensor]) -> Tensor:
        projected = [self.get_submodule(f"{name}_{i}")(x) for i, x in enumerate(windows)]
        return _split_heads(torch.cat(projected, dim=1))


class SamplerLayer(nn.Module):
    """One layer: adds to each query what it attends to in its windows."""

    def __init__(self, query_width: int, width: int, windows: Sequence[int]) -> None:
        super().__init__()
        self.proj_context = nn.Linear(width, width, bias=False)
        self.proj_in = nn.Linear(query_width + width, width, bias=False)
        self.proj_out = FeedForward(width, width, query_width)
        self.norm = nn.LayerNorm(width)
        self.cross_attn = WindowAttention(width, len(windows))
        self.windows = tuple(windows)
        for i, side in enumerate(windows):
            if side > 1:
                self.register_parameter(
                    f"pos_embed_{i}", nn.Parameter(torch.zeros(side * side, width))
                )

    def forward(
        self, query: Tensor, summary: Tensor, windows: Sequence[Tensor], visible: Tensor
    ) -> Tensor:
        """Return the queries [n, 1, query width]; arguments as in `Sampler.forward`."""
        context = self.proj_context(summary).expand(len(query), -1, -1)
        hidden = self.proj_in(torch.cat([query, context], dim=-1))  # n, 1, width
        placed = [
            x + self.get_parameter(f"pos_embed_{i}") if side > 1 else x
            for i, (side, x) in enumerate(zip(self.windows, windows, strict=True))
        ]
        hidden = self.norm(hidden + self.cross_attn(hidden, placed, visible))
        return query + self.proj_out(hidden)


class Sampler(nn.Module):
    """A stack of sampler layers over the same windows."""

    def __init__(self, query_width: int, width: int, windows: Sequence[int], depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(SamplerLayer(query_width, width, windows) for _ in range(depth))

    def forward(
        self,
        query: Tensor,
        summary: Tensor,
        windows: Sequence[Tensor],
        visible: Sequence[Tensor],
    ) -> Tensor:
        """Update each query with the cells of its windows.

        Args:
            query: Queries, [n, 1, query width].
            summary: Summary of the image, [1, 1, width].
            windows: For each encoder the cells [n, cells, width].
            visible: For each encoder the boolean [n, cells]; False on padding.

        Returns:
            [n, 1, query width].
        """
        mask = torch.cat(list(visible), dim=1)
        for layer in self.layers:
            query = layer(query, summary, windows, mask)
        return query


class Aggregator(nn.Module):
    """All layers between the encoders and the language model, and the samplers inside it."""

    def __init__(self, sizes: CambrianSizes) -> None:
        """Build the layers in the sizes of a checkpoint.

        Args:
            sizes: Structure of the checkpoint.
        """
        super().__init__()
        self.sizes = sizes
        width = sizes.vision_width
        for tower in sizes.towers:
            projection = nn.Sequential(
                nn.Linear(tower.width, width),
                nn.GELU(),
                nn.Linear(width, width),
                nn.LayerNorm(width),
            )
            self.add_module(f"mm_projector_aux_{tower.index}", projection)
        groups = len(sizes.query_sides)
        for group, (side, depth) in enumerate(
            zip(sizes.query_sides, sizes.connector_depths, strict=True)
        ):
            connector = Sampler(width, width, sizes.windows(side), depth)
            self.add_module(f"vision_sampler_{group}", connector)
        self.vision_query = nn.Parameter(torch.zeros(groups, width))
        self.mm_projector = nn.Sequential(
            nn.Linear(groups * width, sizes.width),
            nn.GELU(),
            nn.Linear(sizes.width, sizes.width),
        )
        self.image_newline = nn.Parameter(torch.zeros(sizes.width))
        self.vision_sampler_layers = nn.ModuleList(
            Sampler(sizes.width, width, sizes.windows(sizes.side), 1) for _ in sizes.sampled
        )

    def forward(self, features: Sequence[Tensor], image_size: tuple[int, int]) -> ImageContext:
        """Turn the encoders' features of one image into image tokens.

        Args:
            features: For each encoder [1, side * side, channels].
            image_size: (width, height) of the image in pixels.

        Raises:
            DataError: If the image is too long for the grid.
        """
        projected = [
            self.get_submodule(f"mm_projector_aux_{i}")(x)[0] for i, x in enumerate(features)
        ]  # side * side, width
        summary = projected[0].mean(0).view(1, 1, -1)
        side = self.sizes.side
        margins = Margins.of(image_size, side)
        queries = torch.cat(
            [
                self._query(group, projected, summary, image_size)
                for group in range(len(self.sizes.query_sides))
            ],
            dim=-1,
        )  # side, side, groups * width
        grid = margins.crop(self.mm_projector(queries))  # rows, columns, llm width
        rows, _ = margins.grid
        newline = self.image_newline.expand(rows, 1, -1)
        windows, visible = _windows(projected, side, image_size)
        return ImageContext(
            tokens=torch.cat([grid, newline], dim=1).flatten(0, 1),
            margins=margins,
            summary=summary,
            windows=tuple(margins.crop(x).flatten(0, 1) for x in windows),
            visible=tuple(margins.crop(x).flatten(0, 1) for x in visible),
        )

    def _query(
        self,
        group: int,
        projected: Sequence[Tensor],
        summary: Tensor,
        image_size: tuple[int, int],
    ) -> Tensor:
        """Return one group of updated queries, [side, side, vision width]."""
        side = self.sizes.query_sides[group]
        windows, visible = _windows(projected, side, image_size)
        query = self.vision_query[group].expand(side * side, 1, -1)
        updated = self.get_submodule(f"vision_sampler_{group}")(
            query,
            summary,
            [x.flatten(0, 1) for x in windows],
            [x.flatten(0, 1) for x in visible],
        ).view(side * side, -1)
        resampled = resample(updated[None], self.sizes.side)[0]
        return resampled.view(self.sizes.side, -1, updated.shape[-1])


def resample(tokens: Tensor, side: int) -> Tensor:
    """Resample a square grid of tokens to another side, bilinearly in float32.

    Args:
        tokens: Tokens, [batch, cells, channels].
        side: Cells along a side of the result.

    Returns:
        [batch, side * side, channels]; `tokens` itself if it has that side.
    """
    if tokens.shape[1] == side * side:
        return tokens
    old = int(tokens.shape[1] ** 0.5)
    grid = tokens.unflatten(1, (old, old)).permute(0, 3, 1, 2).float()
    return (
        F.interpolate(grid, size=(side, side), mode="bilinear", align_corners=False)
        .to(tokens.dtype)
        .flatten(2)
        .transpose(1, 2)
    )


def _windows(
    projected: Sequence[Tensor], side: int, image_size: tuple[int, int]
) -> tuple[list[Tensor], list[Tensor]]:
    """Divide the cells of each encoder among side x side queries.

    Returns:
        For each encoder its cells [side, side, window, width], and the boolean
        [side, side, window] that says which of them are visible: those on the image, or all cells
        of a window that lies on padding.
    """
    windows, visible = [], []
    for tokens in projected:
        fine = int(tokens.shape[0] ** 0.5)
        windows.append(_divide(tokens.view(fine, fine, -1), side))
        on_image = Margins.of(image_size, fine).image_cells().to(tokens.device)
        divided = _divide(on_image[..., None], side)[..., 0]
        visible.append(divided | ~divided.any(-1, keepdim=True))
    return windows, visible


def _divide(cells: Tensor, side: int) -> Tensor:
    """Turn [fine, fine, channels] into [side, side, window, channels]."""
    k = cells.shape[0] // side
    return (
        cells.view(side, k, side, k, -1).transpose(1, 2).reshape(side, side, k * k, cells.shape[-1])
    )


def _norm_linear(width: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width, bias=False))


def _split_heads(x: Tensor) -> Tensor:
    """Return [n, heads, length, head width] of [n, length, width]."""
    return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)
