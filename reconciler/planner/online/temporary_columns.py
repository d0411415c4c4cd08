"""A column under a temporary name: what keeps it equal while clients write, and the batches that fill it. Pure.

A trigger sets it in each row that is written, in every table that holds rows of the table; the rows that are there are
backfilled in batches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

from reconciler.model.facts import FactId
from reconciler.model.plan import LockMode, RowAccess, RowCommand, Stage
from reconciler.model.temporary_names import is_leftover, temporary_name, trigger_name
from reconciler.planner.core import online, row_guards
from reconciler.planner.core.rule import StatementDraft, exclusive
from reconciler.planner.partitions import publications
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import compose, literal, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model.hazards import Hazard
    from reconciler.planner.core.context import Context

__all__ = [
    "analyze",
    "child_tables",
    "fill",
    "filling",
    "hinted_value",
    "is_large",
    "is_triggered",
    "not_null_steps",
    "proof_of_values",
    "replacement_name",
    "triggered",
    "with_child_tables",
    "without_trigger",
]


def is_large(table: FactId | None, context: Context) -> bool:
    """Whether the table, or one that belongs to it, is too large to be rewritten while others wait."""
    if context.online is None or table is None or table.kind != "table" or not context.persists(table):
        return False
    if context.old(table).get("partition_key") != context.new(table).get("partition_key"):
        return False
    return any(context.online.covers(context.sizes.get(each)) for each in (table, *child_tables(table, context)))


def with_child_tables(table: FactId, context: Context) -> list[FactId]:
    """The table and all that get its columns."""
    return [table, *child_tables(table, context)]


def child_tables(table: FactId, context: Context) -> Iterable[FactId]:
    """The tables that inherit from the table or are partitions of it, on all levels."""
    for link in context.live.inheritances.get(table.name, ()):
        child = context.live.parent(link)
        if child is not None:
            yield child
            yield from child_tables(child, context)


def _is_parent(table: FactId, context: Context) -> bool:
    return table.name in context.live.inheritances


def _holders(table: FactId, context: Context) -> list[FactId]:
    """The tables that hold rows of the table: itself and what inherits from it, or the partitions at the end."""
    return [each for each in (table, *child_tables(table, context)) if "partition_key" not in context.old(each)]


def filling(table: FactId, context: Context, expression: str = "", *, firing: bool = False) -> row_guards.Batching:
    """How the new column is backfilled in all tables that hold rows, while a trigger of ours sets it in new ones."""
    holders = _holders(table, context)
    if (refused := publications.why_not_updated(holders, context)) is not None:
        return row_guards.Batching(why_not=refused)
    return row_guards.batching(holders, context, synced=(table,), expression=expression, firing=firing)


def _triggered_tables(table: FactId, context: Context) -> list[FactId]:
    """The tables that need a trigger of their own; partitions get that of their parent."""
    return [table] if "partition_key" in context.old(table) else _holders(table, context)


def replacement_name(column: FactId, kind: str) -> str:
    """The new column's name while both are there."""
    return temporary_name(*column.name, kind)


def triggered(
    replacement: str,
    body: str,
    table: FactId,
    context: Context,
    *,
    joined: bool,
    as_owner: bool = False,
    said: str | None = None,
) -> Iterable[StatementDraft]:
    """The trigger that sets the new column in each row as it is written, with the rights of who writes it or ours.

    What a hint `said` of it is tried first, in the same transaction: PL/pgSQL would look only when a client writes.
    """
    schema = table.name[0]
    if not online.adopt(FactId("function", (schema, replacement, "")), context):
        if said is not None:
            # Of a row as the trigger has it, not of the table: a policy may apply to who reads that. OFFSET keeps the
            # planner from calling functions with NULL.
            row = compose("(SELECT (NULL::{}).* OFFSET 0) AS {}", qualified(table), name(table.name[1]))
            text = compose("SELECT {} FROM {} WHERE false", raw(said), raw(row))
            yield StatementDraft(sql=text, locks=table, stage=Stage.BEFORE, joined=joined)
            joined = True
        # The path of our statements, which hints are read with.
        rights = raw("SECURITY DEFINER SET search_path FROM CURRENT " if as_owner else "")
        template: LiteralString = "CREATE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql {}AS {}"
        text = compose(template, name(schema, replacement), rights, literal(body))
        yield StatementDraft(sql=text, locks=table, stage=Stage.BEFORE, joined=joined)
        joined = True
    lock = LockMode.SHARE_ROW_EXCLUSIVE
    for each in _triggered_tables(table, context):
        trigger = _trigger(replacement, each, context)
        if not online.adopt(FactId("trigger", (*each.name, trigger)), context):
            text = compose(
                "CREATE TRIGGER {} BEFORE INSERT OR UPDATE ON {} FOR EACH ROW EXECUTE FUNCTION {}()",
                name(trigger),
                qualified(each),
                name(schema, replacement),
            )
            yield StatementDraft(sql=text, lock=lock, locks=each, stage=Stage.BEFORE, joined=joined, brief=True)
            joined = True
            # Also for what a subscription or a session brings that other triggers do not fire for.
            text = compose("ALTER TABLE {} ENABLE ALWAYS TRIGGER {}", qualified(each), name(trigger))
            yield StatementDraft(sql=text, lock=lock, locks=each, stage=Stage.BEFORE, joined=True, brief=True)


