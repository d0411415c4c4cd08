"""Whether tables that have the ledger's names are those of another program. Does I/O, and only reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.db.ledger_schema import ledger_cursor, ledger_schema
from reconciler.errors import LedgerError

if TYPE_CHECKING:
    from reconciler.db.connections import Connection

__all__ = ["require_shape"]

# The columns that the tables have in common with elizaOS's, which are taken over as they are.
_SHARED = {
    "_migrations": frozenset({"id", "plugin_name", "hash", "created_at"}),
    "_journal": frozenset({"plugin_name", "version", "dialect", "entries"}),
    "_snapshots": frozenset({"id", "plugin_name", "idx", "snapshot"}),
}
# By what other programs' tables of past migrations are known.
_OTHERS = (
    ("Laravel", frozenset({"id", "migration", "batch"})),
    ("TypeORM", frozenset({"id", "timestamp", "name"})),
    ("Prisma", frozenset({"id", "checksum", "finished_at", "migration_name"})),
    ("Drizzle", frozenset({"id", "hash", "created_at"})),
    ("Knex", frozenset({"id", "name", "batch", "migration_time"})),
    ("node-pg-migrate", frozenset({"id", "name", "run_on"})),
    ("Flyway", frozenset({"installed_rank", "version", "script"})),
    ("golang-migrate", frozenset({"version", "dirty"})),
    ("Sequelize", frozenset({"name"})),
)
_COLUMNS = """
    SELECT relation.relname::text, pg_catalog.array_agg(attribute.attname::text ORDER BY attribute.attnum)
    FROM pg_catalog.pg_class AS relation
    JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = relation.oid
    WHERE relation.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = :'ledger')
        AND relation.relname = ANY(%s) AND attribute.attnum > 0 AND NOT attribute.attisdropped
    GROUP BY relation.relname ORDER BY relation.relname
"""


def require_shape(connection: Connection) -> None:
    """Raises LedgerError where a table of the ledger's name is another program's, with what it seems to be."""
    with ledger_cursor(connection) as rows:
        found = rows.execute(_COLUMNS, [list(_SHARED)]).fetchall()
    for table, columns in found:
        if _SHARED[table] <= set(columns):
            continue
        program = next((name for name, known in _OTHERS if known <= set(columns)), None)
        whose = f"like that of {program}" if program is not None else "like that of another program"
        schema = ledger_schema(connection)
        raise LedgerError(
            f"{schema}.{table} is not the ledger's, but {whose}: it has the columns {', '.join(columns)}",
            left="nothing was changed",
            hint=f"reconciler keeps its record in schema {schema}: name another one with --ledger-schema (library:"
            f" Options.ledger_schema), or rename {schema}.{table}",
        )
