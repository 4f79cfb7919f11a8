"""How GLaMM is prompted: its inference script, and its wrapper in MSiam/PixFoundation."""

from __future__ import annotations

from pixfoundation.models.common.llava_sam.prompt import IMAGE, Dialogue
from pixfoundation.prompts import PromptTemplates

DIALOGUE = Dialogue(
    image_line=f"The <im_start>{IMAGE}<im_end> provides an overview of the picture.",
    templates=PromptTemplates(
        identify="Can you please segment {expression} in the given image",
        segment="Can you segment the {expression} in this image?",
    ),
    escaped="&",
    keeps_tags=False,
)
