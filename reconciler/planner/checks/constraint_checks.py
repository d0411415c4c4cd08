"""What is asked of the rows before a column, a constraint or an index is made. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

from reconciler.model.checks import Check
from reconciler.model.facts import FactId
from reconciler.planner.checks.row_queries import (
    REMOVE_OR_CHANGE,
    field,
    is_understood,
    named,
    new_values,
    plain_name,
    rows,
    rows_stay,
    select,
    stays,
)
from reconciler.planner.sql.quoting import Part, compose, joined, name, raw
from reconciler.sqltext.constraint_definitions import marked
from reconciler.sqltext.lexer import lexemes
from reconciler.sqltext.printed_lists import bracketed, elements, index_elements, leading_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reconciler.planner.core.context import Context

__all__ = ["constraint_checks", "index_checks", "missing_values", "without_rows"]


# --- columns ----------------------------------------------------------------------------------------------------------


def missing_values(column: FactId, context: Context) -> Iterable[Check]:
    """Rows without a value in a column that becomes NOT NULL."""
    table = context.live.parent(column)
    if not rows_stay(table, context) or not context.persists(column) or column in context.intent.conversions:
        return
    assert table is not None
    if "generated" in context.new(column) or "generated" in context.old(column):
        return
    yield Check(
        fact=column,
        table=table,
        problem="becomes NOT NULL, but has NULL values",
        sql=select(table, raw(compose("{} IS NULL", field(table, column.name[2]))), context),
        hint="set these values first, or write `-- reconciler: backfill EXPRESSION` beside the column",
    )


def without_rows(column: FactId, context: Context) -> Iterable[Check]:
    """The rows that a new NOT NULL column without a default has no value for."""
    table = context.live.parent(column) or context.goal.parent(column)
    if not rows_stay(table, context):
        return
    # A type may have a default of its own.
    if any(needed.kind in ("domain", "base_type", "extension") for needed in context.goal.dependencies.get(column, ())):
        return
    assert table is not None
    yield Check(
        fact=column,
        table=table,
        problem="is new and NOT NULL without a default, so existing rows have no value for it",
        sql=select(table, raw("true"), context),
        hint="give it a default, or write `-- reconciler: backfill EXPRESSION` beside the column",
    )


# --- constraints and indexes ------------------------------------------------------------------------------------------


def constraint_checks(fact: FactId, context: Context) -> Iterable[Check]:
    """Rows that violate a constraint that is added, or validated."""
    table = context.goal.parent(fact)
    definition = context.new(fact)
    mark = marked(str(definition["definition"]))
    if definition.get("not_valid") or not mark.valid or not rows_stay(table, context):
        return
    if fact in context.live and context.live.facts[fact] == context.goal.facts[fact]:
        return  # is made again, and held before
    assert table is not None
    match definition["type"]:
        case "check":
            yield from _violations(fact, table, mark.definition, context)
        case "foreign_key":
            yield from _orphans(fact, table, mark.definition, context)
        case "primary_key" | "unique":
            yield from _key(fact, table, mark.definition, context)
        case "exclude":
            yield from _overlaps(fact, table, mark.definition, context)
        case _:
            return


def _violations(fact: FactId, table: FactId, definition: str, context: Context) -> Iterable[Check]:
    found = bracketed(definition) if definition.startswith("CHECK (") else None
    added = new_values(context.goal.dependencies.get(fact, ()), context)
    if found is None or not is_understood(fact, context, added):
        return
    only = definition.endswith(" NO INHERIT")
    yield Check(
        fact=fact,
        table=table,
        problem="does not hold",
        sql=select(table, raw(compose("NOT ({})", raw(found[0]))), context, only=only, added=added),
        hint=REMOVE_OR_CHANGE,
    )


def _key(fact: FactId, table: FactId, definition: str, context: Context) -> Iterable[Check]:
    found = bracketed(definition)
    added = new_values(context.goal.dependencies.get(fact, ()), context)
    if found is None or "WITHOUT OVERLAPS" in found[0] or not is_understood(fact, context, added):
        return
    columns = [plain_name(text) for text in elements(found[0])]
    facts = [FactId("column", (*table.name, column)) for column in columns]
    if not all(stays(column, context) or column.name[2] in added for column in facts):
        return
    distinct = not definition.startswith("UNIQUE NULLS NOT DISTINCT")
    keys = [field(table, column) for column in columns]
    yield _repeated(fact, table, keys, None, context, distinct=distinct, added=added)


def index_checks(fact: FactId, context: Context) -> Iterable[Check]:
    """Values that are there twice, for a unique index."""
    table, definition = context.goal.parent(fact), context.new(fact)
    if not definition.get("unique") or not rows_stay(table, context):
        return
    added = new_values(context.goal.dependencies.get(fact, ()), context)
    if not is_understood(fact, context, added):
        return
    assert table is not None
    using = str(definition["using"])
    found = bracketed(using)
    if found is None or not using.startswith("USING btree ("):
        return
    keys: list[Part] = []
    for element in index_elements(found[0]):
        # What is left names an operator class, which may have an equality of its own.
        if {token.keyword for token in lexemes(element.rest)} - {"ASC", "DESC", "NULLS", "FIRST", "LAST"}:
            return
        keys.append(raw(compose("({}){}", raw(element.expression), raw(f" {element.collation}".rstrip()))))
    rest = using[found[1] :]
    words = [token for token in lexemes(rest) if token.kind == "word"]
    where = next((token for token in words if token.keyword == "WHERE"), None)
    condition = raw(rest[where.start + len("WHERE") :]) if where is not None else None
    distinct = "NULLS NOT DISTINCT" not in (rest[: where.start] if where is not None else rest)
    yield _repeated(fact, table, keys, condition, context, distinct=distinct, added=added)


def _repeated(
    fact: FactId,
    table: FactId,
    keys: Sequence[Part],
    condition: Part | None,
    context: Context,
    *,
    distinct: bool,
    added: Mapping[str, str],
) -> Check:
    """Groups of rows that have the same values; without `distinct`, NULL is the same as NULL."""
    conditions: list[Part] = [raw(compose("({})", condition))] if condition is not None else []
    if distinct:
        conditions += [raw(compose("{} IS NOT NULL", key)) for key in keys]
    row = named(table, context)
    return Check(
        fact=fact,
        table=table,
        problem="duplicate key value",
        unit="group of rows",
        sql=compose(
            "SELECT pg_catalog.concat(pg_catalog.min({}), ' and ', pg_catalog.max({})) FROM {} WHERE {}"
            " GROUP BY {} HAVING pg_catalog.count(*) > 1",
            row,
            row,
            rows(table, context, added=added),
            joined(conditions, " AND ") if conditions else raw("true"),
            joined([*keys]),
        ),
        hint=REMOVE_OR_CHANGE,
    )


def _orphans(fact: FactId, table: FactId, definition: str, context: Context) -> Iterable[Check]:
    own = bracketed(definition)
    if own is None or not definition.startswith("FOREIGN KEY (") or "PERIOD" in definition:
        return
    theirs = bracketed(definition, own[1])
    other = _referenced(fact, table, definition[own[1] :], context)
    if theirs is None or other is None:
        return
    pairs = [
        (FactId("column", (*table.name, plain_name(mine))), FactId("column", (*other.name, plain_name(their))))
        for mine, their in zip(elements(own[0]), elements(theirs[0]), strict=True)
    ]
    added = new_values((mine for mine, _ in pairs), context)
    if not all((stays(mine, context) or mine.name[2] in added) and their in context.goal for mine, their in pairs):
        return
    if not all(_are_compared(str(context.new(mine)["type"]), str(context.new(their)["type"])) for mine, their in pairs):
        return
    fields = [field(table, mine.name[2]) for mine, _ in pairs]
    present = joined([raw(compose("{} IS NOT NULL", field)) for field in fields], " AND ")
    if other in context.creates and other not in context.live:
        condition = raw(compose("{}", present))  # what it refers to is new, and so has no rows
    else:
        if not rows_stay(other, context) or not all(stays(their, context) for _, their in pairs):
            return
        # An alias of its own: the table may refer to itself.
        alias = raw("reconciler_other")
        names = joined([raw(compose("{}", name(their.name[2]))) for _, their in pairs])
        equal = joined(
            [
                raw(compose("reconciler_other.{} = {}", name(f"key_{place}"), field))
                for place, field in enumerate(fields)
            ],
            " AND ",
        )
        keys = joined([name(f"key_{place}") for place in range(len(pairs))])
        source = rows(other, context, only="partition_key" not in context.old(other))
        template: LiteralString = "{} AND NOT EXISTS (SELECT FROM (SELECT {} FROM {}) AS {} ({}) WHERE {})"
        condition = raw(compose(template, present, names, source, alias, keys, equal))
    if "MATCH FULL" in definition[theirs[1] :]:
        absent = joined([raw(compose("{} IS NULL", field)) for field in fields], " AND ")
        some = joined([raw(compose("{} IS NULL", field)) for field in fields], " OR ")
        condition = raw(compose("({}) OR (({}) AND NOT ({}))", condition, some, absent))
    only = "partition_key" not in context.old(table)
    yield Check(
        fact=fact,
        table=table,
        problem=f"no matching row in {other}",
        sql=select(table, condition, context, only=only, added=added),
        hint="first remove these rows, or add the rows that they refer to",
    )


def _referenced(fact: FactId, table: FactId, rest: str, context: Context) -> FactId | None:
    """The table that a foreign key refers to, where the plan knows it."""
    found = FactId("table", leading_name(rest.partition("REFERENCES ")[2]))
    needed = context.goal.dependencies.get(fact, ())
    owners = {each if each.kind == "table" else context.goal.parent(each) for each in needed}
    return found if found == table or found in owners else None


# Of each of these families `=` is the system's own, whatever is in the search path, and means the same for all.
_COMPARABLE: tuple[frozenset[str], ...] = (
    frozenset({"smallint", "integer", "bigint"}),
    frozenset({"text", "character varying"}),
)


def _are_compared(mine: str, their: str) -> bool:
    """Whether `=` of a foreign key between columns of these types is what `=` says in a query."""
    base, other = (text.partition("(")[0] for text in (mine, their))
    if "." in base or '"' in base:  # of an extension, or a user's
        return False
    return base == other or any(base in family and other in family for family in _COMPARABLE)


def _overlaps(fact: FactId, table: FactId, definition: str, context: Context) -> Iterable[Check]:
    found = bracketed(definition)
    if found is None or not is_understood(fact, context) or "partition_key" in context.old(table):
        return
    keys: list[Part] = []
    conditions: list[Part] = []
    for place, text in enumerate(elements(found[0])):
        expression, separator, operator = text.rpartition(" WITH ")
        parts = index_elements(expression)
        if not separator or len(parts) != 1 or parts[0].rest:
            return
        keys.append(raw(compose("{} AS {}", raw(parts[0].expression), name(f"key_{place}"))))
        sides = [
            raw(compose("{}{}", name(side, f"key_{place}"), raw(f" {parts[0].collation}".rstrip()))) for side in "ab"
        ]
        conditions.append(raw(compose("{} {} {}", sides[0], raw(operator), sides[1])))
    rest = definition[found[1] :]
    where = raw(rest[rest.index(" WHERE ") :]) if " WHERE " in rest else raw("")
    listed = compose(
        "SELECT {} AS example, {} AS place, {} FROM {}{}",
        named(table, context),
        field(table, "ctid"),
        joined(keys),
        rows(table, context, only=True),
        where,
    )
    yield Check(
        fact=fact,
        table=table,
        problem="conflicting key values",
        unit="pair of rows",
        sql=compose(
            "WITH found AS MATERIALIZED ({}) SELECT pg_catalog.concat(a.example, ' and ', b.example)"
            " FROM found AS a JOIN found AS b ON a.place < b.place AND {}",
            raw(listed),
            joined(conditions, " AND "),
        ),
        hint=REMOVE_OR_CHANGE,
    )
