"""Metrics of the literature as pure functions of masks and boxes."""

from pixfoundation.conventions.referring import (
    RULES,
    IgnoredPixels,
    NothingFound,
    ReferringConvention,
    ReferringRules,
    Rejected,
    SaysNone,
)
from pixfoundation.metrics.boundary import boundary_iou, count_components
from pixfoundation.metrics.boxes import Box, box_area, box_iou, enclosing_box
from pixfoundation.metrics.captions import (
    CaptionScores,
    CaptionValues,
    measure_captions,
    score_captions,
)
from pixfoundation.metrics.grounded_captions import (
    GroundedCaption,
    MaskPrecision,
    count_matched,
    mask_ap50,
    mask_miou,
    mask_recall,
)
from pixfoundation.metrics.referring import (
    THRESHOLDS,
    ReferringOverlaps,
    ReferringScores,
    RegionCounts,
    count_regions,
    measure_referring,
    score_referring,
)

__all__ = [
    "RULES",
    "THRESHOLDS",
    "Box",
    "CaptionScores",
    "CaptionValues",
    "GroundedCaption",
    "IgnoredPixels",
    "MaskPrecision",
    "NothingFound",
    "ReferringConvention",
    "ReferringOverlaps",
    "ReferringRules",
    "ReferringScores",
    "RegionCounts",
    "Rejected",
    "SaysNone",
    "boundary_iou",
    "box_area",
    "box_iou",
    "count_components",
    "count_matched",
    "count_regions",
    "enclosing_box",
    "mask_ap50",
    "mask_miou",
    "mask_recall",
    "measure_captions",
    "measure_referring",
    "score_captions",
    "score_referring",
]
