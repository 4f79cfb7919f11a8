"""Card of all image-text-to-text models of transformers, the embedded tiny-llava included."""

from pixfoundation.models.card import KnownCheckpoint, ModelCard
from pixfoundation.models.coordinates.formats import CoordinateFormat, Frame, Resizing

_ROW = "LLaVA-1.5 {} + attend-and-segment (PixFoundation, arXiv 2502.04192)"
_LLAVA_BOX = CoordinateFormat(Frame.SQUARE, "llava-box")
_THOUSAND = CoordinateFormat(Frame.THOUSAND)
_QWEN25_SIZE = Resizing(multiple=28, least=3136, most=12_845_056)
_QWEN25 = CoordinateFormat(Frame.RESIZED, resizing=_QWEN25_SIZE)
_SEG_ZERO = CoordinateFormat(
    Frame.RESIZED, "seg-zero", square=840, min_new_tokens=1024, resizing=_QWEN25_SIZE
)
_VISION_REASONER = CoordinateFormat(
    Frame.RESIZED, "vision-reasoner", square=840, min_new_tokens=1024, resizing=_QWEN25_SIZE
)
_INTERNVL_BOX = CoordinateFormat(Frame.THOUSAND, "box")

CARD = ModelCard(
    family="transformers",
    title="Models of transformers",
    capabilities=frozenset({"attention"}),
    loader="pixfoundation.models.transformers.adapter:load",
    architectures=(r"ForConditionalGeneration$",),
    is_fallback=True,
    docs="models.md",
    served=(
        (r"llava-?v?1\.5", _LLAVA_BOX),
        (r"qwen-?2-?vl", _THOUSAND),
        (r"qwen-?2[.-]?5-?vl", _QWEN25),
        (r"qwen-?3-?vl", _THOUSAND),
        (r"seg-?zero", _SEG_ZERO),
        (r"vision-?reasoner", _VISION_REASONER),
        (r"intern-?vl-?[23]", _INTERNVL_BOX),
    ),
    checkpoints=(
        KnownCheckpoint(
            name="tiny-llava",
            summary="embedded demonstration model, trained on PixScenes",
            memory="10 MB",
        ),
        KnownCheckpoint(
            name="tiny-llava-blind",
            summary="tiny-llava that sees a grey image in place of every image, as a control",
            memory="10 MB",
            twin_of="tiny-llava",
            options={"blind": True},
        ),
        KnownCheckpoint(
            name="tiny-llava-random",
            summary="tiny-llava with random weights in place of its own, as a control",
            memory="10 MB",
            twin_of="tiny-llava",
            options={"random_weights": 0},
        ),
        KnownCheckpoint(
            name="llava-1.5-7b",
            summary="LLaVA 1.5 on Vicuna 7B",
            hub_id="llava-hf/llava-1.5-7b-hf",
            memory="14 GB",
            published_row=_ROW.format("7B"),
            original_id="liuhaotian/llava-v1.5-7b",
            coordinates=_LLAVA_BOX,
            conversation="llava_v1",
        ),
        KnownCheckpoint(
            name="llava-1.5-13b",
            summary="LLaVA 1.5 on Vicuna 13B",
            hub_id="llava-hf/llava-1.5-13b-hf",
            memory="27 GB",
            published_row=_ROW.format("13B"),
            original_id="liuhaotian/llava-v1.5-13b",
            coordinates=_LLAVA_BOX,
            conversation="llava_v1",
        ),
        KnownCheckpoint(
            name="llava-1.6-mistral-7b",
            summary="LLaVA-NeXT on Mistral 7B",
            hub_id="llava-hf/llava-v1.6-mistral-7b-hf",
            memory="15 GB",
            original_id="liuhaotian/llava-v1.6-mistral-7b",
        ),
        KnownCheckpoint(
            name="llava-1.6-vicuna-7b",
            summary="LLaVA-NeXT on Vicuna 7B",
            hub_id="llava-hf/llava-v1.6-vicuna-7b-hf",
            memory="14 GB",
            original_id="liuhaotian/llava-v1.6-vicuna-7b",
        ),
        KnownCheckpoint(
            name="llava-onevision-7b",
            summary="LLaVA-OneVision on Qwen2 7B",
            hub_id="llava-hf/llava-onevision-qwen2-7b-ov-hf",
            memory="16 GB",
            original_id="lmms-lab/llava-onevision-qwen2-7b-ov",
        ),
        KnownCheckpoint(
            name="qwen2-vl-7b",
            summary="Qwen2-VL 7B",
            hub_id="Qwen/Qwen2-VL-7B-Instruct",
            memory="17 GB",
            coordinates=_THOUSAND,
        ),
        KnownCheckpoint(
            name="qwen2.5-vl-3b",
            summary="Qwen2.5-VL 3B",
            hub_id="Qwen/Qwen2.5-VL-3B-Instruct",
            memory="8 GB",
            coordinates=_QWEN25,
        ),
        KnownCheckpoint(
            name="qwen2.5-vl-7b",
            summary="Qwen2.5-VL 7B",
            hub_id="Qwen/Qwen2.5-VL-7B-Instruct",
            memory="17 GB",
            coordinates=_QWEN25,
        ),
        KnownCheckpoint(
            name="seg-zero-7b",
            summary="Seg-Zero on Qwen2.5-VL 7B",
            hub_id="Ricky06662/Seg-Zero-7B",
            memory="17 GB",
            coordinates=_SEG_ZERO,
        ),
        KnownCheckpoint(
            name="visionreasoner-7b",
            summary="VisionReasoner on Qwen2.5-VL 7B",
            hub_id="Ricky06662/VisionReasoner-7B",
            memory="17 GB",
            coordinates=_VISION_REASONER,
        ),
        KnownCheckpoint(
            name="qwen3-vl-4b",
            summary="Qwen3-VL 4B",
            hub_id="Qwen/Qwen3-VL-4B-Instruct",
            memory="9 GB",
            coordinates=_THOUSAND,
        ),
        KnownCheckpoint(
            name="qwen3-vl-8b",
            summary="Qwen3-VL 8B",
            hub_id="Qwen/Qwen3-VL-8B-Instruct",
            memory="18 GB",
            coordinates=_THOUSAND,
        ),
        KnownCheckpoint(
            name="internvl3-8b",
            summary="InternVL3 8B",
            hub_id="OpenGVLab/InternVL3-8B-hf",
            memory="16 GB",
            original_id="OpenGVLab/InternVL3-8B",
            coordinates=_INTERNVL_BOX,
        ),
        KnownCheckpoint(
            name="gemma-3-4b",
            summary="Gemma 3 4B (gated)",
            hub_id="google/gemma-3-4b-it",
            memory="9 GB",
        ),
        KnownCheckpoint(
            name="idefics3-8b",
            summary="Idefics3 8B",
            hub_id="HuggingFaceM4/Idefics3-8B-Llama3",
            memory="17 GB",
        ),
        KnownCheckpoint(
            name="smolvlm",
            summary="SmolVLM 2.2B",
            hub_id="HuggingFaceTB/SmolVLM-Instruct",
            memory="5 GB",
        ),
    ),
)
