"""The ledger's tables: making them, telling their version, locking. Does I/O on a connection that is handed in."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from reconciler.db.connections import (
    cursor,
    errors_as,
    fetch_one,
    found_inside,
    outside_transaction,
    pause,
    transaction,
)
from reconciler.db.ledger_schema import ledger_cursor, ledger_named_elsewhere, ledger_schema, ledger_text
from reconciler.db.sessions import advisory_holder
from reconciler.db.sqlfiles import read_sql
from reconciler.errors import LedgerDamagedError, LedgerError, LedgerVersionError, LockTimeoutError
from reconciler.ledger.shape import require_shape
from reconciler.ledger.trust import require_own_ledger, require_readable
from reconciler.model.plugins import lock_id
from reconciler.version import program_version

if TYPE_CHECKING:
    from collections.abc import Generator

    from reconciler.db.connections import Connection
    from reconciler.db.sessions import Holder

__all__ = [
    "LEDGER_VERSION",
    "LONGEST_WAIT_MS",
    "OF_PLUGINS",
    "OF_RECORD",
    "TABLES",
    "TELL_AFTER_MS",
    "LedgerState",
    "ensure_ledger",
    "hold_lease",
    "lease_holder",
    "lease_is_held",
    "ledger_state",
    "ledger_version",
    "lock_key",
    "lock_plugin",
    "plugin_locked",
    "tell_of_lease",
    "wait_for_lease",
    "who_is_at_work",
]

LEDGER_VERSION = 9
# Those of elizaOS first, then ours.
TABLES = (
    "_migrations",
    "_journal",
    "_snapshots",
    "_ledger",
    "_runs",
    "_statements",
    "_sources",
    "_marks",
    "_steps",
    "_declarations",
    "_incidents",
    "_acknowledgements",
    "_outbox",
    "_targets",
    "_watchers",
    "_states",
)
# Those whose rows are a plugin's, and of these those that are the record of it: what is forgotten with the plugin. That
# its drift was an incident, and who is to be told of its end, stays.
OF_PLUGINS = frozenset(TABLES) - {"_ledger", "_acknowledgements", "_targets", "_watchers"}
OF_RECORD = OF_PLUGINS - {"_incidents", "_outbox"}
_POLL_MS = 200
# Who waits longer says for whom.
TELL_AFTER_MS = 2_000
# How long to wait for who makes the ledger's tables, where nobody says.
LONGEST_WAIT_MS = 31_000
_BOOTSTRAP_LOCK = lock_id("reconciler: the ledger itself")

_ASK_FOR_LEASE = """
    SELECT pg_catalog.pg_try_advisory_xact_lock_shared(%s),
        (SELECT setting::int FROM pg_catalog.pg_settings WHERE name = 'lock_timeout')
