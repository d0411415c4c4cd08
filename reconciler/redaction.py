"""Takes passwords out of SQL that is shown or recorded; `dsn.redact` does it for connection strings. Pure: no I/O."""

from __future__ import annotations

from reconciler.db.dsn import redact
from reconciler.masking import mask_literals

__all__ = ["redact_sql"]


def redact_sql(statement: str) -> str:
    """A statement that holds a connection (a user mapping, a server, a subscription) without the secrets in it."""
    return redact(mask_literals(statement))
