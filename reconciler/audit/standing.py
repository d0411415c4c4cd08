"""Whether anything can have changed since a mark was taken, at a cost that does not grow with the schema. Does I/O.

The log tells exactly whether a statement that it can see was committed since, in whatever order. What it cannot see
(settings of roles, catalogs that are updated, the log switched off and on again) shows in the counts of writes that
Postgres keeps for its catalogs. Where either says that something may have changed, the mark is compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import sql

from reconciler.audit.install import audit_digest, audit_state
from reconciler.db.connections import fetch_one
from reconciler.db.sqlfiles import read_sql, trusted

if TYPE_CHECKING:
    from reconciler.db.connections import Connection

__all__ = ["Standing", "read_standing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where the database stands: what was visible, and whether anything moved.

    `counters` is how often its catalogs were written, behind a digest of the log's own rows.
    """

    position: str
    counters: str
    has_moved: bool


def read_standing(connection: Connection, since: str | None, counters: str | None) -> Standing | None:
    """Where the database stands, beside what was written down; None where there is no log that can be believed.

    Whether it can is asked again only where its own catalog rows, or the counts, are not what they were then.
    """
    digest = audit_digest(connection)
    counted = fetch_one(connection, trusted(read_sql("watch/counters.sql")))
    assert counted is not None
    now = f"{digest} {counted[0]}"
    if digest is None or (now != counters and not _is_believed(connection)):
        return None
    row = fetch_one(connection, sql.SQL(trusted(read_sql("audit/standing.sql"))), {"since": since})
    assert row is not None
    position, has_moved = row
    return Standing(position=str(position), counters=now, has_moved=bool(has_moved) or now != counters)


def _is_believed(connection: Connection) -> bool:
    state = audit_state(connection)
    return state.is_intact and state.readable
