"""Words: the text of each noun phrase prompts a text segmenter, without any attention.

It measures how much grounding the words alone achieve. CLIPSeg gives a lower bound, SAM 3 a strong
baseline.
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
        segmenter: A segmenter that accepts text.
        conventions: Ignored; part of the common factory signature.
        pronouns: Whether pronouns ('it', 'they') count as phrases.

    Raises:
        DataError: If the segmenter does not accept text.
    """
    if segmenter is None or not takes_text(segmenter):
        raise DataError(
            "The grounder 'words' needs a segmenter that accepts text: 'clipseg' or 'sam3-text'."
        )
    return Words(segmenter, NounPhrases(pronouns=pronouns))


@dataclass(frozen=True, slots=True)
class Words:
    """The grounder `words`.

    Attributes:
        segmenter: The segmenter that turns text into masks.
        phrases: Finds the noun phrases.
    """

    segmenter: TextSegmenter
    phrases: NounPhrases = field(default_factory=NounPhrases)
    name: str = "words"
    uses: frozenset[Capability] = frozenset()

    def ground(self, image: Image.Image, answer: Answer) -> list[Candidate]:
        """Return the masks that the segmenter gives for each phrase.

        Args:
            image: The image that the answer is about.
            answer: An answer; only its text is read.

        Returns:
            Candidates in the order of the phrases, the best mask of each phrase first.
        """
        phrases = self.phrases.find(answer)
        outputs = self.segmenter.segment_texts(image, [phrase.text for phrase in phrases])
        return [
            Candidate(
                Mask.from_array(output.mask),
                phrase,
                score=output.score,
                index=index,
                source="words",
            )
            for phrase, masks in zip(phrases, outputs, strict=True)
            for index, output in enumerate(masks)
        ]

    def fingerprint(self) -> dict[str, Any]:
        """Return the settings as JSON data, for `run.json`."""
        return {
            "phrases": {**asdict(self.phrases), "pipeline": pipeline_name(self.phrases.pipeline)}
        }
