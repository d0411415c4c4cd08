"""Whose the differences are that `check` found, proven by the versions of catalog rows. Does I/O.

A statement that the log knows has left row versions behind. A difference is its author's only where the catalog row of
today is one of these: what was changed by an UPDATE of a catalog, while the log was off or before it began, is nobody's
in the log, whoever ran a statement on the same object.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, LiteralString, NamedTuple

from reconciler.audit.install import audit_state
from reconciler.audit.log import entries_about
from reconciler.db.connections import fetch_all, fetch_one
from reconciler.ledger.own import own_runs
from reconciler.model.audit import Attribution, AttributionKind, attribution_of
from reconciler.model.facts import SATELLITE_KINDS, FactId

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from reconciler.db.connections import Connection
    from reconciler.diff.diff import Difference
    from reconciler.model.audit import AuditState, Entry, OwnRun
    from reconciler.model.facts import Address
    from reconciler.model.snapshot import Snapshot

__all__ = ["attribute"]

# OIDs of catalogs are fixed (src/include/catalog/*.h).
_PG_CLASS, _PG_ATTRIBUTE, _PG_NAMESPACE = 1259, 1249, 2615
_PG_DESCRIPTION, _PG_SECLABEL, _PG_INHERITS, _PG_DEPEND = 2609, 3596, 2611, 2608
_APART = {
    "comment": _PG_DESCRIPTION,
    "security_label": _PG_SECLABEL,
    "inheritance": _PG_INHERITS,
    "owned_by": _PG_DEPEND,
}
# Statements that change an owner or privileges; others that touch the same row are asked only where there is none.
_TAGS = {
    "privileges": ("GRANT", "REVOKE", "DROP OWNED"),
    "comment": ("COMMENT",),
    "security_label": ("SECURITY LABEL",),
}
_BLAME_CREATION = ("CREATE", "ALTER", "SELECT INTO", "IMPORT")


class _Row(NamedTuple):
    """A catalog row of today; `version` is what the log calls it, `place` the same without the xmin."""

    catalog: int
    address: Address
    version: str
    is_older: bool
    at: float | None

    @property
    def place(self) -> str:
        return self.version.rpartition(":")[0]


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What the log, the ledger and the catalogs say of the objects that are asked about."""

    rows: Mapping[Address, tuple[_Row, ...]]
    entries: tuple[Entry, ...]
    own: Mapping[int, OwnRun]
    # Who left a version, with the last command of the transaction that did.
    authors: Mapping[str, Entry] = field(default_factory=dict["str", "Entry"])
    # All that left a version of a row, in their order.
    history: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict["str", "tuple[Entry, ...]"])


def attribute(
    connection: Connection, differences: Collection[Difference], live: Snapshot, before: Mapping[FactId, Address]
) -> tuple[Mapping[FactId, Attribution], AuditState]:
    """Whose each difference is, by its fact; nothing where there is no log that can be believed, which the state tells.

    `before` is where objects lay when they were recorded.
    """
    state = audit_state(connection)
    if not differences or not state.is_intact or not state.readable:
        return {}, state
    facts = [difference.fact for difference in differences]
    known = _known(connection, state, facts, live, before)
    return {each.fact: _of_difference(each, live, before, known) for each in differences}, state


def _known(
    connection: Connection,
    state: AuditState,
    facts: Sequence[FactId],
    live: Snapshot,
    before: Mapping[FactId, Address],
) -> _Known:
    addresses = {
        address
        for fact in facts
        for each in (fact, *_above(fact, live))
        for address in (_address(each, live), before.get(each))
        if address is not None
    }
    rows = _rows(connection, state, addresses)
    relations = {address[1] for address in addresses if address[0] == _PG_CLASS}
    schemas = {fact.schema for fact in facts if fact.schema is not None} | {
        name for fact in facts for name in _root(fact).name[:1]
    }
    entries = entries_about(connection, addresses, relations, sorted(schemas))
    history: dict[str, dict[tuple[str, int], Entry]] = {}
    last: dict[str, int] = {}
    for entry in entries:
        for version, command in entry.versions.items():
            history.setdefault(version.rpartition(":")[0], {}).setdefault((version, command), entry)
            last[version] = max(last.get(version, command), command)
    authors = {
        version: found[version, command]
        for found in history.values()
        for version, command in found
        if command == last[version]
    }
    return _Known(
        rows=rows,
        entries=entries,
        own=own_runs(connection, entries),
        authors=authors,
        history={place: tuple(found.values()) for place, found in history.items()},
    )


