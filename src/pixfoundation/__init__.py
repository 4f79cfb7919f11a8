"""PixFoundation asks whether multimodal large language models see what they say."""

from importlib.metadata import version

__version__ = version("pixfoundation")
