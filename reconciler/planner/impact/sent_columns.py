"""What subscribers notice where a column that they are sent, its type or its name changes. Pure: no I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from reconciler.hazards.hazards import stops_subscribers
from reconciler.model.facts import FactId
from reconciler.planner.impact.subscriber_steps import (
    altering,
    readers_of,
    sent_before_and_after,
    subscribers_of,
    table_of,
    to_run,
)
from reconciler.planner.online import filled_columns
from reconciler.planner.partitions.publications import is_sent, sends
from reconciler.planner.sql.casts import base_type, conversion
from reconciler.planner.sql.object_names import object_phrase, qualified
from reconciler.planner.sql.quoting import compose, literal, name
from reconciler.planner.sql.widening import takes_all
from reconciler.planner.strategies import recreate_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.model.hazards import Hazard
    from reconciler.model.intent import Rename
    from reconciler.model.plan import Statement
    from reconciler.model.replication import Replication
    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = ["added", "dropped", "labelled", "of_renames", "retyped"]

_CHANGES = frozenset({"insert", "update"})


def added(column: FactId, context: Context) -> Iterator[Hazard]:
    publications = sent_before_and_after(column, context.goal, context)
    if not publications:
        return
    default = context.goal.find(FactId("default", column.name))
    expression = str(default["expression"]) if default is not None else None
    is_constant = expression is None or "(" not in expression
    kind = str(context.new(column)["type"])
    if expression is not None and is_constant:
        kind = f"{kind} DEFAULT {expression}"
    who = subscribers_of(publications, context)
    text = f"{column} is new: {who} stop with 'missing replicated column' at the next row; " + to_run(
        [altering(column, "ALTER TABLE {} ADD COLUMN {} {};", kind)]
    )
    fills = column in context.intent.backfills and bool(context.new(column).get("not_null"))
    if fills and not filled_columns.is_filled_online(column, expression, context):
        fills, is_constant = False, True  # by an UPDATE, which is sent
    if fills or not is_constant or "identity" in context.new(column):
        text += f" to send the values that rows get now, run here then: {_touch(column, context)}"
    yield stops_subscribers(column, text)


def _touch(column: FactId, context: Context) -> str:
    """An UPDATE that changes nothing, so that every row is sent."""
    others = [each for each in recreate_table.columns_of(table_of(column), context.goal) if each != column]
    plain = [each for each in (column, *sorted(others)) if not context.new(each).keys() & {"generated", "identity"}]
    chosen = name((plain or [column])[0].name[2])
    return compose("UPDATE {} SET {} = {};", qualified(column), chosen, chosen)


def dropped(column: FactId, context: Context) -> Iterator[Hazard]:
    publications = sent_before_and_after(column, context.live, context)
    if not publications:
        return
    old = context.old(column)
    needs_value = old.get("not_null") and "identity" not in old and FactId("default", column.name) not in context.live
    drop = altering(column, "ALTER TABLE {} DROP COLUMN {};")
    who = subscribers_of(publications, context)
    if _identifies(column, context):
        text = f"{column} goes, by which {who} find rows: they stop; when they have, on each of them: {drop}"
    elif needs_value:
        first = [altering(column, "ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL;")]
        text = f"{column} goes: {who} get no value for it, and stop where it is NOT NULL; {to_run(first, [drop])}"
    else:
        text = f"{column} goes: {who} get no value for it, and go on; {to_run((), [drop])}"
    yield stops_subscribers(column, text)


def _identifies(column: FactId, context: Context) -> bool:
    return any(
        part.kind == "constraint" and context.old(part)["type"] == "primary_key"
        for part in context.dependents.get(column, ())
    )


def retyped(column: FactId, context: Context) -> Iterator[Hazard]:
    before, after = str(context.old(column)["type"]), str(context.new(column)["type"])
    publications = sent_before_and_after(column, context.goal, context)
    if before == after or not publications:
        return
    said = context.intent.conversions.get(column)
    using = f" USING ({said})" if said is not None else conversion(name(column.name[2]), before, after).as_string(None)
    statement = altering(column, "ALTER TABLE {} ALTER COLUMN {} TYPE {}{};", after, using)
    who = subscribers_of(publications, context)
    if takes_all(before, after) or base_type(after) in ("text", "character varying"):
        text = f"{who} stop at a value that {before} does not hold; {to_run([statement])}"
    elif takes_all(after, before) or base_type(before) in ("text", "character varying"):
        text = f"{who} continue with {before}; {to_run((), [statement])}"
    else:
        text = f"{who} stop at the next row that {before} does not hold; when they have, on each of them: {statement}"
    yield stops_subscribers(column, f"{column} becomes {after}: {text}")


def labelled(enum: FactId, context: Context) -> Iterator[Hazard]:
    """Labels that come, where a column of the type is sent."""
    old = set(cast("list[str]", context.old(enum)["labels"]))
    new = [label for label in cast("list[str]", context.new(enum)["labels"]) if label not in old]
    columns = [each for each in context.dependents.get(enum, ()) if each.kind == "column" and each in context.goal]
    publications = [sent for each in columns for sent in sent_before_and_after(each, context.goal, context)]
    if new and publications:
        added = [compose("ALTER {} ADD VALUE {};", object_phrase(enum), literal(label)) for label in new]
        text = (
            f"{enum} gets labels: {subscribers_of(publications, context)} stop at a row that has one; {to_run(added)}"
        )
        yield stops_subscribers(enum, text)


def of_renames(
    statements: Sequence[Statement], renames: Sequence[Rename], live: Snapshot, replication: Replication
) -> tuple[Statement, ...]:
    """The statements that rename, each with what subscribers notice; `live` is as it was before."""
    if not replication.has_subscribers(live.server_version):
        return tuple(statements)
    found = [*statements]
    for rename in renames:
        hazard = _renamed(rename, live, replication)
        place = next((at for at, each in enumerate(found) if rename.old in each.alters), None)
        if hazard is not None and place is not None:
            found[place] = replace(found[place], hazards=(*found[place].hazards, hazard))
    return tuple(found)


def _renamed(rename: Rename, live: Snapshot, replication: Replication) -> Hazard | None:
    old, new = rename.old, rename.new
    if old.kind not in ("table", "column"):
        return None
    table = table_of(old)
    names = {sent.name for sent in sends(table, live) if old.kind == "table" or is_sent(old, sent, live)}
    if not names:
        return None
    if old.kind == "column":
        parts = (qualified(new), name(old.name[2]), name(new.name[2]))
        statement = compose("ALTER TABLE {} RENAME COLUMN {} TO {};", *parts)
    else:
        statement = compose("ALTER TABLE {} RENAME TO {};", qualified(old), name(new.name[1]))
    who = readers_of(", ".join(sorted(names)), replication)
    return stops_subscribers(
        old, f"{old} is renamed: {who} stop at the next row; when they have, on each of them: {statement}"
    )
