"""A column that becomes required gives new rows their value before that is asked of them. Pure: no I/O.

A default is set first. Numbers from a sequence that the plan makes, or of an identity to come, are given by a trigger
for the while: clients may have no right to the sequence yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from reconciler.model.facts import FactId
from reconciler.model.plan import Stage
from reconciler.model.temporary_names import temporary_name
from reconciler.planner.columns.given_values import changed_default, family, new_sequences
from reconciler.planner.columns.identity_backfill import counter_of, counting, next_of
from reconciler.planner.columns.not_null import goes_first, is_required_online, is_to_be_identity
from reconciler.planner.columns.sequence_values import continue_after
from reconciler.planner.core import online
from reconciler.planner.core.rule import StatementDraft, exclusive
from reconciler.planner.online.temporary_columns import is_triggered, triggered, without_trigger
from reconciler.planner.rules.defaults import set_first
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import compose, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model.facts import Definition
    from reconciler.planner.core.context import Context

__all__ = ["given_at_the_end", "given_first"]


def given_first(column: FactId, context: Context) -> Iterable[StatementDraft]:
    """What fills the column in new rows, where NOT NULL comes to it by a CHECK before the plan's transaction."""
    if not is_required_online(column, context):
        return
    for each in family(column, context):
        default = FactId("default", each.name)
        if goes_first(default, context):
            yield set_first(default, context)
    value = _number(column, context)
    if value is None:
        return
    table = context.goal.parent(column)
    assert table is not None
    trigger = _trigger_name(column, value)
    joined = False
    if is_to_be_identity(column, context) and not online.adopt(counter_of(column, context), context):
        yield from counting(column, context, Stage.BEFORE)
    if not is_triggered(trigger, table, context):  # later, numbers may be taken that are not to be seen yet
        yield from _behind_the_rows(column, context)
    field = name(column.name[2])
    body = compose("BEGIN IF NEW.{} IS NULL THEN NEW.{} := {}; END IF; RETURN NEW; END", field, field, raw(value))
    yield from triggered(trigger, body, table, context, joined=joined, as_owner=True)


def given_at_the_end(column: FactId, context: Context) -> Iterable[StatementDraft]:
    """What was only for the while goes, as the column has its own default or identity."""
    value = _number(column, context)
    table = context.goal.parent(column)
    if value is None or table is None or not is_required_online(column, context):
        return
    yield from without_trigger(_trigger_name(column, value), table, context)
    if is_to_be_identity(column, context):
        yield exclusive(compose("DROP SEQUENCE {}", qualified(counter_of(column, context))), table, brief=True)


def _number(column: FactId, context: Context) -> str | None:
    """The expression that numbers new rows meanwhile; None where the column's default can do it."""
    if is_to_be_identity(column, context):
        return next_of(counter_of(column, context))
    default = changed_default(column, context)
    if default is None or default not in context.goal or not new_sequences(default, context):
        return None
    return str(context.new(default)["expression"])


def _trigger_name(column: FactId, value: str) -> str:
    return temporary_name(*column.name, value, "meanwhile")


def _behind_the_rows(column: FactId, context: Context) -> Iterable[StatementDraft]:
    """The sequence begins after the values that are there, where it is the column's own."""
    if is_to_be_identity(column, context):
        counter = counter_of(column, context)
        identity = cast("Definition", context.new(column)["identity"])
        yield _before(continue_after(column, compose("{}", qualified(counter)), identity))
        return
    for sequence in new_sequences(FactId("default", column.name), context):
        owned = context.goal.find(FactId("owned_by", sequence.name)) or {}
        if (owned.get("schema"), owned.get("table"), owned.get("column")) == column.name:
            yield _before(continue_after(column, compose("{}", qualified(sequence)), context.new(sequence)))


def _before(draft: StatementDraft) -> StatementDraft:
    return StatementDraft(sql=draft.sql, stage=Stage.BEFORE, rows=draft.rows)
