"""Nothing of ours is called in another schema, whoever made it there and wherever the session looks for names.

Everything runs beside the traps of tests/traps.py, in a database whose search_path has them before pg_catalog: what
names or operators of ours resolve to them is in the server's log.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import traps
from pooler import pgbouncer, pooler
from psycopg import sql

from reconciler import Options, Reconciler, SourceError, reconcile_on_startup
from reconciler.cli.commands import run
from reconciler.options import Proof

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager

    from reconciler.embedded import EmbeddedServer

pytestmark = pytest.mark.every_server

OWNER = "trap_owner"
# What runs as it is loaded names pg_catalog: a name that can mean one of the traps is refused in scratch `schema`.
FIRST = """
    CREATE SCHEMA app;
    CREATE TYPE app.mood AS ENUM ('sad', 'ok');
    CREATE DOMAIN app.amount AS int CHECK (VALUE > 0);
    CREATE TABLE app.users (id int PRIMARY KEY, name text NOT NULL, mood app.mood, born timestamptz DEFAULT pg_catalog.now());
    CREATE TABLE app.orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner int, n text);
    CREATE TABLE app.log (id int, at int) PARTITION BY RANGE (at);
    CREATE TABLE app.log_1 PARTITION OF app.log FOR VALUES FROM (0) TO (10);
    CREATE FUNCTION app.f(x int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT x';
    CREATE FUNCTION app.noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE VIEW app.v AS SELECT id, name FROM app.users;
    CREATE MATERIALIZED VIEW app.m AS SELECT id FROM app.users;
"""
# With rows in live, each of these is asked about before the first lock.
# With rows in live, each of these is asked about before the first lock.
SECOND = """
    CREATE SCHEMA app;
    CREATE TYPE app.mood AS ENUM ('sad', 'ok', 'happy');
    CREATE DOMAIN app.amount AS int CHECK (VALUE > 5);
    CREATE TABLE app.users (
        id int PRIMARY KEY,
        -- reconciler: renamed from name
        title varchar(9) NOT NULL,
        mood app.mood,
        born timestamptz DEFAULT pg_catalog.now(),
        UNIQUE (title)
    );
    CREATE TABLE app.orders (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        owner int NOT NULL REFERENCES app.users,
        n int CHECK (n > 0)
    );
    CREATE TABLE app.log (id int, at int) PARTITION BY RANGE (at);
    CREATE TABLE app.log_1 PARTITION OF app.log FOR VALUES FROM (0) TO (9);
    CREATE FUNCTION app.f(x int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT x';
    CREATE FUNCTION app.noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE VIEW app.v AS SELECT id, title FROM app.users;
    CREATE MATERIALIZED VIEW app.m AS SELECT id FROM app.users;
    CREATE UNIQUE INDEX log_at ON app.log (at);
    CREATE TRIGGER noted BEFORE UPDATE ON app.users FOR EACH ROW EXECUTE FUNCTION app.noted();
    CREATE POLICY mine ON app.users USING (id = 1);
    COMMENT ON TABLE app.users IS 'people';
"""
# In steps: an index CONCURRENTLY, a key of another type, a column that is backfilled in batches.
STEPS = (
    SECOND.replace("id int PRIMARY KEY", "id bigint PRIMARY KEY").replace("owner int NOT NULL", "owner bigint NOT NULL")
    + """
    CREATE INDEX orders_n ON app.orders ((n + owner)) WHERE n > 5;
    -- reconciler: backfill 7
    ALTER TABLE app.orders ADD COLUMN token int NOT NULL;
"""
)
ROWS = """
    INSERT INTO app.users (id, name) SELECT i, 'u' || i FROM generate_series(1, 300) i;
    INSERT INTO app.orders (owner, n) SELECT i, i::text FROM generate_series(1, 300) i;
    INSERT INTO app.log SELECT i, i FROM generate_series(0, 8) i;
"""
OPTIONS = Options(schemas=("app",))


@pytest.fixture(scope="session")
def template(server: EmbeddedServer) -> Iterator[str]:
    """The name of a database with the traps, made once for each server."""
    name = "trapped"
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(OWNER)))
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        try:
            with psycopg.connect(server.url_of(name)) as connection:
                assert traps.set_traps(connection, OWNER) > 15_000
            yield name
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(OWNER)))


@pytest.fixture
def trapped(server: EmbeddedServer, template: str) -> Iterator[str]:
    """A fresh database with the traps. No alarm was raised in it, which is looked up at the end."""
    name = f"{template}_now"
    before = server.log_file.stat().st_size
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        admin.execute(sql.SQL("ALTER DATABASE {} SET search_path = public, pg_catalog").format(sql.Identifier(name)))
        try:
            yield server.url_of(name)
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    assert traps.alarms(server.log_file, before) == []


def fill(url: str, text: str) -> None:
    """As its owner does, who looks where he means."""
    with psycopg.connect(url, options="-c search_path=pg_catalog", autocommit=True) as connection:
        connection.execute(text.encode())


@contextmanager
def by_url(url: str) -> Generator[Reconciler]:
    with Reconciler(url, options=OPTIONS) as reconciler:
        yield reconciler


@contextmanager
def handed_in(url: str) -> Generator[Reconciler]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield Reconciler(connection, options=OPTIONS)
        assert connection.execute("show search_path").fetchone() == ("public, pg_catalog",)


@contextmanager
def pooled(url: str) -> Generator[Reconciler]:
    """Through a pooler that takes the settings of the session's start and does not pass them on."""
    with (
        pooler(url, pool_size=2, more="ignore_startup_parameters = options") as dsn,
        Reconciler(dsn, options=OPTIONS) as reconciler,
    ):
        yield reconciler


WAYS: dict[str, Callable[[str], AbstractContextManager[Reconciler]]] = {
    "by a URL": by_url,
    "handed in": handed_in,
    "pooled": pooled,
}


def test_a_trap_raises_an_alarm(server: EmbeddedServer, template: str) -> None:
    before = server.log_file.stat().st_size
    queries = (
        "select lower('x')",
        "select 1 = 1",
        "select 'x'::text",
        "select from pg_class",
        "select pg_catalog.count(*) from pg_catalog.pg_class where relname !~ 'x'",
        "select count(*) from pg_catalog.pg_class",
    )
    with psycopg.connect(server.url_of(template), autocommit=True) as connection:
        connection.execute("set search_path = public, pg_catalog")
        for query in queries:
            with pytest.raises(psycopg.Error):
                connection.execute(query.encode())
        # One that fits better is called also where pg_catalog comes first.
        connection.execute("set search_path = public")
        with pytest.raises(psycopg.Error, match=traps.ALARM):
            connection.execute("select oid >= 5 from pg_catalog.pg_class")
    assert len(traps.alarms(server.log_file, before)) == len(queries) + 1


@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=() if way == "by a URL" else pytest.mark.one_server) for way in WAYS]
)
def test_no_use_of_the_api_calls_what_others_made(way: str, trapped: str) -> None:
    if way == "pooled" and pgbouncer() is None:
        pytest.skip("pgbouncer is not installed")
    loses = Options(schemas=("app",), allow=frozenset({"data_loss"}))
    with WAYS[way](trapped) as reconciler:
        assert reconciler.migrate(FIRST).idx == 0
        assert reconciler.migrate(FIRST).skipped
        fill(trapped, ROWS)
        planned = reconciler.plan(SECOND, options=replace(OPTIONS, proof=Proof.ROWS))
        assert not planned.findings
        reconciler.require_current(planned)
        assert reconciler.apply(planned).idx == 1
        assert reconciler.migrate(STEPS, options=replace(OPTIONS, online=True)).idx == 2
        assert not reconciler.check(STEPS).has_drift
        fill(trapped, "alter table app.users add by_hand int; drop view app.v")
        assert reconciler.check().has_drift
        reconciler.repair(STEPS, accept=True, objects=["table:app.users"])
        reconciler.repair(STEPS)
        assert reconciler.rollback(steps=1, options=loses).idx is not None
        assert reconciler.status().has_run
        assert reconciler.history()
        assert reconciler.show(1).statements
        assert reconciler.reset() > 0
        reconciler.adopt(SECOND, change=True, options=loses)
        with pytest.raises(SourceError, match="nowhere"):
            reconciler.migrate(f"{SECOND} CREATE TABLE app.bad (a nowhere.type);")


