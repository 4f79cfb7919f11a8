"""Image-text-to-text models of the transformers library, with their attention."""
