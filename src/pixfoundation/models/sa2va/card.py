"""Card of Sa2VA: InternVL or Qwen-VL with a SAM 2 that is asked by `[SEG]`."""

from pixfoundation.models.card import KnownCheckpoint, ModelCard


def _known(name: str, base: str, memory: str) -> KnownCheckpoint:
    return KnownCheckpoint(
        name=f"sa2va-{name.lower().replace('_', '.')}",
        summary=f"Sa2VA on {base}",
        parts="its SAM 2",
        hub_id=f"ByteDance/Sa2VA-{name}",
        memory=memory,
    )


CARD = ModelCard(
    family="sa2va",
    title="Sa2VA",
    capabilities=frozenset({"masks", "attention"}),
    loader="pixfoundation.models.sa2va.adapter:load",
    architectures=(r"^Sa2VAChatModel",),
    tensors=(r"^text_hidden_fcs\.0\.weight$",),
    docs="sa2va.md",
    licence=(
        "Sa2VA: the code is Apache-2.0. Read the model card of the checkpoint before you use its "
        "weights: its language model (Qwen2.5, Qwen3, InternLM2.5) and InternVL have terms of "
        "their own."
    ),
    checkpoints=(
        _known("1B", "InternVL2.5 1B (Qwen2.5 0.5B)", "3 GB"),
        _known("4B", "InternVL2.5 4B (Qwen2.5 3B)", "8 GB"),
        _known("8B", "InternVL2.5 8B (InternLM2.5 7B)", "17 GB"),
        _known("26B", "InternVL2.5 26B (InternLM2.5 20B)", "52 GB"),
        _known("InternVL3-2B", "InternVL3 2B (Qwen2.5 1.5B)", "5 GB"),
        _known("InternVL3-8B", "InternVL3 8B (Qwen2.5 7B)", "17 GB"),
        _known("InternVL3-14B", "InternVL3 14B (Qwen2.5 14B)", "31 GB"),
        _known("Qwen2_5-VL-3B", "Qwen2.5-VL 3B", "9 GB"),
        _known("Qwen2_5-VL-7B", "Qwen2.5-VL 7B", "18 GB"),
        _known("Qwen3-VL-4B", "Qwen3-VL 4B", "10 GB"),
    ),
)
