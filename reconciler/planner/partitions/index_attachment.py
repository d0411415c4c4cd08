"""How indexes, keys and foreign keys of partitions belong to those of their parent. Pure: no I/O.

Where a partition is attached, or its parent gets an index, Postgres takes an index of the partition that could be the
parent's, and creates one where it finds none. Which one it takes depends on their age, so an index that should stay
separate is dropped meanwhile. An attached index cannot be dropped alone; it is dropped with its parent's. A partition
that is detached keeps what it had, including its parent's foreign keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.facts import FactId
from reconciler.planner.core.nodes import Act, Node
from reconciler.planner.partitions.index_pairing import (
    by_age,
    could_be_taken,
    follows_link,
    has_rivals,
    is_key,
    owner_of,
    takers,
    wrongly_attached,
)
from reconciler.planner.partitions.tree import (
    ancestors,
    is_partitioned,
    links_below,
    links_of,
    parent_of,
    partitions_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = [
    "attaches",
    "detaches_when_renamed",
    "foreign_keys_to",
    "gets_attached",
    "is_alone",
    "is_joined",
    "is_left_behind",
    "is_made_alone",
    "is_of_partition",
    "is_recreated_otherwise",
    "is_small",
    "keys_after_partitions",
    "leaves_parent",
    "left_behind",
    "obstacles",
    "ordered",
    "stays_alone",
]

_PARTS = frozenset({"column", "constraint", "default", "index", "trigger"})
_SMALL_BYTES = 1024 * 1024


def is_of_partition(needed: FactId, among: frozenset[FactId], state: Snapshot) -> bool:
    """Whether this is a partition's, and its parent's is `among` what is needed: a foreign key refers to both."""
    owner = owner_of(needed, state)
    while owner is not None and owner not in among:
        owner = owner_of(owner, state)
    if owner is not None:
        return True
    above = ancestors(state.object_of(needed), state)
    return any(needed._replace(name=(*table.name, *needed.name[2:])) in among for table in above)


def is_small(table: FactId | None, context: Context) -> bool:
    """Whether an index of the table is built, or its rows are checked, instantly."""
    size = context.sizes.get(table) if table is not None else None
    return size is None or size.bytes <= _SMALL_BYTES


def gets_attached(fact: FactId, context: Context) -> bool:
    """Whether the index or key needs a statement of its own to be attached to the parent's."""
    table, owner = context.goal.parent(fact), owner_of(fact, context.goal)
    if table is None or owner is None or owner in context.creates or "parent" not in context.new(fact):
        return False
    if fact in context.alters and "parent" not in context.changed(fact):
        return False
    return all(context.persists(link) for link in links_of(table, context.goal))


def attaches(fact: FactId, context: Context) -> bool:
    """Whether an invalid index of a partitioned table becomes valid because what it lacked is attached to it."""
    return any(
        part not in context.live or context.old(part).get("parent") != context.new(part).get("parent")
        for part in context.adopted(fact)
    )


def leaves_parent(fact: FactId, context: Context) -> bool:
    """Whether the table of the index or key is detached, so that only its parent changes."""
    table = context.live.parent(fact)
    if table is None or "parent" not in context.old(fact):
        return False
    links = links_of(table, context.live)
    moved = {"bound", "detach_pending"}
    return bool(links) and all(link not in context.goal or bool(context.changed(link) & moved) for link in links)


def is_made_alone(fact: FactId, context: Context) -> bool:
    """Whether a new index of a partitioned table is created ON ONLY it, and those of its partitions attached one by
    one.

    It lacks some of them, or Postgres might take another one that stays separate or is another index's.
    """
    table = context.goal.parent(fact)
    if table is None or not is_partitioned(table, context.goal):
        return False
    if context.new(fact).get("invalid") or has_rivals(fact, context):
        return True
    return fact.kind == "index" and any(_taken_with(fact, table, context))


def is_joined(fact: FactId, context: Context) -> bool:
    """Whether the index of a partitioned table is created instantly, from those that its partitions have by then."""
    table = context.goal.parent(fact)
    if table is None or not is_partitioned(table, context.goal):
        return False
    tables = {context.goal.parent(part) for part in context.adopted(fact)}
    return is_made_alone(fact, context) or all(child in tables for _, child in partitions_of(table, context.goal))


def _taken_with(whole: FactId, table: FactId, context: Context) -> Iterable[FactId]:
    """What stays separate in attached partitions, and that a new index of the table would take."""
    for link, child in partitions_of(table, context.goal):
        if context.persists(link):
            yield from (part for part in stays_alone(child, context) if could_be_taken(part, whole, context.goal))


