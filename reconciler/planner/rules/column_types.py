"""Columns that change their type: by ALTER TYPE, or by a new column in their place. Pure: no I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.hazards import hazards
from reconciler.planner.checks import value_checks
from reconciler.planner.columns.clauses import column_settings
from reconciler.planner.columns.hierarchy import follows_alteration
from reconciler.planner.columns.not_null import added_later
from reconciler.planner.core.rule import exclusive
from reconciler.planner.online import column_swap, exchanged_columns
from reconciler.planner.partitions import index_attachment
from reconciler.planner.sql.casts import base_type, can_lose, conversion, depends_on_time_zone, rewrites
from reconciler.planner.sql.quoting import Part, compose, name, raw
from reconciler.planner.sql.widening import keeps_values
from reconciler.planner.strategies.typed_tables import follows_type

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model.checks import Check
    from reconciler.model.facts import FactId
    from reconciler.model.hazards import Hazard
    from reconciler.planner.core.context import Context
    from reconciler.planner.core.rule import StatementDraft

__all__ = ["change_type", "disturbed_by_type_change", "exchanged", "has_storage_of_type", "type_checks"]


# What servers and containers are set to where nobody has chosen: values were written in it by now().
_UNIVERSAL = frozenset({"UTC", "Etc/UTC", "GMT", "Etc/GMT", "Etc/UCT", "UCT", "Universal", "Zulu"})


def change_type(column: FactId, alter: Part, context: Context) -> StatementDraft:
    """ALTER TYPE, with the expression that converts the values; `alter` is ALTER TABLE ... ALTER COLUMN."""
    new = context.new(column)
    before, after = _types(column, context)
    table = context.goal.parent(column)
    assert table is not None
    collate = raw(compose(" COLLATE {}", raw(str(new["collation"]))) if "collation" in new else "")
    if table.kind == "foreign_table":  # has no rows of its own, and takes no USING
        return exclusive(compose("{} TYPE {}{}", alter, raw(after), collate), table)
    said = context.intent.conversions.get(column)
    using = raw(compose(" USING ({})", raw(said))) if said is not None else conversion(_field(column), before, after)
    if "generated" in new:
        using = raw("")
    size = context.sizes.get(table)
    found = list(_risks(column, context))
    if said is not None or rewrites(before, after):
        why_not = _why_not_in_steps(column, context)
        zone = ""
        if said is None and depends_on_time_zone(before, after):
            zone = f", converted in the time zone {context.rights.time_zone}"
        found.append(hazards.rewrites(table, f"{column} becomes {after}{zone}{why_not}", size))
    else:
        why = (f"every row is checked for {check}" for check in _checks_of(column, context))
        found += [hazards.blocks_reads_and_writes(table, each, size) for each in why]
    return exclusive(compose("{} TYPE {}{}{}", alter, raw(after), collate, using), table, *found)


def exchanged(column: FactId, context: Context) -> Iterable[StatementDraft]:
    """The other type comes by a new column, filled beside the work of others."""
    field = _field(column)
    using = conversion(field, *_types(column, context)).as_string(None).removeprefix(" USING ")
    yield from column_swap.swap(column, using or field.as_string(None), [*_risks(column, context)], context)
    yield from column_settings(column, {}, context.new(column))
    yield from added_later(column, context)


def _field(column: FactId) -> Part:
    return name(column.name[2])


def _types(column: FactId, context: Context) -> tuple[str, str]:
    return str(context.old(column)["type"]), str(context.new(column)["type"])


def _risks(column: FactId, context: Context) -> Iterable[Hazard]:
    """What the conversion can do to values; of one that a hint says only that it may fail is known."""
    before, after = _types(column, context)
    table = context.goal.parent(column)
    size = context.sizes.get(table) if table is not None else None
    said = column in context.intent.conversions
    if before != after and not said and can_lose(before, after):
        yield hazards.loses_precision(column, before, after, size)
    elif not said and depends_on_time_zone(before, after) and context.rights.time_zone not in _UNIVERSAL:
        yield hazards.reads_in_time_zone(column, context.rights.time_zone, size)
    if base_type(after) != "text" and (said or not keeps_values(before, after)):
        yield hazards.may_fail(column, f"fails if a value is no {after}", size)


def _why_not_in_steps(column: FactId, context: Context) -> str:
    """What is added to the hazard of a rewrite where steps were asked for."""
    if context.online is None:
        return ""
    said = column in context.intent.conversions
    reason = "a hint says how values are converted" if said else exchanged_columns.obstacle(column, context)
    if reason is None and context.online.keep_column_order:
        reason = "a column behind it cannot be exchanged, and the order of columns is kept"
    return f" (not in steps: {reason})" if reason is not None else ""


def _checks_of(column: FactId, context: Context) -> Iterable[FactId]:
    """The CHECK constraints that Postgres checks again after a change of the column's type, rewritten or not."""
    for other in context.dependents.get(column, ()):
        if other.kind == "constraint" and context.old(other)["type"] == "check" and context.persists(other):
            yield other


