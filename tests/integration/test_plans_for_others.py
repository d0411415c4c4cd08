"""A plan's statements on a table of another role run what that role has made with its rights, or not at all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler import ApplyError, Options, ProofError, Reconciler
from reconciler.options import Proof, WhenBehind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.embedded import EmbeddedServer

pytestmark = pytest.mark.every_server

OPTIONS = Options(proof=Proof.OFF, allow=frozenset({"data_loss", "table_rewrite", "blocking_lock"}))
REHEARSED = replace(OPTIONS, scratch="database", proof=Proof.SCHEMA)
# Each of these once called nothing; then she has them try to become somebody else, now, and when all is committed.
INNER = """
    create function lib.inner_evil() returns int language sql as 'select 1';
    create table lib.bait (x int);
    create function lib.said() returns int language plpgsql as
        $$ begin raise log 'mallory runs as %', current_user; return 1; end $$;
    create function lib.late() returns trigger language plpgsql as $$ begin perform lib.said(); return new; end $$;
"""
ROUTINES = """
    create function public.evil(int) returns int language plpgsql immutable as
        $$ begin return (select lib.inner_evil()); end $$;
    create function public.noted() returns trigger language plpgsql as
        $$ begin perform lib.inner_evil(); return new; end $$;
    create domain public.checked as int check (public.evil(value) > 0);
"""
EVIL = """
    create or replace function lib.inner_evil() returns int language plpgsql as $$
    declare
        attack text;
    begin
        perform lib.said();
        foreach attack in array array[
            'reset role', 'set role none', 'set session authorization default', 'alter role mallory superuser',
            'set standard_conforming_strings = off',
            'declare hers cursor with hold for select lib.said()',
            'declare another cursor with hold for select pg_term' || 'inate_backend(pid) from pg_stat_activity'
                ' where application_name = ''bystander''',
            'create constraint trigger late after insert on lib.bait deferrable initially deferred'
                ' for each row execute function lib.late()', 'insert into lib.bait values (1)',
            'create function pg_temp.reconciler_run(text, text) returns int language sql as ''select public.evil(1)'''
        ] loop
            begin
                execute attack;
            exception when others then
            end;
        end loop;
        return 1;
    end $$;
"""
HERS = """
    create table public.hers (
        id int primary key,
        x {kind} default public.evil(2) check (public.evil(1) > 0){not_null},
        c public.checked,
        g int generated always as (id + public.evil(3)) stored{more}
    );
    create index hers_x on public.hers ((id + public.evil(4)));
    create trigger hers before update on public.hers for each row execute function public.noted();
"""
ROWS = "insert into public.hers (id, x, c) select i, i, 1 from generate_series(1, 3) i;"
CHANGES = {
    "a type": {"kind": "bigint"},
    "a check": {"more": ", constraint positive check (public.evil(id) > 0)"},
    "a value of a domain": {"more": ", d public.checked default 7"},
    "a default that is computed": {"more": ", d int default public.evil(9)"},
    "a generated column": {"more": ", d int generated always as (public.evil(id)) stored"},
    "not null": {"not_null": " not null"},
    "a unique key": {"more": ", unique (x)"},
}


def declaration(kind: str = "int", not_null: str = "", more: str = "") -> str:
    return ROUTINES + HERS.format(kind=kind, not_null=not_null, more=more)


@pytest.fixture
def mallory(database: str) -> Iterator[psycopg.Connection]:
    """A superuser's connection to a database in which all is declared and recorded, and belongs to mallory."""
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("create role mallory login")
        admin.execute("grant create on schema public to mallory")
        try:
            admin.execute("create schema lib authorization mallory; grant usage on schema lib to public")
            admin.execute("set role mallory")
            admin.execute(INNER.encode() + declaration().encode())
            admin.execute(ROWS.encode())
            admin.execute("reset role")
            yield admin
        finally:
            admin.execute("drop owned by mallory cascade; drop role mallory")


def _ran_as(server: EmbeddedServer, since: int) -> list[str]:
    with server.log_file.open("rb") as log:
        log.seek(since)
        lines = log.read().decode(errors="replace").splitlines()
    return [line.rpartition(" ")[2] for line in lines if "LOG:  mallory runs" in line]


