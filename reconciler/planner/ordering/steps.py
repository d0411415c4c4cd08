"""From statements in their order to steps: before the plan's one transaction, in it, after it. Pure: no I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.model.plan import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.model.facts import FactId
    from reconciler.model.plan import Statement
    from reconciler.planner.core.context import Context
    from reconciler.planner.core.rule import StatementDraft

__all__ = ["in_steps"]


def in_steps(drafted: Sequence[tuple[StatementDraft, Statement]], context: Context) -> list[Statement]:
    """The statements by stage, numbered by step; what needs something that is made after the transaction, follows it.

    Within a stage the order stays. What Postgres refuses in a transaction comes after it where its rule says nothing.
    """
    stages: dict[Stage, list[tuple[bool, Statement]]] = {stage: [] for stage in Stage}
    late: set[FactId] = set()
    dragged = False
    for draft, statement in drafted:
        stage, joined = draft.stage, draft.joined
        if stage is Stage.TOGETHER and not statement.transactional:
            stage = Stage.AFTER
        elif stage is Stage.TOGETHER and _needs_late(statement, late, context):
            stage, joined = Stage.AFTER, dragged
        dragged = draft.stage is Stage.TOGETHER and stage is Stage.AFTER and statement.transactional
        if (stage is Stage.AFTER and draft.rehearsal is not None) or (stage is Stage.AFTER and dragged):
            late.update(statement.creates)
        stages[stage].append((joined, statement))
    found: list[Statement] = []
    step = 0
    for stage in Stage:
        for place, (joined, statement) in enumerate(stages[stage]):
            if not (joined or (stage is Stage.TOGETHER and place > 0)):
                step += 1
            found.append(replace(statement, step=step))
    return found


def _needs_late(statement: Statement, late: set[FactId], context: Context) -> bool:
    """Whether the statement makes or alters what is, needs or adopts something that is made after the transaction."""
    return bool(late) and any(
        fact in late
        or not late.isdisjoint(context.goal.dependencies.get(fact, ()))
        or not late.isdisjoint(context.adopted(fact))
        for fact in (*statement.creates, *statement.alters)
    )
