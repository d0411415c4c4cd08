"""Whether anything can have changed since a mark was taken, at a cost that does not grow with the schema. Does I/O.

The log tells exactly whether a statement that it can see was committed since, in whatever order. What it cannot see
(settings of roles, catalogs that are updated, the log switched off and on again) shows in the counts of writes that
Postgres keeps for its catalogs. Where either says that something may have changed, the mark is compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import sql

from reconciler.audit.install import audit_state
from reconciler.db.connections import fetch_one
from reconciler.db.sqlfiles import read_sql, trusted

if TYPE_CHECKING:
    from reconciler.db.connections import Connection

__all__ = ["Standing", "read_standing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where the database stands: what was visible, how often its catalogs were written, and whether that moved."""

    position: str
    counters: str
    has_moved: bool


def read_standing(connection: Connection, since: str | None, counters: str | None) -> Standing | None:
    """Where the database stands, beside what was written down; None where there is no log that can be believed."""
    state = audit_state(connection)
    if not state.is_intact or not state.readable:
        return None
    row = fetch_one(connection, sql.SQL(trusted(read_sql("audit/standing.sql"))), {"since": since})
    counted = fetch_one(connection, trusted(read_sql("watch/counters.sql")))
    assert row is not None
    assert counted is not None
    position, has_moved = row
    return Standing(
        position=str(position), counters=str(counted[0]), has_moved=bool(has_moved) or str(counted[0]) != counters
    )
