"""Scratch `schema`: one transaction of the live database that is always rolled back. Does I/O."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from reconciler.db.connections import current_user, errors_as, execute, fetch_all, fetch_one, transaction
from reconciler.db.sessions import schema_changer
from reconciler.errors import ScratchError
from reconciler.ledger.schema import lock_key
from reconciler.model.plugins import lock_id
from reconciler.scratch.place import PREFIX, Place
from reconciler.scratch.privileges import without_default_privileges

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from reconciler.db.connections import Connection

__all__ = ["SchemaScratch", "is_silent", "scratch_key"]

_LOCK_TIMEOUT_MS = 5_000


def scratch_key(schema: str) -> int:
    """The advisory lock of whoever has renamed the schema out of the way."""
    return lock_id(f"reconciler: scratch in {schema}")


def is_silent(live: Connection) -> bool:
    """Whether the live database's event triggers do not fire in the scratch place."""
    return live.info.server_version >= 170000 and live.info.parameter_status("is_superuser") == "on"


class SchemaScratch:
    """Scratch in the live database: the managed schemas are renamed inside a transaction that is rolled back."""

    kind = "schema"

    def __init__(self, connection: Connection, schemas: Sequence[str], *, why: str, wait_ms: int) -> None:
        self._connection = connection
        self._wait_ms = wait_ms
        self._schemas = tuple(schemas)
        self.why = why

    @contextmanager
    def fresh(self) -> Generator[Place]:
        connection = self._connection
        with transaction(connection, force_rollback=True):
            # Another plan is waited for by words; in one order, lest two wait for each other.
            for schema in sorted(self._schemas):
                lock_key(connection, scratch_key(schema), f"scratch in schema {schema}", self._wait_ms)
            with errors_as(ScratchError, "rename the managed schemas out of the way"):
                execute(connection, "select pg_catalog.set_config('lock_timeout', %s, true)", (str(_LOCK_TIMEOUT_MS),))
                if is_silent(connection):
                    execute(connection, "select pg_catalog.set_config('event_triggers', 'off', true)")
                for schema in self._schemas:
                    self._set_aside(schema)
                without_default_privileges(connection)
            user = current_user(connection)
            yield Place(connection=connection, transactional=True, builder=user, user=user)

    def _set_aside(self, schema: str) -> None:
        connection, identifier = self._connection, sql.Identifier(schema)
        found = fetch_one(connection, "select oid from pg_catalog.pg_namespace where nspname = %s", (schema,))
        extensions: list[str] = []
        if found is not None:
            extensions = [
                row[0]
                for row in fetch_all(
                    connection,
                    "select extname from pg_catalog.pg_extension where extnamespace = %s and extrelocatable",
                    (found[0],),
                )
            ]
            aside = sql.Identifier(f"{PREFIX}{secrets.token_hex(8)}")
            try:
                with transaction(connection):
                    execute(connection, sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(identifier, aside))
            except psycopg.errors.LockNotAvailable as exc:
                raise self._busy(schema) from exc
        execute(connection, sql.SQL("CREATE SCHEMA {}").format(identifier))
        if schema == "public":
            self._as_initdb_makes_public()
        for extension in extensions:
            execute(
                connection, sql.SQL("ALTER EXTENSION {} SET SCHEMA {}").format(sql.Identifier(extension), identifier)
            )

    def _busy(self, schema: str) -> ScratchError:
        changer = schema_changer(self._connection, schema)
        who = f"{changer} changed it" if changer else "another transaction changed it"
        return ScratchError(
            f"schema {schema} cannot be renamed out of the way within {_LOCK_TIMEOUT_MS / 1000:g} s: {who}, and has not"
            " ended",
            hint="wait until it has ended, end it if it hangs, or build elsewhere: --scratch database",
            left="nothing was changed",
        )

    def _as_initdb_makes_public(self) -> None:
        connection = self._connection
        execute(connection, "COMMENT ON SCHEMA public IS 'standard public schema'")
        since_15 = connection.info.server_version >= 150000
        privileges = sql.SQL("USAGE" if since_15 else "ALL")
        execute(connection, sql.SQL("GRANT {} ON SCHEMA public TO PUBLIC").format(privileges))
        if since_15:
            member = fetch_one(connection, "select pg_catalog.pg_has_role('pg_database_owner', 'MEMBER')")
            if member and member[0]:
                execute(connection, "ALTER SCHEMA public OWNER TO pg_database_owner")
