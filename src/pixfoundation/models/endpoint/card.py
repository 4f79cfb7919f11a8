"""Card of served models behind an OpenAI-compatible endpoint."""

from pixfoundation.models.card import KnownCheckpoint, ModelCard
from pixfoundation.models.coordinates.formats import CoordinateFormat, Frame, Order

CARD = ModelCard(
    family="endpoint",
    title="Served model",
    capabilities=frozenset({"coordinates"}),
    loader="pixfoundation.models.endpoint.adapter:load",
    extra="judge",
    docs="judges.md",
    served=(  # models that are only ever served, or whose card is not in the package
        (r"gemini", CoordinateFormat(Frame.THOUSAND, order=Order.Y_FIRST)),
        (r"gemma-?[34]", CoordinateFormat(Frame.THOUSAND)),
        (r"glm-?4\.[156]v", CoordinateFormat(Frame.THOUSAND)),
        (r"molmoe?-(1|7|72)b", CoordinateFormat(Frame.PERCENT)),
    ),
    checkpoints=(
        KnownCheckpoint(
            name="openai",
            summary=(
                "a served model behind an OpenAI-compatible endpoint: --model-option model=NAME"
            ),
            needs="a base URL, a model name and a key",
        ),
    ),
)
