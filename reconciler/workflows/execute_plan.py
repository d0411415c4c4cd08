"""Runs a plan on live: the gates, the tries, one transaction or steps, the record of a failure. Does I/O."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING

import psycopg

from reconciler.apply.events import Events
from reconciler.apply.locks import LockRetryPolicy, lease
from reconciler.apply.steps import Run, run_steps
from reconciler.apply.transaction import Record, keep_declaration, marked_schemas, remember_declaration
from reconciler.audit.standing import read_standing
from reconciler.catalog.snapshot_reader import FOR_CATALOGS, read_mark, read_snapshot
from reconciler.db.connections import connect, transaction
from reconciler.db.search_path import statement_path
from reconciler.diff.diff import diff
from reconciler.errors import ReconcilerError, RunInterruptedError, StalePlanError, UnmodelledError
from reconciler.hazards.policy import hazard_error
from reconciler.intent.rename_suggestions import as_hint
from reconciler.ledger.addresses import lasting_addresses
from reconciler.ledger.declarations import Declared, find_behind, is_version_known, save_declaration
from reconciler.ledger.marks import Mark, keep_standing, load_addresses, load_mark, may_write_marks, save_mark
from reconciler.ledger.migrations import load_head
from reconciler.ledger.runs import RunKind, RunOutcome, record_run, recorded_message
from reconciler.ledger.schema import TABLES, ensure_ledger, plugin_locked
from reconciler.ledger.steps import end_interrupted_runs, take_steps
from reconciler.ledger.trust import require_own_ledger
from reconciler.model.plugins import DEFAULT_PLUGIN, baseline_tag, rollback_tag
from reconciler.options import Drops, scope_of
from reconciler.preflight.preflight import refuse_blocked, run_preflight
from reconciler.results import MigrateResult
from reconciler.source.source import DatabaseSource
from reconciler.version import program_version

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from reconciler.audit.standing import Standing
    from reconciler.db.connections import Connection
    from reconciler.db.session import Session
    from reconciler.diff.goal import Scope
    from reconciler.ledger.migrations import Head
    from reconciler.model.events import Event
    from reconciler.model.facts import FactId, Json
    from reconciler.options import Options
    from reconciler.results import PlanResult
    from reconciler.source.reading import Reading
    from reconciler.source.source import AnySource

_LOG = logging.getLogger("reconciler")
_NOTHING = "nothing: what was not committed was rolled back"

__all__ = ["is_unchanged", "record_failure", "remember_version", "require_head", "require_head_of", "run_plan"]


def is_unchanged(
    session: Session, plugin: str, source: AnySource | Reading, options: Options, *, at_start: bool = False
) -> bool:
    """Whether the declaration is the recorded one and the live catalogs carry the mark of that record.

    Where a log of DDL and the counts of the catalogs tell that nothing changed since, the mark is not read; `at_start`
    that moment is written down for the next one.
    """
    if isinstance(source, DatabaseSource):
        return False
    with transaction(session.connection, also=FOR_CATALOGS):
        mark = load_mark(session.connection, plugin)
        if mark is None or mark.mark is None or not mark.settled:
            return False
        if mark.scope != _scope_value(source.digest, scope_of(plugin, options), options, session):
            return False
        if mark.later and options.drops is Drops.NOW:
            return False
        standing = read_standing(session.connection, mark.log_position, mark.counters) if mark.has_log else None
        if standing is not None and not standing.has_moved:
            return True
        if read_mark(session.connection, mark.schemas) != mark.mark:
            return False
        if standing is not None and at_start:
            _keep_standing(session, plugin, mark, standing)
        return True


def _keep_standing(session: Session, plugin: str, mark: Mark, standing: Standing) -> None:
    """What was read before the mark held when that was read; where this role may not write it down, nothing is done."""
    connection = session.connection
    if not may_write_marks(connection):
        return
    require_own_ledger(connection, TABLES)
    keep_standing(connection, plugin, mark, standing.position, standing.counters)


def run_plan(
    session: Session,
    planned: PlanResult,
    started: datetime,
    kind: RunKind,
    on_event: Callable[[Event], None] | None,
) -> MigrateResult:
    """Applies and records the plan, as one transaction or in steps; takes locks again that were not granted.

    Raises UnmodelledError, HazardError and PreflightError before anything is done, StalePlanError where live or the
    migration history changed, else as `run_steps`.
    """
    plan, options = planned.plan, planned.options
    if plan.unmodelled and not options.ignore_unmodelled:
        raise UnmodelledError(
            f"unsupported changes: {len(plan.unmodelled)} differences: "
            + "; ".join(f"{d.change} {d.fact}" for d in plan.unmodelled[:10]),
            hint="make these changes manually, or pass --ignore-unmodelled to apply the rest",
            left="nothing was changed",
        )
    if planned.refused:
        renamed = as_hint(planned.suggestions)
        error = hazard_error(planned.refused, online=bool(options.online), hint=renamed)
        error.suggestions = planned.suggestions
        raise error
    refuse_blocked(run_preflight(session.connection, planned))
    record = _record_of(session, planned, started)
    if not plan.statements and not _must_record(planned, kind):
        if planned.is_whole:
            with plugin_locked(session.connection, planned.plugin, options.longest_wait_ms):
                _refresh_mark(session, planned, record)
        _LOG.info("plugin %s: in sync", planned.plugin)
        return MigrateResult(
            plugin=planned.plugin, idx=None, warnings=planned.warnings, later=planned.later, ignored=planned.ignored
        )
    run = _run_of(session, planned, record, started, kind, on_event)
    done = run_steps(session.connection, plan, run)
    _LOG.info("plugin %s: migration %d recorded", planned.plugin, done.idx)
    return MigrateResult(
        plugin=planned.plugin,
        idx=done.idx,
        statements=plan.statements,
        warnings=(*planned.warnings, *done.notes),
        behind=planned.behind,
        later=planned.later,
        ignored=planned.ignored,
    )


def _record_of(session: Session, planned: PlanResult, started: datetime) -> Record:
    """What is recorded where the plan has run."""
    created_at = int(started.timestamp() * 1000)
    return Record(
        plugin=planned.plugin,
        desired_fingerprint=planned.desired_fingerprint,
        goal=planned.goal.snapshot,
        foreign=planned.goal.foreign,
        snapshot=planned.goal.record,
        is_whole=planned.is_whole,
        managed=planned.scope,
        source_text=planned.source_text,
        source_description=planned.source_description,
        scope=_scope_value(planned.source_digest, planned.scope, planned.options, session),
        created_at=created_at,
        declared=declared_by(planned),
        tag=_tag(planned, created_at),
        later=planned.later if planned.is_whole else _left_before(session.connection, planned.plugin),
        rolls_back_to=planned.rolls_back_to,
        to_keep=planned.to_keep,
    )


def _run_of(
    session: Session,
    planned: PlanResult,
    record: Record,
    started: datetime,
    kind: RunKind,
    on_event: Callable[[Event], None] | None,
) -> Run:
    options = planned.options
    return Run(
        record=record,
        extent=planned.extent,
        changes=diff(planned.live, planned.goal.snapshot),
        kind=kind,
        started_at=started,
        clock=session.clock,
        patience=LockRetryPolicy(
            timeout_ms=options.lock_timeout_ms,
            retries=options.lock_retries,
            connect=lambda: connect(session.dsn, autocommit=True, application_name="reconciler gate"),
        ),
        lease=lambda: lease(session.dsn, planned.plugin, options.longest_wait_ms),
        begin=lambda: require_head_of(session.connection, planned),
        max_lag=options.max_lag,
        connection_again=lambda: session.connection,
        events=Events(plugin=planned.plugin, total=len(planned.plan.statements), on_event=on_event),
        search_path=statement_path(options.search_path),
        keep_values=options.record_values,
    )


def _left_before(connection: Connection, plugin: str) -> Sequence[FactId]:
    with transaction(connection):
        mark = load_mark(connection, plugin)
    return mark.later if mark is not None else ()


def declared_by(planned: PlanResult) -> Declared:
    """What the plan's declaration is known by."""
    return Declared(
        digest=planned.source_digest, fingerprint=planned.desired_fingerprint, version=planned.options.version
    )


