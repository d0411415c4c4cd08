"""Which subscribers a hazard is about, and the SQL that it says to run on them. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

from reconciler.model.facts import FactId
from reconciler.planner.partitions.publications import Sent, is_sent, sends
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import compose, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.replication import Replication
    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = ["altering", "readers_of", "refresh", "sent_before_and_after", "subscribers_of", "table_of", "to_run"]

_CHANGES = frozenset({"insert", "update"})


def subscribers_of(publications: Iterable[Sent], context: Context) -> str:
    names = ", ".join(sorted({sent.name for sent in publications}))
    return readers_of(names, context.replication)


def readers_of(names: str, replication: Replication | None) -> str:
    slots = "; ".join(str(slot) for slot in replication.subscribers) if replication is not None else ""
    return f"subscribers of {names} ({slots or 'their slots may be on a standby'})"


def to_run(first: Sequence[str] = (), afterwards: Sequence[str] = ()) -> str:
    parts = [f"first, on each of them: {' '.join(first)}"] if first else []
    if afterwards:
        parts.append(f"afterwards, on each of them: {' '.join(afterwards)}")
    return " ".join(parts)


def refresh(context: Context) -> str:
    """Takes up tables that are new; a subscription is mostly called as its slot."""
    slots = context.replication.subscribers if context.replication is not None else ()
    return compose("ALTER SUBSCRIPTION {} REFRESH PUBLICATION;", name(slots[0].name if slots else "..."))


def table_of(part: FactId) -> FactId:
    return FactId("table", part.name[:2])


def sent_before_and_after(column: FactId, state: Snapshot, context: Context) -> list[Sent]:
    """The publications that are there and send the column; what a parent's brings is told of the parent's."""
    if state.definition(column).get("inherited"):
        return []
    return [
        sent
        for sent in sends(table_of(column), state)
        if sent.publication in context.live and _CHANGES.intersection(sent.actions) and is_sent(column, sent, state)
    ]


def altering(column: FactId, template: LiteralString, *more: str) -> str:
    parts = [raw(each) for each in more]
    return compose(template, qualified(column), name(column.name[2]), *parts)
