"""Card of OMG-LLaVA: segmentation queries as tokens, and masks by `[SEG]`."""

from pixfoundation.models.card import KnownCheckpoint, ModelCard

CARD = ModelCard(
    family="omg_llava",
    title="OMG-LLaVA",
    capabilities=frozenset({"masks"}),
    loader="pixfoundation.models.omg_llava.adapter:load",
    files=("omg_llava*finetune*", "omg_seg_convl*"),  # its folders have no config.json
    docs="omg_llava.md",
    licence=(
        "OMG-LLaVA: the code is Apache-2.0 as its authors state, that of OMG-Seg MIT. No licence "
        "is stated for the weights in their repository; InternLM2 and OpenCLIP have terms of their "
        "own. Read the model cards before you use them."
    ),
    checkpoints=(
        KnownCheckpoint(
            name="omg-llava",
            summary="OMG-LLaVA on InternLM2 7B",
            parts="its OMG-Seg segmenter",
            hub_id="zhangtao-whu/OMG-LLaVA",
            further_weights="internlm/internlm2-chat-7b and OpenCLIP ConvNeXt-L",
            memory="17 GB",
            published_row="OMG LLaVA (7B) (PixFoundation, arXiv 2502.04192)",
        ),
    ),
)
