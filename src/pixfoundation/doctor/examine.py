"""`diagnose`: all checks, in the order in which they are useful."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pixfoundation.doctor.findings import Diagnosis, Finding, Status, check, failure
from pixfoundation.doctor.machine import examine_machine, machine_facts
from pixfoundation.doctor.model import ModelExaminer
from pixfoundation.doctor.picture import pictures
from pixfoundation.doctor.precision import compare_precisions, first_token
from pixfoundation.doctor.segmenter import examine_segmenter
from pixfoundation.failures import release_memory
from pixfoundation.loading import load_model, load_segmenter


def diagnose(
    model: str | None,
    segmenter: str | None,
    *,
    model_options: Mapping[str, Any] | None = None,
    precisions: bool = True,
    on_finding: Callable[[Finding], None] = lambda finding: None,
) -> Diagnosis:
    """Look at this machine, at a model and at a segmenter.

    Args:
        model: Name of the model; None to leave models out.
        segmenter: Name of the segmenter; None to leave segmenters out.
        model_options: Options of the model, as for `load_model`.
        precisions: Whether the model is loaded again in other precisions.
        on_finding: Called with each finding as soon as it is made.
    """
    options = dict(model_options or {})
    findings: list[Finding] = []
    for finding in _findings(model, segmenter, options, precisions):
        findings.append(finding)
        on_finding(finding)
    facts = {**machine_facts(), "model": model, "model options": options, "segmenter": segmenter}
    return Diagnosis(facts, tuple(findings))


def _findings(
    model: str | None, segmenter: str | None, options: dict[str, Any], precisions: bool
) -> Iterator[Finding]:
    yield from examine_machine(model, options)
    if model is not None:
        yield from _of_model(model, options, precisions)
        release_memory()
    if segmenter is not None:
        where = {"device": options["device"]} if "device" in options else {}
        yield check(
            "mask from a point",
            lambda: examine_segmenter(load_segmenter(segmenter, **where), pictures()[0]),
        )


def _of_model(name: str, options: dict[str, Any], precisions: bool) -> Iterator[Finding]:
    try:
        model = load_model(name, **options)
        both = pictures()
    except Exception as error:  # of a loader from anywhere
        yield failure("model", error)
        return
    gives = ", ".join(sorted(model.capabilities)) or "text alone"
    examiner = ModelExaminer(model, *both)
    precision = examiner.precision
    yield Finding("model", Status.FINE, f"{name} is loaded in {precision}; it gives {gives}.")
    yield from examiner.findings()
    if not precisions:
        return
    if "dtype" not in model.fingerprint():
        yield Finding("precision", Status.SKIPPED, "The model does not say its precision.")
        return
    try:
        token = first_token(model, both[0])
    except Exception as error:  # said by the check of the question
        yield failure("precision", error)
        return
    del model, examiner
    release_memory()
    rest = {key: value for key, value in options.items() if key != "dtype"}
    yield from compare_precisions(
        lambda dtype: load_model(name, dtype=dtype, **rest), precision, token, both[0]
    )