def test_statements_on_her_table_run_her_code_as_her(
    database: str, mallory: psycopg.Connection, server: EmbeddedServer
) -> None:
    with Reconciler(database, options=OPTIONS) as reconciler:
        reconciler.migrate(declaration())
        mallory.execute("set role mallory")
        mallory.execute(EVIL.encode())
        mallory.execute("reset role")
        ran: set[str] = set()
        for name, change in CHANGES.items():
            for online in (False, True):
                since = server.log_file.stat().st_size
                reconciler.migrate(declaration(**change), options=replace(OPTIONS, online=online))
                as_whom = _ran_as(server, since)
                assert {*as_whom} <= {"mallory"}, name
                ran |= {name} if as_whom else set()
                reconciler.migrate(declaration(), options=replace(OPTIONS, when_behind=WhenBehind.APPLY))
        assert {"a check", "a type", "a default that is computed"} <= ran
    assert mallory.execute("select rolsuper from pg_roles where rolname = 'mallory'").fetchone() == (False,)


def test_rehearsals_of_statements_on_her_table_run_her_code_as_her(
    database: str, mallory: psycopg.Connection, server: EmbeddedServer
) -> None:
    """Also on a table of ours, which calls her functions."""
    ours = "create table public.ours (id int, x int{more});"
    with Reconciler(database, options=REHEARSED) as reconciler:
        reconciler.migrate(declaration() + ours.format(more=""))
        mallory.execute("set role mallory")
        mallory.execute(EVIL.encode())
        mallory.execute("reset role")
        ran: list[str] = []
        bystander = psycopg.connect(database, application_name="bystander", autocommit=True)
        for name, change in CHANGES.items():
            for proof in (Proof.SCHEMA, Proof.ROWS):
                since = server.log_file.stat().st_size
                more = change.get("more", "").replace("positive", "also_positive")
                source = declaration(**change) + ours.format(more=more)
                reconciler.plan(source, options=replace(REHEARSED, proof=proof))
                assert {*_ran_as(server, since)} <= {"mallory"}, name
                assert bystander.execute("select 1").fetchone() == (1,), name
                ran += _ran_as(server, since)
        bystander.close()
        mallory.execute("set role mallory")
        mallory.execute(EVIL.replace("'reset role'", "'alter function public.evil(int) security invoker'").encode())
        mallory.execute("reset role")
        since = server.log_file.stat().st_size
        with pytest.raises(ProofError, match="a routine of another role changed routines"):
            reconciler.plan(declaration(more=", d int default public.evil(9)"))
        assert {*_ran_as(server, since)} <= {"mallory"}
    assert ran


def test_functions_of_the_system_that_her_table_calls_do_not_run_as_us(
    database: str, mallory: psycopg.Connection
) -> None:
    """Nothing that is hers is called, but one of the system's that does more for who is more."""
    calls = "case when current_user <> 'mallory' then pg_terminate_backend((m || '')::int) else true end"
    parted = "create schema app; create table app.parted (n int, m {kind}) partition by list (n);"
    with psycopg.connect(database, autocommit=True) as bystander:
        mallory.execute(parted.format(kind="int").encode())
        mallory.execute(f"create table lib.part partition of app.parted (check ({calls})) for values in (1)".encode())
        mallory.execute("alter table lib.part owner to mallory; set role mallory")
        mallory.execute("insert into lib.part values (1, %s)", (bystander.info.backend_pid,))
        mallory.execute("reset role")
        for proof in (Proof.ROWS, Proof.OFF):
            options = replace(OPTIONS, schemas=("app",), scratch="database", proof=proof)
            with Reconciler(database, options=options) as reconciler, pytest.raises(ApplyError, match="role mallory"):
                reconciler.migrate(parted.format(kind="bigint"))
            assert bystander.execute("select 1").fetchone() == (1,)


def test_a_statement_on_tables_of_two_roles_is_refused(
    database: str, mallory: psycopg.Connection, server: EmbeddedServer
) -> None:
    """A partition of hers, of a table that belongs to the one who runs the plan."""
    parted = "create schema app; create table app.parted (n int, c public.checked{more}) partition by list (n);"
    part = "create table app.part partition of app.parted for values in (1);"
    with Reconciler(database, options=replace(OPTIONS, schemas=("app",))) as reconciler:
        reconciler.migrate(parted.format(more="") + part)
        mallory.execute("insert into app.part values (1, 1); alter table app.part owner to mallory")
        mallory.execute(EVIL.encode())
        since = server.log_file.stat().st_size
        with pytest.raises(ApplyError, match=r"table app\.part belongs to role mallory, .* rights") as refused:
            reconciler.migrate(parted.format(more=", u int default 5") + part)
        assert 'GRANT "mallory" TO' in str(refused.value)
    assert _ran_as(server, since) == []
