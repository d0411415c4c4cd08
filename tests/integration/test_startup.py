"""Reconciling at an application's start: sync, async, cancelled, and before the server is up."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from reconciler import (
    ApplyError,
    ConnectError,
    Options,
    Phase,
    PluginFailuresError,
    ReconcilerError,
    reconcile_on_startup,
    reconcile_on_startup_async,
)
from reconciler.model.plugins import lock_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from reconciler import MigrateResult
    from reconciler.model.events import Event

pytestmark = pytest.mark.one_server

USERS = "CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL UNIQUE);"
POSTS = "CREATE TABLE posts (id bigint PRIMARY KEY, title text);"
PLUGIN = "blog"
_DEADLINE_S = 20.0


def _tables(database: str, schema: str) -> list[str]:
    with psycopg.connect(database) as connection:
        rows = connection.execute("select tablename::text from pg_tables where schemaname = %s order by 1", (schema,))
        return [row[0] for row in rows]


def _migrations(database: str) -> int:
    with psycopg.connect(database) as connection:
        row = connection.execute("select count(*) from migrations._migrations").fetchone()
        assert row is not None
        return row[0]


@pytest.fixture
def lock_held(database: str) -> Iterator[psycopg.Connection]:
    """Somebody else works on the plugin: a start waits in the server until this connection's transaction ends."""
    with psycopg.connect(database) as holder:
        # A start that does not end would else keep the test for ever.
        holder.execute("set idle_in_transaction_session_timeout = '25s'")
        holder.execute("select pg_advisory_xact_lock(%s)", (lock_id(PLUGIN),))
        yield holder


def _starts(database: str) -> list[int]:
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        )
        return [row[0] for row in rows]


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.mark.smoke
def test_every_plugin_is_reconciled(database: str) -> None:
    done = reconcile_on_startup(database, {"default": USERS, PLUGIN: POSTS})
    assert _tables(database, "public") == ["users"]
    assert _tables(database, "blog") == ["posts"]
    assert {plugin: result.idx for plugin, result in done.items()} == {"default": 0, PLUGIN: 0}


@pytest.mark.smoke
def test_the_second_start_has_nothing_to_do(database: str) -> None:
    reconcile_on_startup(database, {PLUGIN: POSTS})
    again = reconcile_on_startup(database, {PLUGIN: POSTS})
    assert again[PLUGIN].skipped
    assert _migrations(database) == 1


def test_one_failing_plugin_does_not_stop_the_rest(database: str) -> None:
    broken = "CREATE TABLE broken (x no_such_type);"
    with pytest.raises(PluginFailuresError) as caught:
        reconcile_on_startup(database, {"one": broken, PLUGIN: POSTS, "two": broken})
    assert list(caught.value.failures) == ["one", "two"]
    assert caught.value.succeeded == (PLUGIN,)
    assert _tables(database, "blog") == ["posts"]


@pytest.mark.smoke
def test_data_loss_needs_consent(database: str) -> None:
    reconcile_on_startup(database, {PLUGIN: USERS + POSTS})
    with pytest.raises(PluginFailuresError, match="posts"):
        reconcile_on_startup(database, {PLUGIN: USERS})
    assert _tables(database, "blog") == ["posts", "users"]
    reconcile_on_startup(database, {PLUGIN: USERS}, allow_data_loss=True)
    assert _tables(database, "blog") == ["users"]


def test_starts_at_the_same_moment_record_one_migration(database: str) -> None:
    errors: list[ReconcilerError] = []

    def start() -> None:
        try:
            reconcile_on_startup(database, {PLUGIN: POSTS})
        except ReconcilerError as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert _migrations(database) == 1


def test_the_async_start_leaves_the_event_loop_free(database: str, lock_held: psycopg.Connection) -> None:
    async def main() -> int:
        start = asyncio.create_task(reconcile_on_startup_async(database, {PLUGIN: POSTS}))
        ticks = 0
        while not await asyncio.to_thread(_starts, database):
            ticks += 1
        assert not start.done()
        await asyncio.to_thread(lock_held.rollback)
        done = await start
        assert done[PLUGIN].idx == 0
        return ticks

    assert asyncio.run(asyncio.wait_for(main(), _DEADLINE_S)) >= 0
    assert _tables(database, "blog") == ["posts"]


def test_the_async_start_raises_what_the_sync_one_raises(database: str) -> None:
    with pytest.raises(PluginFailuresError):
        asyncio.run(reconcile_on_startup_async(database, {PLUGIN: "CREATE TABLE broken (x no_such_type);"}))


