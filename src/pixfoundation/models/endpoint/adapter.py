"""A served model as the one that is evaluated: answers, and the coordinates in them; no attention.

Any OpenAI-compatible endpoint: a vendor's, or one that serves a local model.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from PIL import Image

from pixfoundation.endpoints.address import find_address
from pixfoundation.endpoints.client import ChatClient, ChatQuestion
from pixfoundation.endpoints.errors import RequestRefused
from pixfoundation.endpoints.models import only_model
from pixfoundation.endpoints.opening import EndpointOptions, open_chat
from pixfoundation.errors import DataError
from pixfoundation.hub import Dtype
from pixfoundation.judges.picking import to_png
from pixfoundation.models.base import Capability, Decoding, describe_model
from pixfoundation.models.card import served_format
from pixfoundation.models.coordinates.adapter import VISION_TEMPLATES
from pixfoundation.models.coordinates.formats import CoordinateFormat, Frame, Order
from pixfoundation.models.coordinates.placing import read_places
from pixfoundation.option_bundles import read_choices, takes_bundles
from pixfoundation.prompts import PromptTemplates
from pixfoundation.typed_options import Count, OneOf, Seconds, Within, read_options
from pixfoundation.types import Answer, Prompt

DEFAULT_FORMAT = CoordinateFormat(Frame.THOUSAND)
"""How a model is asked and read whose name no card knows."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOptions:
    """How the endpoint is reached and asked.

    Attributes:
        base_url: The endpoint; the vendor's if None.
        key_file: File that holds the key, as for judges.
        retries: Number of tries after the first.
        timeout: Seconds that one try may take in total.
        thinking: Whether the model thinks, for servers with chat templates that have such a
            switch; None leaves it to the server.
        thinking_tokens: Number of tokens that a model may generate in addition to those of its
            answer.
        extra_body: Further fields of every request, such as `{"reasoning_effort": "low"}`.
    """

    base_url: str | None = None
    key_file: Path | str | None = None
    retries: Annotated[int, Within(least=0)] = 6
    timeout: Seconds = 120.0
    thinking: bool | None = None
    thinking_tokens: Annotated[int, Within(least=0)] = 0
    extra_body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinateOptions:
    """How the model is asked for coordinates, and how they are read.

    Attributes:
        frame: Coordinate frame of the model's numbers; by default what a card says of a model of
            that name, else `thousand`. `resized` only for models whose card says how they resize.
        ask: Prompt of protocol 3: a key of `VISION_TEMPLATES`; by default what the card says, else
            'point'.
        order: Which axis stands first in the model's points and boxes; 'by-form' is y for
            `box_2d`, x for everything else. By default what the card says, else 'by-form'.
        most_pixels: For the frame `resized`: the greatest number of pixels that the server gives
            an image, if that is less than the checkpoint allows.
    """

    frame: Frame | None = None
    ask: Annotated[str, OneOf(tuple(VISION_TEMPLATES))] | None = None
    order: Order | None = None
    most_pixels: Count | None = None

    def __post_init__(self) -> None:
        read_choices(self)

    @property
    def chosen(self) -> dict[str, Any]:
        """The fields of a `CoordinateFormat` that the user set."""
        settings = {"frame": self.frame, "ask": self.ask, "order": self.order}
        return {key: value for key, value in settings.items() if value is not None}


@takes_bundles(requests=RequestOptions, coordinates=CoordinateOptions)
def load(
    name: str,
    requests: RequestOptions,
    coordinates: CoordinateOptions,
    *,
    model: str | None = None,
    at_once: Count = 4,
    device: str | None = None,
    dtype: Dtype | None = None,
) -> EndpointModel:
    """Make the model; nothing is sent yet.

    The fields of the bundles are keyword options of this function.

    Args:
        name: `openai`.
        requests: How the endpoint is reached and asked.
        coordinates: How the model is asked for coordinates, and how they are read.
        model: The model's name at the endpoint.
        at_once: Number of concurrent requests.
        device: Ignored; part of the common factory signature.
        dtype: Ignored; part of the common factory signature.

    Raises:
        DataError: If no model is named, or an option has an unknown value.
        JudgeError: If there is no key.
    """
    if not model:
        raise DataError("Which model does the endpoint serve? Set the model option model=NAME.")
    format = _format_of(model, coordinates)
    return EndpointModel(_chat(model, requests), model, format, at_once)


def _chat(model: str, requests: RequestOptions) -> ChatClient:
    options = EndpointOptions(
        base_url=requests.base_url,
        key_file=requests.key_file,
        retries=requests.retries,
        timeout=requests.timeout,
        thinking=requests.thinking,
        thinking_tokens=requests.thinking_tokens,
        repeats_cut_replies=False,  # an answer that is cut is counted as such
        extra_body=requests.extra_body or {},
    )
    return open_chat(model, options)


