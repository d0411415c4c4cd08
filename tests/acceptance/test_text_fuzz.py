"""Any text that a person can write goes through plan and apply, is read back as it was, and is never run.

Names, labels, comments, defaults, options, literals and bodies are drawn from fragments that would break out of badly
composed SQL, and from all of Unicode. Each example is a schema, then the same things with other texts, then an empty
schema. That nothing ran which was text shows in a table and a sequence that most fragments are after.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import sql

from reconciler.client import Options, Reconciler
from reconciler.model.hazards import HazardKind
from reconciler.options import WhenBehind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import LiteralString

EXAMPLES = int(os.environ.get("RECONCILER_FUZZ_EXAMPLES", "5"))
LONGEST_NAME_BYTES = 63
SCHEMA = "fuzzed"
OPTIONS = Options(schemas=(SCHEMA,), exact=True, allow=frozenset(HazardKind), when_behind=WhenBehind.APPLY)
FRAGMENTS = [
    "'", '"', "''", '""', "\\", "\\'", "$$", "$1", "$body$", "$reconciler$", "%", "%s", "%(x)s", "{}", "{0}", ":x", "?", "\n", "\r\n",
    "\t", " ", ";", "--", "/*", "*/", ",", "(", ")", ".", "=", "E'", "U&'\\0041'", "\\x41", "\\u0041", "\x01", "\x7f",
    "select", "table", "user", "null", "default", "public", "é", "e\u0301", "\u202eevil\u202c", "\u200b", "\ufeff", "名", "😀", "👩\u200d👩\u200d👧", "ß", "İ",
    "'; drop table precious.kept; --", '"; drop table precious.kept; --', "$$; drop table precious.kept; $$", "'); select precious.harm(); --",
    "'||precious.harm()||'", "*/ select precious.harm(); /*", "\nselect precious.harm();\n", "\\'; select precious.harm(); --", '")); select precious.harm(); --',
]  # fmt: skip
TEXTS = st.lists(
    st.one_of(
        st.sampled_from(FRAGMENTS),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),
    ),
    max_size=8,
).map("".join)


def _cut(text: str) -> str:
    return text.encode()[:LONGEST_NAME_BYTES].decode(errors="ignore")


IDENTIFIERS = st.one_of(TEXTS, st.sampled_from(["n" * LONGEST_NAME_BYTES, "é" * 31 + "n"])).map(_cut).filter(bool)
# What names something takes part in names that Postgres makes of it, but all that have one here are named.
RELATIONS = ("items", "view", "numbers", "kind", "few", "pair", "index")
NAMED = (
    *RELATIONS,
    "routine",
    "argument",
    "id",
    "note",
    "state",
    "amount",
    "check",
    "policy",
    "trigger",
    "attribute",
    "limit",
)


@dataclass(frozen=True)
class Drawn:
    """The names and texts of one schema."""

    names: dict[str, str]
    texts: dict[str, str]
    labels: list[str]


@st.composite
def drawn(draw: st.DrawFn) -> Drawn:
    """Names that are distinct, so that no two things clash; labels likewise, as long as a label may be."""
    names = draw(st.lists(IDENTIFIERS, min_size=len(NAMED), max_size=len(NAMED), unique=True))
    texts = ("comment", "default", "unlike", "body", "domain", "shown", "condition", "column_comment", "setting")
    return Drawn(
        names=dict(zip(NAMED, names, strict=True)),
        texts={key: draw(TEXTS) for key in texts},
        labels=draw(st.lists(TEXTS.map(_cut).filter(bool), min_size=1, max_size=4, unique=True)),
    )


def _source(each: Drawn) -> str:
    """The schema as somebody would write it who quotes rightly: psycopg does it here, which the package does not use so."""
    statements: list[LiteralString] = [
        "CREATE TYPE {kind} AS ENUM ({labels})",
        "CREATE DOMAIN {few} AS text DEFAULT {domain} CONSTRAINT {limit} CHECK (VALUE <> {unlike})",
        "CREATE TYPE {pair} AS ({attribute} text)",
        "CREATE SEQUENCE {numbers}",
        "CREATE FUNCTION {routine}({argument} text DEFAULT {default}) RETURNS text LANGUAGE sql AS {body}",
        "ALTER FUNCTION {routine}(text) SET application_name = {setting}",
        (
            "CREATE TABLE {items} ({id} integer PRIMARY KEY, {note} text DEFAULT {default}, {state} {kind} DEFAULT"
            " {label}, {amount} {pair}, CONSTRAINT {check} CHECK ({note} <> {unlike}))"
        ),
        "CREATE INDEX {index} ON {items} (({note} || {condition})) WHERE {note} <> {unlike}",
        "CREATE VIEW {view} AS SELECT {id}, {shown}::text AS {note} FROM {items} WHERE {note} <> {condition}",
        "CREATE POLICY {policy} ON {items} USING ({note} <> {condition})",
        (
            "CREATE TRIGGER {trigger} BEFORE INSERT ON {items} FOR EACH ROW WHEN (NEW.{note} = {condition})"
            " EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        ),
        "COMMENT ON TABLE {items} IS {comment}",
        "COMMENT ON COLUMN {items}.{note} IS {column_comment}",
        "COMMENT ON CONSTRAINT {check} ON {items} IS {comment}",
        "COMMENT ON FUNCTION {routine}(text) IS {comment}",
        "COMMENT ON POLICY {policy} ON {items} IS {comment}",
        "COMMENT ON TYPE {kind} IS {comment}",
    ]
    parts: dict[str, sql.Composable] = {key: sql.Literal(text) for key, text in each.texts.items()}
    parts |= {key: sql.Identifier(text) for key, text in each.names.items()}
    parts |= {key: sql.Identifier(SCHEMA, each.names[key]) for key in ("kind", "few", "pair")}
    parts["labels"] = sql.SQL(", ").join(sql.Literal(label) for label in each.labels)
    parts["label"] = sql.Literal(each.labels[-1])
    parts["body"] = sql.SQL("{}").format(sql.Literal(_body(each)))
    return ";\n".join(sql.SQL(statement).format(**parts).as_string(None) for statement in statements) + ";\n"


def _body(each: Drawn) -> str:
    return sql.SQL("SELECT {}::text").format(sql.Literal(each.texts["body"])).as_string(None)


_READ_BACK = """
SELECT
    (SELECT array_agg(enumlabel::text ORDER BY enumsortorder) FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid
      WHERE t.typnamespace = n.oid) AS labels,
    (SELECT array_agg(relname::text ORDER BY relname COLLATE "C") FROM pg_class
      WHERE relnamespace = n.oid AND relkind IN ('r', 'v', 'S', 'c') OR (relnamespace = n.oid AND relkind = 'i'
        AND NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = pg_class.oid AND indisprimary))) AS relations,
    (SELECT array_agg(attname::text ORDER BY attname COLLATE "C") FROM pg_attribute
      WHERE attrelid = items.oid AND attnum > 0 AND NOT attisdropped) AS columns,
    obj_description(items.oid, 'pg_class') AS comment,
    (SELECT col_description(items.oid, attnum) FROM pg_attribute WHERE attrelid = items.oid AND attname = %(note)s),
    (SELECT array_agg(obj_description(oid, 'pg_constraint')) FROM pg_constraint
      WHERE conrelid = items.oid AND conname = %(check)s),
    (SELECT array_agg(obj_description(oid, 'pg_policy')) FROM pg_policy WHERE polrelid = items.oid AND polname = %(policy)s),
    (SELECT array_agg(obj_description(oid, 'pg_proc')) FROM pg_proc WHERE pronamespace = n.oid AND proname = %(routine)s),
    (SELECT array_agg(proargnames::text[] ORDER BY oid) FROM pg_proc WHERE pronamespace = n.oid),
    (SELECT array_agg(prosrc) FROM pg_proc WHERE pronamespace = n.oid),
    (SELECT array_agg(proconfig ORDER BY oid) FROM pg_proc WHERE pronamespace = n.oid),
    (SELECT array_agg(conname::text) FROM pg_constraint JOIN pg_type t ON t.oid = contypid
      WHERE t.typnamespace = n.oid AND contype = 'c'),
    (SELECT typdefault FROM pg_type WHERE typnamespace = n.oid AND typtype = 'd') AS domain,
    (SELECT array_agg(tgname::text) FROM pg_trigger WHERE tgrelid = items.oid)
