"""Cambrian-1 8B as a model of PixFoundation: questions in, answers with attention out."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image
from torch import Tensor

from pixfoundation.attention import to_trace
from pixfoundation.conventions import AttentionGrid, ImageNewline
from pixfoundation.errors import DataError
from pixfoundation.hub import Source
from pixfoundation.models.base import Capability, Decoding
from pixfoundation.models.cambrian import prompt as text
from pixfoundation.models.cambrian.checkpoint import load as load_core
from pixfoundation.models.cambrian.network import Cambrian, Generation, ReadImage
from pixfoundation.models.cambrian.unpadding import Margins
from pixfoundation.models.card import location_of
from pixfoundation.models.common.checkpoints import find_folder
from pixfoundation.models.common.placement import Quantization
from pixfoundation.models.common.spans import decode_with_spans
from pixfoundation.prompts import PromptTemplates
from pixfoundation.types import Answer, AttentionTrace, Prompt

Geometry = Literal["image", "published"]


def load(
    name: str,
    *,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    checkpoint: str | None = None,
    towers: str | None = None,
    tower_device: str | None = None,
    quantization: Quantization | None = None,
    geometry: Geometry | None = None,
    legacy_drop_newline: bool | None = None,
    share_prefix: bool = True,
) -> CambrianModel:
    """Load Cambrian-1.

    Args:
        name: 'cambrian-8b', a hub id, or the folder of a checkpoint.
        device: Device of the language model; 'auto' divides it between all GPUs. By default a GPU
            if there is one.
        dtype: Precision: 'float16' as published, 'bfloat16' or 'float32'; half precision on a GPU
            by default.
        revision: Branch, tag or commit on the hub.
        checkpoint: Folder or hub id of the weights, if `name` is the short name.
        towers: Folder that holds a folder for each of the four vision encoders; from the hub by
            default.
        tower_device: Device of the encoders; that of the language model by default.
        quantization: '8bit' or '4bit' for the language model's layers.
        geometry: 'image' places attention where the image tokens are; 'published' where the
            published script places it, which is wrong for images that are not square. By default
            the former, unless answers are asked for as published.
        legacy_drop_newline: Leave out the newline behind the image, as the published script does;
            by default only for answers asked for as published.
        share_prefix: Whether several questions about one image read it once.

    Raises:
        CheckpointError: If a file is missing, truncated or belongs to another model.
        PrerequisiteError: If memory or a package is missing, or the hub cannot be reached.
        DataError: If an option has an unknown value.
    """
    if geometry not in (None, "image", "published"):
        raise DataError(f"The geometry must be 'image' or 'published', but got {geometry!r}.")
    location = checkpoint or location_of(name)
    folder = find_folder(location, revision)
    tokenizer = text.load_tokenizer(folder)
    core = load_core(
        folder,
        towers=towers,
        dtype=dtype,
        device=device,
        tower_device=tower_device,
        quantization=quantization,
    )
    settings = Settings(geometry, legacy_drop_newline, share_prefix, quantization)
    return CambrianModel(name, core, tokenizer, Source(name, location, revision), settings)


@dataclass(frozen=True, slots=True)
class Settings:
    """How the model is prompted and its attention placed; see `load`."""

    geometry: Geometry | None = None
    legacy_drop_newline: bool | None = None
    share_prefix: bool = True
    quantization: Quantization | None = None


class CambrianModel:
    """Cambrian-1, answering with attention to the image.

    Attributes:
        name: The name under which it was loaded.
        capabilities: `attention`.
        templates: Prompt templates of the published evaluation.
        core: The network.
        published_row_convention: Row convention of the published evaluation of this model.
    """

    capabilities: frozenset[Capability] = frozenset({"attention"})
    published_row_convention = "pixfoundation-cambrian"

    def __init__(
        self, name: str, core: Cambrian, tokenizer: Any, source: Source, settings: Settings
    ) -> None:
        self.name = name
        self.templates = PromptTemplates()
        self.core = core
        self._tokenizer = tokenizer
        self._source = source
        self._settings = settings
        self._stop = tuple(dict.fromkeys((*core.stop_ids, *text.turn_ends(tokenizer))))
        self._seen: _SeenImage | None = None

    def answer(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
    ) -> list[Answer]:
        """Answer each prompt about the image with the same index.

        Args:
            images: RGB images; the same object in consecutive places is read once.
            prompts: One prompt per image.
            decoding: How answers are decoded.

        Raises:
            DataError: If an image is too long for the grid, or a question too long for the model.
        """
        answers = []
        for place, (image, prompt) in enumerate(zip(images, prompts, strict=True)):
            again = any(other is image for other in images[place + 1 :])
            answers.append(self._answer_one(image, prompt.text, decoding, again))
        return answers

    def fingerprint(self) -> dict[str, Any]:
        """Return what identifies the weights and settings, as JSON data."""
        return {
            "name": self.name,
            **self._source.fingerprint(self.core.llm),
            "towers": [
                Source(tower.spec.name, str(tower.folder)).fingerprint(tower.encoder)["weights"]
                for tower in self.core.towers
            ],
            "quantization": self._settings.quantization,
            "geometry": self._settings.geometry,
            "legacy_drop_newline": self._settings.legacy_drop_newline,
        }

    def _answer_one(
        self, image: Image.Image, question: str, decoding: Decoding, again: bool
    ) -> Answer:
        """Answer one question; `again` means that another about the same image will follow."""
        drop = self._settings.legacy_drop_newline
        if drop is None:
            drop = decoding.conventions.image_newline is ImageNewline.DROPPED
        ids = text.prompt_ids(
            self._tokenizer,
            question,
            legacy_drop_newline=drop,
        )
        seen = self._see(image)
        shared = self._settings.share_prefix and (again or seen.asked)
        if shared and seen.read is None:
            seen.read = self.core.read(ids, seen.features, image.size)
        seen.asked = True
        output = self.core.generate(
            ids,
            seen.features,
            image.size,
            decoding.max_new_tokens,
            stop_ids=self._stop,
            attention=decoding.attention,
            logits=False,
            temperature=decoding.temperature,
            seed=zlib.crc32(f"{decoding.seed} {question}".encode()),
            read=seen.read,
        )
        tokens = output.ids.tolist()
        words, spans = decode_with_spans(self._tokenizer, tokens)
        return Answer(words, tuple(tokens), spans, trace=self._trace(output, image, decoding))

    def _see(self, image: Image.Image) -> _SeenImage:
        """Return the encoding of an image, which is computed unless it is the last image."""
        if self._seen is None or self._seen.image is not image:
            self._seen = _SeenImage(image, self.core.encode(np.asarray(image.convert("RGB"))))
        return self._seen

    def _trace(
        self, output: Generation, image: Image.Image, decoding: Decoding
    ) -> AttentionTrace | None:
        maps = output.maps()
        if maps is None:
            return None
        margins = Margins.of(image.size, self.core.layout.side)
        square = decoding.conventions.attention_grid is AttentionGrid.SQUARE
        if self._settings.geometry is not None:
            square = self._settings.geometry == "published"
        frame = margins.published_frame(image.size) if square else margins.frame(image.size)
        return to_trace(maps.flatten(1), len(output.ids), frame)


@dataclass(slots=True)
class _SeenImage:
    """The last image and its encodings."""

    image: Image.Image
    features: list[Tensor]
    asked: bool = False
    read: ReadImage | None = None
