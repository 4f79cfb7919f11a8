"""Card of models that run as a command in an environment of their own."""

from pixfoundation.models.card import KnownCheckpoint, ModelCard

CARD = ModelCard(
    family="worker",
    title="Worker",
    capabilities=frozenset({"masks", "coordinates"}),
    loader="pixfoundation.models.worker.adapter:load",
    docs="worker.md",
    checkpoints=(
        KnownCheckpoint(
            name="worker",
            summary=(
                'a command of your own that answers: --model-option command="python worker.py"'
            ),
            needs="the command",
        ),
    ),
)
