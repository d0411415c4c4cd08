"""Scratch `database` and `server`: a temporary database, of the live server or of another. Does I/O."""

from __future__ import annotations

import hashlib
import secrets
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from reconciler.db.connections import (
    connect,
    current_user,
    errors_as,
    execute,
    fetch_all,
    fetch_one,
    transaction,
    watched,
)
from reconciler.db.ledger_schema import share_ledger_schema
from reconciler.db.sqlfiles import read_sql, trusted
from reconciler.errors import ConnectError, ScratchError
from reconciler.redaction.dsn import libpq_dsn
from reconciler.scratch.environment import make_environment, read_environment
from reconciler.scratch.place import PREFIX, Place
from reconciler.scratch.stubs import hold_stubs, remove_stubs, stub_roles

if TYPE_CHECKING:
    from collections.abc import Generator

    from reconciler.db.connections import Connection
    from reconciler.diff.goal import Scope
    from reconciler.model.facts import FactId
    from reconciler.model.snapshot import Snapshot

__all__ = ["DatabaseScratch"]


class DatabaseScratch:
    """Scratch in a temporary database, of the live server (needs CREATEDB) or of another.

    `lacking` are the extensions of live that this role may not create there.
    """

    def __init__(
        self,
        live: Connection,
        *,
        admin_dsn: str,
        scope: Scope,
        why: str,
        kind: str = "database",
        own: frozenset[FactId] = frozenset(),
    ) -> None:
        self.kind = kind
        self._own = own
        self.why = why
        self.lacking: tuple[str, ...] = ()
        self._live = live
        self._admin_dsn = libpq_dsn(admin_dsn)
        self._scope = scope
        name = str(live.info.dbname)
        self._prefix = f"{PREFIX}{hashlib.sha256(name.encode()).hexdigest()[:8]}_"
        self._surroundings: Snapshot | None = None

    @contextmanager
    def fresh(self) -> Generator[Place]:
        name = self._prefix + secrets.token_hex(8)
        with connect(self._admin_dsn, autocommit=True) as admin, self._without_stubs(admin), self._in_use(name):
            self._sweep(admin)
            with errors_as(ScratchError, "create a temporary database"):
                admin.execute(self._create(admin, name))
            try:
                with errors_as(ScratchError, "open the temporary database for this role alone"):
                    _open_for_us(admin, name)
                with self._entered(name) as connection:
                    self._furnish(connection)
                    user = current_user(self._live)
                    builder = current_user(connection) if self.kind == "server" else user
                    try:
                        yield Place(connection=connection, transactional=False, builder=builder, user=user)
                    finally:
                        _drop_subscriptions(connection)
            finally:
                _drop_database(admin, name)

    @contextmanager
    def _without_stubs(self, admin: Connection) -> Generator[None]:
        """Removes afterwards the roles that stood for those of live."""
        try:
            yield
        finally:
            if self.kind == "server" and not admin.closed:
                remove_stubs(admin)

    @contextmanager
    def _in_use(self, name: str) -> Generator[None]:
        """Holds a lock as long as the database is used: a crash lets it go, and the next run sweeps.

        It is a transaction's lock, as a session's would stay in a pooler; on the live server it needs no connection
        of its own.
        """
        with ExitStack() as stack:
            keeper = self._live
            if self.kind == "server":
                keeper = stack.enter_context(connect(self._admin_dsn, autocommit=True))
            stack.enter_context(transaction(keeper))
            if self.kind == "server":
                hold_stubs(keeper)
            execute(keeper, "select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(%s, 0))", (name,))
            yield

    @contextmanager
    def _entered(self, name: str) -> Generator[Connection]:
        """A connection to the temporary database. What is set on its session must hold until it is left."""
        try:
            connection = connect(make_conninfo(self._admin_dsn, dbname=name), autocommit=True)
        except ConnectError as exc:
            raise ScratchError(
                f"the temporary database was created, but {exc.message}",
                hint="behind a pooler, give the server itself: --scratch postgresql://...",
            ) from exc
        share_ledger_schema(connection, self._live)
        with connection, watched(connection):
            before = _backend(connection)
            yield connection
            if not connection.closed and _backend(connection) != before:
                raise ScratchError(
                    "a pooler switched to another server session during the work",
                    hint="give the server itself, without the pooler: --scratch postgresql://...",
                )

    def _create(self, admin: Connection, name: str) -> sql.Composed:
        row = fetch_one(
            self._live,
            "select pg_encoding_to_char(encoding), datcollate, datctype from pg_catalog.pg_database"
            " where datname = current_database()",
        )
        assert row is not None
        text = sql.SQL("CREATE DATABASE {} ALLOW_CONNECTIONS false TEMPLATE template0 ENCODING {}").format(
            sql.Identifier(name), row[0]
        )
        if self.kind == "database":
            text += sql.SQL(" LC_COLLATE {} LC_CTYPE {}").format(row[1], row[2])
        if self.kind == "database" and admin.info.server_version >= 150000:
            # Without it the server would write a checkpoint before and after.
            text += sql.SQL(" STRATEGY wal_log")
        return text

    def _sweep(self, admin: Connection) -> None:
        """Drops the databases that crashed runs left, of any live database; never one that is in use."""
        # Nobody comes back to one who let its lock go.
        for (name,) in fetch_all(admin, trusted(read_sql("scratch/abandoned.sql")), (PREFIX,)):
            # Another role's, or in use after all, or dropped by another sweep at this moment.
            with suppress(psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectInUse, psycopg.InternalError):
                admin.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
        # A source may have run as a role that is named like its database, and does not outlive it.
        rows = fetch_all(
            admin,
            "select rolname from pg_catalog.pg_roles r where pg_catalog.starts_with(rolname::text, %s)"
            " and not exists (select from pg_catalog.pg_database d where d.datname = r.rolname)",
            (PREFIX,),
        )
        for (name,) in rows:
            with suppress(psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedObject, psycopg.InternalError):
                admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))

    def _furnish(self, connection: Connection) -> None:
        if self.kind == "server":
            stub_roles(connection, self._live)
        if self._scope.all_schemas and self._scope.exact:
            return
        if self._surroundings is None:
            self._surroundings = read_environment(self._live, self._scope, self._own)
        self.lacking = make_environment(connection, self._surroundings)


