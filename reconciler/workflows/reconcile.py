"""Plans and applies as one: the tries, who waits for whom, what a failure leaves. Does I/O."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reconciler.db.connections import errors_as, pause, transaction
from reconciler.errors import (
    BehindError,
    ConfigError,
    DatabaseError,
    ReconcilerError,
    RunInterruptedError,
    StalePlanError,
)
from reconciler.ledger.runs import RunKind
from reconciler.ledger.schema import plugin_locked
from reconciler.options import WhenBehind
from reconciler.results import MigrateResult, left_in_place
from reconciler.source.reading import Reading
from reconciler.workflows.behind import require_last
from reconciler.workflows.execute_plan import is_unchanged, record_failure, remember_version, run_plan
from reconciler.workflows.make_plan import plan_source
from reconciler.workflows.on_drift import remember_kept, settle_drift

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime

    from reconciler.db.session import Session
    from reconciler.model.events import Event
    from reconciler.options import Options
    from reconciler.results import PlanResult
    from reconciler.source.source import AnySource

__all__ = ["apply_plan", "reconcile"]

_REPLANS = 3
# How often a start that waits until it is not behind any more looks again.
_LOOK_AGAIN_S = 0.5
_log = logging.getLogger("reconciler")


def reconcile(
    session: Session,
    plugin: str,
    source: AnySource | Reading,
    options: Options,
    kind: RunKind,
    *,
    dry_run: bool = False,
    only_record: bool = False,
    on_event: Callable[[Event], None] | None = None,
) -> MigrateResult:
    """Brings live to the declaration and records it; plans again where live changed meanwhile, a few times at most.

    Raises any ReconcilerError; then live is as it was, and the failed run is recorded.
    """
    started = session.clock()
    deadline = time.monotonic() + options.longest_wait_ms / 1000 if options.longest_wait_ms else None
    attempt = 1
    planned: PlanResult | None = None

    def record(error: ReconcilerError) -> None:
        if not dry_run:
            wait_ms = options.longest_wait_ms
            record_failure(session, planned, kind, started, error, wait_ms=wait_ms, plugin=plugin)

    while True:
        is_idle = session.is_idle
        with _changing_nothing(), errors_as(DatabaseError, f"look at the record of plugin {plugin}"):
            if not dry_run and is_unchanged(session, plugin, source, options, at_start=is_idle):
                remember_version(session, plugin, source, options)
                return _skipped(plugin)
        planned = None
        try:
            with errors_as(DatabaseError, f"plan for plugin {plugin}"):
                planned = _planned(session, plugin, source, options, kind, dry_run=dry_run)
            if planned is None:
                continue
            if dry_run:
                return _of_dry_run(planned)
            if only_record:
                _require_nothing_to_change(planned)
            return _run(session, planned, started, kind, on_event)
        except BehindError as error:
            if (left := _left_alone(plugin, options, error, deadline)) is not None:
                return left
            pause(_LOOK_AGAIN_S)
        except StalePlanError as error:
            if attempt == _REPLANS:
                record(error)
                raise
            attempt += 1
        except ReconcilerError as error:
            record(error)
            raise
        except KeyboardInterrupt as exc:
            if dry_run:
                raise
            raise _interrupted(session, exc, planned, options, plugin, kind, started) from exc.__cause__ or exc


def _run(
    session: Session,
    planned: PlanResult,
    started: datetime,
    kind: RunKind,
    on_event: Callable[[Event], None] | None,
) -> MigrateResult:
    with errors_as(DatabaseError, "apply the plan"):
        done = run_plan(session, planned, started, kind, on_event)
        remember_kept(session, planned, done)
    for line in left_in_place(done.later):
        _log.warning("%s: %s", planned.plugin, line)
    return done


def _of_dry_run(planned: PlanResult) -> MigrateResult:
    return MigrateResult(
        plugin=planned.plugin,
        idx=None,
        statements=planned.plan.statements,
        dry_run=True,
        behind=planned.behind,
        later=planned.later,
    )


def _left_alone(plugin: str, options: Options, error: BehindError, deadline: float | None) -> MigrateResult | None:
    """What an older declaration comes to; None where it is to be looked at again. Raises BehindError."""
    if options.when_behind is WhenBehind.FAIL:
        raise error
    if options.when_behind is WhenBehind.SKIP:
        _log.warning("%s: %s; left alone", plugin, error.behind)
        return MigrateResult(plugin=plugin, idx=None, skipped=True, behind=error.behind)
    if deadline is not None and time.monotonic() > deadline:
        raise BehindError(plugin, error.behind, waited_s=options.longest_wait_ms / 1000) from None
    return None


def apply_plan(
    session: Session, planned: PlanResult, kind: RunKind, on_event: Callable[[Event], None] | None
) -> MigrateResult:
    """Applies a plan that was made before; a failed run is recorded. Raises StalePlanError where live changed since."""
    started = session.clock()
    try:
        with errors_as(DatabaseError, "apply the plan"):
            return run_plan(session, planned, started, kind, on_event)
    except ReconcilerError as error:
        record_failure(session, planned, kind, started, error, wait_ms=planned.options.longest_wait_ms)
        raise
    except KeyboardInterrupt as exc:
        raise _interrupted(session, exc, planned, planned.options, planned.plugin, kind, started) from (
            exc.__cause__ or exc
        )


def _planned(
    session: Session, plugin: str, source: AnySource | Reading, options: Options, kind: RunKind, *, dry_run: bool
) -> PlanResult | None:
    """The plan, made where nobody else is at work; None where another run did the same meanwhile.

    Raises BehindError for an older declaration, unless that is to be applied.
    """
    older = options.when_behind is WhenBehind.APPLY or (kind is not RunKind.APPLY and options.takes_older)
    if not older:
        # Who is behind does not wait for those who are not.
        with transaction(session.connection):
            begun = kind is RunKind.APPLY and options.when_behind is not WhenBehind.FAIL
            require_last(session.connection, plugin, source, options, begun=begun)
    locked = (
        transaction(session.connection, force_rollback=True)
        if dry_run
        else plugin_locked(session.connection, plugin, options.longest_wait_ms, force_rollback=True)
    )
    with locked:
        if not dry_run and is_unchanged(session, plugin, source, options):
            return None
        whole = source.split() if isinstance(source, Reading) else source
        found = plan_source(session, plugin, whole, options, older=older)
        return settle_drift(session, found) if kind is RunKind.APPLY else found


def _interrupted(
    session: Session,
    exc: KeyboardInterrupt,
    planned: PlanResult | None,
    options: Options,
    plugin: str,
    kind: RunKind,
    started: datetime,
) -> RunInterruptedError:
    """The same with what it left, which is in the ledger then."""
    error = exc if isinstance(exc, RunInterruptedError) else RunInterruptedError(exc, hint="run it again")
    wait_ms = options.longest_wait_ms
    record_failure(session, planned, kind, started, error, wait_ms=wait_ms, plugin=plugin)
    return error


def _require_nothing_to_change(planned: PlanResult) -> None:
    statements = planned.plan.statements
    if statements:
        error = ConfigError(
            f"the database differs from the declaration: {len(statements)} statements would change it,"
            f" of which the first is {' '.join(statements[0].sql.split())}",
            hint="look at them with `reconciler plan`; to change the database and record it: --change",
            left="nothing was changed or recorded",
        )
        error.is_recorded = True  # a question was answered; no run failed
        raise error


def _skipped(plugin: str) -> MigrateResult:
    _log.info("plugin %s: in sync", plugin)
    return MigrateResult(plugin=plugin, idx=None, skipped=True)


@contextmanager
def _changing_nothing() -> Generator[None]:
    """Inside nothing is done yet, which an error says where it says nothing else."""
    try:
        yield
    except ReconcilerError as error:
        error.left = error.left or "nothing was changed"
        raise
