"""Similarity of phrases: the cosine of their vectors, without leading articles.

The published code uses the word vectors of spaCy's `en_core_web_lg`. Where that is not installed,
the static vectors of the package `wordllama` are used. The numbers depend on the vectors, so their
name goes into every output.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from pixfoundation.errors import PrerequisiteError, UnknownNameError, missing_package
from pixfoundation.existence import exists
from pixfoundation.stored import Cosine
from pixfoundation.typed_json import UnreadableError, read_file

logger = logging.getLogger(__name__)

PUBLISHED_THRESHOLD = 0.7
"""Published threshold: if no phrase is at least this similar, the answer does not name the
expression. It was made for the vectors of `en_core_web_lg`."""

_ARTICLE = re.compile(r"^(?:the|an|a) ")


class PhraseVectors(Protocol):
    """Turns phrases into vectors.

    Attributes:
        name: Name of the vectors, as recorded in outputs.
    """

    name: str

    def vectors(self, phrases: Sequence[str]) -> NDArray[np.float32]:
        """Return one vector per phrase, float32 [n, dimensions]; zeros if it has no words."""
        ...


@runtime_checkable
class CalibratedVectors(PhraseVectors, Protocol):
    """Phrase vectors with a threshold that was made for them.

    Attributes:
        threshold: Cosine from which a phrase counts as a name of the expression, -1..1.
    """

    threshold: float


class SpacyVectors:
    """Mean word vectors of `en_core_web_lg`, as published."""

    name = "en_core_web_lg"
    threshold = PUBLISHED_THRESHOLD

    def __init__(self) -> None:
        """Load the pipeline without its components, since only the vocabulary is needed."""
        import spacy

        self._nlp = spacy.load(self.name)
        for component in list(self._nlp.component_names):
            self._nlp.remove_pipe(component)

    def vectors(self, phrases: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 [n, 300]."""
        rows = [self._nlp(phrase).vector for phrase in phrases]
        return np.asarray(rows, dtype=np.float32).reshape(len(rows), -1)


