"""Locks that do not block clients for long: a short wait, all released, a pause, again; and a lease for runs of many
transactions.
"""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import psycopg

from reconciler.apply.gates import Gates, NoGates
from reconciler.apply.relations import (
    HARMLESS,
    LOCK_ERRORS,
    Relation,
    lock,
    lock_in_turn,
    read_relations,
    refused,
    set_for_now,
)
from reconciler.db.connections import connect, errors_as, execute, fetch_all, fetch_one, transaction
from reconciler.db.connections import pause as wait
from reconciler.db.sessions import shown_query
from reconciler.db.sqlfiles import read_sql, trusted
from reconciler.errors import LockTimeoutError
from reconciler.ledger.schema import TELL_AFTER_MS, hold_lease, lease_is_held, tell_of_lease
from reconciler.model.hazards import HazardKind
from reconciler.model.plan import LockMode

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from reconciler.db.connections import Connection
    from reconciler.model.plan import Statement

__all__ = [
    "FROZEN_MS",
    "LOCK_ERRORS",
    "LockRetryPolicy",
    "LockTries",
    "lease",
    "lock_relations",
    "retried",
    "set_timeouts",
    "statement_timeout_ms",
    "timeouts_kept",
]

Result = TypeVar("Result")

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
# A statement that is over at once waits for its lock at most, and then takes milliseconds.
_BRIEF_FACTOR = 3
_SLOW = frozenset({HazardKind.TABLE_REWRITE, HazardKind.BLOCKING_LOCK})
# What all waits of a transaction may take together, of the time after which clients look for deadlocks.
_BEFORE_CLIENTS = 0.8
# How long to wait for a lock while another one is held: at the first tries, and at later ones.
_BRIEF_MS = 50
_BRIEF_TRIES = 10
_LONGEST_BRIEF_MS = 250
_OWN_DEADLOCK_MS = 20
_LONGEST_OWN_DEADLOCK_MS = 80
# How long all of it may take behind gates.
_GATED_MS = 250
# For how long all locks are asked for again and again in one transaction, and the longest pause between.
_ROUNDS_S = 5.0
_ROUND_PAUSE_S = 0.02
# How long a transaction may hold strong locks while its client says nothing; looking at live again takes less.
FROZEN_MS = 10_000
# Postgres 15 and newer can grant a setting.
_PARAMETER_GRANTS = 150_000
_TIMEOUTS = """
    select s.name, s.setting from pg_catalog.pg_settings s where s.name in ('deadlock_timeout',
        'idle_in_transaction_session_timeout', 'lock_timeout', 'statement_timeout', 'tcp_user_timeout')
"""
_random = secrets.SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRetryPolicy:
    """How long to wait for a lock, and how often to try again. `pause` sleeps; it may raise to end the waiting.

    `connect` opens another connection to the same database, for gates.
    """

    timeout_ms: int
    retries: int
    pause: Callable[[float], None] = wait
    connect: Callable[[], Connection] | None = None

    def pauses_s(self) -> Generator[float]:
        """The pauses before each further try: random below a limit that doubles, so that two do not meet again."""
        limit = _FIRST_PAUSE_S
        for _ in range(self.retries):
            yield _random.uniform(limit / 2, limit)
            limit = min(limit * 2, _LONGEST_PAUSE_S)


