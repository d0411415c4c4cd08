"""What gives new rows their values, and whether the plan changes that: defaults, triggers. Pure: no I/O.

While a plan is made in steps, programs write that know the table as it was and as it will be. What is asked of new rows
(NOT NULL, a CHECK, a foreign key, a unique index) must not come before what fills them: either that is made first, or
both come in the plan's one transaction and only the rows that are there are looked at afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.facts import ROUTINE_KINDS, FactId
from reconciler.planner.columns.hierarchy import inheriting

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.planner.core.context import Context

__all__ = ["changed_default", "family", "new_sequences", "other_source_changes", "stays_filled"]


def stays_filled(fact: FactId, context: Context) -> bool:
    """Whether new rows get their values in the columns of the index or constraint as they did."""
    return not any(
        changed_default(needed, context) is not None or other_source_changes(needed, context)
        for needed in context.goal.dependencies.get(fact, ())
        if needed.kind == "column" and needed.name[:2] == fact.name[:2]
    )


def changed_default(column: FactId, context: Context) -> FactId | None:
    """The default of the column, where it is created, dropped, or gives another value."""
    default = FactId("default", column.name)
    return default if _differs(default, context) or _needs_changed(default, context) else None


def other_source_changes(column: FactId, context: Context) -> bool:
    """Whether the column's domain, or a trigger that fires before a row of its table is written, becomes another."""
    if any(
        needed.kind == "domain" and needed in context.alters for needed in context.goal.dependencies.get(column, ())
    ):
        return True
    table = context.goal.parent(column)
    triggers = {
        child
        for state in (context.live, context.goal)
        for child in (state.children.get(table, ()) if table is not None else ())
        if child.kind == "trigger" and " BEFORE " in str(state.definition(child)["definition"])
    }
    return any(_differs(each, context) or _needs_changed(each, context) for each in triggers)


def _differs(fact: FactId, context: Context) -> bool:
    return context.live.facts.get(fact) != context.goal.facts.get(fact)


def _needs_changed(fact: FactId, context: Context) -> bool:
    """Whether it calls a routine that changes."""
    needed = context.goal.dependencies.get(fact, ())
    return any(each.kind in ROUTINE_KINDS and _differs(each, context) for each in needed)


def family(column: FactId, context: Context) -> Iterable[FactId]:
    """The column and the same one of all tables that inherit it."""
    yield column
    for child in inheriting(column, context):
        yield from family(child, context)


def new_sequences(default: FactId, context: Context) -> Sequence[FactId]:
    """The sequences that the default needs and that the plan creates."""
    needed = sorted(context.goal.dependencies.get(default, ()))
    return [each for each in needed if each.kind == "sequence" and each in context.creates]
