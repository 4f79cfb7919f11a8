"""Card of LISA: reasoning segmentation with one `[SEG]` token."""

from pixfoundation.models.card import KnownCheckpoint, ModelCard

CARD = ModelCard(
    family="lisa",
    title="LISA",
    capabilities=frozenset({"masks"}),
    loader="pixfoundation.models.lisa.adapter:load",
    architectures=(r"lisa",),
    tensors=(r"model\.visual_model\.",),
    docs="pixel_mllms.md",
    licence=(
        "LISA: the code is Apache-2.0. Its authors state no licence for the weights, which derive "
        "from LLaMA and Vicuna or Llama 2 (whose terms apply), CLIP and SAM; read the model card "
        "before you use them."
    ),
    checkpoints=(
        KnownCheckpoint(
            name="lisa-7b",
            summary="LISA on Vicuna 7B",
            hub_id="xinlai/LISA-7B-v1",
            memory="18 GB",
        ),
        KnownCheckpoint(
            name="lisa-7b-explanatory",
            summary="LISA on Vicuna 7B, tuned to explain",
            hub_id="xinlai/LISA-7B-v1-explanatory",
            memory="18 GB",
            published_row="LISA (7B) (PixFoundation, arXiv 2502.04192)",
        ),
        KnownCheckpoint(
            name="lisa-13b",
            summary="LISA on Llama 2 13B",
            hub_id="xinlai/LISA-13B-llama2-v1",
            memory="30 GB",
        ),
        KnownCheckpoint(
            name="lisa-13b-explanatory",
            summary="LISA on Llama 2 13B, tuned to explain",
            hub_id="xinlai/LISA-13B-llama2-v1-explanatory",
            memory="30 GB",
        ),
    ),
)
