"""Rows that belong to another partition when bounds change are moved there. Pure: no I/O.

This happens when a bound becomes narrower, a partition is added beside a default one that has its rows, or a partition
is split or merged. Postgres refuses the first two; with the third the rows would be dropped. The catalogs do not tell
whether there are such rows; `leaving_rows` says what to ask. A plan that is made with the answers
(`Decisions.rerouted`) copies them to a temporary table while their table is detached, and inserts them through its
parent when all partitions are attached, before anything is created that would fire or check them. Existing triggers do
not fire, since no row is added or removed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.hazards import hazards
from reconciler.model.plan import LockMode, RowAccess, RowCommand
from reconciler.planner.core.arrival import Rows, arrival, not_among, proof_of_count, same_rows
from reconciler.planner.core.nodes import Act, Node
from reconciler.planner.core.rule import StatementDraft, exclusive
from reconciler.planner.core.strategy import Strategy
from reconciler.planner.partitions.bounds import within
from reconciler.planner.partitions.publications import sends, silenced
from reconciler.planner.partitions.tree import ancestors, links_of, parent_of, partitions_of, tree
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import Part, compose, joined, name, raw
from reconciler.planner.strategies.leaving_rows import leaving_condition, leaving_of, questions, rerouted, whereabouts
from reconciler.planner.strategies.recreate_table import (
    columns_of,
    compared,
    value_for,
    waits_for_rows,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from reconciler.model.checks import Question
    from reconciler.model.facts import FactId
    from reconciler.planner.core.context import Context

__all__ = ["RerouteRows", "leaves_all_rows", "leaving", "moved_of", "tables_with_returning_rows", "unsent"]

_SUFFIX = "__rerouted"


def _detached(context: Context) -> frozenset[FactId]:
    """The links that must be recreated so that rows can move; a default partition's would stay otherwise."""
    return frozenset(link for link in context.answers if link in context.live and link in context.goal)


# --- what would fail -------------------------------------------------------------------------------------------------


# --- the statements --------------------------------------------------------------------------------------------------


def tables_with_returning_rows(context: Context) -> set[FactId]:
    """The tables through which rows are inserted again."""
    return {parent_of(link) for link in context.decided.rerouted}


def leaves_all_rows(table: FactId, context: Context) -> bool:
    """Whether all rows of a dropped table move before, those of a partition with its parent's."""
    above = (table, *ancestors(table, context.live))
    return any(context.decided.rerouted.get(link, False) for each in above for link in links_of(each, context.live))


def _that_stay(table: FactId, context: Context) -> Part | None:
    """Which rows of a recreated table are not rerouted. None: all."""
    for link in links_of(table, context.live):
        if link not in context.decided.rerouted:
            continue
        each = leaving_of(link, context)
        if "bound" in context.changed(link):
            return within(link, each.parent, context.goal, was=each.parent)
        leaving = leaving_condition(each, context)
        return None if leaving is None else raw(compose("({}) IS NOT TRUE", leaving))
    return None


def _set_rows_apart(link: FactId, context: Context) -> Iterator[StatementDraft]:
    """Copies the rows to a temporary table: theirs is detached, or about to be dropped or recreated."""
    each = leaving_of(link, context)
    table, condition = qualified(each.child), leaving_condition(each, context)
    assert condition is not None
    which = None if each.goes and context.decided.rerouted[link] else condition
    chosen = raw("" if which is None else compose(" WHERE {}", which))
    aside, columns = _temporary_table(each.child, context), _names(_stored(each.parent, context))
    text = compose("CREATE UNLOGGED TABLE {} AS SELECT {} FROM {}{}", aside, joined(columns), table, chosen)
    read, deleted = (RowAccess(table=each.child, command=command) for command in (RowCommand.SELECT, RowCommand.DELETE))
    yield replace(exclusive(text, each.child), rows=(read,))
    missing = same_rows(Rows(values=columns, source=table, where=which), Rows(values=columns, source=aside))
    yield _proof(each.child, f"rows of {each.child} were not copied to move", missing, context)
    if not each.is_dropped:
        nameless = [*_without_identity(tree(each.child, context.live), context)]
        for part in nameless:
            yield exclusive(compose("ALTER TABLE {} REPLICA IDENTITY FULL", qualified(part)), part)
        first, last = silenced(unsent(each.parent, context), context)
        yield from first
        yield replace(exclusive(compose("DELETE FROM {}{}", table, chosen), each.child), rows=(deleted,))
        yield from last
        for part in nameless:
            usual = raw(_identities(part, context)[-1].upper())
            yield exclusive(compose("ALTER TABLE {} REPLICA IDENTITY {}", qualified(part), usual), part)


