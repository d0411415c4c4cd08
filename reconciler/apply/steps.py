"""Runs a plan that takes several transactions: each step and its row in the ledger, live compared at the end. Does I/O.

A run that is killed leaves what its steps have reached. The next one plans from what live then is, so that nothing but
the rows of the ledger has to be carried over.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg.pq import TransactionStatus

from reconciler.apply.backfill import run_batches
from reconciler.apply.locks import retried
from reconciler.apply.transaction import (
    Record,
    Recorded,
    record_plan,
    recorded_statement,
    require_live,
    run_timed,
    run_transaction,
)
from reconciler.db.connections import SEARCH_PATH, errors_as, fetch_one
from reconciler.db.sqlfiles import trusted
from reconciler.errors import (
    ApplyError,
    DatabaseError,
    ReconcilerError,
    RowsNotCarriedOverError,
    RunInterruptedError,
)
from reconciler.ledger import steps as ledger_steps
from reconciler.ledger.runs import RunOutcome, finish_run, start_run
from reconciler.ledger.schema import ensure_ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from datetime import datetime

    from reconciler.apply.locks import LockRetryPolicy, LockTries
    from reconciler.db.connections import Connection
    from reconciler.diff.diff import Difference
    from reconciler.ledger.migrations import RecordedStatement
    from reconciler.ledger.runs import RunKind
    from reconciler.model.plan import Plan, Statement, Step
    from reconciler.model.replication import MaxLag

__all__ = ["StepRun", "run_steps"]

_LEFT = "the steps before it are committed"
_RESUME = "run the same command again to resume; `reconciler check` shows how far it came"


@dataclass(frozen=True, kw_only=True)
class StepRun:
    """What a run of many steps needs beside its plan; `check_lease` raises where others are not kept out any more.

    `changes` are all that it is to change. `connection_again` gives a connection to write down how it ended, opened
    again where the first was lost.
    """

    record: Record
    schemas: Sequence[str]
    changes: Sequence[Difference]
    kind: RunKind
    clock: Callable[[], datetime]
    patience: LockRetryPolicy
    check_lease: Callable[[], None]
    begin: Callable[[], None]
    max_lag: MaxLag
    connection_again: Callable[[], Connection]
    progress: Callable[[int, Statement], None] | None = None
    search_path: str = SEARCH_PATH


def run_steps(connection: Connection, plan: Plan, run: StepRun) -> Recorded:
    """Runs and records the plan.

    Raises StalePlanError where live is not what the plan was made for, ApplyError for a failing statement,
    VerificationError where live does not end at the goal. What was done before stays, and is in the ledger.
    """
    if connection.info.transaction_status != TransactionStatus.IDLE:
        raise ApplyError(
            "the plan takes several transactions, and the connection that was handed in is in one",
            hint="hand in an idle connection or a URL, or pass --no-online",
            left="nothing was changed",
        )
    with _autocommit(connection):
        with connection.transaction():
            run.begin()
            ensure_ledger(connection)
            require_live(connection, plan, run.schemas)
            ledger_steps.end_cut_off_runs(connection, run.record.plugin, run.clock())
            run_id = start_run(
                connection,
                plugin=run.record.plugin,
                kind=run.kind,
                started_at=run.clock(),
                desired_fingerprint=run.record.desired_fingerprint,
                live_before=plan.live_fingerprint,
                step_count=len(plan.steps),
                source_description=run.record.source_description,
                changes=run.changes,
            )
        reached = _Reached(plan=plan)
        try:
            with errors_as(DatabaseError, "take the steps of the plan"):
                return _run_all(connection, plan, run, run_id, reached)
        except ReconcilerError as error:
            if isinstance(error, RowsNotCarriedOverError) and error.rows is None:
                _count_missing(connection, plan, error)
            _end_failed(run, run_id, error, reached)
            raise
        except KeyboardInterrupt as exc:
            interrupted = RunInterruptedError(exc)
            _end_failed(run, run_id, interrupted, reached)
            raise interrupted from exc


@dataclass(kw_only=True)
class _Reached:
    """How many steps are committed, as far as this side of the connection knows, and which one was begun last."""

    plan: Plan
    done: int = 0
    begun: int = 0

    def describe(self) -> str:
        """`steps 1 to 14 of 25 are committed; step 15 was rolled back`."""
        of = len(self.plan.steps)
        match self.done:
            case 0:
                text = f"no step of {of} is committed"
            case 1:
                text = f"step 1 of {of} is committed"
            case done:
                text = f"steps 1 to {done} of {of} are committed"
        if self.begun <= self.done:
            return text
        step = self.plan.steps[self.begun - 1]
        if step.is_transaction:
            return f"{text}; step {self.begun} was rolled back"
        if step.statements[0].batched is not None:
            return f"{text}; of step {self.begun} the batches are committed that were done"
        return f"{text}; step {self.begun} runs in no transaction and may be half done, which the next run ends"


def _run_all(connection: Connection, plan: Plan, run: StepRun, run_id: int, reached: _Reached) -> Recorded:
    steps = plan.steps
    for number, step in enumerate(steps, start=1):
        reached.done, reached.begun = number - 1, number
        run.check_lease()
        # To compare live with the goal takes a while: not under locks that others wait for.
        quiet = not any(each.lock is not None and each.lock.blocks_clients for each in step.statements)
        last = number == len(steps) and step.is_transaction and quiet
        if step.is_transaction:
            done = retried(
                connection,
                lambda tries: _transaction(connection, plan, run, run_id, number, tries, last=last),  # noqa: B023 - called at once
                run.patience,
            )
            if done is not None:
                return done
        else:
            _alone(connection, step, run, run_id, number, len(steps))
    reached.done = len(steps)
    with connection.transaction():
        return _finish(connection, plan, run, run_id)


def _transaction(
    connection: Connection, plan: Plan, run: StepRun, run_id: int, number: int, tries: LockTries, *, last: bool
) -> Recorded | None:
    """One step that is a transaction, the last one with the record of the whole run."""
    step = plan.steps[number - 1]
    with connection.transaction():
        recorded = [recorded_statement(each, None) for each in step.statements]
        ledger_steps.begin_step(connection, run_id, run.record.plugin, number, len(plan.steps), recorded)
        connection.execute("select set_config('check_function_bodies', 'off', true)")
        durations = run_transaction(
            connection, step, run.patience, tries, run.progress, left=_LEFT, search_path=run.search_path
        )
        ledger_steps.end_step(connection, run_id, number, durations)
        return _finish(connection, plan, run, run_id) if last else None


def _alone(connection: Connection, step: Step, run: StepRun, run_id: int, number: int, of: int) -> None:
    """A statement that runs in no transaction, or in one for each batch of rows."""
    (statement,) = step.statements
    with connection.transaction():
        recorded = [recorded_statement(statement, None)]
        ledger_steps.begin_step(connection, run_id, run.record.plugin, number, of, recorded)
    if run.progress is not None:
        run.progress(step.first, statement)
    if statement.batched is not None:
        started = time.monotonic()
        run_batches(
            connection,
            statement,
            step.first,
            run.patience,
            run.check_lease,
            run.progress,
            max_lag=run.max_lag,
            left=_LEFT,
            search_path=run.search_path,
        )
        duration = round((time.monotonic() - started) * 1000, 3)
    else:
        with _unhurried(connection):
            duration = run_timed(connection, statement, step.first, left=_LEFT)
    with connection.transaction():
        ledger_steps.end_step(connection, run_id, number, [duration])


def _finish(connection: Connection, plan: Plan, run: StepRun, run_id: int) -> Recorded:
    only = None if run.record.is_whole else run_id

    def taken(idx: int) -> Sequence[RecordedStatement]:
        return ledger_steps.take_steps(connection, run.record.plugin, idx, run_id=only)

    run.check_lease()
    done = record_plan(connection, plan, run.record, run.schemas, taken, left=_LEFT)
    finish_run(
        connection,
        run_id,
        outcome=RunOutcome.SUCCEEDED,
        finished_at=run.clock(),
        idx=done.idx,
        live_after=plan.goal_fingerprint,
        statement_count=len(plan.statements),
    )
    return done


def _count_missing(connection: Connection, plan: Plan, error: RowsNotCarriedOverError) -> None:
    """Says in the error how many rows are missing, where this role can count them without a policy that filters."""
    assert error.position is not None
    arrival = plan.statements[error.position - 1].arrival
    assert arrival is not None
    try:
        with connection.transaction():
            connection.execute("set local row_security to off")
            row = fetch_one(connection, trusted(arrival.missing))
    except ReconcilerError as exc:
        error.add_note(f"the rows could not be counted: {exc.message}")
        return
    if row is not None:
        error.count(int(row[0]), arrival.what)


def _end_failed(run: StepRun, run_id: int, error: ReconcilerError | RunInterruptedError, reached: _Reached) -> None:
    """Says in the error what is left, and writes down how the run ended, on another connection where it lost its own.

    What that one says is what is so: the last step may have been committed though the answer never came.
    """
    try:
        connection = run.connection_again()
        with connection.transaction():
            succeeded, done = ledger_steps.load_progress(connection, run_id)
            if succeeded:
                error.left = "all that was planned, and its record: only the answer to the last commit was lost"
                error.is_recorded = True
                return
            reached.done = max(reached.done, done)
            finish_run(
                connection,
                run_id,
                outcome=RunOutcome.FAILED,
                finished_at=run.clock(),
                error=error.message,
                sqlstate=getattr(error, "sqlstate", None),
                failed_statement=getattr(error, "statement", None),
            )
        error.left = f"{reached.describe()}; the run is recorded as failed"
    except (ReconcilerError, psycopg.Error) as failure:
        error.left = f"{reached.describe()}; the run is recorded as unfinished"
        error.add_note(f"that it failed could not be recorded: {failure}")
    error.is_recorded = True
    error.hint = f"{error.hint}; then {_RESUME}" if error.hint else _RESUME


@contextmanager
def _autocommit(connection: Connection) -> Generator[None]:
    """Inside, a statement outside of `connection.transaction()` runs in no transaction of ours."""
    before = connection.autocommit
    if not before:
        connection.autocommit = True
    try:
        yield
    finally:
        if not before and not connection.closed:
            connection.autocommit = before


@contextmanager
def _unhurried(connection: Connection) -> Generator[None]:
    """Inside, neither timeout ends a statement that is meant to take long.

    Outside of a transaction a setting would stay with a pooler's connection: so none is set where none is needed.
    """
    row = fetch_one(connection, "select current_setting('lock_timeout'), current_setting('statement_timeout')")
    limited = row is not None and tuple(row) != ("0", "0")
    if limited:
        connection.execute("set lock_timeout to 0")
        connection.execute("set statement_timeout to 0")
    try:
        yield
    finally:
        if limited and not connection.closed:
            connection.execute("reset lock_timeout")
            connection.execute("reset statement_timeout")
