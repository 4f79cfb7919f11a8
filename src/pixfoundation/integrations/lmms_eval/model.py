"""Any model of PixFoundation as a model of lmms-eval.

Documents of PixFoundation's own tasks are answered as in a run: with the model's own prompt
templates, with masks, and with the level of chance. Documents of other tasks, about one image each,
get the text of the answer.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from PIL import Image

from pixfoundation.errors import DataError
from pixfoundation.integrations.lmms_eval.docs import KEY, sample_of
from pixfoundation.integrations.lmms_eval.package import load_module
from pixfoundation.integrations.lmms_eval.replies import write_reply
from pixfoundation.loading import default_segmenter
from pixfoundation.models.asking import ask
from pixfoundation.models.base import Decoding
from pixfoundation.parts import PartsFactory
from pixfoundation.prompts import build_prompt
from pixfoundation.recipe import Recipe
from pixfoundation.runs.answering import AnsweringWorker, Ask, Batch
from pixfoundation.runs.records import Key
from pixfoundation.types import Prompt, Protocol, Sample

T = TypeVar("T")

_BASE: Any = load_module("lmms_eval.api.model").lmms
NO_SEGMENTER = "none"
"""Value of `segmenter` with which only masks that the model outputs itself are scored."""


@dataclass(slots=True)
class _Question:
    """What the own tasks ask about one sample.

    Attributes:
        source: The dataset of the sample, as its documents name it.
        sample: The sample.
        decoding: How the answers are decoded.
        places: Places of the requests by protocol; several where tasks ask the same.
    """

    source: str
    sample: Sample
    decoding: Decoding
    places: dict[Protocol, list[int]] = field(default_factory=dict[Protocol, list[int]])


class PixFoundationModel(_BASE):
    """A model of PixFoundation with what grounds its answers, by the names that `run` takes."""

    is_simple = True

    def __init__(
        self,
        model: str,
        segmenter: str | None = None,
        grounder: str | None = None,
        grounder_options: str = "{}",
        batch_size: int | str = 1,
        device: str | None = None,
        **options: Any,
    ) -> None:
        """Load the model and the segmenter.

        Args:
            model: A name from `pixfoundation models`, a hub id or a folder.
            segmenter: A name from `pixfoundation segmenters`; None for the one that `run` takes for
                the model, `none` to load none.
            grounder: A name from `pixfoundation grounders`; None for the one that fits the model.
            grounder_options: Options of the grounder, as a JSON object.
            batch_size: Number of samples per batch.
            device: The device of model and segmenter; of several processes that share the GPUs of a
                machine, `cuda` gives each its own.
            options: `dtype`, `seed` and options of the model.

        Raises:
            PixFoundationError: If an option does not fit, or a part cannot be loaded.
        """
        _BASE.__init__(self)
        options.pop("max_batch_size", None)  # lmms-eval's search for a batch size is not offered
        seed = options.pop("seed", 2024)
        placed = {} if device is None else {"device": _own_device(device)}
        name = default_segmenter(model) if segmenter is None else segmenter
        self._decoding = Decoding(seed=seed)
        self._batch_size = _number(batch_size)
        self._worker: AnsweringWorker | None = PartsFactory(
            model=Recipe(model, {**placed, **options}),
            segmenter=None if name == NO_SEGMENTER else Recipe(name, placed),
            grounder=grounder,
            grounder_options=_options(grounder_options),
            decoding=self._decoding,
            seed=seed,
        )()

    @property
    def device(self) -> Any:
        """The device on which lmms-eval gathers the results of several processes."""
        torch = load_module("torch")
        cuda = torch.cuda.is_available()
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if cuda else "cpu"

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """Answer the requests, those about one sample together.

        Raises:
            DataError: If a request of another task is not about one image.
            PixFoundationError: If no question can be answered.
        """
        worker = self._loaded
        replies = [""] * len(requests)
        questions: dict[tuple[str, str, Decoding], _Question] = {}
        others: list[tuple[int, Any, Mapping[str, Any]]] = []
        for place, request in enumerate(requests):
            _, settings, _, number, task, split = request.args
            doc = self.task_dict[task][split][number]
            if KEY not in doc:
                others.append((place, request, doc))
                continue
            decoding = _decoding(settings, self._decoding)
            question = questions.setdefault(
                (doc[KEY], doc["sample"], decoding), _Question(doc[KEY], sample_of(doc), decoding)
            )
            question.places.setdefault(doc["protocol"], []).append(place)
        with load_module("tqdm").tqdm(total=len(requests), disable=self.rank != 0) as bar:
            for batch in _batches(list(questions.values()), self._batch_size, _asked_alike):
                for place, reply in self._answer(worker, batch):
                    replies[place] = reply
                    bar.update()
            for batch in _batches(others, self._batch_size, self._decoding_of_other):
                for place, reply in self._answer_others(worker, batch):
                    replies[place] = reply
                    bar.update()
        return replies

    def _answer(
        self, worker: AnsweringWorker, questions: Sequence[_Question]
    ) -> list[tuple[int, str]]:
        """Return the replies to questions of the own tasks, with the places of their requests."""
        asks = [
            Ask(
                own.sample,
                [
                    prompt
                    for protocol in sorted(own.places)
                    if (prompt := build_prompt(own.sample, protocol, worker.model.templates))
                    is not None
                ],
            )
            for own in questions
        ]
        needed: frozenset[Key] = frozenset(
            (own.sample.id, p) for own in questions for p in own.places
        )
        decoding = replace(
            questions[0].decoding,
            attention=worker.decoding.attention,
            forward=worker.decoding.forward,
            conventions=worker.decoding.conventions,
        )
        by_id = {own.sample.id: own for own in questions}
        return [
            (place, write_reply(pair.answer, pair.candidates, worker.model.name))
            for pair in replace(worker, decoding=decoding).work(Batch(asks, needed))
            for place in by_id[pair.answer.sample].places[pair.answer.protocol]
        ]

    def _answer_others(
        self, worker: AnsweringWorker, requests: Sequence[tuple[int, Any, Mapping[str, Any]]]
    ) -> list[tuple[int, str]]:
        """Return the replies to questions of other tasks, with the places of their requests."""
        images = [_image(request, doc) for _, request, doc in requests]
        prompts = [
            Prompt(f"{request.args[4]}/{request.args[3]}", 1, str(request.args[0]))
            for _, request, _ in requests
        ]
        answers = ask(worker.model, images, prompts, self._decoding_of_other(requests[0]))
        for prompt, answer in zip(prompts, answers, strict=True):
            if answer.error is not None:
                load_module("loguru").logger.warning(f"{prompt.sample}: {answer.error}")
        return [
            (place, _until(answer.text, request.args[1]))
            for (place, request, _), answer in zip(requests, answers, strict=True)
        ]

    def _decoding_of_other(self, request: tuple[int, Any, Mapping[str, Any]]) -> Decoding:
        return _decoding(request[1].args[1], self._decoding)

    @property
    def _loaded(self) -> AnsweringWorker:
        if self._worker is None:
            raise DataError("The model was freed by `clean`; load it again.")
        return self._worker

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """Refuse: models of PixFoundation generate text, and give no likelihood of a text."""
        raise NotImplementedError(
            "A model of PixFoundation gives no likelihood of a text: choose a task with "
            "`output_type: generate_until`."
        )

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
        """Refuse: models of PixFoundation are asked one question at a time."""
        raise NotImplementedError(
            "A model of PixFoundation is asked one question at a time: choose a task with "
            "`output_type: generate_until`."
        )

    def clean(self) -> None:
        """Free the model, before another one judges the answers."""
        self._worker = None
        _BASE.clean(self)


def _asked_alike(question: _Question) -> tuple[str, Decoding]:
    """Return what the questions of a batch share: by the dataset, ids of samples are unique."""
    return question.source, question.decoding


def _batches(items: Sequence[T], size: int, alike: Callable[[T], Hashable]) -> list[list[T]]:
    """Return neighbours in batches of at most a size, each of items that are asked alike."""
    batches: list[list[T]] = []
    for item in items:
        if batches and len(batches[-1]) < size and alike(batches[-1][0]) == alike(item):
            batches[-1].append(item)
        else:
            batches.append([item])
    return batches


def _decoding(settings: Mapping[str, Any], default: Decoding) -> Decoding:
    """Return how a request is decoded, by the names that generation of transformers uses."""
    temperature = settings.get("temperature") or 0.0
    return replace(
        default,
        max_new_tokens=int(settings.get("max_new_tokens", default.max_new_tokens)),
        temperature=float(temperature) if settings.get("do_sample", temperature > 0) else 0.0,
    )


def _until(text: str, settings: Mapping[str, Any]) -> str:
    """Return a text up to the first of the stopping sequences of a request."""
    stops: str | list[str] = settings.get("until") or []
    for stop in [stops] if isinstance(stops, str) else stops:
        text = text.split(stop)[0] if stop else text
    return text


def _image(request: Any, doc: Mapping[str, Any]) -> Image.Image:
    """Return the image of a request of another task, RGB.

    Raises:
        DataError: If there is not one image.
    """
    visuals: list[Any] = request.args[2](doc) or []
    image = visuals[0] if len(visuals) == 1 else None
    if not isinstance(image, Image.Image):
        raise DataError(
            f"A model of PixFoundation is asked about one image, but document {request.args[3]} "
            f"of the task {request.args[4]} has {len(visuals)} images, videos or sounds."
        )
    return image.convert("RGB")


def _number(batch_size: int | str) -> int:
    if not str(batch_size).isdecimal() or int(batch_size) < 1:
        raise DataError(f"`batch_size` must be a number of at least 1, but got {batch_size!r}.")
    return int(batch_size)


def _options(text: str) -> dict[str, Any]:
    try:
        options: Any = json.loads(text)
    except ValueError as error:
        raise DataError(f"`grounder_options` is no JSON: {error}.") from error
    if not isinstance(options, dict):
        raise DataError(f"`grounder_options` must be a JSON object, but got {text!r}.")
    return cast("dict[str, Any]", options)


def _own_device(device: str) -> str:
    """Return the device of this process: `cuda` alone stands for the one that it was given."""
    rank = os.environ.get("LOCAL_RANK")
    return f"cuda:{rank}" if device == "cuda" and rank is not None else device
