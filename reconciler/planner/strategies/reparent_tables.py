"""Existing tables that inherit from other parents than before, changed in place. Pure: no I/O.

A table takes a parent's columns and checks by INHERIT only if it has them, and a column that it gets by ADD COLUMN, or
keeps when its last parent is removed, becomes its own for good. Where that must not happen, all its links are recreated
in their order, and a temporary parent is its only parent meanwhile: a table without rows that has what is inherited
before and after, adds what is new, and whose alterations the table follows. The same is done where a column that two
parents have changes its type, which Postgres refuses to change through one of them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, cast

from reconciler.model.temporary_names import temporary_name
from reconciler.planner.core.nodes import Act, Node
from reconciler.planner.core.rule import StatementDraft, exclusive
from reconciler.planner.core.strategy import Strategy
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import Part, compose, joined, name, raw

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from reconciler.model.facts import Definition, FactId
    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = ["ReparentTables", "with_columns"]


def _relinked(context: Context) -> Iterable[FactId]:
    """The links that would stay, of tables whose links are all recreated; of tables that no link can attach."""
    for table in _children(context):
        if _was_partition(table, context) and any(part.kind == "column" for part in _inherited(table, context.goal)):
            yield table
        elif _is_unsettled(table, context):
            yield from (link for link in _links(table, context.live) if context.persists(link))


def _temporary_parents(context: Context) -> Mapping[FactId, Part]:
    """The tables that need one while their links are recreated, and its name."""
    return {
        table: name(table.name[0], temporary_name(*table.name, "parent"))
        for table in _children(context)
        if any(link in context.creates for link in _links(table, context.goal))
        and (any(_held(table, context)) or any(_brought(table, context)))
    }


def _was_partition(table: FactId, context: Context) -> bool:
    """Whether the table is a partition: it can have no second parent, and DETACH makes its columns its own."""
    links = (link for link in context.live.children.get(table, ()) if link.kind == "inheritance")
    return any("bound" in context.old(link) for link in links)


def _children(context: Context) -> list[FactId]:
    """The tables that stay, and inherit from others, not as partitions."""
    links = (link for links in context.goal.inheritances.values() for link in links)
    tables = {context.goal.parent(link) for link in links if "bound" not in context.new(link)}
    return sorted(table for table in tables if table is not None and context.persists(table))


def _links(table: FactId, state: Snapshot) -> list[FactId]:
    """By which the table inherits, in the parents' order."""
    found = [
        (cast("int", definition.get("position", 0)), link)
        for link in state.children.get(table, ())
        if link.kind == "inheritance" and "bound" not in (definition := state.definition(link))
    ]
    return [link for _, link in sorted(found)]


def _inherited(table: FactId, state: Snapshot) -> Iterable[FactId]:
    """The columns and checks that the table has from its parents alone."""
    for part in state.children.get(table, ()):
        if part.kind in ("column", "constraint") and state.definition(part).get("inherited"):
            yield part


def _above(part: FactId, link: FactId) -> FactId:
    """The same part of the parent."""
    return part._replace(name=(*link.name[2:], *part.name[2:]))


def _is_unsettled(table: FactId, context: Context) -> bool:
    """Whether the added and removed links alone would not make the table what the goal has."""
    before, after = _links(table, context.live), _links(table, context.goal)
    stay = [link for link in before if context.persists(link)]
    if after[: len(stay)] != stay:
        return True
    wanted = set(_inherited(table, context.goal))
    for part in wanted:
        if part in context.creates and part not in context.converting:
            if not any(_above(part, link) in context.creates for link in stay):
                return True
        elif part in context.live and context.old(part).get("inherited") and not _is_brought(part, stay, context):
            return True
    if any(_moves_at_twice(part, before, context) for part in context.goal.children.get(table, ())):
        return True
    if any(_is_recreated_below(part, stay, context) for part in context.goal.children.get(table, ())):
        return True
    own = (part for part in _inherited(table, context.live) if part not in wanted and context.persists(part))
    return any(_is_brought(part, stay, context) for part in own)


def _is_brought(part: FactId, links: list[FactId], context: Context) -> bool:
    """Whether one of these parents has it in live."""
    return any(_above(part, link) in context.live for link in links)


def _moves_at_twice(part: FactId, links: list[FactId], context: Context) -> bool:
    """Whether a column changes its type that more than one parent has."""
    changes = part in context.converting or (
        part.kind == "column" and part in context.alters and context.changed(part) & {"type", "collation"}
    )
    return bool(changes) and sum(_above(part, link) in context.live for link in links) > 1


def _is_recreated_below(part: FactId, links: list[FactId], context: Context) -> bool:
    """Whether a column is recreated that is inherited from a parent, which stays and keeps it from being dropped.

    This is necessary before 17 where the table computes it otherwise.
    """
    if part.kind != "column" or part in context.converting or part not in context.drops & context.creates:
        return False
    return any(context.persists(_above(part, link)) for link in links)


def _held(table: FactId, context: Context) -> Iterable[FactId]:
    """What is inherited before and after, and must not become the table's own in between."""
    wanted = set(_inherited(table, context.goal))
    for part in _inherited(table, context.live):
        if part in wanted and (part in context.converting or context.persists(part)):
            yield part


def _brought(table: FactId, context: Context) -> Iterable[FactId]:
    """What the table will inherit, and no statement of a parent adds."""
    for part in _inherited(table, context.goal):
        if part in context.creates and part not in context.converting:
            yield part


