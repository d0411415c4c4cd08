"""Scratch `schema`: one transaction of the live database that is always rolled back. Does I/O."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from psycopg import sql

from reconciler.db.connections import current_user, errors_as, fetch_all, fetch_one
from reconciler.errors import ScratchError
from reconciler.scratch.place import PREFIX, Place

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from reconciler.db.connections import Connection

__all__ = ["SchemaScratch"]

_LOCK_TIMEOUT_MS = 5_000


class SchemaScratch:
    """Scratch in the live database: the managed schemas are renamed inside a transaction that is rolled back."""

    kind = "schema"

    def __init__(self, connection: Connection, schemas: Sequence[str], *, why: str) -> None:
        self._connection = connection
        self._schemas = tuple(schemas)
        self.why = why

    @contextmanager
    def fresh(self) -> Generator[Place]:
        connection = self._connection
        with connection.transaction(force_rollback=True):
            with errors_as(ScratchError, "rename the managed schemas out of the way"):
                connection.execute("select set_config('lock_timeout', %s, true)", (str(_LOCK_TIMEOUT_MS),))
                for schema in self._schemas:
                    self._set_aside(schema)
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
            connection.execute(sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(identifier, aside))
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(identifier))
        if schema == "public":
            self._as_initdb_makes_public()
        for extension in extensions:
            connection.execute(
                sql.SQL("ALTER EXTENSION {} SET SCHEMA {}").format(sql.Identifier(extension), identifier)
            )

    def _as_initdb_makes_public(self) -> None:
        connection = self._connection
        connection.execute("COMMENT ON SCHEMA public IS 'standard public schema'")
        since_15 = connection.info.server_version >= 150000
        privileges = sql.SQL("USAGE" if since_15 else "ALL")
        connection.execute(sql.SQL("GRANT {} ON SCHEMA public TO PUBLIC").format(privileges))
        if since_15:
            member = fetch_one(connection, "select pg_has_role('pg_database_owner', 'MEMBER')")
            if member and member[0]:
                connection.execute("ALTER SCHEMA public OWNER TO pg_database_owner")
