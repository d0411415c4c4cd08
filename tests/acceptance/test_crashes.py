"""A client that is killed, and a server that stops at once, at every statement of an apply: all or nothing is there."""

from __future__ import annotations

import multiprocessing
import os
import signal
from typing import TYPE_CHECKING

import psycopg
import pytest
from each_statement import before_each

from reconciler.client import Reconciler
from reconciler.embedded import EmbeddedServer

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.model.plan import Statement

pytestmark = pytest.mark.one_server

BEFORE = "create table kept (id int primary key, label text); create view labels as select label from kept;"
AFTER = """
create type mood as enum ('calm', 'glad');
create table kept (id bigint primary key, label text not null default '', feeling mood);
create view labels as select label, feeling from kept;
create table added (id int primary key, kept bigint references kept (id));
create index added_kept on added (kept);
"""


def _killed_client(url: str, position: int) -> None:
    def progress(at: int, _statement: Statement) -> None:
        if at == position:
            os.kill(os.getpid(), signal.SIGKILL)

    with Reconciler(url) as reconciler:
        reconciler.migrate(AFTER, on_event=before_each(progress), allow_data_loss=True)


def _stopped_server(url: str, position: int) -> None:
    def progress(at: int, _statement: Statement) -> None:
        if at == position:
            with psycopg.connect(url, autocommit=True) as connection:
                row = connection.execute("select pg_read_file('postmaster.pid')").fetchone()
            assert row is not None
            os.kill(int(str(row[0]).splitlines()[0]), signal.SIGQUIT)

    with Reconciler(url) as reconciler:
        reconciler.migrate(AFTER, on_event=before_each(progress), allow_data_loss=True)


def _in_a_process(target: object, url: str, position: int) -> int:
    process = multiprocessing.get_context("spawn").Process(target=target, args=(url, position))
    process.start()
    process.join()
    return process.exitcode or 0


def _prepare(url: str) -> int:
    """The first state, with a row; gives how many statements lead to the second one."""
    with Reconciler(url) as reconciler:
        reconciler.migrate(BEFORE)
        count = len(reconciler.plan(AFTER).plan.statements)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("insert into public.kept values (1, 'one')")
    return count


def _assert_nothing_happened(url: str) -> None:
    with Reconciler(url) as reconciler:
        assert reconciler.check(BEFORE).plan.is_empty
        assert [entry.idx for entry in reconciler.history()] == [0]


def _assert_the_next_run_succeeds(url: str) -> None:
    with Reconciler(url) as reconciler:
        assert reconciler.migrate(AFTER, allow_data_loss=True).idx == 1
        assert reconciler.check(AFTER).plan.is_empty
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute("select id, label from public.kept").fetchall() == [(1, "one")]


def test_a_killed_client_leaves_nothing_behind(database: str) -> None:
    count = _prepare(database)
    assert count >= 5
    for position in range(1, count + 1):
        assert _in_a_process(_killed_client, database, position) == -signal.SIGKILL
        _assert_nothing_happened(database)
    _assert_the_next_run_succeeds(database)


def test_a_server_that_stops_at_once_leaves_nothing_behind(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with EmbeddedServer(data) as server:
        url = server.url
        count = _prepare(url)
    for position in range(1, count + 1):
        with EmbeddedServer(data) as server:
            assert _in_a_process(_stopped_server, server.url, position) == 1
        with EmbeddedServer(data) as server:
            _assert_nothing_happened(server.url)
    with EmbeddedServer(data) as server:
        _assert_the_next_run_succeeds(server.url)
