"""The verdicts on a run as a table of texts: for the terminal, for Markdown and for the report."""

from __future__ import annotations

from pixfoundation.causes.claims import Claim, Claims
from pixfoundation.report.formats import markdown_table

HEADER = ["claim", "verdict", "effect [95 %]", "d", "p (Holm)", "refuted by"]


def claim_rows(claims: Claims) -> list[list[str]]:
    """Return one row of texts per claim, in the order of `HEADER`."""
    return [
        [claim.claim, claim.verdict, claim.size, _d(claim), _p(claim), claim.control]
        for claim in claims.claims
    ]


def claim_note(claims: Claims) -> str:
    """Return how the table is to be read."""
    return (
        "Effects are paired differences to the control in the last column, with 95 % intervals "
        "over pairs; d is the mean over the standard deviation of the pairs. p is two-sided, "
        f"adjusted by Holm's method for the {claims.tests} tests of this table. 'No difference' "
        f"means: within {100 * claims.margins.share:g} points or {claims.margins.nats:g} nats, by "
        "two one-sided tests, adjusted likewise. 'Undecided' means that neither is shown. "
        "'Supported' means that the difference is above 0, not that it is large."
    )


def markdown(claims: Claims) -> str:
    """Return the table in Markdown, with the note below."""
    return markdown_table(HEADER, claim_rows(claims), [claim_note(claims)], "llrrrl")


def _d(claim: Claim) -> str:
    return "-" if claim.d is None else f"{claim.d:.2f}"


def _p(claim: Claim) -> str:
    if claim.command:
        return "-"
    return "< 0.001" if claim.p_holm < 0.001 else f"{claim.p_holm:.3f}"
