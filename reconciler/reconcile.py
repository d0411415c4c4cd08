"""The use cases: plan, apply, migrate, check, repair, adopt, and what the ledger tells. Does I/O.

One `Reconciler` has one connection. Every use case is a sequence of transactions on it: one that looks, builds and
rehearses and is always rolled back, and one that applies and records.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus

from reconciler import ledger
from reconciler.apply import Record, apply_plan, require_live
from reconciler.building import build_anywhere
from reconciler.catalog import managed_schemas, read_fixed_extensions, read_mark, read_sizes, read_snapshot
from reconciler.db import connect, errors_as, fetch_one
from reconciler.ddl.planner import make_plan
from reconciler.drift import ObjectState, State, compare
from reconciler.errors import (
    ConfigError,
    HazardError,
    PluginFailuresError,
    ReconcilerError,
    StalePlanError,
    UnmodelledError,
)
from reconciler.goal import Desired, Goal, Scope, make_goal
from reconciler.intent import Intent
from reconciler.ledger import HistoryEntry, MigrationRecord, Run, RunKind, RunOutcome
from reconciler.ledger_schema import ensure_ledger, lock_plugin
from reconciler.ledger_steps import UnfinishedRun, end_cut_off_runs, load_unfinished, take_steps
from reconciler.locks import Patience, lease, retried
from reconciler.managers import Journal, JournalManager, SnapshotManager
from reconciler.plan import Hazard, HazardKind, Online, Plan, TableSize
from reconciler.plugins import baseline_tag, derive_schema_name, rollback_tag
from reconciler.proof import prove
from reconciler.renaming import Renamed, find_intent, rename_first, with_renames
from reconciler.scratch_choice import choose_scratch
from reconciler.snapshot import FactId, Snapshot
from reconciler.source import DatabaseSource, Reading, Source, read_object, source_from_object
from reconciler.steps import StepRun, run_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from reconciler.db import Connection
    from reconciler.plan import Statement
    from reconciler.scratch import Scratch
    from reconciler.snapshot import Json
    from reconciler.source import AnySource

__all__ = [
    "CheckResult",
    "MigrateResult",
    "Options",
    "PlanResult",
    "Reconciler",
    "Status",
    "reconcile_all",
]

DEFAULT_PLUGIN = "default"
_ALLOW_ALL = frozenset(HazardKind)
_DESTRUCTIVE_VARIABLES = ("RECONCILER_ALLOW_DESTRUCTIVE", "ELIZA_ALLOW_DESTRUCTIVE_MIGRATIONS")
_REPLANS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a use case works; the defaults are those of the command line.

    `scratch` is auto, schema, database or a server's URL. Nobody waits behind a lock that we want for longer than
    `lock_timeout_ms`; what was not granted then is tried again `lock_retries` times. `online` changes tables in steps
    that hold nobody up: None those of more than `online_above_bytes`, True all, False none.
    """

    schemas: tuple[str, ...] | None = None
    all_schemas: bool = False
    exact: bool = False
    scratch: str = "auto"
    allow: frozenset[HazardKind] = frozenset()
    ignore_unmodelled: bool = False
    proof: bool = True
    lock_timeout_ms: int = 1_000
    lock_retries: int = 30
    online: bool | None = None
    online_above_bytes: int = 64 * 1024 * 1024

    @property
    def steps(self) -> Online | None:
        """Which tables are changed in steps."""
        if self.online is False:
            return None
        return Online(above_bytes=-1 if self.online else self.online_above_bytes)


