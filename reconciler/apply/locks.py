"""Locks that hold nobody up: a short wait, all let go, a pause, again; and a lease for runs of many transactions.

Does I/O on the connections it is given; only `lease` opens one of its own.

Who waits for a strong lock has all later clients of the table wait behind him. So no statement that takes one waits
longer than `lock_timeout`, the tables of a transaction are locked first, in the order of their names, with one such
time for all of them, and only a lock that was not granted is tried again. Where maintenance is at work, such as
autovacuum, it is waited for with a lock that holds no client up.
"""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import psycopg
from psycopg import sql

from reconciler.db.connections import connect, errors_as, fetch_all, fetch_one
from reconciler.db.sqlfiles import read_sql, trusted
from reconciler.errors import LockTimeoutError
from reconciler.ledger.schema import hold_lease
from reconciler.model.hazards import HazardKind
from reconciler.model.plan import LockMode

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from reconciler.db.connections import Connection
    from reconciler.model.plan import Statement

__all__ = ["LOCK_ERRORS", "LockRetryPolicy", "lease", "lock_tables", "retried", "set_timeouts", "statement_timeout_ms"]

Result = TypeVar("Result")

# A deadlock that is resolved against us is a lock that was not granted, too.
LOCK_ERRORS = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
# A statement that is over at once waits for its lock at most, and then takes milliseconds.
_BRIEF_FACTOR = 3
_SLOW = frozenset({HazardKind.TABLE_REWRITE, HazardKind.BLOCKING_LOCK})
_MODES = tuple(LockMode)
# What lets clients read and write, and conflicts with itself: pg_locks' words for it and for the stronger ones.
_HARMLESS = LockMode.SHARE_UPDATE_EXCLUSIVE
_MAINTENANCE = [
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
]
_random = secrets.SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRetryPolicy:
    """How long to wait for a lock, and how often to try again. `pause` sleeps; it may raise to end the waiting."""

    timeout_ms: int
    retries: int
    pause: Callable[[float], None] = time.sleep

    def pauses_s(self) -> Generator[float]:
        """The pauses before each further try: random below a limit that doubles, so that two do not meet again."""
        limit = _FIRST_PAUSE_S
        for _ in range(self.retries):
            yield _random.uniform(limit / 2, limit)
            limit = min(limit * 2, _LONGEST_PAUSE_S)


def retried(work: Callable[[], Result], patience: LockRetryPolicy) -> Result:
    """What `work` gives; where a lock was not granted in time, it is called again after a pause, some times.

    `work` must have let go of all locks when it raises. Raises LockTimeoutError with the number of tries.
    """
    tries = 0
    pauses = patience.pauses_s()
    while True:
        tries += 1
        try:
            return work()
        except LockTimeoutError as error:
            pause = next(pauses, None)
            if pause is None:
                if tries > 1:
                    error.message = f"{error.message} (tried {tries} times)"
                    error.args = (error.message,)
                raise
        patience.pause(pause)