def remember_version(session: Session, plugin: str, source: AnySource | Reading, options: Options) -> None:
    """Writes down the application's version where it is higher than before and the declaration is unchanged."""
    connection, version = session.connection, options.version
    if isinstance(source, DatabaseSource):
        return
    with transaction(connection):
        if is_version_known(connection, plugin, version):
            return
    with plugin_locked(connection, plugin, options.longest_wait_ms):
        mark = load_mark(connection, plugin)
        # Another run's declaration since: this one's version is compared when the start looks again.
        if mark is not None and is_unchanged(session, plugin, source, options):
            ensure_ledger(connection, options.longest_wait_ms)
            declared = Declared(digest=source.digest, fingerprint=mark.desired_fingerprint, version=version)
            save_declaration(connection, plugin, mark.idx, declared)


def require_head_of(connection: Connection, planned: PlanResult) -> None:
    """Raises StalePlanError where another run was recorded since, or the server is another version's."""
    require_head(connection, planned.plugin, planned.head, planned.live.server_version)
    # A rollback and a repair go where they were told, whatever it is called.
    if (
        planned.is_whole
        and planned.rolls_back_to is None
        and find_behind(connection, planned.plugin, declared_by(planned)) != planned.behind
    ):
        raise StalePlanError(
            f"a start of another version was recorded for plugin {planned.plugin} since the plan was made",
            hint="plan again",
            left="nothing was changed",
        )


