"""The ledger in a schema that was named: found again by every command, while `migrations` is an ordinary schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler import ConfigError, LedgerError, Options, Reconciler, reconcile_on_startup
from reconciler.cli.commands import run
from reconciler.db.ledger_schema import ledger_schema

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.one_server

NAMES = ("book_keeping", "Our 100% own")
OF_LEDGER = "SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = '_ledger' AND relkind = 'r'"


@pytest.mark.parametrize("scratch", ["schema", "database"])
@pytest.mark.parametrize("name", NAMES)
def test_a_named_ledger_leaves_migrations_to_the_application(database: str, name: str, scratch: str) -> None:
    first = "CREATE SCHEMA migrations; CREATE TABLE migrations._runs (id int); CREATE TABLE t (id int)"
    second = first + "; CREATE TABLE migrations._marks (id int)"
    options = Options(ledger_schema=name, schemas=("public", "migrations"), scratch=scratch)
    with Reconciler(database, options=options) as reconciler:
        reconciler.migrate(first)
        assert reconciler.migrate(second).idx == 1
        assert reconciler.migrate(second).skipped
        assert not reconciler.check(second).has_drift
        assert not reconciler.check().has_drift
        assert len(reconciler.history()) == 2
        with psycopg.connect(database) as connection:
            assert connection.execute(OF_LEDGER).fetchall() == [(f'"{name}"' if " " in name else name,)]
            connection.execute("DROP TABLE migrations._marks")
        assert reconciler.check(second).has_drift
        reconciler.repair(second)
        assert not reconciler.check(second).has_drift
        assert reconciler.reset() > 0
        assert reconciler.history() == ()


def test_every_command_finds_a_ledger_that_nobody_names(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.sql").write_text("CREATE TABLE t (id int)")
    (tmp_path / "b.sql").write_text("CREATE TABLE t (id int, more int)")
    at = ["--dsn", database]
    assert run(["apply", "a.sql", "--ledger-schema", "kept", *at]) == 0
    capsys.readouterr()
    # Another reconciler, and the application's start, name none.
    assert run(["check", "a.sql", *at]) == 0
    assert run(["apply", "b.sql", *at]) == 0
    assert run(["status", *at]) == 0
    assert run(["history", *at]) == 0
    assert capsys.readouterr().out.count("default") >= 2
    assert run(["show", "1", *at]) == 0
    assert run(["plugin", "list", *at]) == 0
    assert run(["rollback", "--to", "0", "--allow", "data-loss", "--yes", *at]) == 0
    assert reconcile_on_startup(database, {"default": tmp_path / "b.sql"})["default"].skipped
    assert run(["dump", *at]) == 0
    assert "_ledger" not in capsys.readouterr().out
    assert run(["check", "--all-schemas", "a.sql", *at]) in (0, 2)
    assert "_ledger" not in capsys.readouterr().out
    with psycopg.connect(database) as connection:
        assert connection.execute(OF_LEDGER).fetchall() == [("kept",)]


def test_the_schema_is_named_by_option_environment_and_configuration(
    two_databases: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one, other = two_databases
    (tmp_path / "a.sql").write_text("CREATE TABLE t (id int)")
    (tmp_path / "reconciler.toml").write_text('ledger-schema = "configured"')
    assert run(["apply", "a.sql", "--dsn", one]) == 0
    monkeypatch.setenv("RECONCILER_LEDGER_SCHEMA", "environment")
    with Reconciler(other) as reconciler:
        reconciler.migrate("CREATE TABLE t (id int)")
    for database, name in ((one, "configured"), (other, "environment")):
        with psycopg.connect(database) as connection:
            assert connection.execute(OF_LEDGER).fetchall() == [(name,)]
    assert run(["history", "--dsn", other]) == 0
    (tmp_path / "reconciler.toml").write_text('ledger-schema = "public"')
    monkeypatch.delenv("RECONCILER_LEDGER_SCHEMA")
    assert run(["history", "--dsn", other]) == 1


def test_a_second_ledger_is_refused_with_the_place_of_the_first(database: str) -> None:
    with Reconciler(database) as reconciler:
        reconciler.migrate("CREATE TABLE t (id int)")
    with Reconciler(database, options=Options(ledger_schema="other")) as reconciler:
        for use in (reconciler.status, reconciler.history, reconciler.initialize):
            with pytest.raises(LedgerError, match="the ledger of this database is in schema migrations, not in other"):
                use()
        with pytest.raises(LedgerError, match="in schema migrations, not in other"):
            reconciler.migrate("CREATE TABLE t (id int)")
        # A running process follows where it is moved to.
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("ALTER SCHEMA migrations RENAME TO other")
        assert reconciler.migrate("CREATE TABLE t (id int)").skipped
    with Reconciler(database) as reconciler:
        assert reconciler.migrate("CREATE TABLE t (id int)").skipped
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("ALTER SCHEMA other RENAME TO third")
        assert reconciler.migrate("CREATE TABLE t (id int)").skipped
        with pytest.raises(ConfigError, match="for one use case"):
            reconciler.plan("CREATE TABLE t (id int)", options=Options(ledger_schema="fourth"))


def test_what_somebody_else_made_like_a_ledger_is_not_believed(database: str) -> None:
    """Of several that this role may believe, none is guessed."""
    made = "CREATE TABLE {}._ledger (version int, program_version text, created_at timestamptz)"
    a_role = "maker_of_ledgers"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {a_role}".encode())
        connection.execute(
            f"CREATE SCHEMA theirs; {made.format('theirs')}; ALTER SCHEMA theirs OWNER TO {a_role}".encode()
        )
        connection.execute(f"ALTER TABLE theirs._ledger OWNER TO {a_role}".encode())
        assert ledger_schema(connection) == "migrations"
        # Who may make none himself reads the one that there is.
        connection.execute(f"GRANT USAGE ON SCHEMA theirs TO {a_role}".encode())
        connection.execute(f"SET ROLE {a_role}".encode())
        assert ledger_schema(connection) == "theirs"
        connection.execute("RESET ROLE")
        # A running process keeps what it found until that is gone: a new connection looks.
    with Reconciler(database) as reconciler:
        reconciler.migrate("CREATE TABLE t (id int)")
        assert ledger_schema(reconciler.connection) == "migrations"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"ALTER SCHEMA migrations RENAME TO one; CREATE SCHEMA two; {made.format('two')}".encode())
        with pytest.raises(ConfigError, match="ledgers in the schemas one, two"):
            ledger_schema(connection)
        connection.execute(f"DROP OWNED BY {a_role}; DROP ROLE {a_role}".encode())
