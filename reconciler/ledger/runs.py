"""What ran, and how it ended, also what failed. Does I/O on a connection that is handed in."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from reconciler.db.connections import errors_as, without_values
from reconciler.db.ledger_schema import ledger_cursor
from reconciler.errors import LedgerError, PreflightError
from reconciler.ledger.schema import lease_holder, ledger_state
from reconciler.ledger.trust import damage
from reconciler.redaction.dsn import redact
from reconciler.redaction.masking import redact_message
from reconciler.sqltext.redacted_sql import redact_sql
from reconciler.version import program_version

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.db.connections import Connection
    from reconciler.diff.diff import Difference
    from reconciler.errors import ReconcilerError, RunInterruptedError

__all__ = ["Run", "RunKind", "RunOutcome", "finish_run", "load_runs", "record_run", "recorded_message", "start_run"]


class RunKind(StrEnum):
    """What a run was asked to do."""

    APPLY = "apply"
    REPAIR = "repair"
    ADOPT = "adopt"
    ROLLBACK = "rollback"


class RunOutcome(StrEnum):
    """How a run ended.

    One that was killed between two steps stays `running` in its row, and is `interrupted` where no session is at work.
    """

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run, also a failed one. `idx` is the migration it wrote, fingerprints are those of snapshots."""

    id: int
    plugin: str
    kind: RunKind
    started_at: datetime
    finished_at: datetime | None
    outcome: RunOutcome
    idx: int | None
    desired_fingerprint: str | None
    live_before: str | None
    live_after: str | None
    statement_count: int
    error: str | None
    sqlstate: str | None
    failed_statement: str | None
    program_version: str
    database_user: str
    client_address: str | None
    application_name: str


def start_run(
    connection: Connection,
    *,
    plugin: str,
    kind: RunKind,
    started_at: datetime,
    desired_fingerprint: str | None = None,
    live_before: str | None = None,
    step_count: int | None = None,
    source_description: str | None = None,
    source_digest: str | None = None,
    app_version: str | None = None,
    changes: Iterable[Difference] | None = None,
) -> int:
    """Writes down that a run begins and returns its id, for `finish_run`; commit it to leave a trace of a crash.

    `changes` are what it will do, by which an unfinished one is told from drift.
    """
    with errors_as(LedgerError, f"record a run of plugin {plugin}"), ledger_cursor(connection) as rows:
        row = rows.execute(
            "INSERT INTO :ledger._runs"
            " (plugin_name, kind, started_at, outcome, desired_fingerprint, live_before, program_version,"
            " step_count, source_description, source_digest, app_version, changes, xid, pid, backend_start)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, pg_catalog.pg_current_xact_id(),"
            " pg_catalog.pg_backend_pid(),"
            " (SELECT backend_start FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()))) RETURNING id",
            [
                plugin,
                kind.value,
                started_at,
                RunOutcome.RUNNING.value,
                desired_fingerprint,
                live_before,
                program_version(),
                step_count,
                None if source_description is None else redact(source_description),
                source_digest,
                app_version,
                None
                if changes is None
                else json.dumps([[each.fact.kind, list(each.fact.name), each.before, each.after] for each in changes]),
            ],
        ).fetchone()
    return cast("int", row[0]) if row else 0


def finish_run(
    connection: Connection,
    run_id: int,
    *,
    outcome: RunOutcome,
    finished_at: datetime,
    idx: int | None = None,
    live_after: str | None = None,
    statement_count: int = 0,
    error: str | None = None,
    sqlstate: str | None = None,
    failed_statement: str | None = None,
) -> None:
    """Writes down how the run ended. Passwords are taken out of `error` and `failed_statement`."""
    with errors_as(LedgerError, f"record the end of run {run_id}"), ledger_cursor(connection) as rows:
        found = rows.execute(
            "UPDATE :ledger._runs SET outcome = %s, finished_at = %s, idx = %s, live_after = %s,"
            " statement_count = %s, error = %s, sqlstate = %s, failed_statement = %s WHERE id = %s",
            [
                outcome.value,
                finished_at,
                idx,
                live_after,
                statement_count,
                None if error is None else redact_message(error),
                sqlstate,
                None if failed_statement is None else redact_sql(failed_statement),
                run_id,
            ],
        ).rowcount
    if not found:
        raise LedgerError(f"run {run_id} is not in the ledger", hint="`start_run` gives the id")


