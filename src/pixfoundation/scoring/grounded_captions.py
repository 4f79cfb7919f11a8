"""Score predicted grounded captions (GCG) against GranD-f, with intervals over images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pixfoundation.datasets.grandf import read_grandf, read_grounded_captions
from pixfoundation.errors import DataError
from pixfoundation.existence import isfile
from pixfoundation.metrics import (
    GroundedCaption,
    MaskPrecision,
    count_matched,
    mask_miou,
    measure_captions,
)
from pixfoundation.scoring.intervals import Bootstrap, Estimate
from pixfoundation.similarity import PhraseVectors, is_phrase_vectors, load_vectors

PUBLISHED_ENCODER = "bert-base-uncased"
"""The encoder whose states decide whether two phrases are alike, as published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionOptions:
    """How grounded captions are scored.

    Attributes:
        split: Split of GranD-f, `val` or `test`.
        encoder: What says how alike two phrases are: `en_core_web_lg`, `wordllama`, a hub id of a
            text encoder, or its folder.
        goes_on: Whether a pair of other words rules out itself alone in the recall; as published it
            ends the image.
        captions: Whether METEOR and CIDEr are computed.
        synonyms: Whether METEOR takes synonyms for matches.
        replicates: Number of bootstrap draws of the intervals; 0 for none.
        seed: Seed of the draws.
        device: Device of the encoder; by default a GPU if there is one.
    """

    split: Literal["val", "test"] = "val"
    encoder: str = PUBLISHED_ENCODER
    goes_on: bool = False
    captions: bool = True
    synonyms: bool = True
    replicates: int = 1000
    seed: int = 2024
    device: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class GroundedCaptionScores:
    """The figures of a table of grounded captions.

    Attributes:
        split: Split of GranD-f.
        figures: AP50, mIoU, recall, and METEOR and CIDEr where they are computed, by name. All but
            CIDEr (0..10) run from 0 to 1.
        by_image: Values of each image, by image id and name; AP50 has none.
        missing: Images without a prediction; they count as empty captions without masks.
        phrases: Number of phrases in the truth.
        encoder: What says how alike two phrases are.
        goes_on: Whether the recall goes on after a pair of other words.
    """

    split: str
    figures: Mapping[str, Estimate]
    by_image: Mapping[int, Mapping[str, float]]
    missing: tuple[int, ...]
    phrases: int
    encoder: str
    goes_on: bool

    def to_json(self, per_image: bool = False) -> dict[str, Any]:
        """Return the numbers as plain JSON data."""
        data: dict[str, Any] = {
            "split": self.split,
            "images": len(self.by_image),
            "phrases": self.phrases,
            "missing": list(self.missing),
            "encoder": self.encoder,
            "goes_on": self.goes_on,
            **{name: estimate.to_json() for name, estimate in self.figures.items()},
        }
        if per_image:
            data["per_image"] = {str(image): dict(own) for image, own in self.by_image.items()}
        return data


def score_grounded_captions(
    predictions: Path, truth: Path, options: CaptionOptions | None = None
) -> GroundedCaptionScores:
    """Score a folder of predictions.

    Args:
        predictions: Folder with a file `<image_id>.json` per image.
        truth: Folder of GranD-f's annotations.
        options: How they are scored; None for the published way.

    Raises:
        DataError: If a file is damaged, or no image has a prediction.
        CheckpointError: If the encoder cannot be loaded.
        PrerequisiteError: If a package is missing.
    """
    options = options or CaptionOptions()
    known = read_grandf(truth, options.split)
    if not known:
        raise DataError(f"{truth} holds no captions of the split {options.split!r}.")
    guesses, missing = _read(predictions, known)
    pairs = [(known[image], guesses[image]) for image in known]
    by_image: dict[int, dict[str, float]] = {image: {} for image in known}
    for image, (own, guess) in zip(known, pairs, strict=True):
        by_image[image]["miou"] = mask_miou(own.masks, guess.masks)
        by_image[image]["phrases"] = len(own.phrases)
    if options.captions:  # before the encoder: a missing package is known at once
        values = measure_captions(
            [guess.caption for _, guess in pairs],
            [[own.caption] for own, _ in pairs],
            synonyms=options.synonyms,
        )
        for place, own in enumerate(by_image.values()):
            own |= {"meteor": float(values.meteor[place]), "cider": float(values.cider[place])}
    alike = _Alike(_vectors(options), pairs)
    for image, (own, guess) in zip(known, pairs, strict=True):
        by_image[image]["found"] = count_matched(own, guess, alike, goes_on=options.goes_on)
    return GroundedCaptionScores(
        split=options.split,
        figures=_figures(pairs, by_image, options),
        by_image=by_image,
        missing=missing,
        phrases=sum(len(own.phrases) for own, _ in pairs),
        encoder=alike.name,
        goes_on=options.goes_on,
    )


