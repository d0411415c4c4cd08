"""What is no longer declared and may stay for now, while instances of the version before still run. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.facts import (
    DATABASE_WIDE_KINDS,
    RELATION_KINDS,
    ROUTINE_KINDS,
    SATELLITE_KINDS,
    TABLE_KINDS,
    canonical_json,
)

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from reconciler.diff.goal import Goal
    from reconciler.model.facts import FactId
    from reconciler.model.snapshot import Snapshot

__all__ = ["may_stay", "without_not_null"]

# They limit the rows that the new version may write, or who may see them, or are nothing without what they are about.
_AT_ONCE = frozenset(
    {
        "constraint",
        "default",
        "domain_constraint",
        "inheritance",
        "owned_by",
        "partition_trigger",
        "policy",
        "rule",
        *SATELLITE_KINDS,
        *DATABASE_WIDE_KINDS,
    }
)
_VIEWS = frozenset({"view", "materialized_view"})
_TYPES = frozenset({"base_type", "domain", "enum", "range_type"})


def may_stay(goal: Goal, live: Snapshot, recorded: Snapshot) -> frozenset[FactId]:
    """What the goal would drop of what was recorded, and can be left where it is, with all that is part of it.

    Not what takes the name of something that is declared, and not what needs something that is dropped at once.
    """
    gone = live.facts.keys() - goal.snapshot.facts.keys()
    wholes = {fact for fact in gone if live.parent(fact) not in gone}
    taken = {name for fact in goal.snapshot.facts for name in _names(fact)}
    # A view over one of them would have other columns than before.
    changed = {
        fact for fact, text in goal.snapshot.facts.items() if fact.kind == "column" and _is_other(fact, text, live)
    }
    stays = {
        fact
        for fact in wholes
        if fact in recorded.facts
        and fact.kind not in _AT_ONCE
        and (fact.kind != "column" or _is_in_table(fact, live))
        and (fact.kind not in _VIEWS or _needs(fact, live).isdisjoint(changed))
        and not (fact.kind == "index" and live.definition(fact).get("unique"))
        and taken.isdisjoint(_names(fact))
    }
    while True:
        dropped = gone - _with_parts(stays, live)
        lost = {fact for fact in stays if not _needs(fact, live).isdisjoint(dropped)}
        if not lost:
            return frozenset(stays)
        stays -= lost


def without_not_null(goal: Goal, kept: AbstractSet[FactId]) -> dict[FactId, str]:
    """The definitions of the columns among `kept` that the new version could not insert a row without."""
    state = goal.snapshot
    found: dict[FactId, str] = {}
    left = [fact for fact in kept if fact.kind == "column"]
    while left:
        column = left.pop()
        definition = state.find(column)
        if column in found or definition is None or not definition.get("not_null"):
            continue
        if any(definition.get(each) for each in ("identity", "generated")) or _default(column) in state.facts:
            continue
        for key in ("not_null", "not_null_constraint"):
            definition.pop(key, None)
        found[column] = canonical_json(definition)
        children = state.inheritances.get(column.name[:2], ())
        left += [column._replace(name=(*link.name[:2], column.name[2])) for link in children]
    return found


def _default(column: FactId) -> FactId:
    return column._replace(kind="default")


def _is_other(fact: FactId, text: str, live: Snapshot) -> bool:
    return live.facts.get(fact, text) != text


def _is_in_table(column: FactId, state: Snapshot) -> bool:
    """Not in a composite type or a view, which are what they are with all of their columns."""
    owner = state.parent(column)
    return owner is not None and owner.kind in TABLE_KINDS


def _names(fact: FactId) -> tuple[tuple[str, ...], ...]:
    """The names that it takes: relations, indexes and types share one namespace, routines of any arguments another."""
    if fact.kind in ROUTINE_KINDS:
        return (("routine", *fact.name[:2]),)
    if fact.kind in RELATION_KINDS or fact.kind in _TYPES:
        return (("relation", *fact.name),)
    return (("relation", fact.name[0], fact.name[2]),) if fact.kind == "index" else ()


def _with_parts(wholes: AbstractSet[FactId], live: Snapshot) -> set[FactId]:
    return {part for whole in wholes for part in (whole, *live.descendants(whole))}


def _needs(whole: FactId, live: Snapshot) -> set[FactId]:
    parts = (whole, *live.descendants(whole))
    return {needed for part in parts for needed in live.dependencies.get(part, ())}
