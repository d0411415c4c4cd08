"""Whatever happens at whatever statement: no row is lost, no change is unrecorded, the next run ends at the declaration.

Three plans (one transaction, online steps, an exchange of a column), cut off at each of their statements.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler.errors import ReconcilerError
from reconciler.ledger import runs
from reconciler.options import Options
from reconciler.reconcile import Reconciler

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.plan import Plan, Statement

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
PLANS = {
    "one transaction": (
        BEFORE.replace("label text", "label text not null default '', added date") + "create table other (id int);",
        False,
    ),
    "online steps": (
        BEFORE.replace("n int", "n int not null").replace("(n)", "(n, p)")
        + "alter table kept add foreign key (p) references parent; alter table kept add check (n > 0);",
        True,
    ),
    "exchange of a column": (BEFORE.replace("n int,", "n bigint not null,"), True),
}
# All pairs take minutes: they run where RECONCILER_ALL_FAULTS is set, else each fault and each plan in one of them.
FEW = (
    *(("one transaction", fault) for fault in ("connection cut", "statement cancelled", "lock timeout")),
    ("online steps", "client killed"),
    ("exchange of a column", "connection cut"),
)
FAULTS = ("client killed", "connection cut", "statement cancelled", "lock timeout")


def _migrate(url: str, after: str, online: bool, progress: Callable[[int, Statement], None] | None = None) -> None:
    options = Options(online=online, lock_timeout_ms=100, lock_retries=0, proof=False)
    with Reconciler(url, options=options) as reconciler:
        reconciler.migrate("default", after, progress=progress, allow_data_loss=True)


def _killed(url: str, after: str, online: bool, position: int) -> None:
    """In a process of its own: dies by SIGKILL before the statement."""

    def progress(at: int, _statement: Statement) -> None:
        if at == position:
            os.kill(os.getpid(), signal.SIGKILL)

    _migrate(url, after, online, progress)


def _in_a_process(target: Callable[[str, str, bool, int], None], *arguments: object) -> int:
    process = multiprocessing.get_context("fork").Process(target=target, args=arguments)
    process.start()
    process.join()
    return process.exitcode or 0


def _fail(url: str, after: str, online: bool, position: int, fault: str) -> bool:
    """Applies with the fault before the statement at `position`; whether it hit."""
    if fault == "client killed":
        return _in_a_process(_killed, url, after, online, position) == -signal.SIGKILL
    blocker = psycopg.connect(url)
    options = Options(online=online, lock_timeout_ms=100, lock_retries=0, proof=False)

    with Reconciler(url, options=options) as reconciler, blocker:

        def progress(at: int, statement: Statement) -> None:
            if at != position:
                return
            if fault == "connection cut":
                pid = reconciler.connection.info.backend_pid
                blocker.execute("select pg_terminate_backend(%s, 5000)", (pid,))
            elif fault == "statement cancelled":
                raise KeyboardInterrupt
            elif statement.lock is not None and statement.lock.blocks_clients:
                blocker.execute("lock table public.kept in access exclusive mode nowait")

        try:
            reconciler.migrate("default", after, progress=progress, allow_data_loss=True)
        except (ReconcilerError, psycopg.Error, KeyboardInterrupt):
            return True
        return False


def _assert_whole(url: str) -> None:
    """The rows are there, and what was changed is in the ledger: as a migration, or as steps of an unfinished run."""
    with psycopg.connect(url) as connection:
        found = connection.execute("select count(*), sum(n), count(distinct label) from public.kept").fetchone()
    assert found == (200, 20100, 200)


def _assert_recorded(url: str, before: int) -> None:
    with Reconciler(url) as reconciler:
        done = reconciler.check(BEFORE)
        unfinished = reconciler.get_status().unfinished
        recorded = len(reconciler.history("default"))
        assert not done.plan.statements or unfinished is not None or recorded > before


def _assert_next_run_ends_at(url: str, after: str, online: bool) -> None:
    _migrate(url, after, online)
    with Reconciler(url) as reconciler:
        assert reconciler.plan(after).plan.is_empty
        assert reconciler.get_status().unfinished is None
        assert "running" not in {run.outcome for run in runs(reconciler.connection)}
    with psycopg.connect(url) as connection:
        left = "select relname from pg_class where relname ~ 'reconciler_tmp'"
        assert connection.execute(left).fetchall() == []


def _prepare(url: str, after: str, online: bool) -> list[int]:
    """The first state with its rows; gives where the plan's steps begin."""
    with Reconciler(url, options=Options(online=online, proof=False)) as reconciler:
        reconciler.migrate("default", BEFORE)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(ROWS)
        plan = reconciler.plan(after).plan
        if len(plan.steps) == 1:
            return list(range(1, len(plan.statements) + 1))
        return [step.first for step in plan.steps]


def _plan(url: str, after: str, online: bool) -> Plan:
    with Reconciler(url, options=Options(online=online, proof=False)) as reconciler:
        return reconciler.plan(after).plan


@pytest.mark.parametrize(
    ("plan", "fault"),
    [(plan, fault) for plan in PLANS for fault in FAULTS] if os.environ.get("RECONCILER_ALL_FAULTS") else FEW,
)
def test_after_a_fault_at_each_statement_the_next_run_ends_at_the_declaration(
    database: str, plan: str, fault: str, record_property: Callable[[str, object], None]
) -> None:
    """Each fault meets what the one before has left, one step further, as it would in life."""
    after, online = PLANS[plan]
    _prepare(database, after, online)
    tried = step = 0
    while step < len((found := _plan(database, after, online)).steps):
        for position, statement in enumerate(found.steps[step].statements, start=found.steps[step].first):
            if fault == "lock timeout" and not (statement.lock is not None and statement.lock.blocks_clients):
                continue  # what holds nobody up waits as long as it takes: there is no lock timeout to be hit
            assert _fail(database, after, online, position, fault)
            tried += 1
            _assert_whole(database)
            _assert_recorded(database, before=1)
            if step > 0:
                break  # the steps before it are done: the next plan counts anew
        # What was done is not planned again, but for filling and analyzing the new column.
        step += len(_plan(database, after, online).steps) >= len(found.steps)
    record_property("faults", tried)
    assert tried >= 3
    _assert_next_run_ends_at(database, after, online)
    _assert_whole(database)
