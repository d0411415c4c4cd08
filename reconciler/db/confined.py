"""Runs text with the rights of a role that it cannot leave, now or when the transaction is committed. Does I/O.

SET ROLE and functions that are SECURITY DEFINER do not hold what they run: it leaves behind cursors WITH HOLD and
deferred triggers, which the commit runs as whoever commits, and settings of the session. Postgres does maintenance as
the owner of a table, in an operation that is restricted: in it no role can be set, no such cursor opened, no deferred
trigger queued, nothing temporary created, and settings end with it. The one thing that opens such an operation for
whoever may create an index is the expression of an index, here on a temporary table of that role.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from reconciler.db.connections import execute, fetch_one
from reconciler.db.sqlfiles import trusted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.db.connections import Connection

__all__ = ["confined", "run_confined"]

# The second gives what the first does, which may change something, to the expression of an index, which may not.
_MADE = (
    "CREATE TEMPORARY TABLE reconciler_statement (path pg_catalog.text, statement pg_catalog.text) ON COMMIT DROP",
    "CREATE TEMPORARY TABLE reconciler_counted (rows pg_catalog.int8) ON COMMIT DROP",
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
_GIVEN = (
    (
        "GRANT EXECUTE ON FUNCTION pg_temp.reconciler_begin(pg_catalog.text, pg_catalog.text),"
        " pg_temp.reconciler_run(pg_catalog.text, pg_catalog.text) TO {role}"
    ),
    "GRANT INSERT ON pg_temp.reconciler_counted TO {role}",
    "ALTER TABLE pg_temp.reconciler_statement OWNER TO {role}",
)
_RUN = "CREATE INDEX ON pg_temp.reconciler_statement ((pg_temp.reconciler_begin(path, statement)))"
_REMOVED = (
    "DROP FUNCTION pg_temp.reconciler_begin(pg_catalog.text, pg_catalog.text) CASCADE",
    "DROP FUNCTION pg_temp.reconciler_run(pg_catalog.text, pg_catalog.text)",
    "DROP TABLE pg_temp.reconciler_statement, pg_temp.reconciler_counted",
)


def confined(role: str, text: str, *, search_path: str | None = None) -> Iterator[sql.SQL | sql.Composed]:
    """The statements that run the text so, to be sent in one transaction: `search_path` is that of the session if None.

    The role must be one to which objects made here can be given.
    """
    yield from _begun(role, text, search_path)
    yield sql.SQL(_RUN)
    yield from map(sql.SQL, _REMOVED)


def run_confined(connection: Connection, role: str, text: str, search_path: str) -> int:
    """Runs the text so, in the open transaction; the number of its rows. Raises psycopg's errors."""
    for statement in _begun(role, text, search_path):
        execute(connection, statement)
    execute(connection, _RUN)
    row = fetch_one(connection, "SELECT rows FROM pg_temp.reconciler_counted")
    for removal in _REMOVED:
        execute(connection, removal)
    return int(row[0]) if row is not None else 0


def _begun(role: str, text: str, search_path: str | None) -> Iterator[sql.SQL | sql.Composed]:
    yield from (sql.SQL(trusted(each)) for each in _MADE)
    path = sql.SQL("pg_catalog.current_setting('search_path')") if search_path is None else sql.Literal(search_path)
    yield sql.SQL("INSERT INTO pg_temp.reconciler_statement VALUES ({}, {})").format(path, sql.Literal(text))
    for each in _GIVEN:
        yield sql.SQL(trusted(each)).format(role=sql.Identifier(role))
