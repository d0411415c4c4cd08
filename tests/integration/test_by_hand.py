"""What was renamed by hand is known again by its place in the catalogs, and renamed back with all that it holds."""

from __future__ import annotations

import psycopg
import pytest

from reconciler.drift import State
from reconciler.options import Options
from reconciler.reconcile import Reconciler

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


def _change(database: str, *texts: str) -> None:
    with Reconciler(database) as reconciler:
        reconciler.migrate("default", DECLARED)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("insert into public.t select n, n, n, 'ok' from generate_series(1, 50) n")
        for text in texts:
            connection.execute(text.encode())


@pytest.mark.parametrize("change", BY_HAND)
@pytest.mark.parametrize("way", ["apply", "repair"])
def test_a_rename_by_hand_is_said_and_taken_back(database: str, change: str, way: str) -> None:
    old, new = BY_HAND[change]
    _change(database, change)
    with Reconciler(database) as reconciler:
        for found in (reconciler.check(DECLARED), reconciler.check()):
            assert found.has_drift
            (said,) = found.warnings
            assert said.startswith(f"{old} was renamed to {new} by hand: declare it under that name to keep it")
        planned = reconciler.plan(DECLARED)
        (statement,) = planned.plan.statements
        assert "RENAME" in statement.sql
        assert planned.warnings[0].endswith(statement.sql)
        if way == "apply":
            reconciler.migrate("default", DECLARED)
        else:
            assert reconciler.repair(DECLARED).statements == planned.plan.statements
        found = reconciler.check(DECLARED)
        assert {each.state for each in found.objects} == {State.IN_SYNC}
        assert not found.warnings
        assert reconciler.connection.execute("select sum(b) from public.t").fetchone() == (50 * 51 // 2,)


def test_a_rename_by_hand_that_is_declared_then_is_no_drift(database: str) -> None:
    _change(database, "alter table t rename column b to c", "alter index t_a rename to t_of_a")
    after = DECLARED.replace("b int", "c int").replace("t_a on t", "t_of_a on t")
    with Reconciler(database) as reconciler:
        found = reconciler.check(after)
        assert not found.has_drift
        assert not found.warnings
        reconciler.migrate("default", after)
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
        assert not reconciler.check(DECLARED).warnings


def test_a_mark_of_an_older_program_tells_nothing(database: str) -> None:
    _change(database, "alter table t rename to u")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("alter table migrations._marks drop column addresses")
        connection.execute("delete from migrations._ledger where version = 3")
    with Reconciler(database) as reconciler:
        found = reconciler.check(DECLARED)
        assert found.has_drift
        assert not found.warnings
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("alter table public.u rename to t")
        reconciler.migrate("default", DECLARED.replace("x int);", "x int, y int);"))
        assert reconciler.connection.execute("select count(*) from migrations._ledger").fetchone() == (3,)