@pytest.mark.one_server
@pytest.mark.parametrize("scratch", ["schema", "database"])
def test_no_command_calls_what_others_made(
    trapped: str, scratch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("first.sql").write_text(FIRST)
    Path("second.sql").write_text(SECOND)

    def command(expected: int, *arguments: str) -> None:
        code = run([*arguments, "--dsn", trapped])
        assert code == expected, f"{arguments}: {capsys.readouterr()}"

    place = ("--schema", "app", "--scratch", scratch)
    command(2, "plan", "first.sql", "--out", "plan.json", *place)
    command(0, "apply", "--plan", "plan.json")
    fill(trapped, ROWS)
    command(0, "apply", "second.sql", *place)
    command(0, "check", "second.sql", *place)
    if scratch == "database":
        return  # what follows is the same, and the traps are read for every temporary database
    for reading in (("check",), ("status",), ("history",), ("show", "1"), ("dump", "--schema", "app")):
        command(0, *reading)
    command(0, "rollback", "--steps", "1", "--yes", "--allow", "data_loss", *place)
    fill(trapped, "drop function app.f(int)")
    command(4, "check")
    command(0, "repair", "first.sql", "--revert", *place)
    command(0, "reset", "--yes")
    command(0, "adopt", "first.sql", *place)
    assert reconcile_on_startup(trapped, {"default": FIRST}, options=replace(OPTIONS, scratch=scratch))
    assert run(["diff", trapped, trapped, "--schema", "app"]) == 0
