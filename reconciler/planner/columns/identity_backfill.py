"""New identity columns whose rows must have numbers before they are identities. Pure: no I/O.

Postgres refuses ADD COLUMN ... AS IDENTITY on a table from which others inherit, and before 17 on one with partitions.
A sequence for the while, the counter, assigns values to all their rows; then the identity continues at its position.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from reconciler.model.facts import FactId
from reconciler.model.plan import Stage
from reconciler.model.temporary_names import temporary_name
from reconciler.planner.columns.identity import identity_clause, identity_options
from reconciler.planner.core.rule import StatementDraft
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import Part, compose, joined, literal, name, raw, role

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model.facts import Definition
    from reconciler.planner.core.context import Context

__all__ = ["becomes_identity", "counter_of", "counting", "given", "is_assigned_first", "next_of"]


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


def counting(column: FactId, context: Context, stage: Stage = Stage.TOGETHER) -> Iterable[StatementDraft]:
    """What makes the counter, which counts as the identity does and belongs to the table's owner."""
    new, counter, table = context.new(column), counter_of(column, context), context.goal.parent(column)
    kind = raw(compose("AS {}", raw(str(new["type"]))))
    options = joined([kind, *identity_options(cast("Definition", new["identity"]))], " ")
    yield StatementDraft(sql=compose("CREATE SEQUENCE {} {}", qualified(counter), options), stage=stage)
    owner = None if table is None else context.other_owner(table)
    if owner is not None:
        yield given(counter, owner, stage)


def given(sequence: FactId, owner: str, stage: Stage) -> StatementDraft:
    """What gives a new sequence to its table's owner: who else writes the table may not use it."""
    text = compose("ALTER SEQUENCE {} OWNER TO {}", qualified(sequence), role(owner))
    return StatementDraft(sql=text, stage=stage, joined=True)


def next_of(counter: FactId) -> str:
    """The expression for the counter's next number."""
    return compose("nextval({}::regclass)", literal(compose("{}", qualified(counter))))


def becomes_identity(column: FactId, identity: Definition, before: Part, alter: Part) -> Iterable[str]:
    """The column gets a sequence of its own, which continues at the position of the sequence `before`."""
    yield compose("{} ALTER COLUMN {} ADD {}", alter, name(column.name[2]), identity_clause(identity))
    sequence = literal(str(identity["sequence"]))
    yield compose("SELECT pg_catalog.setval({}, last_value, is_called) FROM {}", sequence, before)
