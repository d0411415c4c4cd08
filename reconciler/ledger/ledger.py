"""What reconciler has done, written down in the database: migrations, statements, sources, runs, marks. Does I/O.

Every function takes an open connection and leaves its transaction alone: begin and commit are the caller's, so that the
record of a migration stands or falls with the migration. In order: `lock_plugin`, `ensure_ledger`, the work,
`record_migration`, `record_run`, commit. Functions that read create nothing and work where there is no ledger, with a
role that may only read, and on the three tables of an elizaOS database. All raise LedgerError where the ledger cannot
be read or written, LedgerVersionError where a newer program wrote it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from psycopg import Cursor, sql
from psycopg.rows import class_row

from reconciler.db.connections import cursor, errors_as
from reconciler.db.dsn import redact
from reconciler.errors import LedgerError
from reconciler.ledger.managers import (
    Journal,
    JournalEntry,
    JournalManager,
    SnapshotManager,
    SnapshotRole,
    parse_entries,
)
from reconciler.ledger.schema import (
    LEDGER_VERSION,
    LedgerState,
    ensure_ledger,
    ledger_state,
    ledger_version,
    lock_plugin,
    program_version,
)
from reconciler.plugins import baseline_tag, derive_schema_name, lock_id, migration_tag
from reconciler.redaction import redact_sql
from reconciler.snapshot import FactId, Json, Snapshot, canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import LiteralString

    from psycopg.rows import TupleRow

    from reconciler.db.connections import Connection
    from reconciler.snapshot import Address

__all__ = [
    "LEDGER_VERSION",
    "Head",
    "HistoryEntry",
    "Journal",
    "JournalEntry",
    "JournalManager",
    "LedgerState",
    "Mark",
    "Migration",
    "MigrationRecord",
    "Recorded",
    "RecordedStatement",
    "Run",
    "RunKind",
    "RunOutcome",
    "SnapshotManager",
    "SnapshotRole",
    "baseline_tag",
    "derive_schema_name",
    "ensure_ledger",
    "finish_run",
    "head",
    "history",
    "last_migration",
    "ledger_state",
    "ledger_version",
    "load_addresses",
    "load_mark",
    "load_recorded",
    "lock_id",
    "lock_plugin",
    "migration_tag",
    "plugins",
    "record_migration",
    "record_run",
    "reset",
    "runs",
    "save_mark",
    "show",
    "start_run",
]

_VERSION_WITH_ADDRESSES = 3


class RunKind(StrEnum):
    """What a run was asked to do."""

    APPLY = "apply"
    REPAIR = "repair"
    ADOPT = "adopt"
    ROLLBACK = "rollback"


class RunOutcome(StrEnum):
    """How a run ended. One that was killed between two steps stays `running`."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedStatement:
    """One statement of a migration. `hazards` is what the plan said of it, as JSON."""

    sql: str
    hazards: tuple[Json, ...] = ()
    transactional: bool = True
    duration_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """A row of migrations._migrations. `created_at` is in milliseconds since 1970."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The cheap mark of the live catalog when it was last seen to equal the declaration, and what it was taken over."""

    idx: int
    mark: str
    schemas: tuple[str, ...]
    desired_fingerprint: str
    scope: Json = None


