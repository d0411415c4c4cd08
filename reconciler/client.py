"""The use cases: plan, apply, migrate, check, repair, adopt, and what the ledger tells. Does I/O.

One `Reconciler` has one connection. Every use case is a sequence of transactions on it: one that looks, builds and
rehearses and is always rolled back, and one that applies and records.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.apply.transaction import require_live
from reconciler.db.connections import transaction
from reconciler.db.session import Session
from reconciler.errors import (
    ConfigError,
    LedgerDamagedError,
    PluginFailuresError,
    ReconcilerError,
)
from reconciler.hazards.policy import refused_of
from reconciler.ledger.history import HistoryEntry, MigrationRecord, load_history, load_migration
from reconciler.ledger.incidents import load_incidents
from reconciler.ledger.managers import JournalManager, SnapshotManager
from reconciler.ledger.migrations import forget_plugin
from reconciler.ledger.plugins import PluginEntry, list_plugins, rename_plugin
from reconciler.ledger.runs import RunKind
from reconciler.ledger.schema import ensure_ledger, plugin_locked
from reconciler.ledger.trust import damage_note
from reconciler.model.hazards import Hazard, HazardKind
from reconciler.model.plugins import DEFAULT_PLUGIN, require_plugin_name
from reconciler.options import Drops, Options, Proof, WhenBehind, with_choices
from reconciler.preflight.preflight import run_preflight
from reconciler.results import CheckResult, MigrateResult, PlanResult, Status
from reconciler.source.reading import Reading, read_object, source_from_object, source_from_text
from reconciler.source.source import DatabaseSource
from reconciler.workflows.attribution import with_authors
from reconciler.workflows.check import check_recorded, check_source
from reconciler.workflows.execute_plan import (
    require_head_of,
)
from reconciler.workflows.make_plan import plan_source
from reconciler.workflows.outlook import look_ahead
from reconciler.workflows.plugin_order import run_in_order
from reconciler.workflows.reconcile import apply_plan, reconcile
from reconciler.workflows.repair import restrict_to_drift
from reconciler.workflows.status import read_status
from reconciler.workflows.uninstall import archive_plugin, forget_uninstalled, own_schemas

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime
    from types import TracebackType
    from typing import Self

    from reconciler.db.connections import Connection
    from reconciler.db.targets import Database
    from reconciler.model.events import Event
    from reconciler.model.facts import FactId
    from reconciler.model.incidents import Incident
    from reconciler.source.files import DeclaredFiles
    from reconciler.source.source import AnySource, Declaration
    from reconciler.workflows.pull import Pull

__all__ = ["Reconciler", "reconcile_all"]

_log = logging.getLogger("reconciler")


class Reconciler:
    """Keeps one database equal to what is declared.

    `database` is a URL, a conninfo string, an engine, an asynchronous connection or SQLAlchemy's URL: a connection is
    opened there when it is needed and closed by `close`. Or it is a psycopg connection, or a SQLAlchemy connection or
    session on psycopg: that is used as it is and never closed. Where it is idle, every use case begins and commits
    transactions of its own on it; where it is in a transaction, everything happens inside (behind savepoints), and the
    caller commits.
    """

    def __init__(
        self,
        database: Database,
        *,
        options: Options | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.options = options or Options()
        self._session = Session(database, clock, ledger_schema=self.options.ledger_schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def connection(self) -> Connection:
        """The connection in use, opened where it is ours. Raises ConnectError."""
        return self._session.connection

    @property
    def dsn(self) -> str:
        """How to reach the same server again, with the password."""
        return self._session.dsn

    def close(self) -> None:
        """Closes the connection if it is ours."""
        self._session.close()

    def initialize(self) -> None:
        """Makes the ledger's tables, or brings them to this version; may be called any number of times."""
        with transaction(self.connection):
            ensure_ledger(self.connection, self.options.longest_wait_ms)

    # --- looking ---------------------------------------------------------------------------------------------------

    def plan(self, source: Declaration, *, plugin: str = DEFAULT_PLUGIN, options: Options | None = None) -> PlanResult:
        """What would have to be done; nothing is changed, nothing is recorded.

        An older declaration is planned too, and the plan is `behind` then. Raises SourceError, ScratchError, PlanError,
        ProofError, and BehindError where `when_behind` is `fail`.
        """
        chosen = self._chosen(options)
        with transaction(self.connection, force_rollback=True):
            found = plan_source(self._session, plugin, _source(source), chosen, older=chosen.takes_older)
        return self.refresh_findings(found)

    def check(
        self, source: Declaration | None = None, *, plugin: str = DEFAULT_PLUGIN, options: Options | None = None
    ) -> CheckResult:
        """The state of each object: recorded, live and declared side by side. Nothing is changed.

        Without a source, or with an older one, live is compared with what was recorded. Raises as `plan` does, but for
        the proof, and ConfigError where there is neither a source nor a record.
        """
        chosen = replace(self._chosen(options), proof=Proof.OFF)
        with transaction(self.connection, force_rollback=True):
            if source is None:
                found = check_recorded(self._session, plugin, chosen)
            else:
                found = check_source(self._session, plugin, _source(source), chosen)
        return with_authors(self.connection, found)

    def check_all(self, *, options: Options | None = None) -> tuple[dict[str, CheckResult], dict[str, ReconcilerError]]:
        """Each recorded plugin compared with its record, as `check` without a source does, and the errors of some.

        What is managed is what each plugin's last run managed. Nothing is changed.
        """
        found: dict[str, CheckResult] = {}
        failures: dict[str, ReconcilerError] = {}
        for each in self.plugins():
            try:
                found[each.name] = self.check_recorded(each.name, options=options)
            except ReconcilerError as error:
                failures[each.name] = error
        return found, failures

    def check_recorded(self, plugin: str, *, options: Options | None = None) -> CheckResult:
        """The plugin compared with its record; what is managed is what its last run managed. Nothing is changed."""
        from reconciler.workflows import rollback

        chosen = replace(self._chosen(options), proof=Proof.OFF)
        with transaction(self.connection, force_rollback=True):
            own = rollback.in_last_scope(self.connection, plugin, chosen)
            result = check_recorded(self._session, plugin, own)
        return with_authors(self.connection, result)

    def record_incidents(self, result: CheckResult, *, healed: bool = False) -> CheckResult:
        """The same result with its incidents: drift that is new opens one, what is over is closed.

        Where this role may not write the ledger nothing is recorded; then `incidents.unrecorded` says why. `healed`
        tells that `heal` came just before.
        """
        from reconciler.workflows.incidents import record_incidents

        return replace(result, incidents=record_incidents(self._session, result, healed=healed))

    def incidents(self, *, plugin: str | None = None, closed: bool = False) -> tuple[Incident, ...]:
        """The incidents of one plugin or of all, newest first; with `closed` also those that are over."""
        with transaction(self.connection):
            return load_incidents(self.connection, plugin, closed=closed, at=self._session.clock())

    def acknowledge(self, incident: int, reason: str, *, until: datetime | None = None) -> Incident:
        """Takes the drift of an incident for known, for good or until a time; another drift of the same is not.

        Raises ConfigError where there is no such incident, it is over, or the reason is missing.
        """
        from reconciler.workflows.incidents import acknowledge

        return acknowledge(self._session, incident, reason, until)

    def check_migration(
        self, source: Declaration, *, plugin: str = DEFAULT_PLUGIN, options: Options | None = None
    ) -> tuple[Hazard, ...] | None:
        """What the migration would lose: its data-loss hazards, or None where it loses nothing."""
        found = refused_of(self.plan(source, plugin=plugin, options=options).plan.hazards, frozenset())
        return found or None

    def status(self, *, plugin: str = DEFAULT_PLUGIN) -> Status:
        """What the ledger knows of the plugin; also where there is no ledger."""
        with transaction(self.connection):
            return read_status(self.connection, plugin)

    def history(self, *, plugin: str | None = None) -> tuple[HistoryEntry, ...]:
        """All recorded migrations. A journal that is damaged is passed over, with a warning in the log `reconciler`."""
        damaged: list[LedgerDamagedError] = []
        with transaction(self.connection):
            entries = load_history(self.connection, plugin, damaged)
        for each in damaged:
            logging.getLogger("reconciler").warning("%s", damage_note(each))
        return entries

    def show(self, idx: int, *, plugin: str = DEFAULT_PLUGIN) -> MigrationRecord:
        """One recorded migration with its statements and source. Raises LedgerError where there is none."""
        with transaction(self.connection):
            return load_migration(self.connection, plugin, idx)

    def plugins(self) -> tuple[PluginEntry, ...]:
        """All recorded plugins, by their names."""
        with transaction(self.connection):
            return list_plugins(self.connection)

    def rename_plugin(self, old: str, new: str) -> int:
        """Gives a plugin another name in the ledger, with its history; returns the number of rows.

        Its schema keeps its name. Raises ConfigError where there is no plugin `old`, or one is called `new` already.
        """
        require_plugin_name(new)
        with ExitStack() as locks:
            for name in sorted({old, new}):
                locks.enter_context(plugin_locked(self.connection, name, self.options.longest_wait_ms))
            return rename_plugin(self.connection, old, new)

    def uninstall_plugin(
        self, plugin: str, *, archive: bool = False, options: Options | None = None
    ) -> tuple[str, ...]:
        """Drops all that is recorded of the plugin and forgets it; gives a line for each thing done.

        What would lose data is refused unless the options allow it. With `archive` nothing is dropped: the plugin's own
        schemas get another name, and keep their rows. Raises ConfigError where nothing is recorded of the plugin, as
        `apply` does, and PlanError where others use what would be dropped.
        """
        from reconciler.workflows import rollback

        chosen = self._chosen(options)
        chosen = replace(chosen, allow=chosen.allow | {HazardKind.EMPTY_SOURCE})
        with plugin_locked(self.connection, plugin, chosen.longest_wait_ms):
            schemas = own_schemas(self.connection, plugin)
            if archive:
                return archive_plugin(self.connection, plugin, self._session.clock().date())
            chosen = rollback.in_last_scope(self.connection, plugin, chosen)
        planned = self.plan(source_from_text("", origin="<uninstall>"), plugin=plugin, options=chosen)
        done = self.apply(planned)
        with plugin_locked(self.connection, plugin, chosen.longest_wait_ms):
            lines = forget_uninstalled(self.connection, plugin, schemas)
        return (f"{len(done.statements)} statements dropped what was recorded", *lines)

    def reset(self, *, plugin: str = DEFAULT_PLUGIN) -> int:
        """Forgets what was recorded of the plugin, in the ledger only; returns the number of rows."""
        with plugin_locked(self.connection, plugin, self.options.longest_wait_ms):
            return forget_plugin(self.connection, plugin)

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

        Raises StalePlanError where live or the migration history changed since the plan was made.
        """
        with transaction(self.connection, force_rollback=True):
            require_head_of(self.connection, planned)
            require_live(self.connection, planned.plan, planned.extent)

    def refresh_findings(self, planned: PlanResult) -> PlanResult:
        """The same with the preflight's findings, and sizes and speeds, of now, read in separate transactions."""
        findings = run_preflight(self.connection, planned)
        return replace(planned, findings=findings, outlook=look_ahead(self.connection, planned))

    # --- changing --------------------------------------------------------------------------------------------------

    def migrate(
        self,
        source: Declaration,
        *,
        plugin: str = DEFAULT_PLUGIN,
        dry_run: bool = False,
        allow_data_loss: bool = False,
        when_behind: WhenBehind | str | None = None,
        version: int | str | None = None,
        drops: Drops | str | None = None,
        options: Options | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> MigrateResult:
        """Brings live to the declaration and records it: what an application calls when it starts.

        Safe for any number of processes at once. Does next to nothing where live is still what was recorded and the
        declaration did not move. `allow_data_loss` allows it; `dry_run` changes nothing at all. `on_event` is told
        of each statement; so is the log `reconciler`, at INFO.

        A declaration that is older than what the database is at leaves it alone, and the result is `behind`;
        `when_behind`, the application's `version` and `drops` are as in `Options`.

        Raises any ReconcilerError; then live is as it was, and the failed run is recorded.
        """
        chosen = with_choices(options or self.options, when_behind=when_behind, version=version, drops=drops)
        if allow_data_loss:
            chosen = replace(chosen, allow=chosen.allow | {HazardKind.DATA_LOSS})
        return reconcile(
            self._session,
            plugin,
            _read(source),
            self._chosen(chosen),
            RunKind.APPLY,
            dry_run=dry_run,
            on_event=on_event,
        )

    def apply(
        self,
        planned: PlanResult,
        *,
        kind: RunKind = RunKind.APPLY,
        on_event: Callable[[Event], None] | None = None,
    ) -> MigrateResult:
        """Applies a plan that `plan` made. Raises StalePlanError where live changed since; a failed run is recorded."""
        return apply_plan(self._session, planned, kind, on_event)

    def adopt(
        self,
        source: Declaration,
        *,
        plugin: str = DEFAULT_PLUGIN,
        change: bool = False,
        options: Options | None = None,
    ) -> MigrateResult:
        """Records a database that already holds the schema as the plugin's baseline; on it no statement runs.

        What differs is changed with `change`, which raises as `migrate`. Raises ConfigError for it without.
        """
        read = _read(source)
        return reconcile(self._session, plugin, read, self._chosen(options), RunKind.ADOPT, only_record=not change)

    def repair(
        self,
        source: Declaration,
        *,
        plugin: str = DEFAULT_PLUGIN,
        accept: bool = False,
        objects: Sequence[str] = (),
        options: Options | None = None,
        dry_run: bool = False,
        on_event: Callable[[Event], None] | None = None,
    ) -> MigrateResult:
        """Ends drift: brings drifted objects back to the declaration, or with `accept` records live as it is.

        `objects` (`table:app.users`) narrows. What is only pending stays pending.
        """
        chosen = options or self.options
        planned = self.plan_repair(source, plugin=plugin, accept=accept, objects=objects, options=chosen)
        if dry_run:
            return MigrateResult(plugin=plugin, idx=None, statements=planned.plan.statements, dry_run=True)
        return self.apply(planned, kind=RunKind.REPAIR, on_event=on_event)

    def heal(
        self,
        plugin: str,
        facts: Collection[FactId],
        *,
        options: Options | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> MigrateResult:
        """Brings drifted facts back to what was recorded, and nothing else; what is declared since stays pending.

        The declaration that was recorded last is planned, so none is needed. Raises as `plan` and `apply`, and
        ConfigError where none was recorded or the facts did not drift.
        """
        from reconciler.workflows.heal import plan_heal

        chosen = self._chosen(options)
        with transaction(self.connection, force_rollback=True):
            planned = plan_heal(self._session, plugin, facts, chosen)
        return self.apply(self.refresh_findings(planned), kind=RunKind.REPAIR, on_event=on_event)

    def plan_repair(
        self,
        source: Declaration,
        *,
        plugin: str = DEFAULT_PLUGIN,
        accept: bool = False,
        objects: Sequence[str] = (),
        options: Options | None = None,
    ) -> PlanResult:
        """What `repair` would do. Raises ConfigError where an object of `objects` did not drift."""
        chosen = self._chosen(options)
        with transaction(self.connection, force_rollback=True):
            unproven = replace(chosen, proof=Proof.OFF)
            found = plan_source(self._session, plugin, _source(source), unproven, older=chosen.takes_older)
            narrowed = restrict_to_drift(self._session, found, accept=accept, objects=objects, options=chosen)
        return self.refresh_findings(narrowed)

    def plan_pull(
        self,
        files: DeclaredFiles,
        *,
        plugin: str = DEFAULT_PLUGIN,
        objects: Sequence[str] = (),
        only: Collection[str] | None = None,
        recorded: bool = False,
        options: Options | None = None,
    ) -> Pull:
        """The changes of the files after which they declare what live has; nothing is changed or written.

        `objects` (`table:app.users`) must differ; of those in `only` some may be declared already. With `recorded` what
        drifted is left out. Raises SourceError where no change of them does, ConfigError where an object of `objects`
        does not differ.
        """
        from reconciler.workflows.pull import plan_pull

        chosen = self._chosen(options)
        return plan_pull(self._session, plugin, files, chosen, objects=objects, only=only, recorded=recorded)

    def rollback(
        self,
        *,
        plugin: str = DEFAULT_PLUGIN,
        to: int | None = None,
        steps: int | None = None,
        options: Options | None = None,
        dry_run: bool = False,
        on_event: Callable[[Event], None] | None = None,
    ) -> MigrateResult:
        """Brings back what migration `to`, or the one `steps` before the last, declared, as a new migration.

        The schema comes back, rows that were lost do not. Raises as `plan_rollback` and `apply`.
        """
        planned = self.plan_rollback(plugin=plugin, to=to, steps=steps, options=options)
        if dry_run:
            return MigrateResult(plugin=plugin, idx=None, statements=planned.plan.statements, dry_run=True)
        return self.apply(planned, kind=RunKind.ROLLBACK, on_event=on_event)

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
        from reconciler.workflows import rollback

        chosen = self._chosen(options)
        with transaction(self.connection, force_rollback=True):
            found = rollback.plan_rollback(self._session, plugin, chosen, to=to, steps=steps)
        return self.refresh_findings(found)

    # --- inside ----------------------------------------------------------------------------------------------------

    def _chosen(self, options: Options | None) -> Options:
        """The options as they hold here: inside of the caller's transaction nothing is done in steps unasked."""
        chosen = options or self.options
        if chosen.ledger_schema not in (None, self.options.ledger_schema):
            raise ConfigError(
                f"the ledger's schema cannot be {chosen.ledger_schema} for one use case",
                hint="name it in the options of the Reconciler itself",
            )
        if chosen.online is None and not self._session.is_idle:
            return replace(chosen, online=False)
        return chosen


def reconcile_all(
    database: Database,
    sources: Mapping[str, Declaration],
    *,
    options: Options | None = None,
    migrate: Callable[[Reconciler, str, Declaration], MigrateResult] | None = None,
) -> dict[str, MigrateResult]:
    """Migrates every plugin, one after the other; a failing one does not stop the rest.

    A plugin runs after those that the options' `depends_on` names for it; one that needs what another is yet to create
    runs again after that. Recorded plugins that `sources` does not name are logged: what they have stays.

    Raises PluginFailuresError at the end if any failed; its `.failures` has each one's own error.
    """
    run = migrate or _migrate
    depends_on = (options or Options()).depends_on
    with Reconciler(database, options=options) as reconciler:
        done, failures = run_in_order(sources, depends_on, lambda plugin: run(reconciler, plugin, sources[plugin]))
        if done:
            _log_undeclared(reconciler, sources)
    if failures:
        raise PluginFailuresError(failures, succeeded=tuple(done))
    return done


def _log_undeclared(reconciler: Reconciler, sources: Collection[str]) -> None:
    try:
        recorded = reconciler.plugins()
    except ReconcilerError as error:
        # All that was asked for is done by now: a connection that is lost here makes no start fail.
        _log.warning("which plugins are recorded could not be read: %s", error.message)
        return
    for each in recorded:
        if each.name not in sources:
            _log.warning(
                "plugin %s is recorded and no longer declared: its objects stay"
                " (`reconciler plugin uninstall` drops them)",
                each.name,
            )


def _migrate(reconciler: Reconciler, plugin: str, source: Declaration) -> MigrateResult:
    return reconciler.migrate(source, plugin=plugin)


def _source(source: Declaration) -> AnySource:
    return source if isinstance(source, DatabaseSource) else source_from_object(source)


def _read(source: Declaration) -> AnySource | Reading:
    return source if isinstance(source, DatabaseSource) else read_object(source)