def is_recreated_otherwise(whole: FactId, context: Context) -> bool:
    """Whether an index or key of a partition is not as Postgres creates it with the parent's.

    When a column's type changes, Postgres recreates those of the parent, and with them those of its partitions.
    """
    parts = context.adopted_in_live.get(whole, ())
    return any(not _is_usual(part, whole, context) or is_recreated_otherwise(part, context) for part in parts)


def _is_usual(part: FactId, whole: FactId, context: Context) -> bool:
    definition = context.old(part)
    if FactId("comment", (part.kind, *part.name)) in context.live:
        return False
    if part.kind == "constraint":
        return part in context.live.cloned and not definition.keys() & {"index_comment", "index_options", "tablespace"}
    columns = [each.name[2] for each in context.live.dependencies.get(part, ()) if each.kind == "column"]
    return (
        definition.keys() <= {"parent", "unique", "using"}
        and definition["using"] == context.old(whole).get("using")
        and part.name[2] == "_".join((part.name[1], *columns, "idx"))
    )


def stays_alone(table: FactId, context: Context) -> Iterable[FactId]:
    """The indexes and keys of a table that are not attached to a parent's in the goal."""
    for part in context.goal.children.get(table, ()):
        if is_key(part, context.goal) and "parent" not in context.new(part):
            yield part


def is_alone(part: FactId, context: Context) -> bool:
    """Whether the index or key would be taken for its parent's, and so is created after its table is attached."""
    table = context.goal.parent(part)
    if table is None or not is_key(part, context.goal) or "parent" in context.new(part):
        return False
    return any(takers(part, table, context))


def obstacles(context: Context) -> Iterable[FactId]:
    """What must be dropped and created again while indexes of partitions and their parents are changed or attached."""
    for fact in [*context.creates]:
        if fact.kind == "inheritance" and "bound" in context.new(fact):
            child = context.goal.parent(fact)
            if child is not None and context.persists(child):
                yield from (part for part in stays_alone(child, context) if is_alone(part, context))
            yield from wrongly_attached(fact, context)
            yield from _incomplete(fact, context)
            if fact in context.drops:
                # Where rows refer to its own, a table with another bound could not leave its parent for a while.
                keys = foreign_keys_to(fact, context.live, context.dependents, own=True)
                yield from (key for key in keys if context.persists(key))
        elif (
            fact.kind == "constraint"
            and fact.name[:2] in context.goal.inheritances
            and not is_made_alone(fact, context)
        ):
            table = context.goal.parent(fact)
            if table is not None and is_key(fact, context.goal):
                yield from _taken_with(fact, table, context)
    for fact in [*context.drops]:
        if fact.kind == "column":
            yield from _apart(fact, context)
        if fact.kind not in ("index", "constraint"):
            continue
        owner, table = owner_of(fact, context.live), context.live.parent(fact)
        if owner is not None and table is not None and not _is_detached(table, context):
            yield owner
        for part in context.adopted_in_live.get(fact, ()):
            table = context.live.parent(part)
            if table is not None and not _is_detached(table, context):
                yield part


def _apart(column: FactId, context: Context) -> Iterable[FactId]:
    """The links above and below a table whose column is recreated while its parent or a partition keeps theirs.

    This is necessary before 17 where one of them computes it otherwise, since no column can be dropped from one of them
    alone.
    """
    table = context.live.parent(column)
    if table is None or column not in context.creates or column in context.converting or not context.persists(table):
        return
    above = ((link, link.name[2:]) for link in links_of(table, context.live))
    below = ((link, child.name) for link, child in partitions_of(table, context.live))
    for link, other in (*above, *below):
        if context.persists(link) and context.persists(FactId("column", (*other, column.name[2]))):
            yield link


def _incomplete(link: FactId, context: Context) -> Iterable[FactId]:
    """The indexes that the parent has alone: a table that is attached must not get any of theirs."""
    child = context.goal.parent(link)
    for whole in context.goal.children.get(parent_of(link), ()):
        alone = whole.kind in ("index", "constraint") and context.persists(whole) and context.new(whole).get("invalid")
        if alone and not any(context.goal.parent(part) == child for part in context.adopted(whole)):
            yield whole


def _is_detached(table: FactId, context: Context) -> bool:
    """Whether the table is detached or dropped before its and its parent's parts change."""
    return table in context.drops or any(link in context.drops for link in links_of(table, context.live))


