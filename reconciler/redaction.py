"""Takes passwords out of text that is shown or recorded. Pure: no I/O."""

from __future__ import annotations

import re

__all__ = ["redact", "redact_sql"]

_MASK = "********"
_IN_URL = re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]*://[^\s:/@'\"]*:)[^\s@'\"]+(?=@)", re.IGNORECASE)
_IN_CONNECTION_STRING = re.compile(
    r"(?P<before>(?:pg|ssl)?passw(?:or)?d\s*=\s*)(?:''(?:[^']|\\')*''|'(?:[^'\\]|\\.)*'|\"[^\"]*\"|[^\s'\"&;]+)",
    re.IGNORECASE,
)
_IN_OPTIONS = re.compile(r"(?P<before>\b(?:ssl)?password\s*E?)'(?:[^']|'')*'", re.IGNORECASE)


def redact(text: str) -> str:
    """`text` (a URL, a connection string, a command line) without the passwords in it."""
    return _IN_CONNECTION_STRING.sub(rf"\g<before>{_MASK}", _IN_URL.sub(rf"\g<before>{_MASK}", text))


def redact_sql(statement: str) -> str:
    """A statement that holds a connection (a user mapping, a server, a subscription) without the passwords in it."""
    return redact(_IN_OPTIONS.sub(rf"\g<before>'{_MASK}'", statement))
