"""Inheritance and partition links. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.hazards import hazards
from reconciler.model.plan import LockMode
from reconciler.planner.core.rule import Rule, StatementDraft
from reconciler.planner.online.concurrent_detach import detach
from reconciler.planner.partitions import index_attachment, tree
from reconciler.planner.partitions.index_pairing import follows_link, is_cloned
from reconciler.planner.partitions.trigger_state import above
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import compose, name, raw
from reconciler.planner.strategies import leaving_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.checks import Check
    from reconciler.model.facts import FactId
    from reconciler.model.hazards import Hazard
    from reconciler.planner.core.context import Context

__all__ = ["InheritanceRule"]


class InheritanceRule(Rule):
    """A table's link to one parent; a partition is made as a table of its own and attached when it is whole."""

    kinds = ("inheritance",)
    rank = 55
    unfold_priority = 4

    def inline_into(self, fact: FactId, context: Context) -> FactId | None:
        table = context.goal.parent(fact)
        return None if table is None or "bound" in context.new(fact) or _kept(fact, context) else table

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        definition, table = context.new(fact), qualified(fact)
        parent = name(*fact.name[2:])
        if "bound" in definition:
            text = compose("ALTER TABLE {} ATTACH PARTITION {} {}", parent, table, raw(str(definition["bound"])))
        else:
            text = compose("ALTER TABLE {} INHERIT {}", table, parent)
        child = context.goal.parent(fact)
        found: tuple[Hazard, ...] = ()
        if child is not None and context.persists(child):
            size = context.sizes.get(child)
            found = (hazards.may_fail(child, f"attached to {'.'.join(fact.name[2:])}: every row must fit", size),)
            if "bound" in definition:
                found += (hazards.blocks_reads_and_writes(child, "every row is checked against the bound", size),)
        yield StatementDraft(sql=text, hazards=found, lock=LockMode.ACCESS_EXCLUSIVE, locks=child)

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        table, parent = qualified(fact), name(*fact.name[2:])
        if "bound" in context.old(fact):
            yield from detach(fact, context)
        else:
            text = compose("ALTER TABLE {} NO INHERIT {}", table, parent)
            yield StatementDraft(sql=text, lock=LockMode.ACCESS_EXCLUSIVE, locks=context.live.parent(fact))
        for key in index_attachment.left_behind(fact, context):
            text = compose("ALTER TABLE {} DROP CONSTRAINT {}", table, name(key.name[2]))
            yield StatementDraft(sql=text, lock=LockMode.ACCESS_EXCLUSIVE, locks=context.live.parent(fact))

    def checks(self, fact: FactId, context: Context) -> Iterable[Check]:
        return leaving_rows.checks(fact, context) if "bound" in context.new(fact) else ()

    def in_place(self, fact: FactId, context: Context) -> bool:
        return not context.changed(fact) & {"bound", "detach_pending"}

    def cascades_to(self, fact: FactId, context: Context) -> Iterable[FactId]:
        """The parts of the parent's triggers that the partition has switched."""
        child = context.live.parent(fact)
        for table in tree.tree(child, context.live) if child is not None else ():
            yield from (
                part
                for part in context.live.children.get(table, ())
                if part.kind == "partition_trigger" and fact in above(part, context.live)
            )

    def implied_by_other_statement(self, fact: FactId, context: Context) -> bool:
        return fact in context.alters  # only its place among several parents changed: no statement can change that

    def after_create_of(self, fact: FactId, context: Context) -> Iterable[FactId]:
        """The child must be whole, and the parent have its columns, before they are joined.

        A new table that inherits has its columns by that, so only a partition has its defaults and indexes before.
        """
        child = context.goal.parent(fact)
        # What a new table inherits comes with its CREATE TABLE; its own parts come after it.
        if child is not None and self.inline_into(fact, context) is None:
            for part in context.goal.children.get(child, ()):
                if part.kind in self._needed(fact, child, context) and not self._follows_link(part, context):
                    yield part
        for needed in context.goal.dependencies.get(fact, ()):
            yield from (part for part in context.goal.children.get(needed, ()) if part.kind == "column")

    def _follows_link(self, part: FactId, context: Context) -> bool:
        """Foreign keys, and keys and indexes that come with the link or would be taken for another of its parent's."""
        if part.kind == "constraint" and (context.new(part)["type"] == "foreign_key" or is_cloned(part, context)):
            return True
        return follows_link(part, context)

    def _needed(self, fact: FactId, child: FactId, context: Context) -> frozenset[str]:
        if "bound" in context.new(fact):
            return frozenset({"column", "default", "constraint", "index"})
        return frozenset({"column"}) if child in context.creates else frozenset({"column", "constraint"})


def _kept(fact: FactId, context: Context) -> bool:
    """The child table is there already, so the link cannot be a part of its CREATE TABLE."""
    table = context.goal.parent(fact)
    return table is None or table not in context.creates
