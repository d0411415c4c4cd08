"""Which relations a statement locks against clients, also by implication. Pure: no I/O.

What a rule calls `lock` and `locks` is what its statement is about. A foreign key locks both of its tables, a partition
its parent and the default partition, a table its sequences, a domain the tables that have columns of it. Here is said
from where what is reached; which relations that are is asked of the database before a transaction begins
(`apply/locks.py`), as not all of them need be managed. docs/online.md describes it; the modes are those that
pg_locks shows (https://www.postgresql.org/docs/current/explicit-locking.html lists most).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.facts import TABLE_KINDS, FactId
from reconciler.model.plan import LockMode, Reach, RelationLock, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.model.plan import Statement
    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = ["LOCKABLE_KINDS", "relation_locks", "renamed_locks"]

# What clients lock as they use it.
LOCKABLE_KINDS = TABLE_KINDS | {"view", "materialized_view", "sequence", "composite_type"}

_EXCLUSIVE = LockMode.ACCESS_EXCLUSIVE
_PARTITIONS = frozenset({Reach.PARTITIONS})
_BELOW = frozenset({Reach.CHILDREN})
# Kinds of parts of a relation that change under a lock on the relation and on what is below it.
_TO_CHILDREN = frozenset({"column", "constraint", "default"})
_TO_PARTITIONS = frozenset({"index", "trigger", "partition_trigger"})


def relation_locks(statement: Statement, stage: Stage, context: Context) -> tuple[RelationLock, ...]:
    """All locks of the statement that keep clients off relations which are there already."""
    if statement.lock is not None and not statement.lock.blocks_clients:
        return ()
    found: dict[RelationLock, None] = {}
    for relation, mode, reach in _locks(statement, stage, context):
        if (mode.blocks or reach) and relation in context.live and relation.kind in LOCKABLE_KINDS:
            former = context.names_before_renames.get(relation)
            found[RelationLock(relation=relation, mode=mode, reach=reach, former=former)] = None
    return tuple(found)


def renamed_locks(fact: FactId, live: Snapshot) -> tuple[RelationLock, ...]:
    """The locks under which a thing of live is renamed, or moved to another schema."""
    relation = live.object_of(fact)
    if relation.kind not in LOCKABLE_KINDS or fact.kind == "index":
        return ()
    reach = frozenset({Reach.SEQUENCES}) if fact == relation else _BELOW
    return (RelationLock(relation=relation, mode=_EXCLUSIVE, reach=reach),)


Found = tuple[FactId, LockMode, frozenset[Reach]]


def _locks(statement: Statement, stage: Stage, context: Context) -> Iterator[Found]:
    facts = (*statement.creates, *statement.drops, *statement.alters)
    if statement.locks is not None and statement.lock is not None:
        yield statement.locks, statement.lock, _reach(statement)
    if stage is not Stage.TOGETHER and not any(fact.kind == "constraint" for fact in facts):
        return  # a step of a change that has many: it says all that it locks
    for fact in statement.creates:
        yield from _created(fact, context)
    for fact in statement.drops:
        yield from _dropped(fact, context)
    for fact in statement.alters:
        yield from _altered(fact, context)
    for fact in facts:
        if fact.kind == "owner" and fact.target.kind in LOCKABLE_KINDS:
            yield fact.target, _EXCLUSIVE, frozenset({Reach.SEQUENCES})


def _reach(statement: Statement) -> frozenset[Reach]:
    """What is below the table that the statement is about, where it is done to that too."""
    if statement.sql.startswith("ALTER TABLE ONLY ") or " ON ONLY " in statement.sql.partition("(")[0]:
        return frozenset()
    kinds = {fact.kind for fact in (*statement.creates, *statement.drops, *statement.alters)}
    if kinds & _TO_CHILDREN:
        return _BELOW
    return _PARTITIONS if kinds & _TO_PARTITIONS else frozenset()


def _created(fact: FactId, context: Context) -> Iterator[Found]:
    match fact.kind:
        case "constraint":
            yield from _ends(fact, context.goal, LockMode.SHARE_ROW_EXCLUSIVE)
        case "inheritance":
            yield from _attached(fact, context)
        case "domain_constraint":
            yield from _with_domain(FactId("domain", fact.name[:2]), context)
        case "column" if "identity" in context.new(fact):
            yield from _column(fact, context)
        case "owned_by":
            yield FactId("sequence", fact.name), LockMode.SHARE_ROW_EXCLUSIVE, frozenset()
        case _:
            pass


def _dropped(fact: FactId, context: Context) -> Iterator[Found]:
    match fact.kind:
        case "table" | "foreign_table":
            yield (
                fact,
                _EXCLUSIVE,
                frozenset({Reach.PARTITIONS, Reach.PARENT, Reach.FOREIGN_KEYS, Reach.SEQUENCES}),
            )
        case "view" | "materialized_view" | "sequence" | "composite_type":
            yield fact, _EXCLUSIVE, frozenset()
        case "constraint":
            yield from _ends(fact, context.live, _EXCLUSIVE)
        case "inheritance":
            yield from _detached(fact)
        case "column":
            yield from _column(fact, context)
        case "owned_by":
            yield FactId("sequence", fact.name), LockMode.SHARE_ROW_EXCLUSIVE, frozenset()
        case "index":
            yield from _index(fact, context.live)
        case _:
            pass


def _altered(fact: FactId, context: Context) -> Iterator[Found]:
    if fact not in context.live or fact not in context.goal:
        return
    match fact.kind:
        case "constraint":
            yield from _ends(fact, context.live, _EXCLUSIVE)
        case "column":
            changed = context.changed(fact)
            if changed & {"type", "collation", "identity"}:
                yield from _column(fact, context)
            table = context.live.parent(fact)
            keyed = any(each.kind == "constraint" for each in context.dependents.get(fact, ()))
            if changed & {"type", "collation"} and table is not None and keyed:
                yield table, _EXCLUSIVE, frozenset({Reach.CHILDREN, Reach.FOREIGN_KEYS})
        case "composite_type":
            yield fact, _EXCLUSIVE, frozenset()
        case "table" if "unlogged" in context.changed(fact):
            yield fact, _EXCLUSIVE, frozenset({Reach.SEQUENCES})
        case "domain" | "domain_constraint":
            yield from _with_domain(FactId("domain", fact.name[:2]), context)
        case "owned_by":
            yield FactId("sequence", fact.name), LockMode.SHARE_ROW_EXCLUSIVE, frozenset()
        case "index":
            yield from _index(fact, context.live)
        case _:
            pass


def _ends(constraint: FactId, state: Snapshot, mode: LockMode) -> Iterator[Found]:
    """Both tables of a foreign key, with all that is below them."""
    if '"type":"foreign_key"' not in state.facts.get(constraint, ""):
        return
    for needed in (constraint, *state.dependencies.get(constraint, ())):
        table = state.object_of(needed)
        if table.kind == "table":
            yield table, mode, _PARTITIONS


def _attached(link: FactId, context: Context) -> Iterator[Found]:
    """A partition or child, and what its parent's foreign keys and default partition make of it."""
    child, parent = FactId("table", link.name[:2]), FactId("table", link.name[2:])
    yield child, _EXCLUSIVE, _PARTITIONS
    if "bound" in context.new(link):
        yield parent, LockMode.SHARE_UPDATE_EXCLUSIVE, frozenset({Reach.FOREIGN_KEYS})
        yield parent, LockMode.SHARE_UPDATE_EXCLUSIVE, frozenset({Reach.DEFAULT_PARTITION})


