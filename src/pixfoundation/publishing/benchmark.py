"""`eval.yaml`, by which the hub knows a dataset as a benchmark and shows its leaderboards.

Format: https://huggingface.co/docs/hub/eval-results. Each task is a leaderboard of one figure. The
hub keeps the list of identifiers of evaluation frameworks, and checks the file when it is pushed:
https://github.com/huggingface/huggingface.js/blob/main/packages/tasks/src/eval.ts.
"""

from __future__ import annotations

from dataclasses import dataclass

from pixfoundation.datasets.base import Dataset
from pixfoundation.errors import DataError
from pixfoundation.extras import load_package

FEATURE = "`datasets benchmark`"
FRAMEWORK = "pixfoundation"
FIGURES = {
    "S": "the harmonic mean of accuracy and mIoU",
    "A_dagger": "the accuracy of free answers",
    "A": "the accuracy of answers by letter",
    "M_dagger": "the mIoU of the masks of free answers",
    "M": "the mIoU of the masks of referring expressions",
}
"""Figures that become tasks, by their names in the JSON of `score`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """What `eval.yaml` says of a dataset in addition to its figures.

    Attributes:
        title: Name that people read; the dataset's own by default.
        framework: Identifier of the evaluation framework, as the hub lists it.
        config: Configuration of the dataset on the hub.
        split: Split of the dataset on the hub.
    """

    title: str | None = None
    framework: str = FRAMEWORK
    config: str = "default"
    split: str = "test"

    def to_yaml(self, dataset: Dataset) -> str:
        """Return the file for the root of the dataset's repository.

        Args:
            dataset: The dataset; what it asks for decides which figures are tasks.

        Raises:
            DataError: If its samples have neither options nor expressions, or cannot be read.
            PrerequisiteError: If PyYAML is not installed.
        """
        yaml = load_package("yaml", "data", FEATURE)
        figures = _figures_of(dataset)
        meaning = "; ".join(f"{name} is {FIGURES[name]}" for name in figures)
        data = {
            "name": self.title or dataset.name,
            "description": (
                f"{len(dataset.samples)} samples that ask a multimodal model for an answer and for "
                f"the pixels that show it. In percent, higher is better: {meaning}."
            ),
            "evaluation_framework": self.framework,
            "tasks": [{"id": name, "config": self.config, "split": self.split} for name in figures],
        }
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)


def _figures_of(dataset: Dataset) -> list[str]:
    """Return which figures a run of the dataset can have, the leading one first."""
    answers = any(sample.has_answer for sample in dataset.samples)
    masks = any(sample.has_truth for sample in dataset.samples)
    questions = any(sample.question is not None for sample in dataset.samples)
    present = {
        "S": answers and masks,
        "A_dagger": answers,
        "A": answers,
        "M_dagger": masks and questions,
        "M": masks,
    }
    names = [name for name, is_given in present.items() if is_given]
    if not names:
        raise DataError(
            f"{dataset.name} asks for neither answers nor masks, so that it has no figure."
        )
    return names
