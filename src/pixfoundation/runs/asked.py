"""Whether the samples of a run are asked a protocol at all."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pixfoundation.errors import RunError
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.types import Protocol, Sample


def asked_protocols(
    protocols: Sequence[Protocol], samples: Collection[Sample]
) -> tuple[Protocol, ...]:
    """Return those of some protocols that at least one of the samples is asked."""
    return tuple(p for p in protocols if any(sample.asks(p) for sample in samples))


def has_objects(run: RunRecords) -> bool:
    """Return whether some sample has an object to find; a dataset of answers alone has none."""
    return any(sample.has_truth and not sample.mask.is_empty for sample in run.samples)


def check_asked(
    run: RunRecords, protocol: Protocol, what: str, option: str | None = "protocol"
) -> None:
    """Check that some sample of a run is asked a protocol.

    Args:
        run: The records of the run.
        protocol: The protocol.
        what: What is taken from its answers, for the message: 'the phrases'.
        option: The parameter that chooses the protocol; None if it cannot be chosen.

    Raises:
        RunError: If none is, or there are no objects to find; the message says why, and which
            protocol to choose.
    """
    if run.samples and not has_objects(run):
        raise RunError(
            f"No sample of {run.run.path} has an object to find: there is no mask and no box, so "
            "that nothing can be said of where the model looks. `score`, `compare`, `sensitivity` "
            "and the accuracies of `controls` and `stability` apply."
        )
    if not run.samples or asked_protocols([protocol], run.samples):
        return
    lacking = {1: "a question", 2: "a question with options", 3: "a referring expression"}
    others = [
        number
        for number in asked_protocols(run.run.config.protocols, run.samples)
        if number != 2 or option == "answer_protocol"  # a letter has no phrase
    ]
    choice = ""
    if option is not None and others:
        choice = f" Choose {' or '.join(map(str, others))} instead (`{option}`)."
    raise RunError(
        f"No sample of {run.run.path} has {lacking[protocol]}, so that none is asked protocol "
        f"{protocol}, from which {what} are taken.{choice}"
    )