def test_a_cancelled_start_cancels_the_statement_on_the_server(database: str, lock_held: psycopg.Connection) -> None:
    async def main() -> list[int]:
        start = asyncio.create_task(reconcile_on_startup_async(database, {PLUGIN: POSTS, "later": USERS}))
        await asyncio.to_thread(_until, lambda: bool(_starts(database)))
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        # As soon as the task has ended, nothing of it waits in the server, though the lock is still held.
        return _starts(database)

    assert asyncio.run(asyncio.wait_for(main(), _DEADLINE_S)) == []
    assert _tables(database, "blog") == []
    assert _tables(database, "later") == []
    lock_held.rollback()
    reconcile_on_startup(database, {PLUGIN: POSTS})
    assert _tables(database, "blog") == ["posts"]


def test_a_start_cancelled_twice_still_waits_for_the_rollback(database: str, lock_held: psycopg.Connection) -> None:
    async def main() -> list[int]:
        start = asyncio.create_task(reconcile_on_startup_async(database, {PLUGIN: POSTS}))
        await asyncio.to_thread(_until, lambda: bool(_starts(database)))
        start.cancel()
        await asyncio.sleep(0)
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        return _starts(database)

    assert asyncio.run(asyncio.wait_for(main(), _DEADLINE_S)) == []


def test_a_cancelled_apply_is_rolled_back(database: str) -> None:
    running = threading.Event()

    def on_event(_event: Event) -> None:
        running.set()

    with psycopg.connect(database) as blocker:
        reconcile_on_startup(database, {PLUGIN: POSTS})
        blocker.execute("LOCK TABLE blog.posts IN ACCESS SHARE MODE")

        async def main() -> None:
            start = asyncio.create_task(
                reconcile_on_startup_async(
                    database,
                    {PLUGIN: "CREATE TABLE aaa (x int);" + POSTS.replace("title text", "title text, body text")},
                    on_event=on_event,
                )
            )
            await asyncio.to_thread(running.wait, _DEADLINE_S)
            await asyncio.to_thread(_until, lambda: bool(_starts(database)))
            start.cancel()
            began = time.monotonic()
            with pytest.raises(asyncio.CancelledError):
                await start
            assert time.monotonic() - began < 5, "it ended by the lock timeout, not by being cancelled"

        asyncio.run(asyncio.wait_for(main(), _DEADLINE_S))
    assert _tables(database, "blog") == ["posts"]
    assert _migrations(database) == 1


def test_when_the_time_is_over_the_statement_is_cancelled(database: str, lock_held: psycopg.Connection) -> None:
    began = time.monotonic()
    with pytest.raises(ApplyError, match=r"did not end within 0\.5 s") as caught:
        reconcile_on_startup(database, {PLUGIN: POSTS}, timeout_s=0.5)
    assert time.monotonic() - began < 10
    assert "rolled back" in (caught.value.left or "")
    assert _starts(database) == []


def test_a_server_that_comes_up_later_is_waited_for(
    database: str, late_port: Callable[[str], AbstractContextManager[str]]
) -> None:
    with late_port(database) as dsn:
        done = reconcile_on_startup(dsn, {PLUGIN: POSTS}, wait_for_server_s=_DEADLINE_S)
    assert done[PLUGIN].idx == 0


def test_a_server_that_stays_away_is_one_connect_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(ConnectError, match="cannot connect"):
        reconcile_on_startup(
            f"postgresql://nobody@127.0.0.1:{port}/nothing", {"one": USERS, "two": POSTS}, wait_for_server_s=0.5
        )
    assert time.monotonic() - began < 5


def test_a_database_that_is_not_there_is_not_waited_for(database: str) -> None:
    began = time.monotonic()
    with pytest.raises(ConnectError, match="does not exist"):
        reconcile_on_startup(make_conninfo(database, dbname="no_such_database"), {PLUGIN: POSTS})
    assert time.monotonic() - began < 5


@pytest.fixture
def late_port() -> Callable[[str], AbstractContextManager[str]]:
    """`late_port(dsn)` gives a DSN whose port refuses at first and leads to the server a little later."""
    from contextlib import contextmanager

    @contextmanager
    def late(dsn: str) -> Iterator[str]:
        with psycopg.connect(dsn) as connection:
            host, port = connection.info.host, connection.info.port
        with socket.create_server(("127.0.0.1", 0)) as reserved:
            free = reserved.getsockname()[1]
        ended = threading.Event()
        proxy = threading.Thread(target=_forward, args=(free, host, port, ended), daemon=True)
        timer = threading.Timer(0.6, proxy.start)
        timer.start()
        try:
            yield make_conninfo(dsn, host="127.0.0.1", port=free)
        finally:
            ended.set()
            timer.join()
            proxy.join()

    return late


