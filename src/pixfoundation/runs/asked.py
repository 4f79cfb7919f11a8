"""Whether the samples of a run are asked a protocol at all."""

from __future__ import annotations

from pixfoundation.errors import RunError
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.types import Protocol


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
    if not run.samples or any(sample.asks(protocol) for sample in run.samples):
        return
    lacking = {1: "a question", 2: "a question with options", 3: "a referring expression"}
    others = [
        number
        for number in run.run.config.protocols
        if (number != 2 or option == "answer_protocol")  # a letter has no phrase
        and any(sample.asks(number) for sample in run.samples)
    ]
    choice = ""
    if option is not None and others:
        choice = f" Choose {' or '.join(map(str, others))} instead (`{option}`)."
    raise RunError(
        f"No sample of {run.run.path} has {lacking[protocol]}, so that none is asked protocol "
        f"{protocol}, from which {what} are taken.{choice}"
    )
