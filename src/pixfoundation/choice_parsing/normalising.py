"""Take the dress off an answer: Markdown, LaTeX, HTML, JSON, full-width letters, emphasis."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, cast

_QUOTES = str.maketrans(
    {"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "’": "'", "‘": "'", "`": "'",
     "「": '"', "」": '"', "『": '"', "』": '"', "【": "(", "】": ")",
     "\u00a0": " ", "⟨": "(", "⟩": ")"}
)  # fmt: skip
_LATEX_FONT = re.compile(
    r"\\(?:text|textbf|textit|textrm|texttt|mathrm|mathbf|mathsf|mathit|emph|operatorname|mbox|bf"
    r"|rm)"
    r"\s*\{([^{}]*)\}"
)
_BOXED = re.compile(r"\\(?:boxed|fbox|framebox)\s*(?:\{([^{}]*)\}|([A-Za-z])\b)")
_TAG = re.compile(
    r"</?(?:b|i|em|strong|u|p|span|div|mark|code|h\d|li|ul|ol|sub|sup|center|font|small|answer"
    r"|final|option|choice)\b[^<>]*>",
    re.IGNORECASE,
)
_FENCE = re.compile(r"```[a-z]*\n?|~~~[a-z]*\n?")
_DENYING = re.compile(r"[❌✗✘✖≠¬🚫]|!=|(?<!\S)[!~](?=[(\[]?[A-Za-z])")
_CHOSEN = re.compile(r"[✅✔☑✓👉]\ufe0f?")
_JSON_KEYS = (
    "final_answer", "finalanswer", "answer", "final answer", "correct_answer", "choice", "option",
    "letter", "selected", "selection", "selected_option", "prediction", "label", "response",
    "result", "output",
)  # fmt: skip
_DEEPEST = 4


def undressed(text: str) -> str:
    r"""Return an answer as plain text: no markup, straight quotes, one case of brackets.

    What stands in `\boxed{}` is returned alone: it is what the model declares to be its answer.
    Struck-out text is left out.
    """
    text = _FENCE.sub("\n", text)
    if (answer := _from_json(text)) is not None:
        text = answer
    text = unicodedata.normalize("NFKC", text.translate(_QUOTES)).translate(_QUOTES)
    text = re.sub(r"~~.*?~~|<(del|s|strike)>.*?</\1>", " ", text, flags=re.DOTALL)
    text = re.sub(r"<br\s*/?>", "\n", text)
    text = _TAG.sub("", text)
    for _ in range(3):
        text = _LATEX_FONT.sub(r"\1", text)
    if boxed := list(_BOXED.finditer(text)):
        text = boxed[-1][1] or boxed[-1][2] or ""
    text = re.sub(r"\$+|\\[()\[\]]|\\[,;! ]", " ", text)
    text = _DENYING.sub(" not ", text)
    text = _CHOSEN.sub(" ", text)
    text = re.sub(r"\*+|(?<![A-Za-z0-9])_+|_+(?![A-Za-z0-9])", "", text)
    text = re.sub(r"^[ \t]*(?:#+|>+|[-•+]|\d+[.)](?=[ \t]+\S.{12}))[ \t]+", "", text, flags=re.M)
    text = re.sub(r"[ \t\r\f\v]+", " ", text)
    return text.strip()


def _from_json(text: str) -> str | None:
    """Return the answer in a JSON object; None if the text is no JSON, or has no answer."""
    text = text.strip()
    if not text.startswith(("{", "[", '"')) or len(text) > 20_000:
        return None
    try:
        return _held(json.loads(text), 0)
    except (ValueError, RecursionError):
        return None


def _held(value: Any, depth: int) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and depth < _DEEPEST:
        entries = cast("list[object]", value)
        return _held(entries[0], depth + 1) if len(entries) == 1 else None
    if isinstance(value, dict) and depth < _DEEPEST:
        fields = {str(key).lower(): entry for key, entry in cast("dict[Any, Any]", value).items()}
        for key in _JSON_KEYS:
            if key in fields:
                return _held(fields[key], depth + 1)
    return None
