"""Card of served models behind an OpenAI-compatible endpoint."""

from pixfoundation.models.card import KnownCheckpoint, ModelCard

CARD = ModelCard(
    family="endpoint",
    title="Served model",
    capabilities=frozenset({"coordinates"}),
    loader="pixfoundation.models.endpoint.adapter:load",
    extra="judge",
    docs="judges.md",
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
