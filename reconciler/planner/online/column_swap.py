"""The exchange of a column for one of another type that is made beside it. Pure.

The new column has a temporary name. A trigger keeps it equal to the old one; the rows are backfilled in batches;
indexes are built on it; and the plan's transaction drops the old column, renames the new one, and gives it all that
hung on the old one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString, cast

from reconciler.model.facts import FactId
from reconciler.model.plan import LockMode, Stage
from reconciler.model.temporary_names import temporary_name
from reconciler.planner.columns.clauses import column_kind
from reconciler.planner.columns.identity_backfill import becomes_identity
from reconciler.planner.columns.not_null import free_required_name, required
from reconciler.planner.core import online
from reconciler.planner.core.rule import StatementDraft, exclusive
from reconciler.planner.online.exchanged_columns import becomes_required, exchanged_name, filling_of_changed
from reconciler.planner.online.filled_columns import beside
from reconciler.planner.online.temporary_columns import (
    analyze,
    fill,
    hinted_value,
    not_null_steps,
    triggered,
    with_child_tables,
    without_trigger,
)
from reconciler.planner.partitions import publications
from reconciler.planner.sql.casts import is_a_number, is_the_same_everywhere, type_beside
from reconciler.planner.sql.object_names import qualified, split_name
from reconciler.planner.sql.quoting import Part, compose, literal, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import Definition
    from reconciler.model.hazards import Hazard
    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = [
    "swap",
]

_TYPES = frozenset({"domain", "composite_type", "range_type", "base_type", "table", "extension"})


def swap(column: FactId, expression: str, found: Sequence[Hazard], context: Context) -> Iterable[StatementDraft]:
    """The new column with everything that leads to it, and the exchange in the plan's transaction."""
    old, new = context.old(column), context.new(column)
    table = context.live.parent(column)
    assert table is not None
    replacement = exchanged_name(column, context)
    yield from _keep_equal(column, replacement, expression, table, context)
    arrived = _arrived(column, replacement, expression, context)
    change = compose("SET {} = {} WHERE ({}) IS NOT TRUE", name(replacement), raw(expression), arrived)
    said = hinted_value(column, context) if becomes_required(column, context) else None
    if said is not None:
        template: LiteralString = "SET {} = COALESCE({}, {}) WHERE (({}) AND {} IS NOT NULL) IS NOT TRUE"
        value = _beside_another(column, expression, context)
        change = compose(template, name(replacement), raw(value), raw(said), arrived, name(replacement))
    firing = said is not None and column in context.intent.firing
    yield from fill(change, table, tuple(found), filling_of_changed(column, context), context, firing=firing)
    what = f"values of {column} did not arrive in the new column"
    proof, dropped = online.checked_rows(table, (replacement, "arrived"), arrived, (), what, context)
    first, last = not_null_steps(column, replacement, table, context)
    # Both hold for new rows before either is validated.
    yield from sorted((*proof, *first), key=lambda draft: not draft.brief)
    yield analyze(table, replacement)
    alter = raw(compose("ALTER TABLE {}", qualified(column)))
    final = name(column.name[2])

    yield from dropped
    yield from without_trigger(replacement, table, context)
    yield from publications.unlisted(with_child_tables(table, context), context)
    identity = "identity" in old
    aside = name(temporary_name(*column.name, "old"))
    if identity:
        for text in free_required_name(column, temporary_name(*column.name, "not null"), context):
            yield exclusive(text, table, brief=True)
        yield exclusive(compose("{} RENAME COLUMN {} TO {}", alter, final, aside), table, brief=True)
    else:
        yield exclusive(compose("{} DROP COLUMN {}", alter, final), table, brief=True)
    yield exclusive(compose("{} RENAME COLUMN {} TO {}", alter, name(replacement), final), table, brief=True)
    if _is_indexed(column, context):
        yield exclusive(_index_columns_renamed(column, replacement), table, brief=True)
    if new.get("not_null"):
        yield exclusive(required(column, context), table, brief=True)
    yield from last
    if identity:
        yield from (exclusive(text, table, brief=True) for text in _identity(column, alter, context))
        yield exclusive(compose("{} DROP COLUMN {}", alter, aside), table, brief=True)
    yield from publications.shows_again(column, with_child_tables(table, context), context)


def _is_indexed(column: FactId, context: Context) -> bool:
    return any(each.kind in ("index", "constraint") for each in context.goal_dependents.get(column, ()))


