"""IF NOT EXISTS that skips something of another definition is said, with both places."""

from __future__ import annotations

import pytest

from reconciler.source.reading import source_from_text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("create table t (a int);\ncreate table if not exists t (a int, b int);", "TABLE IF NOT EXISTS t"),
        ('create table "T" (a int);\ncreate table if not exists public."T" (b int);', "TABLE IF NOT EXISTS T"),
        (
            "create table T (a int);\nCREATE UNLOGGED TABLE IF NOT EXISTS public.t (b int);",
            "UNLOGGED TABLE IF NOT EXISTS t",
        ),
        (
            "create index i on t (a);\ncreate unique index concurrently if not exists i on t (b);",
            "UNIQUE INDEX IF NOT EXISTS i",
        ),
        ("create view v as select 1;\ncreate table if not exists v (a int);", "TABLE IF NOT EXISTS v"),
        ("create sequence s;\ncreate sequence if not exists s start 5;", "SEQUENCE IF NOT EXISTS s"),
        ("create table a.t (a int);\ncreate table if not exists a.t ();", "TABLE IF NOT EXISTS a.t"),
        ("create table t (a text default 'A');\ncreate table if not exists t (a text default 'a');", "t"),
        ("create table t (a int);\nCREATE  TABLE IF NOT EXISTS public.T ( A INT ) ;", None),
        ("create table t (a int);\ncreate table if not exists b.t (b int);", None),
        ("create table t (a int);\ndrop table t;\ncreate table if not exists t (b int);", None),
        ("create table if not exists t (a int);\ncreate index if not exists u on t (a);", None),
        ("create schema if not exists a;\ncreate schema if not exists a authorization b;", None),
    ],
)
def test_what_makes_nothing_because_another_statement_made_it_otherwise_is_named(text: str, said: str | None) -> None:
    warnings = [each for each in source_from_text(text, origin="x.sql").warnings if "makes nothing" in each]
    if said is None:
        assert warnings == []
        return
    (warning,) = warnings
    assert warning.startswith("x.sql:2: CREATE ")
    assert f"{said} makes nothing, since x.sql:1 makes it with another definition" in warning
