"""A plan says why something that stays is dropped and created again."""

from __future__ import annotations

import psycopg
import pytest

from reconciler import Options, Reconciler
from reconciler.report.json import plan_document
from reconciler.report.sql import script
from reconciler.report.text import plan_text

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
    assert "recreated because column public.t.v changes (type)" in plan_text(planned)
    assert "-- recreated because column public.t.v changes (type)\nDROP VIEW" in script(planned.plan.statements)
    because = [each["because"] for each in plan_document(planned)["statements"]]
    assert "column public.t.v changes (type)" in because


def test_what_is_new_or_only_altered_gives_no_reason(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(BEFORE)
    with Reconciler(database) as reconciler:
        planned = reconciler.plan(BEFORE.replace("v int", "v int not null") + "create table u (id int);")
    assert [statement.because for statement in planned.plan.statements] == [None] * len(planned.plan.statements)
