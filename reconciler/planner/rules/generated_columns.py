"""Generated columns: another expression, and plain columns that they become. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.hazards import hazards
from reconciler.model.temporary_names import temporary_name
from reconciler.planner.columns.clauses import column_settings, settings_lost_with_type
from reconciler.planner.columns.hierarchy import follows_alteration, inherited_from, inheriting
from reconciler.planner.columns.identity import change_identity
from reconciler.planner.columns.not_null import added_later, is_required, required
from reconciler.planner.core.rule import exclusive
from reconciler.planner.rules.column_types import change_type
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import Part, compose, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model.facts import FactId
    from reconciler.planner.core.context import Context
    from reconciler.planner.core.rule import StatementDraft

__all__ = [
    "NO_OTHER_WAY",
    "becomes_plain",
    "drop_expression",
    "made_plain",
    "set_expression",
    "takes_expression",
]

# Postgres computes a stored expression for all rows at once, and lets no UPDATE write the column.
NO_OTHER_WAY = "Postgres cannot do that without blocking the table"


def takes_expression(column: FactId, context: Context) -> bool:
    """Whether the column can stay as it is computed otherwise, or no more."""
    old, new, changed = context.old(column), context.new(column), context.changed(column)
    if "virtual" in changed and "generated" in new and "generated" in old:
        return False
    if "generated" not in changed or "generated" not in new:
        return True
    if "generated" not in old:
        return False
    if context.version < 170000 or _is_split(column, context):
        return False
    return not (new.get("virtual") and _is_guarded(column, context))


def _leaders(column: FactId, context: Context) -> list[FactId]:
    """The same column of parents that SET EXPRESSION changes to the same expression: it reaches this one."""
    wanted = context.new(column).get("generated")
    return [
        parent
        for parent in inherited_from(column, context)
        if parent in context.live
        and "generated" in context.changed(parent)
        and context.new(parent).get("generated") == wanted
    ]


def _is_split(column: FactId, context: Context) -> bool:
    """Whether SET EXPRESSION would do more, or less: it reaches children that have an expression of their own.

    Of a child alone it also takes the checks that name the column and come from a parent (seen in 17 and 18).
    """
    if leaders := _leaders(column, context):
        return any(_is_split(parent, context) for parent in leaders)
    wanted = context.new(column).get("generated")
    waiting = inheriting(column, context)
    while waiting:
        child = waiting.pop()
        if child in context.goal and context.new(child).get("generated") != wanted:
            return True
        waiting += inheriting(child, context)
    table = context.goal.parent(column)
    parts = context.goal.children.get(table, ()) if table is not None and inherited_from(column, context) else ()
    return any(
        part.kind == "constraint"
        and bool(context.new(part).get("inherited"))
        and column in context.goal.dependencies.get(part, ())
        for part in parts
    )


def _is_guarded(column: FactId, context: Context) -> bool:
    """Whether Postgres refuses another expression for a virtual column: its table has a check or is published."""
    table = context.live.parent(column)
    if table is None:
        return False
    checked = any(
        child.kind == "constraint" and context.old(child)["type"] == "check"
        for child in context.live.children.get(table, ())
    )
    return checked or any(other.kind == "publication_table" for other in context.dependents.get(table, ()))


def drop_expression(column: FactId, alter: Part, context: Context) -> Iterable[StatementDraft]:
    """A stored column becomes a plain one and keeps its values; a child's column with its parent's."""
    if follows_alteration(column, context):
        return
    # One that has it from two parents has dropped it by the second time.
    exists = raw(" IF EXISTS" if inheriting(column, context) else "")
    yield exclusive(compose("{} DROP EXPRESSION{}", alter, exists), context.goal.parent(column))


def set_expression(column: FactId, alter: Part, context: Context) -> Iterable[StatementDraft]:
    """The column is computed otherwise; a child's column with its parent's."""
    if _leaders(column, context):
        return
    table, new = context.goal.parent(column), context.new(column)
    assert table is not None
    why = f"computes {column}; {NO_OTHER_WAY}"
    found = () if new.get("virtual") else (hazards.rewrites(table, why, context.sizes.get(table)),)
    yield exclusive(compose("{} SET EXPRESSION AS ({})", alter, raw(str(new["generated"]))), table, *found)


def becomes_plain(column: FactId, context: Context) -> bool:
    """Whether a virtual column becomes one that holds values: those that it has shown so far."""
    return bool(context.old(column).get("virtual")) and "generated" not in context.new(column)


def made_plain(column: FactId, alter: Part, context: Context) -> Iterable[StatementDraft]:
    """A virtual column's values become those of a plain one; a child's column with its parent's."""
    if follows_alteration(column, context):
        return
    yield from _recreated(column, context)
    if context.changed(column) & {"type", "collation"}:
        yield change_type(column, alter, context)
    yield from _dressed(column, context)
    if "identity" in context.new(column):
        yield from change_identity(column, alter, context)


def _recreated(column: FactId, context: Context) -> Iterable[StatementDraft]:
    """A new column takes the values that were shown, and then the old one's name.

    What is computed for a generated column stays when that is a plain one, and no trigger of the table's fires.
    """
    old = context.old(column)
    table = context.live.parent(column)
    assert table is not None
    alter = raw(compose("ALTER TABLE {}", qualified(column)))
    final, aside = name(column.name[2]), name(temporary_name(*column.name, "recreated"))
    kind = raw(str(old["type"]))
    if "collation" in old:
        kind = raw(compose("{} COLLATE {}", kind, raw(str(old["collation"]))))
    value = raw(str(old["generated"]))
    hazard = hazards.rewrites(table, f"the values of {column} move to a new column", context.sizes.get(table))
    add = compose("{} ADD COLUMN {} {} GENERATED ALWAYS AS ({}) STORED", alter, aside, kind, value)
    yield exclusive(add, table, hazard)
    yield exclusive(compose("{} ALTER COLUMN {} DROP EXPRESSION", alter, aside), table)
    yield exclusive(compose("{} DROP COLUMN {}", alter, final), table)
    yield exclusive(compose("{} RENAME COLUMN {} TO {}", alter, aside, final), table)


def _dressed(column: FactId, context: Context) -> Iterable[StatementDraft]:
    """What a recreated column still lacks."""
    new = context.new(column)
    if is_required(new):
        risk = hazards.may_fail(column, "NOT NULL fails if a row has no value", None)
        yield exclusive(required(column, context), context.goal.parent(column), risk)
    if "compression" in new:
        yield from settings_lost_with_type(column, {"compression": new["compression"]})
    yield from column_settings(column, {}, new)
    yield from added_later(column, context)