@dataclass(frozen=True, kw_only=True)
class PlanResult:
    """A plan with all that it was made from; `scratch` names where desired was built, and why there.

    `head` is how far the record had come, `rolls_back_to` the migration whose declaration a rollback brings back.
    `renamed` is live after the plan's renames; a plan that was read from a file has none.
    """

    plugin: str
    plan: Plan
    live: Snapshot
    goal: Goal
    desired_fingerprint: str
    source_text: str
    source_description: str
    source_digest: str
    recorded: ledger.Recorded | None
    scope: Scope
    options: Options
    scratch: str
    head: ledger.Head
    warnings: tuple[str, ...] = ()
    rolls_back_to: int | None = None
    renamed: Renamed | None = None


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What `check` found: the state of each object, and the plan that would bring live to the declaration."""

    plugin: str
    objects: tuple[ObjectState, ...]
    plan: Plan
    recorded_idx: int | None

    def of(self, *states: State) -> tuple[ObjectState, ...]:
        """The objects in one of these states."""
        return tuple(each for each in self.objects if each.state in states)

    @property
    def has_drift(self) -> bool:
        """Whether live moved though nobody asked for it here."""
        return bool(self.of(State.DRIFTED, State.CONFLICT))


@dataclass(frozen=True, kw_only=True)
class MigrateResult:
    """What `migrate`, `apply`, `repair` or `adopt` did. `idx` is None where there was nothing to record."""

    plugin: str
    idx: int | None
    statements: tuple[Statement, ...] = ()
    dry_run: bool = False
    skipped: bool = False


@dataclass(frozen=True, kw_only=True)
class Status:
    """What the ledger knows of a plugin."""

    plugin: str
    has_run: bool
    last_migration: HistoryEntry | None
    journal: Journal | None
    snapshots: int
    last_run: Run | None
    unfinished: UnfinishedRun | None = None


class Reconciler:
    """Keeps one database equal to what is declared.

    `dsn_or_connection` is a URL or conninfo string (a connection is opened when it is needed and closed by `close`), a
    psycopg connection, or a SQLAlchemy connection or session on psycopg. A connection that is handed in is used as it
    is and never closed. Where it is idle, every use case begins and commits transactions of its own on it; where it is
    in a transaction, everything happens inside (behind savepoints), and the caller commits.
    """

    def __init__(
        self,
        dsn_or_connection: str | object,
        *,
        options: Options | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.options = options or Options()
        self._clock = clock or (lambda: datetime.now(UTC))
        self._dsn = dsn_or_connection if isinstance(dsn_or_connection, str) else None
        self._connection: Connection | None = None if self._dsn is not None else _as_psycopg(dsn_or_connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def connection(self) -> Connection:
        """The connection in use, opened where it is ours. Raises ConnectError."""
        if self._connection is None or (self._dsn is not None and self._connection.closed):
            self._connection = connect(self._dsn or "", autocommit=True)
        return self._connection

    def close(self) -> None:
        """Closes the connection if it is ours."""
        if self._dsn is not None and self._connection is not None:
            self._connection.close()
            self._connection = None

    def initialize(self) -> None:
        """Makes the ledger's tables, or brings them to this version; may be called any number of times."""
        with self.connection.transaction():
            ensure_ledger(self.connection)

    # --- looking ---------------------------------------------------------------------------------------------------

    def plan(self, source: object, *, plugin: str = DEFAULT_PLUGIN, options: Options | None = None) -> PlanResult:
        """What would have to be done; nothing is changed, nothing is recorded.

        Raises SourceError, ScratchError, PlanError, ProofError.
        """
        chosen = self._chosen(options)
        with self.connection.transaction(force_rollback=True):
            return self._plan(plugin, _source(source), chosen)

    def check(
        self, source: object | None = None, *, plugin: str = DEFAULT_PLUGIN, options: Options | None = None
    ) -> CheckResult:
        """The state of each object: recorded, live and declared side by side. Nothing is changed.

        Without a source, live is compared with what was recorded. Raises as `plan` does, but for the proof, and
        LedgerError where there is neither a source nor a record.
        """
        chosen = replace(self._chosen(options), proof=False)
        with self.connection.transaction(force_rollback=True):
            if source is None:
                return self._check_recorded(plugin, chosen)
            found = self._plan(plugin, _source(source), chosen)
        recorded = found.recorded
        assert found.renamed is not None  # only a plan that was read from a file has none
        objects = compare(found.renamed.recorded, found.renamed.live, found.goal)
        objects = with_renames(objects, found.renamed.renames, found.renamed.live)
        return CheckResult(
            plugin=plugin, objects=objects, plan=found.plan, recorded_idx=recorded.idx if recorded else None
        )

    def _check_recorded(self, plugin: str, options: Options) -> CheckResult:
        recorded = ledger.load_recorded(self.connection, plugin)
        if recorded is None:
            raise ConfigError(
                f"nothing is recorded for plugin {plugin}, and no source was given",
                hint="name a source, or apply one first",
            )
        live = read_snapshot(self.connection, recorded.snapshot.schemas, dependencies=True)
        desired = Desired(snapshot=recorded.snapshot, baseline={}, builder="")
        goal = make_goal(desired, live, recorded.snapshot, _scope(plugin, options))
        plan = Plan(
            statements=(), differences=(), live_fingerprint=live.fingerprint, goal_fingerprint=goal.snapshot.fingerprint
        )
        return CheckResult(
            plugin=plugin, objects=compare(recorded.snapshot, live, goal), plan=plan, recorded_idx=recorded.idx
        )

    def check_migration(self, plugin_name: str, source: object) -> tuple[Hazard, ...] | None:
        """What the migration would lose: its data-loss hazards, or None where it loses nothing."""
        found = self.plan(source, plugin=plugin_name).plan.refused(())
        return found or None

    def get_status(self, plugin_name: str = DEFAULT_PLUGIN) -> Status:
        """What the ledger knows of the plugin; also where there is no ledger."""
        connection = self.connection
        with connection.transaction():
            entries = ledger.history(connection, plugin_name)
            runs = ledger.runs(connection, plugin_name, limit=1)
            journal = JournalManager(connection).load_journal(plugin_name) if entries else None
            return Status(
                plugin=plugin_name,
                has_run=bool(entries),
                last_migration=max(entries, key=lambda entry: entry.idx) if entries else None,
                journal=journal,
                snapshots=len(entries),
                last_run=runs[0] if runs else None,
                unfinished=load_unfinished(connection, plugin_name),
            )

    def history(self, plugin: str | None = None) -> tuple[HistoryEntry, ...]:
        """All recorded migrations."""
        with self.connection.transaction():
            return ledger.history(self.connection, plugin)

    def show(self, idx: int, plugin: str = DEFAULT_PLUGIN) -> MigrationRecord:
        """One recorded migration with its statements and source. Raises LedgerError where there is none."""
        with self.connection.transaction():
            return ledger.show(self.connection, plugin, idx)

    def reset(self, plugin_name: str = DEFAULT_PLUGIN) -> int:
        """Forgets what was recorded of the plugin, in the ledger only; returns the number of rows."""
        with self.connection.transaction():
            lock_plugin(self.connection, plugin_name)
            return ledger.reset(self.connection, plugin_name)

    @property
    def journals(self) -> JournalManager:
        """The journal rows, one a plugin."""
        return JournalManager(self.connection)

    @property
    def snapshots(self) -> SnapshotManager:
        """The snapshot rows."""
        return SnapshotManager(self.connection)

    def require_current(self, planned: PlanResult) -> None:
        """Returns where the plan may still be applied; changes nothing.

        Raises StalePlanError where live or the record moved since the plan was made.
        """
        with self.connection.transaction(force_rollback=True):
            self._require_head(planned)
            require_live(self.connection, planned.plan, planned.live.schemas)

    # --- changing --------------------------------------------------------------------------------------------------

    def migrate(
        self,
        plugin_name: str,
        source: object,
        *,
        verbose: bool = False,
        force: bool = False,
        dry_run: bool = False,
        allow_data_loss: bool = False,
        options: Options | None = None,
        progress: Callable[[int, Statement], None] | None = None,
    ) -> MigrateResult:
        """Brings live to the declaration and records it: what an application calls when it starts.

        Safe for any number of processes at once. Does next to nothing where live is still what was recorded and the
        declaration did not move. `force` and `allow_data_loss` (or RECONCILER_ALLOW_DESTRUCTIVE=true) allow data loss;
        `verbose` prints the statements through `progress` or to the log `reconciler`; `dry_run` changes nothing at all.

        Raises any ReconcilerError; then live is as it was, and the failed run is recorded.
        """
        chosen = options or self.options
        if (
            force
            or allow_data_loss
            or any(os.environ.get(name, "").lower() == "true" for name in _DESTRUCTIVE_VARIABLES)
        ):
            chosen = replace(chosen, allow=chosen.allow | {HazardKind.DATA_LOSS})
        if verbose and progress is None:
            progress = _log_statement
        return self._bring(plugin_name, _read(source), chosen, RunKind.APPLY, dry_run=dry_run, progress=progress)

    def apply(
        self,
        planned: PlanResult,
        *,
        kind: RunKind = RunKind.APPLY,
        progress: Callable[[int, Statement], None] | None = None,
    ) -> MigrateResult:
        """Applies a plan that `plan` made. Raises StalePlanError where live moved since; a failed run is recorded."""
        started = self._clock()
        try:
            return self._apply(planned, started, kind, progress)
        except ReconcilerError as error:
            self._record_failure(planned, kind, started, error)
            raise

    def adopt(self, source: object, *, plugin: str = DEFAULT_PLUGIN, options: Options | None = None) -> MigrateResult:
        """Records a database that already holds the schema as the plugin's baseline; changes what differs.

        On an identical database no statement runs.
        """
        return self._bring(plugin, _read(source), options or self.options, RunKind.ADOPT)

    def repair(
        self,
        source: object,
        *,
        plugin: str = DEFAULT_PLUGIN,
        accept: bool = False,
        objects: Sequence[str] = (),
        options: Options | None = None,
        dry_run: bool = False,
        progress: Callable[[int, Statement], None] | None = None,
    ) -> MigrateResult:
        """Ends drift: brings drifted objects back to the declaration, or with `accept` records live as it is.

        `objects` (`table:app.users`) narrows. What is only pending stays pending.
        """
        chosen = options or self.options
        planned = self.plan_repair(source, plugin=plugin, accept=accept, objects=objects, options=chosen)
        if dry_run:
            return MigrateResult(plugin=plugin, idx=None, statements=planned.plan.statements, dry_run=True)
        return self.apply(planned, kind=RunKind.REPAIR, progress=progress)

    def plan_repair(
        self,
        source: object,
        *,
        plugin: str = DEFAULT_PLUGIN,
        accept: bool = False,
        objects: Sequence[str] = (),
        options: Options | None = None,
    ) -> PlanResult:
        """What `repair` would do. Raises ConfigError where an object of `objects` did not drift."""
        chosen = self._chosen(options)
        with self.connection.transaction(force_rollback=True):
            found = self._plan(plugin, _source(source), replace(chosen, proof=False))
            # What is to be renamed is pending: it stays as it is, under the name that it has.
            renamed = {fact for rename in found.plan.renames for fact in (rename.old, rename.new)}
            states = compare(found.recorded.snapshot if found.recorded else None, found.live, found.goal)
            states = tuple(each for each in states if renamed.isdisjoint(_facts_of(each, found.live)))
            drifted = {
                each.object: each
                for each in states
                if each.state in (State.DRIFTED, State.CONFLICT)
                or (each.state is State.UNMANAGED and each.object not in found.goal.foreign)
            }
            if objects:
                known = {owner.key: owner for owner in drifted}
                missing = [key for key in objects if key not in known]
                if missing:
                    raise ConfigError(
                        f"{missing[0]} did not drift",
                        hint=f"drifted are: {', '.join(sorted(known)) or 'none'}",
                    )
                drifted = {known[key]: drifted[known[key]] for key in objects}
            return self._narrowed(found, drifted, accept=accept, options=chosen)

    def rollback(
        self,
        *,
        plugin: str = DEFAULT_PLUGIN,
        to: int | None = None,
        steps: int | None = None,
        options: Options | None = None,
        dry_run: bool = False,
        progress: Callable[[int, Statement], None] | None = None,
    ) -> MigrateResult:
        """Brings back what migration `to`, or the one `steps` before the last, declared, as a new migration.

        The schema comes back, rows that were lost do not. Raises as `plan_rollback` and `apply`.
        """
        planned = self.plan_rollback(plugin=plugin, to=to, steps=steps, options=options)
        if dry_run:
            return MigrateResult(plugin=plugin, idx=None, statements=planned.plan.statements, dry_run=True)
        return self.apply(planned, kind=RunKind.ROLLBACK, progress=progress)

    def plan_rollback(
        self,
        *,
        plugin: str = DEFAULT_PLUGIN,
        to: int | None = None,
        steps: int | None = None,
        options: Options | None = None,
    ) -> PlanResult:
        """What `rollback` would do; `warnings` say what would not come back.

        What is managed is what the last run managed, unless the options say it. Raises ConfigError where there is no
        such migration, or no declaration was recorded with it.
        """
        from reconciler import rollback

        chosen = self._chosen(options)
        with self.connection.transaction(force_rollback=True):
            target = rollback.find_target(self.connection, plugin, to=to, steps=steps)
            last = rollback.last_scope(self.connection, plugin)
            if last is not None and chosen.schemas is None and not chosen.all_schemas:
                chosen = replace(
                    chosen,
                    schemas=None if last.all_schemas else last.schemas,
                    all_schemas=last.all_schemas,
                    exact=chosen.exact or last.exact,
                )
            found = self._plan(plugin, rollback.source_of_target(target), chosen)
        lost = rollback.not_brought_back(found.plan, found.live, found.goal.record, target)
        description = f"migration {target.entry.idx} ({target.entry.source_description})"
        return replace(
            found,
            source_description=description,
            source_text=target.source_text or "",
            warnings=(*found.warnings, *lost),
            rolls_back_to=target.entry.idx,
        )

    def _narrowed(
        self, found: PlanResult, drifted: Mapping[FactId, ObjectState], *, accept: bool, options: Options
    ) -> PlanResult:
        """The same with a goal that moves the drifted objects only: to the declaration, or in the record to live."""
        moved = {difference.fact for state in drifted.values() for difference in state.differences}
        recorded: Mapping[FactId, str] = found.recorded.snapshot.facts if found.recorded else {}
        facts = dict(found.live.facts)
        record = dict(recorded)
        for fact in moved:
            now = found.live.facts.get(fact)
            wanted = recorded.get(fact) if fact in found.goal.following else found.goal.snapshot.facts.get(fact)
            _put(record, fact, now if accept else wanted)
            if not accept:
                _put(facts, fact, wanted)
        goal = Goal(
            snapshot=found.goal.snapshot.with_facts(facts).with_secrets(
                {
                    **{fact: hidden for fact, hidden in found.live.secrets.items() if fact not in moved},
                    **{fact: hidden for fact, hidden in found.goal.snapshot.secrets.items() if fact in moved},
                }
            ),
            record=found.goal.record.with_facts(record),
            following=found.goal.following,
            foreign=found.goal.foreign,
        )
        user = self._user()
        live = found.live
        fixed = read_fixed_extensions(self.connection, live, goal.snapshot)
        sizes = self._sizes(found.plan)
        plan = make_plan(live, goal.snapshot, current_user=user, sizes=sizes, online=options.steps, fixed=fixed)
        if options.proof and plan.differences:
            prove(
                plan,
                live,
                goal.snapshot,
                self._scratch(replace(found.scope, schemas=live.schemas), options),
                found.scope,
                current_user=user,
            )
        previous = found.recorded.hash if found.recorded else found.desired_fingerprint
        return replace(found, plan=plan, goal=goal, desired_fingerprint=previous, options=options)

    # --- inside ----------------------------------------------------------------------------------------------------

    def _bring(
        self,
        plugin: str,
        source: AnySource | Reading,
        options: Options,
        kind: RunKind,
        *,
        dry_run: bool = False,
        progress: Callable[[int, Statement], None] | None = None,
    ) -> MigrateResult:
        started = self._clock()
        options = self._chosen(options)
        for attempt in range(1, _REPLANS + 1):
            if not dry_run and self._is_unchanged(plugin, source, options):
                return MigrateResult(plugin=plugin, idx=None, skipped=True)
            planned: PlanResult | None = None
            try:
                with self.connection.transaction(force_rollback=True):
                    if not dry_run:
                        lock_plugin(self.connection, plugin)
                        if self._is_unchanged(plugin, source, options):
                            return MigrateResult(plugin=plugin, idx=None, skipped=True)
                    planned = self._plan(plugin, source.split() if isinstance(source, Reading) else source, options)
                if dry_run:
                    return MigrateResult(plugin=plugin, idx=None, statements=planned.plan.statements, dry_run=True)
                return self._apply(planned, started, kind, progress)
            except StalePlanError as error:
                if attempt == _REPLANS:
                    self._record_failure(planned, kind, started, error, plugin=plugin)
                    raise
            except ReconcilerError as error:
                if not dry_run:
                    self._record_failure(planned, kind, started, error, plugin=plugin)
                raise
        raise AssertionError("unreachable")

    def _chosen(self, options: Options | None) -> Options:
        """The options as they hold here: inside of the caller's transaction nothing is done in steps unasked."""
        chosen = options or self.options
        if chosen.online is None and self.connection.info.transaction_status != TransactionStatus.IDLE:
            return replace(chosen, online=False)
        return chosen

    def _is_unchanged(self, plugin: str, source: AnySource | Reading, options: Options) -> bool:
        """Whether the declaration is the recorded one and the live catalogs carry the mark of that record."""
        if isinstance(source, DatabaseSource):
            return False
        with self.connection.transaction():
            mark = ledger.load_mark(self.connection, plugin)
            if mark is None or mark.scope != _scope_value(source.digest, _scope(plugin, options), self.connection):
                return False
            return read_mark(self.connection, mark.schemas) == mark.mark

    def _plan(self, plugin: str, source: AnySource, options: Options) -> PlanResult:
        connection = self.connection
        head = ledger.head(connection, plugin)
        recorded = ledger.load_recorded(connection, plugin)
        scope = _scope(plugin, options)
        if isinstance(source, Source) and source.is_empty and HazardKind.EMPTY_SOURCE not in options.allow:
            raise HazardError(
                f"the source declares nothing: {source.description}",
                hint="to drop everything on purpose: --allow-empty",
                left="nothing was changed",
            )
        before = recorded.snapshot if recorded else None
        dsn = self._admin_dsn()
        scratch, desired = build_anywhere(connection, options.scratch, source, scope, before, dsn=dsn)
        schemas = _live_schemas(connection, scope, desired, recorded)
        live = read_snapshot(connection, schemas, dependencies=True)
        user = self._user()
        intent = self._intent(plugin, source, desired, live, recorded, scope)
        renamed = rename_first(
            intent, desired.snapshot, live, recorded.snapshot if recorded else None, scratch, scope, current_user=user
        )
        goal = make_goal(desired, renamed.live, renamed.recorded, scope, intent)
        goal = replace(
            goal,
            snapshot=replace(goal.snapshot, schemas=schemas, server_version=live.server_version),
            record=replace(goal.record, schemas=schemas, server_version=live.server_version),
        )
        fixed = read_fixed_extensions(connection, live, goal.snapshot)
        plan = make_plan(renamed.live, goal.snapshot, current_user=user, fixed=fixed, intent=intent)
        if plan.statements:
            plan = make_plan(
                renamed.live,
                goal.snapshot,
                current_user=user,
                sizes=self._sizes(plan, renamed),
                online=options.steps,
                fixed=fixed,
                intent=intent,
            )
        plan = renamed.before(plan, live)
        if options.proof and plan.differences:
            prove(plan, live, goal.snapshot, scratch, scope, current_user=user)
        return PlanResult(
            plugin=plugin,
            plan=plan,
            live=live,
            goal=goal,
            desired_fingerprint=desired.snapshot.fingerprint,
            source_text=source.text if isinstance(source, Source) else _as_source_text(desired.snapshot, user),
            source_description=source.description,
            source_digest=source.digest if isinstance(source, Source) else "",
            recorded=recorded,
            scope=scope,
            options=options,
            scratch=f"{scratch.kind}: {scratch.why}",
            head=head,
            renamed=renamed,
            warnings=(
                *(source.warnings if isinstance(source, Source) else ()),
                *intent.warnings,
                *_unreadable(live),
            ),
        )

    def _intent(
        self,
        plugin: str,
        source: AnySource,
        desired: Desired,
        live: Snapshot,
        recorded: ledger.Recorded | None,
        scope: Scope,
    ) -> Intent:
        hints = source.hints if isinstance(source, Source) else ()
        if not hints:
            return Intent()
        known = recorded.snapshot if recorded else None

        def recorded_text() -> str | None:
            return ledger.show(self.connection, plugin, recorded.idx).source_text if recorded else None

        return find_intent(hints, desired.snapshot, live, known, scope, recorded_text=recorded_text)

    def _apply(
        self,
        planned: PlanResult,
        started: datetime,
        kind: RunKind,
        progress: Callable[[int, Statement], None] | None,
    ) -> MigrateResult:
        plan, options = planned.plan, planned.options
        if plan.unmodelled and not options.ignore_unmodelled:
            raise UnmodelledError(
                f"no rule can plan {len(plan.unmodelled)} differences: "
                + "; ".join(f"{d.change} {d.fact}" for d in plan.unmodelled[:10]),
                hint="change these by hand, or pass --ignore-unmodelled to do the rest",
                left="nothing was changed",
            )
        refused = plan.refused(options.allow)
        if refused:
            raise HazardError(
                "; ".join(hazard.message for hazard in refused[:10]),
                hint=f"allow it with --allow {' --allow '.join(sorted({h.kind.value for h in refused}))}",
                left="nothing was changed",
            )
        created_at = int(started.timestamp() * 1000)
        record = Record(
            plugin=planned.plugin,
            desired_fingerprint=planned.desired_fingerprint,
            snapshot=planned.goal.record,
            source_text=planned.source_text,
            source_description=planned.source_description,
            scope=_scope_value(planned.source_digest, planned.scope, self.connection),
            created_at=created_at,
            tag=_tag(planned, created_at),
        )
        idx: int | None
        if not plan.statements and not self._must_record(planned, kind):
            with self.connection.transaction():
                self._refresh_mark(planned, record)
            return MigrateResult(plugin=planned.plugin, idx=None)
        patience = Patience(timeout_ms=options.lock_timeout_ms, retries=options.lock_retries, pause=self._pause)
        if plan.is_one_transaction:
            idx = retried(lambda: self._apply_at_once(planned, record, started, kind, patience, progress), patience)
        else:
            idx = self._apply_in_steps(planned, record, kind, patience, progress)
        return MigrateResult(plugin=planned.plugin, idx=idx, statements=plan.statements)

    def _pause(self, seconds: float) -> None:
        """Waits in the server, so that a cancel request ends it."""
        with errors_as(doing="wait for the next try"), self.connection.transaction():
            fetch_one(self.connection, "select pg_catalog.pg_sleep(%s)", (seconds,))

    def _apply_in_steps(
        self,
        planned: PlanResult,
        record: Record,
        kind: RunKind,
        patience: Patience,
        progress: Callable[[int, Statement], None] | None,
    ) -> int:
        with lease(self._admin_dsn(), planned.plugin) as check_lease:
            run = StepRun(
                record=record,
                schemas=planned.live.schemas,
                kind=kind,
                clock=self._clock,
                patience=patience,
                check_lease=check_lease,
                begin=lambda: self._require_head(planned),
                progress=progress,
            )
            return run_steps(self.connection, planned.plan, run)

    def _apply_at_once(
        self,
        planned: PlanResult,
        record: Record,
        started: datetime,
        kind: RunKind,
        patience: Patience,
        progress: Callable[[int, Statement], None] | None,
    ) -> int:
        plan = planned.plan
        with self.connection.transaction():
            lock_plugin(self.connection, planned.plugin)
            self._require_head(planned)
            schemas = planned.live.schemas
            end_cut_off_runs(self.connection, planned.plugin, self._clock())
            idx = apply_plan(self.connection, plan, record, schemas, patience=patience, progress=progress)
            ledger.record_run(
                self.connection,
                plugin=planned.plugin,
                kind=kind,
                started_at=started,
                finished_at=self._clock(),
                outcome=RunOutcome.SUCCEEDED,
                idx=idx,
                desired_fingerprint=planned.desired_fingerprint,
                live_before=plan.live_fingerprint,
                live_after=plan.goal_fingerprint,
                statement_count=len(plan.statements),
            )
        return idx

    def _require_head(self, planned: PlanResult) -> None:
        """Raises StalePlanError where somebody recorded something since, or the server is another version's."""
        now = ledger.head(self.connection, planned.plugin)
        if now != planned.head:
            raise StalePlanError(
                f"the record of plugin {planned.plugin} moved since the plan was made: "
                f"from {_migration(planned.head.idx)} to {_migration(now.idx)}",
                hint="plan again",
                left="nothing was changed",
            )
        then, version = planned.live.server_version // 10_000, self.connection.info.server_version // 10_000
        if then != version:
            raise StalePlanError(
                f"the plan was made for Postgres {then}, this is {version}",
                hint="plan again, on this server",
                left="nothing was changed",
            )

    def _must_record(self, planned: PlanResult, kind: RunKind) -> bool:
        recorded = planned.recorded
        if recorded is None:
            return True
        return recorded.snapshot.fingerprint != planned.goal.record.fingerprint or (
            kind is not RunKind.REPAIR and recorded.hash != planned.desired_fingerprint
        )

    def _refresh_mark(self, planned: PlanResult, record: Record) -> None:
        lock_plugin(self.connection, planned.plugin)
        self._require_head(planned)
        ensure_ledger(self.connection)
        if read_snapshot(self.connection, planned.live.schemas).fingerprint != planned.live.fingerprint:
            return
        assert planned.recorded is not None
        end_cut_off_runs(self.connection, planned.plugin, self._clock())
        take_steps(self.connection, planned.plugin, planned.recorded.idx)
        mark = ledger.Mark(
            idx=planned.recorded.idx,
            mark=read_mark(self.connection, planned.live.schemas),
            schemas=planned.live.schemas,
            desired_fingerprint=planned.desired_fingerprint,
            scope=record.scope,
        )
        ledger.save_mark(self.connection, planned.plugin, mark)

    def _record_failure(
        self,
        planned: PlanResult | None,
        kind: RunKind,
        started: datetime,
        error: ReconcilerError,
        *,
        plugin: str | None = None,
    ) -> None:
        """Writes the failed run down in a transaction of its own, where the connection still allows it."""
        if error.is_recorded or self.connection.closed or self.connection.broken:
            return
        try:
            with self.connection.transaction():
                ensure_ledger(self.connection)
                ledger.record_run(
                    self.connection,
                    plugin=planned.plugin if planned else plugin or DEFAULT_PLUGIN,
                    kind=kind,
                    started_at=started,
                    finished_at=self._clock(),
                    outcome=RunOutcome.FAILED,
                    desired_fingerprint=planned.desired_fingerprint if planned else None,
                    live_before=planned.plan.live_fingerprint if planned else None,
                    error=error.message,
                    sqlstate=getattr(error, "sqlstate", None),
                    failed_statement=getattr(error, "statement", None),
                )
        except (ReconcilerError, psycopg.Error) as failure:
            # The first error is the one to tell; that it could not be written down is added to it.
            error.add_note(f"the failed run could not be recorded: {failure}")

    def _scratch(self, scope: Scope, options: Options) -> Scratch:
        return choose_scratch(self.connection, options.scratch, scope, dsn=self._admin_dsn())

    def _admin_dsn(self) -> str:
        """How to reach the same server again, for a temporary database."""
        if self._dsn is not None:
            return self._dsn
        info = self.connection.info
        parameters = {**info.get_parameters(), "password": info.password} if info.password else info.get_parameters()
        return make_conninfo("", **parameters)

    def _user(self) -> str:
        row = fetch_one(self.connection, "select current_user::text")
        return str(row[0]) if row else ""

    def _sizes(self, plan: Plan, renamed: Renamed | None = None) -> Mapping[FactId, TableSize]:
        """The sizes of the tables that the plan is about, by the names that it uses."""
        tables = {
            FactId("table", fact.name[:2])
            for statement in plan.statements
            for fact in (*statement.drops, *statement.alters, *((statement.locks,) if statement.locks else ()))
            if len(fact.name) > 1
        }
        olds = {new: old for old, new in renamed.names.items() if new in tables} if renamed else {}
        found = read_sizes(self.connection, sorted(olds.get(table, table) for table in tables))
        return {table: found[old] for table in tables if (old := olds.get(table, table)) in found}


