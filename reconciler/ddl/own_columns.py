"""What a column has in a way of its own that its table gets from a parent. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from reconciler.ddl.column_text import column_settings, identity_clause
from reconciler.ddl.inherited_columns import parents_columns
from reconciler.ddl.names import qualified
from reconciler.ddl.not_null import added_later, is_required, required
from reconciler.ddl.rule import Draft
from reconciler.ddl.sequences import continue_after
from reconciler.ddl.text import compose, name, raw
from reconciler.hazards import hazards
from reconciler.plan import LockMode
from reconciler.snapshot import FactId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.ddl.rule import Context
    from reconciler.hazards.kinds import Hazard
    from reconciler.snapshot import Definition

__all__ = ["set_apart"]


def set_apart(column: FactId, context: Context) -> Iterable[Draft]:
    """Makes a column its own that is new in its table and as its parents' by now; another default follows by itself."""
    new = context.new(column)
    table = context.goal.parent(column)
    assert table is not None
    parents = parents_columns(column, context)
    alter = raw(compose("ALTER TABLE {} ALTER COLUMN {}", qualified(column), name(column.name[2])))

    def draft(text: str, *found: Hazard) -> Draft:
        return Draft(sql=text, hazards=found, lock=LockMode.ACCESS_EXCLUSIVE, locks=table)

    defaults = [FactId("default", each.name) in context.goal for each in (column, *parents)]
    if any(defaults[1:]) and not defaults[0]:
        yield draft(compose("{} DROP DEFAULT", alter))
    given = any(context.new(parent).get("not_null") for parent in parents)
    if given and not new.get("not_null"):
        yield draft(compose("{} DROP NOT NULL", alter))
    elif is_required(new) and not given:
        size = context.sizes.get(table)
        costs = (
            hazards.may_fail(column, "NOT NULL fails if a row has no value", size),
            hazards.blocks_reads_and_writes(table, f"every row is checked for {column}", size),
        )
        yield draft(required(column, context), *(costs if context.persists(table) else ()))
    identity = cast("Definition | None", new.get("identity"))
    if identity is not None:
        yield draft(compose("{} ADD {}", alter, identity_clause(identity)))
        if context.persists(table):
            yield continue_after(column, str(identity["sequence"]), identity)
    yield from column_settings(column, {}, new)
    if not given:
        yield from added_later(column, context)
