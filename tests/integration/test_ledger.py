"""The ledger: made once, read without being made, kept from PUBLIC, one record a migration."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.rows import dict_row

import reconciler
from reconciler.db import connections
from reconciler.db.ledger_schema import ledger_cursor
from reconciler.db.sqlfiles import read_sql
from reconciler.errors import ConnectError, LedgerError, LedgerVersionError, LockTimeoutError
from reconciler.ledger.history import load_history, load_migration
from reconciler.ledger.marks import Mark, load_mark, save_mark
from reconciler.ledger.migrations import (
    RecordedStatement,
    forget_plugin,
    last_migration,
    load_plugins,
    load_recorded,
    record_migration,
)
from reconciler.ledger.runs import RunKind, RunOutcome, finish_run, load_runs, record_run, start_run
from reconciler.ledger.schema import LEDGER_VERSION, ensure_ledger, ledger_version, lock_plugin
from reconciler.model.facts import FactId, Json, canonical_json
from reconciler.model.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.one_server

NOON = 1_700_000_000_000
STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

# As elizaOS's migrator writes them: same tables, another program's snapshot, a hash, and no key between the tables.
ELIZAOS = """
    CREATE SCHEMA IF NOT EXISTS migrations;
    CREATE TABLE migrations._migrations (
        id SERIAL PRIMARY KEY, plugin_name TEXT NOT NULL, hash TEXT NOT NULL, created_at BIGINT NOT NULL);
    CREATE TABLE migrations._journal (
        plugin_name TEXT PRIMARY KEY, version TEXT NOT NULL, dialect TEXT NOT NULL DEFAULT 'postgresql',
        entries JSONB NOT NULL DEFAULT '[]');
    CREATE TABLE migrations._snapshots (
        id SERIAL PRIMARY KEY, plugin_name TEXT NOT NULL, idx INTEGER NOT NULL, snapshot JSONB NOT NULL,
        created_at TIMESTAMP DEFAULT NOW(), UNIQUE(plugin_name, idx));
    INSERT INTO migrations._migrations (plugin_name, hash, created_at) VALUES
        ('@elizaos/plugin-sql', 'first', 1700000000003), ('@elizaos/plugin-sql', 'second', 1700000001003);
    INSERT INTO migrations._journal VALUES ('@elizaos/plugin-sql', '7', 'postgresql', '[
        {"idx": 0, "version": "7", "when": 1700000000001, "tag": "introspected_1700000000001", "breakpoints": true},
        {"idx": 1, "version": "7", "when": 1700000001001, "tag": "0001_plugin-sql_loyw3v28", "breakpoints": true}]');
    INSERT INTO migrations._snapshots (plugin_name, idx, snapshot) VALUES
        ('@elizaos/plugin-sql', 0, '{"version": "7", "dialect": "postgresql", "tables": {}}'),
        ('@elizaos/plugin-sql', 1, '{"version": "7", "dialect": "postgresql", "tables": {"public.t": {"name": "t"}}}');