def reconcile_all(
    dsn_or_connection: str | object,
    sources: Mapping[str, object],
    *,
    options: Options | None = None,
    migrate: Callable[[Reconciler, str, object], MigrateResult] | None = None,
) -> dict[str, MigrateResult]:
    """Migrates every plugin, one after the other; a failing one does not stop the rest.

    Raises PluginFailuresError at the end if any failed; its `.failures` has each one's own error.
    """
    done: dict[str, MigrateResult] = {}
    failures: dict[str, ReconcilerError] = {}
    run = migrate or _migrate
    with Reconciler(dsn_or_connection, options=options) as reconciler:
        for plugin, source in sources.items():
            try:
                done[plugin] = run(reconciler, plugin, source)
            except ReconcilerError as error:
                failures[plugin] = error
    if failures:
        raise PluginFailuresError(failures, succeeded=tuple(done))
    return done


def _tag(planned: PlanResult, created_at_ms: int) -> str | None:
    """The journal's name of the migration, where it is not the usual one."""
    if planned.rolls_back_to is not None:
        return rollback_tag(planned.rolls_back_to, created_at_ms)
    return baseline_tag(created_at_ms) if planned.recorded is None and not planned.plan.statements else None


def _migration(idx: int | None) -> str:
    return "nothing" if idx is None else f"migration {idx}"


