"""OMG-LLaVA as a model of PixFoundation: images and questions in, answers with masks out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import torch
from PIL import Image

from pixfoundation.conventions import AnswerText, KeptMasks, MaskPairing
from pixfoundation.errors import DataError
from pixfoundation.existence import exists, isdir
from pixfoundation.hub import Source, WeightOptions, resolve_device
from pixfoundation.masks import Mask
from pixfoundation.models.base import Capability, Decoding, describe_model
from pixfoundation.models.card import location_of
from pixfoundation.models.common.checkpoints import find_folder
from pixfoundation.models.common.image_cache import LastImage
from pixfoundation.models.common.limits import end_of, greedy_only, room_for_answer
from pixfoundation.models.common.seg_phrases import phrase_of_each_seg, phrase_span
from pixfoundation.models.omg_llava.checkpoint import Base
from pixfoundation.models.omg_llava.checkpoint import load as load_core
from pixfoundation.models.omg_llava.files import FilePaths
from pixfoundation.models.omg_llava.finishing import Keep, crop_masks, keep_masks
from pixfoundation.models.omg_llava.network import STRIDE, OmgLlava, Perception
from pixfoundation.models.omg_llava.pixels import SIDE, to_pixels
from pixfoundation.models.omg_llava.prompt import TEMPLATES, prompt_ids, published_text
from pixfoundation.models.omg_llava.tokenizer import InternTokens
from pixfoundation.option_bundles import read_choices, takes_bundles
from pixfoundation.trial import QUESTION, check_tokens, step, trial_image, warn_if_infinite
from pixfoundation.typed_options import Within
from pixfoundation.types import Answer, NativeMask, Prompt

INTERNLM = "internlm/internlm2-chat-7b"
CONVNEXT = "laion/CLIP-convnext_large_d_320.laion2B-s29B-b131K-ft-soup"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """Where the files of OMG-LLaVA are.

    Attributes:
        checkpoint: The folder or a hub id, if the model is loaded by its short name.
        finetuned: The fine-tuned file, if it is not the published one.
        head: The OMG-Seg file, if it is not in the folder.
        bank: The class embeddings, if they are not in the folder.
        trunk: The OpenCLIP file, folder or hub id, if it is not in the folder; `CONVNEXT` if the
            checkpoint is on the hub.
        llm: The InternLM2 folder or hub id, if it is not in the folder; `INTERNLM` if the
            checkpoint is on the hub.
    """

    checkpoint: str | None = None
    finetuned: str | None = None
    head: str | None = None
    bank: str | None = None
    trunk: str | None = None
    llm: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOptions:
    """How masks are computed and which of them an answer holds.

    Attributes:
        base: 'exact', or 'nf4' for the 4-bit base of the published numbers (bitsandbytes).
        masks: Masks that an answer holds: 'all' with their phrases, the 'first', their 'union', or
            those of the 'phrase' that is most like the expression of the question.
        image_side: Side of the network's input in pixels, a multiple of 64.
    """

    base: Base = Base.EXACT
    masks: Keep = Keep.ALL
    image_side: Annotated[int, Within(least=STRIDE, multiple_of=STRIDE)] = SIDE

    def __post_init__(self) -> None:
        read_choices(self)
        if self.image_side < STRIDE or self.image_side % STRIDE:
            raise DataError(f"image_side is a multiple of {STRIDE}, but got {self.image_side}.")


@takes_bundles(weights=WeightOptions, files=FileOptions, answers=AnswerOptions)
def load(
    name: str = "omg-llava", *, weights: WeightOptions, files: FileOptions, answers: AnswerOptions
) -> OmgLlavaModel:
    """Load OMG-LLaVA.

    The fields of the bundles are keyword options of this function.

    Args:
        name: 'omg-llava', a hub id, or the folder that holds the published files.
        weights: Device, precision of the language model, and revision on the hub.
        files: Where the files are.
        answers: How masks are computed and which of them an answer holds.

    Raises:
        CheckpointError: If a file is damaged or belongs to another model.
        DataError: If an option has an unknown value.
        PrerequisiteError: If a file or package is missing.
    """
    source = files.checkpoint or location_of(name)
    folder = find_folder(source, weights.revision)
    llm, trunk = files.llm, files.trunk
    if not isdir(source):
        llm, trunk = llm or INTERNLM, trunk or CONVNEXT
    paths = FilePaths(files.finetuned, files.head, files.bank, _local_path(trunk), _local_path(llm))
    device = resolve_device(weights.device)
    core = load_core(folder, paths, dtype=weights.dtype, device=device, base=answers.base)
    tokens = InternTokens.of_checkpoint(core.files.llm, core.vocabulary)
    model = OmgLlavaModel(name, core, tokens, answers)
    model.try_out()
    return model


class OmgLlavaModel:
    """OMG-LLaVA: text, and a mask for each [SEG] in it.

    Attributes:
        name: The name under which it was loaded.
        capabilities: `masks`.
        templates: Prompt templates of the protocols.
    """

    capabilities: frozenset[Capability] = frozenset({"masks"})
    templates = TEMPLATES

    def __init__(
        self,
        name: str,
        core: OmgLlava,
        tokens: InternTokens,
        options: AnswerOptions | None = None,
    ) -> None:
        self.name = name
        self._core = core
        self._tokens = tokens
        self._options = options or AnswerOptions()

    def answer(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
    ) -> list[Answer]:
        """Answer each prompt about the image with the same index.

        Args:
            images: RGB images; the same object in consecutive places is encoded once.
            prompts: One prompt per image.
            decoding: How answers are decoded; greedily only. Its conventions say which masks are
                kept and where they are cut out of the padded square.

        Raises:
            DataError: If sampling or attention is requested, or if a prompt leaves no room for an
                answer.
        """
        greedy_only(self.name, decoding)
        side = self._options.image_side
        encode = LastImage(lambda image: self._core.vision(to_pixels(image, side)))
        return [
            self._answer(image, encode(image), prompt, decoding)
            for image, prompt in zip(images, prompts, strict=True)
        ]

    def try_out(self) -> None:
        """Answer one question about one image, and draw one mask.

        Raises:
            CheckpointError: If that fails; the message names the files.
        """
        core, files = self._core, "tokenizer.model and added_tokens.json"
        location = str(core.files.finetuned.parent)
        with step(location, "its tokenizer", f"{files} in {core.files.llm}"):
            before, after = prompt_ids(self._tokens, QUESTION)
        embeddings: Any = core.llm.get_input_embeddings()
        added = core.vocabulary.seg
        check_tokens(location, [*before, *after, added], len(embeddings.weight), files)
        with step(location, "its perception", f"the files of the trunk and of {core.files.head}"):
            seen = core.vision(to_pixels(trial_image(), self._options.image_side))
        with step(location, "the language model", f"config.json and weights in {core.files.llm}"):
            prompt = (core.embed(torch.tensor(before)).float(), seen.visual_tokens[0])
            core.generate(torch.cat(prompt), 1, stop_ids=core.stop_ids)
        with step(location, "its mask decoder", str(core.files.finetuned)):
            state = torch.zeros(1, core.llm.config.hidden_size)
            masks = core.segment(core.queries(state), seen.state)
        finite = bool(seen.visual_tokens[0].isfinite().all() and masks.isfinite().all())
        warn_if_infinite(location, "image tokens or mask logits", finite, masks.dtype)

    def __str__(self) -> str:
        return describe_model(self)

    def fingerprint(self) -> dict[str, Any]:
        """Return what identifies the weights and settings, as JSON data."""
        files = self._core.files
        llm = Source(self.name, str(files.llm)).fingerprint(self._core.llm)
        return {
            "name": self.name,
            "source": str(files.finetuned.parent),
            "dtype": llm["dtype"],
            "llm": llm["weights"],
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
            "base": self._options.base,
            "masks": self._options.masks,
            "image_side": self._options.image_side,
            "notes": list(self._core.notes),
        }

    def _answer(
        self, image: Image.Image, perception: Perception, prompt: Prompt, decoding: Decoding
    ) -> Answer:
        core, tokens = self._core, self._tokens
        before, after = prompt_ids(tokens, prompt.text)
        inputs = torch.cat(
            (
                core.embed(torch.tensor(before)).float(),
                perception.visual_tokens[0],
                core.embed(torch.tensor(after)).float(),
            )
        )
        room = room_for_answer(len(inputs), core.llm.config.max_position_embeddings)
        limit, stop_ids = min(decoding.max_new_tokens, room), core.stop_ids | {tokens.turn_end}
        generated = core.generate(inputs, limit, stop_ids=stop_ids)
        ids = generated.ids.tolist()
        ended = end_of(ids, stop_ids, limit)
        logits = core.segment(core.queries(generated.seg_states), perception.state)
        rules = decoding.conventions
        cut_out = crop_masks(logits, image.width, image.height, rules.mask_crop)
        decoded = tokens.decode(ids, hidden=tokens.added.values())
        phrases = phrase_of_each_seg(ids[:-1], tokens, core.vocabulary.seg)
        spans = [phrase_span(phrase, decoded) for phrase in phrases]
        masks = [
            NativeMask(Mask.from_array(mask), span and decoded.text[slice(*span)], span)
            for mask, span in zip(cut_out.cpu(), spans, strict=True)
        ]
        keep = Keep.FIRST if rules.kept_masks is KeptMasks.FIRST else self._options.masks
        kept = keep_masks(masks, keep, prompt.expression)
        if rules.mask_pairing is MaskPairing.WRAPPER:
            kept = tuple(replace(mask, phrase=None, span=None) for mask in kept)
        if rules.answer_text is AnswerText.PLAIN:
            return Answer(decoded.text, tuple(ids), decoded.spans, kept, ended=ended)
        stored = published_text(tokens.decode(ids).text)
        unplaced = tuple(replace(mask, span=None) for mask in kept)
        return Answer(stored, tuple(ids), (), unplaced, ended=ended)


def _local_path(source: str | None) -> Path | None:
    """Return a file or folder as it is, and the local folder of a hub id."""
    if source is None or exists(source):
        return None if source is None else Path(source)
    return find_folder(source)


def _identity(path: Path) -> str:
    """Return name and size of a file, which tell files apart without reading gigabytes."""
    return f"{path.name}: {path.stat().st_size} bytes"
