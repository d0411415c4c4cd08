"""What is said where a run loses its server, its lease, its statement or its process: what is left, and what to do."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest
from each_statement import before_each
from psycopg import sql

from reconciler.apply.locks import lease
from reconciler.cli.console import INTERRUPTED
from reconciler.client import Reconciler
from reconciler.db.connections import connect
from reconciler.errors import ConnectError, ReconcilerError, RunInterruptedError
from reconciler.options import Options, Proof

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.embedded import EmbeddedServer
    from reconciler.model.plan import Statement

pytestmark = pytest.mark.one_server

BEFORE = "create table t (id int primary key, a int, b int);"
AFTER = (
    BEFORE.replace("a int", "a int not null")
    + "create index t_b on t (b); alter table t add constraint positive check (b > 0); create table v (id int);"
)
ONLINE = Options(online=True, proof=Proof.OFF)
TERMINATE = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where pid = %s"
TERMINATE_LEASE = (
    "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
    " where application_name = 'reconciler lease' and datname = current_database() and pid <> %s"
)


@pytest.mark.parametrize("fault", ["backend terminated", "lease terminated", "no rollback", "Ctrl-C"])
def test_a_run_in_steps_says_what_it_left_and_is_resumed(database: str, server: EmbeddedServer, fault: str) -> None:
    name = sql.Identifier(str(psycopg.conninfo.conninfo_to_dict(database)["dbname"]))
    with (
        Reconciler(database, options=ONLINE) as reconciler,
        psycopg.connect(database, autocommit=True) as other,
        psycopg.connect(server.url, autocommit=True) as elsewhere,
    ):
        reconciler.migrate(BEFORE)
        steps = reconciler.plan(AFTER).plan.steps
        at = len(steps) // 2 + 1
        first = steps[at - 1].first

        def strike(position: int, _statement: Statement) -> None:
            if position != first:
                return
            if fault == "Ctrl-C":
                raise KeyboardInterrupt
            if fault == "no rollback":
                elsewhere.execute(sql.SQL("alter database {} allow_connections false").format(name))
            query = TERMINATE_LEASE if fault == "lease terminated" else TERMINATE
            other.execute(query, [reconciler.connection.info.backend_pid])

        expected = RunInterruptedError if fault == "Ctrl-C" else ReconcilerError
        with pytest.raises(expected) as caught:
            reconciler.migrate(AFTER, on_event=before_each(strike))
        error = caught.value
        elsewhere.execute(sql.SQL("alter database {} allow_connections true").format(name))

        assert isinstance(error, (ReconcilerError, RunInterruptedError))
        assert ("interrupted" if fault == "Ctrl-C" else "connection was lost") in error.describe()
        done = at if fault == "lease terminated" else at - 1
        assert f"steps 1 to {done} of {len(steps)} are committed" in str(error.left)
        assert "resume" in str(error.hint)
        unfinished = reconciler.status().unfinished
        assert unfinished is not None
        assert (unfinished.steps_done, unfinished.is_running) == (done, False)
        if fault == "no rollback":
            assert "could not be recorded" in str(error.__notes__)
            assert unfinished.state == "interrupted"
        else:
            assert unfinished.state == "failed"
        reconciler.migrate(AFTER)
        assert reconciler.plan(AFTER).plan.is_empty
        assert reconciler.check().unfinished is None


@pytest.mark.parametrize("fault", ["backend terminated", "Ctrl-C"])
def test_a_run_of_one_transaction_says_that_nothing_is_left(database: str, fault: str) -> None:
    options = Options(online=False, proof=Proof.OFF)
    with Reconciler(database, options=options) as reconciler, psycopg.connect(database, autocommit=True) as other:
        reconciler.migrate(BEFORE)

        def strike(position: int, _statement: Statement) -> None:
            if position == 2:
                if fault == "Ctrl-C":
                    raise KeyboardInterrupt
                other.execute(TERMINATE, [reconciler.connection.info.backend_pid])

        expected = RunInterruptedError if fault == "Ctrl-C" else ReconcilerError
        with pytest.raises(expected) as caught:
            reconciler.migrate(AFTER, on_event=before_each(strike))
        assert isinstance(caught.value, (ReconcilerError, RunInterruptedError))
        assert str(caught.value.left).startswith("nothing")
        status = reconciler.status()
        assert status.last_run is not None
        assert (status.last_run.outcome, status.unfinished) == ("failed", None)
        assert reconciler.migrate(AFTER).idx == 1


# A shell starts what it runs in the background with SIGINT ignored, and that is inherited.
COMMAND = """
import signal
from reconciler.cli.commands import main

signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_command_and_it_says_what_is_left(
    database: str, tmp_path: Path, number: signal.Signals
) -> None:
    source = tmp_path / "schema.sql"
    source.write_text(AFTER)
    with Reconciler(database) as reconciler, psycopg.connect(database) as other:
        reconciler.migrate(BEFORE)
        other.execute("lock table public.t")
        command = [sys.executable, "-c", COMMAND, "apply", str(source), "--dsn", database]
        process = subprocess.Popen(
            [*command, "--no-online", "--lock-timeout", "60000"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        waits = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        with psycopg.connect(database, autocommit=True) as watch:
            while process.poll() is None and not watch.execute(waits).fetchone():
                watch.execute("select pg_sleep(0.05)")
        process.send_signal(number)
        try:
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == INTERRUPTED, said
        assert ("terminated" if number is signal.SIGTERM else "interrupted") in said
        assert "nothing" in said
        assert "ignored" not in said
        other.rollback()
        assert reconciler.migrate(AFTER).idx == 1


def test_who_finds_no_connection_slot_is_not_asked_for_the_password(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create role crowded login password 'x' connection limit 0")
        try:
            url = psycopg.conninfo.make_conninfo(database, user="crowded", password="x", connect_timeout=2)
            with pytest.raises(ConnectError, match="too many connections") as caught:
                connect(url)
        finally:
            connection.execute("drop role crowded")
    assert "pooler" in str(caught.value.hint)
    assert "password" not in str(caught.value.hint)


def test_a_lease_that_is_lost_when_the_work_is_done_is_no_failure(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as other, lease(database, "default", 0):
        other.execute(TERMINATE_LEASE, [0])
    with lease(database, "default", 0) as check:
        check()