FROM pg_namespace n JOIN pg_class items ON items.relnamespace = n.oid AND items.relkind = 'r' WHERE n.nspname = %(schema)s
"""


def _wanted(each: Drawn) -> tuple[object, ...]:
    names, texts = each.names, each.texts
    relations = sorted((names[key] for key in RELATIONS if key not in ("kind", "few")), key=str.encode)
    columns = sorted((names[key] for key in ("id", "note", "state", "amount")), key=str.encode)
    comment = texts["comment"] or None  # an empty comment is none
    return (
        each.labels, relations, columns, comment, texts["column_comment"] or None, [comment], [comment], [comment],
        [[names["argument"]]], [_body(each)], [[f"application_name={texts['setting']}"]], [names["limit"]],
        texts["domain"], [names["trigger"]],
    )  # fmt: skip


def _assert_reads_back(connection: psycopg.Connection, each: Drawn) -> None:
    keys = {key: each.names[key] for key in ("note", "check", "policy", "routine")}
    found = connection.execute(_READ_BACK, {**keys, "schema": SCHEMA}).fetchone()
    assert found is not None
    *rest, domain, triggers = found
    *expected, default, trigger = _wanted(each)
    assert [*rest, triggers] == [*expected, trigger]
    with connection.transaction(force_rollback=True):
        # What an expression says shows when it is computed.
        names = {key: sql.Identifier(SCHEMA, each.names[key]) for key in ("items", "view", "routine", "few")}
        columns = {key: sql.Identifier(each.names[key]) for key in ("id", "note", "state")}
        assert domain is not None
        connection.execute(
            sql.SQL("ALTER TABLE {items} DROP CONSTRAINT {check}").format(
                check=sql.Identifier(each.names["check"]), **names
            )
        )
        connection.execute(sql.SQL("DROP TRIGGER {} ON {items}").format(sql.Identifier(each.names["trigger"]), **names))
        text = sql.SQL("INSERT INTO {items} ({id}) VALUES (1) RETURNING {note}, {state}::text").format(
            **names, **columns
        )
        assert connection.execute(text).fetchone() == (each.texts["default"], each.labels[-1])
        assert connection.execute(sql.SQL("SELECT {routine}()").format(**names)).fetchone() == (each.texts["body"],)
        connection.execute(
            sql.SQL("CREATE TABLE {} (id integer, value {few})").format(sql.Identifier(SCHEMA, "x"), **names)
        )
        if each.texts["default"] != each.texts["condition"]:
            shown = connection.execute(sql.SQL("SELECT {note} FROM {view}").format(**names, **columns)).fetchall()
            assert shown == [(each.texts["shown"],)]
        if default != each.texts["unlike"]:
            text = sql.SQL("INSERT INTO {} (id) VALUES (1) RETURNING value").format(sql.Identifier(SCHEMA, "x"))
            assert connection.execute(text).fetchone() == (default,)


@pytest.fixture
def watched(database: str) -> Iterator[psycopg.Connection]:
    """A connection to a database with a table and a sequence that only text is after."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE SCHEMA precious; CREATE TABLE precious.kept (a integer); INSERT INTO precious.kept VALUES (1);"
            "CREATE SEQUENCE precious.harmed;"
            "CREATE FUNCTION precious.harm() RETURNS text LANGUAGE sql AS $$ SELECT nextval('precious.harmed')::text $$"
        )
        yield connection


@pytest.mark.one_server
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    # An example takes seconds; to make a failing one small would take many minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(first=drawn(), second=drawn())
def test_any_text_goes_round_trip_and_is_never_run(
    database: str, watched: psycopg.Connection, first: Drawn, second: Drawn
) -> None:
    # The same names with other texts: altered in place where that can be.
    other = Drawn(names=first.names, texts=second.texts, labels=second.labels)
    with Reconciler(database, options=OPTIONS) as reconciler:
        for each in (first, other, second, None):
            source = _source(each) if each is not None else ""
            reconciler.migrate(source, plugin="fuzz")
            assert reconciler.plan(source, plugin="fuzz").plan.is_empty
            if each is not None:
                _assert_reads_back(watched, each)
        assert watched.execute("SELECT count(*) FROM precious.kept").fetchone() == (1,)
        # A sequence that was never used has not been called; rolled back calls count too.
        assert watched.execute("SELECT is_called FROM precious.harmed").fetchone() == (False,)