def _open_for_us(admin: Connection, name: str) -> None:
    """Lets nobody in but ourselves: what somebody else makes there would run with our rights.

    It was made without connections, so that nobody was quicker. Who logged in may have less rights than the role that
    statements run as, which owns the database.
    """
    database = sql.Identifier(name)
    admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    admin.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO SESSION_USER").format(database))
    admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(database))


def _drop_database(admin: Connection, name: str) -> None:
    """Drops the database with the sessions that a pooler keeps in it, or waits until ours has ended.

    To end a session one must be a member of the role that logged in, which is another after SET ROLE.
    """
    try:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))


def _drop_subscriptions(connection: Connection) -> None:
    """A database with a subscription cannot be dropped; those made in scratch have no slot anywhere."""
    if connection.closed:
        return
    rows = fetch_all(
        connection,
        "select subname from pg_catalog.pg_subscription s join pg_catalog.pg_database d on d.oid = s.subdbid"
        " where d.datname = current_database()",
    )
    for (name,) in rows:
        subscription = sql.Identifier(name)
        connection.execute(sql.SQL("ALTER SUBSCRIPTION {} DISABLE").format(subscription))
        connection.execute(sql.SQL("ALTER SUBSCRIPTION {} SET (slot_name = NONE)").format(subscription))
        connection.execute(sql.SQL("DROP SUBSCRIPTION {}").format(subscription))


def _backend(connection: Connection) -> int:
    """The server's process, which is not the one that a pooler says."""
    row = fetch_one(connection, "select pg_backend_pid()")
    assert row is not None
    return int(row[0])
