"""What other plugins have recorded, and which schemas they manage. Does I/O, and only reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psycopg import sql

from reconciler.db.connections import errors_as
from reconciler.db.ledger_schema import ledger_cursor
from reconciler.errors import ConfigError, LedgerDamagedError, LedgerError
from reconciler.ledger.history import load_history
from reconciler.ledger.managers import SnapshotManager
from reconciler.ledger.migrations import load_plugins
from reconciler.ledger.schema import OF_PLUGINS, TABLES, ledger_state
from reconciler.ledger.trust import require_own_ledger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from reconciler.db.connections import Connection
    from reconciler.ledger.history import HistoryEntry
    from reconciler.model.facts import FactId
    from reconciler.model.snapshot import Snapshot

__all__ = [
    "Others",
    "PluginEntry",
    "list_plugins",
    "load_others",
    "migrations_since",
    "rename_plugin",
    "schemas_held",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginEntry:
    """A plugin that the ledger knows: its schemas, its last migration, how many objects it has recorded.

    `schemas` is None where another program wrote its record.
    """

    name: str
    schemas: tuple[str, ...] | None
    idx: int | None
    recorded_at: datetime | None
    object_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Others:
    """What all plugins but one have recorded last: the plugin of each fact, and the first one of each schema."""

    facts: Mapping[FactId, str] = field(default_factory=dict["FactId", str])
    schemas: Mapping[str, str] = field(default_factory=dict[str, str])


def load_others(connection: Connection, plugin: str, damaged: list[LedgerDamagedError] | None = None) -> Others:
    """What is recorded of all plugins but this one; of a schema that this one had before, another is not the first.

    Raises LedgerDamagedError for a snapshot that is damaged, or adds it to `damaged` and passes it over.
    """
    facts: dict[FactId, str] = {}
    schemas: dict[str, str] = {}
    for name in _by_age(connection):
        try:
            snapshot = SnapshotManager(connection).get_latest_snapshot(name)
        except LedgerDamagedError as error:
            if damaged is None:
                raise
            damaged.append(error)
            continue
        if snapshot is None:
            continue
        for schema in schemas_held(snapshot):
            schemas.setdefault(schema, name)
        if name != plugin:
            for fact in snapshot.facts:
                if fact.schema is not None and fact.kind != "schema":
                    facts.setdefault(fact, name)
    return Others(facts=facts, schemas={schema: name for schema, name in schemas.items() if name != plugin})


def schemas_held(snapshot: Snapshot) -> tuple[str, ...]:
    """The schemas of a record in which it has anything."""
    held = {fact.schema for fact in snapshot.facts}
    return tuple(schema for schema in snapshot.schemas if schema in held)


def list_plugins(connection: Connection) -> tuple[PluginEntry, ...]:
    """All plugins that are recorded, sorted by name."""
    last: dict[str, HistoryEntry] = {}
    for entry in load_history(connection):
        last[entry.plugin] = max(last.get(entry.plugin, entry), entry, key=lambda each: each.idx)
    found: list[PluginEntry] = []
    for name in load_plugins(connection):
        snapshot = SnapshotManager(connection).get_latest_snapshot(name)
        facts = snapshot.facts if snapshot is not None else ()
        owners = {snapshot.object_of(fact) for fact in facts if snapshot is not None and fact.schema is not None}
        found.append(
            PluginEntry(
                name=name,
                schemas=schemas_held(snapshot) if snapshot is not None else None,
                idx=last[name].idx if name in last else None,
                recorded_at=last[name].created_at if name in last else None,
                object_count=sum(owner.kind != "schema" for owner in owners),
            )
        )
    return tuple(found)


def migrations_since(connection: Connection, plugin: str) -> Mapping[str, str]:
    """The plugins that were migrated after this one was last, and by which migration, in words."""
    latest: dict[str, HistoryEntry] = {}
    for entry in load_history(connection, damaged=[]):
        latest[entry.plugin] = max(latest.get(entry.plugin, entry), entry, key=lambda each: each.idx)
    own = latest.get(plugin)
    return {
        name: f"migration {entry.idx} of plugin {name}"
        for name, entry in latest.items()
        if name != plugin and own is not None and entry.created_at >= own.created_at
    }


def rename_plugin(connection: Connection, old: str, new: str) -> int:
    """Writes `new` where the ledger has `old`; returns how many rows that were. Raises ConfigError, LedgerError."""
    names = load_plugins(connection)
    if old not in names:
        raise ConfigError(f"nothing is recorded of plugin {old}", hint=f"recorded are: {', '.join(names) or 'none'}")
    if new in names:
        raise ConfigError(
            f"plugin {new} is recorded already", hint="`reconciler reset` forgets a record; its objects stay"
        )
    state = ledger_state(connection)
    require_own_ledger(connection, TABLES)
    changed = 0
    with errors_as(LedgerError, f"rename plugin {old}"), ledger_cursor(connection) as rows:
        for table in sorted(state.tables & OF_PLUGINS):
            query = sql.SQL("UPDATE :ledger.{} SET plugin_name = %s WHERE plugin_name = %s")
            changed += rows.execute(query.format(sql.Identifier(table)), [new, old]).rowcount
    return changed


def _by_age(connection: Connection) -> tuple[str, ...]:
    """The recorded plugins, the one with the first migration first."""
    names = load_plugins(connection)
    if "_migrations" not in ledger_state(connection):
        return names
    with errors_as(LedgerError, "list the plugins"), ledger_cursor(connection) as rows:
        first: dict[str, int] = dict(
            rows.execute("SELECT plugin_name, min(id) FROM :ledger._migrations GROUP BY 1").fetchall()
        )
    return tuple(sorted(names, key=lambda name: (name not in first, first.get(name, 0))))
