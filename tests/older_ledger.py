"""The ledger of a database as an older program made it, with what that one would have kept of its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from reconciler.db.sqlfiles import read_sql
from reconciler.ledger.schema import TABLES

if TYPE_CHECKING:
    from psycopg.abc import QueryNoTemplate

__all__ = ["take_back"]

_NOW = sql.Identifier("migrations_now")
# The columns that both versions of a table have.
_COLUMNS = """
    SELECT older.attname::text FROM pg_attribute AS older
    JOIN pg_attribute AS newer ON newer.attname = older.attname AND NOT newer.attisdropped
    WHERE older.attrelid = to_regclass(%s) AND newer.attrelid = to_regclass(%s)
        AND older.attnum > 0 AND NOT older.attisdropped ORDER BY older.attnum
"""


def take_back(url: str, version: int) -> None:
    """Makes the ledger again from the files of its first versions, and copies what they have a place for."""
    with psycopg.connect(url) as connection:
        connection.execute(sql.SQL("ALTER SCHEMA migrations RENAME TO {}").format(_NOW))
        connection.execute("CREATE SCHEMA migrations")
        for number in range(1, version + 1):
            text = read_sql(f"ledger/{number:03d}.sql")
            connection.execute(text.replace(":'ledger'", "'migrations'").replace(":ledger", "migrations").encode())
        for table in TABLES:
            _copy(connection, table)
        connection.execute("DELETE FROM migrations._ledger WHERE version > %s", [version])
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(_NOW))


def _copy(connection: psycopg.Connection, table: str) -> None:
    older, newer = f"migrations.{table}", f"migrations_now.{table}"
    columns = [row[0] for row in connection.execute(_COLUMNS, [older, newer])]
    if not columns:
        return
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    place, origin = sql.Identifier("migrations", table), sql.Identifier("migrations_now", table)
    copying: QueryNoTemplate = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}").format(
        place, names, names, origin
    )
    connection.execute(copying)
    for column in columns:
        numbers = connection.execute("SELECT pg_get_serial_sequence(%s, %s)", [older, column]).fetchone()
        if numbers is not None and numbers[0] is not None:
            highest = sql.SQL("SELECT setval(%s, max({})) FROM {}").format(sql.Identifier(column), place)
            connection.execute(highest, [numbers[0]])
