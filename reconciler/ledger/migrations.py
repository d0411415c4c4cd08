"""Migrations written down and read back: their statements, sources, and the state that each leads to. Does I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import sql

from reconciler.db.connections import errors_as
from reconciler.db.ledger_schema import ledger_cursor
from reconciler.errors import LedgerError
from reconciler.ledger.managers import JournalEntry, JournalManager, SnapshotManager
from reconciler.ledger.schema import OF_RECORD, TABLES, ledger_state
from reconciler.ledger.trust import require_own_ledger
from reconciler.model.facts import Json, canonical_json
from reconciler.model.plugins import migration_tag
from reconciler.redaction.dsn import redact
from reconciler.sqltext.redacted_sql import redact_sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.db.connections import Connection
    from reconciler.model.facts import FactId
    from reconciler.model.snapshot import Snapshot

__all__ = [
    "Head",
    "Migration",
    "Recorded",
    "RecordedStatement",
    "forget_plugin",
    "last_migration",
    "load_head",
    "load_plugins",
    "load_recorded",
    "record_migration",
    "recorded_by_others",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedStatement:
    """One statement of a migration. `hazards` is what the plan said of it, as JSON."""

    sql: str
    hazards: tuple[Json, ...] = ()
    transactional: bool = True
    duration_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """A row of _migrations. `created_at` is in milliseconds since 1970."""

    id: int
    hash: str
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The state that the ledger last wrote down, and the hash of what was declared then."""

    hash: str
    idx: int
    snapshot: Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How far a plugin's record has come, whoever wrote it: the highest idx of its snapshots, the last hash."""

    idx: int | None
    hash: str | None


def record_migration(
    connection: Connection,
    *,
    plugin: str,
    migration_hash: str,
    snapshot: Snapshot,
    statements: Sequence[RecordedStatement],
    source_text: str,
    source_description: str,
    created_at: int,
    tag: str | None = None,
) -> int:
    """Writes one migration down and returns its idx; a baseline is one without statements, with `baseline_tag`.

    `snapshot` is the state that it leads to, `created_at` the time in milliseconds since 1970. It is put right where
    this machine's clock is behind the one that recorded the migration before, so that the last stays the last.
    Passwords are taken out of the statements; `source_text` is written as it is given.
    """
    journals = JournalManager(connection)
    idx = journals.get_next_idx(plugin)
    last = last_migration(connection, plugin)
    when = max(created_at, last.created_at) if last else created_at
    journals.add_entry(plugin, JournalEntry(idx=idx, when=when, tag=tag or migration_tag(plugin, idx, when)))
    SnapshotManager(connection).save_snapshot(plugin, idx, "current", snapshot)
    with errors_as(LedgerError, f"record migration {idx} of plugin {plugin}"), ledger_cursor(connection) as rows:
        row = rows.execute(
            "INSERT INTO :ledger._migrations (plugin_name, hash, created_at) VALUES (%s, %s, %s) RETURNING id",
            [plugin, migration_hash, when],
        ).fetchone()
        rows.execute(
            "INSERT INTO :ledger._sources (plugin_name, idx, migration_id, text, description)"
            " VALUES (%s, %s, %s, %s, %s)",
            [plugin, idx, row[0] if row else None, source_text, redact(source_description)],
        )
        rows.executemany(
            "INSERT INTO :ledger._statements (plugin_name, idx, position, sql, hazards, transactional, duration_ms)"
            " VALUES (%s, %s, %s, %s, %s::jsonb, %s, %s)",
            [
                (
                    plugin,
                    idx,
                    position,
                    redact_sql(each.sql),
                    canonical_json(list(each.hazards)),
                    each.transactional,
                    each.duration_ms,
                )
                for position, each in enumerate(statements, start=1)
            ],
        )
    return idx


def last_migration(connection: Connection, plugin: str) -> Migration | None:
    """The plugin's last row of _migrations."""
    if "_migrations" not in ledger_state(connection):
        return None
    with errors_as(LedgerError, f"read the migrations of plugin {plugin}"), ledger_cursor(connection) as rows:
        row = rows.execute(
            "SELECT id, hash, created_at FROM :ledger._migrations WHERE plugin_name = %s"
            " ORDER BY created_at DESC, id DESC LIMIT 1",
            [plugin],
        ).fetchone()
    return Migration(id=row[0], hash=row[1], created_at=row[2]) if row else None


def load_recorded(connection: Connection, plugin: str) -> Recorded | None:
    """What was last recorded for `plugin`; None where nothing was, or where another program's format holds it."""
    last = last_migration(connection, plugin)
    latest = SnapshotManager(connection).load_latest(plugin)
    if last is None or latest is None:
        return None
    idx, snapshot = latest
    return None if snapshot is None else Recorded(hash=last.hash, idx=idx, snapshot=snapshot)


def recorded_by_others(connection: Connection, plugin: str, facts: Iterable[FactId]) -> frozenset[FactId]:
    """Those of the facts that other plugins have in their last record."""
    wanted = {canonical_json([[fact.kind, list(fact.name)]]): fact for fact in facts}
    if not wanted or "_snapshots" not in ledger_state(connection):
        return frozenset()
    with errors_as(LedgerError, "read the snapshots of other plugins"), ledger_cursor(connection) as rows:
        found = rows.execute(
            "SELECT DISTINCT w.fact FROM :ledger._snapshots s"
            " JOIN unnest(%s::text[]) w(fact) ON s.snapshot -> 'facts' @> w.fact::jsonb"
            " WHERE s.plugin_name <> %s AND s.idx ="
            " (SELECT max(l.idx) FROM :ledger._snapshots l WHERE l.plugin_name = s.plugin_name)",
            [list(wanted), plugin],
        ).fetchall()
    return frozenset(wanted[row[0]] for row in found)


def load_head(connection: Connection, plugin: str) -> Head:
    """How far the plugin's record has come; it moves with each migration, and when the plugin is reset."""
    last = last_migration(connection, plugin)
    idx: int | None = None
    if "_snapshots" in ledger_state(connection):
        with errors_as(LedgerError, f"read the snapshots of plugin {plugin}"), ledger_cursor(connection) as rows:
            row = rows.execute("SELECT max(idx) FROM :ledger._snapshots WHERE plugin_name = %s", [plugin]).fetchone()
        idx = row[0] if row else None
    return Head(idx=idx, hash=last.hash if last else None)


def load_plugins(connection: Connection) -> tuple[str, ...]:
    """The names of all plugins that have a journal or a migration, sorted."""
    state = ledger_state(connection)
    names: set[str] = set()
    with errors_as(LedgerError, "list the plugins"), ledger_cursor(connection) as rows:
        for table in ("_journal", "_migrations"):
            if table in state:
                query = sql.SQL("SELECT DISTINCT plugin_name FROM :ledger.{}").format(sql.Identifier(table))
                names.update(row[0] for row in rows.execute(query))
    return tuple(sorted(names))


def forget_plugin(connection: Connection, plugin: str) -> int:
    """Deletes all rows of `plugin` from the ledger, and nothing else; returns how many there were.

    Raises LedgerError where the ledger is not as reconciler makes it.
    """
    state = ledger_state(connection)
    require_own_ledger(connection, TABLES)
    deleted = 0
    with errors_as(LedgerError, f"reset plugin {plugin}"), ledger_cursor(connection) as rows:
        for table in sorted(state.tables & OF_RECORD):
            query = sql.SQL("DELETE FROM :ledger.{} WHERE plugin_name = %s").format(sql.Identifier(table))
            deleted += rows.execute(query, [plugin]).rowcount
    return deleted
