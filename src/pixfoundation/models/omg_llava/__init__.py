"""OMG-LLaVA: a language model with segmentation queries as visual tokens and masks by [SEG].

Read the modules in this order:

- `network`: the model as functions of tensors.
- `perception` and `prior`: OMG-Seg, and which of its queries become visual tokens.
- `projector` and `language`: the language model with its visual tokens.
- `finishing`: masks in pixels of the image.
- `files`, `key_map`, `sizes`, `vocabulary` and `checkpoint`: the published files.
- `pixels`, `prompt`, `tokenizer` and `phrases`: images and text.
- `adapter`: the model as the rest of the package uses it.

Source: lxtGH/OMG-Seg, folder omg_llava (arXiv 2406.19389), as MSiam/PixFoundation runs it.
"""
