"""The three scratch places: the same plan from each, nothing left behind, live untouched."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from reconciler.client import Reconciler
from reconciler.diff.drift import State
from reconciler.embedded import EmbeddedServer
from reconciler.errors import ReconcilerError, ScratchError, SourceError
from reconciler.model.facts import DATABASE_WIDE_KINDS, FactId
from reconciler.model.hazards import HazardKind
from reconciler.options import Options, WhenBehind
from reconciler.scratch.stubs import stub_roles

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import LiteralString

    from reconciler.results import PlanResult

SOURCE = """
create type mood as enum ('calm', 'glad');
create table users (id bigint generated always as identity primary key, name text not null, m mood default 'calm');
create table posts (id serial primary key, author bigint references users (id), body text check (body <> ''));
create index posts_author on posts (author) where author is not null;
create view authors as select u.name, count(*) from users u join posts p on p.author = u.id group by u.name;
create function stamp() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger stamp before insert on users for each row execute function stamp();
alter table users enable row level security;
create policy own on users using (name = current_user);
comment on table users is 'people';
"""
LIVE = "create table users (id int primary key, name text, old text); create view names as select name from users;"


def databases_like(url: str, pattern: str) -> list[str]:
    with psycopg.connect(url, autocommit=True) as connection:
        query = "select datname from pg_database where datname like %s order by 1"
        return [row[0] for row in connection.execute(query, [pattern]).fetchall()]


@pytest.mark.parametrize("plugin", ["default", "shop"])
def test_the_same_plan_comes_out_of_all_three(database: str, make_database: Callable[[], str], plugin: str) -> None:
    elsewhere = make_database()
    with psycopg.connect(database, autocommit=True) as connection:
        schema = "public" if plugin == "default" else "shop"
        connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))
        connection.execute(sql.SQL("set search_path = {}").format(sql.Identifier(schema)))
        connection.execute(LIVE)
    plans = {}
    for scratch in ("schema", "database", elsewhere):
        with Reconciler(database, options=Options(scratch=scratch)) as reconciler:
            plans[scratch] = reconciler.plan(SOURCE, plugin=plugin)
    assert plans[elsewhere].plan.sql == plans["schema"].plan.sql
    assert plans["database"].plan.sql == plans["schema"].plan.sql
    assert len({planned.plan.goal_fingerprint for planned in plans.values()}) == 1
    assert plans["schema"].scratch.startswith("schema: ")
    assert databases_like(database, "reconciler\\_scratch\\_%") == []


@pytest.mark.smoke
def test_a_plan_leaves_live_as_it_was(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(LIVE)
        before = connection.execute("select array_agg(oid || nspname order by oid) from pg_namespace").fetchone()
        with Reconciler(database, options=Options(scratch="schema")) as reconciler:
            reconciler.plan(SOURCE)
        assert (
            connection.execute("select array_agg(oid || nspname order by oid) from pg_namespace").fetchone() == before
        )


@pytest.mark.parametrize("escape", ["do $$ begin commit; end $$", "call leave()"])
@pytest.mark.smoke
def test_a_source_cannot_commit_its_way_out(database: str, escape: str) -> None:
    source = (
        f"create procedure leave() language plpgsql as $$ begin commit; end $$; create table escaped (a int); {escape};"
    )
    with Reconciler(database, options=Options(scratch="schema")) as reconciler, pytest.raises(SourceError):
        reconciler.plan(source)
    with psycopg.connect(database, autocommit=True) as connection:
        row = connection.execute("select to_regclass('public.escaped')").fetchone()
    assert row == (None,)


def planned_while(database: str, source: str, theirs: LiteralString) -> PlanResult:
    """What is planned from the source while others commit `theirs`, after the source has run and before it is read."""
    source = f"{source} do $$ begin perform pg_advisory_xact_lock(4711); end $$;"

    def planned() -> PlanResult:
        with Reconciler(database, options=Options(scratch="schema")) as reconciler:
            return reconciler.plan(source)

    with psycopg.connect(database, autocommit=True) as others, ThreadPoolExecutor(1) as thread:
        others.execute("select pg_advisory_lock(4711)")
        plan = thread.submit(planned)
        waits: LiteralString = "select from pg_locks where locktype = 'advisory' and objid = 4711 and not granted"
        while others.execute(waits).rowcount == 0 and not plan.done():
            time.sleep(0.01)
        others.execute(theirs)
        others.execute("select pg_advisory_unlock(4711)")
        return plan.result()


def test_a_schema_that_others_make_meanwhile_is_not_the_sources(database: str) -> None:
    source = "create schema mine; create table mine.t (id int);"
    goal = planned_while(database, source, "create schema theirs; create table theirs.t (id int)").goal
    assert "mine" in goal.record.schemas
    assert not [fact for fact in (*goal.record.facts, *goal.snapshot.facts) if "theirs" in fact.name]
    with Reconciler(database) as reconciler:
        reconciler.migrate(source)
        assert reconciler.plan(source).plan.is_empty


def test_what_others_make_in_the_whole_database_meanwhile_is_not_the_sources(database: str) -> None:
    theirs: LiteralString = """
        create extension citext;
        create extension postgres_fdw;
        create server away foreign data wrapper postgres_fdw;
        comment on server away is 'theirs';
        create publication news;
        alter default privileges grant select on tables to public;
        do $$ begin execute format('alter database %I set work_mem = %L', current_database(), '8MB'); end $$
    """
    source = "create schema mine; create table mine.t (id int); create extension hstore;"
    goal = planned_while(database, source, theirs).goal
    wide = {fact for fact in goal.snapshot.facts if goal.snapshot.object_of(fact).kind in DATABASE_WIDE_KINDS}
    assert {goal.snapshot.object_of(fact) for fact in wide - goal.kept} == {FactId("extension", ("hstore",))}
    kinds = {"extension", "foreign_server", "comment", "publication", "default_privileges", "database_setting"}
    assert {fact.kind for fact in wide & goal.kept} >= kinds


def test_an_abandoned_database_is_swept_and_one_in_use_is_not(database: str) -> None:
    options = Options(scratch="database")
    with Reconciler(database, options=options) as reconciler, psycopg.connect(database, autocommit=True) as admin:
        prefix = _prefix_of(reconciler, database)
        for name in ("abandoned", "in_use"):
            admin.execute(sql.SQL("create database {}").format(sql.Identifier(prefix + name)))
            admin.execute(sql.SQL("create role {}").format(sql.Identifier(prefix + name)))
        with psycopg.connect(make_conninfo(database, dbname=prefix + "in_use")):
            reconciler.plan(SOURCE)
            assert databases_like(database, prefix.replace("_", "\\_") + "%") == [prefix + "in_use"]
            roles = admin.execute("select rolname from pg_roles where starts_with(rolname::text, %s)", [prefix])
            assert roles.fetchall() == [(prefix + "in_use",)]
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(prefix + "in_use")))
        admin.execute(sql.SQL("drop role {}").format(sql.Identifier(prefix + "in_use")))


def _prefix_of(reconciler: Reconciler, url: str) -> str:
    from reconciler.diff.goal import Scope
    from reconciler.scratch.database import DatabaseScratch

    scratch = DatabaseScratch(reconciler.connection, admin_dsn=url, scope=Scope(), why="a test")
    with reconciler.connection.transaction(), scratch.fresh() as place:
        name = place.connection.info.dbname
    return name[: -len("0123456789abcdef")]


def test_a_role_that_may_only_read_can_check_with_a_scratch_elsewhere(
    database: str, make_database: Callable[[], str]
) -> None:
    role = "reconciler_reader_of_scratch"
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(role)))
        admin.execute(sql.SQL("create role {} login password 'read'").format(sql.Identifier(role)))
        try:
            with Reconciler(database) as owner:
                owner.migrate(SOURCE)
            admin.execute(sql.SQL("grant usage on schema migrations to {}").format(sql.Identifier(role)))
            admin.execute(sql.SQL("grant select on all tables in schema migrations to {}").format(sql.Identifier(role)))
            admin.execute("alter table public.users add column by_hand int")
            reader = make_conninfo(database, user=role, password="read")
            with (
                Reconciler(reader) as reconciler,
                pytest.raises(ScratchError, match="cannot be renamed out of the way"),
            ):
                reconciler.check(SOURCE)
            with Reconciler(reader, options=Options(scratch=make_database())) as reconciler:
                drifted = reconciler.check(SOURCE).of(State.DRIFTED)
            assert [state.object.key for state in drifted] == ["table:public.users"]
        finally:
            admin.execute(sql.SQL("drop owned by {0}; drop role {0}").format(sql.Identifier(role)))


def test_all_schemas_need_a_database_of_their_own(database: str) -> None:
    options = Options(all_schemas=True, scratch="schema")
    with Reconciler(database, options=options) as reconciler, pytest.raises(ReconcilerError, match="whole database"):
        reconciler.plan(SOURCE)


TOLD = "create function told() returns event_trigger language plpgsql as $$ begin end $$;"
SERVED = "create foreign data wrapper w;"


@pytest.mark.parametrize("scratch", ["auto", "database"])
@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("create schema app; create table app.a (id int);", "create schema app; create table app.b (id int);"),
        ("create table a (id int primary key); create publication p for table a;", "create table a (id int);"),
        (
            f"{SERVED} create server s foreign data wrapper w;",
            f"{SERVED} create server s version '2' foreign data wrapper w;",
        ),
        (f"{TOLD} create event trigger e on sql_drop execute function told();", f"{TOLD} create table b ();"),
    ],
    ids=["schema", "publication", "server", "event trigger"],
)
def test_what_stands_outside_the_managed_schemas_can_be_declared_again(
    database: str, source: str, changed: str, scratch: str
) -> None:
    options = Options(scratch=scratch, allow=frozenset(HazardKind), when_behind=WhenBehind.APPLY)
    with Reconciler(database, options=options) as reconciler:
        reconciler.migrate(source)
        assert reconciler.plan(source).plan.sql == ""
        reconciler.migrate(changed)
        assert reconciler.plan(changed).plan.sql == ""
        reconciler.migrate(source)
        assert reconciler.plan(source).plan.sql == ""


def test_what_the_source_no_longer_makes_in_a_schema_of_its_own_is_dropped(database: str) -> None:
    with Reconciler(database, options=Options(allow=frozenset(HazardKind))) as reconciler:
        reconciler.migrate("create schema app; create table app.a (id int);")
        assert reconciler.plan("create table b ();").plan.sql.splitlines() == [
            'DROP TABLE "app"."a";',
            'CREATE TABLE "public"."b" ();',
        ]


def test_the_publications_of_others_keep_the_managed_tables(database: str) -> None:
    source = "create table a (id int primary key); create table b (id int);"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"{source} create publication p for table a, b".encode())
    for scratch in ("schema", "database"):
        with Reconciler(database, options=Options(scratch=scratch)) as reconciler:
            assert reconciler.plan(source).plan.sql == ""
            reconciler.adopt(source)
            assert reconciler.plan("create table a (id int primary key);").plan.sql == 'DROP TABLE "public"."b";\n'


def test_what_needs_a_managed_thing_does_not_hinder_a_temporary_database(database: str) -> None:
    source = "create table a (id int primary key); create type mood as enum ('glad');"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(source.encode())
        connection.execute("create schema other; create view other.v as select id from public.a")
        connection.execute(
            "create table other.t (id int references public.a, m public.mood); create view other.w as table other.t"
        )
    with Reconciler(database, options=Options(scratch="database")) as reconciler:
        assert reconciler.plan(source).plan.sql == ""


def test_without_the_right_to_another_database_the_error_says_what_to_do(database: str) -> None:
    source = "create table a (id int primary key); create publication p for table a;"
    with Reconciler(database, options=Options(allow=frozenset(HazardKind))) as reconciler:
        reconciler.migrate(source)
    with (
        Reconciler(database, options=Options(scratch="schema")) as reconciler,
        pytest.raises(SourceError, match='publication "p" already exists') as caught,
    ):
        reconciler.plan(source)
    assert "--scratch database" in str(caught.value.hint)


@pytest.mark.parametrize("kind", ["database", "server"])
def test_nobody_else_comes_into_a_temporary_database(
    database: str, make_database: Callable[[], str], kind: str
) -> None:
    """A role that only logs in tries again and again: what it could make there would run with our rights."""
    scratch = "database" if kind == "database" else make_database()
    tried = threading.Event()
    done = threading.Event()
    entered: list[str] = []

    def intrude() -> None:
        with psycopg.connect(database, autocommit=True, user="mallory", password="x") as watcher:
            attempts = 0
            while not done.is_set():
                rows = watcher.execute("select datname from pg_database where datname like 'reconciler\\_scratch%'")
                for (name,) in rows.fetchall():
                    try:
                        psycopg.connect(make_conninfo(database, user="mallory", password="x", dbname=name)).close()
                        entered.append(name)
                    except psycopg.OperationalError:
                        attempts += 1
                if attempts >= 5:
                    tried.set()

    with psycopg.connect(database, autocommit=True) as admin:
        if not admin.execute("select 1 from pg_roles where rolname = 'mallory'").fetchone():
            admin.execute("create role mallory login password 'x'")
        with ThreadPoolExecutor(1) as pool:
            intruder = pool.submit(intrude)
            try:
                with Reconciler(database, options=Options(scratch=scratch)) as reconciler:
                    while not tried.is_set() and not entered and not intruder.done():
                        reconciler.plan(SOURCE)
            finally:
                done.set()
            intruder.result()
    assert entered == []


def test_who_logs_in_with_less_rights_than_it_works_with_reaches_its_temporary_database(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(
            "create role scratch_group createdb; create role scratch_login login password 'x' noinherit in role scratch_group"
        )
        admin.execute("alter role scratch_login set role = 'scratch_group'")
        try:
            with psycopg.connect(database, user="scratch_login", password="x") as connection:
                admin.execute(
                    sql.SQL("grant create on database {} to scratch_group").format(
                        sql.Identifier(connection.info.dbname)
                    )
                )
            with Reconciler(
                make_conninfo(database, user="scratch_login", password="x"), options=Options(scratch="database")
            ) as reconciler:
                assert reconciler.plan("create table t (a int)", plugin="mine").plan.statements
        finally:
            admin.execute("drop owned by scratch_group, scratch_login; drop role scratch_login, scratch_group")


@pytest.mark.one_server
def test_roles_that_another_server_lacks_do_not_stay_there(database: str) -> None:
    """Also not those of a run that crashed; a role that somebody uses by now is left to him."""
    with EmbeddedServer(None, settings={"fsync": "off"}) as elsewhere, psycopg.connect(database) as admin:
        admin.execute("create role stubbed_app; create role stubbed_reader")
        admin.commit()
        try:
            with psycopg.connect(elsewhere.url, autocommit=True) as other:
                roles = "select array_agg(rolname::text order by 1) from pg_roles where rolname !~ '^pg_'"
                before = other.execute(roles).fetchone()
                source = (
                    "create table a (id int); alter table a owner to stubbed_app; grant select on a to stubbed_reader;"
                )
                with Reconciler(database, options=Options(scratch=elsewhere.url)) as reconciler:
                    assert reconciler.plan(source).plan.statements
                    assert other.execute(roles).fetchone() == before
                    stub_roles(other, reconciler.connection)
                    other.execute("create table kept (); alter table kept owner to stubbed_app")
                    assert reconciler.plan(source).plan.statements
                left = other.execute(roles).fetchone()
                assert before is not None
                assert left == ([*before[0], "stubbed_app"],)
        finally:
            admin.execute("drop role stubbed_app; drop role stubbed_reader")
            admin.commit()
