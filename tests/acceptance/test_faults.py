"""Whatever happens at whatever statement: no row is lost, no change is unrecorded, the next run ends at the declaration.

Four plans (one transaction, online steps, an exchange of a column, a partitioned table in steps), interrupted at each of their statements, and while one
waits in the server. Where the server itself suffers (it is stopped at once, its disk is full) it is one of the test's own.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from each_statement import before_each

from reconciler.client import Reconciler
from reconciler.embedded import EmbeddedServer
from reconciler.errors import ReconcilerError
from reconciler.ledger.runs import load_runs
from reconciler.options import Options, Proof

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from reconciler.model.events import Event
    from reconciler.model.plan import Plan, Statement

pytestmark = pytest.mark.one_server

BEFORE = """
create table parent (id int primary key);
create table kept (id int generated always as identity primary key, n int, p int, label text);
create index kept_n on kept (n);
create view labels as select label, n from kept;
"""
ROWS = """
insert into public.parent select generate_series(1, 5);
insert into public.kept (n, p, label) select n, n % 5 + 1, 'row ' || n from generate_series(1, 200) n;
"""
TREE = """
create table parent (id int primary key);
create table kept (n int, p int, label text) partition by list (p);
create table kept_1 partition of kept for values in (1, 2);
create table kept_2 partition of kept default partition by range (n);
create table kept_3 partition of kept_2 default;
"""
PLANS = {
    "one transaction": (
        BEFORE,
        BEFORE.replace("label text", "label text not null default '', added date") + "create table other (id int);",
        False,
    ),
    "online steps": (
        BEFORE,
        BEFORE.replace("n int", "n int not null").replace("(n)", "(n, p)")
        + "alter table kept add foreign key (p) references parent; alter table kept add check (n > 0);",
        True,
    ),
    "exchange of a column": (BEFORE, BEFORE.replace("n int,", "n bigint not null,"), True),
    "a partitioned table": (
        TREE,
        TREE.replace(
            "label text",
            """label text, id int generated always as identity, twice int not null, -- reconciler: backfill n * 2
            thrice int not null -- reconciler: backfill n * 3
            """,
        )
        + "create index on kept (n); create index on kept (twice);",
        True,
    ),
}
# All pairs take minutes: they run where RECONCILER_ALL_FAULTS is set, else each fault and each plan in one of them.
FEW = (
    *(("one transaction", fault) for fault in ("connection cut", "statement cancelled", "lock timeout", "disk full")),
    ("online steps", "client killed"),
    ("exchange of a column", "connection cut"),
    ("a partitioned table", "connection cut"),
)
FAULTS = ("client killed", "connection cut", "statement cancelled", "lock timeout", "server stopped", "disk full")
# Those that a server has as a whole.
OF_THE_SERVER = ("server stopped", "disk full")


class Ground:
    """A database, and its server where that is the test's own and may crash."""

    def __init__(self, url: str, data: Path | None = None, bindir: Path | None = None) -> None:
        self.url = url
        self._data, self._bindir = data, bindir
        self._server: EmbeddedServer | None = None

    def recover(self) -> None:
        """Starts the test's own server again, as its operator would."""
        if self._data is None:
            return
        if self._server is not None:
            _await_own_recovery(self.url)
        self.stop()
        self._server = EmbeddedServer(self._data, bindir=self._bindir)
        self.url = self._server.start().url

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None


def _await_own_recovery(url: str) -> None:
    """A server one of whose processes crashed recovers by itself; told to stop meanwhile, 18 hangs for a minute."""
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError as error:
            if "refused" in str(error):
                return
            time.sleep(0.02)
        else:
            return


@contextmanager
def _ground(fault: str, database: str, server: EmbeddedServer, folder: Path) -> Iterator[Ground]:
    if fault not in OF_THE_SERVER:
        yield Ground(database)
        return
    ground = Ground("", folder / "data", server.bindir)
    ground.recover()
    try:
        yield ground
    finally:
        ground.stop()


def _migrate(url: str, after: str, online: bool, on_event: Callable[[Event], None] | None = None) -> None:
    options = Options(online=online, lock_timeout_ms=100, lock_retries=0, proof=Proof.OFF)
    with Reconciler(url, options=options) as reconciler:
        reconciler.migrate(after, on_event=on_event, allow_data_loss=True)


def _killed(url: str, after: str, online: bool, position: int) -> None:
    """In a process of its own: dies by SIGKILL before the statement."""

    def die(at: int, _statement: Statement) -> None:
        if at == position:
            os.kill(os.getpid(), signal.SIGKILL)

    _migrate(url, after, online, before_each(die))


def _in_a_process(target: Callable[[str, str, bool, int], None], *arguments: object) -> int:
    process = multiprocessing.get_context("spawn").Process(target=target, args=arguments)
    process.start()
    process.join()
    return process.exitcode or 0


def _stop_server(watch: psycopg.Connection) -> None:
    """What `pg_ctl stop -m immediate` does."""
    row = watch.execute("select pg_read_file('postmaster.pid')").fetchone()
    assert row is not None
    os.kill(int(str(row[0]).splitlines()[0]), signal.SIGQUIT)


def _cancel_when_it_waits(url: str, pid: int) -> None:
    """Cancels the backend's statement once it waits for a lock."""
    waits = "select pg_cancel_backend(pid) from pg_stat_activity where pid = %s and wait_event_type = 'Lock'"
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(1000):
            if connection.execute(waits, (pid,)).fetchone():
                return
            connection.execute("select pg_sleep(0.01)")