def _migrate(reconciler: Reconciler, plugin: str, source: object) -> MigrateResult:
    return reconciler.migrate(plugin, source)


def _unreadable(live: Snapshot) -> Iterable[str]:
    """A warning for each object whose options or connection this role may not read."""
    for fact in live.facts:
        if fact.kind in ("subscription", "user_mapping") and live.definition(fact).get("hidden"):
            yield f"{fact}: this role may not read what it holds, so that is neither compared nor changed"


def _facts_of(state: ObjectState, live: Snapshot) -> set[FactId]:
    return {state.object, *live.descendants(state.object), *(difference.fact for difference in state.differences)}


def _put(facts: dict[FactId, str], fact: FactId, text: str | None) -> None:
    if text is None:
        facts.pop(fact, None)
    else:
        facts[fact] = text


def _source(source: object) -> AnySource:
    return source if isinstance(source, DatabaseSource) else source_from_object(source)


def _read(source: object) -> AnySource | Reading:
    return source if isinstance(source, DatabaseSource) else read_object(source)


def _as_source_text(desired: Snapshot, user: str) -> str:
    """Another database's schema as SQL, so that a rollback can plan from it; "" where a part of it has no rule."""
    from reconciler.compare import rebuild

    plan = rebuild(desired, current_user=user)
    return "" if plan.unmodelled else plan.sql


