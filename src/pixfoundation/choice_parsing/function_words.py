"""Options that are words of any sentence, such as 'right' or 'on': when do they name the option."""

from __future__ import annotations

import re
from collections.abc import Collection

FUNCTION_WORDS = frozenset(
    ["yes", "no", "true", "false", "none", "neither", "both", "a", "i", "it", "on", "in", "off",
     "one", "right", "not"]
)  # fmt: skip
"""They name the option only where they are claimed, or where the sentence around them shows it."""

PREPOSITIONS = frozenset(("on", "in", "off"))
"""Those of them that stand in most sentences about a place."""

AMBIGUOUS_WORDS = frozenset(("one", "true", "both", "none", "neither"))
"""Those of them that may name their option wherever they stand."""

_CLAUSE_ENDS = r"(?=\s*(?:[.,;:!?)\]'\"]|\Z)|\s+(?:and|but|because|since|while|as|so|with|when)\b)"
_DIRECTION = re.compile(  # 'facing right', 'on the right of the picture'
    r"\b(?:to|on|at|from|towards?|fac(?:es?|ed|ing)|point(?:s|ed|ing)?|turn(?:s|ed|ing)?"
    r"|look(?:s|ed|ing)?|head(?:s|ed|ing)?|mov(?:es?|ed|ing)|lean(?:s|ed|ing)?|tilt(?:s|ed|ing)?"
    r"|go(?:es|ing)?|flying|flies|swimming|swims|driving|drives|running|walking)"
    r"(?:\s+(?:to|towards?))?(?:\s+(?:the|its|his|her|their|your|our|my|far))*\s+"
    rf"(?P<word>right)(?:{_CLAUSE_ENDS}"
    r"|(?=[\s-]+(?:side|hand|half|edge|corner|end|part|direction|of|in|from)\b))",
    re.IGNORECASE,
)
_STATE = re.compile(  # 'the lamp is on.', but not 'it is on the table'
    r"(?:\b(?:is|are|was|were|be|being|turned|switched|stays?|remains?|seems|appears|looks)"
    rf"|'s|'re)\s+(?:\w+ly\s+)?(?P<word>on|off|in){_CLAUSE_ENDS}",
    re.IGNORECASE,
)
_OTHER_SENSE = re.compile(  # 'the right answer', 'in the picture'
    r"(?:you're|you are|that's|that is|all|quite) right(?=\W|\Z)"
    r"|right(?= (?:answer|choice|option|now|away)\b)|(?<!the )right(?= next\b)"
    r"|(?:in|on)(?= (?:the|this) (?:image|picture|photo|photograph|scene|view|foreground"
    r"|background|middle|centre|center|front|other hand)\b)",
    re.IGNORECASE,
)


def shown_by_sentence(text: str) -> set[int]:
    """Return where function words begin that name a direction or a state.

    Example:
        >>> sorted(shown_by_sentence("It is on the table, facing right."))
        [27]
    """
    return {match.start("word") for each in (_DIRECTION, _STATE) for match in each.finditer(text)}


def in_other_sense(text: str) -> set[int]:
    """Return where function words end that mean something else, as in 'the right answer'."""
    return {match.end() for match in _OTHER_SENSE.finditer(text)}


def may_name_option(
    text: str, start: int, end: int, words: Collection[str] = AMBIGUOUS_WORDS
) -> bool:
    """Whether a function word may name its option where the answer names another one, too.

    Args:
        text: The answer.
        start: First character of the word.
        end: One after its last character.
        words: The words that may. 'Right' always may in 'Left is the right one'.
    """
    word = text[start:end].lower()
    return word in words or (word == "right" and text.startswith((" one", " next"), end))
