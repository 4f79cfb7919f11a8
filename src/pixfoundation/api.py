"""The Python face: load a data set, a model and a segmenter; evaluate; score; ground one image."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pixfoundation.conventions import (
    DEFAULT,
    AttentionRow,
    Conventions,
    GroundingConventions,
    JudgingConventions,
)
from pixfoundation.datasets import datasets
from pixfoundation.datasets.base import Dataset
from pixfoundation.errors import DataError
from pixfoundation.grounding import grounders
from pixfoundation.grounding.base import Grounder
from pixfoundation.images import load_image
from pixfoundation.judges.base import Judge
from pixfoundation.models.base import Decoding, HasPublishedRowConvention, Model
from pixfoundation.models.detection import find_entry
from pixfoundation.registry import check_options
from pixfoundation.runs.collect import Progress, collect
from pixfoundation.runs.config import (
    DatasetDescription,
    DecodingDescription,
    GroundingDescription,
    ModelDescription,
    RunConfig,
    SegmenterDescription,
)
from pixfoundation.runs.environment import describe_environment
from pixfoundation.runs.shards import Batching, Shard
from pixfoundation.runs.store import RunDirectory
from pixfoundation.segmenters import segmenters
from pixfoundation.segmenters.base import AnySegmenter
from pixfoundation.selectors import selectors
from pixfoundation.selectors.base import AnswerCandidates, Pick, SelectorSettings
from pixfoundation.similarity import Similarity
from pixfoundation.types import PROTOCOLS, Protocol, Selection

if TYPE_CHECKING:
    from pixfoundation.grounding.one_image import GroundedImage
    from pixfoundation.judges.picking import Picking

logger = logging.getLogger(__name__)


def load_dataset(name: str, root: Path | str | None = None, **options: Any) -> Dataset:
    """Load a benchmark by name.

    Args:
        name: One of `pixfoundation datasets`.
        root: The folder that holds it, where it is not embedded.
        options: What that data set offers beside (see its page in `docs/`).

    Raises:
        UnknownNameError: If there is no such data set.
        DataError: If its files are missing or damaged.
    """
    return datasets.get(name)(None if root is None else Path(root), **options)


def load_model(name: str, **options: Any) -> Model:
    """Load a model by its name, or any image-text-to-text model of transformers.

    Args:
        name: One of `pixfoundation models`, a model id of the Hugging Face hub, or a folder in its
            layout. Ids and folders of LISA, GLaMM, LLaVA-Grounding, OMG-LLaVA and Cambrian-1 are
            recognised and loaded by their own adapters.
        options: `device`, `dtype`, `revision` and what that model offers beside.

    Raises:
        UnknownNameError: If there is no such model.
        CheckpointError: If its weights are missing or damaged.
        DataError: If it does not take one of the options.
        PrerequisiteError: If a package is missing.
    """
    entry = find_entry(name, options.get("revision"))
    factory = entry.load()
    check_options(f"The model {name!r}", factory, options)
    if licence := entry.details.get("licence"):
        logger.info(licence)
    return factory(name, **options)


def load_segmenter(name: str, **options: Any) -> AnySegmenter:
    """Load a segmenter by its name, a model id of the Hugging Face hub, or a folder.

    Raises:
        UnknownNameError: If there is no such segmenter.
        CheckpointError: If its weights are missing or damaged.
        PrerequisiteError: If a package is missing.
    """
    factory = segmenters.get(_segmenter_entry(name))
    check_options(f"The segmenter {name!r}", factory, options)
    return factory(name, **options)


def check_names(model: str, dataset: str | None, segmenter: str | None) -> None:
    """Look all names up before anything is loaded; raises `UnknownNameError` for a wrong one."""
    if dataset is not None:
        datasets.entry(dataset)
    find_entry(model)
    if segmenter is not None:
        segmenters.entry(_segmenter_entry(segmenter))


def load_grounder(
    model: Model,
    segmenter: AnySegmenter | None,
    name: str | None = None,
    *,
    conventions: GroundingConventions = DEFAULT.grounding,
    **options: Any,
) -> Grounder | None:
    """Return the grounder that fits a model, or the named one.

    Without a name: the model's own masks where it has them, else attend-and-segment where its
    attention can be read, else the coordinates in its text; None if it offers nothing of these or
    there is no segmenter to draw masks with. Under the published rule for attention rows, they are
    read as in the published evaluation of that model, which the model names in
    `published_row_convention`.

    Raises:
        UnknownNameError: If there is no such grounder.
        DataError: If the model does not offer what the named grounder reads.
    """
    if name is None:
        name = next(
            (
                entry
                for capability, entry in (
                    ("masks", "native"),
                    ("attention", "attend-and-segment"),
                    ("coordinates", "coordinates"),
                )
                if capability in model.capabilities and (segmenter or capability == "masks")
            ),
            None,
        )
        if name is None:
            return None
    published_row = conventions.attention_row is AttentionRow.PUBLISHED
    reads_rows = name == "attend-and-segment" and published_row
    if reads_rows and isinstance(model, HasPublishedRowConvention):
        options.setdefault("preset", model.published_row_convention)
    factory = grounders.get(name)
    check_options(f"The grounder {name!r}", factory, options)
    grounder = factory(segmenter, conventions=conventions, **options)
    if lacking := grounder.uses - model.capabilities:
        raise DataError(
            f"The grounder {name!r} reads {' and '.join(sorted(lacking))}, which the model "
            f"{model.name!r} does not give."
        )
    return grounder


def evaluate(
    model: Model,
    dataset: Dataset,
    segmenter: AnySegmenter | None = None,
    *,
    out: Path | str,
    protocols: Sequence[Protocol] = PROTOCOLS,
    limit: int | None = None,
    batch_size: int = 1,
    decoding: Decoding | None = None,
    seed: int = 2024,
    grounder: str | None = None,
    grounder_options: Mapping[str, Any] | None = None,
    conventions: Conventions = DEFAULT,
    part: Shard | None = None,
    retry_failed: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
) -> RunDirectory:
    """Run a model over a benchmark; the same call again goes on where it stopped.

    Args:
        model: From `load_model`.
        dataset: From `load_dataset`.
        segmenter: From `load_segmenter`; needed to ground models without masks of their own, and to
            measure chance.
        out: The run directory.
        protocols: Any of 1 (question), 2 (letter) and 3 (expression).
        limit: Only the first so many samples.
        batch_size: Samples a batch.
        decoding: How answers are decoded; greedy by default.
        seed: Of random points and of sampling.
        grounder: Name of the grounder; chosen by the model's capabilities if None.
        grounder_options: What that grounder offers beside, as `rank` or `points`; recorded in the
            run's configuration.
        conventions: The rules; those of models and grounders are recorded with the run.
        part: The share that this process computes, where several share the run; all of it by
            default.
        retry_failed: Try recorded failures again.
        report: Called after every answer with the progress.

    Returns:
        The run directory, complete but for the parts of other processes.

    Raises:
        RunError: If `out` holds a run of another configuration, is held by another process or
            cannot be written.
    """
    decoding = replace(decoding or Decoding(seed=seed), conventions=conventions.model)
    how = load_grounder(
        model,
        segmenter,
        grounder,
        conventions=conventions.grounding,
        **(grounder_options or {}),
    )
    if grounder_options and how is None:
        raise DataError("Options of a grounder were given, but nothing is grounded in this run.")
    config = RunConfig(
        model=ModelDescription.of(
            _short(model.name), {**model.fingerprint(), "templates": asdict(model.templates)}
        ),
        dataset=DatasetDescription(
            name=dataset.name, fingerprint=dataset.fingerprint(), notes=tuple(dataset.notes)
        ),
        segmenter=SegmenterDescription.of(segmenter.name, segmenter.fingerprint())
        if segmenter
        else None,
        grounding=GroundingDescription.of(how.name, how.fingerprint())
        if how
        else GroundingDescription(),
        protocols=tuple(sorted(set(protocols))),
        decoding=DecodingDescription(
            max_new_tokens=decoding.max_new_tokens, temperature=decoding.temperature
        ),
        seed=seed,
        conventions=conventions,
    )
    samples = dataset.samples[:limit]
    run = RunDirectory.create(out, config, samples, describe_environment())
    collect(
        run,
        model,
        how,
        segmenter,
        decoding=decoding,
        batching=Batching(batch_size, part),
        retry_failed=retry_failed,
        on_progress=report,
    )
    return run


_OF_RUNS = frozenset({"oracle", "oracle_random", "random", "auto", "native"})
"""Selectors that need what only a run has."""


@dataclass(frozen=True, slots=True, eq=False)
class GroundingResult:
    """One grounded image, and the mask that was picked.

    Attributes:
        found: The answer with all its candidates.
        selection: The pick.
        model: Name of the model.
        segmenter: Name of the segmenter; None for masks of the model's own.
        grounder: What turned the answer into masks.
        picking: What the judge said, if one was asked.
        vectors: Of the phrase similarity; None if another selector picked.
    """

    found: GroundedImage
    selection: Selection
    model: str
    segmenter: str | None
    grounder: Grounder
    picking: Picking | None = None
    vectors: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return everything but the pixels as plain JSON data."""
        return {
            **self.found.to_json(),
            "model": self.model,
            "segmenter": self.segmenter,
            "selection": {
                "selector": self.selection.selector,
                "candidate": self.selection.candidate,
                "evidence": self.selection.evidence,
                "vectors": self.vectors,
                "mask": None if self.selection.mask is None else self.selection.mask.to_json(),
            },
            "judge": None if self.picking is None else self.picking.to_json(),
        }


