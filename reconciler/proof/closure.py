"""What of live a plan can reach: that is rehearsed, the rest of live stays as it is. Pure: no I/O.

What the plan names is *touched*, and so is whatever depends on it, in live or in the goal, however far off. What a
touched fact needs is *context*: it must be there, and nothing happens to it. A table of context is whole but for its
foreign keys, which would lead on and on; one that is a parent, a child or a partition keeps them, and brings its whole
hierarchy. What the plan's text names by any word is context as well: it could collide with a name, be called by a body,
or be chosen instead of another by its arguments. So is what belongs to no schema.

Where this is not certain, nothing is left out: as the plan renames something, as anything differs that it does not
name, or as a statement is about whatever there is.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, cast

from reconciler.diff.column_order import has_other_order, misread
from reconciler.model.facts import RELATION_KINDS, ROUTINE_KINDS, TABLE_KINDS
from reconciler.planner.sql.object_names import split_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from reconciler.model.facts import Definition, FactId
    from reconciler.model.plan import Plan, Statement
    from reconciler.model.snapshot import Snapshot

__all__ = ["beyond_reach"]

_NOTHING: frozenset[FactId] = frozenset()
# A part that can be dropped and created without any other part of its object.
_ALONE = frozenset(
    {"constraint", "domain_constraint", "index", "partition_trigger", "policy", "publication_table", "rule", "trigger"}
)
# Objects that nothing uses unless it depends on them, or says their names; there may be thousands of them.
_NAMED = frozenset({*RELATION_KINDS, *ROUTINE_KINDS, "domain", "enum", "range_type", "statistics"})
_WORD = re.compile(r"[A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*")
# A statement about whatever there is, whose names are not in it.
_OF_MANY = re.compile(
    r"\bALL\s+(?:TABLES|SEQUENCES|FUNCTIONS|PROCEDURES|ROUTINES|IN)\b|\bOWNED\s+BY\s+(?:CURRENT|SESSION)_",
    re.IGNORECASE,
)
_UNDERSCORE = re.compile("_")
# Of a table and its column together: with `_not_null` after it a name has 63 bytes.
_LONGEST_NAMES = 52


def beyond_reach(plan: Plan, live: Snapshot, goal: Snapshot) -> frozenset[FactId]:
    """The facts of live, all of them in the goal too, that the plan cannot reach; none where that is not certain."""
    named = frozenset(chain.from_iterable(map(_named, plan.statements))).union(each.fact for each in plan.differences)
    differing = {fact for fact, text in goal.facts.items() if live.facts.get(fact) != text}
    differing.update(fact for fact in live.facts if fact not in goal.facts)
    text = "\n".join(part for each in plan.statements for part in (each.sql, each.rehearsal) if part)
    if plan.renames or not differing <= named or any(map(_is_shortened, named)) or _OF_MANY.search(text):
        return _NOTHING
    closure = _Closure(live, goal)
    closure.touch(named)
    closure.surround(fact for fact in live.facts if _is_shared(fact, live))
    closure.surround(_said(text, live, named))
    beyond = live.facts.keys() - closure.reached
    # What is copied must have all that it needs.
    for state in (live, goal):
        if any(not beyond.isdisjoint(state.dependencies.get(fact, ())) for fact in state.facts if fact not in beyond):
            return _NOTHING
    if has_other_order(goal, live) and not beyond.isdisjoint(misread(goal, live)):
        return _NOTHING
    return frozenset(beyond)


class _Closure:
    """What is reached so far, in live and in the goal."""

    def __init__(self, live: Snapshot, goal: Snapshot) -> None:
        self.reached: set[FactId] = set()
        self._states = (live, goal)
        self._dependents = [_reversed(state) for state in self._states]
        self._touched: set[FactId] = set()
        self._surrounded: set[FactId] = set()
        self._needing: list[FactId] = []

    def touch(self, facts: Iterable[FactId]) -> None:
        """Reaches the whole objects, all that depends on them, and what all these need."""
        waiting = [part for fact in facts for part in self._parts(self._object_of(fact))]
        while waiting:
            fact = waiting.pop()
            if fact in self._touched:
                continue
            self._touched.add(fact)
            self._reach(fact)
            for dependents in self._dependents:
                for user in dependents.get(fact, ()):
                    if user.kind in _ALONE:
                        waiting += self._parts(user)
                    elif user not in self._touched:
                        waiting += self._parts(self._object_of(user))
        self._complete()

    def surround(self, facts: Iterable[FactId]) -> None:
        """Reaches the whole objects as context, and what they need."""
        for fact in facts:
            self._surround(fact)
        self._complete()

    def _reach(self, fact: FactId) -> None:
        if fact not in self.reached:
            self.reached.add(fact)
            self._needing.append(fact)

    def _complete(self) -> None:
        while self._needing:
            fact = self._needing.pop()
            self._surround(fact)
            for state in self._states:
                for needed in state.dependencies.get(fact, ()):
                    self._reach(needed)

    def _surround(self, fact: FactId) -> None:
        whole = self._object_of(fact)
        self._reach(fact)
        if whole in self._surrounded:
            return
        self._surrounded.add(whole)
        family = [link for state in self._states for link in _links(whole, state)]
        for state in self._states:
            for part in self._parts(whole, state):
                if family or not _leads_on(part, state):
                    self._reach(part)
        for link in family:
            self._reach(link)

    def _object_of(self, fact: FactId) -> FactId:
        live, goal = self._states
        return (live if fact in live else goal).object_of(fact)

    def _parts(self, fact: FactId, *states: Snapshot) -> Iterator[FactId]:
        """The fact and all that is a part of it."""
        yield fact
        for state in states or self._states:
            yield from state.descendants(fact)


def _named(statement: Statement) -> Iterator[FactId]:
    """All that a statement is about, or waits for."""
    yield from (*statement.creates, *statement.drops, *statement.alters)
    yield from filter(None, (statement.locks, statement.batched))
    yield from (lock.relation for lock in statement.relation_locks)
    yield from (access.table for access in statement.rows)


def _is_shortened(fact: FactId) -> bool:
    """Whether Postgres may shorten a name that it makes of the column's, so that no prefix of it tells whose it is."""
    return fact.kind == "column" and sum(len(part.encode()) for part in fact.name[1:]) > _LONGEST_NAMES


