"""Whether the ledger is as reconciler makes it, before anything is written to it or believed. Does I/O.

A trigger on one of its tables would run with the rights of the run that writes there, and whoever owns a table can
write into it what was never done.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import psycopg
from psycopg import sql

from reconciler.db.connections import cursor, errors_as, transaction
from reconciler.db.ledger_schema import ledger_schema, ledger_text
from reconciler.db.sqlfiles import read_sql, trusted
from reconciler.errors import LedgerDamagedError, LedgerError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from reconciler.db.connections import Connection

__all__ = [
    "MARK_IS_TRUSTED",
    "TRUSTED_ROLES",
    "damage",
    "damage_note",
    "require_own_ledger",
    "require_readable",
    "surviving",
]

Value = TypeVar("Value")

_SHOWN = 5
# What reading a value raises that is not what it should be; psycopg's is for times that Python cannot hold.
_DAMAGE = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    OSError,
    psycopg.DataError,
)

# For queries that begin with these roles.
TRUSTED_ROLES = sql.SQL(trusted(read_sql("ledger/trusted.sql")))
# Whether nobody else can have written the plugin's mark or the record that it belongs to. The owner of all schemas that
# the mark is of may change these anyway.
MARK_IS_TRUSTED = sql.SQL("""
    NOT EXISTS (
        SELECT FROM pg_catalog.pg_namespace AS namespace
        JOIN pg_catalog.pg_class AS relation ON relation.relnamespace = namespace.oid
        CROSS JOIN LATERAL (
            SELECT relation.relowner UNION ALL SELECT namespace.nspowner
            UNION ALL SELECT acl.grantee FROM pg_catalog.aclexplode(relation.relacl) AS acl
            WHERE acl.privilege_type IN ('INSERT', 'UPDATE')
                AND (acl.grantee = 0 OR NOT pg_catalog.pg_has_role(acl.grantee, relation.relowner, 'MEMBER'))
        ) AS writer(role)
        WHERE namespace.nspname = :'ledger' AND relation.relkind = 'r'
            AND relation.relname IN ('_marks', '_migrations', '_snapshots', '_sources')
            AND writer.role NOT IN (SELECT role FROM trusted)
            AND NOT COALESCE((
                SELECT pg_catalog.bool_and(managed.nspowner = writer.role)
                FROM pg_catalog.pg_namespace AS managed WHERE managed.nspname = ANY(mark.schemas)
            ), false)
    )
""")


def require_own_ledger(connection: Connection, tables: Sequence[str]) -> None:
    """Returns where the ledger's schema and `tables` are as reconciler makes them, or not there.

    Raises LedgerError, with what is not and the statements that mend it.
    """
    query = (read_sql("ledger/trusted.sql") + read_sql("ledger/foreign_parts.sql")).encode()
    values = {
        "schema": ledger_schema(connection),
        "tables": list(tables),
        "sequences": [f"{table}_id_seq" for table in tables],
    }
    with errors_as(LedgerError, "look at the ledger's tables"), cursor(connection) as rows:
        found = rows.execute(query, values).fetchall()
    if not found:
        return
    told = "; ".join(f"{name} {what}" for name, what, _ in found[:_SHOWN])
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise LedgerError(
        f"the ledger is not as reconciler makes it, so nothing is written to it: {told}{more}",
        left="nothing was changed",
        hint=_hint(found),
    )


def _hint(found: Sequence[tuple[str, ...]]) -> str:
    statements = " ".join(dict.fromkeys(f"{mending};" for _, _, mending in found))
    if not any(" belongs to role " in f" {what}" for _, what, _ in found):
        return f"find out who did that, then run: {statements}"
    owner = next(what.removeprefix("belongs to role ") for _, what, _ in found if what.startswith("belongs to role "))
    return (
        f"find out who made it; where {owner} is to be believed, make this role a member (GRANT {owner} TO"
        f" CURRENT_USER), else look at what the tables hold and run: {statements}"
    )


def require_readable(connection: Connection, name: str, why: str | None) -> None:
    """Raises LedgerError where reading the table `name` would run code of others: `why` is what it has."""
    if why is not None:
        table = f"{ledger_schema(connection)}.{name}"
        raise LedgerError(
            f"the ledger is not as reconciler makes it: {table} {why}",
            left="nothing was changed",
            hint=f"find out who made it, and rename it or drop it: reconciler makes {table} as a plain table",
        )


def surviving(connection: Connection, read: Callable[[], Value], otherwise: Value, damaged: list[str]) -> Value:
    """What `read` gives; where a row of the ledger is damaged, `otherwise`, and a note of it in `damaged`."""
    try:
        with transaction(connection):
            return read()
    except LedgerDamagedError as error:
        damaged.append(damage_note(error))
        return otherwise


def damage_note(error: LedgerDamagedError) -> str:
    """The damage as a warning, for what goes on without that row."""
    return f"{error.message}; passed over here ({error.hint})"


@contextmanager
def damage(connection: Connection, what: str, hint: str) -> Generator[None]:
    """Turns what a value causes that is not of the form that reconciler writes into "`what` is damaged".

    Both texts may name the ledger's schema by `:ledger`.
    """
    try:
        yield
    except _DAMAGE as exc:
        raise LedgerDamagedError(
            f"{ledger_text(connection, what)} is damaged: {str(exc) or type(exc).__name__}",
            hint=ledger_text(connection, hint),
        ) from exc
