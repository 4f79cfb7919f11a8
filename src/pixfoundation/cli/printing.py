"""How commands print: the one place where text goes out.

Nothing that is printed is read as markup or as an emoji code, so that a path such as `runs [v2]` or
a phrase such as `:cat:` comes out as it is. Emphasis is given by `emphasised`, or by the style of a
whole line. Control characters in data never reach the terminal. A table that is wider than the
terminal is continued below, with its first columns repeated, so that no figure is cut.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.style import StyleType
    from rich.text import Text

    from pixfoundation.cli.printer import Printer

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Characters that move the cursor, change colours, or turn the direction of writing."""


def output() -> Printer:
    """Return the printer of results, to standard output."""
    from pixfoundation.cli.printer import Printer

    return Printer()


def notes() -> Printer:
    """Return the printer of everything that is no result, to standard error."""
    from pixfoundation.cli.printer import Printer

    return Printer(stderr=True)


def emphasised(*parts: str | tuple[str, StyleType]) -> Text:
    """Return a line of plain parts and of (text, style) parts.

    Example:
        >>> str(emphasised(("runs [v2]", "bold"), " is complete"))
        'runs [v2] is complete'
    """
    from rich.text import Text

    return Text.assemble(
        *(
            without_control(part) if isinstance(part, str) else (without_control(part[0]), part[1])
            for part in parts
        )
    )


def spanned(text: str, spans: Sequence[tuple[tuple[int, int], StyleType]]) -> Text:
    """Return text with a style for some of its [start, end) characters."""
    from rich.text import Text

    result = Text(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", text))
    for span, style in spans:
        result.stylize(style, *span)
    return result


def without_control(text: str) -> str:
    r"""Replace each control character, except for tabs and line ends, by what it is called.

    Example:
        >>> without_control("\x1b[2Jgone")
        '\\x1b[2Jgone'
    """
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


def print_json(value: Any) -> None:
    """Print JSON; what the encoding of standard output does not have is escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    print(text if _can_say(text) else json.dumps(value, indent=2))


def print_text(text: str) -> None:
    """Print text that has lines of its own, such as a table in Markdown, as it is."""
    print(without_control(text), end="")


def _can_say(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True
