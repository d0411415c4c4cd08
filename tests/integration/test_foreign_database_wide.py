"""Extensions, publications and event triggers: declared, no longer declared, never declared, in each scratch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler.client import Reconciler
from reconciler.diff.drift import State
from reconciler.errors import PlanError, ReconcilerError
from reconciler.model.hazards import HazardKind
from reconciler.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.embedded import EmbeddedServer
    from reconciler.results import MigrateResult

pytestmark = pytest.mark.one_server

WAYS = ("schema", "database", "server")
GONE = """
    SELECT array(SELECT extname::text FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1),
        array(SELECT pubname::text FROM pg_publication ORDER BY 1),
        array(SELECT evtname::text FROM pg_event_trigger ORDER BY 1),
        array(SELECT srvname::text FROM pg_foreign_server ORDER BY 1)
"""


def _options(way: str, server: EmbeddedServer, **more: object) -> Options:
    scratch = server.url if way == "server" else way
    return Options(scratch=scratch, allow=frozenset(HazardKind), **more)  # type: ignore[arg-type]


def _run(url: str, text: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(text.encode())


def _one(url: str, query: str) -> tuple[object, ...]:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row


def _migrate(url: str, options: Options, source: str, plugin: str = "default") -> MigrateResult:
    with Reconciler(url, options=options) as reconciler:
        done = reconciler.migrate(source, plugin=plugin)
        assert reconciler.plan(source, plugin=plugin).plan.is_empty
        found = reconciler.check(source, plugin=plugin)
        assert found.of(*(state for state in State if state not in (State.IN_SYNC, State.UNMANAGED))) == ()
        return done


@pytest.mark.parametrize("way", WAYS)
def test_an_extension_that_is_there_is_left_and_told_of_or_becomes_ours(
    way: str, server: EmbeddedServer, database: str
) -> None:
    _run(database, "CREATE SCHEMA tools; CREATE EXTENSION pg_trgm SCHEMA tools")
    where = "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'pg_trgm'"
    table = "CREATE TABLE t (a text);"
    done = _migrate(database, _options(way, server), f"CREATE EXTENSION IF NOT EXISTS pg_trgm;{table}")
    assert done.warnings == (), "it is there, as is asked for"
    done = _migrate(database, _options(way, server), f"CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public;{table}")
    assert ":1: extension pg_trgm is there already, in schema tools " in done.warnings[0]
    assert _one(database, where) == ("tools",)
    _migrate(database, _options(way, server), table)
    assert _one(database, where) == ("tools",), "what is not ours is not dropped"
    _migrate(database, _options(way, server), f"CREATE EXTENSION pg_trgm SCHEMA public;{table}")
    assert _one(database, where) == ("public",)
    done = _migrate(database, _options(way, server), f"CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA tools;{table}")
    assert _one(database, where) == ("tools",), "it is ours by now, so it is as declared"
    assert done.warnings == ()


@pytest.mark.parametrize("way", WAYS)
def test_what_no_source_declares_stays_usable_and_is_not_recorded(
    way: str, server: EmbeddedServer, database: str
) -> None:
    _run(
        database,
        "CREATE SCHEMA tools; CREATE EXTENSION citext; CREATE EXTENSION pg_trgm SCHEMA tools; CREATE EXTENSION hstore;"
        " CREATE TABLE tools.theirs (a citext); CREATE PUBLICATION theirs FOR TABLE tools.theirs;"
        " CREATE FUNCTION tools.seen() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        " CREATE EVENT TRIGGER theirs ON ddl_command_end EXECUTE FUNCTION tools.seen();",
    )
    before = _one(database, GONE)
    table = "CREATE TABLE t (m citext{}); CREATE INDEX ON t USING gin ((m::text) tools.gin_trgm_ops);"
    for number in range(4):
        columns = "".join(f", h{each} hstore" for each in range(number))
        _migrate(database, _options(way, server), table.format(columns))
        assert _one(database, GONE) == before
    recorded = _one(
        database,
        "SELECT count(*) FROM migrations._snapshots, jsonb_array_elements(snapshot -> 'facts') f"
        " WHERE f ->> 0 IN ('extension', 'publication', 'event_trigger') OR f ->> 1 ~ 'extension'",
    )
    assert recorded == (0,)


@pytest.mark.parametrize("way", WAYS)
def test_an_extension_that_is_declared_elsewhere_moves_and_no_column_is_rewritten(
    way: str, server: EmbeddedServer, database: str
) -> None:
    declared = """
        CREATE SCHEMA IF NOT EXISTS {0}; CREATE EXTENSION citext SCHEMA {0};
        CREATE TABLE t (m {0}.citext DEFAULT 'a', CHECK (m OPERATOR({0}.<>) 'b'));
        CREATE INDEX ON t (m);
        CREATE FUNCTION f({0}.citext) RETURNS {0}.citext LANGUAGE sql RETURN $1;
        CREATE VIEW v AS SELECT f(m) FROM t WHERE m OPERATOR({0}.=) 'c'::{0}.citext;
    """
    first, second = declared.format("public"), declared.format("tools")
    options = _options(way, server)
    _migrate(database, options, first)
    _run(database, "INSERT INTO t VALUES ('x')")
    node = "SELECT pg_relation_filenode('t')"
    before = _one(database, node)
    with Reconciler(database, options=options) as reconciler:
        states = {each.object.key: each.state.value for each in reconciler.check(second).objects}
    assert states["extension:citext"] == "pending"
    done = _migrate(database, options, second)
    texts = [statement.sql for statement in done.statements]
    assert texts == ['CREATE SCHEMA "tools"', 'ALTER EXTENSION "citext" SET SCHEMA "tools"']
    assert _one(database, node) == before
    _migrate(database, options, first + "CREATE TABLE more (a integer);")
    assert _one(database, node) == before


@pytest.mark.parametrize("way", WAYS)
def test_what_was_declared_and_is_no_longer_is_dropped(way: str, server: EmbeddedServer, database: str) -> None:
    source = """
        CREATE SCHEMA IF NOT EXISTS tools;
        CREATE EXTENSION pg_trgm SCHEMA tools;
        CREATE EXTENSION IF NOT EXISTS tablefunc;
        CREATE EXTENSION postgres_fdw;
        CREATE SERVER IF NOT EXISTS elsewhere FOREIGN DATA WRAPPER postgres_fdw;
        CREATE TABLE t (a integer);
        CREATE PUBLICATION p FOR TABLE t;
        CREATE FUNCTION seen() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
        CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION seen();
    """
    options = _options("database" if way == "schema" else way, server)
    _migrate(database, options, source)
    assert _one(database, GONE) == (["pg_trgm", "postgres_fdw", "tablefunc"], ["p"], ["e"], ["elsewhere"])
    left = "CREATE TABLE t (a integer); CREATE FUNCTION seen() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
    with (
        Reconciler(database, options=Options(scratch=options.scratch)) as reconciler,
        pytest.raises(ReconcilerError, match="drops extension pg_trgm"),
    ):
        reconciler.migrate(left)
    _migrate(database, _options(way, server), left)
    assert _one(database, GONE) == ([], [], [], [])


@pytest.mark.parametrize("way", WAYS)
def test_an_extension_in_use_is_not_dropped_and_what_uses_it_is_named(
    way: str, server: EmbeddedServer, database: str
) -> None:
    options = _options(way, server)
    declared = "CREATE EXTENSION citext; CREATE TABLE t (m citext, n integer);"
    _migrate(database, options, declared)
    with (
        Reconciler(database, options=options) as reconciler,
        pytest.raises(ReconcilerError, match=r"citext is no longer declared.*public\.t\.m|\"citext\" does not exist"),
    ):
        reconciler.migrate("CREATE TABLE t (m citext, n integer);")
    _run(database, "CREATE TABLE theirs (m citext)")
    with (
        Reconciler(database, options=options) as reconciler,
        pytest.raises(PlanError, match=r"public\.theirs\.m"),
    ):
        reconciler.migrate("CREATE TABLE t (n integer);")
    assert _one(database, "SELECT count(*) FROM pg_extension WHERE extname = 'citext'") == (1,)


def test_an_extension_that_two_plugins_declare_stays_until_both_have_given_it_up(
    server: EmbeddedServer, make_database: Callable[[], str]
) -> None:
    count = "SELECT count(*) FROM pg_extension WHERE extname = 'citext'"
    for way in WAYS:
        database = make_database()
        _run(database, "CREATE SCHEMA a; CREATE SCHEMA b")
        source = "CREATE EXTENSION citext SCHEMA public; CREATE TABLE {0}.t (m public.citext)"
        for plugin in ("a", "b"):
            _migrate(database, _options(way, server, schemas=(plugin,)), source.format(plugin), plugin)
        _migrate(database, _options(way, server, schemas=("a",)), "CREATE TABLE a.t (n integer)", "a")
        assert _one(database, count) == (1,)
        _migrate(database, _options(way, server, schemas=("b",)), "CREATE TABLE b.t (n integer)", "b")
        assert _one(database, count) == (0,)
