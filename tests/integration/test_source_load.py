"""Sources loaded into real databases, in a transaction and in autocommit."""

from __future__ import annotations

import logging
import random
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from metadata import full_metadata
from psycopg.rows import dict_row

from reconciler.errors import SourceError
from reconciler.source.loader import LoadReport, load
from reconciler.source.reading import source_from_object, source_from_text
from reconciler.source.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.embedded import EmbeddedServer

pytestmark = pytest.mark.one_server

BOTH = pytest.mark.parametrize("transactional", [True, False], ids=["transaction", "autocommit"])


@pytest.fixture
def scratch(database: str, transactional: bool) -> Iterator[psycopg.Connection]:
    """A connection in the state that `load(transactional=...)` wants."""
    with psycopg.connect(database, autocommit=not transactional) as connection:
        yield connection
        if not connection.closed:
            connection.rollback()


def loaded(connection: psycopg.Connection, source: Source | str) -> LoadReport:
    made = source_from_text(source, "a.sql") if isinstance(source, str) else source
    return load(connection, made, transactional=not connection.autocommit)


def refusal(connection: psycopg.Connection, source: Source | str) -> SourceError:
    with pytest.raises(SourceError) as caught:
        loaded(connection, source)
    return caught.value


def tables(connection: psycopg.Connection) -> list[str]:
    found = connection.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    return sorted(name for (name,) in found)


