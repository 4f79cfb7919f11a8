"""Card of GLaMM: answers with a mask for every grounded phrase."""

from pixfoundation.models.card import KnownCheckpoint, ModelCard

CARD = ModelCard(
    family="glamm",
    title="GLaMM",
    capabilities=frozenset({"masks"}),
    loader="pixfoundation.models.glamm.adapter:load",
    architectures=(r"glamm",),
    tensors=(r"model\.grounding_encoder\.",),
    docs="pixel_mllms.md",
    licence=(
        "GLaMM: the code is Apache-2.0. Its authors state no licence for the weights, which derive "
        "from LLaMA and Vicuna (whose terms apply), CLIP and SAM; read the model card before you "
        "use them."
    ),
    checkpoints=(
        KnownCheckpoint(
            name="glamm",
            summary="GLaMM for all of its tasks",
            hub_id="MBZUAI/GLaMM-FullScope",
            memory="18 GB",
            published_row="GLaMM (7B) (PixFoundation, arXiv 2502.04192)",
        ),
        KnownCheckpoint(
            name="glamm-refseg",
            summary="GLaMM for referring expressions",
            hub_id="MBZUAI/GLaMM-RefSeg",
            memory="18 GB",
        ),
        KnownCheckpoint(
            name="glamm-gcg",
            summary="GLaMM for grounded descriptions",
            hub_id="MBZUAI/GLaMM-GCG",
            memory="18 GB",
        ),
        KnownCheckpoint(
            name="glamm-regcap-refcocog",
            summary="GLaMM for captions of boxes, RefCOCOg",
            hub_id="MBZUAI/GLaMM-RegCap-RefCOCOg",
            memory="18 GB",
        ),
        KnownCheckpoint(
            name="glamm-regcap-vg",
            summary="GLaMM for captions of boxes, Visual Genome",
            hub_id="MBZUAI/GLaMM-RegCap-VG",
            memory="18 GB",
        ),
    ),
)
