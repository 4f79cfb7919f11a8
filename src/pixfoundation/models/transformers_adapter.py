"""Image-text-to-text models of transformers: answers, and the attention behind them.

One adapter for LLaVA 1.5 / NeXT / OneVision, Qwen-VL, InternVL, Gemma 3, Idefics3, SmolVLM and the
embedded tiny LLaVA. Questions about one image share its prefix; questions about different images
are batched with padding on the left.
"""

from __future__ import annotations

import copy
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import AutoConfig, AutoModelForImageTextToText, GenerationConfig

from pixfoundation.attention.capture import AttentionCapture, Heads
from pixfoundation.attention.layouts import LAYOUTS, ImageLayout, View
from pixfoundation.attention.trace import to_trace
from pixfoundation.errors import DataError
from pixfoundation.geometry import GridFrame
from pixfoundation.hub import Source, explained, load_weights, resolve_device, resolve_dtype
from pixfoundation.models.base import Capability, Decoding
from pixfoundation.models.names import SHORT_NAMES
from pixfoundation.models.placement import Quantization, quantization_config
from pixfoundation.models.prefix import Prefix, continue_prefix, prefix_length, read_prefix
from pixfoundation.models.prompting import Conversation, PromptBatch, PromptMaker
from pixfoundation.models.spans import decode_with_spans
from pixfoundation.processors import load_processor
from pixfoundation.prompts import PromptTemplates
from pixfoundation.types import Answer, Prompt


def load(
    name: str,
    *,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    attn: str | None = None,
    quantization: Quantization | None = None,
    conversation: Conversation | None = None,
    pad_square: bool | None = None,
    view: View = "whole",
    layers: Sequence[int] | None = None,
    heads: Heads = None,
    share_prefix: bool = True,
    batch_size: int = 16,
) -> TransformersModel:
    """Loads an image-text-to-text model.

    Args:
        name: A short name, a hub id, or a folder in transformers' layout.
        device: Where to ('cuda', 'cuda:1', 'cpu', or 'auto' to spread a large model over all
            GPUs); a GPU if there is one by default.
        dtype: 'float32', 'float16' or 'bfloat16'; half on a GPU by default.
        revision: Branch, tag or commit on the hub.
        attn: The attention implementation; all of them can be captured ('sdpa', 'eager',
            'flash_attention_2'). By default 'sdpa', or 'eager' for a model with softcapping.
        quantization: '8bit' or '4bit' (bitsandbytes, on a GPU); None for none.
        conversation: 'checkpoint' or 'llava_v1'; by default the latter for LLaVA 1.5, which was
            evaluated with it.
        pad_square: Whether images are padded to squares; by default for LLaVA 1.5 and its like.
        view: For models that see an image whole and in tiles, which one attention is read from.
        layers: Decoder layers to average attention over; all by default.
        heads: Query heads to average attention over, for all layers or by layer; all by default.
        share_prefix: Whether questions about one image share its prefix.
        batch_size: Sequences a forward, at most.

    Raises:
        CheckpointError: If the weights are missing, damaged or incomplete.
        PrerequisiteError: If a package is missing.
        DataError: If an option is not known.
    """
    source = Source.find(name, SHORT_NAMES, revision)
    where = resolve_device(None if device == "auto" else device)
    options: dict[str, Any] = {
        "dtype": resolve_dtype(dtype, where),
        "attn_implementation": attn or _fitting_attention(source),
    }
    if quantization is not None:
        options["quantization_config"] = quantization_config(quantization, options["dtype"])
        options["device_map"] = "auto" if device == "auto" else {"": str(where)}
    elif device == "auto":
        options["device_map"] = "auto"
    processor = load_processor(source)
    model = load_weights(AutoModelForImageTextToText, source, **options)
    if "device_map" not in options:
        model.to(where)
    if conversation is None:
        published = re.search(r"llava-1\.5", source.location) is not None
        conversation = "llava_v1" if published else "checkpoint"
    maker = PromptMaker(
        processor=processor,
        config=model.config,
        conversation=conversation,
        padded_square=model.config.model_type == "llava" if pad_square is None else pad_square,
        view=view,
    )
    return TransformersModel(
        name, model, maker, source=source, quantization=quantization, layers=layers, heads=heads,
        share_prefix=share_prefix, batch_size=batch_size,
    )  # fmt: skip


