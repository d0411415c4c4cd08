"""Which columns come from which: a table's from its parents, its children's from it. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.facts import TABLE_KINDS, FactId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.planner.core.context import Context

__all__ = [
    "brought_by",
    "follows_alteration",
    "inherited_from",
    "inheriting",
    "is_declared_otherwise",
    "parents_columns",
]


def inherited_from(column: FactId, context: Context) -> list[FactId]:
    """The same column of the parents, by the goal's links where they persist."""
    return [found for link, found in _by_link(column, context) if context.persists(link)]


def parents_columns(column: FactId, context: Context) -> list[FactId]:
    """The same column of the parents in the goal."""
    return [found for _, found in _by_link(column, context) if found in context.goal]


def _by_link(column: FactId, context: Context) -> Iterable[tuple[FactId, FactId]]:
    table = context.goal.parent(column) or context.live.parent(column)
    if table is None:
        return
    for link in context.goal.children.get(table, ()):
        if link.kind == "inheritance":
            for needed in context.goal.dependencies.get(link, ()):
                if needed != table and needed.kind in TABLE_KINDS:
                    yield link, FactId(column.kind, (*needed.name, *column.name[2:]))


def brought_by(column: FactId, context: Context) -> list[FactId]:
    """The parents' new columns with which this new one comes to its table."""
    if column not in context.creates or not context.new(column).get("inherited"):
        return []
    return [parent for parent in inherited_from(column, context) if parent in context.creates]


def follows_alteration(column: FactId, context: Context) -> bool:
    """Whether the column is altered with its parents', whose statement reaches it."""
    return any(parent in context.alters for parent in inherited_from(column, context))


def inheriting(column: FactId, context: Context) -> list[FactId]:
    """The same column of the tables that inherit it in live."""
    table = context.live.parent(column)
    if table is None:
        return []
    links = [each for each in context.dependents.get(table, ()) if each.kind == "inheritance"]
    return [FactId(column.kind, (*link.name[:2], column.name[2])) for link in links if link.name[2:] == table.name]


def is_declared_otherwise(column: FactId, context: Context) -> bool:
    """Whether a table should no longer declare a column itself that its parents have all the same.

    No ALTER TABLE does that (pg_attribute.attislocal), except for a partition, which declares nothing. The table is
    recreated, and its rows move.
    """
    if column not in context.live or "inherited" not in context.changed(column):
        return False
    table = context.goal.parent(column)
    links = [part for part in context.goal.children.get(table, ()) if part.kind == "inheritance"] if table else []
    if any("bound" in context.new(link) for link in links):
        return False
    return bool(links) and bool(context.new(column).get("inherited"))
