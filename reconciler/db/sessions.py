"""Who holds an advisory lock, and what is said of other sessions. Does I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.db.connections import fetch_one
from reconciler.db.sqlfiles import read_sql, trusted

if TYPE_CHECKING:
    from datetime import datetime

    from psycopg.rows import TupleRow

    from reconciler.db.connections import Connection

__all__ = ["Holder", "advisory_holder", "schema_changer", "shown_query"]

_SHOWN_QUERY = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A session that holds a lock; of others' sessions a role may be told no more than the process id."""

    pid: int
    user: str | None
    address: str | None
    application_name: str | None
    since: datetime | None
    query: str | None

    def __str__(self) -> str:
        words = [f"process {self.pid} of {f'role {self.user}' if self.user else 'another role'}"]
        if self.application_name:
            words.append(self.application_name)
        if self.since:
            words.append(f"since {self.since:%Y-%m-%d %H:%M:%S%z}")
        # Without its role, the server says only that its statement may not be read.
        shown = shown_query(self.query or "") if self.user else ""
        return f"{', '.join(words)}: {shown}" if shown else ", ".join(words)


def advisory_holder(connection: Connection, key: int, *, exclusive: bool = False) -> Holder | None:
    """Another session that holds the advisory lock, with `exclusive` one that shares it with nobody.

    Raises DatabaseError.
    """
    return _holder(
        fetch_one(connection, trusted(read_sql("sessions/advisory_holder.sql")), {"key": key, "exclusive": exclusive})
    )


def schema_changer(connection: Connection, schema: str) -> Holder | None:
    """The session that changes the schema itself in a transaction that has not ended. Raises DatabaseError."""
    return _holder(fetch_one(connection, trusted(read_sql("sessions/schema_changer.sql")), {"schema": schema}))


def _holder(row: TupleRow | None) -> Holder | None:
    if row is None:
        return None
    pid, user, address, application_name, since, query = row
    return Holder(pid=pid, user=user, address=address, application_name=application_name, since=since, query=query)


def shown_query(query: str) -> str:
    """The beginning of somebody's statement, up to the first value in it: that may be a secret."""
    text = " ".join(re.split(r"['$]", query, maxsplit=1)[0].split())
    return f"{text[:_SHOWN_QUERY]} ..." if len(text) > _SHOWN_QUERY or text != " ".join(query.split()) else text
