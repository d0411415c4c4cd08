"""The runtime migrator under the names that Drizzle's and elizaOS's users know, in Python's spelling. Does I/O.

Each name is a thin layer over the rest of the package: a plugin's name comes first, as it does there; the metadata is
in the tables of schema `migrations`, and nothing is read from files or written to them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from reconciler.client import Reconciler
from reconciler.diff.diff import Change, diff
from reconciler.ledger.managers import JournalManager, SnapshotManager
from reconciler.model.events import Phase
from reconciler.model.hazards import HazardKind
from reconciler.sqltext.redacted_sql import redact_sql

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

    from reconciler.db.targets import Database
    from reconciler.diff.diff import Difference
    from reconciler.model.events import Event
    from reconciler.model.facts import FactId
    from reconciler.model.hazards import Hazard
    from reconciler.model.snapshot import Snapshot
    from reconciler.options import Drops, Options, WhenBehind
    from reconciler.results import MigrateResult, Status
    from reconciler.source.source import Declaration

__all__ = [
    "ChangedColumns",
    "ChangedObjects",
    "DynamicMigrationManager",
    "JournalManager",
    "MigrationOptions",
    "RuntimeMigrator",
    "SchemaDiff",
    "SchemaDiffEngine",
    "SnapshotManager",
    "execute_dynamic_migration",
]

_LOG = logging.getLogger("reconciler")


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationOptions:
    """How `migrate` works: `force` and `allow_data_loss` both allow what loses data; a dry run changes nothing.

    `verbose` writes each statement to the log `reconciler` before it runs, with secrets masked.
    `when_behind`, `version` and `drops` are those of `Options`, for this migration.
    """

    verbose: bool = False
    force: bool = False
    dry_run: bool = False
    allow_data_loss: bool = False
    when_behind: WhenBehind | None = None
    version: int | str | None = None
    drops: Drops | None = None


class DynamicMigrationManager:
    """Migrates plugins at run time: each has a schema, a journal and snapshots of its own.

    `db` is a URL, an engine, or a connection, as for `Reconciler`.
    """

    def __init__(self, db: Database, *, options: Options | None = None) -> None:
        self._reconciler = Reconciler(db, options=options)
        self.diff_engine = SchemaDiffEngine()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def journal_manager(self) -> JournalManager:
        """The journal rows, one a plugin."""
        return self._reconciler.journals

    @property
    def snapshot_manager(self) -> SnapshotManager:
        """The snapshot rows, one a migration."""
        return self._reconciler.snapshots

    def close(self) -> None:
        """Closes the connection if it is the migrator's own."""
        self._reconciler.close()

    def initialize(self) -> None:
        """Creates the tables of schema `migrations`; may be called any number of times."""
        self._reconciler.initialize()

    def migrate(self, plugin_name: str, schema: Declaration, options: MigrationOptions | None = None) -> MigrateResult:
        """Brings the plugin's schema to the declaration: snapshot, diff, SQL and record in one transaction.

        Raises any ReconcilerError; then the database is as it was.
        """
        chosen = options or MigrationOptions()
        allow = self._reconciler.options.allow
        if chosen.force or chosen.allow_data_loss:
            allow = allow | {HazardKind.DATA_LOSS}
        return self._reconciler.migrate(
            schema,
            plugin=plugin_name,
            dry_run=chosen.dry_run,
            when_behind=chosen.when_behind,
            version=chosen.version,
            drops=chosen.drops,
            options=replace(self._reconciler.options, allow=allow),
            on_event=_log_statement if chosen.verbose else None,
        )

    def check_migration(self, plugin_name: str, schema: Declaration) -> tuple[Hazard, ...] | None:
        """What the migration would lose: its data-loss hazards, or None where it loses nothing."""
        return self._reconciler.check_migration(schema, plugin=plugin_name)

    def get_status(self, plugin_name: str) -> Status:
        """Whether the plugin was migrated, its last migration, its journal, how many snapshots there are."""
        return self._reconciler.status(plugin=plugin_name)

    def reset(self, plugin_name: str) -> int:
        """Deletes the plugin's rows in schema `migrations`, and nothing else; returns their number."""
        return self._reconciler.reset(plugin=plugin_name)


