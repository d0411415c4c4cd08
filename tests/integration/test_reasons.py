"""A plan says why something that stays is dropped and created again, and what a conversion reads and cuts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler import HazardKind, Options, Reconciler
from reconciler.report.json import plan_document
from reconciler.report.sql import script
from reconciler.report.text import plan_text

if TYPE_CHECKING:
    from reconciler import Plan

pytestmark = pytest.mark.one_server

BEFORE = """
create type mood as enum ('calm', 'glad', 'sad');
create table t (id int, v int, m mood, constraint positive check (id > 0));
create view names as select id, v from t;
create view more as select * from names;
create function twice(a int) returns int language sql as 'select a * 2';
create view doubled as select twice(id) as d from t;
"""


def test_what_is_recreated_names_what_changes_at_the_root(database: str) -> None:
    after = (
        BEFORE.replace("v int", "v bigint")
        .replace("'calm', 'glad', 'sad'", "'glad', 'calm'")
        .replace("twice(a int) returns int", "twice(a int) returns bigint")
    )
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(BEFORE)
    with Reconciler(database, options=Options(online=False)) as reconciler:
        planned = reconciler.plan(after)
    reasons = {
        (str(fact), statement.because)
        for statement in planned.plan.statements
        for fact in statement.creates
        if fact.kind in ("view", "enum", "function", "column")
    }
    assert {
        ("view public.names", "column public.t.v changes (type)"),
        ("view public.more", "column public.t.v changes (type)"),
        ("view public.doubled", "function public.twice(a integer) changes (definition, result)"),
        ("enum public.mood", None),
        ("column public.t.m", "enum public.mood changes (labels)"),
    } <= reasons
    assert "recreated because column public.t.v changes (type)" in plan_text(planned, details=True)
    assert "-- recreated because column public.t.v changes (type)\nDROP VIEW" in script(planned.plan.statements)
    because = [each["because"] for each in plan_document(planned)["statements"]]
    assert "column public.t.v changes (type)" in because


def test_what_is_new_or_only_altered_gives_no_reason(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(BEFORE)
    with Reconciler(database) as reconciler:
        planned = reconciler.plan(BEFORE.replace("v int", "v int not null") + "create table u (id int);")
    assert [statement.because for statement in planned.plan.statements] == [None] * len(planned.plan.statements)


def test_a_conversion_says_in_whose_time_zone_it_reads_and_what_it_cuts(database: str) -> None:
    before = "create table t (a timestamp, b date, z timestamptz, n numeric(10,2), m numeric(10,2), s timestamp);"
    after = (
        "create table t (a timestamptz, b timestamptz, z timestamp, n numeric(12,4), m numeric(9,1), s timestamp(3));"
    )
    said = after.replace("a timestamptz,", "a timestamptz, -- reconciler: using a at time zone 'Asia/Tokyo'\n")
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]

    def lost(plan: Plan) -> dict[str, str]:
        return {each.fact.name[2]: each.message for each in plan.hazards if each.kind is HazardKind.DATA_LOSS}

    with Reconciler(database) as reconciler, psycopg.connect(database, autocommit=True) as connection:
        reconciler.migrate(before)
        connection.execute("insert into public.t (a) values ('2026-01-02 12:00')")
        connection.execute(f"alter database {name} set timezone = 'UTC'".encode())
    with Reconciler(database) as reconciler:
        plan = reconciler.plan(after).plan
        assert lost(plan).keys() == {"m", "s"}
        rewrites = [each.message for each in plan.hazards if each.kind is HazardKind.TABLE_REWRITE]
        assert sum(", converted in the time zone UTC" in message for message in rewrites) == 3
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"alter database {name} set timezone = 'Europe/Berlin'".encode())
    with Reconciler(database) as reconciler:
        found = lost(reconciler.plan(after).plan)
        assert found.keys() == {"a", "b", "z", "m", "s"}
        assert "in the time zone Europe/Berlin" in found["a"]
        assert "`-- reconciler: using a AT TIME ZONE '...'`" in found["a"]
        assert "a" not in lost(reconciler.plan(said).plan)
        reconciler.migrate(said, allow_data_loss=True)
    with psycopg.connect(database) as connection:
        row = connection.execute("select a at time zone 'UTC' from public.t").fetchone()
        assert str(row) == "(datetime.datetime(2026, 1, 2, 3, 0),)"
