"""What live must become: the declaration, what is left alone, and what waits for the next migration. Does I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.diff.column_order import in_live_order
from reconciler.diff.goal import Goal, make_goal
from reconciler.diff.later import without_not_null
from reconciler.ledger.declarations import Declared, is_last
from reconciler.ledger.marks import load_mark
from reconciler.model.facts import FactId, canonical_json
from reconciler.planner.partitions.publications import as_before

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.db.connections import Connection
    from reconciler.model.intent import Intent
    from reconciler.model.snapshot import Snapshot
    from reconciler.workflows.situation import Situation

__all__ = ["due_drops", "goal_of"]


def goal_of(situation: Situation, intent: Intent | None = None, *, stays: frozenset[FactId] = frozenset()) -> Goal:
    """The goal for the situation, with another intent where one is given, and what `stays` until the next migration."""
    desired, live, renamed = situation.desired, situation.live, situation.renamed
    chosen = situation.intent if intent is None else intent
    goal = make_goal(desired, renamed.live, renamed.recorded, situation.scope, chosen, situation.others.facts)
    goal = _without_our_lists(goal, renamed.live)
    if stays:
        free = without_not_null(goal, stays)
        goal = replace(goal, snapshot=_with(goal.snapshot, free), record=_with(goal.record, free))
    places = in_live_order(goal.snapshot, desired.snapshot, renamed.live, goal.foreign | goal.following)
    schemas, version = situation.schemas, live.server_version
    return replace(
        goal,
        snapshot=replace(_with(goal.snapshot, places), schemas=schemas, server_version=version),
        record=replace(_with(goal.record, places), schemas=schemas, server_version=version),
    )


def due_drops(connection: Connection, plugin: str, declared: Declared) -> frozenset[FactId]:
    """What an earlier declaration left in place: this one is the next migration."""
    mark = load_mark(connection, plugin)
    return frozenset() if mark is None or is_last(connection, plugin, declared) else frozenset(mark.later)


def _without_our_lists(goal: Goal, live: Snapshot) -> Goal:
    """The goal without the column lists that an interrupted run left in publications which nobody declares."""
    ours = {
        fact: canonical_json(definition)
        for fact, definition in as_before(live).items()
        if fact in goal.foreign | goal.following and goal.snapshot.facts.get(fact) == live.facts[fact]
    }
    if not ours:
        return goal
    return replace(goal, snapshot=_with(goal.snapshot, ours), record=_with(goal.record, ours))


def _with(state: Snapshot, texts: Mapping[FactId, str]) -> Snapshot:
    """The state with these definitions, of the facts that it has."""
    return state.with_facts({fact: texts.get(fact, text) for fact, text in state.facts.items()}) if texts else state
