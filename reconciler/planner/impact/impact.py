"""What follows from what happens to facts, whichever statement does it: told once, with its first statement. Pure.

A rule knows what its own statements cost. What clients notice, who may see more, and what shows only later depends on
the two states alone, and is the same however the change is made.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.model.plan import Stage
from reconciler.model.temporary_names import is_leftover
from reconciler.planner.impact.access import lost_protection
from reconciler.planner.impact.client_breakage import broken_clients
from reconciler.planner.impact.delayed_effects import later_costs
from reconciler.planner.impact.subscribers import stopped_subscribers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import FactId
    from reconciler.model.hazards import Hazard
    from reconciler.planner.core.context import Context
    from reconciler.planner.core.nodes import Act
    from reconciler.planner.core.rule import StatementDraft

__all__ = ["with_consequences"]


def with_consequences(
    drafts: Sequence[StatementDraft], act: Act, fact: FactId, members: Sequence[FactId], context: Context
) -> Sequence[StatementDraft]:
    """The drafts, the first that clients notice with all that follows from this group of facts."""
    if not drafts or is_leftover(fact):
        return drafts
    found = tuple(_consequences(act, fact, members, context))
    if not found:
        return drafts
    place = next((place for place, draft in enumerate(drafts) if draft.stage is not Stage.BEFORE), 0)
    told = replace(drafts[place], hazards=(*drafts[place].hazards, *found))
    return (*drafts[:place], told, *drafts[place + 1 :])


def _consequences(act: Act, fact: FactId, members: Sequence[FactId], context: Context) -> Iterable[Hazard]:
    yield from broken_clients(act, fact, members, context)
    yield from lost_protection(act, fact, context)
    yield from later_costs(act, fact, members, context)
    yield from stopped_subscribers(act, fact, members, context)