# --- migrations -----------------------------------------------------------------------------------------------------


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
    with errors_as(LedgerError, f"record migration {idx} of plugin {plugin}"), cursor(connection) as rows:
        row = rows.execute(
            "INSERT INTO migrations._migrations (plugin_name, hash, created_at) VALUES (%s, %s, %s) RETURNING id",
            [plugin, migration_hash, when],
        ).fetchone()
        rows.execute(
            "INSERT INTO migrations._sources (plugin_name, idx, migration_id, text, description)"
            " VALUES (%s, %s, %s, %s, %s)",
            [plugin, idx, row[0] if row else None, source_text, redact(source_description)],
        )
        rows.executemany(
            "INSERT INTO migrations._statements (plugin_name, idx, position, sql, hazards, transactional, duration_ms)"
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
    """The plugin's last row of migrations._migrations."""
    if "_migrations" not in ledger_state(connection):
        return None
    with errors_as(LedgerError, f"read the migrations of plugin {plugin}"), cursor(connection) as rows:
        row = rows.execute(
            "SELECT id, hash, created_at FROM migrations._migrations WHERE plugin_name = %s"
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


def head(connection: Connection, plugin: str) -> Head:
    """How far the plugin's record has come; it moves with each migration, and when the plugin is reset."""
    last = last_migration(connection, plugin)
    idx: int | None = None
    if "_snapshots" in ledger_state(connection):
        with errors_as(LedgerError, f"read the snapshots of plugin {plugin}"), cursor(connection) as rows:
            row = rows.execute("SELECT max(idx) FROM migrations._snapshots WHERE plugin_name = %s", [plugin]).fetchone()
        idx = row[0] if row else None
    return Head(idx=idx, hash=last.hash if last else None)


def plugins(connection: Connection) -> tuple[str, ...]:
    """The names of all plugins that have a journal or a migration, sorted."""
    state = ledger_state(connection)
    names: set[str] = set()
    with errors_as(LedgerError, "list the plugins"), cursor(connection) as rows:
        for table in ("_journal", "_migrations"):
            if table in state:
                query = sql.SQL("SELECT DISTINCT plugin_name FROM {}").format(sql.Identifier("migrations", table))
                names.update(row[0] for row in rows.execute(query))
    return tuple(sorted(names))


def reset(connection: Connection, plugin: str) -> int:
    """Deletes all rows of `plugin` from the ledger, and nothing else; returns how many there were."""
    state = ledger_state(connection)
    deleted = 0
    with errors_as(LedgerError, f"reset plugin {plugin}"), cursor(connection) as rows:
        for table in sorted(state.tables - {"_ledger"}):
            query = sql.SQL("DELETE FROM {} WHERE plugin_name = %s").format(sql.Identifier("migrations", table))
            deleted += rows.execute(query, [plugin]).rowcount
    return deleted


# --- history --------------------------------------------------------------------------------------------------------


def history(connection: Connection, plugin: str | None = None) -> tuple[HistoryEntry, ...]:
    """All migrations in the journals, by plugin and idx; of one plugin, or of all."""
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
        entries = sorted(parse_entries(name, text), key=lambda entry: entry.idx)
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
        (SELECT count(*) FROM migrations._statements AS statement
         WHERE statement.plugin_name = source.plugin_name AND statement.idx = source.idx)
    FROM migrations._sources AS source
    WHERE %(plugin)s::text IS NULL OR source.plugin_name = %(plugin)s
"""
_HASHES = """
    SELECT id, plugin_name, hash FROM migrations._migrations
    WHERE %(plugin)s::text IS NULL OR plugin_name = %(plugin)s ORDER BY created_at, id
"""
_JOURNALS = """
    SELECT plugin_name, entries::text FROM migrations._journal
    WHERE %(plugin)s::text IS NULL OR plugin_name = %(plugin)s ORDER BY plugin_name COLLATE "C"
"""


def _of_plugins(
    connection: Connection, state: LedgerState, table: str, query: LiteralString, plugin: str | None
) -> list[TupleRow]:
    if table not in state:
        return []
    with errors_as(LedgerError, "read the history"), cursor(connection) as rows:
        return rows.execute(query, {"plugin": plugin}).fetchall()


def show(connection: Connection, plugin: str, idx: int) -> MigrationRecord:
    """All that is known of one migration. Raises LedgerError where there is no such."""
    entry = next((each for each in history(connection, plugin) if each.idx == idx), None)
    if entry is None:
        raise LedgerError(f"plugin {plugin} has no migration {idx}", hint="`reconciler history` lists all of them")
    snapshot = SnapshotManager(connection).load_snapshot(plugin, idx)
    if ledger_version(connection) is None:
        return MigrationRecord(entry=entry, snapshot=snapshot)
    with errors_as(LedgerError, f"read migration {idx} of plugin {plugin}"), cursor(connection) as rows:
        statements = rows.execute(
            "SELECT sql, hazards::text, transactional, duration_ms FROM migrations._statements"
            " WHERE plugin_name = %s AND idx = %s ORDER BY position",
            [plugin, idx],
        ).fetchall()
        source = rows.execute(
            "SELECT text FROM migrations._sources WHERE plugin_name = %s AND idx = %s", [plugin, idx]
        ).fetchone()
    return MigrationRecord(
        entry=entry,
        statements=tuple(_recorded_statement(*row) for row in statements),
        source_text=source[0] if source else None,
        snapshot=snapshot,
        run=next((run for run in runs(connection, plugin) if run.idx == idx), None),
    )


def _recorded_statement(text: str, hazards: str, transactional: bool, duration_ms: float | None) -> RecordedStatement:
    return RecordedStatement(
        sql=text,
        hazards=tuple(cast("list[Json]", json.loads(hazards))),
        transactional=transactional,
        duration_ms=duration_ms,
    )


# --- runs -----------------------------------------------------------------------------------------------------------


def start_run(
    connection: Connection,
    *,
    plugin: str,
    kind: RunKind,
    started_at: datetime,
    desired_fingerprint: str | None = None,
    live_before: str | None = None,
) -> int:
    """Writes down that a run begins and returns its id, for `finish_run`; commit it to leave a trace of a crash."""
    with errors_as(LedgerError, f"record a run of plugin {plugin}"), cursor(connection) as rows:
        row = rows.execute(
            "INSERT INTO migrations._runs"
            " (plugin_name, kind, started_at, outcome, desired_fingerprint, live_before, program_version)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING id",
            [
                plugin,
                kind.value,
                started_at,
                RunOutcome.RUNNING.value,
                desired_fingerprint,
                live_before,
                program_version(),
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
    with errors_as(LedgerError, f"record the end of run {run_id}"), cursor(connection) as rows:
        found = rows.execute(
            "UPDATE migrations._runs SET outcome = %s, finished_at = %s, idx = %s, live_after = %s,"
            " statement_count = %s, error = %s, sqlstate = %s, failed_statement = %s WHERE id = %s",
            [
                outcome.value,
                finished_at,
                idx,
                live_after,
                statement_count,
                None if error is None else redact_sql(error),
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


def runs(connection: Connection, plugin: str | None = None, *, limit: int | None = None) -> tuple[Run, ...]:
    """The runs of one plugin or of all, newest first, also the failed ones; at most `limit`."""
    if "_runs" not in ledger_state(connection):
        return ()
    with errors_as(LedgerError, "read the runs"), Cursor(connection, row_factory=class_row(Run)) as rows:
        found = rows.execute(_RUNS, {"plugin": plugin, "limit": limit}).fetchall()
    return tuple(
        replace(
            run,
            kind=RunKind(run.kind),
            outcome=RunOutcome(run.outcome),
            started_at=run.started_at.astimezone(UTC),
            finished_at=run.finished_at.astimezone(UTC) if run.finished_at else None,
        )
        for run in found
    )


_RUNS = """
    SELECT id, plugin_name AS plugin, kind, started_at, finished_at, outcome, idx, desired_fingerprint, live_before,
        live_after, statement_count, error, sqlstate, failed_statement, program_version, database_user,
        host(client_address) AS client_address, application_name
    FROM migrations._runs
    WHERE %(plugin)s::text IS NULL OR plugin_name = %(plugin)s
    ORDER BY id DESC
    LIMIT %(limit)s
"""

# --- marks ----------------------------------------------------------------------------------------------------------


def save_mark(connection: Connection, plugin: str, mark: Mark, addresses: Mapping[FactId, Address]) -> None:
    """Keeps the plugin's mark, instead of the one before, and where live's objects lay in the catalogs."""
    places = [[fact.kind, list(fact.name), *address] for fact, address in addresses.items()]
    with errors_as(LedgerError, f"write the mark of plugin {plugin}"), cursor(connection) as rows:
        rows.execute(
            "INSERT INTO migrations._marks (plugin_name, idx, mark, schemas, desired_fingerprint, scope, addresses)"
            " VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s::jsonb)"
            " ON CONFLICT (plugin_name) DO UPDATE SET idx = excluded.idx, mark = excluded.mark,"
            " schemas = excluded.schemas, desired_fingerprint = excluded.desired_fingerprint,"
            " scope = excluded.scope, addresses = excluded.addresses, updated_at = now()",
            [
                plugin,
                mark.idx,
                mark.mark,
                list(mark.schemas),
                mark.desired_fingerprint,
                canonical_json(mark.scope),
                json.dumps(places),
            ],
        )


def load_addresses(connection: Connection, plugin: str) -> Mapping[FactId, Address]:
    """Where the objects of live lay when the plugin's mark was taken; empty where that was not written down."""
    state = ledger_state(connection)
    if "_marks" not in state or (state.version or 0) < _VERSION_WITH_ADDRESSES:
        return {}
    with errors_as(LedgerError, f"read the mark of plugin {plugin}"), cursor(connection) as rows:
        row = rows.execute(
            "SELECT addresses::text FROM migrations._marks WHERE plugin_name = %s AND addresses IS NOT NULL", [plugin]
        ).fetchone()
    places = cast("list[tuple[str, list[str], int, int, int]]", json.loads(row[0]) if row else [])
    return {FactId(kind, tuple(name)): (classid, objid, subid) for kind, name, classid, objid, subid in places}


def load_mark(connection: Connection, plugin: str) -> Mark | None:
    """The plugin's mark, or None where none was kept."""
    if "_marks" not in ledger_state(connection):
        return None
    with errors_as(LedgerError, f"read the mark of plugin {plugin}"), cursor(connection) as rows:
        row = rows.execute(
            "SELECT idx, mark, schemas, desired_fingerprint, scope::text FROM migrations._marks WHERE plugin_name = %s",
            [plugin],
        ).fetchone()
    if row is None:
        return None
    idx, mark, schemas, desired_fingerprint, scope = row
    return Mark(
        idx=idx, mark=mark, schemas=tuple(schemas), desired_fingerprint=desired_fingerprint, scope=json.loads(scope)
    )