def _detached(link: FactId) -> Iterator[Found]:
    child, parent = FactId("table", link.name[:2]), FactId("table", link.name[2:])
    yield child, _EXCLUSIVE, frozenset({Reach.PARTITIONS, Reach.FOREIGN_KEYS})
    yield parent, _EXCLUSIVE, frozenset({Reach.DEFAULT_PARTITION})


def _column(column: FactId, context: Context) -> Iterable[Found]:
    """What has the column, with all that is below it, and the column's sequence."""
    owner = context.live.parent(column) or context.goal.parent(column)
    return () if owner is None else ((owner, _EXCLUSIVE, _BELOW | _sequences(column, context)),)


def _sequences(column: FactId, context: Context) -> frozenset[Reach]:
    """Whether the column has a sequence: as an identity, or as an owner."""
    if any("identity" in state.definition(column) for state in (context.live, context.goal) if column in state):
        return frozenset({Reach.SEQUENCES})
    owned = any(fact.kind in ("owned_by", "sequence") for fact in context.dependents.get(column, ()))
    return frozenset({Reach.SEQUENCES}) if owned else frozenset()


def _with_domain(domain: FactId, context: Context) -> Iterator[Found]:
    """The tables that hold values of the domain: they are read where what it allows is checked."""
    waiting, seen = [domain], {domain}
    while waiting:
        for fact in context.dependents.get(waiting.pop(), ()):
            if fact.kind == "column":
                yield context.live.object_of(fact), LockMode.SHARE, frozenset()
            if fact not in seen and fact.kind in _HOLDERS:
                seen.add(fact)
                waiting.append(fact)
                waiting.extend(context.live.children.get(fact, ()))


_HOLDERS = frozenset({"column", "domain", "composite_type", "range_type", "table", "view", "materialized_view"})


def _index(index: FactId, state: Snapshot) -> Iterable[Found]:
    """The table of an index, which is behind that table's lock."""
    table = state.parent(index)
    return () if table is None else ((table, _EXCLUSIVE, _PARTITIONS),)
