"""Declarations of several versions of an application, in any order: the older one never undoes the newer one."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from typing import TYPE_CHECKING

import psycopg
import pytest
from older_ledger import take_back

from reconciler import (
    AsyncReconciler,
    Behind,
    BehindError,
    ConfigError,
    DatabaseSource,
    Options,
    Phase,
    PluginFailuresError,
    Reconciler,
    ReconcilerError,
    WhenBehind,
    reconcile_on_startup,
    reconcile_on_startup_async,
)
from reconciler.cli.commands import run
from reconciler.migrator import DynamicMigrationManager, MigrationOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reconciler import Event, MigrateResult

pytestmark = pytest.mark.one_server

V1 = "create table users (id bigint primary key);"
V2 = "create table users (id bigint primary key, mail text);"
V3 = "create table users (id bigint primary key, mail text, name text);"
V1_AGAIN = "-- as it was\nCREATE TABLE users (\n  id int8,\n  PRIMARY KEY (id)\n);"
EVERYTHING = Options(allow=frozenset({"data_loss"}))


def start(database: str, source: str, **choices: object) -> MigrateResult:
    return reconcile_on_startup(database, {"default": source}, options=EVERYTHING, **choices)["default"]  # type: ignore[arg-type]


def columns(database: str) -> list[str]:
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "select column_name::text from information_schema.columns where table_schema = 'public' order by 1"
        )
        return [row[0] for row in rows]


def migrations(database: str) -> int:
    with psycopg.connect(database) as connection:
        row = connection.execute("select count(*) from migrations._migrations").fetchone()
        assert row is not None
        return row[0]


@pytest.mark.smoke
def test_an_older_declaration_leaves_the_database_alone(database: str, caplog: pytest.LogCaptureFixture) -> None:
    for source in (V1, V2, V3):
        start(database, source)
    for older, idx in ((V1, 0), (V2, 1), (V1_AGAIN, 0)):
        caplog.clear()
        done = start(database, older)
        assert done.skipped
        assert done.behind is not None
        assert (done.behind.idx, done.behind.head) == (idx, 2)
        (line,) = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
        assert line == f"default: this declaration is migration {idx}, the database is at 2; left alone"
    assert columns(database) == ["id", "mail", "name"]
    assert migrations(database) == 3
    assert start(database, V3).behind is None
    with Reconciler(database) as reconciler:
        assert [run.outcome for run in [reconciler.status().last_run] if run] == ["succeeded"]


def test_a_new_declaration_is_never_behind(database: str) -> None:
    for source in (V1, V2):
        start(database, source)
    assert start(database, "create table users (id bigint primary key, mail text not null);").idx == 2
    assert start(database, "create table users (id bigint primary key); create table posts (id int);").idx == 3


def test_a_declaration_that_was_only_seen_in_another_spelling_is_known_again(database: str) -> None:
    start(database, V1)
    assert start(database, V1_AGAIN).idx is None
    start(database, V2)
    with psycopg.connect(database) as connection:
        # As after an upgrade of the server or of this program, which changes fingerprints.
        connection.execute(
            "update migrations._migrations set hash = 'f' || idx from migrations._sources where migration_id = id"
        )
        connection.execute("update migrations._declarations set fingerprint = 'f' || idx")
    assert start(database, V1_AGAIN).behind is not None
    assert start(database, V1).behind is not None
    assert start(database, V2).behind is None
    assert columns(database) == ["id", "mail"]


def test_one_that_is_meant_is_applied_and_then_the_newer_one_is_behind(database: str) -> None:
    start(database, V1)
    start(database, V2)
    with pytest.raises(PluginFailuresError) as failed:
        start(database, V1, when_behind="fail")
    assert isinstance(failed.value.failures["default"], BehindError)
    assert start(database, V1, when_behind=WhenBehind.APPLY).idx == 2
    assert columns(database) == ["id"]
    assert start(database, V1).behind is None
    assert start(database, V1_AGAIN).behind is None
    assert start(database, V2).behind is not None
    assert columns(database) == ["id"]
    with pytest.raises(ConfigError, match="when_behind never does not exist"):
        start(database, V1, when_behind="never")


def test_a_rollback_is_not_undone_by_a_start_of_what_was_rolled_back(database: str) -> None:
    start(database, V1)
    start(database, V2)
    with Reconciler(database, options=EVERYTHING) as reconciler:
        reconciler.rollback(to=0)
    assert start(database, V2).behind is not None
    assert start(database, V1).behind is None
    assert columns(database) == ["id"]
    assert start(database, V3).idx == 3


def test_a_rollback_after_an_upgrade_is_known_by_the_texts_of_then(database: str) -> None:
    start(database, V1)
    start(database, V2)
    with psycopg.connect(database) as connection:
        connection.execute(
            "update migrations._migrations set hash = 'f' || idx from migrations._sources where migration_id = id"
        )
        connection.execute("update migrations._declarations set fingerprint = 'f' || idx")
    with Reconciler(database, options=EVERYTHING) as reconciler:
        reconciler.rollback(to=0)
    assert start(database, V1).behind is None
    assert start(database, V2).behind is not None


def test_what_was_accepted_does_not_make_its_declaration_an_older_one(database: str) -> None:
    start(database, V1)
    start(database, V2)
    with psycopg.connect(database) as connection:
        connection.execute("alter table users add column extra int")
    with Reconciler(database, options=EVERYTHING) as reconciler:
        assert reconciler.repair(V2, accept=True).idx == 2
    assert start(database, V1).behind is not None
    assert start(database, V2).behind is None
    assert columns(database) == ["id", "mail"]


def test_a_lower_version_is_behind_though_it_was_never_recorded(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    start(database, V1, version=9)
    start(database, V2, version="10")
    done = start(database, V3, version=9)
    assert done.behind is not None
    assert caplog.messages[-1] == (
        "default: this declaration is of version 9, the database is at version 10 (migration 1); left alone"
    )
    assert start(database, V2, version=9).behind is None
    assert start(database, V3, version=10).idx == 2
    assert start(database, V1, version=10).behind is not None
    assert start(database, V1, version=11).idx == 3, "a higher version goes back on purpose"
    assert start(database, V3, version=10).behind is not None
    assert start(database, V3).behind is not None
    with pytest.raises(ConfigError, match="has no order"):
        start(database, V3, version="4f2a9c1")


def test_a_higher_version_of_the_same_declaration_is_remembered(database: str) -> None:
    start(database, V1, version="1.9")
    assert start(database, V1, version="1.10").skipped
    assert start(database, V2, version="1.9.5").behind is not None
    assert start(database, V1_AGAIN, version="1.11").idx is None
    assert start(database, V2, version="1.10.5").behind is not None
    assert start(database, V2, version="2.0").idx == 1
    assert migrations(database) == 2


def test_the_first_version_is_higher_than_none(database: str) -> None:
    start(database, V1)
    start(database, V2)
    assert start(database, V1, version=1).idx == 2
    assert columns(database) == ["id"]


def test_a_start_can_wait_until_the_database_is_as_declared_again(database: str) -> None:
    start(database, V1)
    start(database, V2)
    options = Options(lock_timeout_ms=100, lock_retries=0, when_behind=WhenBehind.WAIT)
    with pytest.raises(
        PluginFailuresError, match=r"this declaration is migration 0, the database is at 1; waited 0\.1 s"
    ):
        reconcile_on_startup(database, {"default": V1}, options=options)
    with pytest.raises(BehindError, match="waited 1 s"):
        reconcile_on_startup(database, {"default": V1}, options=options, timeout_s=1)
    done: list[MigrateResult] = []
    waiting = threading.Thread(
        target=lambda: done.append(start(database, V1, when_behind="wait", timeout_s=30)), daemon=True
    )
    waiting.start()
    with Reconciler(database, options=EVERYTHING) as reconciler:
        reconciler.rollback(to=0)
    waiting.join(30)
    assert done[0].behind is None
    assert columns(database) == ["id"]


def test_every_way_of_the_library_knows_it(database: str) -> None:
    start(database, V1, version=1)
    start(database, V2, version=2)

    async def ways() -> list[MigrateResult]:
        async with AsyncReconciler(database, options=EVERYTHING) as reconciler:
            one = await reconciler.migrate(V1)
            assert (await reconciler.check(V1)).behind is not None
            two = await reconciler.migrate(V3, version=1)
        three = await reconcile_on_startup_async(database, {"default": V1})
        return [one, two, *three.values()]

    for done in asyncio.run(ways()):
        assert done.behind is not None
    with DynamicMigrationManager(database, options=EVERYTHING) as manager:
        assert manager.migrate("default", V1).behind is not None
        assert columns(database) == ["id", "mail"]
        assert manager.migrate("default", V1, MigrationOptions(version=3)).idx == 2
        assert manager.migrate("default", V2, MigrationOptions(when_behind=WhenBehind.APPLY)).idx == 3
    with Reconciler(database, options=EVERYTHING) as reconciler:
        planned = reconciler.plan(V1)
        assert planned.behind is not None
        assert str(planned.behind) in planned.warnings
        failing = Options(when_behind=WhenBehind.FAIL)
        uses: list[Callable[[], object]] = [
            lambda: reconciler.plan(V1, options=failing),
            lambda: reconciler.migrate(V1, options=failing, dry_run=True),
            lambda: reconciler.adopt(V1, options=failing),
            lambda: reconciler.repair(V1, options=failing),
        ]
        for use in uses:
            with pytest.raises(BehindError):
                use()
        assert reconciler.apply(planned).idx == 4
        assert columns(database) == ["id"]


def test_a_plan_is_stale_where_a_higher_version_was_seen_since(database: str) -> None:
    start(database, V1, version=1)
    with Reconciler(database, options=Options(version="2")) as reconciler:
        planned = reconciler.plan(V2)
        start(database, V1, version=3)
        with pytest.raises(ReconcilerError, match="another version"):
            reconciler.apply(planned)
    assert columns(database) == ["id"]


def test_another_database_is_known_by_what_it_declares(two_databases: tuple[str, str]) -> None:
    database, other = two_databases
    with psycopg.connect(other, autocommit=True) as connection:
        connection.execute(V1.encode())
        with Reconciler(database, options=EVERYTHING) as reconciler:
            source = DatabaseSource(url=other)
            reconciler.migrate(source)
            connection.execute("alter table users add column mail text")
            reconciler.migrate(source)
            connection.execute("alter table users drop column mail")
            assert reconciler.migrate(source).behind is not None


def test_the_command_line_refuses_an_older_declaration(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    older, newer = tmp_path / "older.sql", tmp_path / "newer.sql"
    older.write_text(V1)
    newer.write_text(V2)

    def call(*arguments: str) -> int:
        return run([*arguments, "--dsn", database])

    assert [call("apply", "older.sql"), call("apply", "newer.sql")] == [0, 0]
    for command in (("plan",), ("apply",), ("apply", "--dry-run"), ("adopt",), ("repair", "--revert")):
        capfd.readouterr()
        assert call(*command, "older.sql") == 7
        said = capfd.readouterr().err
        assert "error: default: this declaration is migration 0, the database is at 1" in said
        assert "--allow-older" in said
    assert columns(database) == ["id", "mail"]

    assert call("check", "older.sql") == 7
    said = capfd.readouterr().out
    assert "behind: this declaration is migration 0, the database is at 1" in said
    assert "pending" not in said
    call("check", "older.sql", "--format", "json")
    assert json.loads(capfd.readouterr().out)["behind"] == {
        "idx": 0,
        "head": 1,
        "version": None,
        "head_version": None,
        "run": None,
    }
    with psycopg.connect(database) as connection:
        connection.execute("alter table users add column extra int")
    assert call("check", "older.sql") == 4
    assert "extra" in capfd.readouterr().out
    assert call("apply", "newer.sql", "--allow", "data-loss") == 0

    assert call("plan", "older.sql", "--allow-older", "--out", "plan.json") == 2
    assert "warning: this declaration is migration 0" in capfd.readouterr().err
    assert call("check", "older.sql", "--allow-older") == 2
    assert call("apply", "--plan", "plan.json", "--allow", "data-loss") == 7
    assert call("apply", "--plan", "plan.json", "--allow", "data-loss", "--allow-older") == 0
    assert call("apply", "newer.sql") == 7
    (tmp_path / "reconciler.toml").write_text("allow = ['all']\n")
    assert call("apply", "newer.sql") == 7, "what always holds is no consent to an older declaration"
    assert call("plan", "newer.sql", "--allow", "all") == 2
    (tmp_path / "reconciler.toml").write_text("app-version = 2\n")
    assert call("apply", "newer.sql") == 0
    assert call("apply", "older.sql", "--app-version", "1.5", "--allow", "data-loss") == 7
    assert call("apply", "older.sql", "--app-version", "1.5", "--allow", "data-loss", "--allow-older") == 0
    assert columns(database) == ["id"]
    assert call("status") == 0


def test_a_ledger_of_the_version_before_knows_its_declarations(database: str) -> None:
    start(database, V1)
    start(database, V2)
    take_back(database, 4)
    with Reconciler(database) as reconciler:
        assert reconciler.check(V2).behind is None
        assert reconciler.status().has_run
        assert reconciler.migrate(V2).skipped
        reconciler.initialize()
    assert start(database, V1).behind is not None
    assert start(database, V2).skipped
    assert columns(database) == ["id", "mail"]


class _Killed(BaseException):
    """The process ends here."""


def test_an_instance_that_restarts_during_a_run_in_steps_neither_waits_for_it_nor_undoes_it(database: str) -> None:
    start(database, V1)
    online = Options(online=True, lock_timeout_ms=100, lock_retries=0)
    indexed = V1 + "create index users_id on users (id); create index users_id_again on users (id, id);"
    seen: list[MigrateResult] = []

    def restarts(event: Event) -> None:
        if event.phase is Phase.STARTED and "users_id_again" in event.statement.sql:
            seen.append(reconcile_on_startup(database, {"default": V1_AGAIN}, options=online)["default"])
            raise _Killed

    start(database, V1_AGAIN)
    with Reconciler(database, options=online) as reconciler:
        with pytest.raises(_Killed):
            reconciler.migrate(indexed, on_event=restarts)
        assert seen[0].behind is not None
        assert seen[0].behind.run is not None
        assert "unfinished" in str(seen[0].behind)
        assert start(database, V1).behind is not None, "interrupted: whoever began it resumes it"
        assert reconciler.migrate(indexed).idx == 1
    assert start(database, V1).behind == Behind(idx=0, head=1)
