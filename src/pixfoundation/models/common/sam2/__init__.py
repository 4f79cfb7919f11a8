"""SAM 2 in its authors' layout, prompted with language tokens: what several pixel MLLMs share.

Sa2VA, UniGR and UniPixel are a stock vision-language model, a small head on the states of their
segmentation tokens, and a SAM 2 that takes the result as further sparse prompts. This package
reads that SAM 2 from their checkpoints (`key_map`, `sizes`), prepares its image (`pixels`) and
turns language tokens into masks (`masks`).
"""
