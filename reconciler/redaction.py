"""Takes passwords out of SQL that is shown or recorded; `dsn.redact` does it for connection strings. Pure: no I/O."""

from __future__ import annotations

import re

from reconciler.dsn import redact

__all__ = ["redact_sql"]

_MASK = "********"
_IN_OPTIONS = re.compile(r"(?P<before>\b(?:ssl)?password\s*E?)'(?:[^']|'')*'", re.IGNORECASE)


def redact_sql(statement: str) -> str:
    """A statement that holds a connection (a user mapping, a server, a subscription) without the passwords in it."""
    return redact(_IN_OPTIONS.sub(rf"\g<before>'{_MASK}'", statement))
