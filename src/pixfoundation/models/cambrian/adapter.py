"""Cambrian-1 as a model of PixFoundation: images and questions in, answers with attention out."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pixfoundation.attention import to_trace
from pixfoundation.attention.interface import count_layers
from pixfoundation.conventions import DEFAULT, AttentionGrid, ImageNewline, ModelConventions
from pixfoundation.errors import DataError
from pixfoundation.forward import Need
from pixfoundation.geometry import GridFrame
from pixfoundation.hub import Source, WeightOptions
from pixfoundation.models.base import Capability, Decoding, GivenAnswer, describe_model
from pixfoundation.models.cambrian.checkpoint import load as load_core
from pixfoundation.models.cambrian.network import Cambrian, Generation, ReadImage
from pixfoundation.models.cambrian.passes import CambrianPass, blocked_scores
from pixfoundation.models.cambrian.prompt import load_tokenizer, prompt_ids, turn_ends
from pixfoundation.models.cambrian.unpadding import Margins
from pixfoundation.models.card import location_of
from pixfoundation.models.common.checkpoints import find_folder
from pixfoundation.models.common.given_answers import TokenRules, force
from pixfoundation.models.common.image_cache import LastImage
from pixfoundation.models.common.limits import end_of
from pixfoundation.models.common.placement import Quantization
from pixfoundation.models.common.spans import decode_with_spans
from pixfoundation.models.interventions import Block, TokenScores
from pixfoundation.option_bundles import read_choices, takes_bundles
from pixfoundation.prompts import PromptTemplates
from pixfoundation.trial import QUESTION, check_tokens, step, trial_image, warn_if_infinite
from pixfoundation.types import Answer, AttentionTrace, Prompt


class Geometry(StrEnum):
    """Where the cells of an attention map lie on the image."""

    IMAGE = "image"
    """On the pixels that they were computed from."""
    PUBLISHED = "published"
    """Where the published script puts them, which is wrong for images that are not square."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """Where the files of Cambrian-1 are.

    Attributes:
        checkpoint: Folder or hub id of the weights, if the model is loaded by its short name.
        towers: Folder that holds a folder for each of the four vision encoders; from the hub by
            default.
    """

    checkpoint: str | None = None
    towers: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementOptions(WeightOptions):
    """Where and in which precision the weights are kept; see also `WeightOptions`.

    Attributes:
        tower_device: Device of the encoders; that of the language model by default.
        quantization: '8bit' or '4bit' for the language model's layers.
    """

    tower_device: str | None = None
    quantization: Quantization | None = None

    def __post_init__(self) -> None:
        read_choices(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOptions:
    """Options of prompts and attention maps.

    Attributes:
        geometry: 'image' places each cell of an attention map on the pixels it was computed from;
            'published' places it as the published script does, which is wrong for images that are
            not square. By default the conventions of the decoding decide.
        legacy_drop_newline: Whether to leave out the newline after the image, as the published
            script does. By default the conventions of the decoding decide.
        share_prefix: Whether the prompt up to the image is computed once for several questions
            about one image.
    """

    geometry: Geometry | None = None
    legacy_drop_newline: bool | None = None
    share_prefix: bool = True

    def __post_init__(self) -> None:
        read_choices(self)


@takes_bundles(files=FileOptions, placement=PlacementOptions, answers=AnswerOptions)
def load(
    name: str, files: FileOptions, placement: PlacementOptions, answers: AnswerOptions
) -> CambrianModel:
    """Load Cambrian-1.

    The fields of the bundles are keyword options of this function.

    Args:
        name: 'cambrian-8b', a hub id, or the folder of a checkpoint.
        files: Where its files are.
        placement: Where and in which precision the weights are kept; float16 as published.
        answers: Options of prompts and attention maps.

    Raises:
        CheckpointError: If a file is missing, truncated, or belongs to another model.
        PrerequisiteError: If memory or a package is missing, or the hub cannot be reached.
        DataError: If an option has an unknown value.
    """
    location = files.checkpoint or location_of(name)
    folder = find_folder(location, placement.revision)
    tokenizer = load_tokenizer(folder)
    core = load_core(
        folder,
        towers=files.towers,
        dtype=placement.dtype,
        device=placement.device,
        tower_device=placement.tower_device,
        quantization=placement.quantization,
    )
    source = Source(name, location, placement.revision)
    model = CambrianModel(name, core, tokenizer, source, answers, placement.quantization)
    model.try_out()
    return model


class CambrianModel:
    """Cambrian-1: text, and the attention to the image of each token.

    Attributes:
        name: The name under which it was loaded.
        capabilities: `attention`.
        templates: Prompt templates of the protocols.
        core: The network.
        published_row_convention: Row convention of the published evaluation of this model.
    """

    capabilities: frozenset[Capability] = frozenset({"attention"})
    published_row_convention = "pixfoundation-cambrian"

    def __init__(
        self,
        name: str,
        core: Cambrian,
        tokenizer: Any,
        source: Source,
        options: AnswerOptions,
        quantization: Quantization | None = None,
    ) -> None:
        self.name = name
        self.templates = PromptTemplates()
        self.core = core
        self._tokenizer = tokenizer
        self._source = source
        self._options = options
        self._quantization = quantization
        self._stop = tuple(dict.fromkeys((*core.stop_ids, *turn_ends(tokenizer))))
        self._encoded: LastImage[_EncodedImage] = LastImage(self._encode)

    def answer(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
    ) -> list[Answer]:
        """Answer each prompt about the image with the same index.

        Args:
            images: RGB images; the same object in consecutive places is encoded once.
            prompts: One prompt per image.
            decoding: How answers are decoded. Its conventions say whether the newline after the
                image is dropped and which pixels the attention grid covers.

        Raises:
            DataError: If an image is too elongated for the grid, or a question too long for the
                model.
        """
        answers = []
        for index, (image, prompt) in enumerate(zip(images, prompts, strict=True)):
            again = any(other is image for other in images[index + 1 :])
            answer = self._answer(image, prompt.text, decoding, again)
            answers.append(self._with_forward(image, prompt, answer, decoding))
        return answers

    def lacks(self, needs: frozenset[Need]) -> str | None:
        """Return nothing: the model can give all that a reading needs; see `GivesForwards`."""
        return None

    def forward(
        self,
        image: Image.Image,
        prompt: Prompt,
        token_ids: Sequence[int],
        conventions: ModelConventions = DEFAULT.model,
    ) -> CambrianPass:
        """Return the pass over a prompt and an answer to it; see `GivesForwards`."""
        return CambrianPass(
            self.core,
            lambda question: self._ids(question, conventions),
            self._encoded(image).features,
            self._frame(image, conventions),
            prompt.text,
            token_ids,
        )

    @torch.inference_mode()
    def score_answer(
        self,
        images: Sequence[Image.Image],
        prompt: Prompt,
        token_ids: Sequence[int],
        conventions: ModelConventions = DEFAULT.model,
    ) -> list[TokenScores]:
        """Return how likely an answer is about each image; see `models.interventions`."""
        return [self.forward(image, prompt, token_ids, conventions).scores() for image in images]

    @torch.inference_mode()
    def score_blocked(
        self,
        image: Image.Image,
        prompt: Prompt,
        token_ids: Sequence[int],
        blocks: Sequence[Block | None],
        conventions: ModelConventions = DEFAULT.model,
    ) -> list[TokenScores]:
        """Return how likely an answer is under each block; see `models.interventions`."""
        ids, encoded = self._ids(prompt.text, conventions), self._encoded(image)
        if encoded.read is None:
            encoded.read = self.core.read(ids, encoded.features, image.size)
        return blocked_scores(self.core, ids, encoded.read, token_ids, blocks)

    @property
    def depth(self) -> int:
        """Number of decoder layers."""
        return count_layers(self.core.llm)

    def try_out(self) -> None:
        """Answer one question about one image.

        Raises:
            CheckpointError: If that fails; the message names the files.
        """
        location, image, files = self._source.location, trial_image(), "tokenizer.json"
        with step(location, "its tokenizer", f"{files} and tokenizer_config.json"):
            ids = prompt_ids(self._tokenizer, QUESTION)
        rows = self.core.llm.get_input_embeddings().weight.shape[0]
        check_tokens(location, ids, rows, files)
        towers = "preprocessor_config.json and config.json of the vision encoders"
        with step(location, "a vision encoder", towers):
            features = self.core.encode(np.asarray(image))
        with step(location, "its connector", "config.json (query_num_list, image_token_len)"):
            self.core.aggregate(features, image.size)
        one = Decoding(max_new_tokens=1, attention=True)
        with step(location, "the language model", "config.json and the weights"):
            self.core.generate(ids, features, image.size, one, stop_ids=self._stop, logits=False)
        finite = all(bool(each.isfinite().all()) for each in features)
        warn_if_infinite(location, "image features", finite, features[0].dtype)

    def read(
        self,
        images: Sequence[Image.Image],
        prompts: Sequence[Prompt],
        written: Sequence[GivenAnswer],
        decoding: Decoding,
    ) -> list[Answer]:
        """Read the answers of others by one forward each; see `ReadsAnswers`.

        Args:
            images: RGB images; the same object in consecutive places is encoded once.
            prompts: One prompt per image.
            written: One answer per prompt.
            decoding: Whether attention is captured, and the rules of the adapter.

        Raises:
            DataError: As for `answer`.
        """
        answers: list[Answer] = []
        for index, (image, prompt, own) in enumerate(zip(images, prompts, written, strict=True)):
            again = any(other is image for other in images[index + 1 :])
            answer = self._read(image, prompt.text, own, decoding, again)
            answers.append(self._with_forward(image, prompt, answer, decoding))
        return answers

    def __str__(self) -> str:
        return describe_model(self)

    def fingerprint(self) -> dict[str, Any]:
        """Return what identifies the weights and settings, as JSON data."""
        return {
            "name": self.name,
            **self._source.fingerprint(self.core.llm),
            "towers": [
                Source(tower.spec.name, str(tower.folder)).fingerprint(tower.encoder)["weights"]
                for tower in self.core.towers
            ],
            "quantization": self._quantization,
            "geometry": self._options.geometry,
            "legacy_drop_newline": self._options.legacy_drop_newline,
        }

    def _answer(self, image: Image.Image, question: str, decoding: Decoding, again: bool) -> Answer:
        """Answer one question; `again` says whether another one about the same image follows."""
        ids, encoded = self._asked(image, question, decoding, again)
        output = self.core.generate(
            ids,
            encoded.features,
            image.size,
            replace(decoding, seed=zlib.crc32(f"{decoding.seed} {question}".encode())),
            stop_ids=self._stop,
            logits=False,
            read=encoded.read,
        )
        tokens = output.ids.tolist()
        words, spans = decode_with_spans(self._tokenizer, tokens)
        return Answer(
            words,
            tuple(tokens),
            spans,
            trace=self._trace(output, image, decoding),
            ended=end_of(tokens, self._stop, decoding.max_new_tokens),
        )

    def _read(
        self, image: Image.Image, question: str, own: GivenAnswer, decoding: Decoding, again: bool
    ) -> Answer:
        if own.error is not None:
            return Answer("", error=own.error)
        size = self.core.llm.get_input_embeddings().weight.shape[0]
        try:
            forced = force(own, TokenRules(self._tokenizer, frozenset(self._stop), size=size))
        except DataError as error:
            return Answer("", error=str(error))
        if not decoding.attention:
            return forced.answer(None, None)
        ids, encoded = self._asked(image, question, decoding, again)
        ends = self._stop if forced.stop is None else (forced.stop,)
        output = self.core.look(
            ids,
            forced.fed,
            encoded.features,
            image.size,
            stop_ids=ends if forced.stopped else (),
            read=encoded.read,
        )
        tokens = output.ids.tolist()
        trace = self._trace(output, image, decoding) if tokens else None
        return forced.answer(tokens[-1] if forced.stopped and tokens else None, trace)

    def _with_forward(
        self, image: Image.Image, prompt: Prompt, answer: Answer, decoding: Decoding
    ) -> Answer:
        if not decoding.forward or not answer.token_ids:
            return answer
        forward = self.forward(image, prompt, answer.token_ids, decoding.conventions)
        return replace(answer, forward=forward)

    def _asked(
        self, image: Image.Image, question: str, decoding: Decoding, again: bool
    ) -> tuple[list[int], _EncodedImage]:
        """Return the ids of a prompt, and its image; see `_answer`."""
        ids = self._ids(question, decoding.conventions)
        encoded = self._encoded(image)
        shared = self._options.share_prefix and (again or encoded.used)
        if shared and encoded.read is None:
            encoded.read = self.core.read(ids, encoded.features, image.size)
        encoded.used = True
        return ids, encoded

    def _ids(self, question: str, conventions: ModelConventions) -> list[int]:
        """Return the ids of a question in the conversation."""
        drop = self._options.legacy_drop_newline
        if drop is None:
            drop = conventions.image_newline is ImageNewline.DROPPED
        return prompt_ids(self._tokenizer, question, legacy_drop_newline=drop)

    def _encode(self, image: Image.Image) -> _EncodedImage:
        return _EncodedImage(self.core.encode(np.asarray(image.convert("RGB"))))

    def _trace(
        self, output: Generation, image: Image.Image, decoding: Decoding
    ) -> AttentionTrace | None:
        maps = output.maps()
        if maps is None:
            return None
        frame = self._frame(image, decoding.conventions)
        return to_trace(maps.flatten(1), len(output.ids), frame)

    def _frame(self, image: Image.Image, conventions: ModelConventions) -> GridFrame:
        """Return where the grid of image tokens lies on an image."""
        margins = Margins.of(image.size, self.core.sizes.side)
        square = conventions.attention_grid is AttentionGrid.SQUARE
        if self._options.geometry is not None:
            square = self._options.geometry is Geometry.PUBLISHED
        return margins.published_frame(image.size) if square else margins.frame(image.size)


@dataclass(slots=True)
class _EncodedImage:
    """Features of an image, whether a question used them, and the prompt up to the image."""

    features: list[Tensor]
    used: bool = False
    read: ReadImage | None = None
