"""What was renamed manually is known again by its place in the catalogs, and renamed back with all that it holds."""

from __future__ import annotations

import psycopg
import pytest
from older_ledger import take_back

from reconciler.client import Reconciler
from reconciler.diff.drift import State
from reconciler.errors import ConfigError
from reconciler.ledger.schema import LEDGER_VERSION
from reconciler.options import Options

pytestmark = pytest.mark.one_server

# What is said where nothing is concluded: the keys of the renamed table have the names of the declared one's.
HELD = "names that are declared are held by other objects"
DECLARED = """
create type mood as enum ('sad', 'ok');
create table t (id int primary key, a int, b int, m mood);
create index t_a on t (a);
create function f(x int) returns int language sql as 'select 1';
create table other (x int);
"""
BY_HAND = {
    "alter table t rename to u": ("table public.t", "table public.u"),
    "alter table t rename column b to c": ("column public.t.b", "column public.t.c"),
    "alter type mood rename to feeling": ("enum public.mood", "enum public.feeling"),
    "alter function f(int) rename to g": ("function public.f(x integer)", "function public.g(x integer)"),
    "alter index t_a rename to t_a2": ("index public.t.t_a", "index public.t.t_a2"),
}


def _change(database: str, *texts: str, declared: str = DECLARED) -> None:
    with Reconciler(database) as reconciler:
        reconciler.migrate(declared)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("insert into public.t select n, n, n, 'ok' from generate_series(1, 50) n")
        for text in texts:
            connection.execute(text.encode())