def is_triggered(replacement: str, table: FactId, context: Context) -> bool:
    """Whether an earlier run has left the triggers that set the column."""
    return all(
        FactId("trigger", (*each.name, _trigger(replacement, each, context))) in context.live
        for each in _triggered_tables(table, context)
    )


def without_trigger(replacement: str, table: FactId, context: Context) -> Iterable[StatementDraft]:
    """The triggers go, and their function."""
    for each in _triggered_tables(table, context):
        text = compose("DROP TRIGGER {} ON {}", name(_trigger(replacement, each, context)), qualified(each))
        yield exclusive(text, each, brief=True)
    text = compose("DROP FUNCTION {}()", name(table.name[0], replacement))
    yield exclusive(text, table, brief=True)


def _trigger(replacement: str, table: FactId, context: Context) -> str:
    """The trigger's name on the table: the one that it has there already, or one that lets it fire last."""
    suffix = replacement.rpartition("_")[2]
    family = (table, *child_tables(table, context))
    triggers = [each for member in family for each in context.live.children.get(member, ()) if each.kind == "trigger"]
    for each in triggers:
        if each.name[:2] == table.name and is_leftover(each) and each.name[2].endswith(suffix):
            return each.name[2]
    return trigger_name(suffix, (each.name[2] for each in triggers if not is_leftover(each)))


def fill(
    change: str,
    table: FactId,
    found: tuple[Hazard, ...],
    filling: row_guards.Batching,
    context: Context,
    *,
    firing: bool = False,
) -> Iterable[StatementDraft]:
    """The UPDATE of all rows, a table at a time; no lock is named, as it lets clients read and write all other rows."""
    template: LiteralString = "UPDATE ONLY {} {}" if _is_parent(table, context) else "UPDATE {} {}"
    for holder in _holders(table, context):
        text = compose(template, qualified(holder), raw(change))
        written = RowAccess(table=holder, command=RowCommand.UPDATE, only=True, fires_triggers=firing)
        yield StatementDraft(
            sql=text,
            hazards=found,
            stage=Stage.BEFORE,
            batched=holder,
            as_replica=filling.as_replica,
            rows=(written,),
            rehearsal="",
        )


def not_null_steps(
    column: FactId, replacement: str, table: FactId, context: Context
) -> tuple[list[StatementDraft], list[StatementDraft]]:
    """What makes the column NOT NULL, where it will be: before the plan's transaction, and in it."""
    if not context.new(column).get("not_null"):
        return [], []
    return online.checked_not_null(column, replacement, table, context, is_filled=True)


def proof_of_values(
    column: FactId, replacement: str, value: str, table: FactId, context: Context
) -> tuple[list[StatementDraft], list[StatementDraft]]:
    """What proves that each row has a value, where that is not NULL itself."""
    if context.new(column).get("not_null"):
        return not_null_steps(column, replacement, table, context)
    condition = raw(compose("{} IS NOT NULL OR ({}) IS NULL", name(replacement), raw(value)))
    what = f"rows of {table} got no value for {column}"
    return online.checked_rows(table, (replacement, "filled"), condition, (), what, context)


def analyze(table: FactId, replacement: str) -> StatementDraft:
    """Without statistics of the new column the plans of queries would change when it takes over."""
    text = compose("ANALYZE {} ({})", qualified(table), name(replacement))
    return StatementDraft(sql=text, lock=LockMode.SHARE_UPDATE_EXCLUSIVE, locks=table, stage=Stage.BEFORE)


def hinted_value(column: FactId, context: Context) -> str | None:
    """What a new NOT NULL column holds in the rows that are there, where a hint says so."""
    return context.intent.backfills.get(column) if context.new(column).get("not_null") else None
