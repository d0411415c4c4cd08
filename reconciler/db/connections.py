"""Connections to Postgres: opening them, pinning what their text depends on, wording their errors. Does I/O.

Our own SQL runs with `search_path = pg_catalog, pg_temp`: an unqualified name or operator means the system's, a
temporary one never hides it, and an unqualified CREATE fails instead of landing somewhere. Nobody who may create in
another schema can have his code called instead (CVE-2018-1058). There is one way to a server, so none is forgotten:
`transaction`, `cursor`, `fetch_all` and `fetch_one` set the path for the transaction in which they run, whoever opened
the connection, also where a pooler stands between, and put back what the caller had. `session_setting` is for what runs
in no transaction. The settings at the start of a session are a second line only: a pooler may refuse or ignore them,
and code that ran meanwhile may have set others.
"""

from __future__ import annotations

import os
import random
import re
import threading
import time
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast
from weakref import WeakKeyDictionary

import psycopg
from psycopg import sql
from psycopg.adapt import AdaptersMap
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow, tuple_row

from reconciler.errors import ConnectError, DatabaseError, ReconcilerError
from reconciler.model.visible import visible_line
from reconciler.redaction.dsn import libpq_dsn, redact, redact_unread, unknown_parameters

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from contextlib import AbstractContextManager
    from typing import Any, Self

    from psycopg.abc import Params, Query, QueryNoTemplate

__all__ = [
    "NEWEST_KNOWN_VERSION",
    "OLDEST_VERSION",
    "SEARCH_PATH",
    "Connection",
    "PlainCursor",
    "ServerMessage",
    "Watched",
    "cancel_all",
    "connect",
    "current_user",
    "cursor",
    "errors_as",
    "execute",
    "fetch_all",
    "fetch_one",
    "found_inside",
    "lost_connection",
    "outside_transaction",
    "pause",
    "pinned",
    "redact",
    "server_message",
    "session_setting",
    "setting",
    "transaction",
    "version_note",
    "watched",
    "watching",
    "without_values",
]

# As they are when this module is imported.
_ADAPTERS = AdaptersMap(psycopg.adapters)

Connection: TypeAlias = "psycopg.Connection[TupleRow]"

OLDEST_VERSION = 14
NEWEST_KNOWN_VERSION = 18
SEARCH_PATH = "pg_catalog, pg_temp"
_CONNECT_TIMEOUT_S = "10"
_CANCEL_TIMEOUT_S = 5.0

# With row_security off, a policy that would filter what we read or write is an error, and filters nothing unseen.
_AT_START: Mapping[str, str] = {
    "search_path": SEARCH_PATH,
    "standard_conforming_strings": "on",
    "row_security": "off",
}
# As pg_dump does: how long anything may take, and what a transaction sees, is not for a role or a database to say. What
# the connection string or PGOPTIONS asks for goes before them.
_UNLESS_ASKED: Mapping[str, str] = {
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "lock_timeout": "0",
    "statement_timeout": "0",
}
# Older servers refuse a setting that they do not know.
_TRANSACTION_TIMEOUT: Mapping[str, str] = {"transaction_timeout": "0"}
_HAS_TRANSACTION_TIMEOUT = 170000
_OUR_PATH: Mapping[str, str] = {name: _AT_START[name] for name in ("search_path", "row_security")}
# What the text of a constant, a name or an expression in the catalogs depends on. Only while reading: a statement that
# turns timestamp into timestamptz must see the time zone of the database, not ours.
_WHILE_READING: Mapping[str, str] = {
    **_AT_START,
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "lc_monetary": "C",
    "quote_all_identifiers": "off",
}
# A server that is full is tried again for as long as a connection may take: "too many clients already", "remaining
# connection slots are reserved", "too many connections for role", and PgBouncer's max_client_conn.
_FULL = ("too many c", "connection slots", "no more connections allowed")
_CONNECT_HINT = "check host, port, user and password, and that the server runs"
_CONNECT_HINTS = (
    (
        _FULL,
        "wait, or end sessions that nobody needs (pg_stat_activity), raise max_connections, or connect by a pooler",
    ),
    (("starting up", "shutting down", "in recovery", "not yet accepting"), "try again when the server is up"),
    (("authentication failed", "no password supplied", "pg_hba.conf"), "check user and password, and pg_hba.conf"),
    (("refused", "No such file", "timeout expired", "translate host"), "check host and port, and that the server runs"),
)
_LONGEST_PAUSE_S = 0.5
_READ_ONLY = (
    "this is a standby, or default_transaction_read_only = on is set for the database or the role (psql's \\drds shows"
    " it): connect to the primary, or for this command alone set PGOPTIONS='-c default_transaction_read_only=off'"
)
_FROZEN = (
    "the run did nothing for some seconds while clients waited for its locks, so the server ended its transaction and"
    " rolled it back: run the command again"
)
# A network that is gone is noticed within half a minute, not after hours; a statement may take as long as it likes.
_WHILE_SILENT: Mapping[str, str] = {
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "30000",
}
# PgBouncer and Neon say "unsupported startup parameter", Amazon's proxy "doesn't support command-line options".
_REFUSALS_OF_OPTIONS = ("startup parameter", "command-line options")


