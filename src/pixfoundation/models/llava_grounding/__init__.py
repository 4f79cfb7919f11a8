"""LLaVA-Grounding: LLaVA whose `<seg>` tokens are found in the image by an OpenSeeD segmenter.

`load` gives the model as functions of tensors. Read in this order: `core` (those functions),
`segmenter` with `pixel_encoder` and `query_decoder`, `matching` (from query scores to masks);
`loading` with `layout`, `sizes`, `tags`, `vision_tower` and `vision_config` (the published
checkpoint); `pixels` and `dialogue` (from image and question to tensors), `pairing` (which phrase a
mask belongs to), `adapter` (the model as the rest of the package sees it).

Source: UX-Decoder/LLaVA-Grounding (arXiv 2312.02949), as MSiam/PixFoundation runs it.
"""