"""


@pytest.fixture
def conn(database: str) -> Iterator[connections.Connection]:
    """A connection of ours to a database without a ledger; what is not committed is rolled back."""
    connection = connections.connect(database)
    yield connection
    connection.close()


@pytest.fixture
def made(conn: connections.Connection) -> connections.Connection:
    """The same with a committed ledger."""
    ensure_ledger(conn)
    conn.commit()
    return conn


def snapshot_of(*tables: str) -> Snapshot:
    facts = {FactId("table", ("app", table)): canonical_json({"persistence": "p"}) for table in tables}
    return Snapshot(facts=facts, schemas=("app",), server_version=150000)


def record(connection: connections.Connection, plugin: str = "chat", created_at: int = NOON, *tables: str) -> int:
    return record_migration(
        connection,
        plugin=plugin,
        migration_hash=f"hash of {','.join(tables)}",
        snapshot=snapshot_of(*tables),
        statements=[RecordedStatement(sql=f"CREATE TABLE app.{table} ()") for table in tables],
        source_text="-- the source",
        source_description="schema.sql",
        created_at=created_at,
    )


def objects(connection: connections.Connection) -> list[tuple[object, ...]]:
    """All that schema migrations holds, with identities and definitions."""
    return connections.fetch_all(
        connection,
        "SELECT oid, relname, relkind, relowner, relacl::text FROM pg_class"
        " WHERE relnamespace = to_regnamespace('migrations') ORDER BY oid",
    )


# --- making it --------------------------------------------------------------------------------------------------------


def test_ensuring_twice_makes_it_once(made: connections.Connection) -> None:
    before = objects(made)
    ensure_ledger(made)
    assert objects(made) == before
    assert connections.fetch_all(made, "SELECT max(version), count(*) FROM migrations._ledger") == [
        (LEDGER_VERSION, LEDGER_VERSION)
    ]
    assert ledger_version(made) == LEDGER_VERSION


def test_a_rollback_leaves_no_trace_of_it(conn: connections.Connection) -> None:
    ensure_ledger(conn)
    conn.rollback()
    assert connections.fetch_one(conn, "SELECT to_regnamespace('migrations')") == (None,)


def test_the_three_tables_are_those_of_elizaos(conn: connections.Connection, make_database) -> None:
    describe = """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = to_regnamespace('migrations')
            AND c.relname IN ('_migrations', '_journal', '_snapshots') ORDER BY 1, a.attnum
    """
    constraints = """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conrelid::regclass::text IN ('migrations._migrations', 'migrations._journal', 'migrations._snapshots')
            AND contype <> 'n' ORDER BY 1, 2
    """
    ensure_ledger(conn)
    with connections.connect(make_database()) as theirs:
        theirs.execute(ELIZAOS)
        assert len(connections.fetch_all(conn, describe)) == 13
        assert connections.fetch_all(conn, describe) == connections.fetch_all(theirs, describe)
        assert len(connections.fetch_all(conn, constraints)) == 4
        assert connections.fetch_all(conn, constraints) == connections.fetch_all(theirs, constraints)


def test_public_gets_nothing_even_where_default_privileges_grant_all(conn: connections.Connection) -> None:
    conn.execute("CREATE ROLE auditor")
    for kind in ("TABLES", "SEQUENCES", "SCHEMAS"):
        conn.execute(f"ALTER DEFAULT PRIVILEGES GRANT ALL ON {kind} TO PUBLIC".encode())
        conn.execute(f"ALTER DEFAULT PRIVILEGES GRANT ALL ON {kind} TO auditor".encode())
    ensure_ledger(conn)
    granted = """
        SELECT relname, privilege_type FROM pg_class, aclexplode(relacl)
        WHERE relnamespace = to_regnamespace('migrations') AND grantee = %s::regrole::oid
    """
    assert connections.fetch_all(conn, granted, ["-"]) == []
    assert connections.fetch_all(conn, granted, ["auditor"]) != [], "what a role was granted by name stays"
    schema = "SELECT grantee::regrole::text FROM pg_namespace, aclexplode(nspacl) WHERE nspname = 'migrations'"
    assert ("-",) not in connections.fetch_all(conn, schema)
    assert ("auditor",) in connections.fetch_all(conn, schema)


def test_every_table_and_sequence_of_the_ledger_is_named_by_the_revoke(made: connections.Connection) -> None:
    made.execute("GRANT ALL ON ALL TABLES IN SCHEMA migrations TO PUBLIC")
    made.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA migrations TO PUBLIC")
    with ledger_cursor(made) as statements:
        statements.execute(read_sql("ledger/revoke.sql").encode())
    granted = """
        SELECT relname FROM pg_class, aclexplode(relacl)
        WHERE relnamespace = to_regnamespace('migrations') AND grantee = 0
    """
    assert connections.fetch_all(made, granted) == []


def test_a_newer_ledger_is_refused_by_readers_and_writers(made: connections.Connection) -> None:
    made.execute("INSERT INTO migrations._ledger (version, program_version) VALUES (99, '99.0')")
    for use in (ensure_ledger, ledger_version, load_history, load_plugins, load_runs):
        with pytest.raises(LedgerVersionError, match=f"version 99, this program knows {LEDGER_VERSION}") as caught:
            use(made)
        assert caught.value.hint
    for use in (load_recorded, load_mark, last_migration, forget_plugin):
        with pytest.raises(LedgerVersionError):
            use(made, "chat")


def test_a_ledger_without_its_version_is_called_damaged(made: connections.Connection) -> None:
    made.execute("DELETE FROM migrations._ledger")
    with pytest.raises(LedgerError, match=r"damaged: migrations\._ledger has no row"):
        ensure_ledger(made)


def test_a_role_that_may_not_create_is_told_what_it_needs(conn: connections.Connection) -> None:
    conn.execute("CREATE ROLE reader")
    conn.execute("SET ROLE reader")
    with pytest.raises(LedgerError, match="permission denied for database") as caught, conn.transaction():
        ensure_ledger(conn)
    assert "CREATE ON DATABASE" in (caught.value.hint or "")
    assert load_history(conn) == ()


# --- reading it -------------------------------------------------------------------------------------------------------


def test_reading_without_a_ledger_finds_nothing_and_makes_nothing(conn: connections.Connection) -> None:
    conn.execute("SET TRANSACTION READ ONLY")
    assert ledger_version(conn) is None
    assert load_history(conn) == load_history(conn, "chat") == ()
    assert load_runs(conn) == ()
    assert load_plugins(conn) == ()
    assert load_recorded(conn, "chat") is None
    assert load_mark(conn, "chat") is None
    assert last_migration(conn, "chat") is None
    assert forget_plugin(conn, "chat") == 0
    with pytest.raises(LedgerError, match="plugin chat has no migration 0"):
        load_migration(conn, "chat", 0)


def test_a_role_that_may_only_read_can_read_all_of_it(made: connections.Connection) -> None:
    record(made, "chat", NOON, "users")
    made.execute("CREATE ROLE reader")
    made.execute("GRANT USAGE ON SCHEMA migrations TO reader")
    made.execute("GRANT SELECT ON ALL TABLES IN SCHEMA migrations TO reader")
    made.execute("SET ROLE reader")
    ensure_ledger(made)
    assert [entry.idx for entry in load_history(made)] == [0]
    assert load_recorded(made, "chat") is not None
    assert load_migration(made, "chat", 0).source_text == "-- the source"
    with pytest.raises(LedgerError, match="permission denied"):
        record(made)


@pytest.mark.parametrize(
    "grants", [(), ("USAGE ON SCHEMA migrations",), ("SELECT ON ALL TABLES IN SCHEMA migrations",)]
)
def test_a_role_that_may_not_read_is_told_what_it_needs(made: connections.Connection, grants: tuple[str, ...]) -> None:
    made.execute("CREATE ROLE stranger")
    for grant in grants:
        made.execute(f"GRANT {grant} TO stranger".encode())
    made.execute("SET ROLE stranger")
    with pytest.raises(LedgerError, match=r"may not read migrations\._") as caught:
        load_history(made)
    assert "GRANT USAGE ON SCHEMA migrations" in (caught.value.hint or "")


def test_a_callers_connection_may_make_other_rows(made: connections.Connection, database: str) -> None:
    record(made, "chat", NOON, "users")
    made.commit()
    with psycopg.connect(database, row_factory=dict_row, cursor_factory=psycopg.RawCursor) as theirs:
        assert [entry.tag for entry in load_history(theirs)] == ["0000_chat_loyw3v28"]
        assert record(theirs, "chat", NOON, "users", "orders") == 1
        record_run(
            theirs,
            plugin="chat",
            kind=RunKind.APPLY,
            started_at=STARTED,
            finished_at=STARTED,
            outcome=RunOutcome.SUCCEEDED,
        )
        assert len(load_runs(theirs)) == 1


# --- elizaOS's tables -------------------------------------------------------------------------------------------------


def test_elizaos_tables_are_read_without_being_touched(conn: connections.Connection) -> None:
    conn.execute(ELIZAOS)
    before = objects(conn)
    assert ledger_version(conn) is None
    assert load_plugins(conn) == ("@elizaos/plugin-sql",)
    assert [(entry.idx, entry.tag, entry.hash, entry.statement_count) for entry in load_history(conn)] == [
        (0, "introspected_1700000000001", "first", None),
        (1, "0001_plugin-sql_loyw3v28", "second", None),
    ]
    assert load_recorded(conn, "@elizaos/plugin-sql") is None
    shown = load_migration(conn, "@elizaos/plugin-sql", 1)
    assert (shown.entry.hash, shown.snapshot, shown.statements, shown.source_text) == ("second", None, (), None)
    assert objects(conn) == before


def test_elizaos_tables_are_taken_over_with_their_rows(conn: connections.Connection) -> None:
    conn.execute("CREATE ROLE eliza")
    conn.execute("CREATE ROLE app")
    conn.execute("CREATE SCHEMA migrations AUTHORIZATION eliza")
    conn.execute("GRANT ALL ON SCHEMA migrations TO app")
    conn.execute("SET ROLE eliza")
    conn.execute("ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO app")
    conn.execute("ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO app")
    conn.execute(ELIZAOS.replace("CREATE SCHEMA IF NOT EXISTS migrations;", "").encode())
    theirs = objects(conn)
    conn.execute("SET ROLE app")
    with pytest.raises(LedgerError, match="belongs to role eliza") as caught:
        ensure_ledger(conn)
    assert "make this role a member (GRANT eliza TO CURRENT_USER)" in (caught.value.hint or "")
    conn.execute("RESET ROLE")
    conn.execute("GRANT eliza TO app")
    conn.execute("SET ROLE app")
    ensure_ledger(conn)
    assert objects(conn)[: len(theirs)] == theirs
    assert record(conn, "@elizaos/plugin-sql", NOON + 5000, "users") == 2
    assert record(conn, "chat", NOON, "messages") == 0
    assert [(entry.plugin, entry.idx, entry.hash) for entry in load_history(conn)] == [
        ("@elizaos/plugin-sql", 0, "first"),
        ("@elizaos/plugin-sql", 1, "second"),
        ("@elizaos/plugin-sql", 2, "hash of users"),
        ("chat", 0, "hash of messages"),
    ]
    recorded = load_recorded(conn, "@elizaos/plugin-sql")
    assert recorded is not None
    assert (recorded.idx, recorded.hash) == (2, "hash of users")


def test_hashes_that_cannot_be_told_apart_are_left_out(conn: connections.Connection) -> None:
    conn.execute(ELIZAOS)
    conn.execute("DELETE FROM migrations._migrations WHERE hash = 'first'")
    assert [entry.hash for entry in load_history(conn)] == [None, None]


# --- migrations -------------------------------------------------------------------------------------------------------


def test_a_migration_is_recorded_as_the_seed_says(made: connections.Connection) -> None:
    assert record(made, "@acme/chat", NOON, "users") == 0
    assert connections.fetch_all(made, "SELECT plugin_name, hash, created_at FROM migrations._migrations") == [
        ("@acme/chat", "hash of users", NOON)
    ]
    assert connections.fetch_all(made, "SELECT * FROM migrations._journal") == [
        (
            "@acme/chat",
            "7",
            "postgresql",
            [{"idx": 0, "version": "7", "when": NOON, "tag": "0000_acme_chat_loyw3v28", "breakpoints": True}],
        )
    ]
    assert connections.fetch_all(made, "SELECT plugin_name, idx FROM migrations._snapshots") == [("@acme/chat", 0)]


def test_all_of_a_migration_is_shown_again(made: connections.Connection) -> None:
    statements = (
        RecordedStatement(sql='DROP TABLE "it\'s"', hazards=({"kind": "data_loss", "rows": 3},), duration_ms=1.5),
        RecordedStatement(sql="CREATE INDEX CONCURRENTLY i ON t (c)", transactional=False),
    )
    idx = record_migration(
        made,
        plugin="chat",
        migration_hash="h",
        snapshot=snapshot_of("users"),
        statements=statements,
        source_text="CREATE TABLE users ();\n-- ü %s {}",
        source_description="schema/*.sql",
        created_at=NOON,
        tag="introspected_1",
    )
    run_id = record_run(
        made,
        plugin="chat",
        kind=RunKind.ADOPT,
        started_at=STARTED,
        finished_at=STARTED,
        idx=idx,
        outcome=RunOutcome.SUCCEEDED,
    )
    shown = load_migration(made, "chat", idx)
    assert shown.statements == statements
    assert shown.source_text == "CREATE TABLE users ();\n-- ü %s {}"
    assert shown.snapshot == snapshot_of("users")
    assert shown.run is not None
    assert shown.run.id == run_id
    assert (shown.entry.tag, shown.entry.statement_count, shown.entry.source_description, shown.entry.hash) == (
        "introspected_1",
        2,
        "schema/*.sql",
        "h",
    )
    assert shown.entry.created_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


def test_no_password_is_written_down(made: connections.Connection) -> None:
    record_migration(
        made,
        plugin="chat",
        migration_hash="h",
        snapshot=snapshot_of(),
        statements=[RecordedStatement(sql="CREATE USER MAPPING FOR joe SERVER s OPTIONS (password 'hunter2')")],
        source_text="",
        source_description="postgresql://joe:hunter2@db/app",
        created_at=NOON,
    )
    record_run(
        made,
        plugin="chat",
        kind=RunKind.APPLY,
        started_at=STARTED,
        finished_at=STARTED,
        outcome=RunOutcome.FAILED,
        error="connection to postgresql://joe:hunter2@db/app failed",
        failed_statement="... (password 'hunter2')",
    )
    for table in ("_statements", "_sources", "_runs"):
        rows = connections.fetch_all(made, f"SELECT t::text FROM migrations.{table} AS t".encode())
        assert len(rows) == 1
        assert "hunter2" not in rows[0][0]


def test_snapshots_come_back_with_the_same_fingerprint(made: connections.Connection) -> None:
    hostile = ('"; drop table users; --', "new\nline", "ü日本😀", "\\u0041 \\ / \x01", "a" * 63, "select", "$$ ' %s {}")
    facts = {
        FactId("comment", ("table", "app", name)): canonical_json(
            {"text": name, "bb": 1, "a": [True, 2**53, -1, {"z": "", "y": []}]}
        )
        for name in hostile
    }
    snapshot = Snapshot(facts=facts, schemas=hostile, server_version=180000)
    record_migration(
        made,
        plugin="chat",
        migration_hash="h",
        snapshot=snapshot,
        statements=[],
        source_text="",
        source_description="",
        created_at=NOON,
    )
    recorded = load_recorded(made, "chat")
    assert recorded is not None
    assert recorded.snapshot == snapshot
    assert recorded.snapshot.fingerprint == snapshot.fingerprint


def test_a_snapshot_that_somebody_edited_is_called_damaged(made: connections.Connection) -> None:
    record(made, "chat", NOON, "users")
    made.execute("UPDATE migrations._snapshots SET snapshot = jsonb_set(snapshot, '{facts}', '[]')")
    with pytest.raises(LedgerError, match="snapshot 0 of plugin chat is damaged"):
        load_recorded(made, "chat")


def test_a_journal_that_somebody_edited_is_called_damaged(made: connections.Connection) -> None:
    record(made, "chat", NOON, "users")
    made.execute("""UPDATE migrations._journal SET entries = '[{"idx": "x"}]'""")
    with pytest.raises(LedgerError, match="the journal of plugin chat is damaged"):
        record(made, "chat", NOON, "users")


def test_the_last_recorded_stays_the_last_though_a_clock_is_behind(made: connections.Connection) -> None:
    assert record(made, "chat", NOON, "users") == 0
    assert record(made, "chat", NOON - 60_000, "orders") == 1
    last = last_migration(made, "chat")
    assert last is not None
    assert last.hash == "hash of orders"
    recorded = load_recorded(made, "chat")
    assert recorded is not None
    assert (recorded.idx, recorded.hash, recorded.snapshot) == (1, "hash of orders", snapshot_of("orders"))


def test_reset_forgets_one_plugin_and_touches_nothing_else(made: connections.Connection) -> None:
    made.execute("CREATE SCHEMA app")
    made.execute("CREATE TABLE app.users ()")
    for plugin in ("chat", "mail"):
        record(made, plugin, NOON, "users")
        save_mark(made, plugin, Mark(idx=0, mark="m", schemas=("app",), desired_fingerprint="f"), {})
        record_run(
            made,
            plugin=plugin,
            kind=RunKind.APPLY,
            started_at=STARTED,
            finished_at=STARTED,
            outcome=RunOutcome.SUCCEEDED,
        )
    assert forget_plugin(made, "chat") == 7
    assert load_plugins(made) == ("mail",)
    assert {run.plugin for run in load_runs(made)} == {"mail"}
    assert load_mark(made, "chat") is None
    assert load_recorded(made, "mail") is not None
    assert connections.fetch_one(made, "SELECT to_regclass('app.users')::text") == ("app.users",)
    assert ledger_version(made) == LEDGER_VERSION
    assert record(made, "chat", NOON, "users") == 0


# --- runs and marks ---------------------------------------------------------------------------------------------------


def test_a_failed_run_is_kept_with_its_statement(made: connections.Connection) -> None:
    tokyo = STARTED.astimezone(timezone(timedelta(hours=9)))
    run_id = start_run(
        made, plugin="chat", kind=RunKind.REPAIR, started_at=tokyo, desired_fingerprint="d", live_before="b"
    )
    assert [run.outcome for run in load_runs(made)] == [RunOutcome.INTERRUPTED], "no session is at work"
    finish_run(
        made,
        run_id,
        outcome=RunOutcome.FAILED,
        finished_at=STARTED + timedelta(seconds=1),
        statement_count=3,
        error="division by zero",
        sqlstate="22012",
        failed_statement="SELECT 1/0",
        live_after="b",
    )
    (run,) = load_runs(made, "chat")
    assert (run.id, run.kind, run.outcome, run.idx) == (run_id, RunKind.REPAIR, RunOutcome.FAILED, None)
    assert (run.error, run.sqlstate, run.failed_statement) == ("division by zero", "22012", "SELECT 1/0")
    assert (run.desired_fingerprint, run.live_before, run.live_after, run.statement_count) == ("d", "b", "b", 3)
    assert (run.started_at, run.finished_at) == (STARTED, STARTED + timedelta(seconds=1))
    assert run.started_at.tzinfo is UTC
    assert (run.database_user, run.application_name, run.client_address) == ("postgres", "reconciler", "127.0.0.1")


def test_runs_are_newest_first_and_can_be_limited(made: connections.Connection) -> None:
    ids = [start_run(made, plugin=plugin, kind=RunKind.APPLY, started_at=STARTED) for plugin in ("a", "b", "a")]
    assert [run.id for run in load_runs(made)] == ids[::-1]
    assert [run.id for run in load_runs(made, "a")] == [ids[2], ids[0]]
    assert [run.id for run in load_runs(made, limit=1)] == [ids[2]]


def test_the_end_of_a_run_that_was_never_started_is_an_error(made: connections.Connection) -> None:
    with pytest.raises(LedgerError, match="run 7 is not in the ledger"):
        finish_run(made, 7, outcome=RunOutcome.SUCCEEDED, finished_at=STARTED)


def test_a_mark_is_kept_and_replaced(made: connections.Connection) -> None:
    scope: dict[str, Json] = {"exact": True, "n": None}
    # No migration was recorded that they could be marks of.
    first = Mark(idx=0, mark="a", schemas=("app", 'we"ird'), desired_fingerprint="f", scope=scope, settled=False)
    second = Mark(idx=1, mark="b", schemas=(), desired_fingerprint="g", settled=False)
    save_mark(made, "chat", first, {})
    save_mark(made, "mail", first, {})
    assert load_mark(made, "chat") == first
    save_mark(made, "chat", second, {})
    assert load_mark(made, "chat") == second
    assert load_mark(made, "mail") == first


# --- locks ------------------------------------------------------------------------------------------------------------


def test_a_plugins_lock_keeps_others_out_until_the_transaction_ends(
    made: connections.Connection, database: str
) -> None:
    lock_plugin(made, "chat")
    with connections.connect(database) as other:
        other.execute("SET lock_timeout = '20ms'")
        other.commit()
        with pytest.raises(LockTimeoutError, match="another run holds the lock of plugin chat") as caught:
            lock_plugin(other, "chat")
        assert caught.value.sqlstate == "55P03"
        other.rollback()
        lock_plugin(other, "mail")
        made.rollback()
        lock_plugin(other, "chat")


def test_a_lock_without_a_transaction_is_refused(database: str) -> None:
    with connections.connect(database, autocommit=True) as connection:
        for lock in (lambda: lock_plugin(connection, "chat"), lambda: ensure_ledger(connection)):
            with pytest.raises(LedgerError, match="no transaction is open"):
                lock()
        with connection.transaction():
            ensure_ledger(connection)
            lock_plugin(connection, "chat")


def test_a_lock_that_would_not_show_what_the_last_run_did_is_refused(made: connections.Connection) -> None:
    made.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with pytest.raises(LedgerError, match="would not see") as caught:
        lock_plugin(made, "chat")
    assert "READ COMMITTED" in (caught.value.hint or "")


def test_a_lost_connection_is_no_ledger_error(made: connections.Connection) -> None:
    with pytest.raises(ConnectError):
        connections.fetch_one(made, "SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(ConnectError):
        load_history(made)


WORKER = """
import sys
from reconciler.db import connections
from reconciler.ledger.migrations import last_migration, record_migration
from reconciler.ledger.schema import ensure_ledger, lock_plugin
from reconciler.model.snapshot import Snapshot