def _index_columns_renamed(column: FactId, replacement: str) -> str:
    """The columns of indexes that were built on the new one: Postgres names them then, and renames none with it.

    Which of an index's expressions has been given the name is known to the catalogs alone.
    """
    of_table = literal(compose("{}", qualified(column)))
    final = literal(column.name[2])
    body = compose(
        "DECLARE part record; BEGIN"
        " FOR part IN SELECT a.attrelid, a.attname FROM pg_catalog.pg_index i"
        " JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indexrelid"
        " WHERE i.indrelid = {}::pg_catalog.regclass AND pg_catalog.starts_with(a.attname::text, {})"
        " ORDER BY a.attrelid, a.attnum LOOP"
        " EXECUTE pg_catalog.format('ALTER TABLE %s RENAME COLUMN %I TO %I',"
        " part.attrelid::pg_catalog.regclass, part.attname,"
        " (SELECT x.free FROM pg_catalog.generate_series(0, 99) AS n, LATERAL (SELECT CASE n WHEN 0 THEN {}"
        " ELSE pg_catalog.concat(pg_catalog.left({}, 15), n) END) AS x(free) WHERE NOT EXISTS (SELECT"
        " FROM pg_catalog.pg_attribute b WHERE b.attrelid = part.attrelid AND b.attname = x.free)"
        " ORDER BY n LIMIT 1)); END LOOP; END",
        of_table,
        literal(replacement),
        final,
        final,
    )
    return compose("DO {}", literal(body))


def _arrived(column: FactId, replacement: str, expression: str, context: Context) -> Part:
    """The condition for the value of a row to have arrived in the new column.

    A value that depends on what a session has set is another one where a client of other settings wrote the row: then
    only what is NULL is compared. Where NOT NULL comes with the type, a row without a value may get one.
    """
    arrived = _same_value(column, replacement, expression, context)
    if becomes_required(column, context):
        return raw(compose("({}) IS NULL OR {}", raw(expression), arrived))
    return arrived


def _same_value(column: FactId, replacement: str, expression: str, context: Context) -> Part:
    old, new = str(context.old(column)["type"]), str(context.new(column)["type"])
    enums = all(_is_enum_or_known(column, state) for state in (context.live, context.goal))
    value = raw(compose("({})::{}", raw(expression), raw(new)))
    if not is_the_same_everywhere(old, new, enums=enums):
        return raw(compose("({} IS NULL) = ({} IS NULL)", name(replacement), value))
    if is_a_number(new):
        return raw(compose("{} IS NOT DISTINCT FROM {}", name(replacement), value))
    texts = (raw(compose('{}::text COLLATE "C"', part)) for part in (name(replacement), value))
    return raw(compose("{} IS NOT DISTINCT FROM {}", *texts))


def _is_enum_or_known(column: FactId, state: Snapshot) -> bool:
    """Whether the column's type, where it is none of Postgres's own, is an enum."""
    return all(each.kind not in _TYPES for each in state.dependencies.get(column, ()) if each != state.parent(column))


def _identity(column: FactId, alter: Part, context: Context) -> Iterable[str]:
    """The new column gets a sequence of the same name that continues at the position of the old one."""
    identity = cast("Definition", context.new(column)["identity"])
    sequence = str(identity["sequence"])
    aside = temporary_name(*column.name, "sequence")
    yield compose("ALTER SEQUENCE {} RENAME TO {}", raw(sequence), name(aside))
    yield from becomes_identity(column, identity, name(split_name(sequence)[0], aside), alter)


def _keep_equal(
    column: FactId, replacement: str, expression: str, table: FactId, context: Context
) -> Iterable[StatementDraft]:
    """The new column, and the trigger that fills it in every row that is written from now on."""
    new = context.new(column)
    hidden = [*publications.hide(column, with_child_tables(table, context), beside(table, context), context)]
    yield from hidden
    joined = bool(hidden)
    if not online.adopt(FactId("column", (*table.name, replacement)), context):
        text = compose("ALTER TABLE {} ADD COLUMN {} {}", qualified(column), name(replacement), column_kind(new))
        yield StatementDraft(
            sql=text, lock=LockMode.ACCESS_EXCLUSIVE, locks=table, stage=Stage.BEFORE, joined=joined, brief=True
        )
        joined = True
    # The expression names columns as ALTER TYPE's USING does; so they must be in its scope.
    value = raw(
        compose(
            "(SELECT {} FROM (SELECT NEW.*) AS {})", raw(_or_missing(column, expression, context)), name(column.name[1])
        )
    )
    body = compose("BEGIN NEW.{} := {}; RETURN NEW; END", name(replacement), value)
    said = hinted_value(column, context) if becomes_required(column, context) else None
    yield from triggered(replacement, body, table, context, joined=joined, as_owner=said is not None, said=said)


def _or_missing(column: FactId, expression: str, context: Context) -> str:
    """The converted value, or what a row without one gets where NOT NULL comes with the type.

    In a new row that is the default, in one that is there what a hint says. A trigger cannot tell a column that is left
    out from one that is written as NULL.
    """
    if not becomes_required(column, context):
        return expression
    default = context.goal.find(FactId("default", column.name))
    said = hinted_value(column, context)
    given = str(default["expression"]) if default is not None else said
    if given is None:
        return expression
    meanwhile = raw(compose("CASE TG_OP WHEN 'INSERT' THEN {} ELSE {} END", raw(given), raw(said or "NULL")))
    return compose("COALESCE({}, {})", raw(_beside_another(column, expression, context)), meanwhile)


def _beside_another(column: FactId, expression: str, context: Context) -> str:
    """The converted value so that one expression can hold it and a value of the new type, and cut nowhere yet."""
    kind = type_beside(str(context.old(column)["type"]), str(context.new(column)["type"]))
    return expression if kind is None else compose("({})::{}", raw(expression), raw(kind))
