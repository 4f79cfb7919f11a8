"""LLaVA-Grounding: LLaVA whose `<seg>` tokens are found in the image by an OpenSeeD segmenter.

Read in this order: `network` (the model as functions of tensors),
`segmenter` with `pixel_encoder` and `query_decoder`, `matching` (from query scores to masks);
`checkpoint` with `key_map`, `sizes`, `tags`, `vision_tower` and `vision_config` (the published
checkpoint); `pixels` and `prompt` (from image and question to tensors), `pairing` (which phrase a
mask belongs to), `adapter` (the model as the rest of the package sees it).

Source: UX-Decoder/LLaVA-Grounding (arXiv 2312.02949), as MSiam/PixFoundation runs it.
"""
