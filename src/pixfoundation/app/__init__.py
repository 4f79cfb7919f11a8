"""The local web page: one image, one expression, the masks, and the attention token by token."""
