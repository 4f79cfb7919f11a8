"""Judges by name: backends that grade answers, pick masks and label concepts."""

from pixfoundation.judges.base import judges

__all__ = ["judges"]

judges.announce(
    "openai",
    "pixfoundation.judges.endpoint",
    "load",
    summary="any OpenAI-compatible endpoint",
    extra="judge",
    needs="a base URL, a model name and a key",
)
judges.announce(
    "local",
    "pixfoundation.judges.local",
    "load",
    summary="an image-text-to-text model of transformers on this machine",
    needs="its weights",
)