# --- foreign keys of a table that is detached -------------------------------------------------------------------------
def _foreign_keys_above(link: FactId, state: Snapshot) -> Iterable[FactId]:
    """The foreign keys that a partition has from its parent, and from that one's."""
    parent = parent_of(link)
    for table in (parent, *ancestors(parent, state)):
        for part in state.children.get(table, ()):
            if part.kind == "constraint" and state.definition(part)["type"] == "foreign_key":
                yield part


def is_left_behind(fact: FactId, context: Context) -> bool:
    """Whether a new foreign key is the one that the table keeps from the parent that it is detached from."""
    table = context.live.parent(fact) or context.goal.parent(fact)
    if fact.kind != "constraint" or fact not in context.creates or table is None:
        return False
    return any(
        link in context.drops and _same(fact, above, context)
        for link in links_of(table, context.live)
        if table not in context.drops and not is_small(table, context)
        for above in _foreign_keys_above(link, context.live)
    )


def _same(fact: FactId, above: FactId, context: Context) -> bool:
    return fact.name[2] == above.name[2] and context.goal.facts[fact] == context.live.facts[above]


def left_behind(link: FactId, context: Context) -> Iterable[FactId]:
    """The foreign keys that a detached table keeps from its parent, and should not have."""
    child = context.live.parent(link)
    if child is None or child in context.drops:
        return
    again = {
        (above.name[2], context.goal.facts[above])
        for new in links_of(child, context.goal)
        for above in _foreign_keys_above(new, context.goal)
    }
    for above in _foreign_keys_above(link, context.live):
        own = FactId("constraint", (*child.name, above.name[2]))
        if above in context.drops and not _stays_as_own(own, above, context):
            continue
        if not _stays_as_own(own, above, context) and (above.name[2], context.live.facts[above]) not in again:
            yield own


def _stays_as_own(own: FactId, above: FactId, context: Context) -> bool:
    """Whether the foreign key stays as the table's own: recreating it would only change a mark without meaning."""
    return (
        not is_small(context.live.parent(own), context)
        and own in context.creates
        and own in context.goal
        and _same(own, above, context)
    )


# --- the order --------------------------------------------------------------------------------------------------------
def ordered(context: Context) -> Iterable[tuple[Node, Node]]:
    """(earlier, later) for links that are added and removed, and for indexes of partitioned tables."""
    yield from by_age(context)
    for fact in context.drops:
        if fact.kind == "inheritance":
            yield from _after_detaching(fact, context)
        elif fact.kind == "index":
            yield from _after_dropping(fact, context)
    for fact in context.creates:
        if fact.kind == "inheritance":
            yield from _before_attaching(fact, context)
        elif fact.name[:2] in context.goal.inheritances and is_key(fact, context.goal):
            yield from _around_whole(fact, context)


def _after_dropping(whole: FactId, context: Context) -> Iterable[tuple[Node, Node]]:
    """A plain index to which a key is attached cannot be dropped before the key's table, where that is dropped."""
    if context.live.parent(whole) in context.drops:
        return
    for part in context.adopted_in_live.get(whole, ()):
        table = context.live.parent(part)
        if part.kind == "constraint" and table is not None and table in context.drops - context.decided.renamed_tables:
            yield Node(Act.DROP, table), Node(Act.DROP, whole)


def detaches_when_renamed(link: FactId, context: Context) -> bool:
    """Whether a renamed table is detached from its parent before; else it stays attached until it is dropped."""
    child, parent = context.live.parent(link), parent_of(link)
    if child not in context.decided.renamed_tables:
        return False
    if parent in context.decided.renamed_tables:
        return child in context.decided.recreated_tables  # each moves its own rows
    return "bound" in context.old(link) or parent in context.drops


def _after_detaching(link: FactId, context: Context) -> Iterable[tuple[Node, Node]]:
    child, parent = context.live.parent(link), parent_of(link)
    if child is None or (child in context.drops and not detaches_when_renamed(link, context)):
        return
    gone = Node(Act.DROP, link)
    for key in foreign_keys_to(link, context.live, context.dependents):
        yield Node(Act.DROP, key), gone
    first: set[FactId] = set()
    if "bound" in context.old(link):
        for above in _foreign_keys_above(link, context.live):
            own = FactId("constraint", (*child.name, above.name[2]))
            # A renamed table would keep the key until its rows have moved.
            if above in context.drops and (child in context.drops or not _stays_as_own(own, above, context)):
                first.add(above)
                yield Node(Act.DROP, above), gone
    for table in (child, parent):
        for part in context.live.children.get(table, ()):
            if part.kind in _PARTS and part not in first:
                if part in context.drops:
                    yield gone, Node(Act.DROP, part)
                elif part in context.alters:
                    yield gone, Node(Act.ALTER, part)
    for part in context.goal.children.get(child, ()):
        if part.kind in _PARTS and part in context.creates:
            yield gone, Node(Act.CREATE, part)


