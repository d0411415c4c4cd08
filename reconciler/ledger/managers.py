"""Journal and snapshots of a plugin, one row each, as elizaOS's two managers keep them. Does I/O.

The connection is handed in and transactions belong to the caller; what writes expects `ensure_ledger` to have run.
Reading works without a ledger: there is nothing then.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from reconciler.db.connections import errors_as
from reconciler.db.ledger_schema import ledger_cursor, ledger_text
from reconciler.errors import LedgerDamagedError, LedgerError
from reconciler.ledger.schema import ledger_state
from reconciler.ledger.trust import damage
from reconciler.model.facts import Json, canonical_json
from reconciler.model.snapshot import Snapshot, UnknownSnapshotError

if TYPE_CHECKING:
    from reconciler.db.connections import Connection

__all__ = ["Journal", "JournalEntry", "JournalManager", "SnapshotManager", "SnapshotRole", "parse_entries"]

JOURNAL_VERSION = "7"
_LARGEST_IDX = 2**31 - 1
DIALECT = "postgresql"

SnapshotRole: TypeAlias = Literal["previous", "current"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One migration in the journal. `when` is in milliseconds since 1970, `breakpoints` only kept for others."""

    idx: int
    when: int
    tag: str
    version: str = JOURNAL_VERSION
    breakpoints: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """All migrations of a plugin, oldest first."""

    entries: tuple[JournalEntry, ...] = ()
    version: str = JOURNAL_VERSION
    dialect: str = DIALECT


class JournalManager:
    """Reads and writes the plugins' rows of _journal. Methods raise LedgerError."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def load_journal(self, plugin: str) -> Journal | None:
        """The plugin's journal, or None where it has none."""
        if "_journal" not in ledger_state(self._connection):
            return None
        with errors_as(LedgerError, f"read the journal of plugin {plugin}"), ledger_cursor(self._connection) as rows:
            row = rows.execute(
                "SELECT version, dialect, entries::text FROM :ledger._journal WHERE plugin_name = %s", [plugin]
            ).fetchone()
        if row is None:
            return None
        return Journal(version=row[0], dialect=row[1], entries=parse_entries(self._connection, plugin, row[2]))

    def save_journal(self, plugin: str, journal: Journal) -> None:
        """Writes the whole journal of `plugin`, instead of the one that is there."""
        entries = canonical_json([cast("Json", asdict(entry)) for entry in journal.entries])
        with errors_as(LedgerError, f"write the journal of plugin {plugin}"), ledger_cursor(self._connection) as rows:
            rows.execute(
                "INSERT INTO :ledger._journal (plugin_name, version, dialect, entries)"
                " VALUES (%s, %s, %s, %s::jsonb) ON CONFLICT (plugin_name) DO UPDATE"
                " SET version = excluded.version, dialect = excluded.dialect, entries = excluded.entries",
                [plugin, journal.version, journal.dialect, entries],
            )

    def add_entry(self, plugin: str, entry: JournalEntry) -> None:
        """Adds one entry at the end, and the journal itself where there is none."""
        with errors_as(LedgerError, f"write the journal of plugin {plugin}"), ledger_cursor(self._connection) as rows:
            rows.execute(
                "INSERT INTO :ledger._journal AS journal (plugin_name, version, dialect, entries)"
                " VALUES (%s, %s, %s, %s::jsonb)"
                " ON CONFLICT (plugin_name) DO UPDATE SET entries = journal.entries || excluded.entries",
                [plugin, JOURNAL_VERSION, DIALECT, canonical_json([cast("Json", asdict(entry))])],
            )

    def get_next_idx(self, plugin: str) -> int:
        """The idx of the plugin's next migration, one above the highest in journal and snapshots; the first is 0.

        Makes the plugin's journal row where there is none and locks it until the transaction ends, so that nobody
        else is given the same.
        """
        with errors_as(LedgerError, f"take the next idx of plugin {plugin}"), ledger_cursor(self._connection) as rows:
            rows.execute(
                "INSERT INTO :ledger._journal (plugin_name, version, dialect) VALUES (%s, %s, %s)"
                " ON CONFLICT (plugin_name) DO NOTHING",
                [plugin, JOURNAL_VERSION, DIALECT],
            )
            journal = rows.execute(
                "SELECT entries::text FROM :ledger._journal WHERE plugin_name = %s FOR UPDATE", [plugin]
            ).fetchone()
            stored = rows.execute("SELECT max(idx) FROM :ledger._snapshots WHERE plugin_name = %s", [plugin]).fetchone()
        taken = [entry.idx for entry in parse_entries(self._connection, plugin, journal[0])] if journal else []
        if stored and stored[0] is not None:
            taken.append(stored[0])
        return max(taken, default=-1) + 1