def lock_tables(connection: Connection, statements: Sequence[Statement], patience: LockRetryPolicy) -> None:
    """Locks the tables that the statements will lock strongly, ordered by name, in `timeout_ms` for all of them.

    With them go the partitions and children that a statement reaches, after those that they belong to, as clients come
    that way too. Who works on a table without being a client is waited for before, behind a lock that clients do not
    mind. Autovacuum gives way to whoever waits for `deadlock_timeout`, which as a strong lock would hold clients up, or
    never be reached. Tables that this role does not own are left to the statements themselves. Raises psycopg's
    LockNotAvailable.
    """
    tables = _tables(connection, statements)
    for table in tables:
        if table.yields_ms:
            limit_ms = max(patience.timeout_ms, table.yields_ms) if patience.timeout_ms else 0
            _lock(connection, table.name, _HARMLESS, limit_ms)
    deadline = time.monotonic() + patience.timeout_ms / 1000
    for table in tables:
        left_ms = max(1, round((deadline - time.monotonic()) * 1000)) if patience.timeout_ms else 0
        _lock(connection, table.name, table.mode, left_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A table to be locked, so many levels below the one that a statement names.

    `yields_ms` is how long who works on it without being a client may take to give way; 0 where nobody does.
    """

    root: tuple[str, ...]
    depth: int
    name: tuple[str, ...]
    mode: LockMode
    yields_ms: int


def _tables(connection: Connection, statements: Sequence[Statement]) -> list[_Table]:
    """The tables that this role owns, in the order in which they are locked: each after what it belongs to."""
    wanted: dict[tuple[str, ...], tuple[int, LockMode]] = {}
    for statement in statements:
        table, mode = statement.locks, statement.lock
        if table is not None and table.kind == "table" and mode is not None and mode.blocks_clients:
            reach, strongest = wanted.get(table.name, (0, mode))
            wanted[table.name] = max(reach, _reach(statement)), max(strongest, mode, key=_MODES.index)
    if not wanted:
        return []
    names = list(wanted)
    rows = fetch_all(
        connection,
        trusted(read_sql("apply/trees.sql")),
        {
            "modes": _MAINTENANCE,
            "schemas": [name[0] for name in names],
            "names": [name[1] for name in names],
            "reach": [wanted[name][0] for name in names],
        },
    )
    found: dict[tuple[str, ...], _Table] = {}
    for root_schema, root, schema, name, depth, is_maintained, deadlock_ms in rows:
        each = _Table(
            root=(str(root_schema), str(root)),
            depth=int(depth),
            name=(str(schema), str(name)),
            mode=wanted[str(root_schema), str(root)][1],
            yields_ms=2 * int(deadlock_ms) if is_maintained else 0,
        )
        other = found.get(each.name, each)
        deeper = each if each.depth >= other.depth else other
        found[each.name] = replace(deeper, mode=max(each.mode, other.mode, key=_MODES.index))
    return sorted(found.values(), key=lambda table: (table.root, table.depth, table.name))


def _reach(statement: Statement) -> int:
    """Whether what the statement does to a table is done to its partitions (1), or to its children too (2)."""
    if statement.sql.startswith("ALTER TABLE ONLY ") or " ON ONLY " in statement.sql.partition("(")[0]:
        return 0
    kinds = {fact.kind for fact in (*statement.creates, *statement.drops, *statement.alters)}
    if kinds & {"column", "constraint"}:
        return 2
    return 1 if kinds & {"index", "trigger"} else 0


def _lock(connection: Connection, table: tuple[str, ...], mode: LockMode, timeout_ms: int) -> None:
    _set(connection, "lock_timeout", timeout_ms)
    template = sql.SQL("LOCK TABLE ONLY {} IN {} MODE")
    connection.execute(template.format(sql.Identifier(*table), sql.SQL(trusted(mode.value))))


def set_timeouts(connection: Connection, statement: Statement, patience: LockRetryPolicy, usual_ms: int) -> None:
    """lock_timeout and statement_timeout for the statement, until the transaction ends; `usual_ms` is the latter's.

    A lock that lets clients read and write holds nobody up while it is waited for, so there is no hurry. A statement
    that is over at once however large the table is, is cancelled where it is not.
    """
    strong = statement.lock is None or statement.lock.blocks_clients
    _set(connection, "lock_timeout", patience.timeout_ms if strong else 0)
    brief = statement.brief and not any(hazard.kind in _SLOW for hazard in statement.hazards)
    if brief:
        _set(connection, "statement_timeout", max(_BRIEF_FACTOR * patience.timeout_ms, 1_000))
    elif not strong:
        _set(connection, "statement_timeout", 0)
    else:
        _set(connection, "statement_timeout", usual_ms)


def statement_timeout_ms(connection: Connection) -> int:
    """What the role, the database or the caller has set."""
    row = fetch_one(connection, "select setting::int from pg_catalog.pg_settings where name = 'statement_timeout'")
    return int(row[0]) if row else 0


def _set(connection: Connection, setting: str, milliseconds: int) -> None:
    connection.execute("select pg_catalog.set_config(%s, %s, true)", (setting, str(milliseconds)))


@contextmanager
def lease(dsn: str, plugin: str) -> Generator[Callable[[], None]]:
    """Keeps every other run of `plugin` out while this one takes several transactions; gives what checks the lease.

    The lock hangs on an open, idle transaction of a second connection: so it also holds behind a pooler, ends with
    this process, and keeps no snapshot that CREATE INDEX CONCURRENTLY would wait for. Raises ConnectError.
    """
    with connect(dsn, autocommit=True, application_name="reconciler lease") as connection:
        while True:
            with connection.transaction():
                connection.execute("set local idle_in_transaction_session_timeout to 0")
                if hold_lease(connection, plugin):

                    def check() -> None:
                        with errors_as(doing=f"keep the lease of plugin {plugin}"):
                            fetch_one(connection, "select 1")

                    yield check
                    return
            time.sleep(_random.uniform(0.05, 0.25))
