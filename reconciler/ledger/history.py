"""What people ask of past migrations: all in short, one with all that is known of it. Does I/O, and only reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from reconciler.db.connections import errors_as
from reconciler.db.ledger_schema import ledger_cursor
from reconciler.errors import LedgerDamagedError, LedgerError
from reconciler.ledger.managers import SnapshotManager, parse_entries
from reconciler.ledger.migrations import RecordedStatement
from reconciler.ledger.runs import Run, load_runs
from reconciler.ledger.schema import LedgerState, ledger_state, ledger_version
from reconciler.ledger.trust import damage

if TYPE_CHECKING:
    from typing import LiteralString

    from psycopg.rows import TupleRow

    from reconciler.db.connections import Connection
    from reconciler.model.facts import Json
    from reconciler.model.snapshot import Snapshot

__all__ = ["HistoryEntry", "MigrationRecord", "load_history", "load_migration"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One migration in short. `hash` is None where another program's rows do not say which belongs to it.

    `statement_count` and `source_description` are None where another program recorded it.
    """

    plugin: str
    idx: int
    tag: str
    created_at: datetime
    hash: str | None = None
    statement_count: int | None = None
    source_description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationRecord:
    """One migration with all that is known of it. `snapshot` is None where another program wrote it."""

    entry: HistoryEntry
    statements: tuple[RecordedStatement, ...] = ()
    source_text: str | None = None
    snapshot: Snapshot | None = None
    run: Run | None = None


def load_history(
    connection: Connection, plugin: str | None = None, damaged: list[LedgerDamagedError] | None = None
) -> tuple[HistoryEntry, ...]:
    """All migrations in the journals, by plugin and idx; of one plugin, or of all.

    A journal that is damaged raises LedgerDamagedError; where `damaged` is given the error is added to it, and the
    journal is passed over.
    """
    state = ledger_state(connection)
    known = {(row[0], row[1]): row for row in _of_plugins(connection, state, "_sources", _SOURCES, plugin)}
    linked = {row[2] for row in known.values()}
    hashes: dict[int, str] = {}
    unlinked: dict[str, list[str]] = {}
    for migration_id, name, text in _of_plugins(connection, state, "_migrations", _HASHES, plugin):
        hashes[migration_id] = text
        if migration_id not in linked:
            unlinked.setdefault(name, []).append(text)

    found: list[HistoryEntry] = []
    for name, text in _of_plugins(connection, state, "_journal", _JOURNALS, plugin):
        try:
            entries = sorted(parse_entries(connection, name, text), key=lambda entry: entry.idx)
        except LedgerDamagedError as error:
            if damaged is None:
                raise
            damaged.append(error)
            continue
        foreign = [entry for entry in entries if (name, entry.idx) not in known]
        # elizaOS writes one row into both tables for each migration, but no key that would tie them.
        theirs = unlinked.get(name, [])
        paired = dict(zip((entry.idx for entry in foreign), theirs, strict=True)) if len(foreign) == len(theirs) else {}
        for entry in entries:
            _, _, migration_id, description, count = known.get((name, entry.idx), (None, None, None, None, None))
            found.append(
                HistoryEntry(
                    plugin=name,
                    idx=entry.idx,
                    tag=entry.tag,
                    created_at=datetime.fromtimestamp(entry.when / 1000, UTC),
                    hash=paired.get(entry.idx) if migration_id is None else hashes.get(migration_id),
                    statement_count=count,
                    source_description=description,
                )
            )
    return tuple(found)


_SOURCES = """
    SELECT source.plugin_name, source.idx, source.migration_id, source.description,
        (SELECT count(*) FROM :ledger._statements AS statement
         WHERE statement.plugin_name = source.plugin_name AND statement.idx = source.idx)
    FROM :ledger._sources AS source
    WHERE %(plugin)s::text IS NULL OR source.plugin_name = %(plugin)s
"""
_HASHES = """
    SELECT id, plugin_name, hash FROM :ledger._migrations
    WHERE %(plugin)s::text IS NULL OR plugin_name = %(plugin)s ORDER BY created_at, id
"""
_JOURNALS = """
    SELECT plugin_name, entries::text FROM :ledger._journal
    WHERE %(plugin)s::text IS NULL OR plugin_name = %(plugin)s ORDER BY plugin_name COLLATE "C"
"""


def _of_plugins(
    connection: Connection, state: LedgerState, table: str, query: LiteralString, plugin: str | None
) -> list[TupleRow]:
    if table not in state:
        return []
    with errors_as(LedgerError, "read the history"), ledger_cursor(connection) as rows:
        return rows.execute(query, {"plugin": plugin}).fetchall()


def load_migration(connection: Connection, plugin: str, idx: int) -> MigrationRecord:
    """All that is known of one migration. Raises LedgerError where there is no such."""
    entry = next((each for each in load_history(connection, plugin) if each.idx == idx), None)
    if entry is None:
        raise LedgerError(f"plugin {plugin} has no migration {idx}", hint="`reconciler history` lists all of them")
    snapshot = SnapshotManager(connection).load_snapshot(plugin, idx)
    if ledger_version(connection) is None:
        return MigrationRecord(entry=entry, snapshot=snapshot)
    with errors_as(LedgerError, f"read migration {idx} of plugin {plugin}"), ledger_cursor(connection) as rows:
        statements = rows.execute(
            "SELECT sql, hazards::text, transactional, duration_ms FROM :ledger._statements"
            " WHERE plugin_name = %s AND idx = %s ORDER BY position",
            [plugin, idx],
        ).fetchall()
        source = rows.execute(
            "SELECT text FROM :ledger._sources WHERE plugin_name = %s AND idx = %s", [plugin, idx]
        ).fetchone()
    return MigrationRecord(
        entry=entry,
        statements=tuple(_recorded_statement(connection, *row) for row in statements),
        source_text=source[0] if source else None,
        snapshot=snapshot,
        run=next((run for run in load_runs(connection, plugin) if run.idx == idx), None),
    )


def _recorded_statement(
    connection: Connection, text: str, hazards: str, transactional: bool, duration_ms: float | None
) -> RecordedStatement:
    with damage(connection, "a row of :ledger._statements", "set its hazards to '[]': they are evidence for people"):
        return RecordedStatement(
            sql=text,
            hazards=tuple(cast("list[Json]", json.loads(hazards))),
            transactional=transactional,
            duration_ms=duration_ms,
        )
