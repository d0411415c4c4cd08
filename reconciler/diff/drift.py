"""Recorded x live x goal -> the state of each object. Pure: no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from reconciler.diff.diff import Difference
from reconciler.model.facts import FactId
from reconciler.model.temporary_names import is_half_made
from reconciler.sqltext.roundtrip import alike

if TYPE_CHECKING:
    from reconciler.diff.goal import Goal
    from reconciler.model.intent import Rename
    from reconciler.model.snapshot import Snapshot

__all__ = ["ObjectState", "State", "compare"]


class State(StrEnum):
    """What became of an object since it was recorded."""

    IN_SYNC = "in sync"
    PENDING = "pending"
    DRIFTED = "drifted"
    CONFLICT = "conflict"
    CAUGHT_UP = "caught up"
    UNMANAGED = "unmanaged"


_MEANING = {
    State.IN_SYNC: "live is as declared and as recorded",
    State.PENDING: "only the declaration moved",
    State.DRIFTED: "only the live database moved",
    State.CONFLICT: "the declaration and the live database both moved, differently",
    State.CAUGHT_UP: "the declaration and the live database both moved, alike",
    State.UNMANAGED: "in the database, but neither declared nor recorded",
}
# Of an object's facts the gravest decides.
_GRAVITY = (State.IN_SYNC, State.CAUGHT_UP, State.UNMANAGED, State.PENDING, State.DRIFTED, State.CONFLICT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectState:
    """One object, its state, and the facts of it that differ: live -> goal, or recorded -> live where those agree.

    `renames` are those that are still to be made; the object goes by its new name then.
    """

    object: FactId
    state: State
    differences: tuple[Difference, ...] = ()
    renames: tuple[Rename, ...] = ()

    @property
    def meaning(self) -> str:
        """The state in a few words."""
        return _MEANING[self.state]


def compare(recorded: Snapshot | None, live: Snapshot, goal: Goal) -> tuple[ObjectState, ...]:
    """The state of each object, sorted; objects in sync are listed too.

    Without a record, live that is as declared is in sync, and every difference is pending.
    """
    target = goal.snapshot
    states: dict[FactId, State] = {}
    found: dict[FactId, list[Difference]] = {}
    for fact in live.facts.keys() | target.facts.keys() | (recorded.facts.keys() if recorded else set[FactId]()):
        now, wanted = live.facts.get(fact), target.facts.get(fact)
        before = recorded.facts.get(fact) if recorded else now if now == wanted else None
        before, wanted = (now if alike(text, now) else text for text in (before, wanted))
        owner = _owner(fact, live, target, recorded)
        if fact in goal.foreign:
            state = State.UNMANAGED
        elif fact in goal.following:
            wanted = before if recorded is not None and (before is not None or owner in recorded.facts) else now
            state = State.IN_SYNC if now == wanted else State.DRIFTED
        elif recorded is None:
            state = _without_record(now, wanted, declared=owner in target.facts)
        elif now != wanted and is_half_made(fact, live):
            state = State.PENDING
        else:
            state = _state(before, now, wanted, known=owner in target.facts or owner in recorded.facts)
        secret = now == wanted and live.has_other_secrets(fact, target)
        if secret and state in (State.IN_SYNC, State.CAUGHT_UP):
            state = State.PENDING  # no record holds a secret, so nobody can say which side moved
        if state is not State.IN_SYNC and fact not in goal.foreign:
            old, new = (now, wanted) if now != wanted or secret else (before, now)
            found.setdefault(owner, []).append(Difference(fact=fact, before=old, after=new, secret=secret))
        states[owner] = max(states.get(owner, State.IN_SYNC), state, key=_GRAVITY.index)
    return tuple(
        ObjectState(
            object=owner,
            state=state,
            differences=tuple(sorted(found.get(owner, ()), key=lambda difference: difference.fact)),
        )
        for owner, state in sorted(states.items())
    )


def _owner(fact: FactId, *states: Snapshot | None) -> FactId:
    for state in states:
        if state is not None and fact in state.facts:
            return state.object_of(fact)
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