RuntimeMigrator = DynamicMigrationManager


def execute_dynamic_migration(db: Database, plugin_name: str, schema: Declaration) -> MigrateResult:
    """One migration of one plugin, with a connection of its own where `db` says only where the database is."""
    with DynamicMigrationManager(db) as manager:
        return manager.migrate(plugin_name, schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedObjects:
    """Objects that were created, that have another definition (or part) than before, and that were deleted."""

    created: tuple[FactId, ...] = ()
    modified: tuple[FactId, ...] = ()
    deleted: tuple[FactId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedColumns:
    """The same of columns, which are added to a table."""

    added: tuple[FactId, ...] = ()
    modified: tuple[FactId, ...] = ()
    deleted: tuple[FactId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaDiff:
    """What differs between two snapshots, in Drizzle's groups; `others` has all kinds that it does not know.

    Columns, indexes and constraints of a table that was created or deleted are in their own groups too.
    """

    tables: ChangedObjects = field(default_factory=ChangedObjects)
    columns: ChangedColumns = field(default_factory=ChangedColumns)
    indexes: ChangedObjects = field(default_factory=ChangedObjects)
    constraints: ChangedObjects = field(default_factory=ChangedObjects)
    others: ChangedObjects = field(default_factory=ChangedObjects)

    @property
    def is_empty(self) -> bool:
        """Whether the snapshots are the same."""
        return self == SchemaDiff()


class SchemaDiffEngine:
    """Compares two snapshots."""

    def calculate_diff(self, previous: Snapshot, current: Snapshot) -> SchemaDiff:
        """What must happen to `previous` to become `current`."""
        found = diff(previous, current)
        # A table is modified where something within it is: a default, a comment, a trigger.
        within = {
            owner
            for each in found
            if (owner := (current if each.fact in current.facts else previous).object_of(each.fact)).kind == "table"
            and owner in previous.facts
            and owner in current.facts
        }
        tables = _objects(each for each in found if each.fact.kind == "table")
        columns = _objects(each for each in found if each.fact.kind in ("column", "default"))
        known = ("table", "column", "default", "index", "constraint")
        return SchemaDiff(
            tables=replace(tables, modified=tuple(sorted({*tables.modified, *within}))),
            columns=_columns(columns),
            indexes=_objects(each for each in found if each.fact.kind == "index"),
            constraints=_objects(each for each in found if each.fact.kind == "constraint"),
            others=_objects(each for each in found if each.fact.kind not in known),
        )


def _log_statement(event: Event) -> None:
    if event.phase is Phase.STARTED:
        _LOG.info("plugin %s: %d/%d %s", event.plugin, event.position, event.total, redact_sql(event.statement.sql))


def _objects(differences: Iterable[Difference]) -> ChangedObjects:
    groups: dict[Change, list[FactId]] = {change: [] for change in Change}
    for each in differences:
        groups[each.change].append(each.fact)
    return ChangedObjects(
        created=tuple(groups[Change.ADDED]),
        modified=tuple(groups[Change.CHANGED]),
        deleted=tuple(groups[Change.REMOVED]),
    )


def _columns(found: ChangedObjects) -> ChangedColumns:
    """A column with another default is modified, whatever happened to the default itself."""
    columns = {
        kind: {each for each in facts if each.kind == "column"}
        for kind, facts in (("added", found.created), ("modified", found.modified), ("deleted", found.deleted))
    }
    defaults = {
        each._replace(kind="column")
        for each in (*found.created, *found.modified, *found.deleted)
        if each.kind == "default"
    }
    modified = columns["modified"] | (defaults - columns["added"] - columns["deleted"])
    return ChangedColumns(
        added=tuple(sorted(columns["added"])),
        modified=tuple(sorted(modified)),
        deleted=tuple(sorted(columns["deleted"])),
    )
