"""The steps of runs that take several transactions, in migrations._steps. Does I/O on a connection handed in.

The row of a step stands or falls with the step.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from reconciler.db.connections import cursor, errors_as
from reconciler.errors import LedgerError
from reconciler.ledger.migrations import RecordedStatement
from reconciler.ledger.schema import ledger_state
from reconciler.model.facts import Json, canonical_json
from reconciler.sqltext.redacted_sql import redact_sql

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from reconciler.db.connections import Connection

__all__ = ["UnfinishedRun", "begin_step", "end_cut_off_runs", "end_step", "load_unfinished", "take_steps"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedRun:
    """A run whose steps were not all done: how many are, of how many, and what was begun last."""

    run_id: int
    started_at: datetime
    steps_done: int
    step_count: int
    last_sql: str


def begin_step(
    connection: Connection,
    run_id: int,
    plugin: str,
    step: int,
    of: int,
    statements: Sequence[RecordedStatement],
) -> None:
    """Writes down that the step begins."""
    with errors_as(LedgerError, f"record step {step} of run {run_id}"), cursor(connection) as rows:
        rows.execute(
            "INSERT INTO migrations._steps (run_id, plugin_name, step, step_count, sql, hazards, transactional)"
            " VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s)",
            [
                run_id,
                plugin,
                step,
                of,
                [redact_sql(each.sql) for each in statements],
                canonical_json([list(each.hazards) for each in statements]),
                all(each.transactional for each in statements),
            ],
        )


def end_step(connection: Connection, run_id: int, step: int, durations_ms: Sequence[float]) -> None:
    """Writes down that the step is done."""
    with errors_as(LedgerError, f"record step {step} of run {run_id}"), cursor(connection) as rows:
        rows.execute(
            "UPDATE migrations._steps SET finished_at = clock_timestamp(), duration_ms = %s"
            " WHERE run_id = %s AND step = %s",
            [list(durations_ms), run_id, step],
        )


def end_cut_off_runs(connection: Connection, plugin: str, finished_at: datetime) -> None:
    """Marks runs as failed that were killed between two steps; only for who knows that none of them lives."""
    if "_steps" not in ledger_state(connection):
        return
    with errors_as(LedgerError, f"read the runs of plugin {plugin}"), cursor(connection) as rows:
        rows.execute(
            "UPDATE migrations._runs SET outcome = 'failed', finished_at = %s,"
            " error = 'cut off; the next run went on from what it had reached'"
            " WHERE plugin_name = %s AND outcome = 'running'",
            [finished_at, plugin],
        )


def take_steps(connection: Connection, plugin: str, idx: int) -> tuple[RecordedStatement, ...]:
    """The statements of finished steps that are part of no migration yet; from now on they are part of `idx`."""
    with errors_as(LedgerError, f"read the steps of plugin {plugin}"), cursor(connection) as rows:
        found = rows.execute(
            "SELECT sql, hazards::text, transactional, duration_ms FROM migrations._steps"
            " WHERE plugin_name = %s AND idx IS NULL AND finished_at IS NOT NULL ORDER BY run_id, step",
            [plugin],
        ).fetchall()
        rows.execute("UPDATE migrations._steps SET idx = %s WHERE plugin_name = %s AND idx IS NULL", [idx, plugin])
    return tuple(
        RecordedStatement(sql=text, hazards=tuple(hazards), transactional=transactional, duration_ms=duration)
        for texts, all_hazards, transactional, durations in found
        for text, hazards, duration in zip(
            texts, cast("list[list[Json]]", json.loads(all_hazards)), durations, strict=True
        )
    )


def load_unfinished(connection: Connection, plugin: str) -> UnfinishedRun | None:
    """The last run of the plugin whose steps became no migration; None where there is none."""
    if "_steps" not in ledger_state(connection):
        return None
    with errors_as(LedgerError, f"read the steps of plugin {plugin}"), cursor(connection) as rows:
        row = rows.execute(
            "SELECT run.id, run.started_at, count(*) FILTER (WHERE step.finished_at IS NOT NULL),"
            " max(step.step_count), (array_agg(step.sql[1] ORDER BY step.step DESC))[1]"
            " FROM migrations._steps AS step JOIN migrations._runs AS run ON run.id = step.run_id"
            " WHERE step.plugin_name = %s AND step.idx IS NULL GROUP BY run.id ORDER BY run.id DESC LIMIT 1",
            [plugin],
        ).fetchone()
    if row is None:
        return None
    run_id, started_at, done, count, last = row
    return UnfinishedRun(run_id=run_id, started_at=started_at, steps_done=done, step_count=count, last_sql=last)
