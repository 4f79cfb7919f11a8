"""Under which conditions the figures of a run were made, and where those of several runs differ.

Figures stand side by side only if it is said in what they differ besides the model: another
selector, grader, dataset, segmenter, variant of the run or set of rules moves them, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from pixfoundation.errors import DataError
from pixfoundation.runs.config import RunConfig
from pixfoundation.runs.names import distinct_names
from pixfoundation.scoring.accuracy import Accuracy
from pixfoundation.scoring.settings import Settings
from pixfoundation.types import Protocol, Sample
from pixfoundation.wording import counted

if TYPE_CHECKING:
    from pixfoundation.scoring.scores import Scores

_OF_MODEL = "model: "
"""How the names of conditions begin that can only differ between two runs of one model."""
_GROUNDER, _OF_GROUNDER = "grounding: name", "grounding: "
_RULES = ("selection", "scoring")


def describe_conditions(
    config: RunConfig,
    settings: Settings,
    accuracies: Mapping[Protocol, Accuracy],
    samples: Sequence[Sample],
) -> dict[str, str]:
    """Return the conditions of a run's figures by name, as text.

    Args:
        config: The configuration of the run.
        settings: How the run was scored.
        accuracies: Its accuracies, which know their graders.
        samples: The samples that were scored.
    """
    graders = {f"grader of protocol {p}": result.graded_by for p, result in accuracies.items()}
    rules = {
        **settings.conventions.changed(*_RULES),
        **config.conventions.changed("model", "grounding"),
    }
    ends = f", {samples[0].id} to {samples[-1].id}" if samples else ""
    of_model = {key: value for key, value in config.model.to_json().items() if key != "name"}
    conditions: dict[str, Any] = {
        "samples": f"{counted(len(samples), 'sample')}{ends}",
        "version of the dataset": config.dataset.fingerprint,
        **graders,
        "judge of the picks": settings.pick_judge,
        "phrase vectors": settings.vectors,
        "similarity threshold": settings.threshold,
        "segmenter": config.segmenter.name if config.segmenter else None,
        **dict(_flat("grounding", config.grounding.to_json())),
        **dict(_flat("decoding", config.decoding.to_json())),
        "seed": config.seed,
        "imported": config.imported,
        **{f"rule {name}": value for name, value in rules.items()},
        **dict(_flat(_OF_MODEL.rstrip(": "), of_model)),
    }
    return {name: str(value) for name, value in conditions.items() if value is not None}


def differing_conditions(runs: Sequence[Scores]) -> dict[str, tuple[str, ...]]:
    """Return the conditions in which runs differ, with the value of each run.

    Two models differ in much that says nothing about the figures; the settings of the model itself
    are looked at only between runs of one model. Settings that only one of two grounders has follow
    from their names.
    """
    described = [{"selector": run.selector_label, **run.conditions} for run in runs]
    same_model = len({run.model for run in runs}) == 1
    names = dict.fromkeys(name for each in described for name in each)
    values = {name: tuple(each.get(name, "none") for each in described) for name in names}
    return {
        name: each
        for name, each in values.items()
        if len(set(each)) > 1
        and (same_model or not name.startswith(_OF_MODEL))
        and not _follows_from_grounder(name, described)
    }


def _follows_from_grounder(name: str, described: Sequence[Mapping[str, str]]) -> bool:
    """Whether runs differ in a setting only because some of their grounders do not have it."""
    if not name.startswith(_OF_GROUNDER) or name == _GROUNDER:
        return False
    having = [each for each in described if name in each]
    lacking = {each.get(_GROUNDER) for each in described if name not in each}
    return len({each[name] for each in having}) == 1 and lacking.isdisjoint(
        each.get(_GROUNDER) for each in having
    )


def check_same_truth(first: Mapping[str, Sample], second: Mapping[str, Sample], who: str) -> None:
    """Refuse samples of one id that differ in what is asked or in what is right.

    Args:
        first: Samples of a run by id.
        second: Samples of another run by id.
        who: The two runs, for the message.

    Raises:
        DataError: If a sample that both have differs.
    """
    for id, a in first.items():
        b = second.get(id)
        if b is not None and _truth(a) != _truth(b):
            raise DataError(
                f"{who} differ in the truth of sample {id}; they are runs over different datasets, "
                "or over different versions of one."
            )


def told_apart(runs: Sequence[Scores]) -> list[Scores]:
    """Return the scores with names that are all different, by folder where models are the same."""
    names = distinct_names([(run.name, run.folder) for run in runs])
    return [replace(run, name=name) for run, name in zip(runs, names, strict=True)]


def _truth(sample: Sample) -> tuple[object, ...]:
    return (
        sample.question,
        sample.answer,
        sample.references,
        sample.expression,
        sample.mask,
        sample.ignored,
        sample.boxes,
    )


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield the single values of nested settings, as `name: key: key`."""
    if isinstance(value, Mapping):
        for key, part in cast("Mapping[str, Any]", value).items():
            yield from _flat(f"{name}: {key}", part)
    elif value is not None:
        yield name, str(value)
