"""Names of the tensors of Qwen2.5-VL, in checkpoints and in today's network."""


def qwen_name(key: str) -> str:
    """Return the name of a tensor in today's Qwen2.5-VL, from that of transformers 4 or 5.

    Example:
        >>> qwen_name("model.layers.0.mlp.up_proj.weight")
        'model.language_model.layers.0.mlp.up_proj.weight'
    """
    if key.startswith("visual."):
        return f"model.{key}"
    if key.startswith("model.") and not key.startswith(("model.visual.", "model.language_model.")):
        return f"model.language_model.{key.removeprefix('model.')}"
    return key
