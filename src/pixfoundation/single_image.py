"""Grounds an expression in one image, without a dataset or a run directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np

from pixfoundation.conventions import (
    DEFAULT,
    Conventions,
    JudgingConventions,
    SelectionConventions,
    SimilarityThreshold,
)
from pixfoundation.errors import DataError
from pixfoundation.grounding.base import Grounder, asks_forward
from pixfoundation.images import load_image
from pixfoundation.judges.base import Judge
from pixfoundation.loading import default_segmenter, load_grounder, load_model, load_segmenter
from pixfoundation.models.base import Decoding, Model
from pixfoundation.segmenters.base import AnySegmenter
from pixfoundation.selectors import selectors
from pixfoundation.selectors.base import AnswerCandidates, Pick, SelectorSettings
from pixfoundation.similarity import PUBLISHED_THRESHOLD, Similarity
from pixfoundation.types import Selection

if TYPE_CHECKING:
    from pixfoundation.grounding.one_image import GroundedImage
    from pixfoundation.judges.picking import Picking

NEED_A_RUN = frozenset({"oracle", "oracle_random", "random", "auto", "native"})
"""Selectors that need the ground truth, random points or verdicts, which only a run has."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class GroundingResult:
    """One grounded image, and the mask that was picked. It renders as a picture in a notebook.

    Attributes:
        grounded: The image, the answer and all its candidates.
        selection: The picked candidate.
        model: Name of the model.
        segmenter: Name of the segmenter; None if the masks are native.
        grounder: The grounder that turned the answer into candidates.
        picking: The verdicts of the judge; None if no judge was asked.
        vectors: Name of the word vectors of the phrase similarity; None if another selector picked.
        threshold: Similarity that a phrase needs to be picked; None if another selector picked.
    """

    grounded: GroundedImage
    selection: Selection
    model: str
    segmenter: str | None
    grounder: Grounder
    picking: Picking | None = None
    vectors: str | None = None
    threshold: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return everything but the pixels as plain JSON data."""
        return {
            **self.grounded.to_json(),
            "model": self.model,
            "segmenter": self.segmenter,
            "selection": {
                "selector": self.selection.selector,
                "candidate": self.selection.candidate,
                "evidence": self.selection.evidence,
                "vectors": self.vectors,
                **({} if self.threshold is None else {"threshold": self.threshold}),
                "mask": None if self.selection.mask is None else self.selection.mask.to_json(),
            },
            "judge": None if self.picking is None else self.picking.to_json(),
        }

    @property
    def explanation(self) -> str | None:
        """Why no mask was picked, in one sentence; None if one was."""
        picking, selection = self.picking, self.selection
        if not self.grounded.candidates:
            return "The answer offers no mask: there is nothing to pick from."
        if picking is not None and picking.presence.value is False:
            return "The judge says that the object is not in the image."
        if picking is not None and not picking.pick.valid:
            return f"No verdict: the judge answered {picking.pick.reply!r} when asked for a number."
        if picking is not None and picking.pick.value is None:
            return "The judge says that none of the masks shows the object."
        if selection.mask is None:
            return f"Nothing was picked by {selection.selector}."
        if selection.selector == "similarity" and selection.candidate is None:
            return (
                "Nothing was picked: no phrase of the answer is similar enough to the expression "
                f"(best similarity {selection.evidence:.2f}, {self.threshold or 0:.2f} is asked)."
            )
        return None

    def __repr__(self) -> str:
        masks = len(self.grounded.candidates)
        picked = self.explanation or f"{self.selection.selector} picked one of {masks} masks"
        return f"GroundingResult({self.grounded.sample.expression!r} by {self.model}: {picked})"

    def _repr_png_(self) -> bytes:
        """Return the grid of phrases, attention maps and masks as a PNG file, for notebooks."""
        from io import BytesIO

        from pixfoundation.report.grid import draw_grid

        buffer = BytesIO()
        plot: Any = draw_grid(self.grounded, self.selection)  # Matplotlib has no full annotations
        plot.savefig(buffer, format="png", dpi=100)
        return buffer.getvalue()


class GroundOptions(TypedDict, total=False):
    """Keyword options of `ground`, all of them optional.

    Attributes:
        prompt: The prompt to use instead of the model's own for protocol 3.
        grounder: Name of the grounder; chosen by the model's capabilities by default.
        grounder_options: Further options of the grounder, such as `points` or `prompt`.
        conventions: The rules of model, grounder, selector and judge; `DEFAULT` by default.
        model_options: Options of `load_model`, if the model is given by name. The device is also
            used for the segmenter.
    """

    prompt: str | None
    grounder: str | None
    grounder_options: Mapping[str, Any] | None
    conventions: Conventions
    model_options: Mapping[str, Any] | None


def ground(
    image: Path | str,
    expression: str,
    model: Model | str = "tiny-llava",
    segmenter: AnySegmenter | str | None = None,
    *,
    selector: str = "similarity",
    judge: Judge | None = None,
    **options: Unpack[GroundOptions],
) -> GroundingResult:
    """Ground an expression in one image.

    Args:
        image: Path of an image file.
        expression: The referring expression: what to find, in words.
        model: A loaded model, or its name.
        segmenter: A loaded segmenter, or its name; by default the embedded one for the embedded
            model, else SAM ViT-H.
        selector: What picks the mask: `similarity`, `score`, `union` or `judge`. For models that
            output masks, the union of these is used unless `selector` is `judge`.
        judge: The judge that picks, for the selector `judge`.
        options: The keyword options of `GroundOptions`, such as `prompt` or `grounder`.

    Raises:
        DataError: If the image cannot be read, the expression is empty, the model offers nothing to
            ground with, or the selector cannot be used for a single image.
        JudgeError: If the judge cannot be reached.
        UnknownNameError: If a name is unknown.
    """
    from pixfoundation.grounding.one_image import ground_image

    _check_selector(selector, judge)
    picture = load_image(image)
    if not expression.strip():
        raise DataError("The expression is empty: say in words what to find in the image.")
    conventions = options.get("conventions", DEFAULT)
    loaded_model, loaded_segmenter = _load(model, segmenter, options.get("model_options") or {})
    grounder = load_grounder(
        loaded_model,
        loaded_segmenter,
        options.get("grounder"),
        conventions=conventions.grounding,
        **(options.get("grounder_options") or {}),
    )
    if grounder is None:
        raise DataError(
            f"The model {loaded_model.name!r} gives no attention, masks or coordinates."
        )
    grounded = ground_image(
        picture,
        expression,
        loaded_model,
        grounder,
        path=Path(image),
        prompt=options.get("prompt"),
        decoding=Decoding(
            attention="attention" in grounder.uses,
            forward=asks_forward(grounder),
            conventions=conventions.model,
        ),
    )
    picking = None
    if judge is not None and grounded.candidates:
        picking = _pick_mask(judge, grounded, conventions.judging)
    is_native = "masks" in grounder.uses
    name = "auto" if selector == "judge" else "native" if is_native else selector
    similarity = Similarity() if name == "similarity" else None
    answer = AnswerCandidates(
        grounded.sample, grounded.candidates, pick=_pick(picking), native=is_native
    )
    return GroundingResult(
        grounded,
        selectors.get(name)(SelectorSettings(conventions.selection, similarity)).select(answer),
        loaded_model.name,
        loaded_segmenter.name if loaded_segmenter else None,
        grounder,
        picking,
        similarity.name if similarity else None,
        _threshold(similarity, conventions.selection) if similarity else None,
    )


def _threshold(similarity: Similarity, conventions: SelectionConventions) -> float:
    """Return the similarity that a phrase needs to be picked."""
    if conventions.similarity_threshold is SimilarityThreshold.PUBLISHED:
        return PUBLISHED_THRESHOLD
    return similarity.threshold


def _check_selector(selector: str, judge: Judge | None) -> None:
    if (selector == "judge") != (judge is not None):
        raise DataError("The selector 'judge' needs a judge, and a judge needs that selector.")
    if selector in NEED_A_RUN:
        raise DataError(
            f"The selector {selector!r} needs the ground truth, random points or verdicts of a "
            "run. For one image there are similarity, score, union and judge."
        )
    if selector != "judge":
        selectors.entry(selector)


def _load(
    model: Model | str, segmenter: AnySegmenter | str | None, model_options: Mapping[str, Any]
) -> tuple[Model, AnySegmenter | None]:
    if isinstance(model, str):
        model = load_model(model, **model_options)
    if segmenter is None and "masks" not in model.capabilities:
        segmenter = default_segmenter(model.name)
    if isinstance(segmenter, str):
        device = model_options.get("device")
        segmenter = load_segmenter(segmenter, **({} if device is None else {"device": device}))
    return model, segmenter


def _pick_mask(judge: Judge, grounded: GroundedImage, conventions: JudgingConventions) -> Picking:
    from pixfoundation.judges.picking import MaskChoice, pick_mask

    masks = [candidate.mask for candidate in grounded.candidates]
    choice = MaskChoice(grounded.image, grounded.sample.expression or "", masks)
    return pick_mask(judge, choice, conventions, np.random.default_rng(2024))


def _pick(picking: Picking | None) -> Pick | None:
    """Return the judge's pick; None if it gave no verdict or was not asked."""
    if picking is None or not picking.pick.valid:
        return None
    return Pick(picking.pick.value)
