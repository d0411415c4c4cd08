"""What a proof copies: what the plan can reach, and all of live where that is not certain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler.client import Reconciler
from reconciler.errors import ProofError
from reconciler.model.facts import FactId
from reconciler.options import Options
from reconciler.proof import rehearsal

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.model.snapshot import Snapshot

pytestmark = pytest.mark.one_server

SCHEMA = """
CREATE TABLE author (id int PRIMARY KEY, name text);
CREATE TABLE book (id int PRIMARY KEY, author int REFERENCES author);
CREATE TABLE review (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, book int REFERENCES book);
CREATE TABLE shelf (room text, place int, author int REFERENCES author) PARTITION BY LIST (room);
CREATE TABLE shelf_north PARTITION OF shelf FOR VALUES IN ('north');
CREATE TABLE shelf_south PARTITION OF shelf FOR VALUES IN ('south');
CREATE TABLE log (line text);
CREATE TYPE mood AS ENUM ('calm');
CREATE TABLE feeling (id int PRIMARY KEY, mood mood);
CREATE VIEW calm AS SELECT id FROM feeling WHERE mood = 'calm';
CREATE FUNCTION cut(value int) RETURNS int LANGUAGE sql AS 'SELECT value';
CREATE FUNCTION cut(value text) RETURNS text LANGUAGE sql AS 'SELECT value';
"""
PUBLICATION = "CREATE PUBLICATION news FOR TABLE author, log;"
# What is declared instead, and what is copied then: tables, views, routines and types.
CHANGES: list[tuple[str, str, set[str]]] = [
    # A table that refers to it is touched by no more than its foreign key.
    ("name text);", "name text, born date);", {"author", "book", "shelf", "shelf_north", "shelf_south"}),
    # What it refers to is context, and what that refers to is none.
    ("book int REFERENCES book);", "book int REFERENCES book, stars int);", {"review", "book"}),
    # A hierarchy is whole, with its foreign keys.
    (
        "CREATE TABLE log",
        "CREATE INDEX ON shelf_north (place);\nCREATE TABLE log",
        {"author", "shelf", "shelf_north", "shelf_south"},
    ),
    ("AS ENUM ('calm')", "AS ENUM ('calm', 'angry')", {"feeling", "calm", "mood"}),
    # A body is text, and what of that is a name nobody knows; one of several routines is chosen by its arguments.
    (
        "CREATE FUNCTION cut(value int)",
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN DELETE FROM log; RETURN cut(1); END';\n"
            "CREATE FUNCTION cut(value int)"
        ),
        {"log", "cut"},
    ),
    # Postgres gives the sequence of an identity column a name that is free.
    (
        "CREATE FUNCTION cut(value int)",
        "CREATE TABLE review_id (seq int);\nCREATE FUNCTION cut(value int)",
        {"review"},
    ),
    ("CREATE TABLE log (", "-- reconciler: renamed from log\nCREATE TABLE logged (", {"everything"}),
]


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[Snapshot]:
    """What each rehearsal copies."""
    found: list[Snapshot] = []
    copy = rehearsal._copy

    def noted(live: Snapshot, *arguments: object) -> frozenset[FactId]:
        found.append(live)
        return copy(live, *arguments)

    monkeypatch.setattr(rehearsal, "_copy", noted)
    return found


@pytest.mark.parametrize(("scratch", "published"), [("database", PUBLICATION), ("schema", "")])
def test_only_what_a_plan_can_reach_is_copied(
    make_database: Callable[[], str], copied: list[Snapshot], scratch: str, published: str
) -> None:
    database = make_database()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"{SCHEMA}{published}".encode())
    with Reconciler(database, options=Options(scratch=scratch)) as reconciler:
        for old, new, reached in CHANGES:
            copied.clear()
            renamed = published.replace("log", "logged") if "renamed" in new else published
            declared = f"{SCHEMA.replace(old, new)}{renamed}"
            planned = reconciler.plan(declared)
            (live,) = copied
            assert old in SCHEMA
            assert planned.plan.statements
            names = {fact.name[1] for fact in live.facts if fact.kind in ("table", "view", "function", "enum")}
            everything = {
                fact.name[1] for fact in planned.live.facts if fact.kind in ("table", "view", "function", "enum")
            }
            assert names == (everything if reached == {"everything"} else reached), new


def test_a_rehearsal_on_too_little_is_repeated_on_the_whole(
    database: str, copied: list[Snapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
    books = {FactId("table", ("public", "book"))}
    monkeypatch.setattr(
        rehearsal, "beyond_reach", lambda _, live, __: {fact for fact in live.facts if live.object_of(fact) in books}
    )
    with Reconciler(database, options=Options(scratch="database")) as reconciler:
        reconciler.plan(SCHEMA.replace("name text);", "name text, born date);"))
        part, whole = copied
        assert books.isdisjoint(part.facts)
        assert books <= whole.facts.keys()
        monkeypatch.setattr(rehearsal, "run_statements", lambda *_, **__: None)
        with pytest.raises(ProofError, match=r"column public\.author\.born"):
            reconciler.plan(SCHEMA.replace("name text);", "name text, born date);"))
