"""Scores as pandas data frames: one row per figure, or one row per sample and protocol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pixfoundation.errors import missing_package
from pixfoundation.scoring.intervals import Estimate
from pixfoundation.types import PROTOCOLS

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]

    from pixfoundation.scoring.compare import Comparison
    from pixfoundation.scoring.scores import Scores


def figures_frame(scores: Scores) -> pd.DataFrame:
    """Return every figure of a run, one row each.

    Returns:
        Columns `run`, `dataset`, `measure` (accuracy, miou, ciou, s, grove), `protocol`, `selector`
        and `samples` (which samples count), then `value` (0 to 1), `low` and `high` (the 95 %
        interval) and `n`. Cells that do not apply are missing values.

    Raises:
        PrerequisiteError: If pandas is not installed.
    """
    rows = [
        {"run": scores.name, "dataset": scores.dataset, **labels, **_numbers(estimate)}
        for labels, estimate in _figures(scores)
    ]
    columns = ["run", "dataset", "measure", "protocol", "selector", "samples"]
    return load_pandas().DataFrame(rows, columns=[*columns, "value", "low", "high", "n"])


def samples_frame(scores: Scores) -> pd.DataFrame:
    """Return what every sample contributes, one row per sample, protocol and selector.

    Returns:
        Columns `run`, `sample`, `pair`, `protocol`, `selector`, `right` (1, 0 or missing) and `iou`
        (0 to 1 or missing), then one column per tag of the dataset. Accuracies do not depend on a
        selector; rows of a protocol without masks have none.

    Raises:
        PrerequisiteError: If pandas is not installed.
    """
    rows: list[dict[str, Any]] = []
    for protocol in PROTOCOLS:
        accuracy = scores.accuracy.get(protocol)
        selectors = [name for other, name in scores.groundings if other == protocol]
        if accuracy is None and not selectors:
            continue
        for selector in selectors or [None]:
            masks = scores.groundings[protocol, selector] if selector is not None else None
            for i, sample in enumerate(scores.samples):
                rows.append(
                    {
                        "run": scores.name,
                        "sample": sample.id,
                        "pair": sample.pair,
                        "protocol": protocol,
                        "selector": selector,
                        "right": accuracy.right[i] if accuracy is not None else None,
                        "iou": masks.overlaps.iou[i] if masks is not None else None,
                        **sample.tags,
                    }
                )
    return load_pandas().DataFrame(rows)


def _figures(scores: Scores) -> Iterator[tuple[dict[str, Any], Estimate]]:
    for protocol, accuracy in scores.accuracy.items():
        labels = {"measure": "accuracy", "protocol": protocol}
        yield {**labels, "samples": "questions"}, accuracy.question
        yield {**labels, "samples": "pairs"}, accuracy.pair
    for (protocol, selector), masks in scores.groundings.items():
        labels = {"protocol": protocol, "selector": selector}
        yield {"measure": "miou", **labels, "samples": "all"}, masks.all_asked
        yield {"measure": "miou", **labels, "samples": "with expression"}, masks.present
        yield {"measure": "ciou", **labels, "samples": "all"}, masks.ciou
    for selector in scores.selectors:
        line = scores.paired[selector]
        for measure, estimate in (("s", line.s), ("grove", line.grove)):
            if estimate is not None:
                yield {"measure": measure, "selector": selector, "samples": "all"}, estimate


def _numbers(estimate: Estimate) -> dict[str, Any]:
    low, high = estimate.interval or (None, None)
    return {"value": estimate.value, "low": low, "high": high, "n": estimate.n}


def load_pandas() -> Any:
    """Return the module pandas.

    Raises:
        PrerequisiteError: If pandas is not installed.
    """
    try:
        import pandas  # pyright: ignore[reportMissingTypeStubs]
    except ModuleNotFoundError as error:
        raise missing_package("pandas", "A data frame of scores", "pandas") from error
    return pandas


def differences_frame(comparison: Comparison) -> pd.DataFrame:
    """Return the differences between two runs, one row per figure.

    Returns:
        Columns `figure`, `first`, `second` (0 to 1), `difference` (second minus first), `low` and
        `high` (its 95 % interval), `clear` (whether the interval excludes zero) and `n`.

    Raises:
        PrerequisiteError: If pandas is not installed.
    """
    rows: list[dict[str, Any]] = []
    for name, difference in comparison.differences.items():
        low, high = difference.interval or (None, None)
        rows.append(
            {
                "figure": name,
                "first": difference.first.value,
                "second": difference.second.value,
                "difference": difference.value,
                "low": low,
                "high": high,
                "clear": difference.clear,
                "n": min(difference.first.n, difference.second.n),
            }
        )
    return load_pandas().DataFrame(rows)
