"""Recorded x live x goal -> the state of each object. Pure: no I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from reconciler.diff.diff import Change, Difference
from reconciler.model.facts import SATELLITE_KINDS, FactId
from reconciler.model.incidents import DriftedFact
from reconciler.model.temporary_names import is_half_made, is_leftover
from reconciler.sqltext.roundtrip import alike

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.diff.goal import Goal
    from reconciler.model.intent import Rename
    from reconciler.model.snapshot import Snapshot

__all__ = ["ObjectState", "State", "compare", "drifted_facts", "with_followed"]


class State(StrEnum):
    """What became of an object since it was recorded."""

    IN_SYNC = "in sync"
    UNFINISHED = "unfinished"
    PENDING = "pending"
    DRIFTED = "drifted"
    CONFLICT = "conflict"
    CAUGHT_UP = "caught up"
    UNMANAGED = "unmanaged"
    FOLLOWED = "followed"


_MEANING = {
    State.IN_SYNC: "live is as declared and as recorded",
    State.UNFINISHED: "an unfinished run changes it",
    State.PENDING: "only the declaration changed",
    State.DRIFTED: "only the live database changed",
    State.CONFLICT: "the declaration and the live database both changed, differently",
    State.CAUGHT_UP: "the declaration and the live database both changed, alike",
    State.FOLLOWED: "changed with another plugin's migration, which it depends on",
    State.UNMANAGED: "in the database, but neither declared nor recorded",
}
# Of an object's facts the gravest decides.
_GRAVITY = (
    State.IN_SYNC,
    State.CAUGHT_UP,
    State.FOLLOWED,
    State.UNMANAGED,
    State.UNFINISHED,
    State.PENDING,
    State.DRIFTED,
    State.CONFLICT,
)
# What a step replaces may be missing between two statements; a table or a column that is missing was dropped.
_REPLACED = frozenset({"constraint", "index", "trigger"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectState:
    """One object, its state, and the facts of it that differ: live -> goal, or recorded -> live where those agree.

    Of what an unfinished run changes: live -> what that leads to, or what it found -> live where it has done it.

    `renames` are those that are still to be made; the object goes by its new name then. `cause` names the migration
    with which it changed, where another plugin made it. `moved` are the facts that drifted or are in
    conflict themselves.
    """

    object: FactId
    state: State
    differences: tuple[Difference, ...] = ()
    renames: tuple[Rename, ...] = ()
    cause: str | None = None
    moved: frozenset[FactId] = frozenset()

    @property
    def meaning(self) -> str:
        """The state in a few words."""
        return f"{_MEANING[self.state]}{f': {self.cause}' if self.cause is not None else ''}"


def compare(
    recorded: Snapshot | None,
    live: Snapshot,
    goal: Goal,
    changes: Mapping[FactId, tuple[str | None, ...]] | None = None,
) -> tuple[ObjectState, ...]:
    """The state of each object, sorted; objects in sync are listed too.

    Without a record, live that is as declared is in sync, and every difference is pending. `changes` are those of an
    unfinished run, the states of each fact from first to last; None where there is none.
    """
    target = goal.snapshot
    own = {None, *live.schemas}
    states: dict[FactId, State] = {}
    found: dict[FactId, list[Difference]] = {}
    moved: dict[FactId, set[FactId]] = {}
    for fact in live.facts.keys() | target.facts.keys() | (recorded.facts.keys() if recorded else set[FactId]()):
        if fact in goal.ignored or (fact in goal.foreign and fact.schema not in own):
            continue  # what a rule leaves alone; what others made of ours, read only because it follows
        now, wanted = live.facts.get(fact), target.facts.get(fact)
        before = recorded.facts.get(fact) if recorded else now if now == wanted else None
        before, wanted = (now if alike(text, now) else text for text in (before, wanted))
        owner = _owner(fact, goal.foreign, live, target, recorded)
        if fact in goal.foreign:
            state = State.UNMANAGED
        elif fact in goal.following:
            wanted = before if recorded is not None and (before is not None or owner in recorded.facts) else now
            state = State.IN_SYNC if now == wanted else State.DRIFTED
        elif now != wanted and is_leftover(fact):
            state = State.PENDING if changes is None else State.UNFINISHED
        elif _is_of_run(way := (changes or {}).get(fact, ()), fact, live):
            known = any(alike(text, wanted) for text in way)
            state = (State.IN_SYNC if before == now == wanted else State.UNFINISHED) if known else State.PENDING
            if state is State.UNFINISHED:
                before, wanted = way[0], now if alike(way[-1], now) else way[-1]
        elif recorded is None:
            state = _without_record(now, wanted, declared=owner in target.facts)
        else:
            state = _state(before, now, wanted, known=owner in target.facts or owner in recorded.facts)
        secret = now == wanted and live.has_other_secrets(fact, target)
        if secret and state in (State.IN_SYNC, State.CAUGHT_UP):
            state = State.PENDING  # no record holds a secret, so it is unknown which side changed
        if state is not State.IN_SYNC and fact not in goal.foreign:
            old, new = (now, wanted) if now != wanted or secret else (before, now)
            found.setdefault(owner, []).append(Difference(fact=fact, before=old, after=new, secret=secret))
            if state in (State.DRIFTED, State.CONFLICT):
                moved.setdefault(owner, set()).add(fact)
        states[owner] = max(states.get(owner, State.IN_SYNC), state, key=_GRAVITY.index)
    return tuple(
        ObjectState(
            object=owner,
            state=state,
            differences=tuple(sorted(found.get(owner, ()), key=lambda difference: difference.fact)),
            moved=frozenset(moved.get(owner, ())),
        )
        for owner, state in sorted(states.items())
    )


def drifted_facts(objects: Sequence[ObjectState], live: Snapshot, recorded: Snapshot | None) -> tuple[DriftedFact, ...]:
    """What drifted, one for each thing that somebody did: of a table that was dropped the table, not its columns too.

    `live` and `recorded` are as they were read. A manual rename is one that is gone and, within an object that
    is recorded, one that was added.
    """
    found: list[DriftedFact] = []
    for each in objects:
        if each.state not in (State.DRIFTED, State.CONFLICT):
            continue
        drifted = {difference.fact: difference for difference in each.differences if difference.fact in each.moved}
        for fact, difference in drifted.items():
            above = live.parent(fact) or (recorded.parent(fact) if recorded is not None else None)
            if (
                above is not None
                and above in drifted
                and drifted[above].change is difference.change is not Change.CHANGED
            ):
                continue
            found.append(
                DriftedFact(
                    object=each.object,
                    fact=fact,
                    live=difference.before,
                    expected=difference.after,
                    is_conflict=each.state is State.CONFLICT,
                )
            )
        for rename in each.renames:
            if rename.manual:
                # The recorded name is the one that a repair gives back.
                expected = recorded.facts.get(rename.new) if recorded is not None else None
                found.append(DriftedFact(object=each.object, fact=rename.new, live=None, expected=expected))
                if recorded is not None and live.object_of(rename.old) in recorded.facts:
                    new = live.facts.get(rename.old)
                    found.append(DriftedFact(object=each.object, fact=rename.old, live=new, expected=None))
    return tuple(found)


def with_followed(
    objects: Sequence[ObjectState], live: Snapshot, changed: Mapping[FactId, str]
) -> tuple[ObjectState, ...]:
    """The same, but what drifted and depends on what another plugin has changed since has followed that.

    `changed` are the facts of plugins that were migrated since, and by which migration.
    """
    return tuple(
        replace(each, state=State.FOLLOWED, cause=cause)
        if each.state is State.DRIFTED and (cause := _cause(each, live, changed)) is not None
        else each
        for each in objects
    )


def _cause(each: ObjectState, live: Snapshot, changed: Mapping[FactId, str]) -> str | None:
    """The migration that every difference can come from; None where somebody changed it manually, too."""
    causes = [_cause_of(difference, each.object, live, changed) for difference in each.differences]
    return causes[0] if causes and None not in causes else None


def _cause_of(difference: Difference, owner: FactId, live: Snapshot, changed: Mapping[FactId, str]) -> str | None:
    if difference.fact not in live.facts or difference.before is None or difference.fact.kind in SATELLITE_KINDS:
        return None
    for fact in (difference.fact, owner):
        for needed in sorted(live.dependencies.get(fact, ())):
            if needed in changed or live.object_of(needed) in changed:
                return changed.get(needed) or changed[live.object_of(needed)]
    return None


def _is_of_run(way: Sequence[str | None], fact: FactId, live: Snapshot) -> bool:
    """Whether live has the fact as a run that goes this way may have it between two steps."""
    if not way:
        return False
    now = live.facts.get(fact)
    if any(alike(text, now) for text in way):
        return True
    return is_half_made(fact, live) or (now is None and fact.kind in _REPLACED)


def _owner(fact: FactId, foreign: frozenset[FactId], *states: Snapshot | None) -> FactId:
    """The object whose state the fact decides: the whole, but for what one has on an object of another."""
    for state in states:
        if state is not None and fact in state.facts:
            while (parent := state.parent(fact)) is not None and (fact in foreign) == (parent in foreign):
                fact = parent
            return fact
    return fact


def _without_record(now: str | None, wanted: str | None, *, declared: bool) -> State:
    if now == wanted:
        return State.IN_SYNC
    return State.UNMANAGED if wanted is None and not declared else State.PENDING


def _state(before: str | None, now: str | None, wanted: str | None, *, known: bool) -> State:
    if now == wanted:
        return State.IN_SYNC if before == now else State.CAUGHT_UP
    if before == now:
        return State.PENDING
    if before == wanted:
        return State.DRIFTED if known else State.UNMANAGED
    return State.CONFLICT