def _figures(
    pairs: list[tuple[GroundedCaption, GroundedCaption]],
    by_image: Mapping[int, Mapping[str, float]],
    options: CaptionOptions,
) -> dict[str, Estimate]:
    bootstrap = Bootstrap.of_images(len(pairs), options.replicates, options.seed)
    columns = {
        name: np.array([own[name] for own in by_image.values()])
        for name in next(iter(by_image.values()))
    }
    precision = MaskPrecision([own.masks for own, _ in pairs], [one.masks for _, one in pairs])
    places = np.arange(len(pairs))
    draws = [
        precision.ap50([int(place) for place in places.repeat(counts.astype(int))])
        for counts in bootstrap.weights
    ]
    ap50 = Estimate(precision.ap50(), len(pairs), np.array(draws), bootstrap.units)
    return {
        "ap50": ap50,
        "miou": bootstrap.mean(columns["miou"]),
        "recall": bootstrap.ratio(columns["found"], columns["phrases"]),
        **{name: bootstrap.mean(columns[name]) for name in ("meteor", "cider") if name in columns},
    }


def _read(
    folder: Path, known: Mapping[int, GroundedCaption]
) -> tuple[dict[int, GroundedCaption], tuple[int, ...]]:
    """Return a prediction for every image, an empty one where there is no file, and those ids.

    Raises:
        DataError: If a file is damaged, or no image has one.
    """
    present = [image for image in known if isfile(folder / f"{image}.json")]
    if not present:
        raise DataError(
            f"{folder} has no prediction for any of the {len(known)} images of the truth. Expected "
            f"one file per image, such as {next(iter(known))}.json, with 'caption', 'phrases' and "
            "'pred_masks'."
        )
    guesses = dict(zip(present, read_grounded_captions(folder, present), strict=True))
    for image, guess in guesses.items():
        sizes = {mask.size for mask in (*known[image].masks, *guess.masks)}
        if len(sizes) > 1:
            shown = " and ".join(f"{height} x {width}" for height, width in sorted(sizes))
            raise DataError(
                f"{folder / f'{image}.json'}: the masks and those of the truth differ in size: "
                f"{shown} (height x width)."
            )
    missing = tuple(image for image in known if image not in guesses)
    return {**guesses, **{image: GroundedCaption("", (), ()) for image in missing}}, missing


def _vectors(options: CaptionOptions) -> PhraseVectors:
    if is_phrase_vectors(options.encoder):
        return load_vectors(options.encoder)
    from pixfoundation.scoring.phrase_encoder import EncoderVectors

    return EncoderVectors(options.encoder, options.device)


class _Alike:
    """Cosine of the vectors of two phrases, which are taken as they are."""

    def __init__(
        self, vectors: PhraseVectors, pairs: list[tuple[GroundedCaption, GroundedCaption]]
    ) -> None:
        phrases = sorted({text for pair in pairs for one in pair for text in one.phrases})
        rows = vectors.vectors(phrases)
        lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        self._rows = dict(zip(phrases, rows / lengths, strict=True))
        self.name = vectors.name

    def __call__(self, first: str, second: str) -> float:
        return float(self._rows[first] @ self._rows[second])
