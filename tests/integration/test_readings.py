"""How often each use case reads the catalogs: what was just read and cannot have changed is not read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler.catalog import snapshot_reader
from reconciler.client import Reconciler
from reconciler.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.one_server

USERS = "CREATE TABLE users (id int PRIMARY KEY);"
NAMED = "CREATE TABLE users (id int PRIMARY KEY, name text);"


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], int]:
    """Gives how often a function reads the catalogs."""
    count = 0
    read = snapshot_reader._read

    def counted(*arguments: object, **named: object) -> object:
        nonlocal count
        count += 1
        return read(*arguments, **named)

    monkeypatch.setattr(snapshot_reader, "_read", counted)

    def during(run: Callable[[], object]) -> int:
        before = count
        run()
        return count - before

    return during


def test_no_use_case_reads_more_often_than_it_must(
    database: str, readings: Callable[[Callable[[], object]], int], tmp_path: Path
) -> None:
    users, named, aged = (tmp_path / f"{name}.sql" for name in ("users", "named", "aged"))
    users.write_text(USERS)
    named.write_text(NAMED)
    aged.write_text(NAMED.replace(");", ", age int);"))
    elsewhere = Options(scratch="database")
    with Reconciler(database) as reconciler, psycopg.connect(database, autocommit=True) as others:
        found = {
            "plan": readings(lambda: reconciler.plan(users)),
            "migrate": readings(lambda: reconciler.migrate(users)),
            "migrate, nothing to do": readings(lambda: reconciler.migrate(users)),
            "check": readings(lambda: reconciler.check(users)),
            "check, another declaration": readings(lambda: reconciler.check(named)),
            "check, without a source": readings(reconciler.check),
        }
        planned = reconciler.plan(named)
        found["apply"] = readings(lambda: reconciler.apply(planned))
        others.execute("ALTER TABLE users ADD COLUMN note text")
        found["repair"] = readings(lambda: reconciler.repair(named, accept=True))
        found["plan, temporary database"] = readings(lambda: reconciler.plan(aged, options=elsewhere))
        found["check, temporary database"] = readings(lambda: reconciler.check(aged, options=elsewhere))
    assert found == {
        # What is around the managed schemas, on which it depends whether the declaration is built again; the scratch before
        # and after the source ran, live; the scratch again, the copy of live, what the plan made of it.
        "plan": 7,
        # The same, then live before the first statement and after the last.
        "migrate": 9,
        "migrate, nothing to do": 0,
        # Neither the declaration nor live changed: nothing is built.
        "check": 1,
        "check, another declaration": 4,
        "check, without a source": 1,
        "apply": 2,
        # The declaration is the recorded one: it is not built.
        "repair": 4,
        # A temporary database begins as live is around the managed schemas: that is read in live, and in each one.
        "plan, temporary database": 10,
        "check, temporary database": 6,
    }
