"""OMG-LLaVA: a language model that sees segmentation queries as tokens, and masks by [SEG].

`core` holds the model as functions of tensors, `build` loads it from the published files, `adapter`
is its face to the rest of the package.
"""