def _format_of(model: str, options: CoordinateOptions) -> CoordinateFormat:
    """Return how a served model is asked and read: by its card, and by what the user set.

    Raises:
        DataError: If an option has an unknown value, or the frame needs a size that is not known.
    """
    known, chosen, most_pixels = served_format(model), options.chosen, options.most_pixels
    format = replace(known or DEFAULT_FORMAT, **chosen)
    if format.ask not in VISION_TEMPLATES:
        raise DataError(
            f"Coordinates are asked for as {', '.join(VISION_TEMPLATES)}, but got {format.ask!r}."
        )
    if format.frame is not Frame.RESIZED:
        if most_pixels is not None:
            raise DataError(f"`most_pixels` is for the frame 'resized', not for '{format.frame}'.")
        format = replace(format, resizing=None)
    elif format.resizing is None:
        raise DataError(
            f"How a server resizes images for {model!r} is not known here: choose another frame."
        )
    elif most_pixels is not None:
        format = replace(format, resizing=format.resizing.with_most(most_pixels))
    if known is None and "frame" not in chosen:
        logger.warning(
            "No model card knows how %r writes coordinates; they are read as numbers from 0 to "
            "1000. Set the model option frame if that is wrong: %s.",
            *(model, ", ".join(frame for frame in Frame if frame is not Frame.RESIZED)),
        )
    return format


def open_writer(base_url: str, *, model: str | None = None, **options: Any) -> EndpointModel:
    """Make a model that writes answers for another one to read.

    Args:
        base_url: The endpoint.
        model: The model's name at the endpoint; by default the only one that the endpoint lists.
        options: Options of requests, and `at_once`; see `load`.

    Raises:
        DataError: If the endpoint lists no model, or several, or an option is not known.
        JudgeError: If it cannot be reached.
    """
    read = read_options("The endpoint", load, {**options, "base_url": base_url})
    name = model or only_model(find_address(base_url, options.get("key_file")))
    at_once = read.pop("at_once", 4)
    try:
        requests = RequestOptions(**read)
    except TypeError as error:
        raise DataError(f"Answers of an endpoint do not take that option: {error}.") from error
    format = CoordinateFormat(Frame.UNIT, "identify")  # a sentence, in which no numbers are read
    return EndpointModel(_chat(name, requests), name, format, at_once)


class EndpointModel:
    """A model behind an endpoint.

    Attributes:
        name: Name of the model at the endpoint.
        capabilities: `coordinates`; nothing if protocol 3 asks for a sentence.
        templates: Protocol 3 asks for points or boxes, or for a sentence that another model reads.
    """

    def __init__(
        self, client: ChatClient, name: str, format: CoordinateFormat, at_once: int
    ) -> None:
        """Wrap a client; see `load` for the arguments."""
        self.name = f"openai:{name}"
        self.capabilities: frozenset[Capability] = frozenset(
            () if format.ask == "identify" else {"coordinates"}
        )
        self.templates = PromptTemplates(identify=VISION_TEMPLATES[format.ask])
        self._format = format
        self._client, self._at_once = client, at_once

    def answer(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
    ) -> list[Answer]:
        """Answer several prompts at once; see `Model.answer`.

        A request that the endpoint refuses becomes an answer with an `error`.

        Raises:
            JudgeError: If the endpoint rejects the key or stays out of reach.
        """
        limit = max(decoding.max_new_tokens, self._format.min_new_tokens)

        def one(image: Image.Image, prompt: Prompt) -> Answer:
            sent = self._sent(image)
            question = ChatQuestion(
                prompt.text,
                images=(to_png(sent),),
                temperature=decoding.temperature,
                max_tokens=limit,
            )
            try:
                reply = self._client.ask(question)
            except RequestRefused as error:  # of this question; the next may be taken
                return Answer("", error=str(error))
            places = read_places(
                reply.text,
                self._format.frame,
                (image.height, image.width),
                (sent.height, sent.width) if self._format.frame is Frame.RESIZED else None,
                order=self._format.order,
                boxes="box" in self._format.ask,
            )
            return Answer(
                reply.text,
                regions=places.regions,
                thoughts=reply.thoughts,
                ended=reply.ended,
                doubtful=places.doubtful,
                left_out=places.left_out,
            )

        with ThreadPoolExecutor(max_workers=self._at_once) as pool:
            return list(pool.map(one, images, prompts))

    def __str__(self) -> str:
        return describe_model(self)

    def fingerprint(self) -> dict[str, Any]:
        """Return how coordinates are read; what the server runs is not known here."""
        format = self._format
        own = {
            "order": format.order if format.order is not Order.BY_FORM else None,
            "square": format.square,
            "least_new_tokens": format.min_new_tokens,
            "resizing": format.resizing and format.resizing.to_json(),
        }
        return {
            "coordinates": format.frame,
            **{key: value for key, value in own.items() if value},
        }

    def _sent(self, image: Image.Image) -> Image.Image:
        """Return what is sent: an image of the size in which the model will see it, if known."""
        size = image.size
        if self._format.square is not None:
            size = (self._format.square, self._format.square)
        if self._format.resizing is not None:
            height, width = self._format.resizing.size(size[1], size[0])
            size = (width, height)
        if size == image.size:
            return image
        way = Image.Resampling.BILINEAR if self._format.square else Image.Resampling.BICUBIC
        return image.resize(size, way)
