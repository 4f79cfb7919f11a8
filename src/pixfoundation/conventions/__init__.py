"""The rulebook: every choice by which the numbers are made, and what the published code chose.

Each layer of the package takes its own part of `Conventions`. `DEFAULT` is what PixFoundation does
unless told otherwise, `PUBLISHED` what the published code does (MSiam/PixFoundation, arXiv
2502.04192, commit 20027b0, and the wrappers of the models that it evaluates). Single rules are set
with `dataclasses.replace`, from a mapping, or from a TOML file:

```toml
[scoring]
pair_rule = "consecutive"

[judging]
temperature = 0.2
```

A field's metadata says what the rule decides and where its published value comes from;
`docs/conventions.md` and the tables 'what differs' in `docs/` are written from it by
`python -m pixfoundation.conventions docs`.
"""

from pixfoundation.conventions.choices import (
    AnswerEnd,
    AnswerLength,
    AnswerText,
    AttentionGrid,
    AttentionRow,
    Choice,
    CoordinateMasks,
    DegenerateMap,
    EmptyTruth,
    ImageNewline,
    KeptMasks,
    LastToken,
    MaskCrop,
    MaskPairing,
    MissingAnswers,
    MissingCandidates,
    NativeMasks,
    NegativeSimilarity,
    NoMask,
    NoOverlap,
    PairRule,
    ParserRule,
    PhraseEdges,
    PhraseMask,
    PickRequest,
    PlaceBins,
    QuestionEscaping,
    SimilarityThreshold,
    SingleToken,
    Ties,
)
from pixfoundation.conventions.rulebook import (
    DEFAULT,
    LAYERS,
    PUBLISHED,
    PUBLISHED_PARSERS,
    Conventions,
)
from pixfoundation.conventions.rules import (
    EmergenceConventions,
    GroundingConventions,
    JudgingConventions,
    ModelConventions,
    ScoringConventions,
    SelectionConventions,
)

__all__ = [
    "DEFAULT",
    "LAYERS",
    "PUBLISHED",
    "PUBLISHED_PARSERS",
    "AnswerEnd",
    "AnswerLength",
    "AnswerText",
    "AttentionGrid",
    "AttentionRow",
    "Choice",
    "Conventions",
    "CoordinateMasks",
    "DegenerateMap",
    "EmergenceConventions",
    "EmptyTruth",
    "GroundingConventions",
    "ImageNewline",
    "JudgingConventions",
    "KeptMasks",
    "LastToken",
    "MaskCrop",
    "MaskPairing",
    "MissingAnswers",
    "MissingCandidates",
    "ModelConventions",
    "NativeMasks",
    "NegativeSimilarity",
    "NoMask",
    "NoOverlap",
    "PairRule",
    "ParserRule",
    "PhraseEdges",
    "PhraseMask",
    "PickRequest",
    "PlaceBins",
    "QuestionEscaping",
    "ScoringConventions",
    "SelectionConventions",
    "SimilarityThreshold",
    "SingleToken",
    "Ties",
]
