"""Scores of captions against references: METEOR by NLTK and CIDEr by pycocoevalcap, without Java.

The published evaluations call the Java programs of pycocoevalcap: Stanford's tokenizer for both,
and METEOR 1.5. Here texts are cut by NLTK's Treebank tokenizer, without punctuation and in lower
case, and METEOR is that of Banerjee and Lavie (2005) as NLTK computes it. Its values are not those
of METEOR 1.5.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixfoundation.errors import DataError, PrerequisiteError, missing_package

_WORD = re.compile(r"\w")


class CaptionScores(NamedTuple):
    """Scores of captions.

    Attributes:
        meteor: Mean METEOR, 0..1.
        cider: CIDEr-D, 0..10.
    """

    meteor: float
    cider: float


def score_captions(
    captions: Sequence[str], references: Sequence[Sequence[str]], *, synonyms: bool = True
) -> CaptionScores:
    """Compare captions with references.

    CIDEr weighs words by how many images they occur in, so it belongs to all captions together.

    Args:
        captions: One caption per image.
        references: At least one reference per image.
        synonyms: Whether METEOR also takes synonyms for matches, by NLTK's WordNet, which is
            downloaded apart (`python -m nltk.downloader wordnet`); else words and stems alone.

    Raises:
        DataError: If there are no captions, or one lacks a reference.
        PrerequisiteError: If a package is missing, or WordNet.
    """
    by_image = measure_captions(captions, references, synonyms=synonyms)
    return CaptionScores(float(by_image.meteor.mean()), float(by_image.cider.mean()))


class CaptionValues(NamedTuple):
    """Scores by image.

    Attributes:
        meteor: METEOR, float64 [images], 0..1.
        cider: CIDEr-D with the words' weights over all images, float64 [images], 0..10.
    """

    meteor: NDArray[np.float64]
    cider: NDArray[np.float64]


def measure_captions(
    captions: Sequence[str], references: Sequence[Sequence[str]], *, synonyms: bool = True
) -> CaptionValues:
    """Compare each caption with its references.

    Args:
        captions: As for `score_captions`.
        references: Likewise.
        synonyms: Likewise.

    Returns:
        The scores of each caption, in their order; their means are those of `score_captions`.

    Raises:
        DataError: If there are no captions, or one lacks a reference.
        PrerequisiteError: If a package is missing, or WordNet.
    """
    if not captions or len(captions) != len(references) or not all(references):
        raise DataError("Captions are scored against at least one reference each.")
    try:
        # As modules of any type: these packages bring no types, and are often not installed.
        tokenize: Any = import_module("nltk.tokenize")
        scoring: Any = import_module("nltk.translate.meteor_score")
        cider_of: Any = import_module("pycocoevalcap.cider.cider")
    except ImportError as error:
        package = (error.name or "nltk").split(".")[0]
        raise missing_package(package, "Scoring captions", "captions") from error
    tokenizer = tokenize.TreebankWordTokenizer()

    def words(text: str) -> list[str]:
        return [token for token in tokenizer.tokenize(text.lower()) if _WORD.search(token)]

    cut = [words(caption) for caption in captions]
    known = [[words(reference) for reference in own] for own in references]
    wordnet: Any = _wordnet() if synonyms else _NoSynonyms()
    meteor = [
        scoring.meteor_score(own, caption, wordnet=wordnet)
        for caption, own in zip(cut, known, strict=True)
    ]
    _, cider = cider_of.Cider().compute_score(
        {i: [" ".join(reference) for reference in own] for i, own in enumerate(known)},
        {i: [" ".join(caption)] for i, caption in enumerate(cut)},
    )
    return CaptionValues(np.array(meteor, np.float64), np.array(cider, np.float64))


class _NoSynonyms:
    """A WordNet in which no word has synonyms."""

    def synsets(self, word: str) -> list[Any]:
        return []


def _wordnet() -> Any:
    wordnet: Any = import_module("nltk.corpus").wordnet
    try:
        wordnet.ensure_loaded()
    except LookupError as error:
        raise PrerequisiteError(
            "METEOR's synonyms need NLTK's WordNet. Download it with `python -m nltk.downloader "
            "wordnet`, or score without them: --no-synonyms, in Python synonyms=False."
        ) from error
    return wordnet
