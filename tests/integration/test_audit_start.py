"""With the log of DDL a start with nothing to do does not read the mark, and misses nothing that was changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler import Reconciler
from reconciler.audit.install import audit_digest, audit_state, install, uninstall
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


MANIPULATIONS = (
    "ALTER EVENT TRIGGER reconciler_audit_2_drop DISABLE",
    "ALTER EVENT TRIGGER reconciler_audit_2_end ENABLE",
    "DROP EVENT TRIGGER reconciler_audit_1_end",
    "UPDATE pg_event_trigger SET evtenabled = 'D' WHERE evtname = 'reconciler_audit_2_end'",
    "ALTER ROLE reconciler_audit LOGIN",
    "GRANT reconciler_audit TO audit_member",
    "ALTER SCHEMA reconciler_audit OWNER TO audit_member",
    "ALTER TABLE reconciler_audit.ddl OWNER TO audit_member",
    "ALTER TABLE reconciler_audit.ddl ENABLE ROW LEVEL SECURITY",
    "CREATE TABLE public.child () INHERITS (reconciler_audit.ddl)",
    "CREATE RULE r AS ON INSERT TO reconciler_audit.ddl DO INSTEAD NOTHING",
    "CREATE TRIGGER t BEFORE INSERT ON reconciler_audit.ddl FOR EACH ROW EXECUTE FUNCTION public.f()",
    "CREATE OR REPLACE FUNCTION reconciler_audit.write() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
    "ALTER FUNCTION reconciler_audit.write() SECURITY INVOKER",
)


@pytest.mark.every_server
def test_what_makes_the_log_unbelievable_moves_its_digest(database: str) -> None:
    with psycopg.connect(database) as connection:
        # Nothing is committed, so that no count of writes can tell.
        connection.execute("CREATE ROLE audit_member")
        connection.execute("CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
        install(connection)
        before = audit_digest(connection)
        assert audit_state(connection).is_intact
        connection.execute("CREATE TABLE public.t (); DROP TABLE public.t")
        assert audit_digest(connection) == before
        for change in MANIPULATIONS:
            with connection.transaction(force_rollback=True):
                connection.execute(change.encode())
                assert not audit_state(connection).is_intact, change
                assert audit_digest(connection) != before, change
        assert audit_digest(connection) == before
        connection.rollback()


def test_a_transaction_that_began_before_and_commits_after_is_seen(database: str, start: Start) -> None:
    with psycopg.connect(database) as early:
        early.execute("ALTER TABLE app.t ADD early integer")
        with psycopg.connect(database, autocommit=True) as other:
            other.execute("CREATE TABLE public.late ()")
        assert start()[0]
        early.commit()
    assert not start()[0]
