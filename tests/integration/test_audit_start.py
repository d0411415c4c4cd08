"""With the log of DDL a start with nothing to do does not read the mark, and misses nothing that was changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler import Reconciler
from reconciler.audit.install import install, uninstall
from reconciler.model.hazards import HazardKind
from reconciler.options import Options, WhenBehind
from reconciler.workflows import execute_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

DECLARED = "CREATE TABLE t (id integer); CREATE TABLE u (id integer);"


class Start:
    """Starts an application, and tells how often that read the mark."""

    def __init__(self, database: str, patch: pytest.MonkeyPatch) -> None:
        self.database = database
        self.readings = 0
        read = execute_plan.read_mark

        def counted(*values: object) -> str:
            self.readings += 1
            return read(*values)  # type: ignore[arg-type]

        patch.setattr(execute_plan, "read_mark", counted)

    def __call__(self) -> tuple[bool, int]:
        """Whether there was nothing to do, and how often the mark was read."""
        before = self.readings
        with Reconciler(
            self.database, options=Options(when_behind=WhenBehind.APPLY, allow=frozenset(HazardKind))
        ) as reconciler:
            done = reconciler.migrate(DECLARED, plugin="app")
        return done.skipped, self.readings - before


@pytest.fixture
def start(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    with psycopg.connect(database, autocommit=True) as connection:
        install(connection)
    started = Start(database, monkeypatch)
    started()
    assert started() == (True, 1)  # what is seen then is written down
    assert started() == (True, 0)
    yield started
    with psycopg.connect(database, autocommit=True) as connection:
        uninstall(connection)


def test_a_start_with_nothing_to_do_asks_the_log_alone(database: str, start: Start) -> None:
    assert [start() for _ in range(3)] == [(True, 0)] * 3
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE public.elsewhere ()")
    assert start() == (True, 1)
    assert start() == (True, 0)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE app.t ADD by_hand integer",
        "UPDATE pg_class SET reloptions = '{fillfactor=50}' WHERE oid = 'app.t'::regclass",
        "ALTER EVENT TRIGGER reconciler_audit_2_end DISABLE; ALTER TABLE app.t ADD by_hand integer",
        "ALTER EVENT TRIGGER reconciler_audit_2_end DISABLE; ALTER TABLE app.t ADD n int; ALTER EVENT TRIGGER reconciler_audit_2_end ENABLE ALWAYS",
        "COMMENT ON TABLE app.t IS 'by hand'",
        "GRANT SELECT ON app.t TO PUBLIC",
    ],
)
def test_every_change_makes_a_start_look(database: str, start: Start, change: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(change)
    skipped, readings = start()
    assert not skipped
    assert readings


def test_a_transaction_that_began_before_and_commits_after_is_seen(database: str, start: Start) -> None:
    with psycopg.connect(database) as early:
        early.execute("ALTER TABLE app.t ADD early integer")
        with psycopg.connect(database, autocommit=True) as other:
            other.execute("CREATE TABLE public.late ()")
        assert start()[0]
        early.commit()
    assert not start()[0]
