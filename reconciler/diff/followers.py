"""Children of our tables that are not managed here, and what Postgres carries along to them. Pure: no I/O.

A partition that a job creates, or a table of others that inherits from ours, changes with its parent: it gets the
parent's new columns, loses those that are dropped, and its columns change with the parent's where both were alike. So
the goal of such a table is not what live has, but what the same statements leave.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from reconciler.diff.diff import Change, Difference
from reconciler.errors import PlanError
from reconciler.model.facts import ROUTINE_KINDS, SATELLITE_KINDS, TABLE_KINDS, FactId, canonical_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from typing import TypeAlias

    from reconciler.diff.goal import Goal
    from reconciler.model.facts import Definition
    from reconciler.model.plan import Plan
    from reconciler.model.snapshot import Snapshot

    _Needs: TypeAlias = Mapping[FactId, frozenset[FactId]]

__all__ = [
    "carried_along",
    "follows",
    "needs_of_followers",
    "require_followers",
    "substitutes_of",
    "undeclared_children",
]

_SHOWN = 10
# Another one can serve as well: a foreign key needs any unique index on the columns.
_INTERCHANGEABLE = frozenset({"constraint", "index"})

# Kinds whose definition Postgres prints, or derives from what they read.
_WITH_TEXT = frozenset(
    {"column", "constraint", "default", "index", "materialized_view", "policy", "rule", "statistics", "trigger", "view"}
)
# What a child has of its own even where its column comes from the parent.
_OWN_ATTRIBUTES = frozenset({"identity", "inherited", "not_null", "not_null_constraint"})
_CONSTRAINTS_OF_NOT_NULL = 180000
_ALWAYS = frozenset({"type", "collation", "virtual"})


def undeclared_children(live: Snapshot, declared: Collection[FactId], recorded: Collection[FactId]) -> set[FactId]:
    """The tables that inherit from a declared one, or are its partitions, and were neither declared nor recorded.

    With the sequences of their columns, and children of theirs.
    """
    found: set[FactId] = set()
    waiting = [fact for fact in live.facts if fact.kind in TABLE_KINDS and fact in declared]
    while waiting:
        parent = waiting.pop()
        for link in live.inheritances.get(parent.name, ()):
            child = live.parent(link)
            if child is not None and child not in declared and child not in recorded and child not in found:
                found.add(child)
                waiting.append(child)
    for fact in live.facts:
        if fact.kind == "sequence" and fact not in declared and fact not in recorded:
            owners = {live.object_of(needed) for needed in live.automatic.get(fact, ())}
            if owners and owners <= found:
                found.add(fact)
    return found


def follows(difference: Difference, reached: Snapshot, foreign: Collection[FactId], plan: Plan) -> bool:
    """Whether what was reached is not the goal only because Postgres chooses it for an object that is not managed here.

    That is an index, or a key, that it builds or attaches on a child with the parent's, under a name of its choice; and
    the text and the columns' types of what the plan recreates over columns of another type.
    """
    fact = difference.fact
    if fact not in reached.facts:
        return False
    if (
        fact.kind in ("index", "constraint")
        and reached.parent(fact) in foreign
        and "parent" in reached.definition(fact)
    ):
        return True
    if fact not in foreign or difference.change is not Change.CHANGED or fact.kind not in _WITH_TEXT:
        return False
    made = {each for statement in plan.statements for each in statement.creates}
    return fact in made or reached.object_of(fact) in made


def carried_along(facts: Mapping[FactId, str], live: Snapshot, foreign: Collection[FactId]) -> dict[FactId, str | None]:
    """What becomes of the children among `foreign` when their parents become as in `facts`: None for what goes."""
    found: dict[FactId, str | None] = {}
    for child, parents in _children(facts, live, foreign):
        state = _State(facts, found)
        if any(state.get(parent) is None and _is_partition_of(child, parent, live) for parent in parents):
            found.update(dict.fromkeys((child, *live.descendants(child))))
            continue
        for parent in parents:
            found.update(_columns(child, parent, live, state))
            found.update(_checks(child, parent, live, state))
    found.update(_without_their_whole(live, foreign, found))
    return found


def needs_of_followers(
    followed: Mapping[FactId, str | None], facts: Mapping[FactId, str], live: Snapshot, needs: _Needs
) -> dict[FactId, frozenset[FactId]]:
    """What the new facts of children need: what their parents' need, among the child's own columns."""
    found: dict[FactId, frozenset[FactId]] = {}
    for fact, text in followed.items():
        if text is None or fact in live.facts:
            continue
        for parent in [
            link.name[2:]
            for children in live.inheritances.values()
            for link in children
            if link.name[:2] == fact.name[:2]
        ]:
            above = FactId(fact.kind, (*parent, *fact.name[2:]))
            if above in facts:
                needed = found.get(above) or needs.get(above, frozenset())
                found[fact] = frozenset(_of_child(each, parent, fact.name[:2]) for each in needed)
    return {fact: needed & facts.keys() for fact, needed in found.items()}


def _of_child(fact: FactId, parent: tuple[str, ...], child: tuple[str, ...]) -> FactId:
    return FactId(fact.kind, (*child, *fact.name[2:])) if fact.name[:2] == parent else fact


class _State:
    """The goal's facts with what was found to follow so far."""

    def __init__(self, facts: Mapping[FactId, str], found: Mapping[FactId, str | None]) -> None:
        self._facts = facts
        self._found = found

    def get(self, fact: FactId) -> str | None:
        return self._found[fact] if fact in self._found else self._facts.get(fact)

    def of(self, table: FactId, kind: str) -> Iterable[tuple[FactId, str]]:
        for fact in dict.fromkeys((*self._facts, *self._found)):
            if fact.kind == kind and fact.name[:2] == table.name and (text := self.get(fact)) is not None:
                yield fact, text


