"""What those notice who read the whole log: standbys, slots of any plugin, subscribers of all tables. Pure: no I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.hazards.hazards import stops_subscribers
from reconciler.model.plan import LockMode
from reconciler.model.replication import describe_bytes
from reconciler.planner.impact.subscriber_steps import readers_of
from reconciler.planner.partitions.publications import sends

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.model.facts import FactId
    from reconciler.model.hazards import Hazard
    from reconciler.model.plan import Statement
    from reconciler.model.replication import Replication
    from reconciler.planner.core.context import Context

__all__ = ["with_readers"]

# An UPDATE of all rows writes each row and its index entries again, and each page as a whole after a checkpoint:
# measured at 2.2 times the size of table and indexes without those pages, so at most about this.
_LOG_PER_BYTE = 3
_SHOWN = 5


def _of_all_tables(replication: Replication, context: Context) -> Hazard | None:
    """The ledger's tables are sent, too, where all are."""
    wide = [fact for fact in context.live.facts if fact.kind == "publication" and context.old(fact).get("all_tables")]
    if not wide or not context.has_subscribers:
        return None
    who = readers_of(", ".join(fact.name[0] for fact in wide), replication)
    text = (
        f"{wide[0]} sends all tables, and so the ledger's: {who} stop where schema {replication.ledger} is not"
        " there, or has a ledger of its own; publish FOR TABLES IN SCHEMA instead, or make its tables there first,"
        f" empty, with what pg_dump --schema-only --schema {replication.ledger} prints"
    )
    return stops_subscribers(wide[0], text)


def with_readers(statements: Sequence[Statement], context: Context) -> list[Statement]:
    """The statements, with what a backfill writes for them, and the first lock that standbys replay."""
    found = [*statements]
    replication = context.replication
    if replication is None:
        return found
    for place, statement in enumerate(found):
        if statement.batched is not None and (cost := _of_backfill(statement.batched, replication, context)):
            found[place] = replace(statement, hazards=(*statement.hazards, cost))
    locked = [
        (place, each.locks)
        for place, each in enumerate(found)
        if each.lock is LockMode.ACCESS_EXCLUSIVE and each.locks is not None and each.locks.kind == "table"
    ]
    if replication.hot and locked:
        tables = sorted({table for _, table in locked})
        shown = ", ".join(".".join(table.name) for table in tables[:_SHOWN])
        shown += f" and {len(tables) - _SHOWN} more" if len(tables) > _SHOWN else ""
        standbys = "; ".join(str(each) for each in replication.standbys)
        text = (
            f"standbys replay the locks on {shown} until the commit, and cancel queries there that conflict with them"
            f" for longer than max_standby_streaming_delay ({standbys})"
        )
        place, table = locked[0]
        found[place] = replace(found[place], hazards=(*found[place].hazards, stops_subscribers(table, text)))
    if found and (cost := _of_all_tables(replication, context)):
        found[0] = replace(found[0], hazards=(*found[0].hazards, cost))
    return found


def _of_backfill(table: FactId, replication: Replication, context: Context) -> Hazard | None:
    readers = (*replication.standbys, *replication.slots, *replication.others)
    if not readers:
        return None
    size = context.sizes.get(table)
    amount = f"up to about {describe_bytes(size.bytes * _LOG_PER_BYTE)} of WAL" if size is not None else "WAL"
    text = f"updates all rows of {table}, and writes {amount} for {'; '.join(str(each) for each in readers)}"
    publications = [sent for sent in sends(table, context.live) if "update" in sent.actions]
    if publications and context.has_subscribers:
        names = ", ".join(sorted({sent.name for sent in publications}))
        text += f"; each row is sent again to subscribers of {names}, without the new column"
    if others := [slot.name for slot in replication.slots if slot not in replication.subscribers]:
        text += f"; {', '.join(others)} also get the temporary column"
    return stops_subscribers(table, text, size)
