"""Which index of a partition Postgres attaches to which index of its parent. Pure: no I/O.

Where a table is attached, each index of the parent, the oldest first, takes the oldest index of the table that is over
the same columns and that none took before; a key takes a key only. A new index of a partitioned table takes one of each
partition in the same way. The direction of columns is not compared, nor whether an index is a key's (tablecmds.c,
AttachPartitionEnsureIndexes; indexcmds.c, DefineIndex and CompareIndexInfo).

So where a parent has several indexes that could take the same one, they are created ON ONLY the parent and each of the
partitions' is attached by its name, as pg_dump does. What is created for a table that is attached is created in the
order of the parent's. And of indexes over the same columns the order of age stays as it is in the declaration, or in
live where live is copied, because a later plan depends on it.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from reconciler.planner.core.nodes import Act, Node
from reconciler.planner.partitions.tree import is_partitioned, links_of, parent_of, partitions_of
from reconciler.sqltext.constraint_definitions import key_clauses

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import Definition, FactId
    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = [
    "by_age",
    "cloning",
    "could_be_taken",
    "follows_link",
    "has_rivals",
    "is_cloned",
    "is_key",
    "is_taken_at_attach",
    "owner_of",
    "takers",
    "without_options",
    "wrongly_attached",
]

_KEYS = frozenset({"primary_key", "unique", "exclude"})
# As pg_get_indexdef prints them: WITH (fillfactor='70', deduplicate_items=off).
_OPTIONS = re.compile(r" WITH \(\w+=(?:\w+|'[^']*')(?:, \w+=(?:\w+|'[^']*'))*\)")
_DIRECTIONS = re.compile(r" (?:DESC NULLS LAST|NULLS FIRST|DESC)(?=[,)])")
# Since this version ATTACH PARTITION attaches no primary key to a unique one, nor vice versa; a new key still does.
_TYPES_COMPARED = 170000


def without_options(definition: Definition) -> str:
    """What an index is, without its storage options."""
    using = str(definition["using"])
    return _OPTIONS.sub("", using, count=1) if "options" in definition else using


def is_key(fact: FactId, state: Snapshot) -> bool:
    """Whether it is an index, or a constraint that has one."""
    return fact.kind == "index" or (fact.kind == "constraint" and state.definition(fact)["type"] in _KEYS)


def owner_of(fact: FactId, state: Snapshot) -> FactId | None:
    """The parent's index or key that this one is attached to."""
    owners = state.automatic.get(fact, frozenset())
    return next((owner for owner in sorted(owners) if owner.kind in ("index", "constraint")), None)


def _shape(fact: FactId, state: Snapshot) -> tuple[bool, str]:
    """What two indexes have in common if one can be the other's partition."""
    definition = state.definition(fact)
    if fact.kind == "index":
        return bool(definition.get("unique")), _DIRECTIONS.sub("", without_options(definition))
    clauses = key_clauses(str(definition["definition"]))
    return True, f"USING btree {clauses[0]}" if clauses else str(definition["definition"])


def could_be_taken(part: FactId, whole: FactId, state: Snapshot) -> bool:
    """Whether Postgres might attach `part` to `whole`, for which a constraint needs one."""
    if whole.kind == "constraint" and part.kind != "constraint":
        return False
    return _shape(part, state) == _shape(whole, state)


def is_taken_at_attach(part: FactId, whole: FactId, context: Context) -> bool:
    """Whether Postgres would attach `part` to `whole` where the table is attached, if no other came first."""
    if not could_be_taken(part, whole, context.goal):
        return False
    return context.version < _TYPES_COMPARED or whole.kind != "constraint" or not _differ(part, whole, context.goal)


def _differ(part: FactId, whole: FactId, state: Snapshot) -> bool:
    """Whether both are constraints, of different types."""
    definitions = [state.definition(fact) for fact in (part, whole) if fact.kind == "constraint"]
    return len({str(definition["type"]) for definition in definitions}) > 1


def has_rivals(whole: FactId, context: Context) -> bool:
    """Whether Postgres might attach an index of a partition to this one that belongs to another, or to none."""
    state = context.goal
    table = state.parent(whole)
    if table is None or not is_key(whole, state) or not is_partitioned(table, state):
        return False
    if not any(partitions_of(table, state)):
        return False
    shape = _shape(whole, state)
    if any(other != whole and is_key(other, state) and _shape(other, state) == shape for other in _parts(table, state)):
        return True
    for part in context.adopted(whole):
        if _differ(part, whole, state) or any(_is_older(each, part, state) for each in _alone(part, whole, state)):
            return True
    return False


def _parts(table: FactId | None, state: Snapshot) -> Sequence[FactId]:
    found = state.children.get(table, ()) if table is not None else ()
    return [part for part in found if part.kind in ("index", "constraint")]


def _alone(part: FactId, whole: FactId, state: Snapshot) -> Iterable[FactId]:
    """The indexes of the part's table that are attached to nothing, and that the whole could take."""
    for other in _parts(state.parent(part), state):
        if is_key(other, state) and "parent" not in state.definition(other) and could_be_taken(other, whole, state):
            yield other


