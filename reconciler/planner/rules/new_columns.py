"""New columns of tables that are there, and what they hold in the rows that are there. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from reconciler.hazards import hazards
from reconciler.model.facts import FactId
from reconciler.planner.checks import constraint_checks
from reconciler.planner.columns.backfill import backfilled
from reconciler.planner.columns.clauses import column_clause, column_kind, column_settings
from reconciler.planner.columns.hierarchy import brought_by
from reconciler.planner.columns.identity_backfill import (
    becomes_identity,
    counter_of,
    counting,
    is_assigned_first,
    next_of,
)
from reconciler.planner.columns.local_overrides import set_apart
from reconciler.planner.columns.not_null import added_later, is_required, required
from reconciler.planner.core.rule import StatementDraft, exclusive
from reconciler.planner.online import filled_columns
from reconciler.planner.rules.generated_columns import NO_OTHER_WAY
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import Part, compose, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model.checks import Check
    from reconciler.model.facts import Definition
    from reconciler.model.hazards import Hazard
    from reconciler.planner.core.context import Context

__all__ = ["added", "checks_of_new"]


def added(column: FactId, default: Definition | None, context: Context) -> Iterable[StatementDraft]:
    """The column in its table, by the way that gives the rows that are there their values.

    `default` is one that is made with it. What a parent's new column brings is only made the table's own.
    """
    if brought := brought_by(column, context):
        if is_required(context.new(column)) and not any(is_required(context.new(parent)) for parent in brought):
            yield from backfilled(column, context, only_missing=True)
        yield from set_apart(column, context, with_table=False)
        return
    clause = column_clause(column, default, context)
    if clause is None:
        return
    definition = context.new(column)
    expression = str(default["expression"]) if default is not None else None
    if filled_columns.is_filled_online(column, expression, context):
        yield from filled_columns.add_filled(column, column_kind(definition), expression, context)
    elif definition.get("not_null") and column in context.intent.backfills:
        yield from _filled(column, default, context)
    elif is_assigned_first(column, context):
        yield from _assigned(column, context)
    else:
        yield from _at_once(column, clause, expression, context)
    yield from column_settings(column, {}, definition)
    yield from added_later(column, context)


def _at_once(column: FactId, clause: Part, default: str | None, context: Context) -> Iterable[StatementDraft]:
    """One statement, in which Postgres itself writes what it must."""
    table = context.goal.parent(column)
    assert table is not None
    new, size = context.new(column), context.sizes.get(table)
    found: list[Hazard] = []
    if new.get("not_null") and default is None and not new.keys() & {"generated", "identity"}:
        found.append(hazards.may_fail(column, "NOT NULL without a default fails if the table has rows", size))
    if "generated" in new and not new.get("virtual"):
        found.append(hazards.rewrites(table, f"computes {column}; {NO_OTHER_WAY}", size))
    elif "identity" in new:
        found.append(hazards.rewrites(table, f"assigns every row a value from the sequence for {column}", size))
    elif default is not None and not filled_columns.is_one_for_all(default):
        found.append(hazards.rewrites(table, f"computes the default of {column} where it is volatile", size))
    yield exclusive(compose("ALTER TABLE {} ADD COLUMN {}", context.via(column), clause), table, *found)


def _filled(column: FactId, default: Definition | None, context: Context) -> Iterable[StatementDraft]:
    """A new NOT NULL column for a table with rows: added without values, backfilled as the hint says, then closed.

    Its default is set last, as it is for the rows to come.
    """
    table = context.goal.parent(column)
    clause = column_clause(column, None, context, nullable=True)
    assert table is not None
    assert clause is not None
    yield exclusive(compose("ALTER TABLE {} ADD COLUMN {}", qualified(column), clause), table)
    yield from backfilled(column, context, only_missing=False)
    if default is not None:
        parts = (qualified(column), name(column.name[2]), raw(str(default["expression"])))
        yield exclusive(compose("ALTER TABLE {} ALTER COLUMN {} SET DEFAULT {}", *parts), table)
    if is_required(context.new(column)):
        cost = hazards.blocks_reads_and_writes(table, f"every row is checked for {column}", context.sizes.get(table))
        yield exclusive(required(column, context), table, cost)


def _assigned(column: FactId, context: Context) -> Iterable[StatementDraft]:
    """A new identity in a table and all that get it from there, which are assigned from a sequence of that while."""
    table = context.goal.parent(column)
    counter = counter_of(column, context)
    clause = column_clause(column, {"expression": next_of(counter)}, context, identity_later=True)
    assert table is not None
    assert clause is not None
    via = context.via(column)
    yield from counting(column, context)
    cost = hazards.rewrites(
        table, f"assigns every row a value from the sequence for {column}", context.sizes.get(table)
    )
    yield exclusive(compose("ALTER TABLE {} ADD COLUMN {}", via, clause), table, cost)
    yield exclusive(compose("ALTER TABLE {} ALTER COLUMN {} DROP DEFAULT", via, name(column.name[2])), table)
    identity = cast("Definition", context.new(column)["identity"])
    alter = raw(compose("ALTER TABLE {}", qualified(column)))
    for text in becomes_identity(column, identity, qualified(counter), alter):
        yield exclusive(text, table)
    yield exclusive(compose("DROP SEQUENCE {}", qualified(counter)), table)


def checks_of_new(column: FactId, context: Context) -> Iterable[Check]:
    """What the rows must allow where a column comes: none may be there that would have no value."""
    given = any(_has_values(each, context) for each in (column, *brought_by(column, context)))
    if is_required(context.new(column)) and not given and column not in context.intent.backfills:
        yield from constraint_checks.without_rows(column, context)


def _has_values(column: FactId, context: Context) -> bool:
    """Whether a new column has values in the rows that are there."""
    new = context.new(column)
    if column in context.intent.backfills and new.get("not_null"):
        return True
    return bool(new.keys() & {"generated", "identity"}) or FactId("default", column.name) in context.goal
