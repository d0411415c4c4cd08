"""Runs a plan: each step and its row in the ledger, live compared and the record written at the end. Does I/O.

A plan of one transaction is a plan of one step: then the record, and all that is looked at before, are in the same
transaction. A run of several that is killed leaves what its steps have reached. The next one plans from what live then
is, so that nothing but the rows of the ledger has to be carried over.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg.pq import TransactionStatus

from reconciler.apply.backfill import run_batches
from reconciler.apply.locks import retried, timeouts_kept
from reconciler.apply.transaction import Record, Recorded, record_plan, require_live, run_timed, run_transaction
from reconciler.db.connections import (
    SEARCH_PATH,
    errors_as,
    execute,
    fetch_one,
    lost_connection,
    server_message,
    session_setting,
    transaction,
)
from reconciler.db.sqlfiles import trusted
from reconciler.errors import (
    ApplyError,
    ConnectError,
    DatabaseError,
    ReconcilerError,
    RowsNotCarriedOverError,
    RunInterruptedError,
)
from reconciler.ledger import steps as ledger_steps
from reconciler.ledger.runs import RunOutcome, finish_run, recorded_message, start_run
from reconciler.ledger.schema import ensure_ledger, lock_plugin, wait_for_lease
from reconciler.ledger.states import load_chain

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from reconciler.apply.events import Events
    from reconciler.apply.locks import LockRetryPolicy, LockTries
    from reconciler.db.connections import Connection
    from reconciler.diff.diff import Difference
    from reconciler.ledger.runs import RunKind
    from reconciler.ledger.states import Chain
    from reconciler.model.plan import Plan, Step
    from reconciler.model.replication import MaxLag
    from reconciler.model.snapshot import Extent

__all__ = ["Run", "run_steps"]

_NOTHING = "nothing: everything was rolled back"
_STEPS_BEFORE = "the steps before it are committed"
_RESUME = "run the same command again to resume; `reconciler check` shows how far it came"


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run needs beside its plan.

    `changes` are all that it is to change. `begin` raises where the plan is not one for the database any more. `lease`
    keeps others out while a run takes several transactions; what it gives raises where it does not any more.
    `connection_again` gives a connection to write down how it ended, opened again where the first was lost.
    """

    record: Record
    extent: Extent
    changes: Sequence[Difference]
    kind: RunKind
    started_at: datetime
    clock: Callable[[], datetime]
    patience: LockRetryPolicy
    lease: Callable[[], AbstractContextManager[Callable[[], None]]]
    begin: Callable[[], None]
    max_lag: MaxLag
    connection_again: Callable[[], Connection]
    events: Events
    search_path: str = SEARCH_PATH
    keep_values: bool = False


def run_steps(connection: Connection, plan: Plan, run: Run) -> Recorded:
    """Runs and records the plan.

    Raises StalePlanError where live is not what the plan was made for, LockTimeoutError where a lock was not granted,
    ApplyError for a failing statement, VerificationError where live does not end at the goal. What earlier steps did
    stays, and is in the ledger; the step that failed is rolled back.
    """
    if plan.is_one_transaction:
        return retried(connection, lambda tries: _at_once(connection, plan, run, tries), run.patience)
    if connection.info.transaction_status != TransactionStatus.IDLE:
        raise ApplyError(
            "the plan takes several transactions, and the connection that was handed in is in one",
            hint="hand in an idle connection or a URL, or pass --no-online",
            left="nothing was changed",
        )
    with run.lease() as check_lease, _autocommit(connection):
        with transaction(connection):
            begun = _begin(connection, plan, run, left=_STEPS_BEFORE)
        reached = _Reached(plan=plan)
        try:
            with errors_as(DatabaseError, "take the steps of the plan"):
                return begun.one_by_one(check_lease, reached)
        except ReconcilerError as error:
            if isinstance(error, RowsNotCarriedOverError) and error.rows is None:
                _count_missing(connection, plan, error)
            _end_failed(run, begun.run_id, error, reached)
            raise
        except KeyboardInterrupt as exc:
            interrupted = RunInterruptedError(exc)
            _end_failed(run, begun.run_id, interrupted, reached)
            raise interrupted from exc


def _at_once(connection: Connection, plan: Plan, run: Run, tries: LockTries) -> Recorded:
    """All in one transaction, which may be the caller's."""
    is_idle = connection.info.transaction_status == TransactionStatus.IDLE
    wait_for_lease(connection, run.record.plugin, run.patience.timeout_ms)
    done: Recorded | None = None
    try:
        with transaction(connection), nullcontext() if is_idle else timeouts_kept(connection):
            lock_plugin(connection, run.record.plugin, run.patience.timeout_ms)
            begun = _begin(connection, plan, run, left=_NOTHING)
            for step in plan.steps:
                begun.take(step, 1, tries)
            done = begun.finish()
    except psycopg.OperationalError as exc:
        if done is None or not lost_connection(exc):
            raise
        raise ConnectError(
            f"the connection was lost while the plan was committed: {server_message(exc).message}",
            left="all that was planned or nothing; `reconciler status` shows whether it is recorded",
            hint="run the same command again: what is done is not done twice",
        ) from exc
    return done


