"""Roles whose code must not run with the rights of the one that we are. Does I/O, and only reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.db.connections import fetch_all
from reconciler.db.sqlfiles import read_sql, trusted

if TYPE_CHECKING:
    from reconciler.db.connections import Connection

__all__ = ["Others", "read_others"]

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
