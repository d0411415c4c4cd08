"""Statements on tables of other roles run what those have made with their rights. Does I/O.

What rewrites or checks a row calls what its table leads to: defaults, checks, generated columns, triggers, checks and
casts of types. Postgres does maintenance as the owner of the table, ALTER TABLE and UPDATE as whoever runs them. So
such a statement is confined to the rights of that owner (`db/confined.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from reconciler.catalog.confining import words_in
from reconciler.catalog.others import may_give, read_others, read_reached
from reconciler.db.confined import run_confined
from reconciler.db.connections import current_user, fetch_all
from reconciler.db.sqlfiles import read_sql, trusted
from reconciler.db.statements import run_statement
from reconciler.errors import ApplyError
from reconciler.model.facts import SATELLITE_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.db.connections import Connection
    from reconciler.model.facts import FactId
    from reconciler.model.plan import Statement

__all__ = ["OthersCode", "read_others_code"]

# What is said of a table, or built as its owner by Postgres itself.
_CALLS_NOTHING = SATELLITE_KINDS | {"default", "index", "policy", "rule", "statistics", "trigger"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OthersCode:
    """What `roles` that are not trusted have made in the database; `names` are those by which it can be called."""

    roles: frozenset[str]
    names: frozenset[str]
    have_tables: bool

    def run(self, connection: Connection, statement: Statement, search_path: str) -> int:
        """Runs the statement, as the owner of its table where that leads to what is not ours; the number of its rows.

        Raises ApplyError where that owner's code would run with our rights.
        """
        owner = self._owner(connection, statement)
        if owner is None:
            return run_statement(connection, statement)
        return _run_as(connection, owner, statement, search_path)

    def _owner(self, connection: Connection, statement: Statement) -> str | None:
        """Whose rights the statement needs no more than, None: ours."""
        tables = [*_tables(statement)] if self.have_tables else []
        if not tables:
            return None
        rows = fetch_all(
            connection,
            trusted(read_sql("apply/owners.sql")),
            {
                "schemas": [table.name[0] for table in tables],
                "names": [table.name[1] for table in tables],
                "others": sorted(self.roles),
            },
        )
        if not rows:
            return None
        if self.names.isdisjoint(words_in(statement.text)) and not read_reached(connection, tables, is_written=True):
            return None
        owner = next((str(role) for _, _, role, is_below in rows if not is_below), None)
        if owner is not None and may_give(connection, owner):
            return owner
        schema, name, role, _ = rows[0]
        raise _refused(connection, statement, f"table {schema}.{name}", str(role))


def read_others_code(connection: Connection) -> OthersCode:
    """What there is at the begin of a transaction."""
    roles = read_others(connection).roles
    rows = fetch_all(connection, trusted(read_sql("apply/others_named.sql")), {"others": sorted(roles)})
    names = frozenset(str(name) for (name,) in rows if name is not None)
    return OthersCode(roles=roles, names=names, have_tables=len(names) < len(rows))


def _refused(connection: Connection, statement: Statement, table: str, owner: str) -> ApplyError:
    ours = current_user(connection)
    member = sql.SQL("GRANT {} TO {}").format(sql.Identifier(owner), sql.Identifier(ours)).as_string(None)
    return ApplyError(
        f"{table} belongs to role {owner}, and what that role has made for it would run with the rights of {ours}",
        hint=f"give the table to {ours}, or run as a role that may become {owner} ({member})",
        statement=statement.sql,
    )


def _tables(statement: Statement) -> Iterable[FactId]:
    """The tables of which the statement may evaluate something, those of which it is about first."""
    facts = (*statement.creates, *statement.alters, *statement.drops)
    if facts and all(fact.kind in _CALLS_NOTHING for fact in facts) and not statement.rows:
        return
    about = (statement.locks, *(row for access in statement.rows for row in (access.aside, access.table)))
    for fact in dict.fromkeys(about):
        if fact is not None and len(fact.name) == 2 and fact not in statement.creates:
            yield fact


def _run_as(connection: Connection, owner: str, statement: Statement, search_path: str) -> int:
    try:
        return run_confined(connection, owner, statement.text, search_path)
    except psycopg.Error as exc:
        if statement.masked:
            exc.args = (statement.concealed(exc.diag.message_primary or type(exc).__name__),)
        raise
