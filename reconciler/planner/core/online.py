"""Which facts are changed in steps that do not block reads or writes, and how constraints are. Pure: no I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.hazards import hazards
from reconciler.model.facts import RELATION_KINDS, FactId
from reconciler.model.plan import LockMode, Stage
from reconciler.model.temporary_names import temporary_name
from reconciler.planner.core.arrival import arrival
from reconciler.planner.core.rule import StatementDraft, exclusive
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import compose, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.checks import Arrival
    from reconciler.model.hazards import Hazard
    from reconciler.planner.core.context import Context
    from reconciler.planner.sql.quoting import Part

__all__ = [
    "adopt",
    "changes_online",
    "checked_not_null",
    "checked_rows",
    "comes_after",
    "is_ready",
    "name_is_free",
    "validated",
]

_HARMLESS = frozenset(
    {"not_null", "not_null_constraint", "statistics", "storage", "storage_usual", "options", "compression", "identity"}
)


def changes_online(table: FactId | None, context: Context) -> bool:
    """Whether the table is there, stays there, and is too large to be locked while every row of it is looked at."""
    if context.online is None or table is None or table.kind != "table" or not context.persists(table):
        return False
    return "partition_key" not in context.new(table) and context.online.covers(context.sizes.get(table))


def is_ready(fact: FactId, context: Context, *, among: Sequence[FactId] = ()) -> bool:
    """Whether live already has all that the fact needs, so that it can be made before the plan's transaction.

    `among` is what is made with it.
    """
    for needed in context.goal.dependencies.get(fact, ()):
        if needed in among or needed.kind == "index":
            continue
        if needed.kind == "table":
            missing = not context.persists(needed)
        elif needed.kind == "column" and needed in context.alters:
            # Where the order of columns is kept, one that is altered may be exchanged, whatever changes.
            keeps_order = context.online is not None and context.online.keep_column_order
            missing = keeps_order or not context.changed(needed) <= _HARMLESS
        else:
            missing = needed in context.creates | context.drops | context.alters
        if missing:
            return False
    return True


def comes_after(fact: FactId, context: Context) -> bool:
    """Whether the fact may be made after the plan's transaction: what needs it is new, too, or comes back to nobody."""
    waiting, seen = [fact], {fact}
    while waiting:
        for other in context.goal_dependents.get(waiting.pop(), ()):
            if other in seen or other not in context.creates | context.alters:
                continue
            if other in context.alters or (other in context.drops and other.kind != "comment"):
                return False
            seen.add(other)
            waiting.append(other)
    return True


def name_is_free(schema: str, relation: str, context: Context) -> bool:
    """Whether live has no relation of this name."""
    if any(FactId(kind, (schema, relation)) in context.live for kind in RELATION_KINDS):
        return False
    return not any(
        fact.kind in ("index", "constraint") and fact.name[0] == schema and fact.name[2] == relation
        for fact in context.live.facts
    )


def adopt(fact: FactId, context: Context) -> bool:
    """Whether live has this half-made thing already; it is then no leftover to be dropped."""
    if fact not in context.live:
        return False
    context.adopted_leftovers.add(fact)
    return True


def validated(
    fact: FactId, lock: LockMode, may_fail: tuple[Hazard, ...], context: Context, *, filled: bool
) -> Iterable[StatementDraft]:
    """A CHECK or foreign key that holds for new rows at once, and whose check of the old ones lets others work.

    Unless new rows are `filled` as they were, it comes together with what fills them.
    """
    table = context.goal.parent(fact)
    assert table is not None
    definition = raw(str(context.new(fact)["definition"]))
    ready = filled and is_ready(fact, context)
    beside = ready and fact in context.drops
    final = fact.name[2]
    chosen = temporary_name(*fact.name, definition.as_string(None)) if beside else final
    add_stage, check_stage = (Stage.BEFORE, Stage.BEFORE) if ready else (Stage.TOGETHER, Stage.AFTER)
    leftover = FactId("constraint", (*table.name, chosen))
    there = beside and adopt(leftover, context)
    if not there:
        text = compose("ALTER TABLE {} ADD CONSTRAINT {} {} NOT VALID", qualified(fact), name(chosen), definition)
        yield StatementDraft(sql=text, lock=lock, locks=table, stage=add_stage, brief=True)
    if not there or context.old(leftover).get("not_valid"):
        yield _validate(fact, chosen, table, check_stage, may_fail)
    if beside:
        text = compose("ALTER TABLE {} RENAME CONSTRAINT {} TO {}", qualified(fact), name(chosen), name(final))
        yield exclusive(text, table, brief=True)


