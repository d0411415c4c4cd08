"""Hints: comments that say what a comparison cannot tell, and what each of them stands beside."""

from __future__ import annotations

import pytest

from reconciler.errors import SourceError
from reconciler.source.reading import source_from_text

TABLE = """
-- reconciler: renamed from old_users
create table app.users (
    id int,
    -- reconciler: renamed from mail
    email text, -- reconciler: using lower(email)
    name text default ',' -- reconciler: renamed from "Full Name"
    , constraint positive check (id > 0) /* reconciler: renamed from users_check */
); -- reconciler: keep
"""


def _said(sql: str) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(str(hint.subject), hint.kind.value, hint.argument) for hint in source_from_text(sql, "x.sql").hints]


def test_each_hint_speaks_of_what_it_stands_beside() -> None:
    assert _said(TABLE) == [
        ("table app.users", "renamed", ("old_users",)),
        ("column app.users.email", "renamed", ("mail",)),
        ("column app.users.email", "using", ("lower(email)",)),
        ("column app.users.name", "renamed", ("Full Name",)),
        ("constraint app.users.positive", "renamed", ("users_check",)),
        ("table app.users", "keep", ()),
    ]


@pytest.mark.parametrize(
    ("sql", "subject"),
    [
        ("create unique index concurrently if not exists i on only app.t (a)", "index app.t.i"),
        ("create or replace function app.f(a int default 1) returns int language sql as 'select 1'", "function app.f"),
        ("create materialized view m as select 1", "materialized view m"),
        ("create trigger g after update of on_ on app.t execute function f()", "trigger app.t.on_"),
        ("create policy p on t using (true)", "policy t.p"),
        ("create rule r as on insert to app.t do nothing", "rule app.t.r"),
        ("create schema authorization me", "schema me"),
        ("alter table only app.t add constraint c check (true)", "constraint app.t.c"),
        ("alter table app.t add column if not exists d int", "column app.t.d"),
        ("alter type app.e add value if not exists 'x'", "enum label app.e.x"),
        ("create text search configuration c (parser = p)", "text search configuration c"),
        ('create unlogged table "T" (a int)', "table T"),
    ],
)
def test_a_hint_before_a_statement_speaks_of_what_it_makes(sql: str, subject: str) -> None:
    sql = sql.replace("trigger g after update of on_", "trigger on_ after update")
    assert _said(f"-- reconciler: renamed from old\n{sql};") == [(subject, "renamed", ("old",))]


def test_a_backfill_may_ask_for_triggers_to_fire() -> None:
    text = "create table t (a int, -- reconciler: backfill f('firing triggers') FIRING triggers\nb int -- reconciler: backfill firing\n)"
    hints = source_from_text(text, "x.sql").hints
    assert [(hint.argument, hint.firing) for hint in hints] == [(("f('firing triggers')",), True), (("firing",), False)]
    with pytest.raises(SourceError, match="hint: backfill firing triggers"):
        source_from_text("create table t (a int -- reconciler: backfill firing triggers\n)", "x.sql")


def test_labels_of_an_enum_are_named_by_their_text() -> None:
    sql = "create type mood as enum (\n'a''b', -- reconciler: renamed from 'old one'\n'c'\n);"
    assert _said(sql) == [("enum label mood.a'b", "renamed", ("old one",))]


def test_an_object_can_be_named_from_anywhere() -> None:
    sql = '-- reconciler: on materialized view app."M": keep\n-- reconciler: on column t.c: backfill now()\n'
    assert _said(sql) == [("materialized view app.M", "keep", ()), ("column t.c", "backfill", ("now()",))]


def test_what_only_looks_like_a_hint_is_none() -> None:
    sql = "-- the reconciler: renamed from x\nselect '-- reconciler: keep', $$ -- reconciler: keep $$, E'\\'-- reconciler: keep';"
    assert _said(sql) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-- reconciler: rename to x\ncreate table t (a int);", "x.sql:1: not a hint: rename to x"),
        ("create table t (a int);\n\n-- reconciler: keep", "x.sql:3: .* is not beside anything"),
        ("create table t (\na int\n-- reconciler: keep\n);", "x.sql:3: .* is not beside anything"),
        ("create table t (\nprimary key (a), -- reconciler: keep\na int);", "x.sql:2: .* is not beside anything"),
        ("-- reconciler: using 1); drop table t; --\ncreate table t (a int);", "x.sql:1: not a single expression"),
        ("-- reconciler: backfill 'x\ncreate table t (a int);", "not terminated"),
        ("-- reconciler: renamed from 1 + 1\ncreate table t (a int);", "x.sql:1: 1 \\+ 1 is not a name"),
        ("-- reconciler:\ncreate table t (a int);", "x.sql:1: the hint is empty"),
        ("-- reconciler: on t: keep\n", "x.sql:1: the hint has no colon after its object"),
    ],
)
def test_a_hint_that_cannot_be_read_is_an_error_with_its_line(text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        source_from_text(text, "x.sql")