def _begin(connection: Connection, plan: Plan, run: Run, *, left: str) -> _Begun:
    """Looks whether the plan still fits, and writes down that the run begins."""
    run.begin()
    ensure_ledger(connection, run.patience.timeout_ms)
    require_live(connection, plan, run.extent)
    ledger_steps.end_interrupted_runs(connection, run.record.plugin, run.clock())
    run_id = start_run(
        connection,
        plugin=run.record.plugin,
        kind=run.kind,
        started_at=run.started_at,
        desired_fingerprint=run.record.desired_fingerprint,
        live_before=plan.live_fingerprint,
        step_count=len(plan.steps),
        source_description=run.record.source_description,
        source_digest=run.record.declared.digest,
        app_version=run.record.declared.version,
        # By these an unfinished run is told from drift: one of one transaction is never seen unfinished.
        changes=None if plan.is_one_transaction else run.changes,
    )
    # What takes a while is read before the first lock.
    chain = load_chain(connection, run.record.plugin)
    return _Begun(connection=connection, plan=plan, run=run, run_id=run_id, chain=chain, left=left)


@dataclass(frozen=True, kw_only=True)
class _Begun:
    """A run that has its row in the ledger; `left` says what a step that fails leaves."""

    connection: Connection
    plan: Plan
    run: Run
    run_id: int
    chain: Chain
    left: str

    def one_by_one(self, check_lease: Callable[[], None], reached: _Reached) -> Recorded:
        """All steps, each committed before the next begins."""
        steps = self.plan.steps
        for number, step in enumerate(steps, start=1):
            reached.done, reached.begun = number - 1, number
            check_lease()
            if not step.is_transaction:
                self._alone(step, number, check_lease)
                continue
            # To compare live with the goal takes a while: not under locks that others wait for.
            quiet = not any(each.lock is not None and each.lock.blocks_clients for each in step.statements)
            is_last = number == len(steps) and quiet
            done = retried(
                self.connection,
                lambda tries: self._transaction(step, number, tries, check_lease, is_last=is_last),  # noqa: B023 - called at once
                self.run.patience,
            )
            if done is not None:
                return done
        reached.done = len(steps)
        check_lease()
        with transaction(self.connection):
            return self.finish()

    def _transaction(
        self, step: Step, number: int, tries: LockTries, check_lease: Callable[[], None], *, is_last: bool
    ) -> Recorded | None:
        with transaction(self.connection):
            self.take(step, number, tries)
            if not is_last:
                return None
            check_lease()
            return self.finish()

    def take(self, step: Step, number: int, tries: LockTries) -> None:
        """Runs a step in the open transaction, with its row."""
        self._write_down(step, number)
        execute(self.connection, "select pg_catalog.set_config('check_function_bodies', 'off', true)")
        durations_ms = run_transaction(
            self.connection,
            step,
            self.run.patience,
            tries,
            self.run.events,
            left=self.left,
            search_path=self.run.search_path,
        )
        ledger_steps.end_step(self.connection, self.run_id, number, durations_ms)

    def _alone(self, step: Step, number: int, check_lease: Callable[[], None]) -> None:
        """A statement that runs in no transaction, or in one for each batch of rows."""
        (statement,) = step.statements
        with transaction(self.connection):
            self._write_down(step, number)
        self.run.events.started(step.first, statement)
        if statement.batched is not None:
            duration_ms = run_batches(
                self.connection,
                statement,
                step.first,
                self.run.patience,
                check_lease,
                self.run.events,
                max_lag=self.run.max_lag,
                left=self.left,
                search_path=self.run.search_path,
            )
        else:
            # Neither timeout ends a statement that is meant to take long.
            with session_setting(self.connection, {"lock_timeout": "0", "statement_timeout": "0"}):
                duration_ms = run_timed(self.connection, statement, step.first, self.run.events, left=self.left)
        with transaction(self.connection):
            ledger_steps.end_step(self.connection, self.run_id, number, [duration_ms])

    def _write_down(self, step: Step, number: int) -> None:
        of = len(self.plan.steps)
        ledger_steps.begin_step(self.connection, self.run_id, self.run.record.plugin, number, of, step.statements)

    def finish(self) -> Recorded:
        """Writes the migration down, and that the run ended, in the open transaction."""
        run = self.run
        done = record_plan(self.connection, self.plan, run.record, run.extent, self.run_id, self.chain, left=self.left)
        finish_run(
            self.connection,
            self.run_id,
            outcome=RunOutcome.SUCCEEDED,
            finished_at=run.clock(),
            idx=done.idx,
            live_after=self.plan.goal_fingerprint,
            statement_count=len(self.plan.statements),
        )
        return done


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


def _count_missing(connection: Connection, plan: Plan, error: RowsNotCarriedOverError) -> None:
    """Says in the error how many rows are missing, where this role can count them without a policy that filters."""
    assert error.position is not None
    arrival = plan.statements[error.position - 1].arrival
    assert arrival is not None
    try:
        with transaction(connection):
            row = fetch_one(connection, trusted(arrival.missing))
    except ReconcilerError as exc:
        error.add_note(f"the rows could not be counted: {exc.message}")
        return
    if row is not None:
        error.count(int(row[0]), arrival.what)


def _end_failed(run: Run, run_id: int, error: ReconcilerError | RunInterruptedError, reached: _Reached) -> None:
    """Says in the error what is left, and writes down how the run ended, on another connection where it lost its own.

    What that one says is what is so: the last step may have been committed though the answer never came.
    """
    try:
        connection = run.connection_again()
        with transaction(connection):
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
                error=recorded_message(error, keep_values=run.keep_values),
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
    """Inside, a statement outside of `transaction(connection)` runs in no transaction of ours."""
    before = connection.autocommit
    if not before:
        connection.autocommit = True
    try:
        yield
    finally:
        if not before and not connection.closed:
            connection.autocommit = before