"""

_GRANT_HINT = (
    "GRANT USAGE ON SCHEMA :ledger and SELECT ON ALL TABLES IN SCHEMA :ledger to this role, "
    "or connect as the role that applies migrations"
)
# A view, a child, a generated column, a type with a cast, row security or a partial index of somebody else's would run
# their code when the table is read.
_FIND_TABLES = """
    SELECT relation.relname::text,
        pg_catalog.has_schema_privilege(relation.relnamespace, 'USAGE')
            AND pg_catalog.has_table_privilege(relation.oid, 'SELECT'),
        CASE WHEN relation.relkind <> 'r' THEN 'is no plain table'
            WHEN relation.relrowsecurity THEN 'has row security'
            WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = relation.oid) THEN 'has child tables'
            WHEN EXISTS (
                SELECT FROM pg_catalog.pg_attribute AS attribute
                JOIN pg_catalog.pg_type AS type ON type.oid = attribute.atttypid
                WHERE attribute.attrelid = relation.oid AND attribute.attnum > 0
                    AND (type.typnamespace <> 'pg_catalog'::pg_catalog.regnamespace OR attribute.attgenerated <> '')
            ) THEN 'has a column of another type'
            WHEN EXISTS (
                SELECT FROM pg_catalog.pg_index AS index
                JOIN pg_catalog.pg_depend AS uses ON uses.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    AND uses.objid = index.indexrelid AND uses.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                WHERE index.indrelid = relation.oid
            ) THEN 'has an index that calls a function'
        END
    FROM pg_catalog.pg_class AS relation
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace
    WHERE namespace.nspname = :'ledger' AND relation.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND relation.relname = ANY(%s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerState:
    """What there is of a ledger: which of its tables exist, and its version (None: ours was never made)."""

    tables: frozenset[str]
    version: int | None

    def __contains__(self, table: str) -> bool:
        return table in self.tables


def ledger_state(connection: Connection) -> LedgerState:
    """What there is of the ledger; looked up once in a transaction, and again after each wait for a lock.

    Who has read it holds a lock on its tables, so nobody changes them meanwhile. Raises LedgerVersionError where it is
    too new, LedgerError where this role may not read it.
    """
    key = f"ledger {ledger_schema(connection)}"
    known = found_inside(connection).get(key)
    if not isinstance(known, LedgerState):
        found_inside(connection)[key] = known = _read_state(connection)
    return known


def _read_state(connection: Connection) -> LedgerState:
    with errors_as(LedgerError, "read the ledger"), ledger_cursor(connection) as rows:
        tables = sorted(rows.execute(_FIND_TABLES, [list(TABLES)]).fetchall())
        for name, readable, foreign in tables:
            require_readable(connection, name, foreign)
            if not readable:
                raise LedgerError(
                    ledger_text(connection, f"this role may not read :ledger.{name}"),
                    hint=ledger_text(connection, _GRANT_HINT),
                )
        found = frozenset(name for name, _, _ in tables)
        if "_ledger" not in found:
            looked_in = ledger_schema(connection)
            _require_none_elsewhere(connection)
            if ledger_schema(connection) != looked_in:
                return _read_state(connection)  # it was moved since this connection found it
            require_shape(connection)
            return LedgerState(tables=found, version=None)
        row = rows.execute("SELECT max(version) FROM :ledger._ledger").fetchone()
    return LedgerState(tables=found, version=_checked_version(connection, row[0] if row else None))


def _require_none_elsewhere(connection: Connection) -> None:
    """Raises LedgerError where a schema was named for the ledger that has none, and another schema has it."""
    elsewhere = ledger_named_elsewhere(connection)
    if elsewhere is not None:
        named = ledger_schema(connection)
        raise LedgerError(
            f"the ledger of this database is in schema {elsewhere}, not in {named}",
            left="nothing was changed",
            hint="name that one with --ledger-schema (library: Options.ledger_schema), or none; to move the ledger,"
            f" ALTER SCHEMA {elsewhere} RENAME TO {named}, or ALTER TABLE ... SET SCHEMA for each of its tables",
        )


def _checked_version(connection: Connection, version: int | None) -> int:
    if version is None:
        raise LedgerDamagedError(
            ledger_text(connection, "the ledger is damaged: :ledger._ledger has no row"),
            hint=ledger_text(connection, "restore it, or drop the tables of schema :ledger and run `reconciler adopt`"),
        )
    if version > LEDGER_VERSION:
        raise LedgerVersionError(
            f"the ledger has version {version}, this program knows {LEDGER_VERSION} at most",
            left="nothing was changed",
            hint=f"use the reconciler that wrote it, or a newer one; this is {program_version()}",
        )
    return version


def ledger_version(connection: Connection) -> int | None:
    """The version of the ledger's tables, None where there are none of ours. Raises as `ledger_state`."""
    return ledger_state(connection).version


def ensure_ledger(connection: Connection, wait_ms: int = LONGEST_WAIT_MS) -> None:
    """Makes the ledger's tables, or brings them up to this program's version; does nothing where they are.

    Call it in a READ COMMITTED transaction, after `lock_plugin` (two orders could wait for each other): the first on a
    fresh database holds the others back until it ends, and they must then see what it made. Tables that elizaOS made
    are kept as they are. What is there must be as reconciler makes it, and of a role that this one may believe.
    Raises LedgerError, LedgerVersionError.
    """
    require_own_ledger(connection, TABLES)
    if ledger_state(connection).version == LEDGER_VERSION:
        return
    _lock(connection, _BOOTSTRAP_LOCK, "the ledger's own tables", wait_ms)
    version = ledger_state(connection).version or 0
    if version == LEDGER_VERSION:
        return
    with _making(connection), ledger_cursor(connection) as statements:
        # CREATE SCHEMA IF NOT EXISTS wants the right to create schemas even where there is one.
        if not statements.execute("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = :'ledger'").fetchone():
            statements.execute("CREATE SCHEMA :ledger")
        for number in range(version + 1, LEDGER_VERSION + 1):
            statements.execute(read_sql(f"ledger/{number:03d}.sql").encode())
            statements.execute(
                "INSERT INTO :ledger._ledger (version, program_version) VALUES (%s, %s)",
                [number, program_version()],
            )
        statements.execute(read_sql("ledger/revoke.sql").encode())
    found_inside(connection).clear()
    require_own_ledger(connection, TABLES)


def lock_plugin(connection: Connection, plugin: str, wait_ms: int = 0) -> None:
    """Waits until nobody else works on `plugin`, and keeps others out until the transaction ends.

    Needs a READ COMMITTED transaction, in which what the one before committed can be seen. The wait ends after
    `wait_ms` (0: no limit), and is cut short by `lock_timeout`, as any other. Raises LockTimeoutError, which says who
    holds the lock, and LedgerError.
    """
    if outside_transaction(connection):
        raise _no_transaction(f"plugin {plugin}")
    wait_for_lease(connection, plugin, wait_ms)
    _lock(connection, lock_id(plugin), f"plugin {plugin}", wait_ms)


@contextmanager
def plugin_locked(
    connection: Connection, plugin: str, wait_ms: int = 0, *, force_rollback: bool = False
) -> Generator[None]:
    """A transaction in which the plugin is locked; where the connection is idle, none is open while it waits.

    CREATE INDEX CONCURRENTLY of who is waited for could wait for its end. Raises as `lock_plugin`.
    """
    wait_for_lease(connection, plugin, wait_ms)
    with transaction(connection, force_rollback=force_rollback):
        lock_plugin(connection, plugin, wait_ms)
        yield


def wait_for_lease(connection: Connection, plugin: str, wait_ms: int = 0) -> None:
    """Waits while a run of several transactions is at work, for `wait_ms` or `lock_timeout`.

    It asks again and again, and waits on this side: a backend that waits has a snapshot, for which CREATE INDEX
    CONCURRENTLY of that run would wait in turn, and to the end of its transaction. On an idle connection each question
    is a transaction of its own. Raises LockTimeoutError, LedgerError.
    """
    key, began, told = _lease_id(plugin), time.monotonic(), False
    while True:
        with errors_as(LedgerError, f"lock plugin {plugin}"), transaction(connection), cursor(connection) as rows:
            row = rows.execute(_ASK_FOR_LEASE, [key]).fetchone()
            assert row is not None
            granted, timeout_ms = row
        if granted:
            return
        limit_ms = min(timeout_ms or wait_ms, wait_ms or timeout_ms)
        waited_ms = round((time.monotonic() - began) * 1000)
        with transaction(connection):
            if limit_ms and waited_ms >= limit_ms:
                raise _held(connection, key, f"plugin {plugin}", waited_ms)
            if waited_ms >= TELL_AFTER_MS and not told:
                _tell(connection, key, f"plugin {plugin}")
                told = True
        pause(min(_POLL_MS, max(limit_ms - waited_ms, 1) if limit_ms else _POLL_MS) / 1000)


def hold_lease(connection: Connection, plugin: str) -> bool:
    """Keeps every `lock_plugin` of others waiting until the transaction ends; False where somebody is at work.

    For a run of several transactions, on a connection that does nothing else.
    """
    with errors_as(LedgerError, f"lock plugin {plugin}"), cursor(connection) as rows:
        row = rows.execute("SELECT pg_catalog.pg_try_advisory_xact_lock(%s)", [_lease_id(plugin)]).fetchone()
    return bool(row and row[0])


def tell_of_lease(connection: Connection, plugin: str) -> None:
    """Logs for whom a run waits that wants the lease."""
    _tell(connection, _lease_id(plugin), f"plugin {plugin}")


def who_is_at_work(connection: Connection, plugin: str) -> str | None:
    """Which session keeps others from working on the plugin, in words; None where nobody does."""
    for key in (_lease_id(plugin), lock_id(plugin)):
        if (holder := advisory_holder(connection, key, exclusive=True)) is not None:
            return str(holder)
    return None


def lease_is_held(connection: Connection, plugin: str, waited_ms: int) -> LockTimeoutError:
    """The error for a run that waited too long for the lease; it says who has it."""
    return _held(connection, _lease_id(plugin), f"plugin {plugin}", waited_ms)


def lease_holder(connection: Connection, plugin: str) -> Holder | None:
    """The session of a run of several transactions that is at work on the plugin; None where there is none."""
    return advisory_holder(connection, _lease_id(plugin), exclusive=True)


def _lease_id(plugin: str) -> int:
    return lock_id(f"reconciler: several transactions of {plugin}")


def _lock(connection: Connection, key: int, what: str, wait_ms: int = 0) -> None:
    lock_key(connection, key, what, wait_ms)
    row = fetch_one(connection, "SELECT pg_catalog.current_setting('transaction_isolation')")
    if row is None or row[0] != "read committed":
        raise LedgerError(
            f"cannot lock {what} in a transaction that would not see what the previous run committed",
            hint="use isolation level READ COMMITTED",
        )


def lock_key(connection: Connection, key: int, what: str, wait_ms: int) -> None:
    """Waits for the advisory lock and keeps it until the transaction ends; says for whom where that takes long.

    The wait ends after `wait_ms` (0: no limit), and is cut short by `lock_timeout`. Raises LockTimeoutError.
    """
    if outside_transaction(connection):
        raise _no_transaction(what)
    row = fetch_one(connection, "SELECT setting::int FROM pg_catalog.pg_settings WHERE name = 'lock_timeout'")
    timeout_ms = int(row[0]) if row else 0
    limit_ms = min(timeout_ms or wait_ms, wait_ms or timeout_ms)
    briefly_ms = min(limit_ms or TELL_AFTER_MS, TELL_AFTER_MS)
    if not _locked(connection, key, what, briefly_ms):
        if limit_ms != briefly_ms:
            _tell(connection, key, what)
        if limit_ms == briefly_ms or not _locked(connection, key, what, limit_ms and limit_ms - briefly_ms):
            raise _held(connection, key, what, limit_ms)


def _locked(connection: Connection, key: int, what: str, timeout_ms: int) -> bool:
    """Whether the advisory lock was granted in time; what was set before stays set."""
    with errors_as(LedgerError, f"lock {what}"), cursor(connection) as rows:
        before = rows.execute("SELECT pg_catalog.current_setting('lock_timeout')").fetchone()
        assert before is not None
        try:
            with transaction(connection):
                rows.execute("SELECT pg_catalog.set_config('lock_timeout', %s, true)", [str(timeout_ms)])
                rows.execute("SELECT pg_catalog.pg_advisory_xact_lock(%s)", [key])
                rows.execute("SELECT pg_catalog.set_config('lock_timeout', %s, true)", [before[0]])
        except psycopg.errors.LockNotAvailable:
            return False
        finally:
            found_inside(connection).clear()
    return True


def _held(connection: Connection, key: int, what: str, waited_ms: int) -> LockTimeoutError:
    return LockTimeoutError(
        f"another run holds the lock of {what}, waited {waited_ms / 1000:g} s: {_whom(connection, key)}",
        sqlstate=psycopg.errors.LockNotAvailable.sqlstate,
        left="nothing was changed",
        hint="wait until it has ended, end it if it hangs, or wait longer: raise --lock-timeout or --lock-retries",
    )


def _tell(connection: Connection, key: int, what: str) -> None:
    logging.getLogger("reconciler").warning("waiting for the lock of %s: %s", what, _whom(connection, key))


def _whom(connection: Connection, key: int) -> str:
    """Who holds the lock, and since when, as far as this role may see it."""
    return str(advisory_holder(connection, key) or "it was released just now")


def _no_transaction(what: str) -> LedgerError:
    return LedgerError(
        f"cannot lock {what}: no transaction is open that could hold the lock",
        hint="call it inside `with transaction(connection):`",
    )


@contextmanager
def _making(connection: Connection) -> Generator[None]:
    # Asked before: the transaction may be of no use afterwards.
    hint = ledger_text(
        connection,
        "grant this role CREATE ON DATABASE, or CREATE and USAGE ON SCHEMA :ledger where that exists; "
        "commands that only read need neither",
    )
    try:
        with errors_as(LedgerError, "make the ledger's tables"):
            yield
    except LedgerError as exc:
        if exc.hint is None and isinstance(exc.__cause__, psycopg.errors.InsufficientPrivilege):
            exc.hint = hint
        raise
