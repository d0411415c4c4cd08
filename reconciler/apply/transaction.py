"""What a transaction of a run does: statements behind their locks, live read again, the record. Does I/O."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from reconciler.apply.locks import LOCK_ERRORS, lock_relations, set_timeouts, statement_timeout_ms
from reconciler.apply.others import OthersCode, read_others_code
from reconciler.catalog.snapshot_reader import read_mark, read_snapshot
from reconciler.db.connections import SEARCH_PATH, execute
from reconciler.db.search_path import searching, unfiltered
from reconciler.db.statements import apply_error, run_statement
from reconciler.diff.diff import diff
from reconciler.diff.followers import follows
from reconciler.diff.goal import is_managed
from reconciler.diff.kept import desired_to_text
from reconciler.errors import ApplyError, LockTimeoutError, StalePlanError, VerificationError
from reconciler.ledger.addresses import lasting_addresses
from reconciler.ledger.declarations import declare_again, save_declaration
from reconciler.ledger.kept import save_kept
from reconciler.ledger.managers import JournalManager
from reconciler.ledger.marks import Mark, load_addresses, save_mark
from reconciler.ledger.migrations import record_migration
from reconciler.ledger.states import keep_state
from reconciler.ledger.steps import take_steps
from reconciler.model.snapshot import Extent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.apply.events import Events
    from reconciler.apply.locks import LockRetryPolicy, LockTries
    from reconciler.db.connections import Connection
    from reconciler.diff.diff import Difference
    from reconciler.diff.goal import Scope
    from reconciler.diff.kept import KeptDeclaration
    from reconciler.ledger.declarations import Declared
    from reconciler.ledger.states import Chain
    from reconciler.model.facts import FactId, Json
    from reconciler.model.plan import Plan, Statement, Step
    from reconciler.model.snapshot import Snapshot

__all__ = [
    "Record",
    "Recorded",
    "keep_declaration",
    "marked_schemas",
    "record_plan",
    "remember_declaration",
    "require_live",
    "run_counted",
    "run_timed",
    "run_transaction",
]

_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Record:
    """What the ledger is to keep of a run: the state it leads to, the source, and what the mark was taken over.

    `goal` is what live is to be in the end, `foreign` what of it is not managed here, `snapshot` what is recorded of
    it; `is_whole` tells whether that is all that was declared. `later` has what is no longer declared and stays for
    now; `rolls_back_to` is the migration whose declaration this is again, `to_keep` what that builds.
    """

    plugin: str
    desired_fingerprint: str
    goal: Snapshot
    foreign: frozenset[FactId]
    snapshot: Snapshot
    is_whole: bool
    managed: Scope
    source_text: str
    source_description: str
    scope: Json
    created_at: int
    declared: Declared
    tag: str | None = None
    later: Sequence[FactId] = ()
    rolls_back_to: int | None = None
    to_keep: KeptDeclaration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The migration that was written down, and what somebody else changed while it was applied, a line each."""

    idx: int
    notes: tuple[str, ...] = ()


def run_transaction(
    connection: Connection,
    step: Step,
    patience: LockRetryPolicy,
    tries: LockTries,
    events: Events,
    *,
    left: str,
    search_path: str = SEARCH_PATH,
) -> list[float]:
    """Runs the statements of a step in the open transaction; gives how long each took, in milliseconds.

    Functions that they call find names without a schema in `search_path`.
    """
    durations: list[float] = []
    usual_ms = statement_timeout_ms(connection)
    events.started(step.first, step.statements[0])
    try:
        lock_relations(connection, step.statements, patience, tries)
    except LOCK_ERRORS as exc:
        raise _no_lock(exc, step.statements[0], step.first, left, tries) from exc
    others = read_others_code(connection)
    with unfiltered(connection), searching(connection, search_path):
        for position, statement in enumerate(step.statements, start=step.first):
            if position > step.first:
                events.started(position, statement)
            set_timeouts(connection, statement, patience, tries, usual_ms)
            started = time.monotonic()
            run_counted(connection, statement, position, left=left, others=others, search_path=search_path)
            durations.append(_finished(statement, position, events, started))
    execute(connection, "select pg_catalog.set_config('statement_timeout', %s, true)", (str(usual_ms),))
    return durations


