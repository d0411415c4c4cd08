"""A rollback brings back what an earlier migration declared, says what it cannot bring back, and is a record itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
import jsonschema
import psycopg
import pytest

from reconciler import ConfigError, DatabaseSource, HazardKind, Options, PlanError, Reconciler
from reconciler.cli import console
from reconciler.cli.commands import run

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.one_server

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "json-format.schema.json").read_text())
FIRST = """
CREATE TABLE users (id int PRIMARY KEY, note text);
CREATE TABLE logs (id int PRIMARY KEY);
CREATE VIEW notes AS SELECT note FROM users;
"""
SECOND = "CREATE TABLE users (id int PRIMARY KEY, email text DEFAULT '-' NOT NULL);"


@pytest.fixture
def reconcile(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command on the test's database, where FIRST and then SECOND were applied."""
    monkeypatch.chdir(tmp_path)
    Path("first.sql").write_text(FIRST)
    Path("second.sql").write_text(SECOND)

    def call(*arguments: object) -> tuple[int, str, str]:
        code = run([*map(str, arguments), "--dsn", database])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    assert call("apply", "first.sql")[0] == 0
    assert call("apply", "second.sql", "--allow", "data_loss")[0] == 0
    return call


@pytest.mark.parametrize("target", [("--to", 0), ("--steps", 1)])
@pytest.mark.smoke
def test_the_schema_comes_back_and_what_does_not_is_said_before(
    reconcile: Callable[..., tuple[int, str, str]], target: tuple[str, int]
) -> None:
    code, out, err = reconcile("rollback", *target, "--dry-run")
    assert code == 3, "the column that goes again holds data"
    assert "drops column public.users.email" in out
    assert "table public.logs is restored without its rows" in err
    assert "column public.users.note is restored without its values" in err
    assert reconcile("rollback", *target, "--yes")[0] == 3
    assert reconcile("check", "second.sql")[0] == 0, "what was refused changed nothing"

    assert reconcile("rollback", *target, "--yes", "--allow", "data_loss")[0] == 0
    assert reconcile("check", "first.sql")[0] == 0
    assert reconcile("check")[0] == 0
    assert "rollback_to_0000_" in reconcile("history")[1]
    assert "rollback succeeded" in reconcile("status")[1]
    assert "migration 0 (first.sql)" in reconcile("show", 2)[1]


def test_a_rollback_can_be_rolled_back(reconcile: Callable[..., tuple[int, str, str]]) -> None:
    assert reconcile("rollback", "--steps", 1, "--yes", "--allow", "data_loss")[0] == 0
    assert reconcile("rollback", "--steps", 1, "--yes", "--allow", "data_loss")[0] == 0
    assert reconcile("check", "second.sql")[0] == 0
    assert reconcile("rollback", "--to", 1)[1].startswith("In sync"), "it is there already"


def test_its_document_is_as_documented(reconcile: Callable[..., tuple[int, str, str]]) -> None:
    document = json.loads(reconcile("rollback", "--to", 0, "--dry-run", "--format", "json")[1])
    jsonschema.validate(document, SCHEMA)
    assert "table public.logs is restored without its rows" in document["warnings"]


@pytest.mark.parametrize("arguments", [(), ("--to", 0, "--steps", 1), ("--steps", 2), ("--steps", 0), ("--to", 7)])
def test_a_target_that_is_none_is_an_error(
    reconcile: Callable[..., tuple[int, str, str]], arguments: tuple[object, ...]
) -> None:
    code, _, err = reconcile("rollback", *arguments)
    assert (code, "hint: " in err) == (1, True)


@pytest.mark.parametrize(("answer", "code"), [(False, 0), (True, 7)])
def test_on_a_terminal_the_plan_is_shown_and_asked_about(
    reconcile: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, answer: bool, code: int
) -> None:
    monkeypatch.setattr(console, "is_interactive", lambda: True)
    monkeypatch.setattr(click, "confirm", lambda *_, **__: answer)
    done, out, _ = reconcile("rollback", "--to", 0, "--details", "--allow", "data_loss")
    assert (done, 'CREATE TABLE "public"."logs"' in out) == (0, True)
    assert reconcile("plan", "second.sql")[0] == code


def test_it_manages_what_the_last_run_managed(database: str) -> None:
    with Reconciler(database) as reconciler:
        wide = Options(schemas=("one", "two"))
        first = reconciler.plan("CREATE TABLE one.a (id int); CREATE TABLE two.b (id int);", plugin="p", options=wide)
        reconciler.apply(first)
        reconciler.apply(
            reconciler.plan(
                "CREATE TABLE one.a (id int); CREATE TABLE two.b (id int); CREATE TABLE two.c (id int);",
                plugin="p",
                options=wide,
            )
        )
        allowing = Options(allow=frozenset({HazardKind.DATA_LOSS}))
        planned = reconciler.plan_rollback(plugin="p", steps=1, options=allowing)
        assert [each.sql for each in planned.plan.statements] == ['DROP TABLE "two"."c"']


def test_another_database_as_the_source_is_kept_as_sql(two_databases: tuple[str, str]) -> None:
    here, there = two_databases
    with psycopg.connect(there, autocommit=True) as other, Reconciler(here) as reconciler:
        other.execute(FIRST.encode())
        reconciler.migrate(DatabaseSource(url=there))
        other.execute("CREATE TABLE later (id int)")
        reconciler.migrate(DatabaseSource(url=there))
        done = reconciler.rollback(steps=1, options=Options(allow=frozenset(["data_loss"])))  # type: ignore[list-item]
        assert [each.sql for each in done.statements] == ['DROP TABLE "public"."later"']