@pytest.mark.parametrize("change", BY_HAND)
@pytest.mark.parametrize("way", ["apply", "repair"])
def test_a_manual_rename_is_said_and_taken_back(database: str, change: str, way: str) -> None:
    old, new = BY_HAND[change]
    _change(database, change)
    with Reconciler(database) as reconciler:
        for found in (reconciler.check(DECLARED), reconciler.check()):
            assert found.has_drift
            (said,) = found.warnings
            assert said.startswith(f"{old} was renamed to {new} manually: declare it under that name to keep it")
        planned = reconciler.plan(DECLARED)
        (statement,) = planned.plan.statements
        assert "RENAME" in statement.sql
        assert planned.warnings[0].endswith(statement.sql)
        if way == "apply":
            reconciler.migrate(DECLARED)
        else:
            assert reconciler.repair(DECLARED).statements == planned.plan.statements
        found = reconciler.check(DECLARED)
        assert {each.state for each in found.objects} == {State.IN_SYNC}
        assert not found.warnings
        assert reconciler.connection.execute("select sum(b) from public.t").fetchone() == (50 * 51 // 2,)


@pytest.mark.parametrize("change", BY_HAND)
def test_a_manual_rename_that_is_accepted_is_what_the_record_has(database: str, change: str) -> None:
    old, new = BY_HAND[change]
    _change(database, change)
    with Reconciler(database) as reconciler:
        accepted = reconciler.plan_repair(DECLARED, accept=True)
        assert not accepted.plan.statements
        (said,) = accepted.warnings
        assert said.startswith(f"{old} is recorded as {new} from now on: declare it under that name")
        assert reconciler.repair(DECLARED, accept=True).idx is not None
        found = reconciler.check()
        assert {each.state for each in found.objects} == {State.IN_SYNC}
        assert not found.warnings
        found = reconciler.check(DECLARED)
        assert not found.has_drift
        assert found.of(State.PENDING)
        assert not found.warnings
        left = [each.sql for each in reconciler.plan(_declared_as(change)).plan.statements]
        assert not [each for each in left if "RENAME CONSTRAINT" not in each]


def _declared_as(change: str) -> str:
    """What the declaration is when it follows the rename."""
    wanted = {
        "alter table t rename to u": DECLARED.replace("table t ", "table u ")
        .replace("on t ", "on u ")
        .replace("id int primary key", "id int constraint t_pkey primary key"),
        "alter table t rename column b to c": DECLARED.replace("b int", "c int"),
        "alter type mood rename to feeling": DECLARED.replace("type mood", "type feeling").replace(
            "m mood", "m feeling"
        ),
        "alter function f(int) rename to g": DECLARED.replace("function f", "function g"),
        "alter index t_a rename to t_a2": DECLARED.replace("index t_a", "index t_a2"),
    }
    return wanted[change]


VIEWED = (
    DECLARED + "create view v as select id, b from t; create view w as select 1 as one; grant select on t to public;"
)
TWO = ("alter table t rename to u", "alter function f(int) rename to g", "create or replace view w as select 2 as one")


@pytest.mark.parametrize("key", ["table:public.t", "table:public.u"])
def test_one_manual_rename_is_taken_back_by_either_name(database: str, key: str) -> None:
    _change(database, *TWO, declared=VIEWED)
    with Reconciler(database) as reconciler:
        (statement,) = reconciler.repair(VIEWED, objects=[key]).statements
        assert statement.sql == 'ALTER TABLE "public"."u" RENAME TO "t"'
        found = reconciler.check(VIEWED)
        (said,) = found.warnings
        assert said.startswith("function public.f(x integer) was renamed to function public.g(x integer) manually")
        assert {each.object.key for each in found.of(State.DRIFTED)} == {
            "function:public.f(x integer)",
            "view:public.w",
        }
        with pytest.raises(ConfigError, match="has not drifted"):
            reconciler.repair(VIEWED, objects=["table:public.other"])


@pytest.mark.parametrize("key", ["table:public.t", "table:public.u"])
def test_one_manual_rename_is_accepted_by_either_name_with_what_moved_along(database: str, key: str) -> None:
    _change(database, *TWO, declared=VIEWED)
    with Reconciler(database) as reconciler:
        assert not reconciler.repair(VIEWED, objects=[key], accept=True).statements
        found = reconciler.check()
        (said,) = found.warnings
        assert said.startswith("function public.f(x integer) was renamed to function public.g(x integer) manually")
        states = {each.object.key: each.state for each in found.objects}
        assert states["table:public.u"] is State.IN_SYNC
        assert states["view:public.v"] is State.IN_SYNC
        assert states["view:public.w"] is State.DRIFTED
        assert "table:public.t" not in states


def test_what_else_is_repaired_forgets_no_rename(database: str) -> None:
    _change(database, "alter table t rename to u", "alter table other add column y int")
    with Reconciler(database) as reconciler:
        reconciler.repair(DECLARED, objects=["table:public.other"], accept=True)
        (said,) = reconciler.check(DECLARED).warnings
        assert said.startswith("table public.t was renamed to table public.u manually")
        assert [each.sql.split()[-3:-1] for each in reconciler.repair(DECLARED).statements] == [["RENAME", "TO"]]


def test_a_manual_rename_that_is_declared_then_is_no_drift(database: str) -> None:
    _change(database, "alter table t rename column b to c", "alter index t_a rename to t_of_a")
    after = DECLARED.replace("b int", "c int").replace("t_a on t", "t_of_a on t")
    with Reconciler(database) as reconciler:
        found = reconciler.check(after)
        assert not found.has_drift
        assert not found.warnings
        reconciler.migrate(after)
        assert not reconciler.check().warnings


def test_what_was_dropped_and_made_again_under_another_name_was_not_renamed(database: str) -> None:
    _change(database, "drop table other", "create table another (x int)")
    with Reconciler(database) as reconciler:
        assert not reconciler.check(DECLARED).warnings
        assert [each.sql.split()[0] for each in reconciler.plan(DECLARED).plan.statements] == ["CREATE"]


def test_nothing_is_concluded_in_a_database_that_was_restored(database: str) -> None:
    _change(database, "alter table t rename to u")
    with psycopg.connect(database, autocommit=True) as connection:
        # Another place for everything, but for what the table's was.
        connection.execute(
            "update migrations._marks set addresses = (select jsonb_agg(case when e ->> 1 like '%\"t\"]'"
            " then e else jsonb_set(e, '{3}', to_jsonb((e ->> 3)::int + 100000)) end) from jsonb_array_elements(addresses) e)"
        )
    with Reconciler(database, options=Options()) as reconciler:
        (warning,) = reconciler.check(DECLARED).warnings
        assert warning.startswith(HELD)


def test_a_mark_of_an_older_program_tells_nothing(database: str) -> None:
    _change(database, "alter table t rename to u")
    take_back(database, 2)
    with Reconciler(database) as reconciler:
        assert reconciler.status().unfinished is None
        assert reconciler.history()
        found = reconciler.check(DECLARED)
        assert found.has_drift
        (warning,) = found.warnings
        assert warning.startswith(HELD)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("alter table public.u rename to t")
        reconciler.migrate(DECLARED.replace("x int);", "x int, y int);"))
        assert reconciler.connection.execute("select count(*) from migrations._ledger").fetchone() == (LEDGER_VERSION,)