def _attach_temporary_parent(table: FactId, context: Context) -> Iterable[StatementDraft]:
    """Creates the temporary parent like the live table, as far as it inherits, and attaches it."""
    temporary, held = context.decided.temporary_parents[table], sorted(_held(table, context))
    named = {column for part in held for column in _declared_within(part, context) if context.persists(column)}
    wanted = sorted({*named, *(part for part in held if part.kind == "column")})
    columns = [_column(part, context.old(part), context.new(part), context) for part in wanted]
    yield StatementDraft(sql=compose("CREATE TABLE {} ({})", temporary, joined(columns)))
    for part in held:
        if part.kind == "constraint":
            definition = raw(str(context.old(part)["definition"]))
            yield StatementDraft(
                sql=compose("ALTER TABLE {} ADD CONSTRAINT {} {}", temporary, name(part.name[2]), definition)
            )
    yield exclusive(compose("ALTER TABLE {} INHERIT {}", qualified(table), temporary), table)


def with_columns(constraint: FactId, context: Context) -> Iterable[str]:
    """Gives the temporary parent the columns that a check names and that the table declares itself."""
    table = context.goal.parent(constraint)
    assert table is not None
    for column in sorted(_declared_within(constraint, context)):
        new = context.new(column)
        text = _column(column, new, new, context)
        yield compose("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {}", context.decided.temporary_parents[table], text)


def _declared_within(part: FactId, context: Context) -> Iterable[FactId]:
    """The columns that a check names, and that its table declares although its parents have them."""
    if part.kind == "constraint":
        for needed in context.goal.dependencies.get(part, ()):
            if (
                needed.kind == "column"
                and needed.name[:2] == part.name[:2]
                and not context.new(needed).get("inherited")
            ):
                yield needed


def _column(column: FactId, old: Definition, new: Definition, context: Context) -> Part:
    kind = raw(str(old["type"]))
    parts: list[Part] = [name(column.name[2]), kind]
    if "collation" in old:
        parts.append(raw(compose("COLLATE {}", raw(str(old["collation"])))))
    if "generated" in old:
        how = raw("VIRTUAL" if old.get("virtual") else "STORED")
        # Since 16 each table may have its own expression.
        value = raw(compose("NULL::{}", kind) if context.version >= 160000 else str(old["generated"]))
        parts.append(raw(compose("GENERATED ALWAYS AS ({}) {}", value, how)))
    states = [cast("Definition", each.get("not_null_constraint") or {}) for each in (old, new)]
    if all(state.get("inherited") for state in states):
        # With a name of its own Postgres 18 refuses to change the column's type: the table's would need two.
        held = compose("CONSTRAINT {} NOT NULL", name(context.live.not_null_name(column)))
        parts.append(raw(held if context.version >= 180000 else "NOT NULL"))
    return joined(parts, " ")


def _detach_temporary_parent(table: FactId, context: Context) -> Iterable[StatementDraft]:
    """Removes the temporary parent when the parents are attached."""
    temporary = context.decided.temporary_parents[table]
    yield exclusive(compose("ALTER TABLE {} NO INHERIT {}", qualified(table), temporary), table)
    yield StatementDraft(sql=compose("DROP TABLE {}", temporary))


def _declared_twice(table: FactId, context: Context) -> Iterable[tuple[Node, Node]]:
    """What table and parent both declare: the parent's new column is merged with the table's, and dropped before it."""
    for link in _links(table, context.live):
        if context.persists(link):
            for part in context.goal.children.get(table, ()):
                if part.kind == "column" and part in context.creates and not context.new(part).get("inherited"):
                    yield Node(Act.CREATE, part), Node(Act.CREATE, _above(part, link))
            for part in context.live.children.get(table, ()):
                if part.kind in ("column", "constraint") and part in context.drops:
                    yield Node(Act.DROP, _above(part, link)), Node(Act.DROP, part)


def _ordered(context: Context) -> Iterable[tuple[Node, Node]]:
    """(earlier, later): links in their order, and the temporary parent before and after all that it is for."""
    for table in _children(context):
        links = [link for link in _links(table, context.goal) if link in context.creates]
        for link, other in pairwise(links):
            yield Node(Act.CREATE, link), Node(Act.CREATE, other)
        yield from _declared_twice(table, context)
    for table in context.decided.temporary_parents:
        first, last = Node(Act.PREPARE, table), Node(Act.RESTORE, table)
        yield first, last
        for link in _links(table, context.live):
            yield first, Node(Act.DROP, link)
        for link in _links(table, context.goal):
            yield Node(Act.CREATE, link), last
        for part in {*_inherited(table, context.live), *_inherited(table, context.goal)}:
            for act in (Act.DROP, Act.ALTER, Act.CREATE):
                yield first, Node(act, part)
                yield Node(act, part), last
                for link in _links(table, context.goal):
                    yield Node(act, _above(part, link)), last


class ReparentTables(Strategy):
    """Tables whose links are recreated: a temporary table is their only parent meanwhile."""

    def recreated_besides(self, context: Context) -> Iterable[FactId]:
        return _relinked(context)

    def settle(self, context: Context) -> None:
        context.decided.temporary_parents = _temporary_parents(context)

    def prepared(self, context: Context) -> Collection[FactId]:
        return context.decided.temporary_parents.keys()

    def restored(self, context: Context) -> Collection[FactId]:
        return context.decided.temporary_parents.keys()

    def ordered(self, context: Context) -> Iterable[tuple[Node, Node]]:
        return _ordered(context)

    def prepare(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        return _attach_temporary_parent(fact, context) if fact in context.decided.temporary_parents else ()

    def restore(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        return _detach_temporary_parent(fact, context) if fact in context.decided.temporary_parents else ()
