"""Behind PgBouncer in transaction mode: every command works, and no session's state is left to the next client."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psycopg
import pytest
from pooler import pgbouncer, pooler
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from reconciler import Options, Reconciler, ScratchError, reconcile_on_startup
from reconciler.cli.commands import run
from reconciler.cli.progress import server_process
from reconciler.diff.goal import Scope
from reconciler.scratch.database import DatabaseScratch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.one_server,
    pytest.mark.skipif(pgbouncer() is None, reason="pgbouncer is not installed"),
]

FIRST = "CREATE TABLE a (id int PRIMARY KEY); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';"
SECOND = FIRST + "CREATE VIEW v AS SELECT id FROM a;"
# What is done in steps where it is asked for: an index, NOT NULL, another type of the key, a default of each row's own.
STEPS = """
    CREATE TABLE a (id bigint PRIMARY KEY, n int NOT NULL, token uuid NOT NULL DEFAULT gen_random_uuid());
    CREATE INDEX a_n ON a (n);
"""
# What a client would leave behind on the server's session: a setting, a lock, something prepared, a temporary table.
_LEFT = """
    SELECT 'setting ' || name FROM pg_settings WHERE source = 'session' AND name NOT IN ('client_encoding', 'DateStyle',
        'TimeZone', 'standard_conforming_strings', 'application_name', 'transaction_isolation', 'transaction_read_only')
    UNION ALL SELECT 'lock' FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
    UNION ALL SELECT 'prepared ' || name FROM pg_prepared_statements
    UNION ALL SELECT 'listening' FROM pg_listening_channels()
"""


@pytest.fixture
def pooled(database: str) -> Iterator[str]:
    with pooler(database, pool_size=2) as dsn:
        yield dsn


def left_behind(dsn: str) -> list[str]:
    """What stands on the sessions of the pool's two server connections, asked of both at once."""
    with psycopg.connect(dsn) as one, psycopg.connect(dsn) as two:
        pids = {each.execute("SELECT pg_backend_pid()").fetchone() for each in (one, two)}
        assert len(pids) == 2
        return [row[0] for each in (one, two) for row in each.execute(_LEFT)]


@pytest.fixture
def command(
    pooled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Runs a command through the pooler, expecting an exit code; gives what it printed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "first.sql").write_text(FIRST)
    (tmp_path / "second.sql").write_text(SECOND)

    def call(expected: int, *arguments: object) -> str:
        code = run([*map(str, arguments), "--dsn", pooled])
        captured = capsys.readouterr()
        assert code == expected, f"{arguments}: {captured.err}"
        return captured.out

    return call


@pytest.mark.parametrize("scratch", ["schema", "database"])
def test_every_command_works_and_leaves_nothing_on_the_sessions(
    command: Callable[..., str], pooled: str, scratch: str
) -> None:
    place = ("--scratch", scratch)
    command(2, "plan", "first.sql", *place)
    command(0, "apply", "first.sql", *place)
    command(0, "check")
    command(0, "check", "first.sql", *place)
    command(2, "plan", "second.sql", "--out", "plan.json", *place)
    command(0, "apply", "--plan", "plan.json")
    with psycopg.connect(pooled) as connection:
        connection.execute("DROP VIEW v")
    command(4, "check")
    command(0, "repair", "second.sql", "--revert", *place)
    command(0, "rollback", "--to", 0, "--yes", *place)
    command(0, "status")
    command(0, "history")
    command(0, "show", 1)
    assert "CREATE TABLE" in command(0, "dump")
    command(2, "diff", "first.sql", "second.sql")
    command(0, "reset", "--yes")
    command(0, "adopt", "first.sql", "--change", "--yes", *place)
    assert reconcile_on_startup(pooled, {"default": FIRST}, options=Options(scratch=scratch))["default"].idx is None
    assert left_behind(pooled) == []


def test_a_reviewed_plan_of_many_steps_goes_through(command: Callable[..., str], pooled: str, tmp_path: Path) -> None:
    (tmp_path / "small.sql").write_text("CREATE TABLE a (id int PRIMARY KEY, n int);")
    (tmp_path / "steps.sql").write_text(STEPS)
    command(0, "apply", "small.sql")
    with psycopg.connect(pooled) as connection:
        connection.execute("INSERT INTO a SELECT n, n FROM generate_series(1, 500) n")
    command(2, "plan", "steps.sql", "--online", "--out", "steps.json")
    assert "CONCURRENTLY" in (tmp_path / "steps.json").read_text()
    command(0, "apply", "--plan", "steps.json")
    command(0, "check", "steps.sql")
    with psycopg.connect(pooled) as connection:
        found = connection.execute("SELECT count(*), sum(id), count(DISTINCT token) FROM a").fetchone()
    assert found == (500, 125250, 500)
    assert left_behind(pooled) == []


def test_many_clients_at_once_share_two_connections(pooled: str, database: str) -> None:
    plugins = [f"plugin{number}" for number in range(4)]

    def start(number: int) -> None:
        plugin = plugins[number % len(plugins)]
        reconcile_on_startup(
            pooled, {plugin: SECOND.replace("a (", f"{plugin}_a (").replace("FROM a", f"FROM {plugin}_a")}
        )

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(start, range(12)))
    assert left_behind(pooled) == []
    with Reconciler(database) as reconciler:
        assert sorted(entry.plugin for entry in reconciler.history()) == plugins, "one application each"


def test_the_process_behind_a_pooler_is_not_taken_for_ours(pooled: str) -> None:
    with psycopg.connect(pooled, autocommit=True) as connection:
        assert server_process(connection) is None


def test_a_pooler_that_drops_the_options_is_fine_too(database: str) -> None:
    with pooler(database, pool_size=2, more="ignore_startup_parameters = options,extra_float_digits") as dsn:
        with Reconciler(dsn) as reconciler:
            reconciler.migrate(SECOND)
            assert reconciler.migrate(SECOND).skipped
        assert left_behind(dsn) == []


def test_a_pooler_that_knows_one_database_only_says_what_to_do(database: str, tmp_path: Path) -> None:
    name = conninfo_to_dict(database)["dbname"]
    with pooler(database, pool_size=2, only=str(name)) as dsn:
        with Reconciler(dsn, options=Options(scratch="database")) as reconciler:
            with pytest.raises(ScratchError, match="the temporary database was created, but") as caught:
                reconciler.plan(FIRST)
            assert "--scratch postgresql://" in (caught.value.hint or "")
        with Reconciler(dsn, options=Options(scratch=database)) as reconciler:
            assert reconciler.plan(FIRST).plan.statements
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, 'reconciler_scratch_')")
        assert rows.fetchall() == []


def test_a_session_that_changes_under_a_scratch_database_is_noticed(pooled: str) -> None:
    with Reconciler(pooled) as reconciler:
        scratch = DatabaseScratch(reconciler.connection, admin_dsn=pooled, scope=Scope(), why="a test")
        with pytest.raises(ScratchError, match="another server session"):
            _with_somebody_else(scratch, pooled)


def _with_somebody_else(scratch: DatabaseScratch, pooled: str) -> None:
    """Somebody takes the only server connection that the temporary database has, so that the next is another."""
    with ExitStack() as stack, scratch.fresh() as place:
        dsn = make_conninfo(pooled, dbname=place.connection.info.dbname)
        stack.enter_context(psycopg.connect(dsn)).execute("SELECT 1")
