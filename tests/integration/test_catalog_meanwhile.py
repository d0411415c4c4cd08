"""What is read while others change the schema: what they drop meanwhile is not there, and is no error."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler.catalog.snapshot_reader import read_snapshot
from reconciler.db.connections import connect
from reconciler.errors import DatabaseError
from reconciler.model.facts import FactId

if TYPE_CHECKING:
    from typing import LiteralString

    from reconciler.model.snapshot import Snapshot

pytestmark = pytest.mark.every_server

SCHEMA: LiteralString = """
create schema app;
create table app.stays (id int primary key);
create table app.goes (id int check (id > 0), n int default 3);
create table app.goes_too (id int, n int generated always as (id * 2) stored);
create index on app.goes_too ((n + 1));
create view app.seen as select id from app.goes_too;
"""


def _while_dropped(database: str, drop: LiteralString) -> Snapshot:
    """What is read while another session, which holds up the reading, drops and commits."""

    def read() -> Snapshot:
        with connect(database) as connection, connection.transaction():
            return read_snapshot(connection, ("app",), dependencies=True)

    with psycopg.connect(database) as others, psycopg.connect(database, autocommit=True) as watch:
        others.execute(drop)
        with ThreadPoolExecutor(1) as thread:
            found = thread.submit(read)
            while watch.execute("select from pg_locks where not granted").rowcount == 0 and not found.done():
                time.sleep(0.01)
            assert not found.done(), "the reading waits"
            others.commit()
            return found.result()


@pytest.mark.parametrize(
    "drop",
    ["drop table app.goes", "drop table app.goes_too cascade", "drop view app.seen"],
    ids=["a table with texts", "a table and its view", "a view"],
)
def test_what_others_drop_while_it_is_read_is_not_there(database: str, drop: LiteralString) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SCHEMA)
    found = _while_dropped(database, drop)
    assert FactId("table", ("app", "stays")) in found.facts
    with connect(database) as connection, connection.transaction():
        assert found.facts == read_snapshot(connection, ("app",)).facts


def test_what_cannot_be_read_is_told_and_leaves_the_callers_transaction_usable(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as others, connect(database) as connection:
        others.execute(SCHEMA)
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("select count(*) from pg_catalog.pg_class")
        others.execute("drop table app.goes")
        with pytest.raises(DatabaseError, match="cannot be read, tried 10 times") as caught:
            read_snapshot(connection, ("app",))
        assert "run the command again" in str(caught.value.hint)
        assert connection.execute("select 1").fetchone() == (1,)


def test_facts_and_what_they_need_are_of_one_moment(database: str) -> None:
    done = threading.Event()

    def come_and_go() -> None:
        with psycopg.connect(database, autocommit=True) as others:
            while not done.is_set():
                others.execute("create table app.staging (id int primary key)")
                time.sleep(0.02)
                others.execute("drop table app.staging")

    key, column = FactId("constraint", ("app", "staging", "staging_pkey")), FactId("column", ("app", "staging", "id"))
    with connect(database, autocommit=True) as connection, ThreadPoolExecutor(1) as thread:
        connection.execute("create schema app")
        coming = thread.submit(come_and_go)
        try:
            met, until = 0, time.monotonic() + 30
            while met < 20 and time.monotonic() < until:
                with connection.transaction():
                    found = read_snapshot(connection, ("app",), dependencies=True)
                if key in found.facts:
                    met += 1
                    assert column in found.dependencies[key]
        finally:
            done.set()
        coming.result()
    assert met, "no reading met the table"
