"""Card of UniPixel: Qwen2.5-VL whose `<|seg|>` states give two prompts each to SAM 2.1."""

from pixfoundation.models.card import KnownCheckpoint, ModelCard

CARD = ModelCard(
    family="unipixel",
    title="UniPixel",
    capabilities=frozenset({"masks", "attention"}),
    loader="pixfoundation.models.unipixel.adapter:load",
    architectures=(r"pixelqwen2_5_vl",),
    tensors=(r"^seg_head\.1\.weight$",),
    docs="unipixel.md",
    licence=(
        "UniPixel: the code is BSD-3-Clause. The weights derive from Qwen2.5-VL, whose 3B has a "
        "licence of its own, and SAM 2.1 (Apache-2.0); read the model card before you use them."
    ),
    checkpoints=(
        KnownCheckpoint(
            name="unipixel-3b",
            summary="UniPixel on Qwen2.5-VL 3B",
            parts="its SAM 2.1 base-plus",
            hub_id="PolyU-ChenLab/UniPixel-3B",
            memory="8 GB",
        ),
        KnownCheckpoint(
            name="unipixel-7b",
            summary="UniPixel on Qwen2.5-VL 7B",
            parts="its SAM 2.1 base-plus",
            hub_id="PolyU-ChenLab/UniPixel-7B",
            memory="17 GB",
        ),
    ),
)