def setting(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


@BOTH
def test_statements_run_in_their_order(scratch: psycopg.Connection) -> None:
    report = loaded(scratch, "create table a(b int); alter table a rename to c; create table d();")
    assert tables(scratch) == ["c", "d"]
    assert report == LoadReport(statements=3, rounds=1)


@BOTH
def test_by_which_index_a_table_is_clustered_can_be_said_with_cluster(scratch: psycopg.Connection) -> None:
    loaded(
        scratch,
        "CREATE TABLE t (a int); CREATE INDEX first ON t (a); CREATE INDEX last ON t (a); CLUSTER t USING last;",
    )
    found = scratch.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE indisclustered").fetchall()
    assert found == [("last",)]


@BOTH
def test_nothing_is_interpreted_on_the_way(scratch: psycopg.Connection) -> None:
    loaded(scratch, "create table a(b text default '100%s %(x)s {y} \\n é 🐘'); comment on table a is '%';")
    row = scratch.execute("SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef").fetchone()
    assert row == ("'100%s %(x)s {y} \\n é 🐘'::text",)


@BOTH
def test_statements_in_the_wrong_order_are_loaded_after_what_they_need(scratch: psycopg.Connection) -> None:
    source = """
        create view "My View" as select b.* from f(1), "Base" b where b.kind = 'x'::app.kind;
        create trigger t before insert on "Base" execute function app.on_insert();
        alter table "Base" add constraint fk foreign key (id) references other(id);
        create index on "Base" (lower(note));
        create table "Base"(id int, kind app.kind);
        alter table other add primary key (id);
        create table other(id int);
        alter table "Base" add column note text;
        create function f(a int) returns setof "Base" begin atomic select * from "Base"; end;
        create function app.on_insert() returns trigger language plpgsql as 'begin return new; end';
        create type app.kind as enum ('x');
        create schema app;
    """
    report = loaded(scratch, source)
    assert tables(scratch) == ["Base", "other"]
    assert report.statements == 12
    assert len({statement.line for statement in report.deferred}) == len(report.deferred) >= 8


@BOTH
def test_a_long_chain_in_random_order_is_not_quadratic(scratch: psycopg.Connection) -> None:
    lines = ["create table t0(id int primary key);"]
    lines += [f"create table t{i}(id int primary key references t{i - 1});" for i in range(1, 300)]
    random.Random(1).shuffle(lines)
    report = loaded(scratch, "\n".join(lines))
    assert len(tables(scratch)) == 300
    assert report.rounds <= 2


@BOTH
def test_statements_tried_again_run_under_the_settings_where_they_stand(scratch: psycopg.Connection) -> None:
    loaded(
        scratch,
        """
        create schema one; create schema two;
        set search_path = one;
        create table a(k public.kind);
        select pg_catalog.set_config('search_path', 'two', false);
        create table b(k public.kind);
        reset search_path;
        create table c(k public.kind);
        create type kind as enum ('x');
        """,
    )
    found = scratch.execute(
        "SELECT relnamespace::regnamespace::text, relname FROM pg_class WHERE relname IN ('a', 'b', 'c')"
    )
    assert sorted(found) == [("one", "a"), ("public", "c"), ("two", "b")]


@BOTH
def test_a_drop_is_never_put_off(scratch: psycopg.Connection) -> None:
    error = refusal(scratch, "drop table a;\ncreate table a();")
    assert error.message == 'a.sql:1: table "a" does not exist'


@BOTH
def test_all_that_cannot_load_is_listed_with_postgres_own_words(scratch: psycopg.Connection) -> None:
    error = refusal(
        scratch,
        "create table a();\n"
        "create view v as\n  select *\n  from missing;\n"
        "create tabel b();\n"
        "create table c(d nosuchtype);\n"
        "create table a();\n"
        "create view w as select * from v;\n",
    )
    assert error.message.splitlines() == [
        'a.sql:4: relation "missing" does not exist',
        'a.sql:5: syntax error at or near "tabel"',
        'a.sql:6: type "nosuchtype" does not exist',
        'a.sql:7: relation "a" already exists',
        'a.sql:8: relation "v" does not exist',
    ]
    assert isinstance(error.__cause__, psycopg.Error)


@BOTH
def test_of_many_failures_twenty_are_listed(scratch: psycopg.Connection) -> None:
    error = refusal(scratch, "create table a(b missing);\n" * 25)
    assert len(error.message.splitlines()) == 21
    assert error.message.endswith("and 5 more")


@BOTH
def test_detail_and_hint_of_postgres_are_kept(scratch: psycopg.Connection) -> None:
    error = refusal(scratch, "create table a(b int primary key); create table c(d text references a);")
    assert "incompatible types" in error.message
    assert "(Key columns" in error.message
    assert "CASCADE" in (refusal(scratch, "create type e as enum('x'); create table t(k e); drop type e;").hint or "")


@BOTH
def test_settings_of_the_session_are_as_before(scratch: psycopg.Connection) -> None:
    names = ("search_path", "check_function_bodies", "client_encoding", "statement_timeout", "role", "row_security")
    scratch.execute("SET statement_timeout = '77s'")
    before = [setting(scratch, name) for name in names]
    loaded(
        scratch,
        "set statement_timeout = 0; set row_security = off; set role pg_monitor; select set_config('search_path', '', false)",
    )
    assert [setting(scratch, name) for name in names] == before


@BOTH
def test_functions_may_come_before_what_their_text_needs(scratch: psycopg.Connection) -> None:
    report = loaded(
        scratch, "create function f() returns bigint language sql as 'select count(*) from a'; create table a();"
    )
    assert report.deferred == ()


@BOTH
def test_a_schema_and_an_extension_may_be_there_already(scratch: psycopg.Connection) -> None:
    loaded(scratch, "create schema app; create schema authorization postgres;")
    loaded(
        scratch,
        "create schema app authorization pg_monitor; create schema authorization postgres; create schema public;"
        "create extension plpgsql; create table app.a();",
    )
    row = scratch.execute("SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'app'").fetchone()
    assert row == ("pg_monitor",)
    assert 'schema "app" already exists' in refusal(scratch, "create schema app create table x()").message


@BOTH
def test_a_parameter_that_only_newer_servers_know_is_passed_over(scratch: psycopg.Connection) -> None:
    loaded(scratch, "set transaction_timeout = 0; create table a();")
    assert tables(scratch) == ["a"]


@BOTH
def test_warnings_of_postgres_are_reported(scratch: psycopg.Connection) -> None:
    report = loaded(
        scratch,
        f"create table {'x' * 70}(); do $$ begin raise warning 'mind %', 1; raise notice 'not this'; end $$;",
    )
    assert report.warnings[-1] == "mind 1"
    assert len(report.warnings) == 2
    assert "will be truncated" in report.warnings[0]


@BOTH
def test_nothing_is_logged_about_pipelines(scratch: psycopg.Connection, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        loaded(scratch, "create table b(c a); create type a as enum ();")
        refusal(scratch, "create table nothing(c missing)")
    assert caplog.records == []


@BOTH
def test_rows_and_cursors_of_the_connection_do_not_matter(scratch: psycopg.Connection) -> None:
    scratch.row_factory = dict_row  # type: ignore[assignment]
    scratch.cursor_factory = psycopg.ClientCursor
    scratch.prepare_threshold = 0
    loaded(scratch, "select 1; select 1; select 1; create table a(b missing_yet); create type missing_yet as ();")


@pytest.mark.parametrize("transactional", [True])
@pytest.mark.parametrize(
    "statement",
    [
        "do $$ begin commit; end $$",
        "do $$ begin rollback; end $$",
        "create procedure p() language plpgsql as 'begin commit; end'; call p()",
    ],
)
def test_a_commit_hidden_in_code_fails_in_a_transaction(scratch: psycopg.Connection, statement: str) -> None:
    error = refusal(scratch, f"create table a(); {statement}")
    assert "invalid transaction termination" in error.message


@pytest.mark.parametrize("transactional", [True])
@pytest.mark.parametrize(
    "smuggled",
    [
        # With the setting off, the backslash hides the quote from Postgres, and the semicolon shows.
        "select set_config('standard_conforming_strings', 'off', false); select '\\' '; commit; --'",
        "select set_config('standard_conforming_strings', 'off', true); select '\\' '; commit; create table b(); --'",
    ],
)
def test_a_commit_hidden_from_the_splitter_cannot_run(
    scratch: psycopg.Connection, database: str, smuggled: str
) -> None:
    error = refusal(scratch, f"create table a(); {smuggled}")
    assert "cannot insert multiple commands into a prepared statement" in error.message
    scratch.rollback()
    with psycopg.connect(database) as other:
        assert tables(other) == []


@pytest.mark.parametrize("transactional", [True])
def test_the_transaction_goes_on_after_loading(scratch: psycopg.Connection, database: str) -> None:
    scratch.execute("create table before()")
    loaded(scratch, "create table b(c a); create type a as enum ();")
    refusal(scratch, "create table c(); create table c();")
    scratch.execute("create table after()")
    assert scratch.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
    assert {"before", "b", "after"} <= set(tables(scratch))
    with psycopg.connect(database) as other:
        assert tables(other) == []


@pytest.mark.parametrize("transactional", [False])
def test_code_may_commit_in_autocommit(scratch: psycopg.Connection) -> None:
    loaded(scratch, "create table a(); do $$ begin commit; end $$; create table b(c d); create type d as ();")
    assert tables(scratch) == ["a", "b"]


@pytest.mark.parametrize("transactional", [False])
def test_a_new_enum_value_can_be_used_in_autocommit(scratch: psycopg.Connection) -> None:
    loaded(scratch, "create type a as enum ('x')")
    loaded(scratch, "alter type a add value 'y'; create table b(c a default 'y');")
    assert tables(scratch) == ["b"]


@pytest.mark.parametrize("transactional", [False])
def test_a_connection_in_the_wrong_state_is_a_mistake_of_the_caller(scratch: psycopg.Connection, database: str) -> None:
    source = source_from_text("select 1")
    with pytest.raises(ValueError, match="in one"):
        load(scratch, source, transactional=True)
    with psycopg.connect(database) as other, pytest.raises(ValueError, match="in autocommit"):
        load(other, source, transactional=False)
    with scratch.transaction():
        load(scratch, source, transactional=True)


@BOTH
def test_a_lock_that_is_not_granted_stops_the_load(scratch: psycopg.Connection, database: str) -> None:
    with psycopg.connect(database) as other:
        other.execute("create table a()")
        other.commit()
        other.execute("lock table a")
        scratch.execute("SET lock_timeout = '50ms'")
        error = refusal(scratch, "create table b();\nalter table a add c int;\ncreate table d(e missing)")
        other.rollback()
    assert error.message == (
        "loading stopped at a.sql:2: another session holds a lock that it needs, waited in vain"
        " (canceling statement due to lock timeout)"
    )
    assert isinstance(error.__cause__, psycopg.errors.LockNotAvailable)


@BOTH
def test_a_lost_connection_is_a_source_error(scratch: psycopg.Connection) -> None:
    error = refusal(scratch, "select pg_terminate_backend(pg_backend_pid())")
    assert error.message.startswith("loading a.sql was interrupted: ")
    assert isinstance(error.__cause__, psycopg.OperationalError)


@BOTH
def test_metadata_loads(scratch: psycopg.Connection) -> None:
    report = loaded(scratch, source_from_object(full_metadata()))
    assert report.deferred == ()
    row = scratch.execute("SELECT col_description('a'::regclass, 4), count(*) FROM pg_constraint WHERE contype = 'f'")
    assert row.fetchone() == ("100% 'quoted'; \\ and all", 2)


SCHEMA = """
    create schema app;
    create type app.kind as enum ('it''s', 'a;b');
    create table app.base(id int generated always as identity primary key, kind app.kind default 'a;b', "Odd ""name" text);
    create table app.child(id serial primary key, base_id int references app.base on delete cascade);
    create table app.part(id int, at date) partition by range (at);
    create table app.part_1 partition of app.part for values from ('2020-01-01') to ('2021-01-01');
    create function app.count(a int default 1) returns bigint begin atomic
        select case when a > 0 then count(*) else 0 end from app.base;
    end;
    create function app.touch() returns trigger language plpgsql as $x$ begin return new; /* $$;$$ */ end; $x$;
    create trigger touch before update on app.base for each row execute function app.touch();
    create view app.v as select b.id, count(c.id) from app.base b join app.child c on c.base_id = b.id group by b.id;
    create materialized view app.m as select * from app.v;
    create unique index on app.m (id);
    create rule r as on delete to app.child do also (delete from app.base; notify app);
    alter table app.base enable row level security;
    create policy p on app.base using (id > 0);
    comment on table app.base is E'it''s; a \\\\ backslash\\nand a line';
    grant select on app.base to pg_monitor;
"""


@pytest.fixture
def pg_dump(server: EmbeddedServer) -> str:
    beside = Path(server.bindir) / "pg_dump"
    program = str(beside) if beside.exists() else shutil.which("pg_dump")
    if program is None:
        pytest.skip("there is no pg_dump for this server")
    return program


def dumped(pg_dump: str, url: str) -> str:
    done = subprocess.run([pg_dump, "--schema-only", url], check=True, capture_output=True, text=True)
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_dump_loads_as_it_is_and_dumps_alike(pg_dump: str, two_databases: tuple[str, str], shuffled: bool) -> None:
    first, second = two_databases
    with psycopg.connect(first, autocommit=True) as connection:
        loaded(connection, SCHEMA)
    text = dumped(pg_dump, first)
    source = source_from_text(text, "dump.sql")
    if shuffled:
        settings = [statement for statement in source.statements if statement.sql.startswith(("SET", "SELECT"))]
        others = [statement for statement in source.statements if statement not in settings]
        random.Random(2).shuffle(others)
        source = Source(statements=(*settings, *others), text="", description="shuffled")
    with psycopg.connect(second) as connection:
        loaded(connection, source)
        connection.commit()
    assert dumped(pg_dump, second) == text


def test_a_dump_with_rows_is_refused_with_its_line(pg_dump: str, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table a(b text)")
        connection.execute("insert into a values ('it''s;')")
    done = subprocess.run([pg_dump, database], check=True, capture_output=True, text=True)
    with pytest.raises(SourceError) as caught:
        source_from_text(done.stdout, "dump.sql")
    line = next(number for number, line in enumerate(done.stdout.splitlines(), 1) if line.startswith("COPY"))
    assert caught.value.message == f"dump.sql:{line}: COPY contains rows, which are not part of a schema"
    assert caught.value.hint == "dump the schema alone: pg_dump --schema-only"