class Watched(set["Connection"]):
    """The connections whose work another thread may cancel, and whether it did; those of one piece of work."""

    def __init__(self) -> None:
        super().__init__()
        self.is_cancelled = threading.Event()


_WATCHED: ContextVar[Watched | None] = ContextVar("_WATCHED", default=None)


def connect(dsn: str, *, autocommit: bool = False, application_name: str = "reconciler") -> Connection:
    """An open connection to `dsn`: a URL (also SQLAlchemy's), a key=value string, or "" for libpq's PG* variables.

    A name that the DSN or PGAPPNAME gives goes before `application_name`. Nothing is prepared on the server, which
    poolers and changing tables would break. A server without a free place is tried again until the connect timeout is
    over. Raises ConnectError, whose message never holds the password.
    """
    parameters = _parameters(dsn, application_name)
    deadline = time.monotonic() + _connect_timeout_s(parameters)
    pause_s = 0.02
    while True:
        try:
            return _connect(parameters, autocommit=autocommit)
        except ConnectError as error:
            if not any(words in error.message for words in _FULL) or time.monotonic() > deadline:
                raise
        time.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - so that many do not come again at once
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def _connect_timeout_s(parameters: Mapping[str, str]) -> float:
    given = parameters.get("connect_timeout") or os.environ.get("PGCONNECT_TIMEOUT", "")
    # libpq takes 0 and less for "as long as it takes", which is no time to wait for a place.
    return float(given) if given.isdigit() and given != "0" else float(_CONNECT_TIMEOUT_S)


def _connect(parameters: Mapping[str, str], *, autocommit: bool) -> Connection:
    try:
        connection = _open_with_settings(parameters)
    except psycopg.OperationalError as exc:
        if not any(words in str(exc) for words in _REFUSALS_OF_OPTIONS):
            raise _connect_error(parameters, exc) from exc
        try:
            connection = _open(parameters)
        except psycopg.OperationalError as second:
            raise _connect_error(parameters, second) from second
    connection.autocommit = autocommit
    if connection.info.server_version < OLDEST_VERSION * 10_000:
        version = connection.info.parameter_status("server_version")
        connection.close()
        raise ConnectError(
            f"the server runs Postgres {version}, which is not supported",
            hint=f"use Postgres {OLDEST_VERSION} or newer",
        )
    return connection


@contextmanager
def watching(connections: Watched) -> Generator[None]:
    """Inside, and in this thread only, `connections` holds those that are `watched`, for another thread to cancel."""
    token = _WATCHED.set(connections)
    try:
        yield
    finally:
        _WATCHED.reset(token)


@contextmanager
def watched(connection: Connection) -> Generator[None]:
    """Inside, the connection's work may be cancelled at any time; what cleans up afterwards stands outside."""
    connections = _WATCHED.get()
    if connections is None:
        yield
        return
    connections.add(connection)
    try:
        yield
    finally:
        connections.discard(connection)


