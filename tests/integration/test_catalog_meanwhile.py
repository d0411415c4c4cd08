"""What is read while others change the schema: what they drop meanwhile is not there, and is no error."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler.catalog import snapshot_reader
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


def test_the_first_object_of_a_kind_that_comes_while_all_is_read_is_seen(database: str) -> None:
    def read() -> Snapshot:
        with connect(database) as connection, connection.transaction():
            return read_snapshot(connection, ("app",), dependencies=True)

    with psycopg.connect(database) as others, psycopg.connect(database, autocommit=True) as watch:
        watch.execute(SCHEMA)
        # Which kinds there are is looked up before the comments are read.
        others.execute("lock table pg_catalog.pg_description in access exclusive mode")
        others.execute("create type app.mood as enum ('sad')")
        with ThreadPoolExecutor(1) as thread:
            found = thread.submit(read)
            while watch.execute("select from pg_locks where not granted").rowcount == 0 and not found.done():
                time.sleep(0.01)
            assert not found.done(), "the reading waits"
            others.commit()
            assert FactId("enum", ("app", "mood")) in found.result().facts


# The least that makes one object of each kind that a database may be without.
ONE_OF_EACH: dict[str, LiteralString] = {
    "access_method": "create access method heap2 type table handler heap_tableam_handler",
    "aggregate": "create aggregate app.total (int) (sfunc = int4pl, stype = int)",
    "base_type": "create type app.shell",
    "cast": "create cast (text as date) with inout",
    "collation": 'create collation app.plain from "C"',
    "column": "create view app.empty as select 1 as one",
    "composite_type": "create type app.pair as (a int)",
    "constraint": "create domain app.positive as int check (value > 0)",
    "conversion": "create conversion app.latin for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8",
    "database_setting": "do $$ begin execute format('alter database %I set work_mem = 64', current_database()); end $$",
    "default_privileges": "alter default privileges in schema app grant select on tables to public",
    "domain": "create domain app.text_like as text",
    "enum without a value": "create type app.nothing as enum ()",
    "event_trigger": (
        "create function public.f() returns event_trigger language plpgsql as 'begin end';"
        " create event trigger told on ddl_command_end execute function public.f()"
    ),
    "extension": "drop extension plpgsql; create extension plpgsql",
    "foreign_data_wrapper": "create foreign data wrapper files",
    "foreign_server": (
        "create foreign data wrapper files; create server there foreign data wrapper files;"
        " create user mapping for public server there"
    ),
    "function": "create function app.one() returns int language sql as 'select 1'",
    "inheritance": "create table app.parent (a int not null); create table app.child () inherits (app.parent)",
    "language": "create language other handler plpgsql_call_handler",
    "operator": "create operator app.=== (leftarg = int, rightarg = int, function = int4eq)",
    "operator_class": (
        "create operator class app.ints for type int using hash as operator 1 =, function 1 hashint4(int)"
    ),
    "operator_family": "create operator family app.family using btree",
    "partitions": (
        "create table app.whole (a int primary key) partition by range (a);"
        " create table app.part partition of app.whole default"
    ),
    "policy": "create table app.t (); create policy all_rows on app.t",
    "publication": "create publication everything for all tables",
    "range_type": "create type app.span as range (subtype = int)",
    "role_setting": (
        "do $$ begin execute format('alter role %I in database %I set work_mem = 64', current_user, current_database());"
        " end $$"
    ),
    "rule": "create table app.t (); create rule nothing as on delete to app.t do instead nothing",
    "sequence": "create sequence app.counter",
    "serial": "create table app.t (a serial)",
    "statistics": "create table app.t (a int, b int); create statistics app.both on a, b from app.t",
    "subscription": (
        "create subscription s connection 'dbname=none' publication p with (connect = false, slot_name = none)"
    ),
    "table": "create table app.t ()",
    "text_search_configuration": "create text search configuration app.words (parser = pg_catalog.default)",
    "text_search_dictionary": "create text search dictionary app.words (template = pg_catalog.simple)",
    "text_search_parser": (
        "create text search parser app.words (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end,"
        " lextypes = prsd_lextype)"
    ),
    "text_search_template": "create text search template app.words (lexize = dsimple_lexize)",
    "transform": "create transform for int language sql (from sql with function prsd_lextype(internal))",
    "trigger": (
        "create table app.t (); create function app.f() returns trigger language plpgsql as 'begin return new; end';"
        " create trigger told before insert on app.t execute function app.f()"
    ),
    "index": "create table app.t (a int default 1); create index on app.t (a)",
    "view": "create view app.one as select 1",
}


@pytest.mark.one_server  # the catalogs that it asks are the same in each version
def test_no_query_is_left_out_that_would_have_rows(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = dict.fromkeys((*snapshot_reader.QUERIES, "dependency"))
    with connect(database, autocommit=True) as connection:
        connection.execute("create schema app")
        for kind, text in ONE_OF_EACH.items():
            with connection.transaction(force_rollback=True):
                connection.execute(text)
                found = read_snapshot(connection, ("app",), dependencies=True)
                with monkeypatch.context() as patch:
                    patch.setattr(snapshot_reader, "_conditions", lambda: everything)
                    assert found == read_snapshot(connection, ("app",), dependencies=True), kind
                assert len(found.facts) > 2, kind


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
