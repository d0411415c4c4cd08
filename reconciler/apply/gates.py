"""Gates: sessions of ours in the queues of locks, so that clients who come wait there and hold nothing. Does I/O.

Where clients lock two relations in both orders and never pause, there is no moment at which one lock after the other is
granted: whoever holds the second comes to wait for the first, which is held here. So each table but the first gets a
gate: another session that asks for the lock, and does not get it, since this one holds a weak one that is in its way
but in no client's. Who comes new waits behind the gate, and holds nothing. Who is inside ends; where he wants what has
a gate, too, he waits in a cycle of which a place in a queue is a part. Then the server changes the places and cancels
nobody ("soft edges" in src/backend/storage/lmgr/README of Postgres). It looks for circles after deadlock_timeout: so
only who may set that has gates. And a session that holds a lock already goes in the queue before those whom that lock
keeps waiting (ProcSleep in proc.c): so all are granted to this one as soon as nobody is inside.

Each gate holds such a weak lock on the relations of the gates before it, so that circles close through it.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Protocol

import psycopg

from reconciler.apply.relations import LOCK_ERRORS, Relation, lock, lock_weakly, set_for_now
from reconciler.db.connections import fetch_one, transaction
from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from typing import Self

    from reconciler.db.connections import Connection

__all__ = ["Gates", "NoGates"]

_MOST = 3
_LOOK_S = 0.002
_CANCEL_TIMEOUT_S = 1.0
# Of what can be locked weakly alone: to look into a view locks all that it reads.
_KINDS = frozenset({"r", "p", "S"})


class NoGates(Exception):  # noqa: N818 - no error: the locks are then taken without
    """There are none: no connection, or no right."""


class Try(Protocol):
    """What of a try is known here, and learnt: which relation is waited for, and when circles are looked for."""

    waiting_for: Relation | None

    @property
    def own_deadlock_ms(self) -> int: ...


class Gates:
    """Connections for gates, opened at need and closed at the end; `connect` is None where there are to be none."""

    def __init__(self, connect: Callable[[], Connection] | None) -> None:
        self._connect = connect
        self._sessions: list[Connection] = []
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def are_open(self) -> bool:
        """Whether there are any, opened now at the latest."""
        while self._connect is not None and len(self._sessions) < _MOST:
            try:
                self._sessions.append(self._opened.enter_context(self._connect()))
            except ReconcilerError:
                self._connect = None
        return self._connect is not None

    def lock(self, connection: Connection, relations: Sequence[Relation], limit_ms: int, tried: Try) -> list[Relation]:
        """Locks some of the relations behind gates, in the open transaction; gives those that are left.

        Views and the first table have no gate: clients who come wait there while they are locked.
        Raises NoGates, or psycopg's LockNotAvailable or DeadlockDetected: after `limit_ms`, if not before.
        """
        outside, gated = _divided(relations)
        sessions = self._sessions[: len(gated)]
        until = time.monotonic() + limit_ms / 1000
        with ThreadPoolExecutor(_MOST) as threads, ExitStack() as ended:
            try:
                for place, session in enumerate(sessions):
                    ended.enter_context(transaction(session, force_rollback=True))
                    _prepare(session, gated[:place], limit_ms, tried)
                _prepare(connection, gated, limit_ms, tried)
                ours = [_process(each) for each in (connection, *sessions)]
            except LOCK_ERRORS:
                raise
            except (psycopg.Error, ReconcilerError) as exc:
                self._connect = None
                raise NoGates from exc
            waiting: list[Future[None]] = []
            for session, relation, pid in zip(sessions, gated, ours[1:], strict=True):
                tried.waiting_for = relation
                gate = threads.submit(lock, session, relation, relation.mode, limit_ms)
                ended.callback(_end, session, gate)
                waiting.append(gate)
                if not _are_all_out(connection, gate, pid, ours, until):
                    lock(connection, relation, relation.mode, 1)
            for relation in outside:
                tried.waiting_for = relation
                lock(connection, relation, relation.mode, _left_ms(until))
            for session, relation, gate in reversed([*zip(sessions, gated, waiting, strict=True)]):
                tried.waiting_for = relation
                lock(connection, relation, relation.mode, _left_ms(until))
                _end(session, gate)
        return [relation for relation in relations if relation not in {*outside, *gated}]


def _divided(relations: Sequence[Relation]) -> tuple[Sequence[Relation], Sequence[Relation]]:
    """Those that are locked first and have no gate, and those that have one."""
    outside = [each for each in relations if each.kind not in _KINDS]
    others = [each for each in relations if each.kind in _KINDS]
    if not outside:
        outside, others = others[:1], others[1:]
    return outside, others[:_MOST]


def _prepare(connection: Connection, relations: Sequence[Relation], limit_ms: int, tried: Try) -> None:
    set_for_now(connection, "lock_timeout", limit_ms)
    set_for_now(connection, "deadlock_timeout", tried.own_deadlock_ms)
    for relation in relations:
        tried.waiting_for = relation
        lock_weakly(connection, relation)


def _process(connection: Connection) -> int:
    row = fetch_one(connection, "select pg_catalog.pg_backend_pid()")
    assert row is not None
    return int(row[0])


def _are_all_out(connection: Connection, gate: Future[None], pid: int, ours: Sequence[int], until: float) -> bool:
    """Whether in time nobody but us keeps the gate waiting any more."""
    while time.monotonic() < until and not gate.done():
        row = fetch_one(
            connection, "select b <@ %s::int[] and b <> '{}' from pg_catalog.pg_blocking_pids(%s) b", ([*ours], pid)
        )
        if row == (True,):
            return True
        wait([gate], timeout=_LOOK_S)
    return False


def _left_ms(until: float) -> int:
    return max(1, round((until - time.monotonic()) * 1000))


def _end(session: Connection, gate: Future[None]) -> None:
    """Ends the waiting; where the server does not hear of it, its lock_timeout does."""
    while not gate.done():
        with suppress(psycopg.Error):
            session.cancel_safe(timeout=_CANCEL_TIMEOUT_S)
        wait([gate], timeout=_LOOK_S)
