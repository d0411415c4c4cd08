"""Text of others (names, comments, what a server says) as it may be shown to people. Pure: no I/O.

A control character could move the cursor, colour a line or hide it, and a mark of direction could turn what is read
round; where people look each is written as its escape. JSON and SQL keep all of them.
"""

from __future__ import annotations

import shlex

__all__ = ["shell_word", "visible", "visible_line"]

_CONTROLS = (*range(0x20), *range(0x7F, 0xA0))
# Marks of direction, joiners without a width, separators of lines and paragraphs, tags.
_MARKS = (
    *(0x061C, 0x180E, 0xFEFF),
    *range(0x200B, 0x2010),
    *range(0x2028, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xE0000, 0xE0080),
)
_ESCAPES = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    for code in (*_CONTROLS, *_MARKS)
}
_IN_LINE = {**_ESCAPES, 0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r"}
_IN_TEXT = {code: shown for code, shown in _IN_LINE.items() if code not in (0x09, 0x0A)}


def visible(text: str) -> str:
    """Lines of text with each control character and mark of direction escaped; line breaks and tabs stay."""
    return text if text.isascii() and text.isprintable() else text.translate(_IN_TEXT)


def visible_line(text: str) -> str:
    """A name or another text of one line: line breaks are escaped too."""
    return text if text.isprintable() and text.isascii() else text.translate(_IN_LINE)


def shell_word(text: str) -> str:
    """The text as one word to paste into a shell, in bash's escapes ($'...') where it is not shown as it is."""
    if visible_line(text) == text:
        return shlex.quote(text)
    escaped = "".join(
        (f"\\x{ord(each):02x}" if ord(each) < 0x80 else f"\\U{ord(each):08x}") if ord(each) in _IN_LINE else each
        for each in text.replace("\\", "\\\\").replace("'", "\\'")
    )
    return f"$'{escaped}'"
