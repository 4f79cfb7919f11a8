"""A run as a FiftyOne dataset: one sample per image question, with everything that was measured.

Package: https://docs.voxel51.com (extra `fiftyone`). It keeps its datasets in a database of its
own; the export is a folder in its dataset format, which holds the images too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pixfoundation.errors import DataError, PrerequisiteError
from pixfoundation.existence import isfile
from pixfoundation.exports.base import FEATURE, Exported, exporters
from pixfoundation.exports.view import ExportedAnswer, ExportedRun
from pixfoundation.extras import load_package
from pixfoundation.kept_maps import KeptMap
from pixfoundation.masks import Mask
from pixfoundation.types import Candidate, Sample
from pixfoundation.wording import counted

WITHOUT_IMAGE = "samples without an image"
"""Entry of the dataset's `info` with the number of samples that are left out."""


def to_fiftyone(run: ExportedRun | Path | str, name: str | None = None) -> Any:
    """Return a run as a FiftyOne dataset.

    Each sample holds the question, options, expression, tags and ground truth. For each protocol N
    it holds `answer_N`, `right_N`, `iou_N`, `failure_N` and `error_N`, the candidate masks as
    `masks_N` (labelled by phrase, with `score`, `iou` and `selected`; a selected mask that is no
    single candidate, such as a union, by its selector), the selected one alone as `selected_N`, the
    points that prompted the segmenter as `points_N`, and where maps are kept the attention of the
    selected phrase as `attention_N`. FiftyOne first shows the ground truth and the selected mask of
    the last protocol, because candidates cover each other.

    Args:
        run: The run directory, or the run as exporters see it.
        name: Name of the dataset; by default one that FiftyOne chooses.

    Returns:
        A `fiftyone.Dataset`; it lives as long as FiftyOne's database session unless it is made
        persistent.

    Raises:
        DataError: If none of the images is there.
        PrerequisiteError: If fiftyone is not installed, or has no database.
        RunError: If the run cannot be read.
    """
    fo = load_package("fiftyone", "fiftyone", FEATURE)
    run = ExportedRun.of(run)
    samples = [
        _sample(fo, list(answers))
        for _, answers in groupby(run.answers(), key=lambda answer: answer.sample.id)
    ]
    present = [sample for sample in samples if isfile(sample.filepath)]
    if not present:
        raise DataError(
            "None of the images of the run is there. If the data has moved, name its folder: "
            "`data_root` (--data-root)."
        )
    dataset = _new_dataset(fo, name)
    dataset.info = {
        "run": run.name,
        "model": run.records.run.name,
        "dataset": run.records.run.config.dataset.name,
        "selector": run.selector,
        WITHOUT_IMAGE: len(samples) - len(present),
    }
    dataset.add_samples(present, progress=False)
    _show_first(fo, dataset)
    return dataset


@exporters.register(
    "fiftyone", summary="Dataset that FiftyOne opens, with masks and attention.", writes="folder"
)
@dataclass(frozen=True, slots=True, kw_only=True)
class FiftyOneDataset:
    """A run in FiftyOne's dataset format.

    Attributes:
        images: Whether the images are copied into the folder; else their files are named.
    """

    images: bool = True

    def write(self, run: ExportedRun, out: Path) -> Exported:
        """Write the dataset into a folder.

        Raises:
            DataError: If none of the images is there.
            PrerequisiteError: If fiftyone is not installed.
        """
        fo = load_package("fiftyone", "fiftyone", FEATURE)
        dataset = to_fiftyone(run)
        try:
            dataset.export(
                export_dir=str(out),
                dataset_type=fo.types.FiftyOneDataset,
                export_media=self.images,
                progress=False,
            )
            count, missing = len(dataset), dataset.info[WITHOUT_IMAGE]
        finally:
            dataset.delete()
        without = f"; {counted(missing, 'sample')} without an image left out" if missing else ""
        return Exported(
            f"{counted(count, 'sample')} of {run.name}{without}. Open them with "
            f"fiftyone.Dataset.from_dir('{out}', dataset_type=fiftyone.types.FiftyOneDataset).",
            (out,),
        )


def _new_dataset(fo: Any, name: str | None) -> Any:
    """Return an empty dataset, which is the first to need FiftyOne's database."""
    try:
        return fo.Dataset(name)
    except (fo.core.config.FiftyOneConfigError, ConnectionError) as error:
        reason = " ".join(str(error).split())
        raise PrerequisiteError(
            "FiftyOne keeps datasets in MongoDB, and found none that it could start or reach "
            f"({reason.rstrip('.')}). Name a running one: FIFTYONE_DATABASE_URI="
            "mongodb://localhost:27017."
        ) from error


