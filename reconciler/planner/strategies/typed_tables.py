"""Tables of a composite type, detached from it while it or their columns are recreated. Pure: no I/O.

The columns of a typed table change with its type alone. Where the type is recreated, or a column must be dropped and
added, the table is an ordinary one meanwhile: NOT OF before all else, OF when it has the columns that the type
requires, in their order. A table that cannot get them in that order, because new columns are last, is recreated with
its rows.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from reconciler.planner.core.nodes import Act, Node
from reconciler.planner.core.rule import StatementDraft, exclusive
from reconciler.planner.core.strategy import Strategy
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import compose, raw

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from reconciler.model.facts import FactId
    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = ["TypedTables", "follows_type"]

# What may be made with the table's row as a value of its type.
_READERS = frozenset({"constraint", "index", "materialized_view", "policy", "rule", "trigger", "view"})


def _tables_to_detach(context: Context) -> set[FactId]:
    """The tables that stay and are detached from their type, for good or for a while."""
    return {
        table
        for table in _typed(context.live)
        if context.persists(table) and (_has_another_type(table, context) or any(_unlike_type(table, context)))
    }


def _tables_to_attach(context: Context) -> set[FactId]:
    """The tables that stay and are attached to a type, for the first time or again."""
    return {
        table
        for table in _typed(context.goal)
        if context.persists(table) and (table in context.decided.detach_type or _has_another_type(table, context))
    }


def _typed(state: Snapshot) -> Iterable[FactId]:
    return (fact for fact in state.facts if fact.kind == "table" and '"of_type":' in state.facts[fact])


def _type(table: FactId, state: Snapshot) -> FactId | None:
    needed = state.dependencies.get(table, frozenset())
    return next((each for each in sorted(needed) if each.kind == "composite_type"), None)


def _has_another_type(table: FactId, context: Context) -> bool:
    """Whether its type is another one, or is recreated."""
    return "of_type" in context.changed(table) or _type(table, context.live) in context.drops


def _unlike_type(table: FactId, context: Context) -> Iterable[FactId]:
    """The columns that ALTER TYPE ... CASCADE does not make what they become."""
    follows = _type(table, context.live) in context.alters
    for column in {*_columns(table, context.live), *_columns(table, context.goal)}:
        goes, comes = column in context.drops, column in context.creates
        if (goes and comes) or ((goes or comes) and not follows):
            yield column


def follows_type(column: FactId, context: Context) -> bool:
    """Whether ALTER TYPE ... CASCADE alters the column, since its table stays attached to the type."""
    table = context.goal.parent(column) or context.live.parent(column)
    if table is None or not context.alters or not context.persists(table) or table in context.decided.detach_type:
        return False
    if "of_type" not in context.old(table):
        return False
    needed = context.live.dependencies.get(table, frozenset())
    return any(each.kind == "composite_type" and each in context.alters for each in needed)


def _columns(table: FactId, state: Snapshot) -> list[FactId]:
    return [child for child in state.children.get(table, ()) if child.kind == "column"]


def _out_of_order(context: Context) -> Iterable[FactId]:
    """The tables that will be attached to a type and whose columns would not be in its order."""
    released = _tables_to_detach(context)
    for table in _typed(context.goal):
        if not context.persists(table) or not (table in released or _has_another_type(table, context)):
            continue
        wanted = [column for column, _ in context.columns(table, context.goal)]
        stay = [column for column, _ in context.columns(table, context.live) if _stays(table, column, context)]
        if wanted[: len(stay)] != stay:
            yield table


def _stays(table: FactId, column: str, context: Context) -> bool:
    """Whether the column keeps its position."""
    fact = table._replace(kind="column", name=(*table.name, column))
    return fact in context.converting or fact not in context.drops


def _detach_type(table: FactId) -> Iterable[StatementDraft]:
    """Makes the table an ordinary one with the same columns."""
    yield exclusive(compose("ALTER TABLE {} NOT OF", qualified(table)), table)


def _attach_type(table: FactId, context: Context) -> Iterable[StatementDraft]:
    """Attaches the table to its type."""
    kind = raw(str(context.new(table)["of_type"]))
    yield exclusive(compose("ALTER TABLE {} OF {}", qualified(table), kind), table)


def _ordered(context: Context) -> Iterable[tuple[Node, Node]]:
    """(earlier, later): columns change while the table is detached from its type, and new ones are added in their
    order.
    """
    for table in context.decided.detach_type:
        first = Node(Act.PREPARE, table)
        for fact in (_type(table, context.live), *_columns(table, context.live), *_columns(table, context.goal)):
            if fact is not None:
                yield from ((first, Node(act, fact)) for act in (Act.DROP, Act.ALTER, Act.CREATE))
        yield first, Node(Act.RESTORE, table)
    for table in context.decided.attach_type:
        last = Node(Act.RESTORE, table)
        for fact in (_type(table, context.goal), *_columns(table, context.live), *_columns(table, context.goal)):
            if fact is not None:
                yield from ((Node(act, fact), last) for act in (Act.DROP, Act.ALTER, Act.CREATE))
        added = sorted(set(_columns(table, context.goal)) & context.creates, key=context.position)
        for column, other in pairwise(added):
            yield Node(Act.CREATE, column), Node(Act.CREATE, other)
        for fact in (table, *_columns(table, context.goal)):
            for reader in context.goal_dependents.get(fact, ()):
                if reader.kind in _READERS:
                    yield last, Node(Act.CREATE, reader)


class TypedTables(Strategy):
    """Tables of a composite type: ordinary ones while it or their columns are recreated."""

    def recreated_besides(self, context: Context) -> Iterable[FactId]:
        return _out_of_order(context)

    def settle(self, context: Context) -> None:
        context.decided.detach_type = _tables_to_detach(context)
        context.decided.attach_type = _tables_to_attach(context)

    def prepared(self, context: Context) -> Collection[FactId]:
        return context.decided.detach_type

    def restored(self, context: Context) -> Collection[FactId]:
        return context.decided.attach_type

    def ordered(self, context: Context) -> Iterable[tuple[Node, Node]]:
        return _ordered(context)

    def prepare(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        return _detach_type(fact) if fact in context.decided.detach_type else ()

    def restore(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        return _attach_type(fact, context) if fact in context.decided.attach_type else ()