def _fail(url: str, after: str, online: bool, position: int, fault: str) -> bool:
    """Applies with the fault at the statement at `position`; whether it hit."""
    if fault == "client killed":
        return _in_a_process(_killed, url, after, online, position) == -signal.SIGKILL
    blocker = psycopg.connect(url)
    patience_ms = 10_000 if fault == "statement cancelled" else 100
    options = Options(online=online, lock_timeout_ms=patience_ms, lock_retries=0, proof=Proof.OFF)
    canceller: threading.Thread | None = None

    with Reconciler(url, options=options) as reconciler:

        def strike(at: int, statement: Statement) -> None:
            nonlocal canceller
            if at != position:
                return
            pid = reconciler.connection.info.backend_pid
            blocks = statement.lock is not None and statement.lock.blocks_clients
            match fault:
                case "connection cut":
                    blocker.execute("select pg_terminate_backend(%s, 5000)", (pid,))
                case "server stopped":
                    _stop_server(blocker)
                case "disk full":
                    # No file of that backend's can grow from now on; what needs no room is not hit. The server does it
                    # to itself, since only its own account may.
                    blocker.execute(f"copy (select) to program 'prlimit --pid {pid} --fsize=0:'".encode())
                case "statement cancelled" if not blocks:
                    raise KeyboardInterrupt
                case _ if blocks:
                    try:
                        blocker.execute("lock table public.kept in access exclusive mode nowait")
                    except psycopg.errors.LockNotAvailable:
                        raise KeyboardInterrupt from None  # the transaction has it already: nothing can wait for it
                    if fault == "statement cancelled":
                        canceller = threading.Thread(target=_cancel_when_it_waits, args=(url, pid))
                        canceller.start()

        try:
            reconciler.migrate(after, on_event=before_each(strike), allow_data_loss=True)
        except (ReconcilerError, psycopg.Error, KeyboardInterrupt):
            return True
        finally:
            if canceller is not None:
                canceller.join()
            blocker.close()
        return False


def _assert_whole(url: str) -> None:
    """The rows are there, and what was changed is in the ledger: as a migration, or as steps of an unfinished run."""
    with psycopg.connect(url) as connection:
        found = connection.execute("select count(*), sum(n), count(distinct label) from public.kept").fetchone()
    assert found == (200, 20100, 200)


def _assert_recorded(url: str, declared: str, before: int) -> None:
    with Reconciler(url) as reconciler:
        done = reconciler.check(declared)
        unfinished = reconciler.status().unfinished
        recorded = len(reconciler.history())
        assert not done.plan.statements or unfinished is not None or recorded > before


def _assert_next_run_ends_at(url: str, after: str, online: bool) -> None:
    _migrate(url, after, online)
    with Reconciler(url) as reconciler:
        assert reconciler.plan(after).plan.is_empty
        assert reconciler.status().unfinished is None
        assert {"running", "interrupted"}.isdisjoint(run.outcome for run in load_runs(reconciler.connection))
    with psycopg.connect(url) as connection:
        left = "select relname from pg_class where relname ~ 'reconciler_tmp'"
        assert connection.execute(left).fetchall() == []


def _prepare(url: str, before: str) -> None:
    """The first state with its rows."""
    with Reconciler(url, options=Options(proof=Proof.OFF)) as reconciler:
        reconciler.migrate(before)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(ROWS)


def _plan(url: str, after: str, online: bool) -> Plan:
    with Reconciler(url, options=Options(online=online, proof=Proof.OFF)) as reconciler:
        return reconciler.plan(after).plan


@pytest.mark.parametrize(
    ("plan", "fault"),
    [(plan, fault) for plan in PLANS for fault in FAULTS] if os.environ.get("RECONCILER_ALL_FAULTS") else FEW,
)
def test_after_a_fault_at_each_statement_the_next_run_ends_at_the_declaration(
    database: str, server: EmbeddedServer, tmp_path: Path, plan: str, fault: str
) -> None:
    """Each fault meets what the one before has left, one step further, as it would in life."""
    before, after, online = PLANS[plan]
    with _ground(fault, database, server, tmp_path) as ground:
        _prepare(ground.url, before)
        tried = step = 0
        while step < len((found := _plan(ground.url, after, online)).steps):
            for position, statement in enumerate(found.steps[step].statements, start=found.steps[step].first):
                if fault == "lock timeout" and not (statement.lock is not None and statement.lock.blocks_clients):
                    continue  # what holds nobody up waits as long as it takes: there is no lock timeout to be hit
                hit = _fail(ground.url, after, online, position, fault)
                ground.recover()
                tried += hit
                _assert_whole(ground.url)
                if not hit:
                    # Only a disk that is full can pass a statement by; then the run went through.
                    assert fault == "disk full"
                    break
                _assert_recorded(ground.url, before, 1)
                if step > 0:
                    break  # the steps before it are done: the next plan counts anew
            # What was done is not planned again, but for filling and analyzing the new column.
            step += len(_plan(ground.url, after, online).steps) >= len(found.steps)
        print(f"{plan}, {fault}: {tried} faults")
        assert tried >= (1 if fault == "disk full" else 3)
        _assert_next_run_ends_at(ground.url, after, online)
        _assert_whole(ground.url)
