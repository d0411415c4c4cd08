"""Statements on tables of other roles run what those have made with their rights. Does I/O.

What rewrites or checks a row calls what its table leads to: defaults, checks, generated columns, triggers, checks and
casts of types. Postgres does maintenance as the owner of the table, in an operation that is restricted: nothing in it
can become another role, or leave behind what runs when the transaction is committed. ALTER TABLE and UPDATE it does as
whoever runs them. So such a statement is run by the one thing that opens such an operation for whoever may create an
index: the expression of an index, on a temporary table of that owner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from reconciler.catalog.others import may_give, read_others, read_reached
from reconciler.db.connections import current_user, fetch_all, fetch_one
from reconciler.db.connections import execute as run
from reconciler.db.sqlfiles import read_sql, trusted
from reconciler.db.statements import run_statement
from reconciler.errors import ApplyError
from reconciler.model.facts import SATELLITE_KINDS
from reconciler.sqltext.lexer import lexemes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.db.connections import Connection
    from reconciler.model.facts import FactId
    from reconciler.model.plan import Statement

__all__ = ["OthersCode", "read_others_code"]

# What is said of a table, or built as its owner by Postgres itself.
_CALLS_NOTHING = SATELLITE_KINDS | {"default", "index", "policy", "rule", "statistics", "trigger"}
# The first gives what the second does, which may change something, to the expression of an index, which may not.
_FUNCTIONS = (
    """
    CREATE FUNCTION pg_temp.reconciler_run(path pg_catalog.text, statement pg_catalog.text) RETURNS pg_catalog.int4
    LANGUAGE plpgsql VOLATILE AS $reconciler$
    DECLARE
        counted pg_catalog.int8;
    BEGIN
        PERFORM pg_catalog.set_config('search_path', path, true);
        EXECUTE statement;
        GET DIAGNOSTICS counted = ROW_COUNT;
        INSERT INTO pg_temp.reconciler_counted VALUES (counted);
        RETURN 1;
    END
    $reconciler$
    """,
    """
    CREATE FUNCTION pg_temp.reconciler_begin(path pg_catalog.text, statement pg_catalog.text) RETURNS pg_catalog.int4
    LANGUAGE plpgsql IMMUTABLE AS $reconciler$
    BEGIN
        RETURN pg_temp.reconciler_run(path, statement);
    END
    $reconciler$
    """,
)
_TABLES = (
    "CREATE TEMPORARY TABLE reconciler_statement (path pg_catalog.text, statement pg_catalog.text) ON COMMIT DROP",
    "CREATE TEMPORARY TABLE reconciler_counted (rows pg_catalog.int8) ON COMMIT DROP",
)
_GIVEN = (
    (
        "GRANT EXECUTE ON FUNCTION pg_temp.reconciler_begin(pg_catalog.text, pg_catalog.text),"
        " pg_temp.reconciler_run(pg_catalog.text, pg_catalog.text) TO {owner}"
    ),
    "GRANT INSERT ON pg_temp.reconciler_counted TO {owner}",
    "ALTER TABLE pg_temp.reconciler_statement OWNER TO {owner}",
)
_RUN = "CREATE INDEX ON pg_temp.reconciler_statement ((pg_temp.reconciler_begin(path, statement)))"
_REMOVED = (
    "DROP FUNCTION pg_temp.reconciler_begin(pg_catalog.text, pg_catalog.text) CASCADE",
    "DROP FUNCTION pg_temp.reconciler_run(pg_catalog.text, pg_catalog.text)",
    "DROP TABLE pg_temp.reconciler_statement, pg_temp.reconciler_counted",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OthersCode:
    """What `roles` that are not trusted have made in the database; `names` are those by which it can be called."""

    roles: frozenset[str]
    names: frozenset[str]

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
        tables = [] if not self.names else [*_tables(statement)]
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
        if self.names.isdisjoint(_words(statement.text)) and not read_reached(connection, tables, is_written=True):
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
    return OthersCode(roles=roles, names=frozenset(str(name) for (name,) in rows))


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


def _words(text: str) -> set[str]:
    return {
        token.text[1:-1].replace('""', '"') if token.kind == "identifier" else token.text.lower()
        for token in lexemes(text)
    }


def _run_as(connection: Connection, owner: str, statement: Statement, search_path: str) -> int:
    each = sql.Identifier(owner)
    for text in (*_TABLES, *_FUNCTIONS):
        run(connection, trusted(text))
    values = (search_path, statement.text)
    run(connection, "INSERT INTO pg_temp.reconciler_statement VALUES (%s, %s)", values)
    for text in _GIVEN:
        run(connection, sql.SQL(trusted(text)).format(owner=each))
    try:
        run(connection, _RUN)
    except psycopg.Error as exc:
        if statement.masked:
            exc.args = (statement.concealed(exc.diag.message_primary or type(exc).__name__),)
        raise
    row = fetch_one(connection, "SELECT rows FROM pg_temp.reconciler_counted")
    for text in _REMOVED:
        run(connection, text)
    return int(row[0]) if row is not None else 0
