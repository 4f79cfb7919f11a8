"""How published evaluations of referring segmentation count, as named rules.

"gIoU" in this literature is the mean of the IoUs, not the generalised IoU of boxes; "cIoU" (older:
oIoU, overall IoU) is the sum of intersections over the sum of unions. The evaluations differ in
what they do with expressions that name nothing, with pixels that are marked to be ignored, and with
a model that says that there is nothing. Sources: the evaluation code of LISA, GRES/ReLA, GSVA and
Seg-Zero/VisionReasoner.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pixfoundation.conventions.choices import Choice


class SaysNone(Choice):
    """What counts as the model's statement that the expression names nothing."""

    EMPTY_MASK = "empty-mask", "an empty mask, or none"
    FLAG = "flag", "the model's own statement (a none head, `[REJ]`); without one, an empty mask"


class NothingFound(Choice):
    """The IoU where the expression names nothing and the model says so."""

    ONE = "one", "counts 1"
    ZERO = "zero", "counts 0"
    DROP = "drop", "left out"


class Rejected(Choice):
    """What happens to the mask of an existing object that the model says is not there."""

    ZERO = "zero", "IoU 0, no intersection, the union of both areas"
    MASK = "mask", "scored as if the model had not said it"


class IgnoredPixels(Choice):
    """What pixels that are marked to be ignored are."""

    LEAVE_OUT = "leave-out", "left out of intersection and union"
    TARGET = "target", "part of the target"
    BACKGROUND = "background", "background"


class ReferringConvention(StrEnum):
    """Whose evaluation is followed; see `RULES`."""

    LISA = "lisa"
    RELA = "rela"
    GSVA = "gsva"
    VISIONREASONER = "visionreasoner"


@dataclass(frozen=True, slots=True)
class ReferringRules:
    """The rules of one evaluation of referring segmentation.

    Attributes:
        says_none: What counts as the statement that the expression names nothing.
        nothing_found: The IoU where the expression names nothing and the model says so.
        rejected: What happens to the mask of an object that the model says is not there.
        ignored: What pixels that are marked to be ignored are.
        false_positives: Whether the area that is predicted where there is nothing joins the sum of
            unions of cIoU.
    """

    says_none: SaysNone = SaysNone.EMPTY_MASK
    nothing_found: NothingFound = NothingFound.ONE
    rejected: Rejected = Rejected.MASK
    ignored: IgnoredPixels = IgnoredPixels.LEAVE_OUT
    false_positives: bool = True


RULES: dict[ReferringConvention, ReferringRules] = {
    ReferringConvention.LISA: ReferringRules(),
    ReferringConvention.RELA: ReferringRules(
        says_none=SaysNone.FLAG, rejected=Rejected.ZERO, ignored=IgnoredPixels.BACKGROUND
    ),
    ReferringConvention.GSVA: ReferringRules(says_none=SaysNone.FLAG),
    ReferringConvention.VISIONREASONER: ReferringRules(
        nothing_found=NothingFound.ZERO, ignored=IgnoredPixels.TARGET
    ),
}
"""The rules of each published evaluation. LISA's are also those of GLaMM, RGA3 and Sa2VA."""
