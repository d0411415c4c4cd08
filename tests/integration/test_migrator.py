"""The runtime migrator's own API: each component of it, on a database of its own."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from reconciler import AsyncReconciler, ConfigError, HazardError, Reconciler, SourceError, source_from_object
from reconciler.migrator import (
    DynamicMigrationManager,
    MigrationOptions,
    RuntimeMigrator,
    SchemaDiffEngine,
    execute_dynamic_migration,
)

if TYPE_CHECKING:
    from reconciler import Database

pytestmark = pytest.mark.one_server

FIRST = "create table notes (id int primary key, body text); create index notes_body on notes (body);"
SECOND = (
    "create table notes (id bigint primary key, title text default 'x', constraint titled check (title <> ''));"
    " create table tags (id int);"
)


def test_a_plugin_is_migrated_recorded_and_forgotten(database: str) -> None:
    with DynamicMigrationManager(database) as manager:
        manager.initialize()
        assert manager.get_status("chat").has_run is False
        assert manager.migrate("chat", FIRST).idx == 0
        assert manager.migrate("chat", FIRST).skipped
        assert manager.check_migration("chat", FIRST) is None
        lost = manager.check_migration("chat", SECOND)
        assert lost is not None
        assert "body" in lost[0].message
        with pytest.raises(HazardError):
            manager.migrate("chat", SECOND)
        assert manager.migrate("chat", SECOND, MigrationOptions(dry_run=True, force=True)).statements
        assert manager.migrate("chat", SECOND, MigrationOptions(force=True)).idx == 1
        journal = manager.journal_manager.load_journal("chat")
        assert journal is not None
        assert [entry.idx for entry in journal.entries] == [0, 1]
        previous = manager.snapshot_manager.load_snapshot("chat", 1, "previous")
        current = manager.snapshot_manager.get_latest_snapshot("chat")
        assert previous is not None
        assert current is not None
        status = manager.get_status("chat")
        assert status.last_migration is not None
        assert status.last_migration.idx == 1
        assert manager.reset("chat") > 0
        assert manager.get_status("chat").has_run is False


def test_one_call_migrates_one_plugin(database: str) -> None:
    assert execute_dynamic_migration(database, "default", FIRST).idx == 0
    assert RuntimeMigrator is DynamicMigrationManager


def test_a_diff_is_in_the_groups_that_are_known_from_drizzle(two_databases: tuple[str, str]) -> None:
    snapshots = []
    for url, text in zip(two_databases, (FIRST, SECOND), strict=True):
        with Reconciler(url) as reconciler:
            snapshots.append(reconciler.plan(text).goal.snapshot)
    found = SchemaDiffEngine().calculate_diff(*snapshots)
    assert [each.name[-1] for each in found.tables.created] == ["tags"]
    assert [each.name[-1] for each in found.tables.modified] == ["notes"]
    assert found.tables.deleted == ()
    assert {each.name[-1] for each in found.columns.added} == {"title", "id"}
    assert [each.name[1:] for each in found.columns.modified] == [("notes", "id")]
    assert [each.name[-1] for each in found.columns.deleted] == ["body"]
    assert [each.name[-1] for each in found.indexes.deleted] == ["notes_body"]
    assert [each.name[-1] for each in found.constraints.created] == ["titled"]
    assert SchemaDiffEngine().calculate_diff(snapshots[0], snapshots[0]).is_empty


def test_what_says_where_a_database_is_is_taken_like_a_url(database: str) -> None:
    url = make_url(database.replace("postgresql://", "postgresql+psycopg://", 1))
    engine, later = create_engine(url), create_async_engine(url)

    async def from_async() -> None:
        async with await psycopg.AsyncConnection.connect(database) as connection:
            assert status_of(connection) is False
        async with later.connect() as connection:
            assert status_of(connection) is False
        await later.dispose()

    def status_of(given: Database) -> bool:
        with Reconciler(given) as reconciler:
            return reconciler.status().has_run

    for given in (url, engine, later):
        assert status_of(given) is False
    asyncio.run(from_async())
    with pytest.raises(ConfigError, match="sqlite is not Postgres"):
        Reconciler(create_engine("sqlite://"))


def test_the_asynchronous_client_does_the_same_and_stops_when_it_is_cancelled(database: str) -> None:
    async def work() -> None:
        async with AsyncReconciler(database) as reconciler:
            assert (await reconciler.migrate(FIRST)).idx == 0
            planned = await reconciler.plan(FIRST + "create table more (id int);")
            assert (await reconciler.apply(planned)).idx == 1
            assert (await reconciler.status()).snapshots == 2
            with psycopg.connect(database, autocommit=True) as other:
                with other.transaction():
                    other.execute("lock table notes in share mode")
                    running = asyncio.create_task(reconciler.migrate(SECOND, allow_data_loss=True))
                    while not other.execute("select 1 from pg_locks where not granted").fetchone():
                        assert not running.done()
                        await asyncio.sleep(0)
                    running.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await running
                assert other.execute("select count(body) from notes").fetchone() == (0,)
            assert (await reconciler.check(FIRST)).objects

    asyncio.run(work())


@pytest.mark.parametrize("text", ["schema/app.sql", "app.sql", "./schema", "C:\\app\\schema.sql"])
def test_a_path_that_is_given_as_text_is_recognised(text: str) -> None:
    with pytest.raises(SourceError, match="looks like the path"):
        source_from_object(text)


def test_a_path_is_a_path(tmp_path: Path, database: str) -> None:
    (tmp_path / "app.sql").write_text(FIRST)
    with Reconciler(database) as reconciler:
        assert reconciler.plan(tmp_path / "app.sql").plan.statements


def test_the_example_of_the_page_runs(database: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "migrator.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-c", example],
        env={**os.environ, "DATABASE_URL": database},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
