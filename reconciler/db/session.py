"""The connection that a use case works on, and how to reach its server again. Does I/O."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import PipelineStatus, TransactionStatus

from reconciler.db.connections import connect, current_user
from reconciler.db.ledger_schema import name_ledger_schema
from reconciler.db.targets import dsn_of
from reconciler.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.db.connections import Connection
    from reconciler.db.targets import Database

__all__ = ["Session"]


class Session:
    """One connection, ours or the caller's, and the clock that runs are recorded by.

    `database` is a URL, a conninfo string, or what says where the database is (a connection is opened when it is needed
    and closed by `close`), a psycopg connection, or a SQLAlchemy connection or session on psycopg, which are never
    closed here. The ledger is in `ledger_schema`, or where it is found.
    """

    def __init__(
        self, database: Database, clock: Callable[[], datetime] | None = None, *, ledger_schema: str | None = None
    ) -> None:
        self._ledger_schema = ledger_schema
        self.clock = clock or (lambda: datetime.now(UTC))
        self._dsn = dsn_of(database)
        self._connection: Connection | None = None if self._dsn is not None else _as_psycopg(database)

    @property
    def connection(self) -> Connection:
        """The connection in use, opened where it is ours.

        Raises ConnectError, ConfigError for one that was handed in and cannot be used.
        """
        if self._connection is None or (self._dsn is not None and self._connection.closed):
            self._connection = connect(self._dsn or "", autocommit=True)
        if self._dsn is None:
            _require_usable(self._connection)
        name_ledger_schema(self._connection, self._ledger_schema)
        return self._connection

    @property
    def is_idle(self) -> bool:
        """Whether no transaction of the caller's is open."""
        return self.connection.info.transaction_status == TransactionStatus.IDLE

    @property
    def dsn(self) -> str:
        """How to reach the same server again: for a temporary database, or a lease."""
        if self._dsn is not None:
            return self._dsn
        info = self.connection.info
        parameters = {**info.get_parameters(), "password": info.password} if info.password else info.get_parameters()
        return make_conninfo("", **parameters)

    @property
    def user(self) -> str:
        """The role that statements run as."""
        return current_user(self.connection)

    def close(self) -> None:
        """Closes the connection if it is ours."""
        if self._dsn is not None and self._connection is not None:
            self._connection.close()
            self._connection = None


def _require_usable(connection: Connection) -> None:
    if connection.closed:
        raise ConfigError(
            "the connection that was handed in is closed",
            hint="hand in an open one, or a URL",
            left="nothing was changed",
        )
    if connection.pgconn.pipeline_status != PipelineStatus.OFF:
        raise ConfigError(
            "the connection that was handed in is in pipeline mode, in which no answer can be waited for",
            hint="leave `with connection.pipeline():` first, or hand in a URL",
            left="nothing was changed",
        )
    if connection.info.transaction_status == TransactionStatus.INERROR:
        raise ConfigError(
            "the connection that was handed in is in a transaction that failed",
            hint="roll it back first: connection.rollback()",
            left="nothing was changed",
        )
    if connection.info.parameter_status("client_encoding") == "SQL_ASCII":
        raise ConfigError(
            "the connection that was handed in has client_encoding = SQL_ASCII, as which text comes as bytes",
            hint="open it with client_encoding=UTF8, or hand in a URL",
            left="nothing was changed",
        )


def _as_psycopg(value: object) -> Connection:
    if isinstance(value, psycopg.Connection):
        return cast("Connection", value)
    from reconciler.db.sqlalchemy import driver_connection

    return driver_connection(value)
