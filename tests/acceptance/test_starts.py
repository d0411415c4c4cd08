"""Many processes that start at once, while some are killed, frozen and disconnected: who survives is in sync, or says why not."""

from __future__ import annotations

import multiprocessing
import os
import random
import re
import signal
import traceback
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, NamedTuple

import psycopg
import pytest
from pooler import pgbouncer, pooler

from reconciler import Options, Reconciler, ReconcilerError, State, reconcile_on_startup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkProcess

pytestmark = pytest.mark.one_server

PROCESSES = 10
_DEADLINE_S = 120.0
OPTIONS = Options(online=True, lock_timeout_ms=500, scratch="schema")
_TERMINATE = """
    select pg_terminate_backend(pid) from (
        select pid from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
        order by random() limit 1
    ) as one
"""
_LEFT = "select relname from pg_class where relname ~ 'reconciler_tmp' union all select nspname from pg_namespace where nspname ~ 'reconciler'"
_fork = multiprocessing.get_context("fork")


def declared(version: int) -> str:
    """Each version adds a column and an index to the one before, in steps, and a table."""
    parts = [
        f"alter table t add v{each} int; create index t_v{each} on t (v{each}); create table t{each} (id int primary key);"
        for each in range(version)
    ]
    return "create table t (id int primary key);" + "\n".join(parts)


class Process(NamedTuple):
    """A start in a process of its own, and where it says how it ended."""

    process: ForkProcess
    says: Connection


def _start(pipe: Connection, reach: Callable[[Callable[[object], None]], None], source: str) -> None:
    def reconcile(database: object) -> None:
        done = reconcile_on_startup(database, {"default": source}, options=OPTIONS, timeout_s=60)["default"]  # type: ignore[arg-type]
        pipe.send(("in sync", str(done.behind or "")))

    try:
        reach(reconcile)
    except ReconcilerError as error:
        pipe.send(("error", error.describe()))
    except BaseException:
        pipe.send(("broken", traceback.format_exc()))


def _by_url(dsn: str) -> Callable[[Callable[[object], None]], None]:
    return lambda use: use(dsn)


def _by_pool(dsn: str) -> Callable[[Callable[[object], None]], None]:
    from psycopg_pool import ConnectionPool

    def reach(use: Callable[[object], None]) -> None:
        with ConnectionPool(dsn, min_size=1, max_size=2, open=True) as pool, pool.connection() as connection:
            use(connection)

    return reach


@contextmanager
def _reached(database: str, way: str) -> Iterator[Callable[[Callable[[object], None]], None]]:
    with ExitStack() as stack:
        if way == "pooler":
            if pgbouncer() is None:
                pytest.skip("pgbouncer is not installed")
            yield _by_url(stack.enter_context(pooler(database, pool_size=5)))
        elif way == "pool":
            pytest.importorskip("psycopg_pool", reason="psycopg_pool is not installed")
            yield _by_pool(database)
        else:
            yield _by_url(database)


def _trouble(running: list[Process], watcher: psycopg.Connection, chance: random.Random) -> None:
    """Kills, freezes and cuts off some of them, until all have ended."""
    frozen: list[int] = []
    killed = 0
    left = {each.process.sentinel: each for each in running}
    deadline = 600
    while left:
        for sentinel in wait(list(left), timeout=chance.uniform(0.0, 0.2)):
            left.pop(sentinel)  # type: ignore[call-overload]
        deadline -= 1
        assert deadline, "they do not end"
        for pid in frozen:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        frozen.clear()
        if not left:
            return
        pid = chance.choice([each.process.pid for each in left.values()])
        assert pid is not None
        match chance.choice(["kill", "freeze", "freeze", "terminate", "nothing", "nothing"]):
            case "kill" if killed < PROCESSES // 3:
                os.kill(pid, signal.SIGKILL)
                killed += 1
            case "freeze":
                os.kill(pid, signal.SIGSTOP)
                frozen.append(pid)
            case "terminate":
                watcher.execute(_TERMINATE)
            case _:
                pass


def _run(database: str, way: str, repetitions: int, seed: int) -> None:
    chance = random.Random(seed)
    with _reached(database, way) as reach, psycopg.connect(database, autocommit=True) as watcher:
        for repetition in range(repetitions):
            source = declared(repetition + 1)
            running: list[Process] = []
            for _ in range(PROCESSES):
                ours, theirs = _fork.Pipe(duplex=False)
                process = _fork.Process(target=_start, args=(theirs, reach, source), daemon=True)
                process.start()
                theirs.close()
                running.append(Process(process, ours))
            _trouble(running, watcher, chance)
            for each in running:
                each.process.join(_DEADLINE_S)
                try:
                    how, said = each.says.recv()
                except EOFError:
                    assert each.process.exitcode == -signal.SIGKILL, "it ended and said nothing"
                    continue
                assert how in ("in sync", "error"), said
                if how == "error":
                    _assert_clear(said)
            assert reconcile_on_startup(database, {"default": source}, options=OPTIONS)["default"].behind is None
            with Reconciler(database) as reconciler:
                assert not reconciler.check(source).of(State.PENDING, State.DRIFTED, State.CONFLICT, State.UNFINISHED)
                assert reconciler.status().unfinished is None
                assert len(reconciler.history()) == repetition + 1, "each version is one migration"
            assert watcher.execute(_LEFT).fetchall() == []


def _assert_clear(said: str) -> None:
    """One error of ours, which says what is left; who waited says for whom."""
    assert "Traceback" not in said
    assert "left in the database: " in said or "cannot connect" in said, said
    if "another run holds the lock" in said:
        assert re.search(r"process \d+ of |released just now", said), said


@pytest.mark.parametrize("way", ["plain", "pooler", "pool"])
def test_who_survives_a_start_is_in_sync_or_says_why_not(database: str, way: str) -> None:
    _run(database, way, 2, seed=len(way))


@pytest.mark.long
@pytest.mark.parametrize("way", ["plain", "pooler", "pool"])
def test_two_hundred_starts_of_many_processes(database: str, way: str) -> None:
    _run(database, way, 67, seed=16)