def _children(
    facts: Mapping[FactId, str], live: Snapshot, foreign: Collection[FactId]
) -> Iterable[tuple[FactId, tuple[FactId, ...]]]:
    """Each child among `foreign` with those of its parents that live has, parents first; where any parent changes."""
    parents: dict[FactId, list[FactId]] = {}
    for children in live.inheritances.values():
        for link in children:
            child = live.parent(link)
            above = [table for kind in TABLE_KINDS if (table := FactId(kind, link.name[2:])) in live.facts]
            if child is not None and child in foreign and above:
                parents.setdefault(child, []).extend(above)
    changed = {
        live.object_of(fact) if fact in live.facts else _table_of(fact, live)
        for fact in live.facts.keys() | facts.keys()
        if live.facts.get(fact) != facts.get(fact) and fact.kind not in SATELLITE_KINDS
    }
    done: set[FactId] = set()

    def walk(child: FactId) -> Iterable[FactId]:
        if child in done:
            return
        done.add(child)
        for parent in parents.get(child, ()):
            yield from walk(parent)
        if any(parent in changed for parent in parents.get(child, ())):
            changed.add(child)
            yield child

    for child in sorted(parents):
        for each in walk(child):
            yield each, tuple(parents[each])


def _table_of(fact: FactId, live: Snapshot) -> FactId:
    """The table that a fact of the goal alone will be a part of."""
    for kind in TABLE_KINDS:
        if len(fact.name) > 1 and (table := FactId(kind, fact.name[:2])) in live.facts:
            return table
    return fact


def _is_partition_of(child: FactId, parent: FactId, live: Snapshot) -> bool:
    return "bound" in (live.find(FactId("inheritance", (*child.name, *parent.name))) or {})


def _columns(child: FactId, parent: FactId, live: Snapshot, state: _State) -> dict[FactId, str | None]:
    found: dict[FactId, str | None] = {}
    old = {fact.name[2]: text for fact, text in live.facts.items() if _is_part(fact, "column", parent)}
    new = {fact.name[2]: text for fact, text in state.of(parent, "column")}
    for name in (*old, *(name for name in new if name not in old)):
        column = FactId("column", (*child.name, name))
        default, above = FactId("default", column.name), FactId("default", (*parent.name, name))
        own = state.get(column)
        if name not in new:
            if own is not None and _definition(own).get("inherited"):
                found[column] = found[default] = None
            continue
        if own is None:
            found[column] = _inherited(_definition(new[name]), live)
            found[default] = state.get(above)
        elif name in old:
            found[column] = _followed(column, own, old[name], new[name], live)
            if state.get(default) == live.facts.get(above):
                found[default] = state.get(above)
    return {fact: text for fact, text in found.items() if text != state.get(fact)}


def _inherited(above: Definition, live: Snapshot) -> str:
    """A column that a child gets with its parent's."""
    own = {key: value for key, value in above.items() if key not in _OWN_ATTRIBUTES}
    own["inherited"] = True
    if above.get("not_null") and not _constraint(above).get("no_inherit"):
        _require(own, above, live)
    return canonical_json(own)


def _require(own: Definition, above: Definition, live: Snapshot) -> None:
    """Makes the column NOT NULL because the parent's is; since 18 that is a constraint of its own."""
    own["not_null"] = True
    if live.server_version >= _CONSTRAINTS_OF_NOT_NULL:
        kept = {key: value for key, value in _constraint(above).items() if key == "not_valid"}
        own["not_null_constraint"] = {**kept, "inherited": True}


def _constraint(column: Definition) -> Definition:
    return cast("Definition", column.get("not_null_constraint") or {})