def _is_shared(fact: FactId, live: Snapshot) -> bool:
    """Whether it may matter anywhere: it is of the database as a whole, a schema, or chosen without being named."""
    # A publication's tables are there if they are reached.
    return fact.kind != "publication_table" and live.object_of(fact).kind not in _NAMED


def _leads_on(fact: FactId, state: Snapshot) -> bool:
    """Whether it is a foreign key or a table of a publication, or said of one."""
    found: FactId | None = fact
    while found is not None:
        if found.kind == "publication_table" or (
            found.kind == "constraint" and '"type":"foreign_key"' in state.facts.get(found, "")
        ):
            return True
        found = state.parent(found)
    return False


def _links(table: FactId, state: Snapshot) -> Iterator[FactId]:
    """The links of the table to its parents, and of its children to it."""
    if table.kind in TABLE_KINDS:
        yield from (each for each in state.children.get(table, ()) if each.kind == "inheritance")
        yield from state.inheritances.get(table.name, ())


def _said(text: str, live: Snapshot, named: frozenset[FactId]) -> Iterator[FactId]:
    """What the plan's text names by any word, and what has a name such as Postgres makes of those that are named."""
    words = set(_WORD.findall(text))
    words |= {word.lower() for word in words}
    tables = {fact.name[:2] for fact in named if len(fact.name) > 1}
    for fact, schema, own in _names(live):
        is_word = _WORD.fullmatch(own) is not None
        if own in words or (not is_word and own in text) or _is_made_of(schema, own, tables):
            yield fact


def _names(live: Snapshot) -> Iterator[tuple[FactId, str, str]]:
    """Whatever has a name that only one thing in a schema can have, or that may be chosen by its arguments."""
    for fact, text in live.facts.items():
        if fact.kind in _NAMED:
            yield fact, fact.name[0], fact.name[1]
        elif fact.kind == "index":
            yield fact, fact.name[0], fact.name[2]
        elif fact.kind == "column" and '"identity":' in text:
            identity = cast("Definition", live.definition(fact)["identity"])
            schema, own = split_name(str(identity["sequence"]))
            yield fact, schema, own
    for fact, own in live.constraint_names():
        yield fact, fact.name[0], own


def _is_made_of(schema: str, name: str, tables: Collection[tuple[str, ...]]) -> bool:
    return any((schema, name[: found.start()]) in tables for found in _UNDERSCORE.finditer(name))


def _reversed(state: Snapshot) -> Mapping[FactId, Sequence[FactId]]:
    found: dict[FactId, list[FactId]] = {}
    for dependencies in (state.dependencies, state.automatic):
        for fact, needed in dependencies.items():
            for other in needed:
                found.setdefault(other, []).append(fact)
    return found
