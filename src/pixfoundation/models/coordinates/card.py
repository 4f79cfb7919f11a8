"""Card of the models that are asked for points or boxes instead of being read by attention."""

from pixfoundation.models.card import ModelCard

CARD = ModelCard(
    family="coordinates",
    title="Models asked for coordinates",
    capabilities=frozenset({"coordinates"}),
    loader="pixfoundation.models.coordinates.adapter:load",
    variant_suffix="+coordinates",
    variant_summary="asked for coordinates (simple baseline)",
    docs="grounding.md",
)
