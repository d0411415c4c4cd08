"""What became of the schema: runs and statements of people in one line of time, and whose each part is. Does I/O.

Without a log of DDL there are the migrations alone, by the snapshots that the ledger keeps of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.audit.attribution import attribute
from reconciler.audit.install import audit_state
from reconciler.audit.log import entries_between
from reconciler.catalog.snapshot_reader import read_snapshot
from reconciler.db.connections import transaction
from reconciler.diff.diff import Difference
from reconciler.errors import ConfigError, LedgerDamagedError
from reconciler.ledger.history import load_history
from reconciler.ledger.managers import SnapshotManager
from reconciler.ledger.marks import load_addresses
from reconciler.ledger.migrations import load_plugins
from reconciler.ledger.own import own_runs
from reconciler.ledger.runs import RunOutcome, load_runs
from reconciler.model.audit import Attribution, AttributionKind, Happening, OwnRun
from reconciler.model.facts import RELATION_KINDS, SATELLITE_KINDS, FactId
from reconciler.model.visible import visible_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from reconciler.db.connections import Connection
    from reconciler.ledger.runs import Run
    from reconciler.model.audit import Entry
    from reconciler.model.snapshot import Snapshot

__all__ = ["Wanted", "blame", "timeline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which part of the line of time is asked for; None is no limit.

    `object` is a name, `app.accounts`, or with its kind, `table:app.accounts`; its parts belong to it.
    """

    object: str | None = None
    plugin: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    role: str | None = None

    def holds(self, at: datetime, roles: Iterable[str]) -> bool:
        """Whether what happened then, by these roles, is asked for."""
        return (
            (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
            and (self.role is None or self.role in roles)
        )


def timeline(connection: Connection, wanted: Wanted) -> tuple[tuple[Happening, ...], tuple[str, ...]]:
    """What happened, oldest first, and what is not known of it, a line each. Raises LedgerError, AuditError."""
    with transaction(connection):
        state = audit_state(connection)
        readable = state.is_intact and state.readable
        entries = entries_between(connection, None, wanted.until) if readable else ()
        own = own_runs(connection, entries)
        if wanted.object is not None:
            entries = tuple(_about(entries, wanted.object))
        runs = {run.id: run for run in load_runs(connection, wanted.plugin) if run.outcome is RunOutcome.SUCCEEDED}
        touched = _touching(
            connection, wanted, runs.values(), {own[each.id].run_id for each in entries if each.id in own}
        )
    found = [
        Happening(at=run.finished_at or run.started_at, by=run.database_user, run=_own_run(run), entries=parts)
        for run in touched
        if wanted.holds(run.finished_at or run.started_at, (run.database_user,))
        for parts in [tuple(each for each in entries if each.id in own and own[each.id].run_id == run.id)]
    ]
    if wanted.plugin is None:
        found += [
            Happening(at=parts[0].at, by=str(parts[0].actor), entries=parts)
            for parts in _statements(entry for entry in entries if entry.id not in own)
            if wanted.holds(parts[0].at, parts[0].actor.roles)
        ]
    notes = [f"the log of DDL is not believed: {problem}" for problem in state.problems]
    if not state.installed:
        notes.append("there is no log of DDL: only runs of reconciler are known (`reconciler audit install`)")
    elif not readable and not notes:
        notes.append("this role may not read the log of DDL (`reconciler audit install --reader ROLE` allows it)")
    return tuple(sorted(found, key=lambda each: each.at)), tuple(notes)


def _own_run(run: Run) -> OwnRun:
    return OwnRun(plugin=run.plugin, run_id=run.id, kind=run.kind.value, idx=run.idx)


def _about(entries: Sequence[Entry], wanted: str) -> Iterator[Entry]:
    """Those on the object and its parts, also under names that it had before."""
    name = wanted.rpartition(":")[2]
    addresses = {entry.address[:2] for entry in entries if entry.address is not None and _is_named(entry, name)}
    relations = {address[1] for address in addresses if address[0] == _PG_CLASS}
    for entry in entries:
        if (
            _is_named(entry, name)
            or (entry.address is not None and entry.address[:2] in addresses)
            or entry.relation in relations
        ):
            yield entry


_PG_CLASS = 1259


def _is_named(entry: Entry, name: str) -> bool:
    identity = (entry.identity or "").replace('"', "")
    return identity == name or identity.startswith((f"{name}.", f"{name}(")) or identity.endswith(f" on {name}")


def _touching(connection: Connection, wanted: Wanted, runs: Iterable[Run], logged: set[int]) -> Sequence[Run]:
    """The runs that changed the object, by the log or by the snapshots that were recorded."""
    recorded = [run for run in runs if run.idx is not None]
    if wanted.object is None:
        return recorded
    name = tuple(wanted.object.rpartition(":")[2].split("."))
    changed = {
        (plugin, idx)
        for plugin in {run.plugin for run in recorded}
        for idx, _ in _changes(connection, plugin, lambda fact: _name(fact)[: len(name)] == name)
    }
    return [run for run in recorded if run.id in logged or (run.plugin, run.idx) in changed]


def _name(fact: FactId) -> tuple[str, ...]:
    while fact.kind in SATELLITE_KINDS:
        fact = fact.target
    return fact.name


def _changes(
    connection: Connection, plugin: str, is_wanted: Callable[[FactId], bool]
) -> Iterator[tuple[int, frozenset[FactId]]]:
    """Each migration of the plugin that changed one of these facts, and which."""
    before: dict[FactId, str] = {}
    for entry in load_history(connection, plugin, damaged=[]):
        try:
            snapshot = SnapshotManager(connection).load_snapshot(plugin, entry.idx)
        except LedgerDamagedError:
            continue  # what changed then shows in the next one
        if snapshot is None:
            continue
        now = {fact: text for fact, text in snapshot.facts.items() if is_wanted(fact)}
        changed = frozenset(fact for fact in now.keys() | before.keys() if now.get(fact) != before.get(fact))
        before = now
        if changed:
            yield entry.idx, changed


def _statements(entries: Iterable[Entry]) -> Iterator[tuple[Entry, ...]]:
    """What one statement wrote stands together."""
    found: list[Entry] = []
    for entry in entries:
        if found and (found[-1].xid, found[-1].tag, found[-1].context) != (entry.xid, entry.tag, entry.context):
            yield tuple(found)
            found = []
        found.append(entry)
    if found:
        yield tuple(found)


def blame(connection: Connection, table: str) -> tuple[tuple[FactId, Attribution | None], ...]:
    """Each part of a relation, and since which statement or migration it is as it is; None where nothing tells.

    Raises ConfigError where there is no such relation.
    """
    kind, _, text = table.rpartition(":")
    name = tuple(text.split(".")) if "." in text else ("public", text)
    with transaction(connection):
        live = read_snapshot(connection, name[:1])
        kinds = (kind,) if kind else RELATION_KINDS
        whole = next((fact for fact in (FactId(each, name) for each in kinds) if fact in live.facts), None)
        if whole is None:
            raise ConfigError(f"{visible_line('.'.join(name))} is not a table, view or sequence of the database")
        facts = [whole, *live.descendants(whole)]
        found, _ = attribute(
            connection, [Difference(fact=fact, before=None, after=None) for fact in facts], live, _before(connection)
        )
        unknown = [fact for fact in facts if fact not in found or found[fact].kind is AttributionKind.BEFORE_LOG]
        recorded = _recorded(connection, live, unknown) if unknown else {}
    return tuple((fact, recorded.get(fact, found.get(fact))) for fact in facts)


def _before(connection: Connection) -> Mapping[FactId, tuple[int, int, int]]:
    return {
        fact: address
        for plugin in load_plugins(connection)
        for fact, address in load_addresses(connection, plugin).items()
    }


def _recorded(connection: Connection, live: Snapshot, facts: Sequence[FactId]) -> dict[FactId, Attribution]:
    """The migrations that made facts what they still are."""
    wanted = frozenset(facts)
    runs = {(run.plugin, run.idx): run for run in load_runs(connection) if run.outcome is RunOutcome.SUCCEEDED}
    found: dict[FactId, Attribution] = {}
    for plugin in load_plugins(connection):
        latest = SnapshotManager(connection).get_latest_snapshot(plugin)
        for idx, changed in _changes(connection, plugin, wanted.__contains__):
            run = runs.get((plugin, idx))
            if run is None or latest is None:
                continue
            for fact in changed:
                if latest.facts.get(fact) == live.facts[fact]:
                    found[fact] = Attribution(
                        kind=AttributionKind.RUN, runs=(_own_run(run),), at=run.finished_at or run.started_at
                    )
    return found