def _followed(column: FactId, own_text: str, old_text: str, new_text: str, live: Snapshot) -> str:
    own, old, new = _definition(own_text), _definition(old_text), _definition(new_text)
    for key in (old.keys() | new.keys()) - _OWN_ATTRIBUTES:
        if old.get(key) != new.get(key) and (key in _ALWAYS or own.get(key) == old.get(key)):
            own.pop(key, None)
            if key in new:
                own[key] = new[key]
    was, is_now = (bool(each.get("not_null")) and not _constraint(each).get("no_inherit") for each in (old, new))
    if is_now and (not was or _constraint(old) != _constraint(new)):
        _require(own, new, live)
    elif was and not is_now and column not in live.declared:
        own.pop("not_null", None)
        own.pop("not_null_constraint", None)
    return canonical_json(own)


def _checks(child: FactId, parent: FactId, live: Snapshot, state: _State) -> dict[FactId, str | None]:
    """The checks that a child has because its parent has them; keys and indexes are built with the parent's."""
    found: dict[FactId, str | None] = {}
    old = {fact.name[2]: text for fact, text in live.facts.items() if _is_part(fact, "constraint", parent)}
    new = {fact.name[2]: text for fact, text in state.of(parent, "constraint")}
    for name in (*old, *(name for name in new if name not in old)):
        constraint = FactId("constraint", (*child.name, name))
        own, above = state.get(constraint), _definition(new[name]) if name in new else None
        if old.get(name) == new.get(name):
            continue
        is_inherited = own is not None and bool(_definition(own).get("inherited"))
        if above is None or above["type"] != "check" or str(above["definition"]).endswith("NO INHERIT"):
            if is_inherited and own is not None and _definition(own)["type"] == "check":
                found[constraint] = None
        elif own is None or is_inherited:
            found[constraint] = canonical_json({**above, "inherited": True})
    return found


def _without_their_whole(
    live: Snapshot, foreign: Collection[FactId], found: Mapping[FactId, str | None]
) -> dict[FactId, str | None]:
    """What goes with what was found to go: a column's comment, its index, the index's comment."""
    gone = {fact for fact, text in found.items() if text is None}
    more = True
    while more:
        more = False
        for fact in foreign:
            if fact in gone or fact in found:
                continue
            parent = live.parent(fact)
            if parent in gone or not gone.isdisjoint(live.automatic.get(fact, ())):
                gone.add(fact)
                more = True
    return dict.fromkeys(gone)


def _is_part(fact: FactId, kind: str, table: FactId) -> bool:
    return fact.kind == kind and fact.name[:2] == table.name


def _definition(text: str) -> Definition:
    return cast("Definition", json.loads(text))


def substitutes_of(needed: FactId, facts: Collection[FactId], live: Snapshot) -> frozenset[FactId]:
    """What of the goal can serve in the place of what goes: new keys of the table, routines of the same name."""
    if needed.kind in _INTERCHANGEABLE:
        kinds, owner = _INTERCHANGEABLE, needed.name[:2]
    elif needed.kind in ROUTINE_KINDS:
        kinds, owner = ROUTINE_KINDS, needed.name[:2]
    else:
        return frozenset()
    return frozenset(fact for fact in facts if fact.kind in kinds and fact.name[:2] == owner and fact not in live.facts)


def _served(needed: FactId, facts: Collection[FactId]) -> bool:
    if needed in facts or needed.kind in _INTERCHANGEABLE:
        return True
    return needed.kind in ROUTINE_KINDS and any(
        fact.kind in ROUTINE_KINDS and fact.name[:2] == needed.name[:2] for fact in facts
    )


def require_followers(goal: Goal, live: Snapshot, plugins: Mapping[FactId, str]) -> None:
    """Raises PlanError where an object that is not managed here uses one that would go, or change its identity.

    `plugins` tells which plugin has recorded an object.
    """
    target = goal.snapshot.facts
    lines: list[str] = []
    for fact in sorted(goal.foreign & target.keys()):
        if fact.kind in SATELLITE_KINDS:
            continue
        for needed in sorted(live.dependencies.get(fact, ())):
            if needed in live.facts and needed not in goal.foreign and not _served(needed, target):
                plugin = plugins.get(live.object_of(fact))
                lines.append(f"{fact}{f' (plugin {plugin})' if plugin is not None else ''} uses {needed}")
    if lines:
        more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
        raise PlanError(
            "what would be dropped is used by objects that are not managed here:\n  "
            + "\n  ".join([*lines[:_SHOWN], *more]),
            hint="change or drop these first, with the plugin or by the person they belong to; or keep what they use:"
            " declare it, or write -- reconciler: keep",
            left="nothing was changed",
        )
