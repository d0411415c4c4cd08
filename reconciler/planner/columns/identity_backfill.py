"""New identity columns whose rows must have numbers before they are identities. Pure: no I/O.

Postgres refuses ADD COLUMN ... AS IDENTITY on a table from which others inherit, and before 17 on one with partitions.
A sequence for the while, the counter, assigns values to all their rows; then the identity continues at its position.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from reconciler.model.facts import FactId
from reconciler.model.temporary_names import temporary_name
from reconciler.planner.columns.identity import identity_clause, identity_options
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import Part, compose, joined, literal, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model.facts import Definition
    from reconciler.planner.core.context import Context

__all__ = ["becomes_identity", "counter_of", "counting_text", "is_assigned_first", "next_of"]


def is_assigned_first(column: FactId, context: Context) -> bool:
    """Whether Postgres does not add the new column as an identity, as other tables get it from this one."""
    if "identity" not in context.new(column):
        return False
    table = context.goal.parent(column)
    if table in context.decided.temporary_parents and context.new(column).get("inherited"):
        return True
    if table is None or table.name not in context.live.inheritances:
        return False
    return context.version < 170000 or "partition_key" not in context.old(table)


def counter_of(column: FactId, context: Context) -> FactId:
    """The sequence that numbers the rows."""
    aside = temporary_name(*column.name, context.goal.facts[column], "counter")
    return FactId("sequence", (column.name[0], aside))


def counting_text(column: FactId, context: Context) -> str:
    """What makes the counter, which counts as the identity does."""
    new = context.new(column)
    kind = raw(compose("AS {}", raw(str(new["type"]))))
    options = joined([kind, *identity_options(cast("Definition", new["identity"]))], " ")
    return compose("CREATE SEQUENCE {} {}", qualified(counter_of(column, context)), options)


def next_of(counter: FactId) -> str:
    """The expression for the counter's next number."""
    return compose("nextval({}::regclass)", literal(compose("{}", qualified(counter))))


def becomes_identity(column: FactId, identity: Definition, before: Part, alter: Part) -> Iterable[str]:
    """The column gets a sequence of its own, which continues at the position of the sequence `before`."""
    yield compose("{} ALTER COLUMN {} ADD {}", alter, name(column.name[2]), identity_clause(identity))
    sequence = literal(str(identity["sequence"]))
    yield compose("SELECT pg_catalog.setval({}, last_value, is_called) FROM {}", sequence, before)
