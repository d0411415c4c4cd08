"""What functions that a plan's statements call find without a schema: nothing, unless it is asked for."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from prepared import prepare

from reconciler.cli.commands import run
from reconciler.client import Reconciler
from reconciler.errors import ApplyError, PreflightError, ProofError
from reconciler.model.checks import FindingKind
from reconciler.options import Options
from reconciler.report import json

BEFORE = """
    create table limits (low int);
    create table t (id int primary key, v int);
    create function "is ok"(n int) returns boolean language plpgsql immutable as
        $$ begin return n >= (select min(low) from limits); end $$;
    create function plus(n int) returns int language plpgsql immutable as
        $$ begin return n + (select min(low) from limits); end $$;
    create function noted() returns trigger language plpgsql as
        $$ begin insert into limits values (new.v); return new; end $$;
"""
ROWS = "insert into public.limits values (1); insert into public.t values (1, 5), (2, 6)"
CHECK = 'alter table t add constraint c check ("is ok"(v));'
TRIGGER = "create trigger noted before update on t for each row execute function noted();"
# What is there, what comes and fails on the rows, and the function that it fails in.
FAILING: dict[str, tuple[str, str, str]] = {
    "a check": ("", CHECK, 'public."is ok"(integer)'),
    "a stored column": ("", "alter table t add g int generated always as (plus(v)) stored;", "public.plus(integer)"),
    "a default": ("", "alter table t add g int not null default plus(1);", "public.plus(integer)"),
    "a value that a hint gives": (
        "",
        "-- reconciler: backfill public.plus(v)\nalter table t add g int not null;",
        "public.plus(integer)",
    ),
    "a trigger": (
        TRIGGER,
        "-- reconciler: backfill 1 firing triggers\nalter table t add g int not null;",
        "public.noted()",
    ),
}
PUBLIC = Options(search_path=("public",))


def _prepare(url: str, more: str = "") -> None:
    prepare(url, BEFORE + more, ROWS)


def _run(url: str, text: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(text.encode())


@pytest.mark.parametrize("name", FAILING)
def test_the_error_names_the_function_and_what_to_do(name: str, database: str) -> None:
    before, change, function = FAILING[name]
    _prepare(database, before)
    with (
        Reconciler(database) as reconciler,
        pytest.raises((ApplyError, PreflightError, ProofError), match='relation "limits" does not exist') as caught,
    ):
        reconciler.migrate(f"{BEFORE}{before}\n{change}")
    hint = str(caught.value.hint)
    assert f"function {function} line" in hint
    assert f"ALTER FUNCTION {function} SET search_path = public, pg_temp" in hint
    assert "--search-path" in hint


@pytest.mark.parametrize("online", [False, True])
@pytest.mark.parametrize("name", FAILING)
def test_a_schema_that_is_named_is_looked_in(name: str, online: bool, database: str) -> None:
    before, change, _ = FAILING[name]
    after = f"{BEFORE}{before}\n{change}"
    _prepare(database, before)
    with Reconciler(database, options=Options(search_path=("public",), online=online)) as reconciler:
        assert reconciler.migrate(after).idx == 1
        assert reconciler.plan(after).plan.is_empty


def test_what_the_hint_says_mends_it(database: str) -> None:
    _prepare(database)
    mended = 'alter function "is ok"(int) set search_path = public, pg_temp;'
    with Reconciler(database) as reconciler:
        assert reconciler.migrate(BEFORE + mended + CHECK).idx == 1


def test_a_check_is_refused_before_the_first_lock(database: str) -> None:
    _prepare(database)
    with Reconciler(database) as reconciler:
        (found,) = reconciler.plan(BEFORE + CHECK).findings
        assert (found.kind, found.blocks) == (FindingKind.MISSING, True)
        assert "constraint public.t.c: a function that it calls does not find what it names" in found.message
        # What the plan itself makes may be what is missed: the statement will tell.
        (found,) = reconciler.plan(BEFORE + CHECK + "create schema app; create table app.limits ();").findings
        assert (found.kind, found.blocks) == (FindingKind.NOT_CHECKED, False)


def test_a_schema_that_anybody_may_fill_is_pointed_out(database: str) -> None:
    _prepare(database)
    _run(database, "grant create on schema public to public")
    with Reconciler(database, options=PUBLIC) as reconciler:
        (found,) = reconciler.plan(BEFORE + CHECK).findings
        assert (found.kind, found.blocks) == (FindingKind.PRIVILEGE, False)
        assert found.hint == "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
        assert json.plan_document(reconciler.plan(BEFORE + CHECK))["findings"][0]["object"] == "schema:public"
    _run(database, "revoke create on schema public from public")
    with Reconciler(database, options=PUBLIC) as reconciler:
        assert not reconciler.plan(BEFORE + CHECK).findings


def test_an_index_or_a_materialized_view_is_told_of_its_function_alone(database: str) -> None:
    _prepare(database)
    for change in ("create index i on t (plus(v));", "create materialized view m as select plus(v) as n from t;"):
        with Reconciler(database) as reconciler, pytest.raises(ApplyError, match="limits") as caught:
            reconciler.migrate(BEFORE + change)
        assert "ALTER FUNCTION public.plus(integer) SET search_path = public, pg_temp" in str(caught.value.hint)
        assert "--search-path" not in str(caught.value.hint)


def test_the_callers_search_path_neither_counts_nor_is_lost(database: str) -> None:
    _prepare(database)
    with psycopg.connect(database) as connection:
        connection.execute("set search_path = public")
        reconciler = Reconciler(connection)
        planned = reconciler.plan(BEFORE + FAILING["a stored column"][1])
        with pytest.raises(ApplyError, match="limits"):
            reconciler.apply(planned)
    with psycopg.connect(database) as connection:
        connection.execute("set search_path = nowhere")
        reconciler = Reconciler(connection, options=PUBLIC)
        assert reconciler.migrate(BEFORE + CHECK).idx == 1
        assert connection.execute("show search_path").fetchone() == ("nowhere",)


def test_what_a_named_schema_hides_of_postgres_is_caught(database: str) -> None:
    hiding = (
        "create function array_append(int[], int) returns int[] language sql immutable as"
        " 'select pg_catalog.array_append($1, $2)'; create table s (a int[]);"
    )
    check = "alter table s add check (cardinality(pg_catalog.array_append(a, 1)) > 0);"
    with Reconciler(database, options=PUBLIC) as reconciler:
        reconciler.migrate(hiding)
        with pytest.raises(ProofError, match="does not end at the goal"):
            reconciler.migrate(hiding + check)
    with Reconciler(database) as reconciler:
        assert reconciler.migrate(hiding + check).idx == 1


def test_a_materialized_view_whose_function_finds_nothing_hinders_no_plan(database: str) -> None:
    """The rehearsal's copy of live does not fill it, nor what is made to read from it."""
    filled = "create materialized view m as select plus(1) as n;"
    _run(database, BEFORE + ROWS + ";alter function plus(int) set search_path = public, pg_temp;" + filled)
    _run(database, "alter function plus(int) reset search_path")
    with Reconciler(database) as reconciler:
        # From 17 on Postgres does not fill it in the source either, whose own search_path has the schema.
        if from_17 := reconciler.connection.info.server_version >= 170000:
            filled = filled.replace(";", " with no data;")
        more = f"create view v as select n from m; create materialized view mm as select n from v {'with no data' * from_17};"
        assert len(reconciler.migrate(BEFORE + filled + more).statements) == 2
    with psycopg.connect(database) as connection:
        found = connection.execute("select relispopulated from pg_class where relname = 'mm'").fetchone()
        assert found == (not from_17,)


def test_the_command_and_the_configuration_take_it(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _prepare(database)
    source = tmp_path / "app.sql"
    source.write_text(BEFORE + CHECK)
    monkeypatch.chdir(tmp_path)
    assert run(["apply", str(source), "--dry-run", "--dsn", database]) == 1
    assert "names without a schema" in capsys.readouterr().out
    assert run(["plan", str(source), "--out", "plan.json", "--search-path", "public", "--dsn", database]) == 2
    assert run(["apply", "--plan", "plan.json", "--search-path", "public", "--dsn", database]) == 1
    assert "--search-path cannot be combined with --plan" in capsys.readouterr().err
    Path("reconciler.toml").write_text('search-path = ["$user", "public"]\n')
    assert run(["apply", str(source), "--dry-run", "--dsn", database]) == 0
    Path("reconciler.toml").unlink()
    assert run(["apply", "--plan", "plan.json", "--dsn", database]) == 0
