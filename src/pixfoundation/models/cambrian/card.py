"""Card of Cambrian-1: Llama 3 that sees through four vision encoders."""

from pixfoundation.models.card import KnownCheckpoint, ModelCard
from pixfoundation.models.coordinates.formats import CoordinateFormat, Frame

CARD = ModelCard(
    family="cambrian",
    title="Cambrian-1",
    capabilities=frozenset({"attention"}),
    loader="pixfoundation.models.cambrian.adapter:load",
    architectures=(r"cambrian",),
    tensors=(r"model\.vision_sampler_",),
    docs="cambrian.md",
    checkpoints=(
        KnownCheckpoint(
            name="cambrian-8b",
            summary="Cambrian-1 on Llama 3 8B",
            parts="four vision encoders",
            hub_id="nyu-visionx/cambrian-8b",
            further_weights="its four encoders",
            memory="22 GB",
            published_row="Cambrian-1 (8B) + attend-and-segment (PixFoundation, arXiv 2502.04192)",
            coordinates=CoordinateFormat(Frame.SQUARE, "llava-box"),
        ),
    ),
)