def test_what_was_accepted_from_live_is_said_to_stay_away(database: str) -> None:
    with Reconciler(database) as reconciler:
        reconciler.migrate("CREATE TABLE t (id int);")
        reconciler.connection.execute("CREATE INDEX by_hand ON public.t (id)")
        reconciler.repair("CREATE TABLE t (id int);", accept=True)
        reconciler.migrate("CREATE TABLE t (id int); CREATE TABLE u (id int);")
        planned = reconciler.plan_rollback(to=1)
        assert any("index public.t.by_hand was recorded" in warning for warning in planned.warnings)


def test_another_program_s_migration_has_no_declaration_to_go_back_to(database: str) -> None:
    with Reconciler(database) as reconciler:
        reconciler.migrate("CREATE TABLE t (id int);")
        reconciler.migrate("CREATE TABLE t (id int); CREATE TABLE u (id int);")
        reconciler.connection.execute("DELETE FROM migrations._sources WHERE idx = 0")
        with pytest.raises(ConfigError, match="recorded by another program"):
            reconciler.plan_rollback(to=0)


def test_a_password_stays_where_live_has_it_and_is_not_made_up_where_not(database: str) -> None:
    server = "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
    mapping = "CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (user 'x', password 'hush');"
    options = Options(all_schemas=True, exact=True, scratch="database", allow=frozenset(HazardKind))
    with Reconciler(database, options=options) as reconciler:
        reconciler.migrate(server + mapping)
        reconciler.migrate(server + mapping + "CREATE TABLE t (id int);")
        done = reconciler.rollback(steps=1)
        assert [each.sql for each in done.statements] == ['DROP TABLE "public"."t"']
        reconciler.migrate(server)
        with pytest.raises(PlanError, match="added user mapping s"):
            reconciler.rollback(to=0)


def _written(database: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(database, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


BEGINNING = """
create type mood as enum ('sad', 'ok');
create table users (id int primary key, mail text unique, feels mood);
"""
LATER = (
    # Names in three migrations, some renamed twice, the table between its columns, and hints that stay in the source.
    """
    create type mood as enum ('blue', 'ok'); -- reconciler: on value mood.blue: renamed from 'sad'
    create table users (id int primary key, address text unique, feels mood);
    -- reconciler: on column users.address: renamed from mail
    """,
    """
    create type mood as enum ('blue', 'ok'); -- reconciler: on value mood.blue: renamed from 'sad'
    -- reconciler: renamed from users
    create table people (id int primary key, address text unique, feels mood);
    -- reconciler: on column people.address: renamed from mail
    """,
    """
    create type feeling as enum ('blue', 'ok'); -- reconciler: on type feeling: renamed from mood
    -- reconciler: renamed from users
    create table people (
        id int primary key,
        email text unique, -- reconciler: renamed from address
        feels feeling,
        more int
    );
    """,
)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_renames_are_turned_around_and_keep_the_rows(database: str, steps: int) -> None:
    with Reconciler(database) as reconciler:
        reconciler.migrate(BEGINNING)
        _written(database, "insert into users values (1, 'a@b', 'sad') returning 1")
        for source in LATER:
            reconciler.migrate(source)
        assert _written(database, "select email, feels::text from people") == [("a@b", "blue")]
        planned = reconciler.plan_rollback(steps=steps)
        assert not any(fact.kind == "table" for statement in planned.plan.statements for fact in statement.drops)
        reconciler.rollback(steps=steps, options=Options(allow=frozenset({HazardKind.DATA_LOSS})))
        back = (BEGINNING, *LATER)[3 - steps]
        assert reconciler.check(back).plan.is_empty
        if steps == 2:  # a rollback is rolled back as well
            reconciler.rollback(steps=1, options=Options(allow=frozenset({HazardKind.DATA_LOSS})))
            assert _written(database, "select email, feels::text from people") == [("a@b", "blue")]
            return
    expected = {
        1: ("select address, feels::text from people", "blue"),
        2: ("select address, feels::text from users", "blue"),
        3: ("select mail, feels::text from users", "sad"),
    }
    query, label = expected[steps]
    assert _written(database, query) == [("a@b", label)]


def test_names_that_changed_places_change_back(database: str) -> None:
    first = "create table t (id int primary key, a text, b text);"
    swapped = """
    create table t (id int primary key,
        a text, -- reconciler: renamed from b
        b text  -- reconciler: renamed from a
    );
    """
    with Reconciler(database) as reconciler:
        reconciler.migrate(first)
        _written(database, "insert into t values (1, 'a', 'b') returning 1")
        reconciler.migrate(swapped)
        reconciler.migrate(swapped + "create table later (id int);")
        assert _written(database, "select a, b from t") == [("b", "a")]
        reconciler.rollback(steps=1, options=Options(allow=frozenset({HazardKind.DATA_LOSS})))
        assert _written(database, "select a, b from t") == [("b", "a")], "they changed places before that"
        reconciler.rollback(to=0, options=Options(allow=frozenset({HazardKind.DATA_LOSS})))
        assert _written(database, "select a, b from t") == [("a", "b")]
