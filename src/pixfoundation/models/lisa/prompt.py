"""How LISA is prompted: its inference script, and its wrapper in MSiam/PixFoundation."""

from __future__ import annotations

from pixfoundation.models.common.llava_sam.prompt import IMAGE, Dialogue
from pixfoundation.prompts import PromptTemplates

DIALOGUE = Dialogue(
    image_line=f"<im_start>{IMAGE}<im_end>",
    templates=PromptTemplates(
        identify="Can you segment {expression} in this image?",
        segment="What is {expression} in this image? Please output segmentation mask.",
        segment_sentence="{expression} Please output segmentation mask.",
    ),
    escaped="&<>",
    keeps_tags=True,
)