def foreign_keys_to(
    link: FactId, state: Snapshot, dependents: Mapping[FactId, Sequence[FactId]], *, own: bool = False
) -> Iterable[FactId]:
    """The foreign keys of other tables that refer to a partition's parent, or to that one's: to its rows, too.

    With `own` also those of such a table to itself.
    """
    if "bound" not in state.definition(link):
        return
    parent = parent_of(link)
    for table in (parent, *ancestors(parent, state)):
        for part in state.children.get(table, ()):
            for key in dependents.get(part, ()) if part.kind == "column" else ():
                if key.kind == "constraint" and state.definition(key)["type"] == "foreign_key":
                    others = key.name[:2] not in (link.name[:2], link.name[2:], table.name)
                    if others or (own and key.name[:2] == table.name and _refers_to(key, table, state)):
                        yield key


def _refers_to(key: FactId, table: FactId, state: Snapshot) -> bool:
    """Whether a foreign key of the table is to the table itself: it needs a key of it."""
    needed = state.dependencies.get(key, ())
    return any(is_key(each, state) and each.name[:2] == table.name for each in needed if each != key)


def keys_after_partitions(context: Context) -> Iterable[tuple[list[FactId], list[FactId]]]:
    """(links, keys): new partitions of a table, and the new foreign keys of other tables to it.

    Postgres creates a part of such a key for each partition, and names it by the order in which they are created:
    partitions first is what a script that creates whole tables one after the other does, and pg_dump.
    """
    keys: dict[FactId, list[FactId]] = {}
    for fact in sorted(context.creates):
        if fact.kind == "constraint" and context.new(fact)["type"] == "foreign_key":
            table = context.goal.parent(fact)
            referred = {context.goal.object_of(each) for each in context.goal.dependencies.get(fact, ())} - {table}
            for other in referred:
                if is_partitioned(other, context.goal):
                    keys.setdefault(other, []).append(fact)
    for table, found in keys.items():
        links = list(links_below(table, context.goal))
        family = {table, *(context.goal.parent(link) for link in links)}
        others = [key for key in found if context.goal.parent(key) not in family]
        yield [link for link in links if link in context.creates], others


def _before_attaching(link: FactId, context: Context) -> Iterable[tuple[Node, Node]]:
    child, parent = context.goal.parent(link), parent_of(link)
    if child is None:
        return
    for table in (child, parent) if child not in context.creates else ():
        for part in context.live.children.get(table, ()):
            if part.kind in _PARTS and part in context.drops:
                yield Node(Act.DROP, part), Node(Act.CREATE, link)
    for part in context.live.children.get(parent, ()) if "bound" in context.new(link) else ():
        if part in context.drops and part.kind in ("index", "constraint") and is_key(part, context.live):
            yield Node(Act.DROP, part), Node(Act.CREATE, link)
    for key in foreign_keys_to(link, context.goal, context.goal_dependents, own=link in context.drops):
        if context.goal.parent(key) in context.live:
            yield Node(Act.CREATE, link), Node(Act.CREATE, key)
    if "bound" in context.new(link):
        for part in context.goal.children.get(child, ()):
            if follows_link(part, context):
                yield Node(Act.CREATE, link), Node(Act.CREATE, part)


def _around_whole(whole: FactId, context: Context) -> Iterable[tuple[Node, Node]]:
    table = context.goal.parent(whole)
    if table is None:
        return
    alone = is_made_alone(whole, context)
    waiting = [*partitions_of(table, context.goal)]
    while waiting:
        link, child = waiting.pop()
        if context.persists(link):
            for part in context.live.children.get(child, ()):
                if part in context.drops and is_key(part, context.live):
                    yield Node(Act.DROP, part), Node(Act.CREATE, whole)
        elif alone and link in context.creates:
            yield Node(Act.CREATE, link), Node(Act.CREATE, whole)
        for part in stays_alone(child, context) if not alone else ():
            if part in context.creates and could_be_taken(part, whole, context.goal):
                yield Node(Act.CREATE, whole), Node(Act.CREATE, part)
        waiting += partitions_of(child, context.goal)