class TransformersModel:
    """An image-text-to-text model of transformers.

    Attributes:
        name: What it was loaded as.
        capabilities: `attention` if the layout of its image tokens is known.
        templates: How it is asked.
    """

    def __init__(
        self,
        name: str,
        model: Any,
        maker: PromptMaker,
        *,
        source: Source | None = None,
        quantization: Quantization | None = None,
        templates: PromptTemplates | None = None,
        layers: Sequence[int] | None = None,
        heads: Heads = None,
        share_prefix: bool = True,
        batch_size: int = 16,
    ) -> None:
        if batch_size < 1:
            raise DataError(f"The batch size must be at least 1, but got {batch_size}.")
        self.name = name
        self.templates = templates or PromptTemplates()
        self.capabilities: frozenset[Capability] = frozenset(
            {"attention"} if model.config.model_type in LAYOUTS else ()
        )
        self._model = model
        # The checkpoint's settings go into each call; left at the model, they would be merged back.
        self._defaults = model.generation_config
        model.generation_config = GenerationConfig()
        self._maker = maker
        self._source = source
        self._quantization = quantization
        self._layers = layers
        self._heads = heads
        self._share_prefix = share_prefix
        self._batch_size = batch_size
        self._prefix: Prefix | None = None  # of the last image that several questions were about

    @property
    def processor(self) -> Any:
        """The checkpoint's processor."""
        return self._maker.processor

    @torch.inference_mode()
    def answer(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
    ) -> list[Answer]:
        """Answers each prompt about the image at the same place.

        Args:
            images: RGB images; the same object in consecutive places is read once.
            prompts: One an image.
            decoding: How.

        Returns:
            One answer a prompt, in order.

        Raises:
            AttentionError: If attention is wanted and the model's cannot be captured.
        """
        answers: list[Answer] = []
        for group in self._groups(images):
            own = [images[i] for i in group]
            texts = [prompts[i].text for i in group]
            shared = own[0] if self._share_prefix and all(i is own[0] for i in own) else None
            if shared is not None and (len(group) > 1 or self._holds(shared)):
                answers += self._answer_about(shared, texts, decoding)
            else:
                answers += self._answer_batch(own, texts, decoding)
        return answers

    def fingerprint(self) -> dict[str, Any]:
        """Returns what identifies the weights and settings, as JSON data."""
        own = {} if self._source is None else self._source.fingerprint(self._model)
        heads = self._heads
        return {
            "name": self.name,
            **own,
            "attn": self._model.config.get_text_config()._attn_implementation,
            "conversation": self._maker.conversation,
            "pad_square": self._maker.padded_square,
            "view": self._maker.view,
            "quantization": self._quantization,
            "layers": None if self._layers is None else list(self._layers),
            "heads": {str(k): list(v) for k, v in heads.items()}
            if isinstance(heads, dict)
            else None if heads is None else list(heads),
        }  # fmt: skip

    # ---- the three ways through ----------------------------------------------------------------

    def _groups(self, images: Sequence[Image.Image]) -> Iterator[list[int]]:
        """Yields places to be answered together: of one image, or of as many as fit a batch."""
        singles: list[int] = []
        start = 0
        while start < len(images):
            end = start + 1
            while end < len(images) and images[end] is images[start]:
                end += 1
            run = list(range(start, end))
            start = end
            if self._share_prefix and (len(run) > 1 or self._holds(images[run[0]])):
                if singles:
                    yield singles
                    singles = []
                yield run
                continue
            for place in run:
                singles.append(place)
                if len(singles) == self._batch_size:
                    yield singles
                    singles = []
        if singles:
            yield singles

    def _holds(self, image: Image.Image) -> bool:
        return self._prefix is not None and self._prefix.image is image

    def _answer_batch(
        self, images: Sequence[Image.Image], texts: Sequence[str], decoding: Decoding
    ) -> list[Answer]:
        """Answers questions about different images, padded on the left."""
        batch = self._maker.batch(images, texts)
        layouts = None
        if decoding.attention:
            layouts = [self._maker.layout(batch, row, image) for row, image in enumerate(images)]
        return self._generate(self._to_device(batch.inputs), layouts, decoding, texts[0])

    def _answer_about(
        self, image: Image.Image, texts: Sequence[str], decoding: Decoding
    ) -> list[Answer]:
        """Answers questions about one image, which is read once."""
        batches = [self._maker.batch([image], [text]) for text in texts]
        length = prefix_length(batches)
        if length is None:  # a template that puts the question before the image
            answers = [self._answer_batch([image], [text], decoding) for text in texts]
            return [answer for one in answers for answer in one]
        if self._prefix is None or not self._prefix.fits(image, batches):
            first = PromptBatch(
                self._to_device(batches[0].inputs), batches[0].image_at, batches[0].padding
            )
            self._prefix = read_prefix(self._model, image, first, length)
        layout = self._maker.layout(batches[0], 0, image) if decoding.attention else None
        answers_by_place: dict[int, Answer] = {}
        for places in self._question_batches(batches, self._prefix):
            inputs = continue_prefix(
                self._model, self._prefix, [batches[i] for i in places], self._pad_token
            )
            layouts = None if layout is None else [layout] * len(places)
            found = self._generate(
                self._to_device(inputs), layouts, decoding, texts[places[0]], past=length
            )
            answers_by_place |= dict(zip(places, found, strict=True))
        return [answers_by_place[i] for i in range(len(texts))]

    def _question_batches(
        self, batches: Sequence[PromptBatch], prefix: Prefix
    ) -> Iterator[list[int]]:
        """Yields which questions go together: of one length where a layer has a window."""
        lengths = [batch.inputs["input_ids"].shape[1] for batch in batches]
        waiting = list(range(len(batches)))
        while waiting:
            same = [
                i for i in waiting if not prefix.has_windows or lengths[i] == lengths[waiting[0]]
            ]
            chosen = same[: self._batch_size]
            yield chosen
            waiting = [i for i in waiting if i not in chosen]

    # ---- generating ----------------------------------------------------------------------------

    def _generate(
        self,
        inputs: dict[str, Any],
        layouts: Sequence[ImageLayout] | None,
        decoding: Decoding,
        salt: str,
        past: int = 0,
    ) -> list[Answer]:
        """Generates answers and, with layouts, captures their attention."""
        config = self._generation_config(decoding)
        if layouts is not None:
            config.max_new_tokens = decoding.max_new_tokens + 1  # see the cut below
        with ExitStack() as stack:
            capture = None
            if layouts is not None:
                columns = _padded_columns(layouts)
                capture = stack.enter_context(
                    AttentionCapture(
                        self._model, columns, layers=self._layers, heads=self._heads,
                        past_length=past,
                    )
                )  # fmt: skip
            if decoding.temperature > 0:
                devices = [self._model.device] if self._model.device.type == "cuda" else []
                stack.enter_context(torch.random.fork_rng(devices))
                torch.manual_seed(zlib.crc32(f"{decoding.seed} {salt}".encode()))
            output = self._model.generate(**inputs, generation_config=config)
        new = output[:, inputs["input_ids"].shape[1] :].cpu()
        rows = None if capture is None else capture.rows()
        answers = []
        for place, tokens in enumerate(new):
            # One token more than wanted was generated where attention is captured: the forward
            # that emits it holds the row of the last wanted token.
            ids, stopped = self._cut(tokens.tolist(), decoding.max_new_tokens)
            text, spans = decode_with_spans(self._maker.processor.tokenizer, ids)
            trace = None
            if rows is not None and layouts is not None and ids:
                frame: GridFrame = layouts[place].frame
                count = len(ids) + (1 if stopped else 2)
                cells = frame.rows * frame.columns
                trace = to_trace(rows[place, :count, :cells], len(ids), frame)
            answers.append(Answer(text, tuple(ids), spans, trace=trace))
        return answers

    def _cut(self, tokens: list[int], limit: int) -> tuple[list[int], bool]:
        """Cuts an answer behind its stop token, or at the limit; tells whether it stopped."""
        for place, token in enumerate(tokens[:limit]):
            if token in self._stop_tokens:
                return tokens[: place + 1], True
        return tokens[:limit], False

    def _generation_config(self, decoding: Decoding) -> GenerationConfig:
        config = copy.deepcopy(self._defaults)
        config.max_new_tokens = decoding.max_new_tokens
        config.max_length = None
        config.num_beams = 1
        config.pad_token_id = self._pad_token
        config.disable_compile = True  # Python code inside the attention must run at every step
        config.do_sample = decoding.temperature > 0
        config.temperature = decoding.temperature if decoding.temperature > 0 else None
        if not config.do_sample:
            config.top_p = config.top_k = None
        return config

    @property
    def _stop_tokens(self) -> frozenset[int]:
        stop = self._defaults.eos_token_id
        if stop is None:
            stop = self._maker.processor.tokenizer.eos_token_id
        return frozenset([] if stop is None else [stop] if isinstance(stop, int) else stop)

    @property
    def _pad_token(self) -> int:
        pad = self._maker.processor.tokenizer.pad_token_id
        if pad is None:
            pad = self._defaults.pad_token_id
        return next(iter(sorted(self._stop_tokens)), 0) if pad is None else pad

    def _to_device(self, inputs: dict[str, Any]) -> dict[str, Any]:
        device, dtype = self._model.device, self._model.dtype
        return {
            key: (
                value.to(device, dtype)
                if isinstance(value, Tensor) and value.is_floating_point()
                else value.to(device)
                if isinstance(value, Tensor)
                else value
            )
            for key, value in inputs.items()
        }


def _padded_columns(layouts: Sequence[ImageLayout]) -> Tensor:
    """Stacks the columns of several layouts; grids of fewer cells repeat their last column."""
    count = max(len(layout.columns) for layout in layouts)
    return torch.stack(
        [
            torch.cat([layout.columns, layout.columns[-1:].expand(count - len(layout.columns))])
            for layout in layouts
        ]
    )  # (B, n)


def _fitting_attention(source: Source) -> str:
    """Returns the fast attention, or the plain one where soft-capping rules the fast one out."""
    with explained(source):
        config = AutoConfig.from_pretrained(source.location, revision=source.revision or "main")
    capped = getattr(config.get_text_config(), "attn_logit_softcapping", None)
    return "sdpa" if capped is None else "eager"
