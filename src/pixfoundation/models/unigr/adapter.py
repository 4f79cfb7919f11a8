"""UniGR as a model of PixFoundation.

A request for a mask (protocol 3) is not answered freely: the reply `Sure, [SEG].` is forced, as in
the published evaluation, and the state that predicts `[SEG]` in it gives the mask.

Method: Wang et al., 'Object-centric Video Question Answering with Visual Grounding and Referring'
(RGA3); facts from qirui-chen/RGA3-release and MSiam/PixFoundation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from pixfoundation.conventions import ModelConventions
from pixfoundation.models.base import Decoding
from pixfoundation.models.common.qwen_pixel.adapter import PixelQwenModel, is_published, is_stored
from pixfoundation.models.common.qwen_pixel.checkpoint import PixelOptions
from pixfoundation.models.common.qwen_pixel.loading import load_parts
from pixfoundation.models.common.qwen_pixel.network import PixelFamily
from pixfoundation.models.common.qwen_pixel.processing import CELL, PixelBounds
from pixfoundation.models.common.qwen_pixel.prompting import InputMode, QwenPromptMaker
from pixfoundation.models.common.qwen_pixel.states import NormSide
from pixfoundation.models.transformers.options import AttentionOptions, BatchOptions
from pixfoundation.models.transformers.prefix import prefix_length, prefix_of
from pixfoundation.models.unigr.prompt import DIALOGUE, REPLY, question_of
from pixfoundation.option_bundles import read_choices, takes_bundles
from pixfoundation.types import Answer, Prompt

UNIGR = PixelFamily(
    name="UniGR",
    seg_token="[SEG]",
    side=NormSide.AFTER,
    head="text_hidden_fcs.0.",
    sam_prefix="grounding_encoder.sam2_model.",
    suppresses=False,
    resizes_twice=True,
    example="SurplusDeficit/UniGR-7B",
)
BOUNDS = PixelBounds(4 * CELL, 384 * CELL)


@dataclass(frozen=True, slots=True, kw_only=True)
class UniGrOptions:
    """How UniGR is asked.

    Attributes:
        input_mode: 'video' (one frame, as published) or 'image'.
        two_in_one: Whether the question of protocol 1 also asks where the object is.
    """

    input_mode: InputMode = InputMode.VIDEO
    two_in_one: bool = False

    def __post_init__(self) -> None:
        read_choices(self)


@takes_bundles(
    weights=PixelOptions, asking=UniGrOptions, attention=AttentionOptions, batching=BatchOptions
)
def load(
    name: str,
    weights: PixelOptions,
    asking: UniGrOptions,
    attention: AttentionOptions,
    batching: BatchOptions,
    *,
    checkpoint: str | None = None,
) -> UniGrModel:
    """Load UniGR by a short name, a hub id or a folder.

    The fields of the bundles are keyword options of this function.

    Args:
        name: A short name, a hub id or a folder.
        weights: Which weights are loaded, and how.
        asking: How it is asked.
        attention: What the attention maps are averaged over.
        batching: How questions are put together.
        checkpoint: Folder or hub id of the weights, if `name` is a short name.

    Raises:
        CheckpointError: If a file is missing, damaged or belongs to another model.
        DataError: If an option is not valid.
        PrerequisiteError: If memory or a package is missing, or the hub cannot be reached.
    """
    parts = load_parts(
        UNIGR, checkpoint or name, weights, head_of, BOUNDS, asking.input_mode, attention
    )
    settings = {
        "quantization": weights.quantization,
        "rotary": weights.rotary,
        "input_mode": asking.input_mode,
        "two_in_one": asking.two_in_one,
    }
    model = UniGrModel(
        name, parts.network, parts.maker, parts.folder, settings,
        attention=attention, batching=batching,
    )  # fmt: skip
    model.try_out()
    return model


def head_of(shapes: Any) -> nn.Module:
    """Build the projection of a `[SEG]` state to a prompt of SAM 2."""
    first, second = shapes["0.weight"], shapes["2.weight"]
    return nn.Sequential(nn.Linear(first[1], first[0]), nn.ReLU(), nn.Linear(second[1], second[0]))


class UniGrModel(PixelQwenModel):
    """UniGR: text, and a mask for each `[SEG]` in it."""

    def __init__(
        self,
        name: str,
        network: Any,
        maker: QwenPromptMaker,
        folder: Path,
        settings: dict[str, Any],
        **bundles: Any,
    ) -> None:
        super().__init__(name, network, maker, DIALOGUE, folder, settings, **bundles)
        self._questions = 1  # about the image at hand, whether answered freely or not

    @torch.inference_mode()
    def answer(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
    ) -> list[Answer]:
        """Answer each prompt about the image with the same index.

        A prompt of protocol 3 gets the forced reply `Sure, [SEG].` and its mask; if attention or
        a pass is wanted it is answered freely, since the forced words are not the model's own.

        Args:
            images: RGB images; the same object in consecutive places is read once.
            prompts: One prompt per image.
            decoding: How answers are decoded.
        """
        asked = [replace(p, text=self.text_of(p, decoding.conventions)) for p in prompts]
        looks = decoding.attention or decoding.forward
        forced = {i for i, p in enumerate(asked) if p.protocol == 3 and not looks}
        answers: dict[int, Answer] = {}
        for places in _runs(images) if forced else [range(len(asked))]:
            self._questions = len(places) if forced else 1
            free = [place for place in places if place not in forced]
            own = super().answer([images[i] for i in free], [asked[i] for i in free], decoding)
            answers |= dict(zip(free, own, strict=True))
            texts = {place: asked[place].text for place in places if place in forced}
            if texts:
                states = self.forced_states(images[places[0]], list(texts.values()))
                for place, state in zip(texts, states, strict=True):
                    answers[place] = self._forced_answer(images[place], state, decoding)
        return [answers[place] for place in range(len(asked))]

    def text_of(self, prompt: Prompt, conventions: ModelConventions) -> str:
        """Return what the model reads of a prompt."""
        two_in_one = bool(self._settings["two_in_one"])
        published = is_stored(conventions)
        return question_of(prompt, published=published, two_in_one=two_in_one)

    @torch.inference_mode()
    def forced_states(self, image: Image.Image, texts: Sequence[str]) -> list[Tensor]:
        """Return the states that predict `[SEG]` in questions and the forced reply to them.

        Args:
            image: The RGB image; several questions share what is computed of it.
            texts: The questions.

        Returns:
            For each question [n, width]: a `[SEG]` in the question comes before that of the reply.
        """
        batches = [self._makers[False].batch([image], [text], reply=REPLY) for text in texts]
        length = prefix_length(batches)
        if length is None or not self._is_shared(image, len(texts)):
            return [
                self.network.segmentation_states(self._generator.to_device(batch.inputs))
                for batch in batches
            ]
        prefix = prefix_of(self._prefix, self._model, image, batches, length)
        self._prefix = prefix
        return [
            self.network.segmentation_states(
                self._generator.to_device(batch.inputs), prefix.copied_cache()
            )
            for batch in batches
        ]

    def _is_shared(self, image: Image.Image, questions: int) -> bool:
        return super()._is_shared(image, max(questions, self._questions))

    def _forced_answer(self, image: Image.Image, states: Tensor, decoding: Decoding) -> Answer:
        """Return the forced reply with a mask; published rules keep that of the first `[SEG]`."""
        kept = states[:1] if is_published(decoding) else states[-1:]
        tokenizer = self.processor.tokenizer
        ids = tuple(tokenizer(REPLY, add_special_tokens=False)["input_ids"])
        return self._with_masks(image, ids, kept, decoding)


def _runs(images: Sequence[Image.Image]) -> list[range]:
    """Return the places of consecutive prompts about one image."""
    starts = [i for i, image in enumerate(images) if not i or image is not images[i - 1]]
    return [range(a, b) for a, b in zip(starts, [*starts[1:], len(images)], strict=True)]
