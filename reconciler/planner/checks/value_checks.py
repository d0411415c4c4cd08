"""What is asked of values before their type changes. Pure: no I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model.checks import Check
from reconciler.planner.checks.row_queries import (
    REMOVE_OR_CHANGE,
    field,
    is_understood,
    named,
    rows,
    rows_stay,
    says_old_names,
    select,
    stays,
)
from reconciler.planner.sql.quoting import Part, compose, joined, literal, raw
from reconciler.sqltext.printed_lists import bracketed, leading_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import FactId
    from reconciler.planner.core.context import Context

__all__ = ["conversion_checks", "domain_checks", "label_checks"]

# --- another type -----------------------------------------------------------------------------------------------------

_LENGTH = re.compile(r"(character varying|character|bit varying|bit)\((\d+)\)")


def conversion_checks(column: FactId, using: str, context: Context) -> Iterable[Check]:
    """Values that are none of the column's new type; `using` is the expression that converts them, maybe empty."""
    table = context.live.parent(column)
    if not rows_stay(table, context) or not context.persists(column):
        return
    assert table is not None
    said = column in context.intent.conversions
    if said and context.touches_routines:
        return
    needed = context.goal.dependencies.get(column, frozenset())
    if any(context.touches(each) for each in needed if each.kind not in ("table", "constraint", "index")):
        return
    if says_old_names(context):
        return
    kind = str(context.new(column)["type"])
    value = field(table, column.name[2])
    problem = f"becomes {kind}, but the value does not fit"
    hint = f"{REMOVE_OR_CHANGE}, or write `-- reconciler: using EXPRESSION` beside the column"
    bounded = _LENGTH.fullmatch(kind)
    if bounded is not None and not using:
        yield Check(
            fact=column,
            table=table,
            problem=problem,
            sql=select(table, _too_long(value, bounded[1], bounded[2]), context),
            hint=hint,
        )
        return
    if "generated" in context.new(column) or "generated" in context.old(column):
        return
    # An explicit cast does what the assignment does, but for the lengths above.
    expression = raw(compose("({})::{}", raw(using), raw(kind)) if using else compose("{}::{}", value, raw(kind)))
    source = rows(table, context)
    place = [field(table, "tableoid"), field(table, "ctid"), named(table, context)]
    yield Check(
        fact=column,
        table=table,
        problem=problem,
        sql=compose("SELECT {} FROM {}", joined(place), source),
        attempt=compose("SELECT {} FROM {}", expression, source),
        hint=hint,
    )


def _too_long(value: Part, kind: str, length: str) -> Part:
    """What an assignment refuses: characters beyond the length that are no blanks, another number of bits."""
    if kind.startswith("bit"):
        operator = raw(">" if kind == "bit varying" else "<>")
        return raw(compose("pg_catalog.length({}) {} {}", value, operator, raw(length)))
    start = raw(str(int(length) + 1))
    return raw(compose("pg_catalog.rtrim(pg_catalog.substr({}::text, {}), ' ') <> ''", value, start))


# --- domains and enums ------------------------------------------------------------------------------------------------


def domain_checks(domain: FactId, fact: FactId, definition: str, context: Context) -> Iterable[Check]:
    """Values, in all columns of the domain, that violate a CHECK of it, or are missing where it is NOT NULL."""
    if not context.persists(domain) or not is_understood(fact, context):
        return
    found = bracketed(definition) if definition.startswith("CHECK (") else None
    if found is None and definition != "NOT NULL":
        return
    # In a domain's CHECK the value is called VALUE, which is an ordinary name elsewhere.
    condition = raw(compose("NOT ({})", raw(found[0]))) if found is not None else raw('"value" IS NULL')
    for column in sorted(context.dependents.get(domain, ())):
        table = context.live.parent(column)
        if column.kind != "column" or not rows_stay(table, context) or not stays(column, context):
            continue
        assert table is not None
        kind = str(context.old(column)["type"])
        if leading_name(kind) != domain.name or kind.endswith("[]"):
            continue
        yield Check(
            fact=fact,
            table=table,
            problem=f"does not hold for {column}",
            sql=compose(
                'SELECT "example" FROM (SELECT {} AS "example", {} AS "value" FROM {}) AS "checked" WHERE {}',
                named(table, context),
                field(table, column.name[2]),
                rows(table, context),
                condition,
            ),
            hint=REMOVE_OR_CHANGE,
        )


def label_checks(enum: FactId, gone: Sequence[str], context: Context) -> Iterable[Check]:
    """Rows that hold a label that an enum loses."""
    for column in sorted(context.converting):
        table = context.live.parent(column)
        if enum not in context.live.dependencies.get(column, ()) or column in context.intent.conversions:
            continue
        if table is None or not rows_stay(table, context):
            continue
        kind = str(context.old(column)["type"])
        # Values of another type come by a way of their own.
        if leading_name(kind) != enum.name or str(context.new(column)["type"]) != kind:
            continue
        value, labels = field(table, column.name[2]), joined([literal(label) for label in gone])
        condition = compose("{}::text IN ({})", value, labels)
        if kind.endswith("[]"):
            condition = compose("{}::text[] && ARRAY[{}]", value, labels)
        yield Check(
            fact=enum,
            table=table,
            problem=f"loses {', '.join(repr(label) for label in gone)}, which is a value of {column}",
            sql=select(table, raw(condition), context),
            hint="change these values first, or specify that a label is renamed: `-- reconciler: renamed from 'old'`",
        )
