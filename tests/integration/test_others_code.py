"""What others have made in a managed schema runs with their rights or not at all, whoever looks, plans and rehearses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from reconciler import Options, Reconciler
from reconciler.options import Proof

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.embedded import EmbeddedServer


# She may create in the managed schema, and everything in it is hers: each of these once called a harmless function.
HERS = """
    create function public.inner_evil() returns int language sql as 'select 1';
    create function public.evil(int) returns int language plpgsql immutable as 'begin return 1; end';
    create function public.evil_trigger() returns trigger language plpgsql as 'begin return new; end';
    create domain public.checked as int check (public.evil(value) > 0);
    create table public.hers (
        id int primary key,
        x int default public.evil(2) check (public.evil(1) > 0),
        c public.checked,
        g int generated always as (x + public.evil(3)) stored
    );
    insert into public.hers values (1, 1, 1), (2, 2, 2);
    create index on public.hers ((x + public.evil(4)));
    create index on public.hers (x) where public.evil(5) > x;
    create statistics public.stats on (x + public.evil(6)), id from public.hers;
    create table public.parts (x int) partition by list (public.evil(x));
    create table public.part_1 partition of public.parts for values in (1);
    insert into public.parts values (7);
    create index on public.parts ((public.evil(7)));
    create view public.seen as select public.evil(8) as n from public.hers;
    create materialized view public.filled as select public.evil(9) as n from public.hers;
    create trigger hers before insert or update on public.hers for each statement execute function public.evil_trigger();
    create operator public.=== (leftarg = int, rightarg = int, function = int4eq);
    create function public.as_text(public.hers) returns text language sql immutable as $$ select public.evil(1)::text $$;
    create cast (public.hers as text) with function public.as_text(public.hers);
"""
EVIL = """
    create or replace function public.inner_evil() returns int language plpgsql as $$
    begin
        raise log 'mallory runs as %', current_user;
        begin
            alter role mallory superuser;
            raise log 'mallory took %', 'superuser';
        exception when insufficient_privilege then
        end;
        return 1;
    end $$;
    create or replace function public.evil(int) returns int language plpgsql immutable as
        $$ begin return (select public.inner_evil()); end $$;
    create or replace function public.evil_trigger() returns trigger language plpgsql as
        $$ begin perform public.inner_evil(); return new; end $$;
"""
OURS = "create table public.ours (id int primary key, n int);"


@pytest.fixture
def mallory(database: str, server: EmbeddedServer) -> Iterator[psycopg.Connection]:
    """A superuser's connection to a database in which the role mallory has made what she likes."""
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("create role mallory login password 'x'; create role deploy login createdb password 'x'")
        admin.execute("grant create on schema public to mallory")
        try:
            _as_mallory(admin, HERS)
            _as_mallory(admin, EVIL)
            yield admin
        finally:
            admin.execute(sql.SQL("alter database {} owner to current_user").format(sql.Identifier(admin.info.dbname)))
            admin.execute("drop owned by mallory cascade; drop owned by deploy cascade")
            admin.execute("drop role mallory; drop role deploy")


def _as_mallory(admin: psycopg.Connection, text: str) -> None:
    admin.execute("set role mallory")
    admin.execute(text.encode())
    admin.execute("reset role")


def _ran_as(server: EmbeddedServer, since: int) -> set[str]:
    """The roles as which her code ran, from a position in the server's log on."""
    with server.log_file.open("rb") as log:
        log.seek(since)
        lines = log.read().decode(errors="replace").splitlines()
    return {line.rpartition(" ")[2] for line in lines if "LOG:  mallory" in line}


@pytest.mark.parametrize("proof", [Proof.SCHEMA, Proof.ROWS])
@pytest.mark.parametrize("scratch", ["schema", "database"])
def test_what_is_hers_runs_as_her_in_a_rehearsal(
    scratch: str, proof: Proof, database: str, mallory: psycopg.Connection, server: EmbeddedServer
) -> None:
    since = server.log_file.stat().st_size
    options = Options(scratch=scratch, proof=proof)
    with Reconciler(database, options=options) as reconciler:
        assert reconciler.migrate(OURS).idx == 0
        mallory.execute("insert into public.ours values (1, 1)")
        # Also where the plan is about a table of hers.
        planned = reconciler.plan(OURS + "create table public.hers (id int primary key, x int, y int default 5);")
        assert planned.plan.statements
    assert _ran_as(server, since) <= {"mallory"}
    assert mallory.execute("select rolsuper from pg_roles where rolname = 'mallory'").fetchone() == (False,)


@pytest.mark.parametrize("scratch", ["schema", "database"])
def test_what_is_hers_does_not_run_where_nobody_can_become_her(
    scratch: str, database: str, mallory: psycopg.Connection, server: EmbeddedServer
) -> None:
    if scratch == "database" and mallory.info.server_version < 150000:
        pytest.skip("until 14 the schema public of a temporary database is the superuser's, who alone grants on it")
    owner = sql.SQL("alter database {} owner to deploy").format(sql.Identifier(mallory.info.dbname))
    mallory.execute(owner)
    mallory.execute("alter schema public owner to deploy; grant create on schema public to mallory")
    since = server.log_file.stat().st_size
    dsn = make_conninfo(database, user="deploy", password="x")
    with Reconciler(dsn, options=Options(scratch=scratch)) as reconciler:
        planned = reconciler.plan(OURS)
        assert planned.plan.statements
        assert any("public.evil" in warning and "mallory" in warning for warning in planned.warnings)
    assert _ran_as(server, since) <= {"mallory"}


def test_nothing_of_hers_runs_before_a_plan_is_applied(
    database: str, mallory: psycopg.Connection, server: EmbeddedServer
) -> None:
    """What a check would call, to read a row or to print its key, is not called; that is said."""
    _as_mallory(
        mallory,
        """
        create type public.key as enum ('a', 'b');
        create function public.key_text(public.key) returns text language plpgsql immutable as
            $$ begin return public.evil(1)::pg_catalog.text; end $$;
        create cast (public.key as text) with function public.key_text(public.key) as implicit;
        """,
    )
    keys = "create table public.keyed (k public.key primary key, n int);"
    mallory.execute(keys.encode() + b"insert into public.keyed values ('a', null), ('b', 2)")
    mallory.execute("create table public.plain (n int)")
    mallory.execute("insert into public.plain values (1), (1)")
    since = server.log_file.stat().st_size
    source = (
        "create type public.key as enum ('a', 'b');"
        "create table public.keyed (k public.key primary key, n int not null);"
        "create table public.hers (id int primary key, x int not null);"
        "create table public.plain (n int unique);"
    )
    with Reconciler(database, options=Options(scratch="schema", allow=frozenset({"data_loss"}))) as reconciler:
        found = {finding.fact: finding for finding in reconciler.plan(source).findings if finding.fact is not None}
    assert _ran_as(server, since) <= {"mallory"}
    said = {str(fact): finding.message for fact, finding in found.items()}
    assert any("evil(integer) of role mallory" in message for fact, message in said.items() if "hers" in fact)
    assert any("duplicate key value" in message for fact, message in said.items() if "plain" in fact)
