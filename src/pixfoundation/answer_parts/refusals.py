"""Whether an answer refuses the question instead of answering it."""

from __future__ import annotations

import re

_UNABLE = r"(?:can\s?not|can't|am (?:not able|unable) to|won't|will not|must decline to|unable to)"
_REFUSED = (
    r"(?:assist|help|comply|fulfil+|do that|process|engage|discuss|support|analy[sz]e|view|see"
    r"|provide|identify|recogni[sz]e|access|open|answer|respond)"
)
_REFUSAL = re.compile(
    r"\A\W*(?:(?:i'?m|i am|we're|we are)\s+(?:very |so |really )?sorry\b|sorry\b|i apologi[sz]e\b"
    r"|unfortunately\b|as an? (?:ai|language|visual|multimodal)\b|i\b|i'm\b)"
    rf"[^.!?\n]{{0,80}}?\b{_UNABLE}\b[^.!?\n]{{0,20}}?\b{_REFUSED}",
    re.IGNORECASE,
)


def is_refusal(text: str) -> bool:
    """Return whether an answer refuses the question, such as 'I'm sorry, I can't help with that.'.

    Only the beginning is read, so that an answer which hedges later is not counted.

    Example:
        >>> is_refusal("I'm sorry, but I can't assist with that request."), is_refusal("B")
        (True, False)
    """
    return _REFUSAL.search(text[:400].replace("’", "'")) is not None
