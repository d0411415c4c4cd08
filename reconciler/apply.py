"""Runs a plan on a live database: one transaction, the ledger's rows in it, live read again at its end. Does I/O."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg.pq import TransactionStatus

from reconciler.catalog import read_mark, read_snapshot
from reconciler.diff import diff
from reconciler.errors import ApplyError, LockTimeoutError, StalePlanError, VerificationError
from reconciler.ledger import Mark, RecordedStatement, record_migration, save_mark
from reconciler.ledger_schema import ensure_ledger, lock_plugin
from reconciler.scratch import apply_error, run_statement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reconciler.db import Connection
    from reconciler.plan import Plan, Statement
    from reconciler.snapshot import FactId, Json, Snapshot

__all__ = ["Record", "apply_plan", "require_live", "run_outside"]

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
    lock_timeout_ms: int,
    progress: Callable[[int, Statement], None] | None = None,
) -> int:
    """Applies and records the plan; returns the migration's idx.

    Raises StalePlanError where live is not what the plan was made for, ApplyError for a failing statement and
    VerificationError where live does not end at the goal; in each case everything was rolled back. Statements that
    cannot run in a transaction are recorded here and left to `run_outside`.
    """
    with connection.transaction():
        lock_plugin(connection, record.plugin)
        ensure_ledger(connection)
        now = require_live(connection, plan, schemas)
        connection.execute("select set_config('lock_timeout', %s, true)", (str(lock_timeout_ms),))
        connection.execute("select set_config('check_function_bodies', 'off', true)")
        recorded: list[RecordedStatement] = []
        for position, statement in enumerate(plan.statements, start=1):
            if progress is not None:
                progress(position, statement)
            if statement.transactional:
                recorded.append(_run(connection, statement, position))
            else:
                recorded.append(_recorded(statement, None))
        after = read_snapshot(connection, schemas) if plan.statements else now
        if after.fingerprint != plan.goal_fingerprint:
            _refuse(plan, after, record, schemas)
        idx = record_migration(
            connection,
            plugin=record.plugin,
            migration_hash=record.desired_fingerprint,
            snapshot=record.snapshot,
            statements=recorded,
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
        save_mark(connection, record.plugin, mark)
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


def _run(connection: Connection, statement: Statement, position: int) -> RecordedStatement:
    started = time.monotonic()
    try:
        run_statement(connection, statement)
    except psycopg.errors.LockNotAvailable as exc:
        raise LockTimeoutError(
            f"no lock for statement {position}: {exc.diag.message_primary}",
            hint="somebody uses the table: try again later, or raise --lock-timeout",
            left=_LEFT,
            statement=statement.sql,
            position=position,
            sqlstate=exc.sqlstate,
        ) from exc
    except psycopg.Error as exc:
        error = apply_error(exc, statement, position)
        error.left = _LEFT
        raise error from exc
    return _recorded(statement, round((time.monotonic() - started) * 1000, 3))


def _recorded(statement: Statement, duration_ms: float | None) -> RecordedStatement:
    return RecordedStatement(
        sql=statement.sql,
        hazards=tuple({"kind": hazard.kind.value, "message": hazard.message} for hazard in statement.hazards),
        transactional=statement.transactional,
        duration_ms=duration_ms,
    )


def run_outside(connection: Connection, plan: Plan) -> None:
    """Runs the statements that Postgres refuses in a transaction block, one by one, after the others were committed.

    Raises ApplyError where one fails: what came before it stays, and the next run continues from there.
    """
    for position, statement in enumerate(plan.statements, start=1):
        if statement.transactional:
            continue
        if not connection.autocommit or connection.info.transaction_status != TransactionStatus.IDLE:
            raise ApplyError(
                "a statement cannot run inside the transaction of the connection that was handed in",
                hint="hand in an idle connection in autocommit mode, or a URL",
                left="all other statements are done in that transaction",
                statement=statement.sql,
                position=position,
            )
        try:
            run_statement(connection, statement)
        except psycopg.Error as exc:
            error = apply_error(exc, statement, position)
            error.left = "all statements that run in a transaction are done and recorded; run again for the rest"
            raise error from exc


def _refuse(plan: Plan, after: Snapshot, record: Record, schemas: Sequence[str]) -> None:
    expected = {difference.fact: difference.after for difference in plan.differences}
    left: list[FactId] = [fact for fact, text in expected.items() if after.facts.get(fact) != text]
    left += [d.fact for d in diff(record.snapshot, after) if d.fact in record.snapshot.facts and d.fact not in expected]
    later = {difference.fact for difference in plan.unmodelled}
    for statement in plan.statements:
        if not statement.transactional:
            later.update((*statement.creates, *statement.alters, *statement.drops))
    shown = [str(fact) for fact in left if fact not in later][:_SHOWN]
    if not shown:
        return
    raise VerificationError(
        f"all statements ran, but live is not the goal in {', '.join(schemas)}: {'; '.join(shown)}",
        hint="an event trigger or a trigger function of the database may have changed what the statements made",
        left=_LEFT,
    )