def _rows(connection: Connection, state: AuditState, addresses: Iterable[Address]) -> dict[Address, tuple[_Row, ...]]:
    """The catalog rows of these objects, by the addresses of what they are of."""
    objects = sorted({address[:2] for address in addresses})
    keeps_times = fetch_one(connection, "SELECT pg_catalog.current_setting('track_commit_timestamp')") == ("on",)
    found = fetch_all(
        connection,
        _ROWS,
        {
            "classes": [class_oid for class_oid, _ in objects],
            "objects": [object_oid for _, object_oid in objects],
            "since": str(state.since_xid),
            "times": keeps_times,
        },
    )
    rows: dict[Address, dict[str, _Row]] = {}
    for catalog, classid, objid, subid, version, is_older, at in found:
        row = _Row(catalog, (classid, objid, subid), version, is_older, at)
        rows.setdefault(row.address, {})[version] = row
    return {address: tuple(each.values()) for address, each in rows.items()}


# A row that is older than the log has a lower xmin than its first transaction, by age, since xmin wraps around.
_ROWS: LiteralString = """
    SELECT own.catalog::bigint, own.classid::bigint, own.objid::bigint, own.objsubid,
        pg_catalog.concat_ws(':', own.catalog, own.classid, own.objid, own.objsubid, own.version),
        pg_catalog.age(own.version) > pg_catalog.age(%(since)s::xid8::xid),
        CASE WHEN %(times)s AND pg_catalog.age(own.version) <= pg_catalog.age(%(since)s::xid8::xid)
            THEN extract(epoch FROM pg_catalog.pg_xact_commit_timestamp(own.version))::float8 END
    FROM ROWS FROM (pg_catalog.unnest(%(classes)s::oid[]), pg_catalog.unnest(%(objects)s::oid[]))
            AS asked(classid, objid),
        reconciler_audit.rows_of(asked.classid, asked.objid) AS own
"""


def _of_difference(
    difference: Difference, live: Snapshot, before: Mapping[FactId, Address], known: _Known
) -> Attribution:
    fact = difference.fact
    if fact not in live.facts:
        return _of_gone(fact, live, before, known)
    usual = _of_rows(fact, _address(fact, live), known)
    # What is there all of a sudden may have another name, because what it is a part of was renamed.
    if (difference.before is None) != (difference.after is None) and (usual is None or _is_old(usual)):
        for each in _above(fact, live):
            found = _of_rows(each, _address(each, live), known)
            if found is not None and not _is_old(found):
                return found
    return usual or _unlogged(None)


def _is_old(found: Attribution) -> bool:
    """Whether somebody else can only have changed what surrounds it."""
    return found.kind in (AttributionKind.RUN, AttributionKind.BEFORE_LOG)


def _of_rows(fact: FactId, address: Address | None, known: _Known) -> Attribution | None:
    """Whose the rows are that hold the fact; None where there is no such row."""
    rows = [row for row in known.rows.get(address, ()) if _holds(row, fact)] if address is not None else []
    if not rows:
        return None
    parts = [_of_row(row, fact, known) for row in rows]
    return attribution_of(parts)


