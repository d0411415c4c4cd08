"""Names and texts that would break out of badly composed SQL go round trip through plan and apply."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from reconciler.client import Reconciler
from reconciler.model.hazards import HazardKind
from reconciler.options import Options, WhenBehind

pytestmark = pytest.mark.one_server

NAMES = [
    'quote"inside',
    'x"; drop table precious; --',
    "two\nlines",
    "naïve-☃-名前",
    "n" * 63,
    "select",
    "per%cent %s %(x)s {}",
    "back\\slash",
    "it's $$dollar$$",
]


def _source(name: str) -> str:
    """A schema in which everything that has a name or a text has a hostile one."""
    second = name[:58] + "_two"
    parts = [
        "create type {enum} as enum ({label}, {other});",
        (
            "create table {table} ({column} integer primary key, {plain} text default {label} not null, e {enum} default {label},"
            " constraint {check} check ({plain} <> {other}));"
        ),
        "create index {index} on {table} ({plain}) where {plain} <> {label};",
        "create view {view} as select {column}, {plain} as {alias} from {table} where {plain} <> {label};",
        "create function {function}({argument} text default {label}) returns text language sql as {body};",
        "create sequence {sequence};",
        "alter table {table} enable row level security;",
        "create policy {policy} on {table} using ({plain} <> {label});",
        "comment on table {table} is {label};",
        "comment on column {table}.{column} is {other};",
        "create domain {domain} as text check (value <> {label});",
    ]
    plain = ("table", "column", "check", "policy", "function", "argument")
    identifiers = {key: sql.Identifier(name) for key in plain}
    identifiers["domain"] = sql.Identifier(name[:58] + "_dom")
    identifiers["enum"] = sql.Identifier(name[:58] + "_enum")
    for number, key in enumerate(("plain", "index", "view", "sequence", "alias")):
        identifiers[key] = sql.Identifier(f"{second}{number}"[:63])
    texts = {"label": sql.Literal(name[:40]), "other": sql.Literal(name[:20] + "'); drop table p; --")}
    body = sql.Literal("select 'x" + name.replace("'", "''") + "'")
    return "\n".join(sql.SQL(part).format(body=body, **identifiers, **texts).as_string(None) for part in parts)


@pytest.mark.parametrize(("name", "scratch"), [*((name, "schema") for name in NAMES), (NAMES[1], "database")])
def test_hostile_names_and_texts_go_round_trip(database: str, name: str, scratch: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table public.precious (a int)")
    options = Options(schemas=(name,), scratch=scratch, allow=frozenset(HazardKind), when_behind=WhenBehind.APPLY)
    source = _source(name)
    plugin = name.replace("\n", " ")  # the name of a plugin is one line
    with Reconciler(database, options=options) as reconciler:
        assert reconciler.migrate(source, plugin=plugin).idx == 0
        assert reconciler.plan(source, plugin=plugin).plan.is_empty
        assert reconciler.migrate(source.replace("drop table p;", "drop table q;"), plugin=plugin).statements
        assert reconciler.migrate("create table t (a int)", plugin=plugin).idx == 2
        assert reconciler.migrate(source, plugin=plugin).idx == 3
        assert reconciler.check(source, plugin=plugin).plan.is_empty
        record = reconciler.show(3, plugin=plugin)
    assert record.snapshot is not None
    assert any(fact.name[0] == name for fact in record.snapshot)
    with psycopg.connect(database, autocommit=True) as connection:
        row = connection.execute("select to_regclass('public.precious')").fetchone()
        assert row is not None
        assert row[0] is not None