def _is_older(one: FactId, other: FactId, state: Snapshot) -> bool:
    ages = state.ages.get(one), state.ages.get(other)
    return ages[0] is not None and ages[1] is not None and ages[0] < ages[1]


def follows_link(part: FactId, context: Context) -> bool:
    """Whether a new index of a partition is created after its table is attached.

    It comes with that, is attached by its name or to nothing; or it is attached to nothing and younger than such a one.
    """
    table = context.goal.parent(part)
    if table is None or part not in context.creates or not is_key(part, context.goal):
        return False
    if _must_follow(part, table, context):
        return True
    if "parent" in context.new(part):
        return False
    shape = _shape(part, context.goal)
    return any(
        each in context.creates
        and is_key(each, context.goal)
        and _is_older(each, part, context.goal)
        and _shape(each, context.goal) == shape
        and _must_follow(each, table, context)
        for each in _parts(table, context.goal)
    )


def _must_follow(part: FactId, table: FactId, context: Context) -> bool:
    if part.kind == "constraint" and is_cloned(part, context):
        return True
    if "parent" not in context.new(part):
        return any(takers(part, table, context))
    owner = owner_of(part, context.goal)
    return owner is not None and owner in context.creates and has_rivals(owner, context)


def is_cloned(fact: FactId, context: Context) -> bool:
    """A key of a partition that Postgres makes, under the name it chooses, with its parent's or on ATTACH."""
    if fact not in context.creates or fact not in context.goal:
        return False
    return fact in context.goal.cloned and bool(cloning(fact, context))


def cloning(fact: FactId, context: Context) -> list[FactId]:
    """What makes a cloned key: its parent's key, or the link of the partition."""
    table = context.goal.parent(fact)
    children = context.goal.children.get(table, ()) if table is not None else ()
    owners = [owner for owner in context.goal.automatic.get(fact, frozenset()) if owner.kind == "constraint"]
    if any(has_rivals(owner, context) for owner in (fact, *owners)):
        return []
    links = [child for child in children if child.kind == "inheritance"]
    return [each for each in (*owners, *links) if each in context.creates]


def takers(part: FactId, table: FactId, context: Context) -> Iterable[FactId]:
    """The indexes and keys of the parent that could take this one, which is attached to none in the goal."""
    for link in links_of(table, context.goal):
        for whole in _parts(parent_of(link), context.goal):
            if not is_key(whole, context.goal):
                continue
            if context.persists(whole):
                if is_taken_at_attach(part, whole, context):
                    yield whole
            elif could_be_taken(part, whole, context.goal):
                yield whole


def wrongly_attached(link: FactId, context: Context) -> Iterable[FactId]:
    """What must be dropped and created again so that the table of a new link gets the parent's indexes as in the goal.

    Indexes of the table that Postgres would attach to another than theirs; of the parent, those that would get none.
    """
    child = context.goal.parent(link)
    if child is None:
        return
    wholes = [fact for fact in _parts(parent_of(link), context.goal) if context.persists(fact)]
    wholes = sorted((fact for fact in wholes if is_key(fact, context.goal)), key=lambda each: _age(each, context))
    parts = [fact for fact in _parts(child, context.goal) if is_key(fact, context.goal)]
    present = sorted((part for part in parts if context.persists(part)), key=lambda each: _age(each, context))
    wanted = {owner: part for part in parts if (owner := owner_of(part, context.goal)) is not None}
    made = [wanted[whole] for whole in wholes if whole in wanted and wanted[whole] in context.creates]
    taken: set[FactId] = set()
    for whole in wholes:
        free = (part for part in (*present, *made) if part not in taken)
        found = next((part for part in free if is_taken_at_attach(part, whole, context)), None)
        right = wanted.get(whole)
        if right is not None:
            taken.add(right)
        if found is not None and found != right:
            yield found if context.persists(found) else whole
        elif found is None and right is not None and has_rivals(whole, context):
            yield whole


def _age(fact: FactId, context: Context) -> tuple[int, int, FactId]:
    """By what indexes over the same columns are created: first for a parent's that is there, in its order."""
    owner = owner_of(fact, context.goal) if fact in context.creates else None
    table = context.goal.parent(fact)
    if owner is not None and table is not None and context.persists(owner):
        link = next(iter(links_of(table, context.goal)), None)
        if link in context.creates:
            return 0, context.live.ages.get(owner, 0), fact
    state = context.goal if fact in context.creates else context.live
    return 1, state.ages.get(fact, 0), fact


def _is_ordered(table: FactId, context: Context) -> bool:
    return context.keeps_ages or is_partitioned(table, context.goal) or bool(links_of(table, context.goal))


def by_age(context: Context) -> Iterable[tuple[Node, Node]]:
    """(earlier, later) for new indexes of one table over the same columns."""
    found: dict[tuple[FactId, bool, str], list[FactId]] = {}
    for fact in context.creates:
        table = context.goal.parent(fact)
        if table is not None and is_key(fact, context.goal) and _is_ordered(table, context):
            found.setdefault((table, *_shape(fact, context.goal)), []).append(fact)
    for facts in found.values():
        facts.sort(key=lambda each: _age(each, context))
        for older, younger in pairwise(facts):
            yield Node(Act.CREATE, older), Node(Act.CREATE, younger)
