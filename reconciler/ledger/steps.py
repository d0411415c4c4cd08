"""The steps of runs, one for each transaction, in _steps. Does I/O on a connection handed in.

The row of a step stands or falls with the step.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, TypeAlias, cast

from psycopg import sql

from reconciler.db.connections import errors_as
from reconciler.db.ledger_schema import ledger_cursor
from reconciler.errors import LedgerError
from reconciler.ledger.migrations import RecordedStatement
from reconciler.ledger.runs import RunKind
from reconciler.ledger.schema import lease_holder, ledger_state
from reconciler.ledger.trust import damage
from reconciler.model.facts import FactId, Json, canonical_json
from reconciler.sqltext.redacted_sql import redact_sql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from reconciler.db.connections import Connection
    from reconciler.model.hazards import Hazard
    from reconciler.model.plan import Statement

_VERSION_WITH_CHANGES = 4
_Change: TypeAlias = "tuple[str, list[str], str | None, str | None]"

__all__ = [
    "UnfinishedRun",
    "begin_step",
    "end_interrupted_runs",
    "end_step",
    "load_progress",
    "load_unfinished",
    "take_steps",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedRun:
    """A run that became no migration yet: who began it, and how far it came.

    `is_running` tells whether a session is at work on it; one that is not was interrupted, or failed with `error`.
    `last_sql` is what was begun last. `changes` are the states of each fact that it changes, from the one that it found
    to the one that it leads to; empty where an older program wrote it down.
    """

    run_id: int
    kind: RunKind
    started_at: datetime
    database_user: str
    client_address: str | None
    application_name: str
    source_description: str | None
    error: str | None
    is_running: bool
    steps_done: int
    step_count: int
    last_sql: str | None
    changes: Mapping[FactId, tuple[str | None, ...]]

    @property
    def state(self) -> str:
        """`running`, `failed` or `interrupted`."""
        if self.is_running:
            return "running"
        return "interrupted" if self.error is None else "failed"


def begin_step(
    connection: Connection,
    run_id: int,
    plugin: str,
    step: int,
    of: int,
    statements: Sequence[Statement],
) -> None:
    """Writes down that the step begins."""
    with errors_as(LedgerError, f"record step {step} of run {run_id}"), ledger_cursor(connection) as rows:
        rows.execute(
            "INSERT INTO :ledger._steps (run_id, plugin_name, step, step_count, sql, hazards, transactional, xid, pid,"
            " backend_start) VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s, pg_catalog.pg_current_xact_id(),"
            " pg_catalog.pg_backend_pid(),"
            " (SELECT backend_start FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())))",
            [
                run_id,
                plugin,
                step,
                of,
                [redact_sql(each.sql) for each in statements],
                canonical_json([[_recorded(hazard) for hazard in each.hazards] for each in statements]),
                all(each.transactional for each in statements),
            ],
        )


def end_step(connection: Connection, run_id: int, step: int, durations_ms: Sequence[float]) -> None:
    """Writes down that the step is done."""
    with errors_as(LedgerError, f"record step {step} of run {run_id}"), ledger_cursor(connection) as rows:
        rows.execute(
            "UPDATE :ledger._steps SET finished_at = clock_timestamp(), duration_ms = %s"
            " WHERE run_id = %s AND step = %s",
            [list(durations_ms), run_id, step],
        )


def _recorded(hazard: Hazard) -> dict[str, Json]:
    size: dict[str, Json] = {} if hazard.size is None else {"bytes": hazard.size.bytes}
    return {"kind": hazard.kind.value, "message": hazard.message, **size}


def load_progress(connection: Connection, run_id: int) -> tuple[bool, int]:
    """Whether the run has succeeded, and how many of its steps are committed."""
    with errors_as(LedgerError, f"read the steps of run {run_id}"), ledger_cursor(connection) as rows:
        row = rows.execute(
            "SELECT run.outcome = 'succeeded', (SELECT count(*) FROM :ledger._steps AS step"
            " WHERE step.run_id = run.id AND step.finished_at IS NOT NULL) FROM :ledger._runs AS run WHERE id = %s",
            [run_id],
        ).fetchone()
    return (bool(row[0]), int(row[1])) if row else (False, 0)


def end_interrupted_runs(connection: Connection, plugin: str, finished_at: datetime) -> None:
    """Marks runs as failed that were killed between two steps; only for who knows that none of them lives."""
    if "_steps" not in ledger_state(connection):
        return
    with errors_as(LedgerError, f"read the runs of plugin {plugin}"), ledger_cursor(connection) as rows:
        rows.execute(
            "UPDATE :ledger._runs SET outcome = 'failed', finished_at = %s,"
            " error = 'interrupted; a later run resumed from what it had reached'"
            " WHERE plugin_name = %s AND outcome = 'running'",
            [finished_at, plugin],
        )


def take_steps(
    connection: Connection, plugin: str, idx: int, *, run_id: int | None = None
) -> tuple[RecordedStatement, ...]:
    """The statements of finished steps that are part of no migration yet; from now on they are part of `idx`.

    With `run_id` only those of that run: the others stay unfinished.
    """
    values = {"plugin": plugin, "idx": idx, "run": run_id}
    with errors_as(LedgerError, f"read the steps of plugin {plugin}"), ledger_cursor(connection) as rows:
        found = rows.execute(
            "SELECT sql, hazards::text, transactional, duration_ms FROM :ledger._steps"
            " WHERE plugin_name = %(plugin)s AND idx IS NULL"
            " AND finished_at IS NOT NULL AND (%(run)s::bigint IS NULL OR run_id = %(run)s)"
            " ORDER BY run_id, step",
            values,
        ).fetchall()
        rows.execute(
            "UPDATE :ledger._steps SET idx = %(idx)s WHERE plugin_name = %(plugin)s"
            " AND idx IS NULL AND (%(run)s::bigint IS NULL OR run_id = %(run)s)",
            values,
        )
    with damage(connection, f"a step of plugin {plugin} in :ledger._steps", _DAMAGED):
        return tuple(
            RecordedStatement(sql=text, hazards=tuple(hazards), transactional=transactional, duration_ms=duration)
            for texts, all_hazards, transactional, durations in found
            for text, hazards, duration in zip(
                texts, cast("list[list[Json]]", json.loads(all_hazards)), durations, strict=True
            )
        )


_DAMAGED = "restore the row, or delete it: the statements of that step are then part of no recorded migration"


def load_unfinished(connection: Connection, plugin: str) -> UnfinishedRun | None:
    """The last run of the plugin whose steps became no migration, with the changes of those before it; None: none."""
    state = ledger_state(connection)
    if "_steps" not in state:
        return None
    known = (state.version or 0) >= _VERSION_WITH_CHANGES
    query = sql.SQL(_UNFINISHED).format(sql.SQL(_WITH_CHANGES if known else "NULL, NULL, NULL"))
    with (
        errors_as(LedgerError, f"read the steps of plugin {plugin}"),
        damage(connection, f"an unfinished run of plugin {plugin} in :ledger._runs", _DAMAGED_RUN),
        ledger_cursor(connection) as rows,
    ):
        found = rows.execute(query, {"plugin": plugin}).fetchall()
    if not found:
        return None
    is_running = lease_holder(connection, plugin) is not None
    changes: dict[FactId, tuple[str | None, ...]] = {}
    with damage(connection, f"an unfinished run of plugin {plugin} in :ledger._runs", _DAMAGED_RUN):
        for row in found:
            for kind, name, before, after in cast("list[_Change]", json.loads(row[-1] or "[]")):
                fact = FactId(str(kind), tuple(map(str, name)))
                changes[fact] = (*changes.get(fact, (before,)), after)
        run_id, kind, started_at, user, address, application, error, done, steps, last, count, source, _ = found[-1]
        return UnfinishedRun(
            run_id=run_id,
            kind=RunKind(kind),
            started_at=started_at.astimezone(UTC),
            database_user=user,
            client_address=address,
            application_name=application,
            source_description=source,
            error=error,
            is_running=is_running,
            steps_done=done,
            step_count=count or steps or 0,
            last_sql=last,
            changes=changes,
        )


_DAMAGED_RUN = "set its outcome to 'failed' and its changes to NULL: the next run takes what is left for drift"


_WITH_CHANGES = "run.step_count, run.source_description, run.changes::text"
_UNFINISHED = """
    SELECT run.id, run.kind, run.started_at, run.database_user, host(run.client_address), run.application_name,
        CASE WHEN run.outcome = 'failed' THEN run.error END,
        count(step.step) FILTER (WHERE step.finished_at IS NOT NULL), max(step.step_count),
        (array_agg(step.sql[1] ORDER BY step.step DESC))[1], {}
    FROM :ledger._runs AS run
    LEFT JOIN :ledger._steps AS step ON step.run_id = run.id AND step.idx IS NULL
    WHERE run.plugin_name = %(plugin)s AND (run.outcome = 'running' OR step.run_id IS NOT NULL)
    GROUP BY run.id ORDER BY run.id
"""
