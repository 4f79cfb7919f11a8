"""Variants of samples: other wordings and other views, to measure prompt sensitivity."""

from pixfoundation.registry import import_submodules
from pixfoundation.variants.base import (
    Aspect,
    TypoCounts,
    Variant,
    VariantKind,
    VariantSettings,
    VariedSample,
    kinds,
)
from pixfoundation.variants.plan import Generator, VariantPlan

__all__ = [
    "Aspect",
    "Generator",
    "TypoCounts",
    "Variant",
    "VariantKind",
    "VariantPlan",
    "VariantSettings",
    "VariedSample",
    "kinds",
]

import_submodules(__name__)
