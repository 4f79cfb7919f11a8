"""Short names of segmenters, in a module without heavy imports so that listing is fast."""

SEGMENTERS = {
    "sam-vit-h": ("facebook/sam-vit-huge", "SAM ViT-H, the published one", "2.6 GB"),
    "sam-vit-l": ("facebook/sam-vit-large", "SAM ViT-L", "1.3 GB"),
    "sam-vit-b": ("facebook/sam-vit-base", "SAM ViT-B", "0.4 GB"),
    "sam-hq-vit-h": ("syscv-community/sam-hq-vit-huge", "SAM-HQ ViT-H", "2.6 GB"),
    "sam2.1-hiera-large": ("facebook/sam2.1-hiera-large", "SAM 2.1 large", "0.9 GB"),
    "sam2.1-hiera-tiny": ("facebook/sam2.1-hiera-tiny", "SAM 2.1 tiny", "0.2 GB"),
    "edgetam": ("yonigozlan/EdgeTAM-hf", "EdgeTAM (needs timm)", "0.1 GB"),
    "sam3-tracker": ("facebook/sam3", "SAM 3, prompted with points (gated)", "3.5 GB"),
}
"""(model id on the hub, summary, memory for the weights) by short name."""

TEXT_SEGMENTERS = {
    "clipseg": ("CIDAS/clipseg-rd64-refined", "CLIPSeg, prompted with words: a floor", "0.6 GB"),
    "sam3-text": ("facebook/sam3", "SAM 3, prompted with words (gated)", "3.5 GB"),
}
"""The same for segmenters that accept text instead of points."""

WEIGHT_FILES = (".pt", ".pth", ".safetensors")
"""Suffixes of files that hold a SAM 2 as its authors publish it."""

SHORT_NAMES = {"tiny-sam": "tiny-sam"} | {
    name: known[0] for name, known in (SEGMENTERS | TEXT_SEGMENTERS).items()
}
