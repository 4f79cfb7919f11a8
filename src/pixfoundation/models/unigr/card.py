"""Card of UniGR (RGA3): Qwen2.5-VL with one `[SEG]` token and SAM 2."""

from pixfoundation.models.card import KnownCheckpoint, ModelCard

CARD = ModelCard(
    family="unigr",
    title="UniGR (RGA3)",
    capabilities=frozenset({"masks", "attention"}),
    loader="pixfoundation.models.unigr.adapter:load",
    architectures=(r"unigr",),
    tensors=(r"^text_hidden_fcs\.0\.0\.weight$",),
    docs="unigr.md",
    licence=(
        "UniGR: the repository of its authors holds no licence file. Qwen2.5-VL-7B and SAM 2, from "
        "which the weights derive, are Apache-2.0; read the model card before you use them."
    ),
    checkpoints=(
        KnownCheckpoint(
            name="unigr-7b",
            summary="UniGR (RGA3) on Qwen2.5-VL 7B",
            parts="its SAM 2 large",
            hub_id="SurplusDeficit/UniGR-7B",
            memory="17 GB",
        ),
    ),
)
