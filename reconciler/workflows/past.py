"""The schemas of a plugin as they were, by what runs and looks kept of them. Does I/O.

Between two states that were seen, only the log of DDL tells when the one became the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from reconciler.audit.install import audit_state
from reconciler.audit.log import entries_between
from reconciler.catalog.snapshot_reader import read_snapshot
from reconciler.db.connections import current_user, transaction
from reconciler.errors import ConfigError
from reconciler.ledger.managers import SnapshotManager
from reconciler.ledger.migrations import load_recorded
from reconciler.ledger.states import keep_state, load_state_at, load_state_of, next_seen
from reconciler.workflows.compare import plan_between, rebuild

if TYPE_CHECKING:
    from reconciler.db.connections import Connection
    from reconciler.ledger.states import KeptState
    from reconciler.model.plan import Plan
    from reconciler.model.snapshot import Snapshot
    from reconciler.results import CheckResult

__all__ = ["Moment", "Past", "compare_past", "keep_look", "rebuild_past", "state_then"]

# A time, or a migration: the state that it left.
Moment: TypeAlias = "datetime | int"


@dataclass(frozen=True, kw_only=True)
class Past:
    """A state of the plugin's schemas; `notes` say what is not certain of it, a line each."""

    snapshot: Snapshot
    notes: tuple[str, ...] = ()


def state_then(connection: Connection, plugin: str, moment: Moment) -> Past:
    """The plugin's schemas as they were. Raises ConfigError where nothing was kept of that time."""
    with transaction(connection):
        return _at(connection, plugin, moment) if isinstance(moment, datetime) else _of(connection, plugin, moment)


def keep_look(connection: Connection, result: CheckResult) -> None:
    """Keeps what the check found live to be, where it read what the record is about."""
    if result.live is not None and result.read_at is not None:
        with transaction(connection):
            keep_state(connection, result.plugin, result.live, read_at=result.read_at)


def compare_past(
    connection: Connection, plugin: str, begin: Moment, end: Moment | None
) -> tuple[Plan, tuple[str, ...]]:
    """The plan that turns the one state into the other (None: what is there now), and what is not certain of them."""
    with transaction(connection, force_rollback=True):
        old = state_then(connection, plugin, begin)
        new = Past(snapshot=_now(connection, plugin)) if end is None else state_then(connection, plugin, end)
        return plan_between(connection, old.snapshot, new.snapshot), (*old.notes, *new.notes)


def rebuild_past(connection: Connection, plugin: str, moment: Moment) -> tuple[Plan, Past]:
    """The plan that makes the state in an empty database, and the state."""
    past = state_then(connection, plugin, moment)
    return rebuild(past.snapshot, current_user=current_user(connection)), past


def _now(connection: Connection, plugin: str) -> Snapshot:
    recorded = load_recorded(connection, plugin)
    if recorded is None:
        raise ConfigError(f"nothing is recorded for plugin {plugin}")
    extent = recorded.snapshot.extent
    return read_snapshot(connection, extent.schemas, outside=extent.outside, dependencies=True)


def _of(connection: Connection, plugin: str, idx: int) -> Past:
    state = load_state_of(connection, plugin, idx)
    if state is not None:
        return Past(snapshot=state.snapshot)
    recorded = SnapshotManager(connection).load_snapshot(plugin, idx)
    if recorded is None:
        raise ConfigError(f"plugin {plugin} has no migration {idx}", hint="`reconciler history` lists them")
    note = f"of migration {idx} an older program kept no dependencies: the order of the statements may be wrong"
    return Past(snapshot=recorded, notes=(note,))


def _at(connection: Connection, plugin: str, moment: datetime) -> Past:
    state = load_state_at(connection, plugin, moment)
    if state is None:
        raise ConfigError(
            f"nothing is known of the schemas of plugin {plugin} at {_time(moment)}",
            hint="states are kept since version 9 of the ledger: of each run, and of each look of `watch`",
        )
    if moment <= state.seen_until:
        return Past(snapshot=state.snapshot)
    return _between(connection, state, next_seen(connection, plugin, state), moment)


def _between(connection: Connection, state: KeptState, after: KeptState | None, moment: datetime) -> Past:
    """What it was between two states that were seen, or after the last one."""
    until = after.seen_from if after is not None else None
    window = (
        f"after {_time(state.seen_until)}" if until is None else f"between {_time(state.seen_until)} and {_time(until)}"
    )
    found = audit_state(connection)
    if not (found.is_intact and found.readable) or found.since is None or found.since > state.seen_until:
        return Past(
            snapshot=state.snapshot,
            notes=(f"nobody looked {window}: this is the state of before; a log of DDL would tell when it changed",),
        )
    entries = entries_between(connection, state.seen_until, until)
    if not any(entry.at <= moment for entry in entries):
        return Past(snapshot=state.snapshot)
    if after is not None and all(entry.at <= moment for entry in entries):
        return Past(snapshot=after.snapshot)
    last = _time(max(entry.at for entry in entries if entry.at <= moment))
    note = f"nobody looked {window}, and DDL until {last} is not in this state (`reconciler log` shows it)"
    return Past(snapshot=state.snapshot, notes=(note,))


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