def _of_row(row: _Row, fact: FactId, known: _Known) -> Attribution:
    author = known.authors.get(row.version)
    made = _made_outside_runs(known.history.get(row.place, ()), fact, known)
    if author is None:
        if row.is_older:
            return Attribution(kind=AttributionKind.BEFORE_LOG)
        at = None if row.at is None else datetime.fromtimestamp(row.at, UTC)
        return Attribution(kind=AttributionKind.NOT_LOGGED, entries=made, unlogged=True, at=at)
    if author.id in known.own and not made:
        return Attribution(kind=AttributionKind.RUN, runs=(known.own[author.id],), entries=(author,))
    return _by(made or (author,))


def _made_outside_runs(history: Sequence[Entry], fact: FactId, known: _Known) -> tuple[Entry, ...]:
    """Those who changed a row after our last run did; where several kinds of statements touch it, those it is about."""
    since_own = list(history)
    for position, entry in enumerate(history):
        if entry.id in known.own:
            since_own = list(history[position + 1 :])
    distinct = tuple({entry.id: entry for entry in since_own}.values())
    wanted = _TAGS.get(fact.kind, _BLAME_CREATION if fact.kind == "owner" else ())
    about = tuple(entry for entry in distinct if entry.tag.startswith(wanted)) if wanted else ()
    if about:
        return about
    target = _root(fact) if fact.kind in SATELLITE_KINDS else fact
    direct = tuple(entry for entry in distinct if _is_about(entry, target))
    return direct or distinct


def _is_about(entry: Entry, fact: FactId) -> bool:
    """Whether the statement was on the fact's own object, and not one that only touched its row."""
    return entry.identity is not None and fact.name[-1].strip('"') in entry.identity.replace('"', "")


def _of_gone(fact: FactId, live: Snapshot, before: Mapping[FactId, Address], known: _Known) -> Attribution:
    """Who dropped it, renamed it, or changed what it was a part of, after our last run on it."""
    if fact.kind in SATELLITE_KINDS and fact.target in live.facts:
        return _of_parent(fact, live, known)
    dropped = [entry for entry in known.entries if entry.is_drop and _is_of(entry, fact)]
    for part in _above_by_name(fact):
        if dropped:
            break
        if part not in live.facts:
            dropped = [entry for entry in known.entries if entry.is_drop and _is_of(entry, part)]
    if dropped:
        last = dropped[-1]
        if last.id in known.own:
            return Attribution(kind=AttributionKind.RUN, runs=(known.own[last.id],), entries=(last,))
        return _by((last,))
    for part in (fact, *_above_by_name(fact)):
        address = before.get(part)
        renamed = _of_rows(part, address, known) if address is not None else None
        if renamed is not None and not _is_old(renamed):
            return renamed
    return _of_parent(fact, live, known)


def _of_parent(fact: FactId, live: Snapshot, known: _Known) -> Attribution:
    """Who ran a statement on what it was a part of: a comment that is taken away leaves no row, for one."""
    for part in _above_by_name(fact):
        address = _address(part, live)
        if address is None:
            continue
        wanted = _TAGS.get(fact.kind, ())
        about = [
            entry
            for entry in known.entries
            if entry.address is not None
            and entry.address[:2] == address[:2]
            and not entry.is_drop
            and (not wanted or entry.tag.startswith(wanted))
            and (fact.kind not in SATELLITE_KINDS or entry.address == address)
        ]
        after_own = [
            entry for entry in about if not any(later.id in known.own and later.id >= entry.id for later in about)
        ]
        if after_own:
            return _by((after_own[-1],))
        if about:
            return Attribution(kind=AttributionKind.RUN, runs=(known.own[about[-1].id],), entries=(about[-1],))
    return _unlogged(None)


def _by(entries: tuple[Entry, ...]) -> Attribution:
    whose = {entry.actor.who for entry in entries}
    return Attribution(kind=AttributionKind.SEVERAL if len(whose) > 1 else AttributionKind.BY, entries=entries)


def _unlogged(at: datetime | None) -> Attribution:
    return Attribution(kind=AttributionKind.NOT_LOGGED, unlogged=True, at=at)


