"""Roles whose code must not run with the rights of the one that we are. Does I/O, and only reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.db.connections import fetch_all
from reconciler.db.sqlfiles import read_sql, trusted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.db.connections import Connection
    from reconciler.model.facts import FactId

__all__ = ["Others", "may_give", "read_others", "read_reached"]

_SET_OPTION = 160000


@dataclass(frozen=True, slots=True, kw_only=True)
class Others:
    """All `roles` that cannot act as us anyway; what is made here cannot be given to those that are `unsettable`."""

    roles: frozenset[str]
    unsettable: frozenset[str]

    @property
    def beyond(self) -> frozenset[str]:
        """Those whose code can run neither as us nor as them."""
        return self.roles & self.unsettable


def read_others(connection: Connection) -> Others:
    """Those that are neither us, nor a superuser, nor a member of us, nor the database's owner.

    To be a member of them proves nothing: until 15 a role may grant membership in itself.
    """
    membership = "SET" if connection.info.server_version >= _SET_OPTION else "MEMBER"
    rows = fetch_all(connection, trusted(read_sql("others.sql")), {"membership": membership})
    return Others(
        roles=frozenset(str(role) for role, _, is_trusted in rows if not is_trusted),
        unsettable=frozenset(str(role) for role, is_settable, _ in rows if not is_settable),
    )


def may_give(connection: Connection, role: str) -> bool:
    """Whether what is made here can be given to the role."""
    return connection.info.parameter_status("is_superuser") == "on" or role not in read_others(connection).unsettable


def read_reached(
    connection: Connection,
    tables: Iterable[FactId],
    kinds: Sequence[str] = ("routine",),
    *,
    is_written: bool = False,
) -> dict[FactId, str]:
    """The tables of which the rows cannot be read or checked without what somebody else has made, and what that is.

    Where a table `is_written` its triggers and rules count too.
    """
    named = sorted({table for table in tables if len(table.name) == 2})
    if not named:
        return {}
    rows = fetch_all(
        connection,
        trusted(read_sql("others_called.sql")),
        {
            "schemas": [table.name[0] for table in named],
            "tables": [table.name[1] for table in named],
            "others": sorted(read_others(connection).roles),
            "kinds": [*kinds],
            "is_written": is_written,
        },
    )
    said = {(schema, name): f"{what} of role {owner}" for schema, name, what, owner in rows}
    return {table: said[table.name[0], table.name[1]] for table in named if table.name in said}
