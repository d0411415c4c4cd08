"""A state of a schema as text: whole, or as what differs from the state before it. Pure: no I/O.

Beside the facts it has what a plan that rebuilds them needs: what pg_depend says, and what else travels with a
snapshot. Facts are written once and named by their place from then on.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple, cast

from reconciler.model.facts import FactId
from reconciler.model.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

__all__ = ["StateText", "state_after", "state_to_text"]

_CLONED, _DECLARED, _UNPOPULATED = 1, 2, 4


class _Part(NamedTuple):
    """All that a snapshot has of one fact."""

    text: str
    needs: frozenset[FactId]
    automatic: frozenset[FactId]
    age: int | None
    inherited_name: str | None
    flags: int


class StateText(NamedTuple):
    """What makes one state of another, and whether that is anything at all."""

    text: str
    has_changes: bool


_NONE: frozenset[FactId] = frozenset()


def state_to_text(state: Snapshot, before: Snapshot | None) -> StateText:
    """What makes `before` (nothing, where it is None) this state."""
    if before is None:
        changed, gone = [*state.facts], set[FactId]()
    else:
        gone = before.facts.keys() - state.facts.keys()
        moved = {
            fact
            for fact in state.facts
            if fact not in before.facts
            or not (_looks_alike(state, before, fact, gone) or _part(state, fact) == _part(before, fact))
        }
        moved |= _reordered(state, before, moved, gone)
        changed = [fact for fact in state.facts if fact in moved]
    places: dict[FactId, int] = {}

    def place(fact: FactId) -> int:
        return places.setdefault(fact, len(places))

    def written(fact: FactId) -> list[object]:
        part = _part(state, fact)
        needed = [[place(each) for each in sorted(facts)] for facts in (part.needs, part.automatic)]
        return [place(fact), part.text, *needed, part.age, part.inherited_name, part.flags]

    value: dict[str, object] = {
        "schemas": state.schemas,
        "server_version": state.server_version,
        "set": [written(fact) for fact in changed],
        "gone": [place(fact) for fact in sorted(gone)],
    }
    value["names"] = [[fact.kind, *fact.name] for fact in places]
    is_alike = before is not None and (before.schemas, before.server_version) == (state.schemas, state.server_version)
    return StateText(
        json.dumps(value, ensure_ascii=False, separators=(",", ":")), bool(changed or gone) or not is_alike
    )


def state_after(before: Snapshot | None, texts: Sequence[str]) -> Snapshot:
    """The state that texts of `state_to_text` lead to, one after the other.

    Raises ValueError, LookupError or TypeError where one is not such a text.
    """
    parts = {} if before is None else {fact: _part(before, fact) for fact in before.facts}
    schemas, version = ((), 0) if before is None else (before.schemas, before.server_version)
    for text in texts:
        value = cast("dict[str, object]", json.loads(text))
        names = [FactId(kind, tuple(name)) for kind, *name in cast("list[list[str]]", value["names"])]
        schemas = tuple(cast("list[str]", value["schemas"]))
        version = cast("int", value["server_version"])
        for place in cast("list[int]", value["gone"]):
            del parts[names[place]]
        rows = cast("list[tuple[int, str, list[int], list[int], int | None, str | None, int]]", value["set"])
        for place, *_ in rows:
            # What is set stands behind the rest, in its own order.
            parts.pop(names[place], None)
        for place, definition, needs, automatic, age, inherited_name, flags in rows:
            parts[names[place]] = _Part(
                definition,
                frozenset([names[each] for each in needs]),
                frozenset([names[each] for each in automatic]),
                age,
                inherited_name,
                flags,
            )
    return _snapshot(parts, schemas, version)


def _part(state: Snapshot, fact: FactId) -> _Part:
    return _Part(
        state.facts[fact],
        _within(state, state.dependencies.get(fact, _NONE)),
        _within(state, state.automatic.get(fact, _NONE)),
        state.ages.get(fact),
        state.inherited_names.get(fact),
        (_CLONED if fact in state.cloned else 0)
        | (_DECLARED if fact in state.declared else 0)
        | (_UNPOPULATED if fact in state.unpopulated else 0),
    )


def _looks_alike(state: Snapshot, before: Snapshot, fact: FactId, gone: Collection[FactId]) -> bool:
    """Whether the parts are equal, as far as that shows without making them: there are many, and few differ."""
    return (
        state.facts[fact] == before.facts[fact]
        and (needs := state.dependencies.get(fact, _NONE)) == before.dependencies.get(fact, _NONE)
        and (automatic := state.automatic.get(fact, _NONE)) == before.automatic.get(fact, _NONE)
        and needs.isdisjoint(gone)
        and automatic.isdisjoint(gone)
        and state.ages.get(fact) == before.ages.get(fact)
        and state.inherited_names.get(fact) == before.inherited_names.get(fact)
        and all(
            (fact in one) == (fact in other)
            for one, other in (
                (state.cloned, before.cloned),
                (state.declared, before.declared),
                (state.unpopulated, before.unpopulated),
            )
        )
    )


def _within(state: Snapshot, facts: frozenset[FactId]) -> frozenset[FactId]:
    """Those of the state itself: how much more was read with it makes no difference."""
    return facts if facts <= state.facts.keys() else frozenset(fact for fact in facts if fact in state.facts)


def _snapshot(parts: Mapping[FactId, _Part], schemas: tuple[str, ...], server_version: int) -> Snapshot:
    def flagged(flag: int) -> frozenset[FactId]:
        return frozenset(fact for fact, part in parts.items() if part.flags & flag)

    return Snapshot(
        facts={fact: part.text for fact, part in parts.items()},
        schemas=schemas,
        server_version=server_version,
        dependencies={fact: part.needs for fact, part in parts.items() if part.needs},
        automatic={fact: part.automatic for fact, part in parts.items() if part.automatic},
        unpopulated=flagged(_UNPOPULATED),
        ages={fact: part.age for fact, part in parts.items() if part.age is not None},
        inherited_names={fact: part.inherited_name for fact, part in parts.items() if part.inherited_name is not None},
        declared=flagged(_DECLARED),
        cloned=flagged(_CLONED),
    )


def _reordered(
    state: Snapshot, before: Snapshot, moved: Collection[FactId], gone: Collection[FactId]
) -> frozenset[FactId]:
    """The columns of relations whose columns would stand in another order if only what moved were set."""
    kept = [fact for fact in before.facts if fact not in moved and fact not in gone]
    then = _columns([*kept, *(fact for fact in state.facts if fact in moved)])
    return frozenset(
        column for relation, columns in _columns(state.facts).items() if then[relation] != columns for column in columns
    )


def _columns(facts: Collection[FactId]) -> dict[tuple[str, ...], list[FactId]]:
    found: dict[tuple[str, ...], list[FactId]] = {}
    for fact in facts:
        if fact.kind == "column":
            found.setdefault(fact.name[:2], []).append(fact)
    return found
