"""A declaration is built once, and again as soon as anything moved that its build depends on; what live is does not count."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler.client import Reconciler
from reconciler.diff.drift import State
from reconciler.diff.kept import desired_from_text, desired_to_text
from reconciler.options import Options, Proof
from reconciler.scratch import build, kept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.diff.goal import Desired

pytestmark = pytest.mark.one_server

SOURCE = """
CREATE TYPE mood AS ENUM ('calm', 'angry');
CREATE TABLE author (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL DEFAULT 'nobody', mood mood);
CREATE TABLE book (id int PRIMARY KEY, author int REFERENCES author, price numeric(6, 2) CHECK (price > 0));
CREATE TABLE sale (day date, book int) PARTITION BY RANGE (day);
CREATE TABLE sale_2020 PARTITION OF sale FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE INDEX book_price ON book (price DESC) WHERE price > 10;
CREATE VIEW dear AS SELECT b.id, a.name FROM book b JOIN author a ON a.id = b.author WHERE price > 100;
CREATE MATERIALIZED VIEW counted AS SELECT author, count(*) FROM book GROUP BY author;
CREATE FUNCTION cut(value int) RETURNS int LANGUAGE sql AS 'SELECT value';
ALTER TABLE book ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON book TO kept_reader USING (author = 1);
COMMENT ON TABLE book IS 'bound';
"""
# What a build depends on: how it changes, and changes back.
PARTS = {
    "a role that is named": ("ALTER ROLE kept_reader CREATEDB", "ALTER ROLE kept_reader NOCREATEDB"),
    "who is a member of it": ("GRANT kept_reader TO kept_other", "REVOKE kept_reader FROM kept_other"),
    "what is set for a role": (
        "ALTER ROLE kept_reader SET work_mem = '5MB'",
        "ALTER ROLE kept_reader RESET work_mem",
    ),
    "default privileges": (
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
        "ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM PUBLIC",
    ),
    "an extension": ("CREATE EXTENSION citext SCHEMA beside", "DROP EXTENSION citext"),
    "a table in a schema that is not managed": ("CREATE TABLE beside.book (id int)", "DROP TABLE beside.book"),
    "a schema that is not managed": ("CREATE SCHEMA aside", "DROP SCHEMA aside"),
}


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Desired]:
    """What was built."""
    found: list[Desired] = []
    whole = build.build

    def noted(*arguments: object, **options: object) -> Desired:
        found.append(whole(*arguments, **options))
        return found[-1]

    monkeypatch.setattr(build, "build", noted)
    return found


@pytest.fixture
def prepared(database: str) -> Iterator[str]:
    """A database with the roles, and a schema that is not managed."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE ROLE kept_reader; CREATE ROLE kept_other; CREATE SCHEMA beside")
        yield database
        connection.execute("DROP OWNED BY kept_reader, kept_other; DROP ROLE kept_reader; DROP ROLE kept_other")


def test_a_declaration_is_built_again_only_when_a_part_of_its_key_moved(
    prepared: str, builds: list[Desired], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = Options(scratch="database")
    unproven = replace(options, proof=Proof.OFF)
    with (
        psycopg.connect(prepared, autocommit=True) as hand,
        Reconciler(prepared, options=options) as reconciler,
    ):
        reconciler.migrate(SOURCE)
        assert len(builds) == 1
        hand.execute("ALTER TABLE author ADD COLUMN note text; DROP VIEW dear; COMMENT ON TABLE author IS 'drifted'")

        def built(source: str = SOURCE, chosen: Options = unproven) -> int:
            builds.clear()
            reconciler.plan(source, options=chosen)
            return len(builds)

        @contextmanager
        def patched(name: str, value: Callable[..., str]) -> Iterator[None]:
            with monkeypatch.context() as patch:
                patch.setattr(kept, name, value)
                yield

        assert built() == 0
        found = reconciler.check(SOURCE)
        assert len(builds) == 0
        assert {str(each.object): each.state for each in found.objects if each.state is not State.IN_SYNC} == {
            "table public.author": State.DRIFTED,
            "view public.dear": State.DRIFTED,
        }
        for part, (there, back) in PARTS.items():
            hand.execute(there.encode())
            assert built() == 1, part
            hand.execute(back.encode())
            assert built() == 0, part
        assert built(f"{SOURCE}-- a word\n") == 1
        assert built(SOURCE.replace("numeric(6, 2)", "numeric(8, 2)")) == 1
        assert built(chosen=replace(unproven, exact=True)) == 1
        assert built(chosen=replace(unproven, schemas=("public", "beside"))) == 1
        assert built(chosen=replace(unproven, scratch="schema")) == 1
        with patched("program_version", lambda: "0.0"):
            assert built() == 1
        with patched("catalog_digest", lambda _: "another"):
            assert built() == 1
        server = kept._server
        with patched("_server", lambda *arguments: server(*arguments).replace('"server" : "', '"server" : "9')):
            assert built() == 1
        reconciler.connection.execute("SET default_toast_compression = 'pglz'; SET xmloption = 'document'")
        reconciler.connection.commit()
        assert built() == 1
        reconciler.connection.execute("RESET default_toast_compression; RESET xmloption")
        reconciler.connection.commit()
        assert built() == 0
        # What somebody else may have written is not believed, nor what is damaged.
        hand.execute("GRANT UPDATE ON migrations._marks TO kept_other")
        assert built() == 1
        hand.execute("REVOKE UPDATE ON migrations._marks FROM kept_other")
        assert built() == 0
        hand.execute("UPDATE migrations._marks SET desired = substr(desired, 1, 100)")
        assert built() == 1


@pytest.mark.parametrize(
    "further",
    [
        "DO 'BEGIN END';",
        "CREATE TABLE copied AS SELECT 1 AS one;",
        "CREATE TABLE dated (day date DEFAULT 'today');",
        "GRANT SELECT ON book TO kept_reader;",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO kept_reader;",
    ],
)
def test_what_a_build_may_give_otherwise_each_time_is_not_kept(
    prepared: str, builds: list[Desired], further: str
) -> None:
    with Reconciler(prepared, options=Options(scratch="database", proof=Proof.OFF)) as reconciler:
        reconciler.migrate(f"{SOURCE}{further}")
        builds.clear()
        reconciler.plan(f"{SOURCE}{further}")
        assert len(builds) == 1


def test_what_is_kept_is_what_was_built(prepared: str, builds: list[Desired]) -> None:
    with Reconciler(prepared, options=Options(scratch="database", proof=Proof.OFF)) as reconciler:
        reconciler.plan(SOURCE)
    (desired,) = builds
    text = desired_to_text(desired)
    assert text is not None
    found = desired_from_text(text)
    # Where objects lay in scratch is of no use.
    whole = replace(desired.snapshot, addresses={}, dependents=frozenset())
    assert found == replace(desired, snapshot=whole)
    assert [*found.snapshot.facts] == [*whole.facts]
