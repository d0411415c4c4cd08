"""How quickly this database worked in earlier migrations. Does I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.db.connections import errors_as
from reconciler.db.ledger_schema import ledger_cursor
from reconciler.errors import LedgerError
from reconciler.ledger.schema import ledger_state
from reconciler.model.hazards import HazardKind
from reconciler.model.outlook import USUAL_SPEEDS, Speeds

if TYPE_CHECKING:
    from reconciler.db.connections import Connection

__all__ = ["load_speeds"]

# Of smaller tables, and shorter statements, the time says more about the statement than about the server.
_LARGE_BYTES = 16 * 1024 * 1024
_LONG_MS = 100
_LAST = 500

_FIND_SPEEDS = """
    SELECT hazard ->> 'kind', sum((hazard ->> 'bytes')::float8) / sum(found.duration_ms) * 1000
    FROM (
        SELECT duration_ms, hazards FROM :ledger._statements
        WHERE duration_ms > %s AND jsonb_typeof(hazards) = 'array' ORDER BY idx DESC LIMIT %s
    ) AS found
    CROSS JOIN LATERAL jsonb_array_elements(found.hazards) AS hazard
    WHERE CASE WHEN jsonb_typeof(hazard -> 'bytes') = 'number' THEN (hazard ->> 'bytes')::float8 > %s ELSE false END
    GROUP BY hazard ->> 'kind'
"""


def load_speeds(connection: Connection) -> Speeds:
    """The speeds that the last migrations had, or the usual ones where none of them worked on a large table."""
    if "_statements" not in ledger_state(connection):
        return USUAL_SPEEDS
    with errors_as(LedgerError, "read how long earlier statements took"), ledger_cursor(connection) as rows:
        found = dict(rows.execute(_FIND_SPEEDS, [_LONG_MS, _LAST, _LARGE_BYTES]).fetchall())
    rewrite, read = found.get(HazardKind.TABLE_REWRITE.value), found.get(HazardKind.BLOCKING_LOCK.value)
    if rewrite is None and read is None:
        return USUAL_SPEEDS
    return Speeds(rewrite=rewrite or USUAL_SPEEDS.rewrite, read=read or USUAL_SPEEDS.read, is_measured=True)
