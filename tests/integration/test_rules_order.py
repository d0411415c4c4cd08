"""What pg_depend does not say: string bodies, positions of sequences, and text that is read back otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler.client import Reconciler
from reconciler.errors import PlanError
from reconciler.model.hazards import HazardKind
from reconciler.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import LiteralString

OPTIONS = Options(allow=frozenset(HazardKind))
BODIES = """
CREATE TABLE z_rows (id integer);
CREATE FUNCTION z_inner() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM public.z_rows';
CREATE FUNCTION m_outer() RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN public.z_inner(); END';
CREATE MATERIALIZED VIEW a_filled AS SELECT m_outer() AS rows;
"""
CHECK = "CREATE TABLE t (state varchar(9), CONSTRAINT known CHECK (state IN ('a', 'b')));"


def test_what_is_filled_comes_after_what_its_functions_call(database: str) -> None:
    with Reconciler(database, options=OPTIONS) as reconciler:
        reconciler.migrate("CREATE TABLE other (id integer);")
        reconciler.migrate(BODIES)
        assert reconciler.plan(BODIES).plan.is_empty


def test_a_check_with_a_list_is_made_as_it_was_declared(database: str) -> None:
    with Reconciler(database, options=OPTIONS) as reconciler:
        reconciler.migrate(CHECK)
        reconciler.migrate(CHECK + "CREATE TABLE other (id integer);")
        assert reconciler.plan(CHECK + "CREATE TABLE other (id integer);").plan.is_empty


def test_a_view_keeps_a_column_without_a_name_in_a_later_branch(database: str) -> None:
    declared = (
        "CREATE TABLE t (id integer, kind text);"
        "CREATE VIEW v AS SELECT id, kind FROM (SELECT id, kind FROM t UNION ALL SELECT NULL, 'none' FROM t) AS every;"
    )
    with Reconciler(database, options=OPTIONS) as reconciler:
        reconciler.migrate(declared)
        reconciler.migrate(declared + "CREATE TABLE other (id integer);")
        assert reconciler.plan(declared + "CREATE TABLE other (id integer);").plan.is_empty


@pytest.mark.parametrize(
    ("options", "position"),
    [("MINVALUE 100 MAXVALUE 200", 100), ("MAXVALUE 3", 3), ("MINVALUE 2 MAXVALUE 9", 5)],
    ids=["before the new beginning", "beyond the new end", "inside the new bounds"],
)
def test_a_sequence_keeps_its_position_where_the_bounds_allow(
    database: str, options: LiteralString, position: int
) -> None:
    declared = f"CREATE TABLE t (id integer GENERATED ALWAYS AS IDENTITY ({options} START WITH {options.split()[1]}));"
    with Reconciler(database, options=OPTIONS) as reconciler:
        reconciler.migrate("CREATE TABLE t (id integer GENERATED ALWAYS AS IDENTITY);")
        with psycopg.connect(database) as connection:
            connection.execute("SELECT setval('t_id_seq', 5)")
        reconciler.migrate(declared)
        assert reconciler.plan(declared).plan.is_empty
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT last_value FROM t_id_seq").fetchone()
    assert row == (position,)


def test_what_is_left_alone_needs_what_it_stands_on(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE SCHEMA app; CREATE FUNCTION app.fired() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
            "CREATE EVENT TRIGGER watching ON sql_drop WHEN tag IN ('DROP SERVER') EXECUTE FUNCTION app.fired()"
        )
    with Reconciler(database, options=replace(OPTIONS, schemas=("app",))) as reconciler:
        with pytest.raises(PlanError, match=r"event trigger watching uses function app\.fired\(\)") as raised:
            reconciler.plan("CREATE TABLE app.t (a integer);")
        assert "change or drop these first" in str(raised.value.hint)
        reconciler.migrate("CREATE FUNCTION app.fired() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN NULL; END';")


HELD = """
CREATE DOMAIN d AS text CHECK (VALUE <> 'q');
CREATE DOMAIN e AS text;
CREATE TYPE c AS (x integer, y d, z e);
CREATE TYPE whole AS (part c);
CREATE TABLE t (id integer, in_type c, in_array d[], in_whole whole, e e[], plain d);
"""
HELD_NO_MORE = """
CREATE DOMAIN d AS text CHECK (VALUE <> '');
CREATE DOMAIN e AS text NOT NULL;
CREATE TYPE c AS (x integer);
CREATE TYPE whole AS (part c);
CREATE TABLE t (id integer, in_type c, in_array text[], in_whole whole, plain d);
"""


def test_a_domain_asks_more_of_its_values_when_other_types_hold_it_no_more(database: str) -> None:
    with Reconciler(database, options=OPTIONS) as reconciler:
        reconciler.migrate(HELD)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("INSERT INTO t VALUES (1, '(1,a,b)', '{a}', '(\"(1,a,b)\")', '{b}', 'a')")
        reconciler.migrate(HELD_NO_MORE)
        assert reconciler.plan(HELD_NO_MORE).plan.is_empty
        with psycopg.connect(database, autocommit=True) as connection:
            row = connection.execute("SELECT in_type::text, in_array, in_whole::text, plain FROM t").fetchone()
            assert row == ("(1)", ["a"], '("(1)")', "a")


def test_a_view_that_reads_itself_is_recreated_and_those_that_read_each_other_are_named(
    make_database: Callable[[], str],
) -> None:
    table = 'CREATE TABLE t (id integer, "A" text COLLATE "C");'
    itself = (
        table
        + 'CREATE VIEW v AS SELECT id, "A" FROM t; CREATE OR REPLACE VIEW v AS SELECT id, "A" FROM v WHERE id > 0;'
    )
    each_other = table + "CREATE VIEW v AS SELECT id FROM t; CREATE VIEW w AS SELECT id FROM v;"
    each_other += "CREATE OR REPLACE VIEW v AS SELECT id FROM w;"
    with Reconciler(make_database(), options=OPTIONS) as reconciler:
        reconciler.migrate(table)
        wider = itself.replace('"C")', '"C", b integer)')
        for source in (itself, wider, table + "CREATE TABLE other ();", wider + "CREATE TABLE other ();"):
            reconciler.migrate(source)
            assert reconciler.plan(source).plan.is_empty
        reconciler.migrate(table + "CREATE TABLE other (id integer);")
        with pytest.raises(PlanError, match=r"view public\.v, view public\.w read from each other"):
            reconciler.plan(each_other)
