"""Runs a plan on a live database: one transaction, the ledger's rows in it, live read again at its end. Does I/O."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from reconciler.apply.locks import LOCK_ERRORS, lock_relations, set_timeouts, statement_timeout_ms
from reconciler.catalog.snapshot_reader import read_mark, read_snapshot
from reconciler.db.connections import SEARCH_PATH
from reconciler.db.search_path import searching
from reconciler.db.statements import apply_error, run_statement
from reconciler.diff.diff import diff
from reconciler.errors import LockTimeoutError, StalePlanError, VerificationError
from reconciler.ledger.addresses import lasting_addresses
from reconciler.ledger.managers import JournalManager
from reconciler.ledger.marks import Mark, load_addresses, save_mark
from reconciler.ledger.migrations import RecordedStatement, record_migration
from reconciler.ledger.schema import ensure_ledger, lock_plugin
from reconciler.ledger.steps import take_steps
from reconciler.sqltext.roundtrip import alike

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reconciler.apply.locks import LockRetryPolicy, LockTries
    from reconciler.db.connections import Connection
    from reconciler.model.facts import FactId, Json
    from reconciler.model.plan import Plan, Statement, Step
    from reconciler.model.snapshot import Snapshot

__all__ = [
    "Record",
    "apply_plan",
    "record_plan",
    "recorded_statement",
    "require_live",
    "run_timed",
    "run_transaction",
]

_LEFT = "nothing: everything was rolled back"
_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Record:
    """What the ledger is to keep of a run: the state it leads to, the source, and what the mark was taken over."""

    plugin: str
    desired_fingerprint: str
    snapshot: Snapshot
    source_text: str
    source_description: str
    scope: Json
    created_at: int
    tag: str | None = None


def apply_plan(
    connection: Connection,
    plan: Plan,
    record: Record,
    schemas: Sequence[str],
    *,
    patience: LockRetryPolicy,
    tries: LockTries,
    progress: Callable[[int, Statement], None] | None = None,
    search_path: str = SEARCH_PATH,
) -> int:
    """Applies and records a plan that is one transaction; returns the migration's idx. `tries` are those before.

    Raises StalePlanError where live is not what the plan was made for, LockTimeoutError where a lock was not granted,
    ApplyError for a failing statement and VerificationError where live does not end at the goal; in each case
    everything was rolled back.
    """
    with connection.transaction():
        lock_plugin(connection, record.plugin)
        ensure_ledger(connection)
        require_live(connection, plan, schemas)
        connection.execute("select set_config('check_function_bodies', 'off', true)")
        recorded: list[RecordedStatement] = []
        for step in plan.steps:
            durations = run_transaction(
                connection, step, patience, tries, progress, left=_LEFT, search_path=search_path
            )
            recorded += [recorded_statement(*each) for each in zip(step.statements, durations, strict=True)]

        def with_earlier_steps(idx: int) -> Sequence[RecordedStatement]:
            return [*take_steps(connection, record.plugin, idx), *recorded]

        return record_plan(connection, plan, record, schemas, with_earlier_steps, left=_LEFT)


def run_transaction(
    connection: Connection,
    step: Step,
    patience: LockRetryPolicy,
    tries: LockTries,
    progress: Callable[[int, Statement], None] | None,
    *,
    left: str,
    search_path: str = SEARCH_PATH,
) -> list[float]:
    """Runs the statements of a step in the open transaction; gives how long each took, in milliseconds.

    Functions that they call find names without a schema in `search_path`.
    """
    durations: list[float] = []
    usual_ms = statement_timeout_ms(connection)
    if progress is not None:
        progress(step.first, step.statements[0])
    try:
        lock_relations(connection, step.statements, patience, tries)
    except LOCK_ERRORS as exc:
        raise _no_lock(exc, step.statements[0], step.first, left, tries) from exc
    with searching(connection, search_path):
        for position, statement in enumerate(step.statements, start=step.first):
            if progress is not None and position > step.first:
                progress(position, statement)
            set_timeouts(connection, statement, patience, tries, usual_ms)
            durations.append(run_timed(connection, statement, position, left=left))
    connection.execute("select set_config('statement_timeout', %s, true)", (str(usual_ms),))
    return durations


def record_plan(
    connection: Connection,
    plan: Plan,
    record: Record,
    schemas: Sequence[str],
    statements: Callable[[int], Sequence[RecordedStatement]],
    *,
    left: str,
) -> int:
    """Compares live with the goal and writes the migration down; `statements` gives for its idx what it ran.

    Raises VerificationError.
    """
    after = read_snapshot(connection, schemas)
    if after.fingerprint != plan.goal_fingerprint:
        _refuse(plan, after, record, schemas, left)
    idx = JournalManager(connection).get_next_idx(record.plugin)
    record_migration(
        connection,
        plugin=record.plugin,
        migration_hash=record.desired_fingerprint,
        snapshot=record.snapshot,
        statements=statements(idx),
        source_text=record.source_text,
        source_description=record.source_description,
        created_at=record.created_at,
        tag=record.tag,
    )
    mark = Mark(
        idx=idx,
        mark=read_mark(connection, schemas),
        schemas=tuple(schemas),
        desired_fingerprint=record.desired_fingerprint,
        scope=record.scope,
    )
    before = load_addresses(connection, record.plugin)
    save_mark(connection, record.plugin, mark, lasting_addresses(after, record.snapshot, before))
    return idx


def require_live(connection: Connection, plan: Plan, schemas: Sequence[str]) -> Snapshot:
    """Live, where it is still what the plan was made for. Raises StalePlanError otherwise."""
    now = read_snapshot(connection, schemas)
    if now.fingerprint != plan.live_fingerprint:
        raise StalePlanError(
            "the live database moved since the plan was made",
            hint="run the command again",
            left="nothing was changed",
        )
    return now


def run_timed(connection: Connection, statement: Statement, position: int, *, left: str) -> float:
    """Runs one statement and gives its duration in milliseconds. Raises LockTimeoutError, ApplyError."""
    started = time.monotonic()
    run_told(connection, statement, position, left=left)
    return round((time.monotonic() - started) * 1000, 3)


def run_told(connection: Connection, statement: Statement, position: int, *, left: str) -> int:
    """Runs one statement and gives the number of its rows. Raises LockTimeoutError, ApplyError."""
    try:
        return run_statement(connection, statement)
    except LOCK_ERRORS as exc:
        raise _no_lock(exc, statement, position, left) from exc
    except psycopg.Error as exc:
        error = apply_error(exc, statement, position)
        error.left = left
        raise error from exc


def _no_lock(
    exc: psycopg.Error, statement: Statement, position: int, left: str, tries: LockTries | None = None
) -> LockTimeoutError:
    relation = tries.waiting_for if tries is not None else statement.locks
    on = f" on {relation}" if relation is not None else ""
    return LockTimeoutError(
        f"no lock for statement {position}{on}: {exc.diag.message_primary}",
        hint="somebody uses the table: try again later, or raise --lock-retries or --lock-timeout",
        left=left,
        statement=statement.sql,
        position=position,
        sqlstate=exc.sqlstate,
    )


def recorded_statement(statement: Statement, duration_ms: float | None) -> RecordedStatement:
    """The statement as the ledger keeps it."""
    return RecordedStatement(
        sql=statement.sql,
        hazards=tuple({"kind": hazard.kind.value, "message": hazard.message} for hazard in statement.hazards),
        transactional=statement.transactional,
        duration_ms=duration_ms,
    )


def _refuse(plan: Plan, after: Snapshot, record: Record, schemas: Sequence[str], left_behind: str) -> None:
    expected = {difference.fact: difference.after for difference in plan.differences}
    left: list[FactId] = [fact for fact, text in expected.items() if not alike(after.facts.get(fact), text)]
    left += [d.fact for d in diff(record.snapshot, after) if d.fact in record.snapshot.facts and d.fact not in expected]
    later = {difference.fact for difference in plan.unmodelled}
    shown = [str(fact) for fact in left if fact not in later][:_SHOWN]
    if not shown:
        return
    raise VerificationError(
        f"all statements ran, but live is not the goal in {', '.join(schemas)}: {'; '.join(shown)}",
        hint="an event trigger or a trigger function of the database may have changed what the statements made",
        left=left_behind,
    )