def _show_first(fo: Any, dataset: Any) -> None:
    """Choose what the app of FiftyOne shows when the dataset is opened."""
    selected = sorted(name for name in dataset.get_field_schema() if name.startswith("selected_"))
    if hasattr(fo, "ActiveFields"):  # earlier versions show all labels
        dataset.app_config.active_fields = fo.ActiveFields(paths=["ground_truth", *selected[-1:]])
        dataset.save()


def _sample(fo: Any, answers: list[ExportedAnswer]) -> Any:
    """Return the answers to one sample as one sample of FiftyOne."""
    sample = answers[0].sample
    fields: dict[str, Any] = {
        "sample": sample.id,
        "pair": sample.pair,
        "question": sample.question,
        "options": list(sample.options),
        "right_answer": sample.answer,
        "expression": sample.expression,
        **{f"tag_{key}": value for key, value in sample.tags.items()},
    }
    truth = _detection(fo, sample.mask, sample.size, label=sample.expression or "object")
    if truth is not None:
        fields["ground_truth"] = fo.Detections(detections=[truth])
    for answer in answers:
        fields |= {
            f"{key}_{answer.protocol}": value
            for key, value in _fields(fo, answer).items()
            if value is not None
        }
    return fo.Sample(filepath=str(answers[0].image), **fields)


def _fields(fo: Any, answer: ExportedAnswer) -> dict[str, Any]:
    """Return what an answer adds to its sample, without the number of the protocol."""
    sample, chosen = answer.sample, answer.chosen
    detections = [
        _detection(
            fo,
            candidate.mask,
            sample.size,
            label=_phrase(candidate),
            confidence=candidate.score,
            iou=candidate.mask.iou(sample.mask),
            selected=candidate is chosen,
        )
        for candidate in answer.candidates
    ]
    selected = None
    if answer.mask is not None:
        by = "mask" if answer.selection is None else answer.selection.selector
        label = by if chosen is None else _phrase(chosen)  # no single candidate: such as a union
        selected = _detection(fo, answer.mask, sample.size, label=label, iou=answer.iou)
        if chosen is None:
            detections.append(
                _detection(fo, answer.mask, sample.size, label=label, iou=answer.iou, selected=True)
            )
    points = {
        candidate.point: "" if candidate.phrase is None else candidate.phrase.text
        for candidate in answer.candidates
        if candidate.point is not None
    }
    fields: dict[str, Any] = {
        "prompt": answer.prompt,
        "answer": answer.text,
        "error": answer.error,
        "right": answer.right,
        "iou": answer.iou,
        "failure": answer.failure,
    }
    if masks := [each for each in detections if each is not None]:
        fields["masks"] = fo.Detections(detections=masks)
    if selected is not None:
        fields["selected"] = selected
    if points:
        fields["points"] = fo.Keypoints(keypoints=_keypoints(fo, points.items(), sample))
    kept = _map_of(answer)
    if kept is not None:
        fields["attention"] = fo.Heatmap(map=_on_image(kept, sample.size), range=[0.0, 1.0])
    return fields


def _detection(
    fo: Any, mask: Mask, size: tuple[int, int], *, label: str, **attributes: Any
) -> Any | None:
    """Return a mask as a detection with an instance mask; None if it is empty."""
    if mask.is_empty:
        return None
    height, width = size
    x0, y0, x1, y1 = (int(value) for value in mask.box)
    return fo.Detection(
        label=label,
        bounding_box=[x0 / width, y0 / height, (x1 - x0) / width, (y1 - y0) / height],
        mask=mask.decode()[y0:y1, x0:x1],
        **{key: value for key, value in attributes.items() if value is not None},
    )


def _phrase(candidate: Candidate) -> str:
    return "mask" if candidate.phrase is None else candidate.phrase.text


def _keypoints(
    fo: Any, points: Iterable[tuple[tuple[float, float], str]], sample: Sample
) -> list[Any]:
    height, width = sample.size
    return [
        fo.Keypoint(label=phrase, points=[(x / width, y / height)]) for (x, y), phrase in points
    ]


def _map_of(answer: ExportedAnswer) -> KeptMap | None:
    """Return the attention map of the selected phrase, which is kept on its first mask."""
    chosen = answer.chosen
    if chosen is None or chosen.phrase is None:
        return None
    return next(
        (each.map for each in answer.candidates if each.map and each.phrase == chosen.phrase), None
    )


def _on_image(kept: KeptMap, size: tuple[int, int]) -> np.ndarray:
    """Return a map in the pixels of the image, float32 [H, W] in 0..1."""
    height, width = size
    x0, y0, x1, y1 = kept.box
    across, down = kept.columns / (x1 - x0), kept.rows / (y1 - y0)
    seen = (-x0 * across, -y0 * down, (width - x0) * across, (height - y0) * down)
    image = Image.fromarray(kept.shares()).transform(
        (width, height), Image.Transform.EXTENT, seen, Image.Resampling.BILINEAR
    )
    return np.clip(np.asarray(image), 0, 1)
