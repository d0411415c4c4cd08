"""Columns that hold rows of another table, which is rewritten, hold JSON meanwhile. Pure: no I/O.

Postgres refuses to change a column's type, or to add one with a value, in a table whose rows another table has in a
column, be it within an array, a domain or another row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.facts import FactId
from reconciler.planner.core.nodes import Act, Node
from reconciler.planner.core.strategy import Strategy
from reconciler.planner.online import exchanged_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.planner.core.context import Context

__all__ = ["RowTypeColumns"]

_WITHIN = frozenset({"composite_type", "domain", "range_type"})
_REWRITTEN_WITH = frozenset({"access_method", "unlogged"})
_ACTS = (Act.DROP, Act.ALTER, Act.CREATE)


def _held_rows(context: Context) -> Mapping[FactId, FactId]:
    """Columns and materialized views that hold rows of a table which is rewritten in place; and that table."""
    touched = {context.live.object_of(fact) for fact in context.alters | context.creates if fact in context.live}
    touched |= {
        table for fact in context.creates if (table := context.goal.parent(fact)) is not None and table in context.live
    }
    return {
        holder: table
        for table in sorted(touched)
        if table.kind == "table" and context.persists(table) and any(_rewriting(table, context))
        for holder in _holders(table, context)
    }


def _rewriting(table: FactId, context: Context) -> Iterable[FactId]:
    """What of the table's change rewrites its rows."""
    if table in context.alters and context.changed(table) & _REWRITTEN_WITH:
        yield table
    for column in context.goal.children.get(table, ()):
        if column.kind == "column" and _rewrites(column, context):
            yield column


def _rewrites(column: FactId, context: Context) -> bool:
    if column in context.converting:
        return True
    if column in context.alters:
        changed = context.changed(column) & {"collation", "generated", "type"}
        return bool(changed) and not exchanged_columns.is_swapped(column, context)
    new = context.new(column)
    has_value = "identity" in new or ("generated" in new and not new.get("virtual"))
    return column in context.creates and (has_value or FactId("default", column.name) in context.goal)


def _holders(table: FactId, context: Context) -> Iterable[FactId]:
    """Columns of other tables, and materialized views, with the table's rows in them."""
    seen: set[FactId] = set()
    waiting = [table]
    while waiting:
        for dependent in context.dependents.get(waiting.pop(), ()):
            if dependent in seen:
                continue
            seen.add(dependent)
            owner = context.live.parent(dependent)
            if dependent.kind in _WITHIN:
                waiting.append(dependent)
            elif dependent.kind == "column" and owner is not None and owner != table:
                if owner.kind == "composite_type":
                    waiting.append(owner)
                elif owner.kind in ("table", "materialized_view"):
                    yield dependent if owner.kind == "table" else owner


def _ordered(context: Context) -> Iterable[tuple[Node, Node]]:
    """(earlier, later): the table is rewritten while no column holds its rows."""
    for holder, table in _held_rows(context).items():
        for fact in _rewriting(table, context):
            for act in _ACTS:
                yield Node(Act.DROP, holder), Node(act, fact)
                yield Node(act, fact), Node(Act.CREATE, holder)


class RowTypeColumns(Strategy):
    """Columns that hold rows of a table which is rewritten."""

    def holders(self, context: Context) -> Mapping[FactId, FactId]:
        return _held_rows(context)

    def settle(self, context: Context) -> None:
        context.decided.holding_rows_as_json = _held_rows(context).keys()

    def ordered(self, context: Context) -> Iterable[tuple[Node, Node]]:
        return _ordered(context)
