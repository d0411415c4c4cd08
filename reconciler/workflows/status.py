"""What the ledger knows of a plugin. Does I/O, only reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.ledger.history import load_history
from reconciler.ledger.managers import JournalManager
from reconciler.ledger.marks import load_mark
from reconciler.ledger.runs import load_runs
from reconciler.ledger.steps import load_unfinished
from reconciler.ledger.trust import damage_note, surviving
from reconciler.results import Status

if TYPE_CHECKING:
    from reconciler.db.connections import Connection
    from reconciler.errors import LedgerDamagedError
    from reconciler.ledger.runs import Run

__all__ = ["read_status"]


def read_status(connection: Connection, plugin: str) -> Status:
    """What is recorded; a row that is damaged is passed over, with a warning."""
    lost: list[LedgerDamagedError] = []
    entries = load_history(connection, plugin, lost)
    damaged = [damage_note(each) for each in lost]
    nothing: tuple[Run, ...] = ()
    runs = surviving(connection, lambda: load_runs(connection, plugin, limit=1), nothing, damaged)
    mark = surviving(connection, lambda: load_mark(connection, plugin), None, damaged)
    unfinished = surviving(connection, lambda: load_unfinished(connection, plugin), None, damaged)
    return Status(
        plugin=plugin,
        has_run=bool(entries),
        last_migration=max(entries, key=lambda entry: entry.idx) if entries else None,
        journal=JournalManager(connection).load_journal(plugin) if entries else None,
        snapshots=len(entries),
        last_run=runs[0] if runs else None,
        unfinished=unfinished,
        warnings=tuple(damaged),
        later=mark.later if mark is not None else (),
    )
