"""What only looks changes nothing in the whole cluster, whatever a source tries and wherever it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from cluster_image import cluster_image
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from reconciler.cli.commands import run
from reconciler.client import Reconciler
from reconciler.errors import ReconcilerError, ScratchError, SourceError
from reconciler.model.hazards import HazardKind
from reconciler.options import Options, Proof

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from reconciler.embedded import EmbeddedServer

LIVE = """
create schema other;
create table other.log (id serial primary key, line text);
insert into other.log (line) values ('one'), ('two'), ('three');
create sequence other.counter;
select nextval('other.counter') from generate_series(1, 5);
create function other.bump() returns bigint language sql as $$ select nextval('other.counter') $$;
create view other.bumping as select other.bump() as n;
create extension dblink schema other;
create extension postgres_fdw schema other;
select lo_from_bytea(4711, 'kept');
create table public.users (id bigint primary key, name text);
insert into public.users values (1, 'one');
"""
RESET = "setval('other.log_id_seq', 1, false)"
NEXT = "nextval('other.counter')"
BUMP = f"create function f(int) returns int immutable language plpgsql as $$ begin perform {NEXT}; return 1; end $$;"
# What a source may try with sequences and rows of live: each by another way to have it run.
IN_THE_DATABASE = {
    "setval": f"select {RESET};",
    "nextval": f"select {NEXT};",
    "values": f"values ({NEXT});",
    "insert": "insert into other.log (line) values ('x');",
    "insert in with": "with x as (insert into other.log (line) values ('x') returning 1) select * from x;",
    "do": f"do $$ begin perform {RESET}; end $$;",
    "do, composed": f"do $$ begin execute 'sel' || 'ect {RESET.replace(chr(39), chr(39) * 2)}'; end $$;",
    "do, from a table": f"create table q (t text); insert into q values ($x$select {RESET}$x$);"
    " do $$ declare t text; begin select q.t into t from q; execute t; end $$;",
    "function": f"create function g() returns bigint language sql as $$ select {RESET} $$; select g();",
    "function of live": "select other.bump();",
    "view of live": "select * from other.bumping;",
    "procedure": f"create procedure g() language plpgsql as $$ begin perform {RESET}; end $$; call g();",
    "create table as": f"create table t as select {NEXT} as n;",
    "select into": f"select {NEXT} as n into t;",
    "materialized view": f"create materialized view m as select {NEXT} as n;",
    "default": f"create table t (n bigint default {NEXT}); insert into t default values;",
    "partition bound": "create table t (n bigint) partition by range (n);"
    f" create table t1 partition of t for values from ({NEXT}) to (1000000);",
    "check": f"{BUMP} create table t (n int check (n > f(1)));",
    "index": f"{BUMP} create table t (n int); create index on t (n) where n > f(1);",
    "added column": f"{BUMP} create table t (n int); alter table t add column m int default f(1);",
    "trigger": f"{BUMP} create function g() returns trigger language plpgsql as $$ begin new.n := f(1); return new; end $$;"
    " create table t (n int); create trigger g before insert on t for each row execute function g();"
    " insert into t values (1);",
    "view": f"create view v as select {NEXT} as n; create table t as table v;",
    "domain": f"{BUMP} create domain d as int check (f(value) > 0); do $$ declare x d := 1; begin end $$;",
    "operator": f"{BUMP} create operator !!! (rightarg = int, function = f); select !!! 1;",
    "rule": f"create table t (n int); create rule r as on insert to t do also select {NEXT}; insert into t values (1);",
    "event trigger": f"create function e() returns event_trigger language plpgsql as $$ begin perform {NEXT}; end $$;"
    " create event trigger e on ddl_command_end execute function e(); create table t (n int);",
    "table outside": f"alter table other.log add column n bigint default {NEXT};",
    "prepared": f"prepare p as select {RESET}; execute p;",
    "cursor": f"declare c cursor with hold for select {NEXT}; fetch c;",
    "explain": f"explain analyze select {RESET};",
    "path": "set search_path = other; select nextval('counter');",
    "quoted": """select pg_catalog."nextval"('other.counter');""",
    "escaped": """select U&"\\006eextval"('other.counter');""",
    "internal": "create function g(regclass, bigint) returns bigint language internal strict as 'setval_oid';"
    " select g('other.counter', 1);",
    "large object": "select lo_create(4712), lo_unlink(4711);",
    "advisory lock": "select pg_advisory_lock(4711);",
    "message": "select pg_logical_emit_message(false, 'a', 'b');",
    "notification": "do $$ begin notify heard; perform pg_notify('heard', 'x'); end $$;",
}
LATE = (
    "create table t (n int); create function late() returns trigger language plpgsql as $$ begin {late} return new;"
    " end $$; create constraint trigger late after insert on t deferrable initially deferred for each row"
    " execute function late();"
)
# What belongs to the whole cluster. `%I` and `%L` take what the test knows only when it runs.
IN_THE_CLUSTER = {
    "role": "do $$ begin create role looked; end $$;",
    "role, where it is not there": "do $$ begin if not exists (select from pg_roles where rolname = 'looked') then"
    " create role looked; end if; end $$;",
    "role, composed": "do $$ begin execute 'cre' || 'ate role looked'; end $$;",
    "role, in a function": "create function g() returns void language plpgsql as $$ begin create role looked; end $$;"
    " select g();",
    "role, in vain": "do $$ begin create role looked; raise exception 'no'; exception when others then null; end $$;",
    "setting of a role": "do $$ begin alter role bystander set work_mem = '77MB'; end $$;",
    "password": "do $$ begin alter role bystander password 'x'; end $$;",
    "membership": "do $$ begin grant pg_monitor to bystander; end $$;",
    "drop of a role": "do $$ begin drop role bystander; end $$;",
    "setting of the database": "do $$ begin execute 'alter database {live} set work_mem = ''77MB'''; end $$;",
    "owner of the database": "do $$ begin execute 'alter database {live} owner to bystander'; end $$;",
    "comment on the database": "do $$ begin execute 'comment on database {live} is ''x'''; end $$;",
    "grant on the database": "do $$ begin execute 'grant create on database {live} to bystander'; end $$;",
    "comment on a role": "do $$ begin comment on role bystander is 'x'; end $$;",
    "grant on a tablespace": "do $$ begin grant create on tablespace pg_default to bystander; end $$;",
    "slot": "select pg_create_physical_replication_slot('looked');",
    "slot, composed": "do $$ begin execute 'select pg_create_phys' || 'ical_replication_slot(''looked'')'; end $$;",
    "origin": "select pg_replication_origin_create('looked');",
    "reload": "select pg_reload_conf();",
    "reload, composed": "do $$ begin execute 'select pg_rel' || 'oad_conf()'; end $$;",
    "session": "select pg_terminate_backend({pid});",
    "session, composed": "do $$ begin execute 'select pg_term' || 'inate_backend({pid})'; end $$;",
    "statistics": "select pg_stat_reset_shared('bgwriter');",
    "file": "do $$ begin copy (select 1) to '{file}'; end $$;",
    "file, composed": "do $$ begin execute 'co' || 'py (select 1) to ''{file}'''; end $$;",
    "program": "do $$ begin copy (select 1) to program 'touch {file}'; end $$;",
    "large object in a file": "select lo_export(lo_from_bytea(0, 'x'), '{file}');",
    "connection": "create extension if not exists dblink; select dblink_exec('{dsn}', 'select {reset}');",
    "connection of live": "select other.dblink('{dsn}', 'select {reset}');",
    "foreign table": "create extension if not exists postgres_fdw; create server s foreign data wrapper postgres_fdw"
    " options (host '{host}', port '{port}', dbname '{dbname}');"
    " create user mapping for public server s options (user '{user}', password '{password}');"
    " create foreign table ft (id int, line text) server s options (schema_name 'other', table_name 'log');"
    " insert into ft values (99, 'x');",
    # What is done when the load is committed, by whoever commits it.
    "role, at the commit": LATE.format(late="create role looked;") + " insert into t values (1);",
    "role, later at the commit": LATE.format(
        late="set constraints all deferred; if new.n < 9 then insert into t values (new.n + 1);"
        " else create role looked; end if;"
    )
    + " insert into t values (1);",
    "role, in a cursor that stays": "create function g() returns int language plpgsql as $$ begin create role looked;"
    " return 1; end $$; declare c cursor with hold for select g();",
    "file, at the commit, composed": LATE.format(late="execute 'co' || 'py (select 1) to ''{{file}}''';")
    + " do $$ begin execute 'insert in' || 'to t values (1)'; end $$;",
    "session, in a cursor that stays, composed": "do $$ begin execute 'declare c cursor with hold for"
    " select pg_term' || 'inate_backend({pid})'; end $$;",
    "file, the second time, composed": "do $$ begin execute 'sel' || 'ect 1'; end $$;"
    " do $$ begin execute 'co' || 'py (select 2) to ''{file}'''; end $$;",
    "another role": "do $$ begin set role bystander; reset role; execute 'create role ' || 'looked'; end $$;",
}
CORPUS = {**IN_THE_DATABASE, **IN_THE_CLUSTER}
# What nothing outlasts: a notification goes with the transaction, an exception takes back what its block did, and a
# cursor is closed before the commit.
HARMLESS = {"notification", "role, in vain", "role, in a cursor that stays"}
# What would be done at the commit, which there is none of in scratch `schema`.
AT_COMMIT = {"role, at the commit"}


@pytest.fixture
def live(database: str) -> Iterator[str]:
    """A database with what sources reach for, beside what they may declare."""
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("create role bystander login password 'x'")
        admin.execute(LIVE.encode())
        yield database
        admin.execute("drop role bystander")


def _filled(source: str, live: str, pid: int, file: Path) -> str:
    """The source with what it can know only of a server that runs."""
    known = {key: str(value) for key, value in conninfo_to_dict(live).items()}
    known |= {"live": known["dbname"], "pid": str(pid), "file": str(file), "dsn": make_conninfo(live)}
    known["reset"] = RESET.replace("'", "''")
    for key, value in known.items():
        source = source.replace(f"{{{key}}}", value)
    return source


@pytest.mark.every_server
@pytest.mark.parametrize(
    "scratch",
    [
        "schema",
        pytest.param("auto", marks=pytest.mark.one_server),
        pytest.param("server", marks=pytest.mark.one_server),
    ],
)
def test_no_source_changes_anything_outside_of_scratch(
    scratch: str, live: str, make_database: Callable[[], str], server: EmbeddedServer, tmp_path: Path
) -> None:
    where = make_database() if scratch == "server" else scratch
    corpus = IN_THE_CLUSTER if scratch == "server" else CORPUS
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o777)  # the server's account is to be able to write there, so that it is seen when it does
    file = tmp_path / "written"
    said: dict[str, str] = {}
    options = Options(scratch=where, preflight=False, proof=Proof.OFF)
    with psycopg.connect(live, autocommit=True) as bystander, psycopg.connect(live, autocommit=True) as ours:
        bystander.execute("listen heard")
        # A run makes the scratch place, and what the server itself keeps of it.
        Reconciler(ours, options=options).plan("create table users (id bigint primary key, name text);")
        before = cluster_image(server.url)
        for name, source in corpus.items():
            text = _filled(source, live, bystander.info.backend_pid, file)
            try:
                Reconciler(ours, options=options).plan(f"create table users (id bigint primary key);\n{text}")
            except ReconcilerError as error:
                said[name] = error.message
        assert cluster_image(server.url) == before
        assert bystander.execute("select 1").fetchone() == (1,)
        assert [*bystander.notifies(timeout=0)] == []
        assert not file.exists()
    # Each is refused with its place, where it was not run in a place in which it could change nothing.
    refused = corpus.keys() if scratch == "schema" else IN_THE_CLUSTER.keys()
    refused -= HARMLESS if scratch == "server" else HARMLESS | AT_COMMIT
    assert refused <= said.keys()
    assert not [message for message in said.values() if not message.startswith("<string>:2: ")]


def test_no_command_that_looks_changes_anything(live: str, server: EmbeddedServer, tmp_path: Path) -> None:
    (tmp_path / "app.sql").write_text("create table users (id bigint primary key, name text not null);")
    (tmp_path / "seeds.sql").write_text(f"select {RESET};")
    source, seeds = str(tmp_path / "app.sql"), str(tmp_path / "seeds.sql")
    with Reconciler(live, options=Options(allow=frozenset(HazardKind))) as reconciler:
        reconciler.migrate("create table users (id bigint primary key, name text);")
    before = cluster_image(server.url)
    commands = [
        ["check"],
        ["check", source, seeds],
        ["plan", source, seeds],
        ["plan", source, "--scratch", "database"],
        ["plan", source, "--scratch", server.url],
        ["plan", source, "--proof", "rows", "--out", str(tmp_path / "plan.json")],
        ["apply", source, seeds, "--dry-run"],
        ["repair", source, "--revert", "--dry-run"],
        ["diff", source, source],
        ["diff", live, source],
        ["dump"],
        ["status"],
        ["history"],
        ["show", "0"],
    ]
    for command in commands:
        assert run([*command, "--dsn", live]) in {0, 2, 4}, command
    assert cluster_image(server.url) == before


@pytest.mark.two_servers
def test_a_role_with_rights_beyond_the_database_does_not_run_what_hides_what_it_does(
    live: str, server: EmbeddedServer, tmp_path: Path
) -> None:
    """Nor does one without them leave anything, but it runs what only declares."""
    declares = "do $$ begin execute 'create type' || ' t as enum (''a'')'; end $$;"
    settings = "select pg_catalog.set_config('search_path', '', false); create table public.users (id bigint);"
    hidden = {name: source for name, source in IN_THE_CLUSTER.items() if "composed" in name}
    file = tmp_path / "written"
    tmp_path.chmod(0o777)
    mending: list[str] = []
    with psycopg.connect(live, autocommit=True) as admin:
        admin.execute("create role deploy login createdb password 'x'; create role team; grant team to deploy")
        admin.execute(sql.SQL("grant create on database {} to deploy").format(sql.Identifier(admin.info.dbname)))
        dsn = make_conninfo(live, user="deploy", password="x")
        try:
            for right in (
                "alter role deploy replication",
                "alter role deploy createrole",
                "grant pg_execute_server_program to deploy",
                "grant pg_write_server_files to team",
                "grant pg_read_server_files to deploy",
                "",
            ):
                admin.execute(right.encode())
                before = cluster_image(server.url)
                options = Options(schemas=("app",), scratch="database", preflight=False, proof=Proof.OFF)
                with Reconciler(dsn, options=options) as reconciler:
                    for source in hidden.values():
                        with pytest.raises(SourceError):
                            reconciler.plan(_filled(source, live, admin.info.backend_pid, file))
                    if not right:
                        assert reconciler.plan(declares + settings).plan.statements
                        continue
                    with pytest.raises(SourceError, match="not run as role deploy, which has") as refused:
                        reconciler.plan(declares)
                assert cluster_image(server.url) == before
                assert not file.exists()
                mending.append(str(refused.value.hint).partition("without that (")[2].partition(")")[0])
                admin.execute(mending[-1].encode())
        finally:
            admin.execute("drop owned by deploy cascade; drop role deploy, team")
    assert len(mending) == 5


def test_no_event_trigger_takes_numbers_while_scratch_is_built_and_a_plan_rehearsed(
    live: str, server: EmbeddedServer
) -> None:
    counting = (
        "create function other.counting() returns event_trigger language plpgsql as $$ begin"
        " insert into other.log (line) values (tg_tag); end $$;"
        " create event trigger counting on ddl_command_end execute function other.counting();"
    )
    with psycopg.connect(live, autocommit=True) as admin:
        admin.execute(counting.encode())
        since_17 = admin.info.server_version >= 170000
    before = cluster_image(server.url)
    for scratch in ("schema", "auto", "database"):
        with Reconciler(live, options=Options(scratch=scratch)) as reconciler:
            if scratch == "schema" and not since_17:
                with pytest.raises(ScratchError, match=r"event trigger counting would fire, .* number"):
                    reconciler.plan("create table users (id bigint primary key, name text, n int);")
            else:
                assert reconciler.plan("create table users (id bigint primary key, name text, n int);").plan.statements
        assert cluster_image(server.url) == before, scratch
