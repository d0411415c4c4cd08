"""Columns that are made anew beside themselves and keep their values, in the plan's one transaction. Pure: no I/O.

Postgres cannot make a virtual column a plain one, nor give a column another place among the others, which a typed table
needs. A new column takes the values, the old one goes, and the new one takes its name and all that hung on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.ddl.names import qualified
from reconciler.ddl.rule import Draft
from reconciler.ddl.text import Part, compose, name, raw
from reconciler.hazards import hazards
from reconciler.leftovers import temporary_name
from reconciler.plan import LockMode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.ddl.rule import Context
    from reconciler.snapshot import FactId

__all__ = ["becomes_plain", "remade"]


def becomes_plain(column: FactId, context: Context) -> bool:
    """Whether a virtual column becomes one that holds values: those that it has shown so far."""
    return bool(context.old(column).get("virtual")) and "generated" not in context.new(column)


def remade(column: FactId, value: Part, context: Context) -> Iterable[Draft]:
    """The new column, of the old one's type and under its name, with `value`, an expression over the old row.

    What is computed for a generated column stays when that is a plain one, and no trigger of the table's fires.
    """
    old = context.old(column)
    table = context.live.parent(column)
    assert table is not None
    alter = raw(compose("ALTER TABLE {}", qualified(column)))
    final, aside = name(column.name[2]), name(temporary_name(*column.name, "remade"))
    kind = raw(str(old["type"]))
    if "collation" in old:
        kind = raw(compose("{} COLLATE {}", kind, raw(str(old["collation"]))))
    hazard = hazards.rewrites(table, f"the values of {column} move to a new column", context.sizes.get(table))
    add = compose("{} ADD COLUMN {} {} GENERATED ALWAYS AS ({}) STORED", alter, aside, kind, value)
    yield Draft(sql=add, hazards=(hazard,), lock=LockMode.ACCESS_EXCLUSIVE, locks=table)
    for text in (
        compose("{} ALTER COLUMN {} DROP EXPRESSION", alter, aside),
        compose("{} DROP COLUMN {}", alter, final),
        compose("{} RENAME COLUMN {} TO {}", alter, aside, final),
    ):
        yield Draft(sql=text, lock=LockMode.ACCESS_EXCLUSIVE, locks=table)
