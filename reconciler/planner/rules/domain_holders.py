"""What holds values of a domain and gives them up in the plan: before the domain asks more of them. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model.facts import FactId
    from reconciler.planner.core.context import Context

__all__ = ["altered_holders", "dropped_holders"]

_TYPES = frozenset({"composite_type", "range_type", "domain"})


def dropped_holders(domain: FactId, context: Context) -> Iterable[FactId]:
    """Columns, and types that hold the domain, that are dropped."""
    return (each for each in _holders(domain, context) if each in context.drops)


def altered_holders(domain: FactId, context: Context) -> Iterable[FactId]:
    """Columns that get another type, and composite types that lose an attribute of it, in place."""
    for each in _holders(domain, context):
        owner = context.live.parent(each)
        if each in context.alters and each.kind == "column" and "type" in context.changed(each):
            yield each
        if owner is not None and owner.kind == "composite_type" and owner in context.alters:
            yield owner


def _holders(domain: FactId, context: Context) -> Iterable[FactId]:
    """What depends on the domain, also by way of other types."""
    seen: set[FactId] = set()
    waiting = [domain]
    while waiting:
        for dependent in context.dependents.get(waiting.pop(), ()):
            if dependent in seen or dependent.kind not in {"column", *_TYPES}:
                continue
            seen.add(dependent)
            yield dependent
            owner = context.live.parent(dependent)
            if dependent.kind in _TYPES:
                waiting.append(dependent)
            elif owner is not None and owner.kind == "composite_type":
                waiting.append(owner)
