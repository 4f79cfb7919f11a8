"""LISA: reasoning segmentation with one `[SEG]` token."""
