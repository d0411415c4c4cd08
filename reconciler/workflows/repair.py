"""What a repair does: which objects drifted, which of them are meant, the plan for these alone. Does I/O, only reads.

A manual rename is drift of its own. It is selected by either name; reverted, the object is renamed back; accepted, the
record follows, and so does what else only moved with it, such as the text of a view.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.diff.drift import State, compare
from reconciler.errors import ConfigError
from reconciler.intent.manual_renames import accepted_warnings
from reconciler.intent.rename_simulation import Renamed
from reconciler.ledger.steps import load_unfinished
from reconciler.model.facts import FactId
from reconciler.workflows.make_plan import renamed_only, restrict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.db.session import Session
    from reconciler.diff.drift import ObjectState
    from reconciler.model.intent import Rename
    from reconciler.model.snapshot import Snapshot
    from reconciler.options import Options
    from reconciler.results import PlanResult

__all__ = ["restrict_to_drift"]


def restrict_to_drift(
    session: Session,
    found: PlanResult,
    *,
    accept: bool,
    objects: Sequence[str] = (),
    facts: frozenset[FactId] | None = None,
    options: Options,
) -> PlanResult:
    """The plan that ends the drift of `objects`, or of all that drifted; what is only pending stays as it is.

    With `facts` only these and what hangs on them are brought back, where they drifted and are in no conflict. What an
    unfinished run changes is no drift. Raises ConfigError where an object of `objects` did not drift, or
    nothing is recorded.
    """
    assert found.renamed is not None  # only a plan that was read from a file has none
    if found.recorded is None:
        raise ConfigError(
            f"nothing is recorded for plugin {found.plugin}, so nothing can have drifted from it",
            hint="`reconciler adopt` records the database, `reconciler apply` changes it",
        )
    unfinished = load_unfinished(session.connection, found.plugin)
    changes = unfinished.changes if unfinished else None
    renames = found.renamed.renames
    manual = [rename for rename in renames if rename.manual]
    if facts is not None:
        chosen = [each for each in manual if each.new in facts]
    else:
        chosen = [each for each in manual if not objects or not _names(each, found).isdisjoint(objects)]
    # What a hint asks to rename is pending: it stays as it is, under the name that it has.
    all_of_them = len(chosen) == len(manual) and not any(rename.where for rename in renames)
    taken = found.renamed if all_of_them else renamed_only(session, found, chosen, options)
    before = taken
    if accept:
        before = Renamed(live=found.live, recorded=found.recorded.snapshot)
    left = {fact for rename in renames if rename not in taken.renames for fact in (rename.old, rename.new)}
    drifted = {
        each.object: each
        for each in compare(before.recorded, before.live, found.goal, changes)
        if left.isdisjoint(_facts_of(each, found.live))
        and (
            each.state in (State.DRIFTED, State.CONFLICT)
            or (each.state is State.UNMANAGED and each.object not in found.goal.foreign)
        )
    }
    if facts is not None:
        drifted = _of_facts(drifted, facts, (found.live, found.renamed.live, found.recorded.snapshot))
    elif objects:
        known = {owner.key for owner in drifted}
        known.update(*(_names(rename, found) for rename in manual))
        missing = [key for key in objects if key not in known]
        if missing:
            raise ConfigError(
                f"{missing[0]} has not drifted", hint=f"drifted are: {', '.join(sorted(known)) or 'none'}"
            )
        along = _moved_along(taken, found.live) if accept else frozenset[FactId]()
        drifted = _selected(drifted, objects, along)
    narrowed = restrict(session, found, before, drifted, accept=accept, options=options)
    if not accept or not chosen:
        return narrowed
    return replace(narrowed, rename_warnings=tuple(accepted_warnings(_made(chosen))))


def _names(rename: Rename, found: PlanResult) -> set[str]:
    """What selects a rename that is taken back: the object, or that of the part, under the name of now or of then."""
    assert found.renamed is not None
    return {found.live.object_of(rename.old).key, found.renamed.live.object_of(rename.new).key}


def _made(taken_back: Sequence[Rename]) -> list[Rename]:
    return [replace(rename, old=rename.new, new=rename.old) for rename in taken_back]


def _moved_along(taken: Renamed, live: Snapshot) -> frozenset[FactId]:
    """The facts that are others, under either name, where the renames are taken back."""
    moved: set[FactId] = set()
    for fact, text in live.facts.items():
        now = taken.names.get(fact, fact)
        if now != fact or taken.live.facts.get(now) != text:
            moved |= {fact, now}
    return frozenset(moved)


def _selected(
    drifted: Mapping[FactId, ObjectState], objects: Sequence[str], along: frozenset[FactId]
) -> dict[FactId, ObjectState]:
    """The objects that are named, and of the others what only moved along."""
    found: dict[FactId, ObjectState] = {}
    for owner, state in drifted.items():
        if owner.key in objects:
            found[owner] = state
        elif kept := tuple(each for each in state.differences if each.fact in along):
            found[owner] = replace(state, differences=kept)
    return found


def _of_facts(
    drifted: Mapping[FactId, ObjectState], facts: frozenset[FactId], states: Sequence[Snapshot]
) -> dict[FactId, ObjectState]:
    """Of what drifted only these facts and what hangs on them."""

    def is_meant(fact: FactId | None) -> bool:
        while fact is not None:
            if fact in facts:
                return True
            fact = next((above for state in states if (above := state.parent(fact)) is not None), None)
        return False

    found: dict[FactId, ObjectState] = {}
    for owner, state in drifted.items():
        kept = tuple(each for each in state.differences if each.fact in state.moved and is_meant(each.fact))
        if kept and state.state is State.DRIFTED:
            found[owner] = replace(state, differences=kept)
    return found


def _facts_of(state: ObjectState, live: Snapshot) -> set[FactId]:
    return {state.object, *live.descendants(state.object), *(difference.fact for difference in state.differences)}
