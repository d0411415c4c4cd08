"""The states that a plugin's schemas were in, as runs left them and looks found them. Does I/O.

Each is kept as what differs from the one before it, and whole where the differences since the last whole one have
become as large as that one: so a history takes no more than twice what its changes take.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, LiteralString

from psycopg import sql

from reconciler.db.connections import errors_as, fetch_one
from reconciler.db.ledger_schema import ledger_cursor, ledger_text
from reconciler.diff.states import state_after, state_to_text
from reconciler.errors import LedgerDamagedError, LedgerError
from reconciler.ledger.schema import ledger_state
from reconciler.ledger.trust import damage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.db.connections import Connection
    from reconciler.model.snapshot import Snapshot

__all__ = [
    "Chain",
    "KeptState",
    "keep_state",
    "load_chain",
    "load_state_at",
    "load_state_of",
    "next_seen",
    "server_time",
]

_TRIES = 5


@dataclass(frozen=True, kw_only=True)
class KeptState:
    """A state, and when it was seen: from `seen_from`, last at `seen_until`."""

    id: int
    idx: int | None
    seen_from: datetime
    seen_until: datetime
    snapshot: Snapshot


def server_time(connection: Connection) -> datetime:
    """What the server's clock says."""
    # A number, which no DateStyle writes in another way.
    row = fetch_one(connection, "SELECT pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())")
    assert row is not None
    return datetime.fromtimestamp(row[0], UTC)


def load_chain(connection: Connection, plugin: str) -> Chain:
    """The last state that was kept of the plugin, beside which the next one is written."""
    return _load(connection, plugin, "true", {})


def keep_state(
    connection: Connection,
    plugin: str,
    state: Snapshot,
    *,
    read_at: datetime | None = None,
    idx: int | None = None,
    chain: Chain | None = None,
) -> None:
    """Keeps the state, read with its dependencies: as migration `idx` left it, or as it was found since `read_at`.

    Needs a READ COMMITTED transaction. What is older than the last one that was kept is not kept. `chain` is what
    `load_chain` gave before, so that it need not be loaded while clients wait; one that has grown is loaded again.
    """
    if "_states" not in ledger_state(connection):
        return
    with errors_as(LedgerError, f"keep the state of plugin {plugin}"):
        for _ in range(_TRIES):
            if _kept(connection, plugin, state, chain or load_chain(connection, plugin), read_at, idx):
                return
            chain = None
    raise LedgerError(f"the state of plugin {plugin} cannot be kept: others keep theirs again and again")


def _kept(
    connection: Connection, plugin: str, state: Snapshot, chain: Chain, read_at: datetime | None, idx: int | None
) -> bool:
    """Whether it is kept, or needs not be; not where somebody else kept one meanwhile."""
    last = chain.last
    if last is not None and read_at is not None and read_at < last.seen_from:
        return True
    changes = state_to_text(state, last.snapshot if last is not None else None)
    if last is not None and idx is None and not changes.has_changes:
        with ledger_cursor(connection) as rows:
            rows.execute("UPDATE :ledger._states SET seen_until = %s WHERE id = %s", [read_at, last.id])
        return True
    is_whole = last is None or chain.changes_bytes > chain.whole_bytes
    text = state_to_text(state, None).text if is_whole else changes.text
    with ledger_cursor(connection) as rows:
        return bool(
            rows.execute(
                "INSERT INTO :ledger._states"
                " (plugin_name, previous, idx, seen_from, seen_until, fingerprint, is_whole, content)"
                " SELECT %(plugin)s, %(previous)s, %(idx)s, clock.now, COALESCE(%(read)s, clock.now), %(fingerprint)s,"
                " %(whole)s, %(content)s FROM pg_catalog.clock_timestamp() AS clock(now)"
                " ON CONFLICT (plugin_name, previous) DO NOTHING",
                {
                    "plugin": plugin,
                    "previous": last.id if last is not None else 0,
                    "idx": idx,
                    "read": read_at,
                    "fingerprint": state.fingerprint,
                    "whole": is_whole,
                    "content": zlib.compress(text.encode()),
                },
            ).rowcount
        )


def load_state_at(connection: Connection, plugin: str, at: datetime) -> KeptState | None:
    """The last state that had been seen by then."""
    return _load(connection, plugin, "seen_from <= %(at)s", {"at": at}).last


def load_state_of(connection: Connection, plugin: str, idx: int) -> KeptState | None:
    """The state that the migration left."""
    return _load(connection, plugin, "idx = %(idx)s", {"idx": idx}).last


def next_seen(connection: Connection, plugin: str, state: KeptState) -> KeptState | None:
    """The state that was kept after this one."""
    return _load(connection, plugin, "previous = %(id)s", {"id": state.id}).last


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The state that is asked for, and how much was read for it."""

    last: KeptState | None = None
    whole_bytes: int = 0
    changes_bytes: int = 0


def _load(connection: Connection, plugin: str, condition: LiteralString, values: Mapping[str, object]) -> Chain:
    """The newest of the plugin's states for which the condition holds, from the whole one before it on."""
    if "_states" not in ledger_state(connection):
        return Chain()
    query = sql.SQL(_STATES).format(condition=sql.SQL(condition))
    with errors_as(LedgerError, f"read the states of plugin {plugin}"), ledger_cursor(connection) as rows:
        found = rows.execute(query, {"plugin": plugin, **values}).fetchall()
    if not found:
        return Chain()
    number, idx, seen_from, seen_until, fingerprint, _ = found[-1]
    what, hint = f"state {number} of plugin {plugin}", "restore its rows of :ledger._states, or delete them"
    with damage(connection, what, hint):
        try:
            snapshot = state_after(None, [zlib.decompress(row[-1]).decode() for row in found])
        except zlib.error as exc:
            raise ValueError(str(exc)) from exc
    if snapshot.fingerprint != fingerprint:
        raise LedgerDamagedError(
            f"{what} is damaged: its facts do not have the fingerprint that was kept with them",
            hint=ledger_text(connection, hint),
        )
    whole, *changes = (len(row[-1]) for row in found)
    return Chain(
        last=KeptState(
            id=number,
            idx=idx,
            seen_from=seen_from.astimezone(UTC),
            seen_until=seen_until.astimezone(UTC),
            snapshot=snapshot,
        ),
        whole_bytes=whole,
        changes_bytes=sum(changes),
    )


_STATES: LiteralString = """
    WITH wanted AS (
        SELECT id FROM :ledger._states WHERE plugin_name = %(plugin)s AND {condition} ORDER BY id DESC LIMIT 1
    )
    SELECT state.id, state.idx, state.seen_from, state.seen_until, state.fingerprint, state.content
    FROM :ledger._states AS state, wanted
    WHERE state.plugin_name = %(plugin)s AND state.id <= wanted.id AND state.id >= (
        SELECT max(whole.id) FROM :ledger._states AS whole
        WHERE whole.plugin_name = %(plugin)s AND whole.is_whole AND whole.id <= wanted.id
    )
    ORDER BY state.id
"""