def _scope(plugin: str, options: Options) -> Scope:
    schemas = options.schemas or (("public",) if plugin == DEFAULT_PLUGIN else (derive_schema_name(plugin),))
    return Scope(schemas=schemas, all_schemas=options.all_schemas, exact=options.exact)


def _live_schemas(
    connection: Connection, scope: Scope, desired: Desired, recorded: ledger.Recorded | None
) -> tuple[str, ...]:
    """The schemas to read in live: the managed ones, those that the source makes, those that were recorded."""
    wanted: Iterable[str] = desired.snapshot.schemas
    if scope.all_schemas:
        wanted = (*wanted, *managed_schemas(connection))
    elif recorded is not None:
        wanted = (*scope.schemas, *wanted, *recorded.snapshot.schemas)
    return tuple(sorted(set(wanted)))


def _scope_value(digest: str, scope: Scope, connection: Connection) -> dict[str, Json]:
    from reconciler.ledger_schema import program_version

    return {
        "database": f"{connection.info.server_version}",
        "exact": str(scope.exact),
        "program": program_version(),
        "schemas": "*" if scope.all_schemas else ",".join(scope.schemas),
        "source": digest,
    }


def _log_statement(position: int, statement: Statement) -> None:
    import logging

    logging.getLogger("reconciler").info("%d: %s", position, statement.sql)


def _as_psycopg(value: object) -> Connection:
    if isinstance(value, psycopg.Connection):
        return cast("Connection", value)
    from reconciler.sqlalchemy_connection import driver_connection

    return driver_connection(value)