def _return_rows(parent: FactId, context: Context) -> Iterator[StatementDraft]:
    """Inserts the rows through the parent, which finds their partition."""
    table, stored = qualified(parent), _stored(parent, context)
    live = {column.name[2]: column for column in stored}
    said = [(column, value) for column in stored if (value := value_for(column, live, context)) is not None]
    values, names = compared(said, context)
    numbered = any("identity" in context.new(column) for column in stored)
    first, last = silenced(unsent(parent, context), context)
    yield from first
    for each in (leaving_of(link, context) for link in sorted(context.decided.rerouted) if parent_of(link) == parent):
        text = compose(
            "INSERT INTO {} ({}){} SELECT {} FROM {}",
            table,
            joined(_names([column for column, _ in said])),
            raw(" OVERRIDING SYSTEM VALUE" if numbered else ""),
            joined([value for _, value in said]),
            _temporary_table(each.child, context),
        )
        found = (
            hazards.blocks_reads_and_writes(
                each.child, "its rows that belong to other partitions are rerouted there", context.sizes.get(each.child)
            ),
            hazards.may_fail(parent, "fails if a rerouted row fits no partition", context.sizes.get(parent)),
        )
        inserted = RowAccess(table=parent, command=RowCommand.INSERT)
        yield StatementDraft(sql=text, hazards=found, lock=LockMode.ROW_EXCLUSIVE, locks=parent, rows=(inserted,))
        moved = Rows(values=values, source=_temporary_table(each.child, context))
        arrived = Rows(values=names, source=table, where=whereabouts(each, context))
        what = f"rows of {each.child} did not arrive in another partition"
        yield _proof(parent, what, not_among(moved, arrived), context)
        yield StatementDraft(sql=compose("DROP TABLE {}", _temporary_table(each.child, context)))
    yield from last


def leaving(parent: FactId, context: Context) -> Iterator[str]:
    """DELETE statements for the rows that leave partitions which stay: what a detached one loses is not sent."""
    for each in (leaving_of(link, context) for link in sorted(context.decided.rerouted) if parent_of(link) == parent):
        condition = leaving_condition(each, context)
        if not each.goes and condition is not None:
            yield compose("DELETE FROM {} WHERE {};", qualified(each.child), condition)


def moved_of(root: FactId, parent: FactId, context: Context) -> Sequence[str]:
    """DELETE statements for all rows that move, from the table that has them under one name; none where not told."""
    above = [
        within(link, parent_of(link), context.live)
        for table in (parent, *ancestors(parent, context.live))
        for link in links_of(table, context.live)
    ]
    texts: list[str] = []
    for each in (leaving_of(link, context) for link in sorted(context.decided.rerouted) if parent_of(link) == parent):
        found = [*above, within(each.link, parent, context.live)]
        if not (each.goes and context.decided.rerouted[each.link]):
            found.append(leaving_condition(each, context))
        told = [raw(compose("({})", condition)) for condition in found if condition is not None]
        if len(told) < len(found):
            return ()
        texts.append(compose("DELETE FROM {} WHERE {};", qualified(root), joined(told, " AND ")))
    return texts


def unsent(parent: FactId, context: Context, *, ours: bool = True) -> list[FactId]:
    """The publications that send all partitions under one name, so that for subscribers no row moves.

    `ours`: those that this role may alter; else those that it may not.
    """
    if not context.has_subscribers or context.replication is None:
        return []
    return [
        sent.publication
        for sent in sends(parent, context.live)
        if sent.root is not None
        and sent.publication not in context.drops
        and (sent.name in context.replication.alterable) is ours
    ]


def _proof(table: FactId, what: str, missing: str, context: Context) -> StatementDraft:
    """Proves it of the rows of a table; what is on it, above and below it may have turned them away."""
    return proof_of_count(arrival(table, what, missing, context, also=ancestors(table, context.live)))


def _temporary_table(child: FactId, context: Context) -> Part:
    return name(child.name[0], context.interim_name(child.name[0], child.name[1], _SUFFIX))