with connections.connect(sys.argv[1]) as connection:
    print("ready", flush=True)
    sys.stdin.readline()
    lock_plugin(connection, "chat")
    ensure_ledger(connection)
    last = last_migration(connection, "chat")
    if last is None or last.hash != sys.argv[2]:
        record_migration(
            connection, plugin="chat", migration_hash=sys.argv[2], snapshot=Snapshot(facts={}), statements=[],
            source_text="", source_description="", created_at=1,
        )
"""


def at_once(database: str, *hashes: str) -> None:
    """Runs one process for each hash, all let go at the same moment; all must succeed."""
    package = str(Path(reconciler.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([package, os.environ.get("PYTHONPATH", "")])}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, database, text],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for text in hashes
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    # That one waits long for another is told on standard error, and is no failure.
    complaints = [worker.communicate(timeout=60)[1] for worker in workers]
    failures = [complaint for worker, complaint in zip(workers, complaints, strict=True) if worker.returncode]
    assert failures == []
    assert {worker.returncode for worker in workers} == {0}


def test_twenty_processes_on_a_fresh_database_record_one_migration(database: str, conn: connections.Connection) -> None:
    at_once(database, *["same"] * 20)
    assert connections.fetch_all(conn, "SELECT plugin_name, hash FROM migrations._migrations") == [("chat", "same")]
    assert [entry.idx for entry in load_history(conn)] == [0]
    assert connections.fetch_one(conn, "SELECT count(*) FROM migrations._ledger") == (LEDGER_VERSION,)


def test_twenty_processes_on_a_ready_ledger_record_one_migration(database: str, made: connections.Connection) -> None:
    at_once(database, *["same"] * 20)
    assert [entry.hash for entry in load_history(made)] == ["same"]


def test_twenty_processes_with_different_schemas_get_an_idx_each(database: str, made: connections.Connection) -> None:
    at_once(database, *[f"hash {number}" for number in range(20)])
    assert [entry.idx for entry in load_history(made)] == list(range(20))
    assert {entry.hash for entry in load_history(made)} == {f"hash {number}" for number in range(20)}