class WordLlamaVectors:
    """Mean static token vectors of the package `wordllama` (16 MB, no torch, no network).

    Only its two data files are read; the package's own loader would look for them on a hub.
    """

    name = "wordllama-l2-supercat-256"
    threshold = 0.56
    """Calibrated on names of drawn things: `python -m recipes phrase-threshold`."""

    def __init__(self) -> None:
        """Read tokenizer and vectors from the installed package.

        Raises:
            PrerequisiteError: If the package is missing or lacks the data files of version 0.4.
        """
        from safetensors import numpy as safetensors
        from tokenizers import Tokenizer

        spec = find_spec("wordllama")
        if spec is None or not spec.submodule_search_locations:
            raise missing_package("wordllama", "Phrase similarity", "nouns")
        folder = Path(spec.submodule_search_locations[0])
        weights = folder / "weights" / "l2_supercat_256.safetensors"
        tokenizer = folder / "tokenizers" / "l2_supercat_tokenizer_config.json"
        if not (exists(weights) and exists(tokenizer)):
            raise PrerequisiteError(
                f"{folder} lacks {weights.name} or {tokenizer.name}. "
                "Install the version that has them: pip install 'wordllama>=0.4,<0.5'"
            )
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        loader: Any = safetensors
        (self._table,) = loader.load_file(weights).values()  # [tokens, 256]

    def vectors(self, phrases: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 [n, 256]."""
        rows = np.zeros((len(phrases), self._table.shape[1]), dtype=np.float32)
        for row, phrase in enumerate(phrases):
            ids = self._tokenizer.encode(phrase, add_special_tokens=False).ids
            if ids:
                rows[row] = self._table[ids].astype(np.float32).mean(axis=0)
        return rows


_VECTORS: dict[str, type[CalibratedVectors]] = {
    SpacyVectors.name: SpacyVectors,
    "wordllama": WordLlamaVectors,
}


def is_phrase_vectors(name: str) -> bool:
    """Return whether phrase vectors have that name."""
    return name in _VECTORS


def load_vectors(name: str | None = None) -> PhraseVectors:
    """Load phrase vectors by name.

    Args:
        name: `en_core_web_lg` or `wordllama`; None for the first of them that is installed.

    Raises:
        UnknownNameError: If there are no vectors of that name.
        PrerequisiteError: If they are not installed.
    """
    if name is not None and name not in _VECTORS:
        raise UnknownNameError("phrase vectors", name, _VECTORS)
    for known, factory in _VECTORS.items():
        if name in (None, known) and find_spec(known) is not None:
            return factory()
    raise missing_package(name or "wordllama", "Phrase similarity", "nouns")


def normalised(phrase: str) -> str:
    """Return a phrase in lower case, trimmed, without its leading article.

    Example:
        >>> normalised(" The butterfly's wings")
        "butterfly's wings"
    """
    return _ARTICLE.sub("", phrase.strip().lower())


class _StoredSimilarities(Struct, frozen=True):
    """What a cache file holds: the name of the vectors, and cosines by expression and phrase."""

    vectors: str
    pairs: dict[str, dict[str, Cosine]]


class Similarity:
    """Similarities of phrases to expressions; each pair is computed once.

    Attributes:
        name: Name of the vectors.
        threshold: Similarity from which a phrase counts as a name of the expression: that of the
            vectors, or the published one for vectors that state none.
        calibrated: Whether the vectors state a threshold of their own.
        known: The similarities so far, by expression and then by phrase; stored in cache files.
        grew: Whether pairs were computed since `known` was read.
    """

    def __init__(
        self, vectors: str | PhraseVectors | None = None, known: Mapping[str, Any] | None = None
    ) -> None:
        """Prepare; vectors are loaded when the first unknown pair is asked for.

        Args:
            vectors: The vectors or their name; None for the first that are installed.
            known: Similarities computed earlier with the same vectors.

        Raises:
            UnknownNameError: If there are no vectors of that name.
            PrerequisiteError: If they are not installed.
        """
        self._requested = vectors if isinstance(vectors, str) else None
        self._vectors = None if isinstance(vectors, str) else vectors
        known_vectors = self._vectors or _installed(self._requested)
        self.name = known_vectors.name
        self.calibrated = isinstance(self._vectors, CalibratedVectors) or self._vectors is None
        self.threshold = float(getattr(known_vectors, "threshold", PUBLISHED_THRESHOLD))
        self.known: dict[str, dict[str, float]] = {k: dict(v) for k, v in (known or {}).items()}
        self.grew = False

    def of(self, phrases: Sequence[str], expression: str) -> NDArray[np.float64]:
        """Return the cosine of each phrase with the expression, float64 [n], -1..1."""
        table = self.known.setdefault(expression, {})
        missing = [phrase for phrase in dict.fromkeys(phrases) if phrase not in table]
        if missing:
            if self._vectors is None:
                self._vectors = load_vectors(self._requested)
            rows = self._vectors.vectors([normalised(text) for text in (expression, *missing)])
            lengths = np.linalg.norm(rows, axis=1)
            scales = np.maximum(lengths[1:] * lengths[0], np.finfo(np.float32).tiny)
            cosines = (rows[1:] @ rows[0]) / scales
            table.update(zip(missing, (round(float(c), 6) for c in cosines), strict=True))
            self.grew = True
        return np.array([table[phrase] for phrase in phrases], dtype=np.float64)

    @classmethod
    def cached(cls, file: Path, vectors: str | PhraseVectors | None = None) -> Similarity:
        """Return similarities that start from those in a cache file.

        One that is missing or from other vectors is ignored, and so is a damaged one, which is
        named in a warning: its similarities are computed again.

        Args:
            file: The cache file.
            vectors: The vectors or their name; None for the first that are installed.
        """
        similarity = cls(vectors)
        try:
            stored = read_file(file, _StoredSimilarities)
        except FileNotFoundError:
            return similarity
        except (OSError, UnreadableError) as error:
            logger.warning("%s is damaged and computed again (%s).", file, error)
        else:
            if stored.vectors == similarity.name:
                similarity.known = stored.pairs
        return similarity

    def to_json(self) -> dict[str, Any]:
        """Return the content of a cache file, which `cached` reads."""
        return {"vectors": self.name, "pairs": self.known}


def _installed(name: str | None) -> type[CalibratedVectors]:
    """Return the vectors that `load_vectors(name)` would load, without loading them."""
    if name is not None and name not in _VECTORS:
        raise UnknownNameError("phrase vectors", name, _VECTORS)
    for known, factory in _VECTORS.items():
        if name in (None, known) and find_spec(known) is not None:
            return factory
    raise missing_package(name or "wordllama", "Phrase similarity", "nouns")
