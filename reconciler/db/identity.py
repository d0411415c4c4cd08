"""Which database this is, wherever it is reached. Does I/O on a connection that is handed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.db.connections import errors_as, fetch_one, transaction

if TYPE_CHECKING:
    from reconciler.db.connections import Connection

__all__ = ["DatabaseIdentity", "read_identity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseIdentity:
    """The server's system identifier, which initdb makes (None: this role may not ask), the OID and the name."""

    system_identifier: str | None
    oid: int
    name: str


def read_identity(connection: Connection) -> DatabaseIdentity:
    """The identity of the database that is connected to. Raises DatabaseError."""
    with errors_as(doing="ask which database this is"), transaction(connection):
        row = fetch_one(
            connection,
            "SELECT oid::bigint, datname::text,"
            " pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')"
            " FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()",
        )
        assert row is not None
        oid, name, may_ask = row
        system: str | None = None
        if may_ask:
            found = fetch_one(connection, "SELECT system_identifier::text FROM pg_catalog.pg_control_system()")
            system = found[0] if found else None
    return DatabaseIdentity(system_identifier=system, oid=oid, name=name)