def record_plan(
    connection: Connection,
    plan: Plan,
    record: Record,
    extent: Extent,
    run_id: int,
    chain: Chain,
    *,
    left: str,
) -> Recorded:
    """Compares live with the goal and writes the migration down, with the statements of the run's steps.

    Where the whole declaration was applied, steps of earlier runs that did not end are part of it too. A mark is kept
    only where live is as the whole declaration says. `chain` are the plugin's states so far. Raises VerificationError.
    """
    # The mark first: what somebody commits between the two makes it unequal, and is not passed over.
    marked = marked_schemas(extent, record.snapshot)
    seen = read_mark(connection, marked)
    after = read_snapshot(connection, extent.schemas, outside=extent.outside, dependencies=True)
    strayed = [] if after.fingerprint == plan.goal_fingerprint else _strayed(plan, after, record, extent.schemas, left)
    idx = JournalManager(connection).get_next_idx(record.plugin)
    record_migration(
        connection,
        plugin=record.plugin,
        migration_hash=record.desired_fingerprint,
        snapshot=record.snapshot,
        statements=take_steps(connection, record.plugin, idx, run_id=None if record.is_whole else run_id),
        source_text=record.source_text,
        source_description=record.source_description,
        created_at=record.created_at,
        tag=record.tag,
    )
    mark = Mark(
        idx=idx,
        mark=None if strayed or plan.unmodelled or not record.is_whole else seen,
        schemas=marked,
        desired_fingerprint=record.desired_fingerprint,
        scope=record.scope,
        later=tuple(record.later),
    )
    if record.is_whole:
        remember_declaration(connection, idx, record)
    before = load_addresses(connection, record.plugin)
    save_mark(connection, record.plugin, mark, lasting_addresses(after, record.snapshot, before))
    keep_declaration(connection, record)
    keep_state(connection, record.plugin, after.limited(*record.snapshot.extent), idx=idx, chain=chain)
    return Recorded(idx=idx, notes=tuple(_told(strayed, after, record)))


def remember_declaration(connection: Connection, idx: int, record: Record) -> None:
    """Writes down that the database is as declared, at migration `idx`."""
    save_declaration(connection, record.plugin, idx, record.declared)
    if record.rolls_back_to is not None:
        declare_again(connection, record.plugin, record.rolls_back_to, idx, record.desired_fingerprint)


def keep_declaration(connection: Connection, record: Record) -> None:
    """Keeps what was built of the declaration, where it was and can be kept."""
    kept = record.to_keep
    if kept is not None and (text := desired_to_text(kept.desired)) is not None:
        save_kept(connection, record.plugin, kept.key, text)


def marked_schemas(extent: Extent, record: Snapshot) -> tuple[str, ...]:
    """The schemas whose mark tells that nothing of the record changed: of others those in which objects are ours."""
    return Extent(extent.schemas, record.outside).all_schemas


def require_live(connection: Connection, plan: Plan, extent: Extent) -> Snapshot:
    """Live, where it is still what the plan was made for. Raises StalePlanError otherwise."""
    now = read_snapshot(connection, extent.schemas, outside=extent.outside)
    if now.fingerprint != plan.live_fingerprint:
        raise StalePlanError(
            "the live database changed since the plan was made",
            hint="run the command again",
            left="nothing was changed",
        )
    return now


def run_timed(connection: Connection, statement: Statement, position: int, events: Events, *, left: str) -> float:
    """Runs one statement and gives its duration in milliseconds. Raises LockTimeoutError, ApplyError."""
    started = time.monotonic()
    run_counted(connection, statement, position, left=left)
    return _finished(statement, position, events, started)


def _finished(statement: Statement, position: int, events: Events, started: float) -> float:
    duration_ms = round((time.monotonic() - started) * 1000, 3)
    events.finished(position, statement, duration_ms)
    return duration_ms


def run_counted(
    connection: Connection,
    statement: Statement,
    position: int,
    *,
    left: str,
    others: OthersCode | None = None,
    search_path: str = SEARCH_PATH,
) -> int:
    """Runs one statement and gives the number of its rows; what `others` have made runs with their rights.

    Raises LockTimeoutError, ApplyError.
    """
    try:
        if others is None:
            return run_statement(connection, statement)
        return others.run(connection, statement, search_path)
    except ApplyError as refused:
        refused.position, refused.left = position, left
        raise
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
        hint="another session uses the table: try again later, or raise --lock-retries or --lock-timeout",
        left=left,
        statement=statement.sql,
        position=position,
        sqlstate=exc.sqlstate,
    )


def _strayed(plan: Plan, after: Snapshot, record: Record, schemas: Sequence[str], left: str) -> list[Difference]:
    """What in live is not the goal, and is neither changed by the plan nor recorded: somebody else's.

    Raises VerificationError where any of it is changed by the plan, or recorded.
    """
    later = {difference.fact for difference in plan.unmodelled}
    strayed = [
        difference
        for difference in diff(record.goal, after)
        if difference.fact not in later and not follows(difference, after, record.foreign, plan)
    ]
    ours = {difference.fact for difference in plan.differences} | record.snapshot.facts.keys()
    failed = [str(difference.fact) for difference in strayed if difference.fact in ours]
    if failed:
        raise VerificationError(
            f"all statements ran, but live is not the goal in {', '.join(schemas)}: {'; '.join(failed[:_SHOWN])}",
            hint="somebody may have changed it meanwhile: run the command again; else an event trigger or a trigger"
            " function of the database changes what the statements make",
            left=left,
        )
    return strayed


def _told(strayed: Sequence[Difference], after: Snapshot, record: Record) -> Iterable[str]:
    """A line for each change by somebody else in what is managed here."""
    told = [each for each in strayed if is_managed(after.object_of(each.fact), record.snapshot, record.managed)]
    if told:
        facts = ", ".join(f"{each.fact.key} ({each.change})" for each in told[:_SHOWN])
        more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
        yield (
            f"somebody changed the database while the plan was applied: {facts}{more}; that is not recorded, and"
            " `reconciler check` shows it as drift"
        )
