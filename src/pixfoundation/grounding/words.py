"""The words of each noun phrase prompt a segmenter that takes words: grounding without attention.

It asks how much of grounding is in the words alone. CLIPSeg makes it a floor, SAM 3 a strong rival.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from PIL import Image

from pixfoundation.conventions import DEFAULT, GroundingConventions
from pixfoundation.errors import DataError
from pixfoundation.masks import Mask
from pixfoundation.models.base import Capability
from pixfoundation.phrases import NounPhrases, pipeline_name
from pixfoundation.segmenters.base import AnySegmenter, TextSegmenter, takes_text
from pixfoundation.types import Answer, Candidate


def load(
    segmenter: AnySegmenter | None,
    *,
    conventions: GroundingConventions = DEFAULT.grounding,
    pronouns: bool = False,
) -> Words:
    """Make the grounder.

    Args:
        segmenter: One that takes words.
        conventions: Ignored; part of the common factory signature.
        pronouns: Whether 'it' and the like are asked for.

    Raises:
        DataError: If the segmenter does not take words.
    """
    if segmenter is None or not takes_text(segmenter):
        raise DataError(
            "The grounder 'words' needs a segmenter that takes words: 'clipseg' or 'sam3-text'."
        )
    return Words(segmenter, NounPhrases(pronouns=pronouns))


@dataclass(frozen=True, slots=True)
class Words:
    """The grounder.

    Attributes:
        segmenter: Draws the masks.
        phrases: Finds the phrases.
    """

    segmenter: TextSegmenter
    phrases: NounPhrases = field(default_factory=NounPhrases)
    name: str = "words"
    uses: frozenset[Capability] = frozenset()

    def ground(self, image: Image.Image, answer: Answer) -> list[Candidate]:
        """Return the masks that the segmenter gives for each phrase, the best first.

        Args:
            image: The image that the answer is about.
            answer: Any answer; only its text is read.
        """
        phrases = self.phrases.find(answer)
        drawn = self.segmenter.segment_texts(image, [phrase.text for phrase in phrases])
        return [
            Candidate(
                Mask.from_array(found.mask),
                phrase,
                score=found.score,
                index=index,
                source="words",
            )
            for phrase, own in zip(phrases, drawn, strict=True)
            for index, found in enumerate(own)
        ]

    def fingerprint(self) -> dict[str, Any]:
        """Return the settings, as JSON data."""
        return {
            "phrases": {**asdict(self.phrases), "pipeline": pipeline_name(self.phrases.pipeline)}
        }
