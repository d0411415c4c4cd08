"""What a column has in a way of its own that its table gets from a parent. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from reconciler.hazards import hazards
from reconciler.model.facts import FactId
from reconciler.planner.columns.clauses import column_settings
from reconciler.planner.columns.hierarchy import parents_columns
from reconciler.planner.columns.identity import identity_clause
from reconciler.planner.columns.not_null import added_later, is_required, required
from reconciler.planner.columns.sequence_values import continue_after
from reconciler.planner.core.rule import StatementDraft, exclusive
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.options import changed_foreign_options
from reconciler.planner.sql.quoting import compose, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model.facts import Definition
    from reconciler.planner.core.context import Context

__all__ = ["set_apart"]


def set_apart(column: FactId, context: Context, *, with_table: bool) -> Iterable[StatementDraft]:
    """Makes a column its own that is new in its table and as its parents' by now; another default follows by itself.

    It came with the new table, which takes a parent's storage over, or with a parent's new column, whose storage is set
    after that.
    """
    new = context.new(column)
    table = context.goal.parent(column)
    assert table is not None
    parents = parents_columns(column, context)
    alter = raw(compose("ALTER TABLE {} ALTER COLUMN {}", qualified(column), name(column.name[2])))

    defaults = [FactId("default", each.name) in context.goal for each in (column, *parents)]
    if any(defaults[1:]) and not defaults[0]:
        yield exclusive(compose("{} DROP DEFAULT", alter), table)
    size = context.sizes.get(table)
    above = [context.new(parent) for parent in parents]
    brought = _brought(above, new, with_table=with_table)
    if "generated" in new and new["generated"] != brought.get("generated"):
        computed = context.persists(table) and not new.get("virtual")
        found = (hazards.rewrites(table, f"computes {column}", size),) if computed else ()
        yield exclusive(compose("{} SET EXPRESSION AS ({})", alter, raw(str(new["generated"]))), table, *found)
    given = _gives_not_null(above, new, context)
    if given and not new.get("not_null"):
        yield exclusive(compose("{} DROP NOT NULL", alter), table)
    elif is_required(new) and not given:
        costs = (
            hazards.may_fail(column, "NOT NULL fails if a row has no value", size),
            hazards.blocks_reads_and_writes(table, f"every row is checked for {column}", size),
        )
        yield exclusive(required(column, context), table, *(costs if context.persists(table) else ()))
    identity = cast("Definition | None", new.get("identity"))
    if identity is not None:
        yield exclusive(compose("{} ADD {}", alter, identity_clause(identity)), table)
        if context.persists(table):
            yield continue_after(column, str(identity["sequence"]), identity)
    if new.get("compression") != brought.get("compression"):
        yield exclusive(compose("{} SET COMPRESSION {}", alter, raw(str(new.get("compression", "default")))), table)
    if "fdw_options" in new:
        foreign = raw(compose("ALTER FOREIGN TABLE {} ALTER COLUMN {}", qualified(column), name(column.name[2])))
        hidden = context.goal.secrets.get(column, {})
        options = changed_foreign_options([], cast("list[str]", new["fdw_options"]), {}, hidden, context)
        yield exclusive(compose("{} OPTIONS ({})", foreign, options), table)
    yield from column_settings(column, brought, new)
    if not given:
        yield from added_later(column, context)


def _brought(parents: list[Definition], new: Definition, *, with_table: bool) -> Definition:
    """What the column has from its parents' that an own setting could differ from."""
    keys = ("generated", "compression", *(("storage", "storage_usual") if with_table else ()))
    found = {"type": new["type"]}
    for parent in parents:
        found |= {key: parent[key] for key in keys if key in parent and key not in found}
    return found


def _gives_not_null(parents: list[Definition], new: Definition, context: Context) -> bool:
    """Whether a parent's NOT NULL is the column's, too."""
    if context.version >= 180000 and new.get("not_null"):
        return bool(cast("Definition", new.get("not_null_constraint") or {}).get("inherited"))
    return any(parent.get("not_null") for parent in parents)
