"""OMG-LLaVA as the rest of the package sees it: images and questions in, answers with masks out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image

from pixfoundation.conventions import AnswerText, KeptMasks, MaskPairing
from pixfoundation.errors import DataError
from pixfoundation.hub import Source, resolve_device
from pixfoundation.masks import Mask, union
from pixfoundation.models.base import Capability, Decoding
from pixfoundation.models.card import location_of
from pixfoundation.models.common.checkpoints import find_folder
from pixfoundation.models.common.limits import greedy_only, room_for_answer
from pixfoundation.models.common.llava_sam.prompt import phrase_of_each_seg
from pixfoundation.models.omg_llava.checkpoint import Base
from pixfoundation.models.omg_llava.checkpoint import load as load_core
from pixfoundation.models.omg_llava.finishing import finish_each
from pixfoundation.models.omg_llava.network import STRIDE, OmgLlava, Perception
from pixfoundation.models.omg_llava.phrases import characters, named, published_text
from pixfoundation.models.omg_llava.pixels import SIDE, to_pixels
from pixfoundation.models.omg_llava.tokenizer import InternTokens
from pixfoundation.prompts import PromptTemplates
from pixfoundation.types import Answer, NativeMask, Prompt

INTERNLM = "internlm/internlm2-chat-7b"
CONVNEXT = "laion/CLIP-convnext_large_d_320.laion2B-s29B-b131K-ft-soup"
TEMPLATES = PromptTemplates(identify="Can you please segment {expression} in the given image")

LICENCE = (
    "OMG-LLaVA: the code is Apache-2.0 as its authors state, that of OMG-Seg MIT. No licence is "
    "stated for the weights in their repository; InternLM2 and OpenCLIP have terms of their own. "
    "Read the model cards before you use them."
)
logger = logging.getLogger(__name__)

Keep = Literal["all", "first", "union", "phrase"]
KEEP: tuple[Keep, ...] = ("all", "first", "union", "phrase")


def load(
    name: str = "omg-llava",
    *,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    checkpoint: str | None = None,
    finetuned: str | None = None,
    head: str | None = None,
    bank: str | None = None,
    trunk: str | None = None,
    llm: str | None = None,
    base: Base = "exact",
    masks: Keep = "all",
    image_side: int = SIDE,
) -> OmgLlavaModel:
    """Load OMG-LLaVA; the licences are said first.

    Args:
        name: 'omg-llava', a hub id, or the folder that holds the published files.
        device: Where to; a GPU if there is one by default.
        dtype: Of the language model: 'float32', 'float16' or 'bfloat16'; half on a GPU by default.
        revision: Branch, tag or commit on the hub.
        checkpoint: The folder or a hub id, where `name` is the short name.
        finetuned: The fine-tuned file, if another than the published one is meant.
        head: The OMG-Seg file, if it is not in the folder.
        bank: The class embeddings, if they are not in the folder.
        trunk: The OpenCLIP file, folder or hub id, if it is not in the folder; `CONVNEXT` if the
            checkpoint is on the hub.
        llm: The InternLM2 folder or hub id, if it is not in the folder; `INTERNLM` if the
            checkpoint is on the hub.
        base: 'exact', or 'nf4' for the 4-bit base of the published numbers (bitsandbytes).
        masks: Which masks of an answer are given: 'all' with their phrases, the 'first', their
            'union', or those of the 'phrase' that is most like the expression asked for.
        image_side: Side of the network's input in pixels, a multiple of 64.

    Raises:
        CheckpointError: If a file is damaged or of another model.
        DataError: If an option has no meaning.
        PrerequisiteError: If a file or package is missing.
    """
    if masks not in KEEP:
        raise DataError(f"The option masks is one of {', '.join(KEEP)}, but got {masks!r}.")
    if base not in ("exact", "nf4"):
        raise DataError(f"The option base is 'exact' or 'nf4', but got {base!r}.")
    if image_side < STRIDE or image_side % STRIDE:
        raise DataError(f"image_side is a multiple of {STRIDE}, but got {image_side}.")
    logger.warning(LICENCE)
    source = checkpoint or location_of(name)
    folder = find_folder(source, revision)
    if not Path(source).is_dir():
        llm, trunk = llm or INTERNLM, trunk or CONVNEXT
    core = load_core(
        folder,
        finetuned=finetuned,
        head=head,
        bank=bank,
        trunk=_found(trunk),
        llm=_found(llm),
        dtype=dtype,
        device=resolve_device(device),
        base=base,
    )
    tokens = InternTokens.of_checkpoint(core.files.llm, core.vocabulary)
    return OmgLlavaModel(name, core, tokens, masks=masks, base=base, image_side=image_side)


class OmgLlavaModel:
    """OMG-LLaVA: text, and a mask for each [SEG] in it.

    Attributes:
        name: What it was loaded as.
        capabilities: `masks`.
        templates: How it is asked.
    """

    capabilities: frozenset[Capability] = frozenset({"masks"})
    templates = TEMPLATES

    def __init__(
        self,
        name: str,
        core: OmgLlava,
        tokens: InternTokens,
        *,
        masks: Keep = "all",
        base: Base = "exact",
        image_side: int = SIDE,
    ) -> None:
        self.name = name
        self._core = core
        self._tokens = tokens
        self._keep: Keep = masks
        self._base = base
        self._image_side = image_side

    def answer(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
    ) -> list[Answer]:
        """Answers each prompt about the image at the same place.

        Args:
            images: RGB images; the same object in consecutive places is looked at once.
            prompts: One an image.
            decoding: How; greedily only. With `published` an answer has its first mask alone, cut
                from the top left corner of the padded square.

        Raises:
            DataError: If sampling or attention is asked for, or a prompt leaves no room.
        """
        greedy_only(self.name, decoding)
        answers = []
        last: Image.Image | None = None
        seen: Perception | None = None
        for image, prompt in zip(images, prompts, strict=True):
            if seen is None or last is not image:
                last, seen = image, self._core.vision(to_pixels(image, self._image_side))
            answers.append(self._answer(image, seen, prompt, decoding))
        return answers

    def fingerprint(self) -> dict[str, Any]:
        """Return what identifies the weights and settings, as JSON data."""
        files = self._core.files
        own = Source(self.name, str(files.llm)).fingerprint(self._core.llm)
        return {
            "name": self.name,
            "source": str(files.finetuned.parent),
            "dtype": own["dtype"],
            "llm": own["weights"],
            "files": {
                part: _identity(path)
                for part, path in (
                    ("finetuned", files.finetuned),
                    ("head", files.head),
                    ("bank", files.bank),
                    ("trunk", files.trunk),
                )
                if path is not None
            },
            "base": self._base,
            "masks": self._keep,
            "image_side": self._image_side,
            "notes": list(self._core.notes),
        }

    def _answer(
        self, image: Image.Image, seen: Perception, prompt: Prompt, decoding: Decoding
    ) -> Answer:
        core, tokens = self._core, self._tokens
        before, after = tokens.prompt(prompt.text)
        inputs = torch.cat(
            (
                core.embed(torch.tensor(before)).float(),
                seen.visual_tokens[0],
                core.embed(torch.tensor(after)).float(),
            )
        )
        room = room_for_answer(len(inputs), core.llm.config.max_position_embeddings)
        spoken = core.generate(
            inputs,
            min(decoding.max_new_tokens, room),
            stop_ids=core.stop_ids | {tokens.turn_end},
        )
        ids = spoken.ids.tolist()
        logits = core.segment(core.queries(spoken.seg_states), seen.state)
        rules = decoding.conventions
        cut_out = finish_each(logits, image.width, image.height, crop=rules.mask_crop)
        decoded = tokens.decode(ids, hidden=tokens.added.values())
        pairs = phrase_of_each_seg(ids[:-1], tokens, core.vocabulary.seg)
        spans = [characters(pair, decoded) for pair in pairs]
        masks = [
            NativeMask(Mask.from_array(mask), span and decoded.text[slice(*span)], span)
            for mask, span in zip(cut_out.cpu(), spans, strict=True)
        ]
        keep = "first" if rules.kept_masks is KeptMasks.FIRST else self._keep
        kept = _kept(masks, keep, prompt.expression)
        if rules.mask_pairing is MaskPairing.WRAPPER:
            kept = tuple(replace(own, phrase=None, span=None) for own in kept)
        if rules.answer_text is AnswerText.PLAIN:
            return Answer(decoded.text, tuple(ids), decoded.spans, kept)
        stored = published_text(tokens.decode(ids).text)
        return Answer(stored, tuple(ids), (), tuple(replace(own, span=None) for own in kept))


def _found(source: str | None) -> Path | None:
    """Return a file or folder as it is, and the local folder of a hub id."""
    if source is None or Path(source).exists():
        return None if source is None else Path(source)
    return find_folder(source)


def _kept(found: list[NativeMask], keep: Keep, expression: str | None) -> tuple[NativeMask, ...]:
    """Return the masks that an answer gives; an empty tuple is 'no mask'."""
    if keep == "first":
        return tuple(found[:1])
    if keep == "union" and found:
        return (NativeMask(union(mask.mask for mask in found)),)
    if keep == "phrase" and expression is not None:
        return tuple(found[i] for i in named([mask.phrase for mask in found], expression))
    return tuple(found)


def _identity(path: Path) -> str:
    """Return name and size of a file: what tells two of them apart without reading gigabytes."""
    return f"{path.name}: {path.stat().st_size} bytes"