class SnapshotManager:
    """Reads and writes the plugins' rows of _snapshots. Methods raise LedgerError.

    Row idx holds the state after migration idx; the state before it is the row of idx - 1. The baseline that adopting
    a live schema writes as idx 0 is what the first real migration has as its previous.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def save_snapshot(self, plugin: str, idx: int, role: SnapshotRole, snapshot: Snapshot) -> None:
        """Writes the state after (`current`) or before (`previous`) migration `idx`, over what is there."""
        row = _row(idx, role)
        if row < 0:
            raise LedgerError(
                f"plugin {plugin} has no state before idx {idx}",
                hint="store the state that was found as idx 0 first, as `reconciler adopt` does",
            )
        with (
            errors_as(LedgerError, f"write snapshot {row} of plugin {plugin}"),
            ledger_cursor(self._connection) as rows,
        ):
            rows.execute(
                "INSERT INTO :ledger._snapshots (plugin_name, idx, snapshot) VALUES (%s, %s, %s::jsonb)"
                " ON CONFLICT (plugin_name, idx) DO UPDATE SET snapshot = excluded.snapshot",
                [plugin, row, snapshot.to_json()],
            )

    def load_snapshot(self, plugin: str, idx: int, role: SnapshotRole = "current") -> Snapshot | None:
        """The state after or before migration `idx`; None where there is none, or one that another program wrote."""
        if "_snapshots" not in ledger_state(self._connection):
            return None
        row = _row(idx, role)
        with errors_as(LedgerError, f"read snapshot {row} of plugin {plugin}"), ledger_cursor(self._connection) as rows:
            found = rows.execute(
                "SELECT snapshot::text, snapshot ->> 'fingerprint' FROM :ledger._snapshots"
                " WHERE plugin_name = %s AND idx = %s",
                [plugin, row],
            ).fetchone()
        return _parse_snapshot(self._connection, found[0], found[1], f"{row} of plugin {plugin}") if found else None

    def get_latest_snapshot(self, plugin: str) -> Snapshot | None:
        """The state after the plugin's last migration; None as for `load_snapshot`."""
        latest = self.load_latest(plugin)
        return latest[1] if latest else None

    def load_latest(self, plugin: str) -> tuple[int, Snapshot | None] | None:
        """The highest idx that has a snapshot, with that (None: another program wrote it); None where there is none."""
        if "_snapshots" not in ledger_state(self._connection):
            return None
        with errors_as(LedgerError, f"read the snapshots of plugin {plugin}"), ledger_cursor(self._connection) as rows:
            found = rows.execute(
                "SELECT idx, snapshot::text, snapshot ->> 'fingerprint' FROM :ledger._snapshots"
                " WHERE plugin_name = %s ORDER BY idx DESC LIMIT 1",
                [plugin],
            ).fetchone()
        return (
            (found[0], _parse_snapshot(self._connection, found[1], found[2], f"{found[0]} of plugin {plugin}"))
            if found
            else None
        )


def _row(idx: int, role: SnapshotRole) -> int:
    return idx if role == "current" else idx - 1


def _parse_snapshot(connection: Connection, text: str, fingerprint: str | None, which: str) -> Snapshot | None:
    """The snapshot in a stored row, or None where another program, or another format of ours, is the author.

    `fingerprint` is the one stored in it. Raises LedgerError where it is not that of the facts.
    """
    hint = "restore its row of :ledger._snapshots, or `reconciler reset` the plugin and adopt it"
    with damage(connection, f"snapshot {which}", hint):
        try:
            snapshot = Snapshot.from_json(text)
        except UnknownSnapshotError:
            return None
    if fingerprint != snapshot.fingerprint:
        raise LedgerDamagedError(
            f"snapshot {which} is damaged: its facts do not have the fingerprint that was stored with them",
            hint=ledger_text(connection, hint),
        )
    return snapshot


def parse_entries(connection: Connection, plugin: str, text: str) -> tuple[JournalEntry, ...]:
    """The entries of a journal row. Raises LedgerError where they are none."""
    hint = "restore :ledger._journal, or `reconciler reset` the plugin and adopt it"
    with damage(connection, f"the journal of plugin {plugin}", hint):
        raw = json.loads(text)
        if not isinstance(raw, list):
            raise TypeError("its entries are no list")
        return tuple(_entry(each) for each in cast("list[Json]", raw))


def _entry(value: Json) -> JournalEntry:
    """Raises TypeError where the value is not {idx, when, tag}, or its time is none."""
    entry = value if isinstance(value, dict) else {}
    idx, when, tag = entry.get("idx"), entry.get("when"), entry.get("tag")
    if not isinstance(idx, int) or not 0 <= idx <= _LARGEST_IDX or not isinstance(when, int | float) or tag is None:
        raise TypeError("its entries are not {idx, when, tag}")
    datetime.fromtimestamp(when / 1000, UTC)
    return JournalEntry(
        idx=idx,
        when=int(when),
        tag=str(tag),
        version=str(entry.get("version", JOURNAL_VERSION)),
        breakpoints=bool(entry.get("breakpoints", True)),
    )
