"""Triggers of partitioned tables, and their parts in partitions that are enabled otherwise. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.facts import FactId
from reconciler.model.plan import LockMode
from reconciler.planner.core.rule import StatementDraft
from reconciler.planner.partitions.tree import links_of, parent_of, tree
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import compose, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = ["above", "parts_of", "switch", "switched_again", "switching"]


def switch(trigger: FactId, how: str) -> StatementDraft:
    """Switches a trigger of a table, or of a partition the part that it has of its parent's, and all parts of that."""
    return StatementDraft(
        sql=switching(trigger, "TRIGGER", how),
        lock=LockMode.SHARE_ROW_EXCLUSIVE,
        locks=FactId("table", trigger.name[:2]),
    )


def switching(fact: FactId, word: str, how: str) -> str:
    return compose("ALTER TABLE {} {} {} {}", qualified(fact), raw(how), raw(word), name(fact.name[2]))


def switched_again(trigger: FactId, context: Context) -> Iterable[StatementDraft]:
    """What has parts below the trigger stay as they are, which are switched with it."""
    table = FactId("table", trigger.name[:2])
    for part in parts_of(trigger, tree(table, context.goal), context.goal):
        if part != trigger and context.persists(part) and part not in context.alters:
            yield switch(part, str(context.new(part)["enabled"]))


def parts_of(trigger: FactId, tables: Iterable[FactId], state: Snapshot) -> Iterable[FactId]:
    """The parts of the trigger that these tables have switched otherwise."""
    parts = (FactId("partition_trigger", (*table.name, trigger.name[2])) for table in tables)
    return (part for part in parts if part in state)


def above(part: FactId, state: Snapshot) -> Iterable[FactId]:
    """What a partition's part of a trigger follows: links and parts of the tables above, the trigger at last."""
    table = FactId("table", part.name[:2])
    while links := links_of(table, state):
        yield links[0]
        table = parent_of(links[0])
        for kind in ("partition_trigger", "trigger"):
            fact = FactId(kind, (*table.name, part.name[2]))
            if fact in state:
                yield fact
                if kind == "trigger":
                    return
