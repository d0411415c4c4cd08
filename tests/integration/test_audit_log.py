"""The log of DDL: what it writes of whom, what it cannot be made to write, and that no statement fails because of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from reconciler.audit import log
from reconciler.audit.install import audit_state, install, uninstall
from reconciler.cli.commands import run
from reconciler.errors import AuditError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model.audit import Entry

ROLES = ("audit_ann", "audit_bob", "audit_eve")


@pytest.fixture
def logged(database: str) -> Iterator[psycopg.Connection]:
    """A connection of a superuser to a database with the log, and roles that may create in it."""
    with psycopg.connect(database, autocommit=True) as connection:
        for role in ROLES:
            connection.execute(
                sql.SQL("DROP ROLE IF EXISTS {0}; CREATE ROLE {0} LOGIN PASSWORD 'x'").format(sql.Identifier(role))
            )
            connection.execute(
                sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(
                    sql.Identifier(connection.info.dbname), sql.Identifier(role)
                )
            )
        connection.execute("GRANT audit_bob TO audit_ann")
        install(connection)
        yield connection
        connection.execute("RESET ROLE")
        connection.execute("RESET SESSION AUTHORIZATION")
        uninstall(connection)
        for role in ROLES:
            connection.execute(sql.SQL("DROP OWNED BY {0} CASCADE; DROP ROLE {0}").format(sql.Identifier(role)))


def as_role(database: str, role: str) -> psycopg.Connection:
    return psycopg.connect(database, user=role, password="x", autocommit=True, application_name=f"tool of {role}")


def new_entries(connection: psycopg.Connection, since: str) -> tuple[Entry, ...]:
    return log.entries_since(connection, since)


@pytest.mark.every_server
def test_what_is_run_in_any_way_is_written_with_who_ran_it(database: str, logged: psycopg.Connection) -> None:
    began = log.position(logged)
    with as_role(database, "audit_ann") as ann:
        ann.execute("CREATE SCHEMA app; CREATE TABLE app.accounts (id integer PRIMARY KEY, name text)")
        ann.execute("GRANT CREATE, USAGE ON SCHEMA app TO audit_bob")
        with ann.transaction():
            ann.execute("ALTER TABLE app.accounts ADD kept integer")
            with ann.transaction(force_rollback=True):
                ann.execute("ALTER TABLE app.accounts ADD undone integer")
        ann.execute("DO $$ BEGIN CREATE INDEX accounts_name ON app.accounts (name); END $$")
        ann.execute("CREATE INDEX CONCURRENTLY accounts_kept ON app.accounts (kept)")
        ann.execute("SET ROLE audit_bob")
        ann.execute("CREATE TABLE app.bobs ()")
        ann.execute(
            "CREATE FUNCTION app.make() RETURNS void LANGUAGE plpgsql SECURITY DEFINER"
            " AS 'BEGIN CREATE TABLE app.made (); END'"
        )
        ann.execute("RESET ROLE")
        ann.execute("SELECT app.make()")
        ann.execute("CREATE TEMP TABLE mine (); DROP TABLE mine")
        ann.execute("GRANT SELECT (name) ON app.accounts TO audit_eve")
        ann.execute("COMMENT ON COLUMN app.accounts.name IS 'of whom'")
        ann.execute("ALTER TABLE app.accounts DROP COLUMN kept")
    logged.execute("SET SESSION AUTHORIZATION audit_eve; CREATE SCHEMA eves; RESET SESSION AUTHORIZATION")

    found = new_entries(logged, began)
    assert {entry.actor.login_role for entry in found} == {"audit_ann", "postgres"}
    by_identity = {entry.identity: entry for entry in found if not entry.is_drop}
    assert not {name for name in by_identity if "undone" in str(name) or "mine" in str(name)}
    assert by_identity["app.bobs"].actor.effective_role == "audit_bob"
    made = by_identity["app.made"]
    assert (made.actor.session_role, made.actor.effective_role) == ("audit_ann", "audit_bob")
    assert "CREATE TABLE app.made" in str(made.context)
    assert by_identity["eves"].actor.session_role == "audit_eve"
    assert by_identity["eves"].actor.login_role == "postgres"
    assert by_identity["app.accounts_name"].tag == "CREATE INDEX"
    assert "CREATE INDEX accounts_name" in str(by_identity["app.accounts_name"].context)
    concurrent = by_identity["app.accounts_kept"]
    assert concurrent.actor.application == "tool of audit_ann"
    assert concurrent.actor.backend_start is not None
    row = logged.execute(
        "SELECT pg_catalog.concat_ws(':', 'pg_class'::regclass::oid, 'pg_class'::regclass::oid, oid, 0, xmin)"
        " FROM pg_class WHERE relname = 'accounts_kept'"
    ).fetchone()
    assert row is None  # the column is gone, and the index with it
    gone = {(entry.object_type, entry.names) for entry in found if entry.is_drop}
    assert ("table column", ("app", "accounts", "kept")) in gone
    assert ("index", ("app", "accounts_kept")) in gone
    granted = [entry for entry in found if entry.tag == "GRANT"]
    assert {entry.identity for entry in granted} == {"app", "app.accounts.name"}
    # Each row version of today was written down with the statement that left it.
    versions = {version for entry in found for version in entry.versions}
    today = logged.execute(
        "SELECT pg_catalog.concat_ws(':', catalog, classid, objid, objsubid, version)"
        " FROM reconciler_audit.rows_of('pg_class'::regclass, 'app.accounts'::regclass)"
    ).fetchall()
    assert {text for (text,) in today} <= versions


@pytest.mark.every_server
@pytest.mark.parametrize("plans", ["auto", "force_generic_plan", "force_custom_plan"])
def test_a_session_is_logged_however_often_it_runs_a_statement(logged: psycopg.Connection, plans: str) -> None:
    # From the sixth time on Postgres thinks of one plan for all events.
    logged.execute(sql.SQL("SET plan_cache_mode = {}").format(sql.Literal(plans)))
    warned: list[str | None] = []
    logged.add_notice_handler(lambda said: warned.append(said.message_primary))
    began = log.position(logged)
    rounds, each = 8, ("CREATE TABLE", "ALTER TABLE", "COMMENT", "GRANT", "ALTER TABLE", "ALTER TABLE", "DROP TABLE")
    for number in range(rounds):
        for statement in (
            "CREATE TABLE public.t (a integer, b integer)",
            "ALTER TABLE public.t ALTER a TYPE bigint",
            "COMMENT ON TABLE public.t IS 'x'",
            "GRANT SELECT ON public.t TO audit_eve",
            "ALTER TABLE public.t DROP b",
            f"ALTER TABLE public.t RENAME TO t{number}",
            f"DROP TABLE public.t{number}",
        ):
            logged.execute(statement.encode())
    tags = [(entry.xid, entry.tag) for entry in new_entries(logged, began)]
    assert [tag for _, tag in dict.fromkeys(tags)] == [*each] * rounds
    assert warned == []


def test_what_others_committed_meanwhile_is_not_taken_for_a_transactions_own(
    database: str, logged: psycopg.Connection
) -> None:
    logged.execute("CREATE TABLE t (a integer, b integer)")
    with psycopg.connect(database) as early:
        early.execute("SELECT pg_catalog.pg_current_xact_id()")
        logged.execute("ALTER TABLE t ALTER a SET STATISTICS 7")
        began = log.position(logged)
        early.execute("COMMENT ON TABLE t IS 'later'")
        early.commit()
    (entry,) = new_entries(logged, began)
    assert entry.tag == "COMMENT"
    assert len(entry.versions) == 1


def test_a_lower_transaction_that_commits_later_is_not_missed(database: str, logged: psycopg.Connection) -> None:
    with psycopg.connect(database) as early:
        early.execute("CREATE TABLE early ()")
        logged.execute("CREATE TABLE late ()")
        began = log.position(logged)
        assert not log.has_moved(logged, began)
        early.commit()
    assert log.has_moved(logged, began)
    assert [entry.identity for entry in new_entries(logged, began)] == ["public.early"]


def test_secrets_are_not_written(logged: psycopg.Connection) -> None:
    began = log.position(logged)
    logged.execute("CREATE EXTENSION IF NOT EXISTS postgres_fdw")
    logged.execute("CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'h')")
    logged.execute("CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (user 'u', password 'hunter2')")
    logged.execute("ALTER USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (SET password $x$hunter2$x$)")
    logged.execute("CREATE TABLE a (); ALTER ROLE audit_eve PASSWORD 'hunter2'")
    logged.execute("DO $$ BEGIN EXECUTE 'ALTER ROLE audit_eve PASS' || 'WORD ''hunter2'''; CREATE TABLE b (); END $$")
    logged.execute("COMMENT ON TABLE a IS 'postgresql://u:hunter2@host/db'")
    logged.execute("CREATE TABLE accounts (id integer, password_hash text, token text)")
    rows = logged.execute("SELECT d::text FROM reconciler_audit.ddl AS d").fetchall()
    assert not [row for row in rows if "hunter2" in row[0]]
    by_identity = {entry.identity: entry for entry in new_entries(logged, began)}
    assert "password_hash" in str(by_identity["public.accounts"].statement)
    assert by_identity["public.b"].actor.login_role == "postgres"


def test_who_is_written_cannot_be_spoofed(database: str, logged: psycopg.Connection) -> None:
    began = log.position(logged)
    with as_role(database, "audit_eve") as eve:
        eve.execute("SET application_name = 'reconciler'")
        eve.execute("SET reconciler_audit.role = 'audit_ann'; SET reconciler_audit.notify = 'on'")
        eve.execute("SET search_path = pg_temp, public; SET standard_conforming_strings = off; SET jit = on")
        eve.execute("SET plpgsql.extra_errors = 'all'; SET DateStyle = 'SQL, DMY'; SET lock_timeout = '1ms'")
        eve.execute("CREATE SCHEMA eves")
        for text in (
            "INSERT INTO reconciler_audit.installation VALUES (1)",
            "DELETE FROM reconciler_audit.ddl",
            "SELECT * FROM reconciler_audit.ddl",
            "SELECT reconciler_audit.seal_now()",
            "ALTER EVENT TRIGGER reconciler_audit_2_end DISABLE",
            "SET session_replication_role = replica",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                eve.execute(text)
        assert audit_state(eve).installed
        assert not audit_state(eve).readable
    (entry,) = new_entries(logged, began)
    assert entry.actor.roles == {"audit_eve"}
    logged.execute(
        "SET session_replication_role = replica; CREATE TABLE under_replica (); RESET session_replication_role"
    )
    assert new_entries(logged, began)[-1].identity == "public.under_replica"


@pytest.mark.parametrize(
    "breaking",
    [
        "ALTER TABLE reconciler_audit.ddl RENAME TO gone",
        "ALTER TABLE reconciler_audit.ddl DROP COLUMN context",
        "ALTER TABLE reconciler_audit.ddl ADD CHECK (id < 0) NOT VALID",
        "REVOKE INSERT ON reconciler_audit.ddl FROM reconciler_audit",
        "DROP FUNCTION reconciler_audit.rows_of(oid, oid)",
        "ALTER SEQUENCE reconciler_audit.ddl_id_seq MAXVALUE 100000 RESTART 100000 NO CYCLE",
    ],
)
def test_no_statement_fails_where_the_log_is_broken(logged: psycopg.Connection, breaking: str) -> None:
    logged.execute(breaking)
    told: list[str] = []
    logged.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))
    logged.execute("CREATE TABLE t (a integer)")
    logged.execute("ALTER TABLE t ADD b integer")
    assert [text for text in told if "was not logged" in text], told
    assert logged.execute("SELECT b FROM t").fetchall() == []


def test_no_statement_waits_long_where_the_log_is_locked(database: str, logged: psycopg.Connection) -> None:
    told: list[str] = []
    logged.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))
    with psycopg.connect(database) as other:
        other.execute("LOCK TABLE reconciler_audit.ddl IN ACCESS EXCLUSIVE MODE")
        logged.execute("CREATE TABLE t ()")
    assert "CREATE TABLE was not logged" in told[0]
    assert logged.execute("SELECT FROM t").fetchall() == []


@pytest.mark.one_server
@pytest.mark.parametrize(
    ("tampering", "problem"),
    [
        (
            "ALTER EVENT TRIGGER reconciler_audit_2_end DISABLE",
            "event trigger reconciler_audit_2_end is not enabled ALWAYS",
        ),
        ("DROP EVENT TRIGGER reconciler_audit_1_drop", "event trigger reconciler_audit_1_drop is missing"),
        ("ALTER TABLE reconciler_audit.ddl OWNER TO audit_ann", "table reconciler_audit.ddl belongs to audit_ann"),
        ("GRANT reconciler_audit TO audit_ann", "role audit_ann is a member of role reconciler_audit"),
        ("ALTER ROLE reconciler_audit LOGIN", "role reconciler_audit may log in or is a superuser"),
        (
            "CREATE OR REPLACE FUNCTION reconciler_audit.note_role() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
            "function reconciler_audit.note_role is not as it was made",
        ),
    ],
)
def test_a_log_that_was_tampered_with_is_not_believed(logged: psycopg.Connection, tampering: str, problem: str) -> None:
    assert audit_state(logged).is_intact
    logged.execute(tampering)
    state = audit_state(logged)
    assert problem in state.problems
    with pytest.raises(AuditError, match="not believed"):
        log.require_log(logged)
    logged.execute("REVOKE reconciler_audit FROM audit_ann; ALTER ROLE reconciler_audit NOLOGIN")


def test_seals_tell_what_was_changed_later(logged: psycopg.Connection) -> None:
    logged.execute("CREATE TABLE a (); CREATE TABLE b ()")
    first = log.seal(logged)
    assert first is not None
    assert first.rows >= 2
    assert log.seal(logged) is None
    logged.execute("DROP TABLE a")
    second = log.seal(logged)
    assert second is not None
    logged.execute("SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'")
    assert log.broken_seals(logged) == ()
    with logged.transaction(force_rollback=True):
        logged.execute("DELETE FROM reconciler_audit.ddl WHERE identity = 'public.a' AND event = 'sql_drop'")
        assert [number for number, *_ in log.broken_seals(logged)] == [second.id]
    with logged.transaction(force_rollback=True):
        logged.execute("UPDATE reconciler_audit.ddl SET session_role = 'audit_eve' WHERE identity = 'public.b'")
        assert [number for number, *_ in log.broken_seals(logged)] == [first.id]
    with logged.transaction(force_rollback=True):
        logged.execute("DELETE FROM reconciler_audit.seal WHERE id = %s", [first.id])
        assert [number for number, *_ in log.broken_seals(logged)] == [second.id]
        assert log.seal_with(logged, first.hash) is None
    assert log.seal_with(logged, first.hash) == first


def test_old_entries_are_deleted_without_breaking_the_seals(logged: psycopg.Connection) -> None:
    from datetime import timedelta

    logged.execute("CREATE TABLE a (); CREATE TABLE b ()")
    log.seal(logged)
    logged.execute("CREATE TABLE c ()")
    assert log.prune(logged, timedelta(days=1)) == 0
    assert log.prune(logged, timedelta()) >= 2
    assert [entry.identity for entry in log.entries_between(logged, None, None)] == ["public.c"]
    assert log.seal(logged) is not None
    assert log.broken_seals(logged) == ()


@pytest.mark.one_server
def test_the_commands_make_show_verify_and_drop_the_log(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--dsn", database]
    assert run(["audit", "status", *at]) == 0
    assert "no log" in capsys.readouterr().out
    assert run(["audit", "verify", *at]) == 1
    assert "there is no log of DDL in this database" in capsys.readouterr().err
    assert run(["audit", "install", "--notify", *at]) == 0
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(log.CHANNEL)))
        with connection.transaction():
            connection.execute("CREATE TABLE t (); CREATE TABLE u ()")
        assert len(list(connection.notifies(timeout=1, stop_after=1))) == 1
        assert run(["audit", "verify", *at]) == 0
        assert "Intact" in capsys.readouterr().out
        connection.execute("UPDATE reconciler_audit.ddl SET tag = 'x' WHERE identity = 'public.t'")
        assert run(["audit", "verify", *at]) == 1
        assert "Changed: seal 1 of" in capsys.readouterr().out
    assert run(["audit", "install", *at]) == 0
    assert run(["audit", "status", "--format", "json", *at]) == 0
    assert '"notifies": false' in capsys.readouterr().out
    assert run(["audit", "prune", "--keep", "0", *at]) == 0
    assert run(["audit", "uninstall", *at]) == 1
    assert run(["audit", "uninstall", "--yes", *at]) == 0
    assert run(["audit", "uninstall", "--yes", *at]) == 0
    assert "There is no log" in capsys.readouterr().out