def _stored(parent: FactId, context: Context) -> list[FactId]:
    """The existing columns that stay, except generated ones."""
    columns = columns_of(parent, context.live)
    stored = [column for column in columns if column in context.goal and "generated" not in context.new(column)]
    return sorted(stored, key=context.position)


def _names(columns: list[FactId]) -> list[Part]:
    return [name(column.name[2]) for column in columns]


def _without_identity(tables: Iterable[FactId], context: Context) -> Iterator[FactId]:
    """The tables from which Postgres refuses to delete because a publication may publish the deletes.

    What changes in the same plan may have changed already, or not yet.
    """
    if not any(fact.kind == "publication" for fact in context.live.facts):
        return
    for table in tables:
        identities = {*_identities(table, context)}
        parts = [
            part
            for part in context.live.children.get(table, ())
            if part.kind in ("index", "constraint") and part not in context.drops
        ]
        keyed = identities == {"default"} and any(
            part.kind == "constraint"
            and context.old(part)["type"] == "primary_key"
            and "DEFERRABLE" not in str(context.old(part)["definition"])
            for part in parts
        )
        indexed = any(
            context.old(part).get("replica_identity")
            and (part not in context.goal or context.new(part).get("replica_identity"))
            for part in parts
        )
        if "partition_key" not in context.old(table) and identities != {"full"} and not keyed and not indexed:
            yield table


def _identities(table: FactId, context: Context) -> list[str]:
    """The table's replica identity in live and, if it stays, in the goal."""
    states = [state for state in (context.live, context.goal) if table in state]
    return [str(state.definition(table).get("replica_identity", "default")) for state in states]


# --- the order -------------------------------------------------------------------------------------------------------


def _ordered(context: Context) -> Iterator[tuple[Node, Node]]:
    """(earlier, later): rows are copied before their table is detached or dropped; they return to a complete tree."""
    for link in context.decided.rerouted:
        each = leaving_of(link, context)
        first, last = Node(Act.PREPARE, link), Node(Act.RESTORE, each.parent)
        yield first, last
        if each.is_dropped:
            yield from ((first, Node(Act.DROP, table)) for table in tree(each.child, context.live))
        else:
            yield Node(Act.DROP, link), first
        for table in (each.parent, each.child):
            for column in columns_of(table, context.live):
                if column in context.alters:
                    # The copied rows have the type that they are converted from.
                    yield first, Node(Act.ALTER, column)
                    yield Node(Act.ALTER, column), last
        below = {*tree(each.parent, context.goal)}
        for member in below:
            for new, _ in partitions_of(member, context.goal):
                if new in context.creates:
                    yield Node(Act.CREATE, new), last
                    if member == each.parent:
                        yield first, Node(Act.CREATE, new)
        family = {*below, *ancestors(each.parent, context.goal)}
        for table in {*family, *tree(each.child, context.live)}:
            for part in (*context.live.children.get(table, ()), *context.goal.children.get(table, ())):
                if part.kind == "trigger" and part in context.drops:
                    yield Node(Act.DROP, part), first
                if part.kind == "trigger" and part in context.alters:
                    yield last, Node(Act.ALTER, part)
        for fact in context.creates:
            if waits_for_rows(fact, family, context):
                yield last, Node(Act.CREATE, fact)


class RerouteRows(Strategy):
    """Rows whose partition is another one afterwards: set apart, and inserted again through their table."""

    def forced(self, context: Context) -> Iterable[FactId]:
        return _detached(context)

    def settle(self, context: Context) -> None:
        context.decided.rerouted = rerouted(context)
        context.decided.rows_that_stay = {
            table: which
            for table in context.decided.recreated_tables
            if (which := _that_stay(table, context)) is not None
        }

    def questions(self, context: Context) -> Iterable[Question]:
        return questions(context)

    def prepared(self, context: Context) -> Collection[FactId]:
        return context.decided.rerouted.keys()

    def restored(self, context: Context) -> Collection[FactId]:
        return tables_with_returning_rows(context)

    def ordered(self, context: Context) -> Iterable[tuple[Node, Node]]:
        return _ordered(context)

    def prepare(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        return _set_rows_apart(fact, context) if fact in context.decided.rerouted else ()

    def restore(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        return _return_rows(fact, context) if fact in tables_with_returning_rows(context) else ()
