"""The two managers of the seed: one journal and many snapshots a plugin."""

from __future__ import annotations

import pytest

from reconciler.db import connections
from reconciler.errors import LedgerError
from reconciler.ledger.managers import Journal, JournalEntry, JournalManager, SnapshotManager
from reconciler.ledger.schema import ensure_ledger
from reconciler.model.facts import FactId
from reconciler.model.snapshot import Snapshot

pytestmark = pytest.mark.one_server

FIRST = JournalEntry(idx=0, when=1, tag="0000_chat_1")
SECOND = JournalEntry(idx=1, when=2, tag="0001_chat_2")


def snapshot_of(table: str) -> Snapshot:
    return Snapshot(facts={FactId("table", ("app", table)): "{}"}, schemas=("app",), server_version=150000)


@pytest.fixture
def made(connection: connections.Connection) -> connections.Connection:
    ensure_ledger(connection)
    return connection


def test_without_a_ledger_there_is_nothing(connection: connections.Connection) -> None:
    assert JournalManager(connection).load_journal("chat") is None
    assert SnapshotManager(connection).load_snapshot("chat", 0, "current") is None
    assert SnapshotManager(connection).get_latest_snapshot("chat") is None


def test_a_plugin_without_rows_has_nothing_and_starts_at_0(made: connections.Connection) -> None:
    assert JournalManager(made).load_journal("chat") is None
    assert SnapshotManager(made).get_latest_snapshot("chat") is None
    assert JournalManager(made).get_next_idx("chat") == 0


def test_a_journal_is_saved_and_replaced(made: connections.Connection) -> None:
    journals = JournalManager(made)
    journals.save_journal("chat", Journal(entries=(FIRST, SECOND)))
    assert journals.load_journal("chat") == Journal(entries=(FIRST, SECOND), version="7", dialect="postgresql")
    journals.save_journal("chat", Journal(entries=(SECOND,)))
    assert journals.load_journal("chat") == Journal(entries=(SECOND,))
    assert journals.load_journal("mail") is None


def test_entries_are_added_at_the_end(made: connections.Connection) -> None:
    journals = JournalManager(made)
    journals.add_entry("chat", FIRST)
    journals.add_entry("chat", SECOND)
    assert journals.load_journal("chat") == Journal(entries=(FIRST, SECOND))


def test_the_next_idx_is_above_all_that_are_taken(made: connections.Connection) -> None:
    journals = JournalManager(made)
    journals.add_entry("chat", SECOND)
    journals.add_entry("chat", FIRST)
    assert journals.get_next_idx("chat") == 2
    SnapshotManager(made).save_snapshot("chat", 6, "current", snapshot_of("users"))
    assert journals.get_next_idx("chat") == 7
    assert journals.get_next_idx("mail") == 0


def test_an_idx_that_was_taken_is_given_to_nobody_else_until_the_transaction_ends(
    made: connections.Connection, database: str
) -> None:
    journals = JournalManager(made)
    journals.add_entry("chat", FIRST)
    made.commit()
    assert journals.get_next_idx("chat") == 1
    with connections.connect(database) as other:
        other.execute("SET LOCAL lock_timeout = '20ms'")
        with pytest.raises(
            LedgerError, match="cannot take the next idx of plugin chat: canceling statement due to lock"
        ):
            JournalManager(other).get_next_idx("chat")


def test_current_is_the_row_of_an_idx_and_previous_the_one_before(made: connections.Connection) -> None:
    snapshots = SnapshotManager(made)
    snapshots.save_snapshot("chat", 1, "previous", snapshot_of("old"))
    snapshots.save_snapshot("chat", 1, "current", snapshot_of("new"))
    assert connections.fetch_all(made, "SELECT idx FROM migrations._snapshots ORDER BY idx") == [(0,), (1,)]
    assert snapshots.load_snapshot("chat", 0, "current") == snapshot_of("old")
    assert snapshots.load_snapshot("chat", 1, "previous") == snapshot_of("old")
    assert snapshots.load_snapshot("chat", 1, "current") == snapshot_of("new")
    assert snapshots.load_snapshot("chat", 2, "current") is None
    assert snapshots.get_latest_snapshot("chat") == snapshot_of("new")


def test_a_snapshot_saved_again_is_replaced(made: connections.Connection) -> None:
    snapshots = SnapshotManager(made)
    snapshots.save_snapshot("chat", 0, "current", snapshot_of("old"))
    snapshots.save_snapshot("chat", 0, "current", snapshot_of("new"))
    assert snapshots.load_snapshot("chat", 0) == snapshot_of("new")


def test_there_is_no_place_for_a_state_before_the_first(made: connections.Connection) -> None:
    with pytest.raises(LedgerError, match="no state before idx 0"):
        SnapshotManager(made).save_snapshot("chat", 0, "previous", snapshot_of("users"))
    assert SnapshotManager(made).load_snapshot("chat", 0, "previous") is None


def test_writing_without_a_ledger_says_so(connection: connections.Connection) -> None:
    with pytest.raises(LedgerError, match=r'cannot write the journal of plugin chat: relation "migrations\._journal"'):
        JournalManager(connection).add_entry("chat", FIRST)
