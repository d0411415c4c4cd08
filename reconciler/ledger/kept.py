"""The desired state of a plugin's last declaration, kept so that it is not built again. Does I/O.

It is in the plugin's row of `_marks`, under the key of everything that it depends on.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING

from psycopg import sql

from reconciler.db.connections import errors_as
from reconciler.db.ledger_schema import ledger_cursor
from reconciler.errors import LedgerError
from reconciler.ledger.schema import ledger_state
from reconciler.ledger.trust import MARK_IS_TRUSTED, TRUSTED_ROLES

if TYPE_CHECKING:
    from typing import LiteralString

    from reconciler.db.connections import Connection

__all__ = ["load_kept", "save_kept"]

_VERSION_WITH_KEPT = 8
_QUICKLY = 1  # it is several times smaller then, and not much more so with more effort


def save_kept(connection: Connection, plugin: str, key: str, text: str) -> None:
    """Keeps the text under the key, instead of what is there; call it where the plugin has a mark."""
    content = text.encode()
    with errors_as(LedgerError, f"keep the declaration of plugin {plugin}"), ledger_cursor(connection) as rows:
        rows.execute(
            "UPDATE :ledger._marks SET desired_key = %s, desired_digest = %s, desired = %s WHERE plugin_name = %s",
            [key, hashlib.sha256(content).hexdigest(), zlib.compress(content, _QUICKLY), plugin],
        )


def load_kept(connection: Connection, plugin: str, key: str) -> str | None:
    """What is kept under this key; None where nothing is, or what is there cannot be believed."""
    state = ledger_state(connection)
    if "_marks" not in state or (state.version or 0) < _VERSION_WITH_KEPT:
        return None
    query = sql.SQL(_KEPT).format(roles=TRUSTED_ROLES, is_trusted=MARK_IS_TRUSTED)
    with errors_as(LedgerError, f"read the declaration of plugin {plugin}"), ledger_cursor(connection) as rows:
        row = rows.execute(query, {"plugin": plugin, "key": key}).fetchone()
    if row is None:
        return None
    digest, compressed = row
    try:
        content = zlib.decompress(compressed)
    except (zlib.error, TypeError):
        return None  # as where nothing is kept; the next run writes it again
    return content.decode() if hashlib.sha256(content).hexdigest() == digest else None


_KEPT: LiteralString = """
    {roles}
    SELECT mark.desired_digest, mark.desired FROM :ledger._marks AS mark
    WHERE mark.plugin_name = %(plugin)s AND mark.desired_key = %(key)s AND {is_trusted}
"""