def _forward(port: int, host: str, to_port: int, ended: threading.Event) -> None:
    def pump(source: socket.socket, target: socket.socket) -> None:
        with source:
            try:
                while data := source.recv(65536):
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.settimeout(0.1)
        while not ended.is_set():
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            client.settimeout(None)
            if host.startswith("/"):
                server = socket.socket(socket.AF_UNIX)
                server.connect(f"{host}/.s.PGSQL.{to_port}")
            else:
                server = socket.create_connection((host, to_port))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=pump, args=pair, daemon=True).start()


def test_a_cancelled_start_cancels_what_runs_in_a_scratch_database(database: str) -> None:
    sleeping = "DO $$ BEGIN PERFORM pg_sleep(600); END $$;"

    async def main() -> None:
        options = Options(scratch="database")
        start = asyncio.create_task(reconcile_on_startup_async(database, {PLUGIN: sleeping}, options=options))
        await asyncio.to_thread(_until, lambda: bool(_scratch(database, "and a.wait_event = 'PgSleep'")))
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start

    asyncio.run(asyncio.wait_for(main(), _DEADLINE_S))
    assert _scratch(database, "") == [], "the temporary database is dropped before the start ends"


def _scratch(database: str, condition: str) -> list[str]:
    """The temporary databases of `database`, where something waits in them as `condition` says."""
    prefix = f"reconciler_scratch_{hashlib.sha256(conninfo_to_dict(database)['dbname'].encode()).hexdigest()[:8]}"
    query = (
        "select d.datname from pg_database d left join pg_stat_activity a on a.datid = d.oid"
        f" where starts_with(d.datname, '{prefix}') {condition}"
    )
    with psycopg.connect(database) as connection:
        return [row[0] for row in connection.execute(query.encode())]


@pytest.mark.parametrize("what", ["plugin", "steps"])
def test_a_start_that_its_time_ends_says_for_whom_it_waited(database: str, what: str) -> None:
    key = lock_id(PLUGIN) if what == "plugin" else lock_id(f"reconciler: several transactions of {PLUGIN}")
    with psycopg.connect(database, application_name="the other") as holder:
        holder.execute("select pg_advisory_xact_lock(%s)", (key,))
        with pytest.raises(ApplyError) as caught:
            reconcile_on_startup(database, {PLUGIN: POSTS}, timeout_s=0.5)
        pid = holder.info.backend_pid
        expected = f"within 0.5 s; it waited for another run: process {pid} of role postgres, the other, since "
        assert expected in caught.value.message
    assert reconcile_on_startup(database, {PLUGIN: POSTS}, timeout_s=30)[PLUGIN].idx == 0


def test_who_waits_for_a_run_in_steps_does_not_keep_its_index_from_being_built(database: str) -> None:
    indexed = USERS + "CREATE INDEX users_email ON users (email, id);"
    reconcile_on_startup(database, {PLUGIN: USERS})
    waits = "select 1 from pg_stat_activity where query ~ 'pg_try_advisory_xact_lock_shared' and state like 'idle%'"
    done: dict[str, MigrateResult] = {}
    waiting = threading.Thread(
        target=lambda: done.update(reconcile_on_startup(database, {PLUGIN: indexed + POSTS})), daemon=True
    )
    with psycopg.connect(database, autocommit=True) as watcher:

        def one_more_comes(event: Event) -> None:
            if event.phase is Phase.STARTED and "CONCURRENTLY" in event.statement.sql:
                waiting.start()
                _until(lambda: watcher.execute(waits).fetchone() is not None)

        options = Options(online=True)
        assert (
            reconcile_on_startup(database, {PLUGIN: indexed}, options=options, on_event=one_more_comes)[PLUGIN].idx == 1
        )
    waiting.join(60)
    assert done[PLUGIN].idx == 2


class _Broken:
    """A declarative base whose metadata cannot be had."""

    @property
    def metadata(self) -> object:
        raise ZeroDivisionError("the application's own mistake")


@pytest.mark.one_server
def test_a_plugin_s_own_exception_stops_no_other(database: str) -> None:
    assert sqlalchemy.MetaData is not None  # without it nothing is looked at for metadata
    sources = {"broken": _Broken(), "empty": "create table t (); drop table t;", "sound": "create table s (id int);"}
    with pytest.raises(PluginFailuresError) as caught:
        reconcile_on_startup(database, sources)
    assert caught.value.succeeded == ("sound",)
    assert {plugin: type(error).__name__ for plugin, error in caught.value.failures.items()} == {
        "broken": "UnexpectedError",
        "empty": "HazardError",
    }
    assert "ZeroDivisionError: the application's own mistake" in caught.value.failures["broken"].message
