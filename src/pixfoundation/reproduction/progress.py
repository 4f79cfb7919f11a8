"""Whether a run of a recipe is complete already, so that no model is loaded for it."""

from __future__ import annotations

from pathlib import Path

from pixfoundation.errors import PixFoundationError
from pixfoundation.existence import isdir, isfile
from pixfoundation.loading import load_dataset
from pixfoundation.models.base import Decoding
from pixfoundation.reproduction.plan import PlannedRun, ReproductionPlan
from pixfoundation.runs.completeness import measure_completeness
from pixfoundation.runs.config import RunConfig
from pixfoundation.runs.run_records import RunRecords

_LOADING = ("dtype", "attn", "quantization", "revision")


def is_complete(plan: ReproductionPlan, run: PlannedRun) -> bool:
    """Return whether a run directory holds all answers of a run, made as the recipe says.

    What can only be told by loading the model is not compared; `pixfoundation run` compares it.
    A run with variants is never called complete here, since only the command knows them all.
    """
    if run.entry.variants or not isfile(run.folder / "run.json"):
        return False
    try:
        records = RunRecords.of(run.folder)
        if not _fits(plan, run, records.run.config):
            return False
        data = load_dataset(run.dataset, run.root, **run.entry.dataset_options)
    except PixFoundationError:
        return False  # the command says what is wrong
    expected = [sample.id for sample in data.samples[: run.limit]]
    same = records.run.config.dataset.to_json().get("fingerprint") == data.fingerprint()
    if not same or not set(expected) <= set(records.run.samples):
        return False
    return measure_completeness(records.restricted_to(expected)).sound


def _fits(plan: ReproductionPlan, run: PlannedRun, config: RunConfig) -> bool:
    entry, model = run.entry, config.model.to_json()
    name = Path(entry.model).resolve().name if isdir(entry.model) else entry.model
    segmenter = None if config.segmenter is None else config.segmenter.name
    decoding, default = config.decoding.to_json(), Decoding()
    return (
        config.model.name == name
        and config.dataset.name == run.dataset
        and config.protocols == run.protocols
        and (entry.segmenter in (None, segmenter) or (entry.segmenter, segmenter) == ("none", None))
        and (entry.grounder is None or config.grounding.name == entry.grounder)
        and config.seed == (default.seed if entry.seed is None else entry.seed)
        and decoding.get("max_new_tokens") == (entry.max_new_tokens or default.max_new_tokens)
        and decoding.get("temperature") == (entry.temperature or default.temperature)
        and config.conventions.agrees_with(plan.conventions, "model", "grounding")
        and all(getattr(entry, key) in (None, model.get(key)) for key in _LOADING)
        and all(str(model.get(key)) == str(value) for key, value in entry.model_options.items())
        and not entry.grounder_options
    )