def require_head(connection: Connection, plugin: str, head: Head, server_version: int) -> None:
    """The same for a plan that was made when the record had come to `head`, on a server of that version."""
    now = load_head(connection, plugin)
    if now != head:
        raise StalePlanError(
            f"the migration history of plugin {plugin} changed since the plan was made: "
            f"from {_migration(head.idx)} to {_migration(now.idx)}",
            hint="plan again",
            left="nothing was changed",
        )
    then, version = server_version // 10_000, connection.info.server_version // 10_000
    if then != version:
        raise StalePlanError(
            f"the plan was made for Postgres {then}, this is {version}",
            hint="plan again, on this server",
            left="nothing was changed",
        )


def _must_record(planned: PlanResult, kind: RunKind) -> bool:
    recorded = planned.recorded
    if recorded is None:
        return True
    return recorded.snapshot.fingerprint != planned.goal.record.fingerprint or (
        kind is not RunKind.REPAIR and recorded.hash != planned.desired_fingerprint
    )


def _refresh_mark(session: Session, planned: PlanResult, record: Record) -> None:
    require_head_of(session.connection, planned)
    ensure_ledger(session.connection, planned.options.longest_wait_ms)
    extent = planned.extent
    marked = marked_schemas(extent, record.snapshot)
    seen = read_mark(session.connection, marked)
    live = read_snapshot(session.connection, extent.schemas, outside=extent.outside)
    if live.fingerprint != planned.live.fingerprint:
        return
    assert planned.recorded is not None
    end_interrupted_runs(session.connection, planned.plugin, session.clock())
    take_steps(session.connection, planned.plugin, planned.recorded.idx)
    mark = Mark(
        idx=planned.recorded.idx,
        mark=None if planned.plan.unmodelled else seen,
        schemas=marked,
        desired_fingerprint=planned.desired_fingerprint,
        scope=record.scope,
        later=planned.later,
    )
    remember_declaration(session.connection, planned.recorded.idx, record)
    before = load_addresses(session.connection, planned.plugin)
    addresses = lasting_addresses(live, record.snapshot, before)
    save_mark(session.connection, planned.plugin, mark, addresses)
    keep_declaration(session.connection, record)


def record_failure(
    session: Session,
    planned: PlanResult | None,
    kind: RunKind,
    started: datetime,
    error: ReconcilerError | RunInterruptedError,
    *,
    wait_ms: int,
    plugin: str | None = None,
) -> None:
    """Writes the failed run down in a transaction of its own, on another connection where ours was lost.

    It waits as long as the run itself would for whoever is making the ledger's tables.
    """
    error.left = error.left or _NOTHING
    if error.is_recorded:
        return
    keep_values = planned is not None and planned.options.record_values
    try:
        with transaction(session.connection):
            ensure_ledger(session.connection, wait_ms)
            record_run(
                session.connection,
                plugin=planned.plugin if planned else plugin or DEFAULT_PLUGIN,
                kind=kind,
                started_at=started,
                finished_at=session.clock(),
                outcome=RunOutcome.FAILED,
                desired_fingerprint=planned.desired_fingerprint if planned else None,
                live_before=planned.plan.live_fingerprint if planned else None,
                error=recorded_message(error, keep_values=keep_values),
                sqlstate=getattr(error, "sqlstate", None),
                failed_statement=getattr(error, "statement", None),
            )
    except (ReconcilerError, psycopg.Error) as failure:
        # The first error is the one to tell; that it could not be written down is added to it.
        error.add_note(f"that the run failed could not be recorded: {failure}")


def _tag(planned: PlanResult, created_at_ms: int) -> str | None:
    """The journal's name of the migration, where it is not the usual one."""
    if planned.rolls_back_to is not None:
        return rollback_tag(planned.rolls_back_to, created_at_ms)
    return baseline_tag(created_at_ms) if planned.recorded is None and not planned.plan.statements else None


def _migration(idx: int | None) -> str:
    return "nothing" if idx is None else f"migration {idx}"


def _scope_value(digest: str, scope: Scope, options: Options, session: Session) -> dict[str, Json]:
    today = session.clock().date()
    rules = [rule for rule in options.ignore if rule.until is None or today <= rule.until]
    return {
        "database": f"{session.connection.info.server_version}",
        "exact": str(scope.exact),
        "ignore": hashlib.sha256(repr(rules).encode()).hexdigest() if rules else "",
        "partitions": str(scope.declared_partitions),
        "program": program_version(),
        "schemas": "*" if scope.all_schemas else ",".join(scope.schemas),
        "source": digest,
    }
