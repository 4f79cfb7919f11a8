"""Capture the attention from generated tokens to the image, and lay it out on the image.

For your own model three steps are enough:

    from pixfoundation.attention import AttentionCapture, to_trace

    # columns: int64 [n], positions of the image tokens in the decoder's sequence, in row-major
    #          order of the grid, without separators such as newline tokens
    with AttentionCapture(text_model, columns) as capture:
        output = text_model.generate(inputs_embeds=..., disable_compile=True)
    trace = to_trace(capture.rows()[0], tokens=number_of_new_tokens, frame=grid_frame)

`text_model` is any transformers decoder (`LlamaForCausalLM`, or a whole multimodal model);
`frame` is a `pixfoundation.geometry.GridFrame` with rows x columns = n.
"""

from pixfoundation.attention.capture import AttentionCapture
from pixfoundation.attention.interface import AttentionError
from pixfoundation.attention.trace import to_trace

__all__ = ["AttentionCapture", "AttentionError", "to_trace"]