def _validate(
    fact: FactId,
    constraint: str,
    table: FactId,
    stage: Stage,
    may_fail: tuple[Hazard, ...],
    proven: Arrival | None = None,
) -> StatementDraft:
    return StatementDraft(
        sql=compose("ALTER TABLE {} VALIDATE CONSTRAINT {}", qualified(fact), name(constraint)),
        hazards=may_fail,
        lock=LockMode.SHARE_UPDATE_EXCLUSIVE,
        locks=table,
        stage=stage,
        arrival=proven,
    )


def checked_not_null(
    column: FactId, target: str, table: FactId, context: Context, *, late: bool = False, is_filled: bool = False
) -> tuple[list[StatementDraft], list[StatementDraft]]:
    """What makes SET NOT NULL on the column `target` read no row: a CHECK that is validated, and later dropped again.

    From 12 on Postgres takes such a constraint as proof. 18 has NOT NULL constraints that are NOT VALID, which would do
    no better; one way for all versions is enough. It is added before the plan's transaction, or if `late` in it, and
    validated and dropped after it. Where we have filled the column, it proves that no row was left out.
    """
    why = hazards.may_fail(column, "NOT NULL fails if a row has no value", context.sizes.get(table))
    condition = raw(compose("{} IS NOT NULL", name(target)))
    what = f"rows of {table} got no value for {column}" if is_filled else None
    return checked_rows(table, (target, "not null"), condition, (why,), what, context, late=late)


def checked_rows(
    table: FactId,
    key: tuple[str, ...],
    condition: Part,
    may_fail: tuple[Hazard, ...],
    what: str | None,
    context: Context,
    *,
    late: bool = False,
) -> tuple[list[StatementDraft], list[StatementDraft]]:
    """A CHECK for the while, which holds for new rows at once and is then validated; and what drops it again.

    Validation reads all rows, whatever guards them. `what` says what it proves to have arrived, as in `Arrival`.
    """
    add_stage, check_stage = (Stage.TOGETHER, Stage.AFTER) if late else (Stage.BEFORE, Stage.BEFORE)
    check = temporary_name(*table.name, *key)
    leftover = FactId("constraint", (*table.name, check))
    drafts: list[StatementDraft] = []
    there = adopt(leftover, context)
    alter = raw(compose("ALTER TABLE {}", qualified(table)))
    if not there:
        text = compose("{} ADD CONSTRAINT {} CHECK ({}) NOT VALID", alter, name(check), condition)
        drafts.append(
            StatementDraft(sql=text, lock=LockMode.ACCESS_EXCLUSIVE, locks=table, stage=add_stage, brief=True)
        )
    if not there or context.old(leftover).get("not_valid"):
        missing = compose("SELECT pg_catalog.count(*) FROM {} WHERE ({}) IS NOT TRUE", qualified(table), condition)
        proven = arrival(table, what, missing, context) if what is not None else None
        drafts.append(_validate(table, check, table, check_stage, may_fail, proven))
    text = compose("{} DROP CONSTRAINT {}", alter, name(check))
    last = exclusive(text, table, brief=True)
    return drafts, [replace(last, stage=Stage.AFTER, joined=True) if late else last]