class LockTries:
    """What the tries of one transaction have learnt so far: which relations were not granted."""

    def __init__(self) -> None:
        self.count = 0
        self.wanted: list[Relation] = []
        self.waiting_for: Relation | None = None
        self.deadline: float | None = None
        self._refused: list[int] = []

    @property
    def brief_ms(self) -> int:
        """How long to wait for a lock while others are held: clients that are slow get more time at later tries."""
        doubled: int = _BRIEF_MS << min(self.count // _BRIEF_TRIES, 8)
        return min(doubled, _LONGEST_BRIEF_MS)

    @property
    def gated_ms(self) -> int:
        """How long clients may wait at gates."""
        doubled: int = _GATED_MS << min(self.count // _BRIEF_TRIES, 8)
        return doubled

    @property
    def own_deadlock_ms(self) -> int:
        """After which time behind gates the server is to look who waits for whom: by then who is inside must wait."""
        return min(_OWN_DEADLOCK_MS << min(self.count // 2, 8), _LONGEST_OWN_DEADLOCK_MS)

    def left_ms(self, timeout_ms: int) -> int:
        """How long a statement may wait for what was not locked before it, while others are locked."""
        if self.deadline is None or not timeout_ms:
            return timeout_ms
        left_ms = round((self.deadline - time.monotonic()) * 1000)
        return min(timeout_ms, max(left_ms, _BRIEF_MS))

    def ordered(self, relations: list[Relation]) -> list[Relation]:
        """The relations, those that were not granted before at the front: the one that failed last is the first."""
        places = {oid: place for place, oid in enumerate(self._refused)}
        self.wanted = sorted(relations, key=lambda relation: places.get(relation.oid, len(places)))
        return self.wanted

    def failed(self) -> None:
        """A lock was not granted: what was waited for comes first at the next try."""
        self.count += 1
        if self.waiting_for is not None:
            oid = self.waiting_for.oid
            self._refused = [oid, *(each for each in self._refused if each != oid)]


def retried(connection: Connection, work: Callable[[LockTries], Result], patience: LockRetryPolicy) -> Result:
    """What `work` gives; where a lock was not granted in time, it is called again after a pause, some times.

    `work` must have released all locks when it raises. Raises LockTimeoutError with the number of tries, and who
    holds what it waited for.
    """
    tries = LockTries()
    pauses = patience.pauses_s()
    began = time.monotonic()
    while True:
        tries.waiting_for = None
        try:
            return work(tries)
        except LockTimeoutError as error:
            tries.failed()
            pause = next(pauses, None)
            if pause is None:
                said = [error.message, *_holders(connection, tries)]
                if tries.count > 1:
                    said[0] += f" (tried {tries.count} times in {time.monotonic() - began:.0f} s)"
                error.message = "; ".join(said)
                raise
        patience.pause(pause)


def _holders(connection: Connection, tries: LockTries) -> list[str]:
    """Who holds what was waited for, in words, as far as this role may see it."""
    relations = [tries.waiting_for] if tries.waiting_for is not None else tries.wanted
    if not relations or connection.closed:
        return []
    rows = fetch_all(
        connection,
        trusted(read_sql("apply/holders.sql")),
        {
            "relations": [relation.oid for relation in relations],
            "exclusive": [relation.mode is LockMode.ACCESS_EXCLUSIVE for relation in relations],
        },
    )
    return [_holder(*row) for row in rows]


def _holder(
    schema: str,
    name: str,
    pid: int | None,
    role: str | None,
    mode: str,
    state: str | None,
    since: str | None,
    seconds: int | None,
    query: str | None,
) -> str:
    who = "a prepared transaction" if pid is None else f"process {pid}"
    words = [f"{who} of {f'role {role}' if role else 'another role'} holds {mode} on {schema}.{name}"]
    if since is not None:
        words.append(f"in a transaction since {since} ({seconds} s)")
    if state:
        words.append(state)
    if shown := shown_query(query or ""):
        words[-1] += f": {shown}"
    return ", ".join(words)


def lock_relations(
    connection: Connection, statements: Sequence[Statement], patience: LockRetryPolicy, tries: LockTries
) -> None:
    """Locks all that the statements will lock against clients, before any of them runs.

    In the order in which clients lock (a view before what it reads, a table before its partitions), but what was not
    granted at the try before comes first. The first may be waited for long, as nothing is held meanwhile. Whoever goes
    the other way is waited for briefly: he may wait for what is held here. All waits together end before
    deadlock_timeout, so that the server never has to choose a client as the victim of a deadlock; where this role may,
    its own deadlock_timeout is so short that it is the one who gives way. Whoever goes the other way all the time meets
    gates then (gates.py); else a moment is waited for in which none of them is inside.

    Who works on a table without being a client is waited for before, behind a lock that clients do not mind.
    Autovacuum gives way to whoever waits for `deadlock_timeout`, which as a strong lock would hold clients up, or
    never be reached. What this role may not lock is left to the statements themselves.
    Raises psycopg's LockNotAvailable or DeadlockDetected.
    """
    tries.deadline = None
    relations = read_relations(connection, statements)
    if not relations:
        return
    deadlock_ms, may_set = _prepare(connection)
    until = time.monotonic() + _ROUNDS_S
    with Gates(patience.connect if may_set and len(relations) > 1 else None) as gates:
        while True:
            ordered = tries.ordered(relations)
            # Every other round: one without shows whether somebody holds the first lock for long.
            behind = tries.count % 2 == 1 and gates.are_open()
            try:
                with transaction(connection):
                    _lock_all(connection, ordered, patience, tries, deadlock_ms, gates if behind else None)
                return
            except NoGates:
                continue
            except LOCK_ERRORS:
                if time.monotonic() > until or (tries.waiting_for is ordered[0] and not behind):
                    raise
                tries.failed()
            patience.pause(_random.uniform(0, _ROUND_PAUSE_S))


def _lock_all(
    connection: Connection,
    relations: Sequence[Relation],
    patience: LockRetryPolicy,
    tries: LockTries,
    deadlock_ms: int,
    gates: Gates | None,
) -> None:
    """One round: the first lock is waited for as long as it may take, the others briefly; or all behind gates."""
    for relation in relations:
        if relation.is_maintained:
            limit_ms = max(patience.timeout_ms, 2 * deadlock_ms) if patience.timeout_ms else 0
            tries.waiting_for = relation
            lock(connection, relation, HARMLESS, limit_ms)
    longest_ms = patience.timeout_ms
    if len(relations) > 1:
        longest_ms = min(longest_ms or deadlock_ms, round(_BEFORE_CLIENTS * deadlock_ms))
    first_ms = longest_ms
    if gates is not None:
        relations = gates.lock(connection, relations, min(tries.gated_ms, longest_ms), tries)
        first_ms = tries.brief_ms
    tries.deadline = time.monotonic() + longest_ms / 1000
    if not relations:
        tries.waiting_for = None
        return
    try:
        lock_in_turn(connection, relations, longest_ms, first_ms, tries.brief_ms)
    except LOCK_ERRORS as exc:
        tries.waiting_for = refused(exc, relations)
        raise
    tries.waiting_for = None


def _prepare(connection: Connection) -> tuple[int, bool]:
    """Lets a transaction that is about to hold strong locks give way.

    Gives the server's deadlock_timeout in milliseconds, and whether this role may set its own.

    A run that hangs, or is disconnected, between two statements holds its locks for some seconds at most.
    """
    row = fetch_one(
        connection,
        "select d.reset_val::int, pg_catalog.current_setting('is_superuser') = 'on', i.setting::int"
        " from pg_catalog.pg_settings d, pg_catalog.pg_settings i"
        " where d.name = 'deadlock_timeout' and i.name = 'idle_in_transaction_session_timeout'",
    )
    assert row is not None
    deadlock_ms, may_set, idle_ms = int(row[0]), bool(row[1]), int(row[2])
    if not may_set and connection.info.server_version >= _PARAMETER_GRANTS:
        granted = fetch_one(connection, "select pg_catalog.has_parameter_privilege('deadlock_timeout', 'SET')")
        may_set = granted is not None and bool(granted[0])
    if may_set:
        set_for_now(connection, "deadlock_timeout", min(_OWN_DEADLOCK_MS, deadlock_ms))
    set_for_now(connection, "idle_in_transaction_session_timeout", min(idle_ms or FROZEN_MS, FROZEN_MS))
    set_for_now(connection, "tcp_user_timeout", FROZEN_MS)
    return deadlock_ms, may_set


@contextmanager
def timeouts_kept(connection: Connection) -> Generator[None]:
    """Puts back afterwards what is set here until the transaction ends: one of the caller's goes on."""
    before = fetch_all(connection, _TIMEOUTS)
    yield
    for setting, value in before:
        execute(connection, "select pg_catalog.set_config(%s, %s, true)", (setting, value))


def set_timeouts(
    connection: Connection, statement: Statement, patience: LockRetryPolicy, tries: LockTries, usual_ms: int
) -> None:
    """lock_timeout and statement_timeout for the statement, until the transaction ends; `usual_ms` is the latter's.

    A lock that does not block reads or writes blocks nobody while it is waited for, so there is no timeout. A statement
    that should be instant, however large the table is, is cancelled where it is not.
    """
    strong = statement.lock is None or statement.lock.blocks_clients
    set_for_now(connection, "lock_timeout", tries.left_ms(patience.timeout_ms) if strong else 0)
    brief = statement.brief and not any(hazard.kind in _SLOW for hazard in statement.hazards)
    if brief:
        set_for_now(connection, "statement_timeout", max(_BRIEF_FACTOR * patience.timeout_ms, 1_000))
    elif not strong:
        set_for_now(connection, "statement_timeout", 0)
    else:
        set_for_now(connection, "statement_timeout", usual_ms)


def statement_timeout_ms(connection: Connection) -> int:
    """What the role, the database or the caller has set."""
    row = fetch_one(connection, "select setting::int from pg_catalog.pg_settings where name = 'statement_timeout'")
    return int(row[0]) if row else 0


@contextmanager
def lease(dsn: str, plugin: str, wait_ms: int) -> Generator[Callable[[], None]]:
    """Keeps every other run of `plugin` out while this one takes several transactions; gives what checks the lease.

    The lock hangs on an open, idle transaction of a second connection: so it also holds behind a pooler, ends with
    this process, and keeps no snapshot that CREATE INDEX CONCURRENTLY would wait for. Whoever has it is waited for
    `wait_ms` (0: no limit). Raises ConnectError, LockTimeoutError.
    """
    began, told = time.monotonic(), False
    with connect(dsn, autocommit=True, application_name="reconciler lease") as connection:
        while True:
            # No transaction is open in a pause: CREATE INDEX CONCURRENTLY could wait for its end.
            connection.execute("begin")
            connection.execute("set local idle_in_transaction_session_timeout to 0")
            if hold_lease(connection, plugin):

                def check() -> None:
                    with errors_as(doing=f"keep the lease of plugin {plugin}"):
                        fetch_one(connection, "select 1")

                try:
                    yield check
                finally:
                    # One that was lost since it was last checked has nothing to release, and the run has ended.
                    with suppress(psycopg.OperationalError):
                        connection.execute("rollback")
                return
            connection.execute("rollback")
            waited_ms = round((time.monotonic() - began) * 1000)
            if wait_ms and waited_ms >= wait_ms:
                raise lease_is_held(connection, plugin, waited_ms)
            if waited_ms >= TELL_AFTER_MS and not told:
                tell_of_lease(connection, plugin)
                told = True
            wait(_random.uniform(0.05, 0.25))