def record_run(
    connection: Connection,
    *,
    plugin: str,
    kind: RunKind,
    started_at: datetime,
    finished_at: datetime,
    outcome: RunOutcome,
    idx: int | None = None,
    desired_fingerprint: str | None = None,
    live_before: str | None = None,
    live_after: str | None = None,
    statement_count: int = 0,
    error: str | None = None,
    sqlstate: str | None = None,
    failed_statement: str | None = None,
) -> int:
    """Writes a run down that has ended, and returns its id.

    A failed one is recorded after its rollback in a transaction of its own, which calls `ensure_ledger` first: the
    rollback may have taken a fresh ledger with it.
    """
    run_id = start_run(
        connection,
        plugin=plugin,
        kind=kind,
        started_at=started_at,
        desired_fingerprint=desired_fingerprint,
        live_before=live_before,
    )
    finish_run(
        connection,
        run_id,
        outcome=outcome,
        finished_at=finished_at,
        idx=idx,
        live_after=live_after,
        statement_count=statement_count,
        error=error,
        sqlstate=sqlstate,
        failed_statement=failed_statement,
    )
    return run_id


def recorded_message(error: ReconcilerError | RunInterruptedError, *, keep_values: bool) -> str:
    """What the ledger keeps of an error: not the keys and values of rows, unless that is asked for."""
    if keep_values:
        return error.message
    message = error.message
    for finding in error.findings if isinstance(error, PreflightError) else ():
        message = message.replace(finding.message, finding.without_examples)
    return without_values(error, message)


def load_runs(connection: Connection, plugin: str | None = None, *, limit: int | None = None) -> tuple[Run, ...]:
    """The runs of one plugin or of all, newest first, also the failed ones; at most `limit`."""
    if "_runs" not in ledger_state(connection):
        return ()
    with (
        errors_as(LedgerError, "read the runs"),
        damage(connection, "a row of :ledger._runs", _DAMAGED),
        ledger_cursor(connection) as rows,
    ):
        rows.execute(_RUNS, {"plugin": plugin, "limit": limit})
        names = [column.name for column in rows.description or ()]
        found = [Run(**dict(zip(names, row, strict=True))) for row in rows.fetchall()]
    open_plugins = {run.plugin for run in found if run.outcome == RunOutcome.RUNNING}
    at_work = {plugin for plugin in open_plugins if lease_holder(connection, plugin) is not None}
    with damage(connection, "a row of :ledger._runs", _DAMAGED):
        return tuple(
            replace(
                run,
                kind=RunKind(run.kind),
                outcome=RunOutcome.INTERRUPTED
                if run.outcome == RunOutcome.RUNNING and run.plugin not in at_work
                else RunOutcome(run.outcome),
                started_at=run.started_at.astimezone(UTC),
                finished_at=run.finished_at.astimezone(UTC) if run.finished_at else None,
            )
            for run in found
        )


_DAMAGED = "delete that row: it is evidence for people, which nothing depends on"

_RUNS = """
    SELECT id, plugin_name AS plugin, kind, started_at, finished_at, outcome, idx, desired_fingerprint, live_before,
        live_after, statement_count, error, sqlstate, failed_statement, program_version, database_user,
        host(client_address) AS client_address, application_name
    FROM :ledger._runs
    WHERE %(plugin)s::text IS NULL OR plugin_name = %(plugin)s
    ORDER BY id DESC
    LIMIT %(limit)s
"""