def _holds(row: _Row, fact: FactId) -> bool:
    """Whether the row says what the fact is about, of all that are of the same object."""
    if fact.kind in _APART:
        return row.catalog == _APART[fact.kind]
    if row.catalog in _APART.values():
        return False
    if fact.kind in ("owner", "privileges"):
        return row.catalog == (_PG_ATTRIBUTE if row.address[2] else row.address[0])
    return True


def _address(fact: FactId, live: Snapshot) -> Address | None:
    """Where the fact's rows are found; a satellite's where its target's are."""
    if fact.kind in SATELLITE_KINDS:
        return _address(fact.target, live)
    if fact in live.addresses:
        return live.addresses[fact]
    if fact.kind == "inheritance":
        child = next(
            (each for each in (FactId(kind, fact.name[:2]) for kind in _TABLES) if each in live.addresses), None
        )
        return live.addresses[child] if child is not None else None
    return live.addresses.get(FactId("sequence", fact.name)) if fact.kind == "owned_by" else None


_TABLES = ("table", "foreign_table")


def _above(fact: FactId, live: Snapshot) -> tuple[FactId, ...]:
    """What the fact is a part of, up to its schema: a rename there gives it another name, and leaves its rows alone."""
    found: list[FactId] = []
    part = live.parent(fact)
    while part is not None:
        found.append(part)
        part = live.parent(part)
    if not found and fact not in live.facts:
        found = list(_above_by_name(fact))
    schema = fact.schema
    space = FactId("schema", (schema,)) if schema is not None else None
    return (*found, space) if space is not None and space != fact and space not in found else tuple(found)


def _above_by_name(fact: FactId) -> tuple[FactId, ...]:
    """The same of what is gone, by its name alone: whichever kind of relation it was."""
    if fact.kind in SATELLITE_KINDS:
        return (fact.target, *_above_by_name(fact.target))
    schema = (FactId("schema", fact.name[:1]),) if len(fact.name) > 1 else ()
    if fact.kind == "default":
        return (FactId("column", fact.name), *(FactId(kind, fact.name[:2]) for kind in _RELATIONS), *schema)
    if len(fact.name) > 2:
        wholes = ("domain",) if fact.kind == "domain_constraint" else _RELATIONS
        return (*(FactId(kind, fact.name[:2]) for kind in wholes), *schema)
    return schema


_RELATIONS = ("table", "view", "materialized_view", "foreign_table")


def _root(fact: FactId) -> FactId:
    while fact.kind in SATELLITE_KINDS:
        fact = fact.target
    return fact


def _is_of(entry: Entry, fact: FactId) -> bool:
    """Whether what was dropped is the fact, by the names that Postgres gives for it."""
    if fact.kind in SATELLITE_KINDS or entry.object_type is None:
        return False
    names, name = entry.names, fact.name
    if _TYPES.get(fact.kind, fact.kind.replace("_", " ")) not in entry.object_type:
        return False
    match fact.kind:
        case "index":
            return names == (name[0], name[-1])
        case "enum" | "domain" | "composite_type" | "range_type" | "base_type":
            return bool(names) and names[0].replace('"', "") == ".".join(name)
        case "function" | "procedure" | "aggregate":
            return names[:2] == name[:2]
        case "domain_constraint":
            return bool(names) and names[-1] == name[-1] and names[0].replace('"', "") == ".".join(name[:2])
        case _:
            return names == name or names[: len(name)] == name


# What pg_event_trigger_dropped_objects calls them, where that is not the kind.
_TYPES = {
    "column": "column",
    "default": "default value",
    "constraint": "table constraint",
    "domain": "type",
    "domain_constraint": "domain constraint",
    "enum": "type",
    "composite_type": "type",
    "range_type": "type",
    "base_type": "type",
    "partition_trigger": "trigger",
    "default_privileges": "default acl",
    "statistics": "statistics object",
    "foreign_data_wrapper": "foreign-data wrapper",
    "foreign_server": "server",
    "publication_table": "publication relation",
    "publication_schema": "publication namespace",
}
