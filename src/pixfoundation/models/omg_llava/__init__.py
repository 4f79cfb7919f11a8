"""OMG-LLaVA: a language model that sees segmentation queries as tokens, and masks by [SEG].

Read in this order: `core` (the model as functions of tensors), `perception` and `prior` (what it
sees), `projector` (how the language model sees it), `language` (how it answers), `finishing` (masks
in the image), `files`, `layout`, `sizes`, `vocabulary` and `build` (the published checkpoint),
`tokens`, `pixels` and `phrases` (from and to text and images), `adapter` (the model as the rest of
the package sees it).

Source: lxtGH/OMG-Seg, folder omg_llava (arXiv 2406.19389), as MSiam/PixFoundation runs it.
"""
