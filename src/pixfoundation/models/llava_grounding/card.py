"""Card of LLaVA-Grounding: LLaVA whose `<seg>` tokens an OpenSeeD segmenter finds in the image."""

from pixfoundation.models.card import KnownCheckpoint, ModelCard

CARD = ModelCard(
    family="llava_grounding",
    title="LLaVA-Grounding",
    capabilities=frozenset({"masks"}),
    loader="pixfoundation.models.llava_grounding.adapter:load",
    architectures=(r"joint_2st",),
    tensors=(r"seg_model\.",),
    docs="llava_grounding.md",
    licence=(
        "LLaVA-Grounding: the code is Apache-2.0. Its authors call the demo a research preview for "
        "non-commercial use, subject to the LLaMA model licence, the terms of use of the data that "
        "OpenAI generated, and the privacy practices of ShareGPT. The weights derive from LLaMA "
        "and Vicuna; read their model card before you use them."
    ),
    checkpoints=(
        KnownCheckpoint(
            name="llava-grounding",
            summary="LLaVA-Grounding on Vicuna 7B",
            parts="its OpenSeeD segmenter",
            hub_id="Haozhangcx/llava_grounding_gd_vp",
            memory="16 GB",
            published_row="LLaVA-G (7B) (PixFoundation, arXiv 2502.04192)",
        ),
    ),
)
