"""Plans at once, and who sits on a lock: waited for with words, or avoided; nothing outside is locked while we build."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler.client import Reconciler
from reconciler.errors import LockTimeoutError, ScratchError
from reconciler.model.plugins import lock_id
from reconciler.options import Options, Proof

if TYPE_CHECKING:
    from collections.abc import Generator

pytestmark = pytest.mark.one_server

SOURCE = "create table users (id bigint primary key);"


@contextmanager
def another_plan(database: str) -> Generator[int]:
    """Inside, a plan is being built in the live database; gives its process id."""
    wait = "while not pg_try_advisory_xact_lock(4711) loop perform pg_sleep(0.02); end loop;"
    source = f"{SOURCE} do $$ begin {wait} end $$;"

    def planned() -> None:
        with Reconciler(database, options=Options(scratch="schema")) as reconciler:
            reconciler.plan(source)

    with psycopg.connect(database, autocommit=True) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute("select pg_advisory_lock(4711)")
        plan = pool.submit(planned)
        waiting = None
        while waiting is None and not plan.done():
            waiting = holder.execute(
                "select pid from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"
            ).fetchone()
        try:
            assert waiting is not None
            yield int(waiting[0])
        finally:
            holder.execute("select pg_advisory_unlock(4711)")
            plan.result()


def test_a_second_plan_takes_a_database_or_waits_and_says_for_whom(database: str) -> None:
    with another_plan(database) as process:
        whom = f"process {process} of role postgres, reconciler, since "
        with Reconciler(database) as reconciler:
            scratch = reconciler.plan(SOURCE).scratch
        assert scratch.startswith(f"database: another plan is at work in schema public: {whom}")
        options = Options(scratch="schema", lock_timeout_ms=50, lock_retries=1)
        with Reconciler(database, options=options) as reconciler, pytest.raises(LockTimeoutError) as caught:
            reconciler.plan(SOURCE)
        assert caught.value.message.startswith("another run holds the lock of scratch in schema public, waited 0.1 s")
        assert whom in caught.value.message
        assert "canceling statement" not in caught.value.describe()
    with Reconciler(database, options=Options(scratch="schema")) as reconciler:
        assert reconciler.plan(SOURCE).plan.statements


def test_who_changes_the_schema_is_named(database: str) -> None:
    with psycopg.connect(database, application_name="the other") as other:
        other.execute("grant usage on schema public to pg_monitor")
        whom = f"process {other.info.backend_pid} of role postgres, the other, since "
        with Reconciler(database) as reconciler:
            assert reconciler.plan(SOURCE).scratch.startswith(f"database: schema public is being changed by {whom}")
        with (
            Reconciler(database, options=Options(scratch="schema")) as reconciler,
            pytest.raises(ScratchError, match="schema public cannot be renamed out of the way within 5 s") as caught,
        ):
            reconciler.plan(SOURCE)
        assert f"{whom}" in caught.value.message
        assert "grant usage on schema public to pg_monitor" in caught.value.message


@pytest.mark.parametrize("mode", ["pg_advisory_lock", "pg_advisory_lock_shared"])
@pytest.mark.parametrize("what", ["plugin default", "the ledger's own tables"])
def test_who_sits_on_a_lock_is_named_and_waited_for_only_so_long(database: str, what: str, mode: str) -> None:
    key = lock_id("default" if what.startswith("plugin") else "reconciler: the ledger itself")
    options = Options(lock_timeout_ms=50, lock_retries=1)
    with psycopg.connect(database, autocommit=True, application_name="mallory") as squatter:
        squatter.execute(f"select {mode}(%s)".encode(), (key,))
        squatter.execute("select 'secret' as still_here")
        process = squatter.info.backend_pid
        with Reconciler(database, options=options) as reconciler, pytest.raises(LockTimeoutError) as caught:
            reconciler.migrate(SOURCE)
    assert f"holds the lock of {what}" in caught.value.message
    assert f"process {process} of role postgres, mallory" in caught.value.message
    assert caught.value.message.partition(" (tried")[0].endswith(": select ...")
    assert "secret" not in caught.value.describe()
    # Writing the failure down is given up as early.
    notes = getattr(caught.value, "__notes__", [])
    assert len(notes) == (what == "the ledger's own tables")
    assert all("could not be recorded" in note and "waited 0.1 s" in note for note in notes)


def test_nothing_that_is_read_stays_locked_while_a_database_is_built(database: str) -> None:
    """The source and its rehearsal sleep, so that it can be seen what the session in live holds meanwhile."""
    with psycopg.connect(database, autocommit=True) as watcher:
        watcher.execute("create schema crm; create table crm.clients (id bigint primary key, name text)")
        watcher.execute("create view crm.names as select name from crm.clients")
        watcher.execute("create table public.users (id bigint primary key, client bigint references crm.clients)")
        watcher.execute("create view public.own as select id from public.users")
        held: set[str] = set()
        asleep = 0
        done = threading.Event()

        def watch() -> int:
            seen = 0
            while not done.is_set():
                rows = watcher.execute(
                    "select (select count(*) from pg_stat_activity where wait_event = 'PgSleep'), l.relation::regclass"
                    " from (select) x left join pg_locks l on l.locktype = 'relation' and l.relation >= 16384"
                    " and l.pid <> pg_backend_pid()"
                    " and l.database = (select oid from pg_database where datname = current_database())"
                ).fetchall()
                if rows[0][0]:
                    seen += 1
                    held.update(str(row[1]) for row in rows if row[1] is not None)
                time.sleep(0.02)
            return seen

        with ThreadPoolExecutor(1) as pool:
            watching = pool.submit(watch)
            try:
                with Reconciler(database, options=Options(scratch="database")) as reconciler:
                    reconciler.plan(f"{SOURCE} create materialized view slow as select pg_sleep(0.3)::text as n;")
            finally:
                done.set()
            asleep = watching.result()
    assert asleep
    assert held == set()


def test_a_source_that_names_a_table_outside_locks_it_nowhere(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create schema crm; create table crm.clients (id bigint primary key)")
        connection.execute("create function crm.plain(int) returns int immutable language sql as 'select $1'")
    outside = {
        "create table a (id int, client bigint references crm.clients);": "would lock crm.clients",
        "create view v as select id from crm.clients;": "would lock crm.clients",
        "create table a (like crm.clients);": "would lock crm.clients",
        "alter table crm.clients add column name text;": "changes crm.clients",
        "create index on crm.clients (id);": "changes crm.clients",
    }
    with Reconciler(database, options=Options(proof=Proof.OFF)) as reconciler:
        for source, why in outside.items():
            scratch = reconciler.plan(f"{SOURCE} {source}").scratch
            assert scratch == f"database: <string>:1 {why}, which is outside the managed schemas"
        plain = "create table a (id int check (id > crm.plain(1)), clients int); comment on table a is 'crm.clients';"
        assert reconciler.plan(plain).scratch.startswith("schema: ")
