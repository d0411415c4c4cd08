"""The values that a `backfill` hint says: the statement that writes them, and whether it can go before. Pure: no I/O.

Only Postgres knows what an expression means. Here it is enough to know what it cannot name: a word that is nowhere in
its text. Where a word only looks like a column's name, the rows are backfilled in the plan's one transaction.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.hazards import hazards
from reconciler.model.plan import LockMode, RowAccess, RowCommand, Stage
from reconciler.planner.core import online, row_guards
from reconciler.planner.core.arrival import arrival, proof_of_count
from reconciler.planner.core.rule import StatementDraft
from reconciler.planner.partitions import publications
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import compose, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model.facts import FactId
    from reconciler.planner.core.context import Context

__all__ = ["backfilled", "filling_missing", "fills_before", "may_name_any", "may_name_unsettled", "read_by"]

_WORD = re.compile(r"[\w$]+")
_ALL_COLUMNS = re.compile(r"\.\s*\*")


def backfilled(column: FactId, context: Context, *, only_missing: bool, late: bool = False) -> Iterable[StatementDraft]:
    """The statement that fills the column in as a hint says; none without one.

    Missing values are backfilled in batches, before the plan's transaction or, if `late`, after it; others are in it.
    """
    said = context.intent.backfills.get(column)
    table = context.goal.parent(column)
    if said is None or table is None:
        return
    target = name(column.name[2])
    text = compose("UPDATE {} SET {} = ({})", qualified(column), target, raw(said))
    if only_missing:
        text = compose("{} WHERE {} IS NULL", raw(text), target)
    written = RowAccess(table=table, command=RowCommand.UPDATE, fires_triggers=column in context.intent.firing)
    if only_missing and (late or fills_before(column, context)):
        yield StatementDraft(
            sql=text,
            stage=Stage.AFTER if late else Stage.BEFORE,
            batched=table,
            as_replica=filling_missing(column, table, context, late=late).as_replica,
            rows=(written,),
            rehearsal="",
        )
        return
    size = context.sizes.get(table)
    also_read = (*read_by(said, table, context),)
    filling = StatementDraft(
        sql=text,
        hazards=(hazards.writes_rows(table, f"backfills {column}{_why_not_in_steps(column, table, context)}", size),),
        lock=LockMode.ROW_EXCLUSIVE,
        locks=table,
        rows=(written, *also_read),
    )
    yield from publications.identified([*publications.without_identity(table, context)], (filling,), context)
    missing = compose(
        "SELECT pg_catalog.count(*) FROM {} WHERE CASE WHEN {} IS NULL THEN ({}) IS NOT NULL ELSE false END",
        qualified(column),
        target,
        raw(said),
    )
    proven = arrival(table, f"rows of {table} got no value for {column}", missing, context)
    yield proof_of_count(proven, *also_read)


def read_by(expression: str, table: FactId, context: Context) -> Iterable[RowAccess]:
    """The other tables under row security whose rows the expression may read."""
    for other in row_guards.mentioned(expression, context):
        if other != table:
            yield RowAccess(table=other, command=RowCommand.SELECT)


def filling_missing(column: FactId, table: FactId, context: Context, *, late: bool = False) -> row_guards.Batching:
    """How missing values of a column that is there are backfilled in batches; `late`: after the plan's transaction."""
    if (refused := publications.why_not_updated((table,), context)) is not None:
        return row_guards.Batching(why_not=refused)
    return row_guards.batching(
        (table,),
        context,
        late=late,
        checked=_is_checked_by_trigger(column, context),
        expression=context.intent.backfills.get(column, ""),
        firing=column in context.intent.firing,
    )


def _is_checked_by_trigger(column: FactId, context: Context) -> bool:
    """Whether a foreign key or what is deferrable looks at each new value, by a trigger of Postgres's own."""
    found = (*context.dependents.get(column, ()), *context.goal_dependents.get(column, ()))
    constraints = [each for each in found if each.kind == "constraint"]
    states = (state for state in (context.live, context.goal))
    definitions = [state.definition(each) for state in states for each in constraints if each in state]
    return any(each["type"] == "foreign_key" or "DEFERRABLE" in str(each["definition"]) for each in definitions)


def _why_not_in_steps(column: FactId, table: FactId, context: Context) -> str:
    """What is added to the hazard where steps were asked for and a guard of the table is why there are none."""
    if not online.changes_online(table, context):
        return ""
    why_not = filling_missing(column, table, context).why_not
    return f" (not in steps: {why_not})" if why_not is not None else ""


def fills_before(column: FactId, context: Context) -> bool:
    """Whether missing values are backfilled in batches: a hint's value can only name columns that are there."""
    table = context.goal.parent(column)
    if table is None or column in context.creates or not online.changes_online(table, context):
        return False
    if "type" in context.changed(column) or table.name in context.live.inheritances:
        return False
    if filling_missing(column, table, context).why_not is not None:
        return False
    return not may_name_unsettled(context.intent.backfills.get(column, ""), column, context)


def may_name_unsettled(expression: str, column: FactId, context: Context) -> bool:
    """Whether it may depend on another column of the table that is not there yet, or not as it will be."""
    changing = context.creates | context.alters
    others = (each for each in changing if each.kind == "column" and each.name[:2] == column.name[:2])
    return may_name_any(expression, (each for each in others if each != column))


def may_name_any(expression: str, columns: Iterable[FactId]) -> bool:
    """Whether the expression may depend on one of these columns of one table."""
    text = expression.lower()
    words = set(_WORD.findall(text))
    return any(_may_name(text, words, column) for column in columns)


def _may_name(text: str, words: set[str], column: FactId) -> bool:
    table, own = column.name[1].lower(), column.name[2].lower()
    if 'u&"' in text or _ALL_COLUMNS.search(text) or _is_whole_row(text, table):
        return True
    return own in words if _WORD.fullmatch(own) else own.replace('"', '""') in text


def _is_whole_row(text: str, table: str) -> bool:
    """Whether the table's name may stand for a row with all of its columns: no dot follows it."""
    own = re.escape(table.replace('"', '""'))
    return re.search(rf'(?<![\w$]){own}(?![\w$])(?!"?\s*\.)', text) is not None
