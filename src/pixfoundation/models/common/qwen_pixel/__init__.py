"""A stock Qwen-VL, a small head on the states of its segmentation tokens, and SAM 2.

UniGR and UniPixel are this machine. What differs between them is a `PixelFamily`: the segmentation
token, which state describes its object, the head, and how masks get the image's size.
"""