def pause(seconds: float) -> None:
    """Waits on this side, so that no statement keeps a snapshot. Raises DatabaseError when the work is cancelled."""
    connections = _WATCHED.get()
    if connections is None:
        time.sleep(seconds)
    elif connections.is_cancelled.wait(seconds):
        raise DatabaseError("the work was cancelled while it waited")


def cancel_all(connections: Watched) -> None:
    """Ends a pause of the work, and asks the server, from another thread, to end what its `watched` connections run.

    Between two statements a request does nothing, so one may not be enough.
    """
    connections.is_cancelled.set()
    for connection in tuple(connections):
        if not connection.closed:
            with suppress(psycopg.Error):
                connection.cancel_safe(timeout=_CANCEL_TIMEOUT_S)


def version_note(connection: Connection) -> str | None:
    """What to tell the user of a server that is newer than any this program was tested with, or None."""
    major = connection.info.server_version // 10_000
    if major <= NEWEST_KNOWN_VERSION:
        return None
    return (
        f"Postgres {major} is newer than {NEWEST_KNOWN_VERSION}, the newest known here: its new features are not seen"
    )


def _parameters(dsn: str, application_name: str) -> dict[str, str]:
    try:
        given = conninfo_to_dict(libpq_dsn(dsn))
    except psycopg.ProgrammingError:
        unknown = unknown_parameters(dsn, {each.keyword.decode() for each in psycopg.pq.Conninfo.get_defaults()})
        if unknown:
            hint = (
                "pass it as --schema"
                if unknown[0] == "schema"
                else "leave it out, or say what it means in libpq's words"
            )
            raise ConnectError(f"parameter {unknown[0]} of the connection string does not exist", hint=hint) from None
        # libpq quotes what it could not read, which may be a part of the password: its message stays out of ours.
        raise ConnectError(
            f"not a connection string: {redact_unread(dsn)}",
            hint="write postgresql://user@host:5432/database, and in a password @ and / as %40 and %2F",
        ) from None
    parameters = {name: str(value) for name, value in given.items() if value is not None}
    parameters.setdefault("fallback_application_name", application_name)
    if "PGCONNECT_TIMEOUT" not in os.environ:
        parameters.setdefault("connect_timeout", _CONNECT_TIMEOUT_S)
    for setting, value in _WHILE_SILENT.items():
        parameters.setdefault(setting, value)
    parameters["client_encoding"] = "UTF8"
    return parameters


def _open_with_settings(parameters: Mapping[str, str]) -> Connection:
    """Opened once more where a transaction_timeout would end us, which not every server lets us rule out unseen."""
    connection = _open(_with_settings(parameters, _UNLESS_ASKED))
    is_known = connection.info.server_version < _HAS_TRANSACTION_TIMEOUT or "transaction_timeout" in _asked(parameters)
    if is_known or _has_no_timeout(connection):
        return connection
    connection.close()
    return _open(_with_settings(parameters, {**_UNLESS_ASKED, **_TRANSACTION_TIMEOUT}))


def _has_no_timeout(connection: Connection) -> bool:
    """Whether transactions may take as long as they do; one that is short enough ends the question itself."""
    try:
        row = connection.execute("SELECT pg_catalog.current_setting('transaction_timeout')").fetchone()
    except psycopg.Error as exc:
        if not lost_connection(exc):
            raise
        return False
    return row == ("0",)


def _with_settings(parameters: Mapping[str, str], unless_asked: Mapping[str, str]) -> dict[str, str]:
    parts = (_as_options(unless_asked), _asked(parameters), _as_options(_AT_START))
    return {**parameters, "options": " ".join(filter(None, parts))}


def _asked(parameters: Mapping[str, str]) -> str:
    return parameters.get("options", os.environ.get("PGOPTIONS", ""))


def _as_options(settings: Mapping[str, str]) -> str:
    escaped = {name: value.replace("\\", "\\\\").replace(" ", "\\ ") for name, value in settings.items()}
    return " ".join(f"-c {name}={value}" for name, value in escaped.items())