def ground(
    image: Path | str,
    expression: str,
    model: Model | str = "tiny-llava",
    segmenter: AnySegmenter | str | None = None,
    *,
    grounder: str | None = None,
    grounder_options: Mapping[str, Any] | None = None,
    selector: str = "similarity",
    judge: Judge | None = None,
    prompt: str | None = None,
    conventions: Conventions = DEFAULT,
    model_options: Mapping[str, Any] | None = None,
) -> GroundingResult:
    """Grounds an expression in one image.

    Args:
        image: An image file.
        expression: What to find, in words.
        model: A loaded model, or its name.
        segmenter: A loaded segmenter, or its name; by default the embedded one for the embedded
            model, else SAM ViT-H.
        grounder: Name of the grounder; chosen by the model's capabilities if None.
        grounder_options: What that grounder offers beside, as `points` or `prompt`.
        selector: What picks the mask: 'similarity', 'score', 'union' or 'judge'. Of masks of a
            model's own all count, unless a judge picks.
        judge: Who picks, for the selector 'judge'.
        prompt: What to ask instead of the model's own wording of protocol 3.
        conventions: The rules of models, grounders, selectors and the judge.
        model_options: For `load_model`, if the model is given by name; the device holds for the
            segmenter, too.

    Raises:
        DataError: If the image cannot be read, the expression is empty, the model offers nothing to
            ground with, or the selector cannot work here.
        JudgeError: If the judge cannot be reached.
        UnknownNameError: If a name is not known.
    """
    from pixfoundation.grounding.one_image import ground_image

    if (selector == "judge") != (judge is not None):
        raise DataError("The selector 'judge' needs a judge, and a judge needs that selector.")
    if selector in _OF_RUNS:
        raise DataError(
            f"The selector {selector!r} needs the ground truth, random points or verdicts of a "
            "run. For one image there are similarity, score, union and judge."
        )
    if selector != "judge":
        selectors.entry(selector)
    picture = load_image(image)
    if not expression.strip():
        raise DataError("The expression is empty: say in words what to find in the image.")
    if isinstance(model, str):
        model = load_model(model, **(model_options or {}))
    if segmenter is None and "masks" not in model.capabilities:
        segmenter = default_segmenter(model.name)
    if isinstance(segmenter, str):
        device = (model_options or {}).get("device")
        segmenter = load_segmenter(segmenter, **({} if device is None else {"device": device}))
    how = load_grounder(
        model,
        segmenter,
        grounder,
        conventions=conventions.grounding,
        **(grounder_options or {}),
    )
    if how is None:
        raise DataError(f"The model {model.name!r} gives no attention, masks or coordinates.")
    decoding = Decoding(attention="attention" in how.uses, conventions=conventions.model)
    found = ground_image(
        picture, expression, model, how, path=Path(image), prompt=prompt, decoding=decoding
    )
    picking = _pick(judge, found, conventions.judging) if judge and found.candidates else None
    native = how.name == "native"
    name = "auto" if selector == "judge" else "native" if native else selector
    similarity = Similarity() if name == "similarity" else None
    chooser = selectors.get(name)(SelectorSettings(conventions.selection, similarity))
    answer = AnswerCandidates(found.sample, found.candidates, pick=_said(picking), native=native)
    selection = chooser.select(answer)
    drawn_by = segmenter.name if segmenter else None
    vectors = similarity.name if similarity else None
    return GroundingResult(found, selection, model.name, drawn_by, how, picking, vectors)


def _pick(judge: Judge, found: GroundedImage, conventions: JudgingConventions) -> Picking:
    from pixfoundation.judges.picking import MaskChoice, pick_mask

    masks = [candidate.mask for candidate in found.candidates]
    choice = MaskChoice(found.image, found.sample.expression or "", masks)
    return pick_mask(judge, choice, conventions, np.random.default_rng(2024))


def _said(picking: Picking | None) -> Pick | None:
    """The judge's pick; None if it gave no verdict or was not asked."""
    if picking is None or not picking.pick.valid:
        return None
    return Pick(picking.pick.value)


def default_segmenter(model: str) -> str:
    """Return the name of the segmenter that goes with a model: embedded with embedded."""
    return "tiny-sam" if model == "tiny-llava" else "sam-vit-h"


def _short(name: str) -> str:
    """Return the last part of a folder's path, and any other name as it is."""
    return Path(name).resolve().name if Path(name).is_dir() else name


def _segmenter_entry(name: str) -> str:
    """The registered name for a hub id or folder too: that of the adapter for all of these."""
    is_general = name not in segmenters and ("/" in name or Path(name).is_dir())
    return "tiny-sam" if is_general else name