def type_checks(column: FactId, context: Context) -> Iterable[Check]:
    """Queries for the values that the conversion would fail on."""
    before, after = _types(column, context)
    if before == after or follows_alteration(column, context) or follows_type(column, context):
        return
    said = context.intent.conversions.get(column)
    using = said or conversion(_field(column), before, after).as_string(None)
    yield from value_checks.conversion_checks(column, using.removeprefix(" USING "), context)


def has_storage_of_type(column: FactId, context: Context) -> bool:
    """Whether the type's own alteration gives the column its storage."""
    needed = context.live.dependencies.get(column, frozenset())
    return any(
        each.kind == "base_type" and each in context.alters and "storage" in context.changed(each) for each in needed
    )


def disturbed_by_type_change(fact: FactId, context: Context, *, same_family: bool) -> Iterable[FactId]:
    """What ALTER TYPE refuses to rebuild: everything except constraints, indexes and statistics.

    Of a partition it recreates those that belong to its parent's, with the names that it chooses. Foreign keys are
    rebuilt as well, but compare with the other side's type at that moment. What uses the table's rows as a whole is not
    known to need any column, and so is not rebuilt: it would compute with rows of the other type.
    """
    yield from _of_whole_rows(fact, context)
    for dependent in context.dependents.get(fact, ()):
        match dependent.kind:
            case "index" | "constraint" if index_attachment.is_recreated_otherwise(dependent, context):
                yield dependent
            case "index" | "statistics" | "sequence" | "owned_by" | "comment" | "privileges" | "inheritance" | "table":
                continue
            case "default" if dependent.name == fact.name:
                continue
            case "constraint":
                if not same_family and context.old(dependent)["type"] == "foreign_key":
                    yield dependent
            case "column" if _is_plain_sibling(dependent, fact, context):
                continue
            case _:
                yield dependent


def _of_whole_rows(column: FactId, context: Context) -> Iterable[FactId]:
    """The indexes and checks of the column's table that take a row as a value: Postgres prints it as `name.*`."""
    table = context.live.parent(column)
    if table is None:
        return
    plain, quoted = re.escape(table.name[1]), re.escape(compose("{}", name(table.name[1])))
    row = re.compile(rf'(?<![\w$".])(?:{plain}|{quoted})\.\*')
    for part in context.live.children.get(table, ()):
        if part.kind in ("index", "constraint"):
            definition = context.old(part)
            text = definition["using"] if part.kind == "index" else definition["definition"]
            if definition.get("type") in (None, "check", "exclude") and row.search(str(text)):
                yield part


def _is_plain_sibling(dependent: FactId, fact: FactId, context: Context) -> bool:
    """A plain column of the same table: it does not mind."""
    return "generated" not in context.old(dependent) and context.live.parent(dependent) == context.live.parent(fact)