def _open(parameters: Mapping[str, str]) -> Connection:
    return psycopg.connect(
        make_conninfo("", **parameters), autocommit=True, prepare_threshold=None, row_factory=tuple_row
    )


def _connect_error(parameters: Mapping[str, str], exc: psycopg.OperationalError) -> ConnectError:
    text = redact(str(exc).strip())
    for name in ("password", "sslpassword"):
        if secret := parameters.get(name):
            text = text.replace(secret, "***")
    # libpq hands out no SQLSTATE when a connection fails; a translated text gets the general hint.
    missing = re.search(r'database "(?P<name>.*)" does not exist', text)
    if missing:
        hint = f"check the name, or create it first: createdb {missing['name']}"
    else:
        hint = next((hint for words, hint in _CONNECT_HINTS if any(word in text for word in words)), _CONNECT_HINT)
    return ConnectError(f"cannot connect: {text.removeprefix('connection failed: ')}", hint=hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMessage:
    """What Postgres said of an error; `position` is the 1-based character of the statement it points at."""

    message: str
    sqlstate: str | None = None
    detail: str | None = None
    hint: str | None = None
    context: str | None = None
    position: int | None = None

    @property
    def text(self) -> str:
        """The message and its detail, in one line each."""
        return f"{self.message}\n{self.detail}" if self.detail else self.message


def server_message(exc: psycopg.Error) -> ServerMessage:
    """The parts of a psycopg error; an error that did not come from the server has a message only."""
    diag = exc.diag
    position = diag.statement_position
    return ServerMessage(
        message=visible_line(diag.message_primary or "") or redact(str(exc).strip()) or type(exc).__name__,
        sqlstate=exc.sqlstate,
        detail=diag.message_detail,
        hint=diag.message_hint,
        context=diag.context,
        position=int(position) if position else None,
    )


@contextmanager
def errors_as(error: type[ReconcilerError] = DatabaseError, doing: str = "ask the database") -> Generator[None]:
    """Turns psycopg's errors into `error`: "cannot <doing>: <message, detail>" with Postgres's hint.

    A lost connection is a ConnectError whatever `error` says. `error` must take (message, *, hint).
    """
    try:
        yield
    except psycopg.Error as exc:
        said = server_message(exc)
        if lost_connection(exc):
            hint = _FROZEN if exc.sqlstate == psycopg.errors.IdleInTransactionSessionTimeout.sqlstate else said.hint
            raise ConnectError(f"the connection was lost: cannot {doing}: {said.text}", hint=hint) from exc
        is_read_only = exc.sqlstate == psycopg.errors.ReadOnlySqlTransaction.sqlstate
        raise error(f"cannot {doing}: {said.text}", hint=_READ_ONLY if is_read_only else said.hint) from exc


def without_values(error: BaseException, message: str) -> str:
    """`message` of an error that came of one of Postgres, without what that quotes of rows.

    Names of constraints and tables stay; values, keys, failing rows and what code of the database says do not.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, psycopg.Error):
            said = server_message(cause)
            if said.detail:
                message = message.replace(f"\n{said.detail}", "").replace(said.detail, "")
            message = message.replace(said.message, _named_only(cause, said))
        cause = cause.__cause__
    return message


def _named_only(exc: psycopg.Error, said: ServerMessage) -> str:
    state = exc.sqlstate or ""
    # What a RAISE of a procedural language says can be anything, under any code.
    if state.startswith("P0") or (exc.diag.source_file or "").startswith("pl_"):
        return f"code of the database raised an exception ({state})"
    return _QUOTED_VALUE.sub('"***"', said.message) if state.startswith("22") else said.message


_QUOTED_VALUE = re.compile(r'"(?:[^"]|"")*"')


def lost_connection(exc: psycopg.Error) -> bool:
    """Whether the session is gone: no answer at all, or one of the codes with which the server ends it.

    Where the end of a session comes together with an answer, psycopg finds one result too many.
    """
    if exc.sqlstate is None:
        return isinstance(exc, psycopg.OperationalError | psycopg.InternalError)
    return exc.sqlstate.startswith(("08", "57P")) or exc.sqlstate in {"25P03", "25P04"}


@contextmanager
def transaction(
    connection: Connection, *, force_rollback: bool = False, also: Mapping[str, str] | None = None
) -> Generator[psycopg.Transaction]:
    """A transaction, or a part of the one that is open, in which names and operators of ours are the system's.

    Where one of the caller's goes on afterwards it has its own settings again. `also` are further settings for it.
    """
    theirs = connection.info.transaction_status != TransactionStatus.IDLE and not force_rollback
    with (
        connection.transaction(force_rollback=force_rollback) as opened,
        _ours(connection, also or {}, theirs=theirs),
    ):
        yield opened
    if force_rollback:
        found_inside(connection).clear()


@contextmanager
def pinned(connection: Connection) -> Generator[None]:
    """Inside, text from the catalogs is the same on every server: names qualified, dates ISO, time zone UTC.

    Holds for the open transaction only and puts back what was there before, so that it may be used on a connection
    that belongs to somebody else. In autocommit mode there is no such transaction: open one first. Raises
    DatabaseError.
    """
    if outside_transaction(connection):
        raise DatabaseError(
            "settings cannot be pinned: there is no open transaction",
            hint="open one with `with transaction(connection):`",
        )
    with _ours(connection, {}, theirs=True), setting(connection, _WHILE_READING):
        yield


@contextmanager
def setting(connection: Connection, values: Mapping[str, str]) -> Generator[None]:
    """Inside the open transaction the settings have these values; then those that they had before."""
    before = _set_for_now(connection, values)
    try:
        yield
    finally:
        if connection.info.transaction_status == TransactionStatus.INTRANS:
            _set_for_now(connection, before)


@contextmanager
def session_setting(connection: Connection, values: Mapping[str, str]) -> Generator[None]:
    """Inside, where no transaction is open, the session has our path and these settings; then its own again.

    Outside of a transaction a setting would stay with a pooler's connection: so none is set where none is needed.
    Raises DatabaseError where it cannot be relied on: a pooler gave the session to somebody else meanwhile.
    """
    wanted = {**_OUR_PATH, **values}
    process, names, found, unset = _fetch_plainly(connection, _SESSION, (list(wanted),))
    before: dict[str, str] = dict(zip(names, found, strict=True))
    if before == wanted:
        yield
        return
    _fetch_plainly(connection, _setting_query(wanted, local=False))
    try:
        yield
    finally:
        if connection.info.transaction_status == TransactionStatus.IDLE:
            now, *_ = _fetch_plainly(connection, _SESSION, ([],))
            if now != process:
                raise DatabaseError(
                    "a pooler switched to another server session during the work, so its settings are not known",
                    hint="connect to the server itself, without the pooler, for what runs outside of a transaction",
                )
            usual = {name for name, is_usual in zip(names, unset, strict=True) if is_usual}
            if own := {name: value for name, value in before.items() if name not in usual}:
                _fetch_plainly(connection, _setting_query(own, local=False))
            for name in usual:
                PlainCursor(connection).execute(sql.SQL("RESET {}").format(sql.Identifier(name)))


# The server's process, what settings are in this session, and which of them nobody has set in it.
_SESSION = sql.SQL(
    "SELECT pg_catalog.pg_backend_pid(),"
    " pg_catalog.array_agg(name), pg_catalog.array_agg(pg_catalog.current_setting(name)),"
    " pg_catalog.array_agg(setting OPERATOR(pg_catalog.=) reset_val)"
    " FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) ANY (%s::pg_catalog.text[])"
)


# Connections that are inside of `transaction` or the like, with what was found there: what is nested need not set
# anything again.
_INSIDE: WeakKeyDictionary[Connection, dict[str, object]] = WeakKeyDictionary()


def found_inside(connection: Connection) -> dict[str, object]:
    """What was found in the transaction of ours that is open, for who would look again; whoever waits clears it.

    It is empty again when the transaction has ended, and when a part of it was rolled back.
    """
    return _INSIDE.get(connection, {})


@contextmanager
def _ours(connection: Connection, also: Mapping[str, str], *, theirs: bool) -> Generator[None]:
    """Inside the transaction our path holds; where the transaction is `theirs`, then the caller's again."""
    nested = connection in _INSIDE
    values = {**({} if nested else _OUR_PATH), **also}
    if theirs and values:
        kept: AbstractContextManager[None] = setting(connection, values)
    else:
        kept = nullcontext()
        if values:
            _set_for_now(connection, values)
    with kept:
        found = _INSIDE.setdefault(connection, {})
        try:
            yield
        except BaseException:
            found.clear()
            raise
        finally:
            if not nested:
                _INSIDE.pop(connection, None)


def _set_for_now(connection: Connection, values: Mapping[str, str]) -> dict[str, str]:
    """Sets them until the open transaction ends, and gives what they were."""
    with errors_as():
        return dict(zip(values, _fetch_plainly(connection, _setting_query(values, local=True)), strict=False))


def _setting_query(values: Mapping[str, str], *, local: bool) -> sql.Composed:
    """Gives what the settings were, then sets them: a select list is computed from left to right.

    It is run in whatever path is there, so each of its names has its schema.
    """
    was = [sql.SQL("pg_catalog.current_setting({})").format(name) for name in values]
    changed = [
        sql.SQL("pg_catalog.set_config({}, {}, {})").format(name, value, local) for name, value in values.items()
    ]
    return sql.SQL("SELECT {}").format(sql.SQL(", ").join([*was, *changed]))


def _fetch_plainly(connection: Connection, query: sql.SQL | sql.Composed, params: Params | None = None) -> TupleRow:
    row = PlainCursor(connection).execute(query, params).fetchone()
    assert row is not None
    return row


def outside_transaction(connection: Connection) -> bool:
    """Whether what holds for a transaction, a setting or a lock, would be gone after its statement."""
    return connection.autocommit and connection.info.transaction_status == TransactionStatus.IDLE


class PlainCursor(psycopg.Cursor[TupleRow]):
    """A cursor that reads and sends values as psycopg does by itself, and prepares nothing on the server."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        super().__init__(connection, row_factory=tuple_row)

    @property
    def adapters(self) -> AdaptersMap:
        """Not those of the connection, where an application may have registered others."""
        return _ADAPTERS

    def execute(
        self, query: Query, params: Params | None = None, *, prepare: bool | None = False, binary: bool | None = None
    ) -> Self:
        """Prepared, a query could not be of several statements, and a pooler would not know it."""
        return super().execute(cast("QueryNoTemplate", query), params, prepare=prepare, binary=binary)


@contextmanager
def cursor(connection: Connection) -> Generator[psycopg.Cursor[TupleRow]]:
    """A plain cursor of tuples, whatever row or cursor factory the connection has: it may be the caller's.

    Our path holds while it is used; outside of a transaction it is one of its own.
    """
    outside = outside_transaction(connection)
    with (
        connection.transaction() if outside else nullcontext(),
        _ours(connection, {}, theirs=not outside),
        PlainCursor(connection) as rows,
    ):
        yield rows


def fetch_all(connection: Connection, query: QueryNoTemplate, params: Params | None = None) -> list[TupleRow]:
    """All rows as tuples. Raises DatabaseError."""
    with errors_as(), cursor(connection) as rows:
        return rows.execute(query, params).fetchall()


def fetch_one(connection: Connection, query: QueryNoTemplate, params: Params | None = None) -> TupleRow | None:
    """The first row, or None. Raises DatabaseError."""
    with errors_as(), cursor(connection) as rows:
        return rows.execute(query, params).fetchone()


def execute(connection: Connection, query: QueryNoTemplate, params: Params | None = None) -> None:
    """Runs one statement of ours. Raises psycopg's errors."""
    with cursor(connection) as rows:
        rows.execute(query, params)


def current_user(connection: Connection) -> str:
    """The role that statements run as."""
    row = fetch_one(connection, "select current_user::text")
    assert row is not None
    return str(row[0])
