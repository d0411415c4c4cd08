"""What of a plan those notice who read the server's log: subscribers of publications, other slots, standbys. Pure.

Postgres replicates rows and no DDL. A subscriber whose table lacks what it is sent stops, and goes on when it has it.
So each hazard says what to run there, and whether before this plan (`first`) or after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.hazards.hazards import stops_subscribers
from reconciler.model.facts import FactId
from reconciler.planner.core.nodes import Act, Node
from reconciler.planner.impact.sent_columns import added, dropped, labelled, retyped
from reconciler.planner.impact.sent_tables import attached, created, newly_sent, recreated, rerouted
from reconciler.planner.impact.subscriber_steps import table_of
from reconciler.planner.online import filled_columns
from reconciler.planner.partitions.publications import lacks_identity, sends
from reconciler.planner.partitions.tree import is_partitioned
from reconciler.planner.strategies import reroute_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.model.facts import Definition
    from reconciler.model.hazards import Hazard
    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context
    from reconciler.planner.partitions.publications import Lack

__all__ = ["ordered", "stopped_subscribers"]


def stopped_subscribers(act: Act, fact: FactId, members: Sequence[FactId], context: Context) -> Iterator[Hazard]:
    """What a group of facts means for subscribers that is created, dropped or altered by the same statements."""
    for each in (fact, *members):
        yield from _without_identity(act, each, context)
        if context.has_subscribers:
            yield from _stopped(act, each, context)


def _stopped(act: Act, fact: FactId, context: Context) -> Iterator[Hazard]:
    match act, fact.kind:
        case Act.CREATE, "column" if context.persists(table_of(fact)):
            yield from retyped(fact, context) if fact in context.live else added(fact, context)
        case Act.ALTER, "column":
            yield from retyped(fact, context)
        case Act.DROP, "column" if fact not in context.goal and context.persists(table_of(fact)):
            yield from dropped(fact, context)
        case Act.CREATE, "table" if fact not in context.live:
            yield from created(fact, context)
        case Act.CREATE, "publication_table" | "publication_schema" if fact not in context.live:
            yield from newly_sent(fact, context)
        case Act.CREATE, "inheritance" if "bound" in context.new(fact):
            yield from attached(fact, context)
        case Act.ALTER, "enum":
            yield from labelled(fact, context)
        case Act.RESTORE, "table":
            if fact in context.decided.recreated_tables:
                yield from recreated(fact, context)
            if fact in reroute_rows.tables_with_returning_rows(context):
                yield from rerouted(fact, context)
        case _:
            return


# --- the publisher itself ---------------------------------------------------------------------------------------------


def _without_identity(act: Act, fact: FactId, context: Context) -> Iterator[Hazard]:
    """A published table of which no UPDATE and DELETE is possible any more, whoever subscribes."""
    if fact.kind == "publication_table" and act is not Act.DROP:
        table = FactId("table", fact.name[1:])
    elif fact.kind in ("constraint", "index") and act is not Act.CREATE and _is_identity(context.old(fact)):
        table = table_of(fact)
    elif fact.kind == "table" and act is Act.ALTER:
        table = fact
    else:
        return
    if table.kind != "table" or table not in context.goal or is_partitioned(table, context.goal):
        return
    why = _refused(table, context.goal)
    if not why or (table in context.live and _refused(table, context.live)):
        return
    events = " and ".join(sorted({action.upper() for actions in why.values() for action in actions}))
    first = next(iter(why))
    text = f"{table} is published and has {first.what}: {events} of it fail, for everybody; {first.remedy}"
    yield stops_subscribers(table, text, context.sizes.get(table))


def _is_identity(definition: Definition) -> bool:
    return definition.get("type") == "primary_key" or bool(definition.get("replica_identity"))


def _refused(table: FactId, state: Snapshot) -> dict[Lack, set[str]]:
    """Why Postgres refuses which of UPDATE and DELETE of the table."""
    found: dict[Lack, set[str]] = {}
    for sent in sends(table, state):
        actions = {*sent.actions} & {"update", "delete"}
        if actions and (lacks := lacks_identity(table, sent, state)) is not None:
            found.setdefault(lacks, set()).update(actions)
    return found


# --- the order --------------------------------------------------------------------------------------------------------


def ordered(context: Context) -> Iterator[tuple[Node, Node]]:
    """(earlier, later): rows move before their publication is altered; a column list goes before what it names."""
    if not context.has_subscribers:
        return
    moving_to = context.decided.recreated_tables | reroute_rows.tables_with_returning_rows(context)
    for publication in (fact for fact in context.alters if fact.kind == "publication"):
        yield from ((Node(Act.RESTORE, table), Node(Act.ALTER, publication)) for table in moving_to)
    changing = {table_of(each) for each in context.alters | context.creates if each.kind == "column"}
    for table in sorted(changing):
        beside = filled_columns.beside(table, context) if context.persists(table) else set[FactId]()
        parts = filled_columns.hides(table, context) if beside else []
        if not parts:
            continue
        nodes = [Node(Act.CREATE if each in context.creates else Act.ALTER, each) for each in sorted(beside)]
        others = [
            *(each for each in context.live.children.get(table, ()) if each.kind == "column" and each not in beside)
        ]
        for node in nodes:
            yield from ((Node(Act.DROP, part), node) for part in parts if part in context.drops)
            for other in others:
                if other in context.drops:
                    yield node, Node(Act.DROP, other)
                elif other in context.alters and "type" in context.changed(other):
                    yield node, Node(Act.ALTER, other)
