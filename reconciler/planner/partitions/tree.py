"""Partitioned tables, their partitions, and theirs. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.facts import FactId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = [
    "ancestors",
    "is_left_by_all",
    "is_partitioned",
    "links_below",
    "links_of",
    "parent_of",
    "partitions_of",
    "tree",
]


def links_of(table: FactId, state: Snapshot) -> list[FactId]:
    """The link by which the table is a partition; none or one."""
    children = state.children.get(table, ())
    return [link for link in children if link.kind == "inheritance" and "bound" in state.definition(link)]


def parent_of(link: FactId) -> FactId:
    return FactId("table", link.name[2:])


def partitions_of(table: FactId, state: Snapshot) -> Iterable[tuple[FactId, FactId]]:
    """(link, partition) of a partitioned table."""
    for link in state.inheritances.get(table.name, ()):
        child = state.parent(link)
        if child is not None and "bound" in state.definition(link):
            yield link, child


def tree(table: FactId, state: Snapshot) -> Iterable[FactId]:
    """The table and its partitions on all levels."""
    yield table
    for _, child in partitions_of(table, state):
        yield from tree(child, state)


def ancestors(table: FactId, state: Snapshot) -> Iterable[FactId]:
    """The tables that it is a partition of, the nearest first."""
    while links := links_of(table, state):
        table = parent_of(links[0])
        yield table


def is_partitioned(table: FactId | None, state: Snapshot) -> bool:
    """Whether the table has partitions, or could."""
    return table is not None and "partition_key" in (state.find(table) or {})


def is_left_by_all(table: FactId, context: Context) -> bool:
    """Whether all partitions of a table that goes stay, so that no row is lost with it."""
    links = [*partitions_of(table, context.live)]
    return bool(links) and all(child not in context.drops or is_left_by_all(child, context) for _, child in links)


def links_below(table: FactId, state: Snapshot) -> Iterable[FactId]:
    for link, child in partitions_of(table, state):
        yield link
        yield from links_below(child, state)
