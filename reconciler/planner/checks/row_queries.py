"""The rows of a table as a check asks for them, and whether the plan leaves them as they are. Pure: no I/O.

A check must never stop a plan that would succeed. So none is made where the plan itself changes the rows or what is
asked of them (a column that is backfilled, converted or recreated, a partition that is added or dropped, a function
that is replaced), nor where the text that Postgres printed could have another meaning. Then only the statement itself
shows it.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from reconciler.model.facts import ROUTINE_KINDS, FactId
from reconciler.planner.sql.quoting import Part, compose, joined, literal, name, raw
from reconciler.sqltext.lexer import lexemes
from reconciler.sqltext.printed_lists import bracketed, elements

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.planner.core.context import Context

__all__ = [
    "REMOVE_OR_CHANGE",
    "field",
    "is_backfilled",
    "is_understood",
    "links_below",
    "named",
    "new_values",
    "plain_name",
    "rows",
    "rows_stay",
    "says_old_names",
    "select",
    "stays",
]

# What may change of a column without another value in any row.
_HARMLESS = frozenset(
    {"not_null", "not_null_constraint", "statistics", "storage", "storage_usual", "options", "compression", "identity",
     "inherited"}
)  # fmt: skip
# Whose names are in no expression, or are given again by `rows`.
_INERT = frozenset(
    {"table", "column", "constraint", "index", "sequence", "trigger", "policy", "rule", "view", "materialized_view",
     "statistics"}
)  # fmt: skip
# Types that may have a default of their own.
_WITH_DEFAULTS = frozenset({"domain", "base_type", "extension"})
# The last words of types that take a modifier, in parentheses.
_MODIFIED = frozenset({"varying", "character", "numeric", "bit", "time", "timestamp", "interval"})
_NOTHING: Mapping[str, str] = MappingProxyType({})
REMOVE_OR_CHANGE = "change or remove these rows first"


# --- which rows, and how they are named -------------------------------------------------------------------------------


def rows(table: FactId, context: Context, *, only: bool = False, added: Mapping[str, str] = _NOTHING) -> Part:
    """The table of the plan as an item of FROM, also where live still has it, or a column, under another name.

    `added` are new columns, with the expressions of what they will hold in the rows that are there.
    """
    word = raw("ONLY " if only else "")
    was = context.names_before_renames.get(table, table)
    columns = [fact for fact in context.live.children.get(table, ()) if fact.kind == "column"]
    olds = {fact: context.names_before_renames.get(fact, fact).name[-1] for fact in columns}
    if was == table and not added and all(old == fact.name[2] for fact, old in olds.items()):
        return raw(compose("{}{}", word, name(*table.name)))
    listed: list[Part] = [raw("tableoid"), raw("ctid")]
    listed += [raw(compose("{} AS {}", name(old), name(fact.name[2]))) for fact, old in olds.items()]
    listed += [raw(compose("{} AS {}", raw(value), name(column))) for column, value in added.items()]
    return raw(compose("(SELECT {} FROM {}{}) AS {}", joined(listed), word, name(*was.name), name(table.name[1])))


def field(table: FactId, column: str) -> Part:
    """A column of the table, where `rows` gives its rows."""
    return name(table.name[1], column)


def named(table: FactId, context: Context) -> Part:
    """A text that names a row: its primary key, or where it lies. No cast is called, which could be anybody's."""
    keys = _primary_key(table, context)
    if not keys:
        place = [literal("ctid "), field(table, "ctid")]
        if "partition_key" in context.live.definition(table):
            place = [raw(compose("{}::pg_catalog.regclass", field(table, "tableoid"))), literal(" "), *place]
        return raw(compose("pg_catalog.concat({})", joined(place)))
    parts: list[Part] = []
    for position, key in enumerate(keys):
        parts += [literal(f"{', ' if position else ''}{key} = "), field(table, key)]
    return raw(compose("pg_catalog.concat({})", joined(parts)))


def _primary_key(table: FactId, context: Context) -> list[str]:
    for fact in context.live.children.get(table, ()):
        if fact.kind == "constraint" and context.old(fact)["type"] == "primary_key":
            found = bracketed(str(context.old(fact)["definition"]))
            columns = [plain_name(text) for text in elements(found[0])] if found else []
            if all(FactId("column", (*table.name, column)) in context.live for column in columns):
                return columns
    return []


def plain_name(text: str) -> str:
    """The name that stands in a list of columns, without its quotes."""
    return text[1:-1].replace('""', '"') if text.startswith('"') else text


def select(
    table: FactId, condition: Part, context: Context, *, only: bool = False, added: Mapping[str, str] = _NOTHING
) -> str:
    source = rows(table, context, only=only, added=added)
    return compose("SELECT {} FROM {} WHERE {}", named(table, context), source, condition)


def new_values(columns: Iterable[FactId], context: Context) -> dict[str, str]:
    """What those of the columns that the plan adds hold in the rows that are there: a constant default, or NULL.

    A column of which that cannot be told is left out.
    """
    found: dict[str, str] = {}
    for column in columns:
        if column.kind != "column" or column in context.live or column not in context.goal:
            continue
        definition, default = context.new(column), FactId("default", column.name)
        value = str(context.new(default)["expression"]) if default in context.goal else "NULL"
        needed = {*context.goal.dependencies.get(column, ()), *context.goal.dependencies.get(default, ())}
        unsettled = any(context.touches(each) for each in needed - {column, default})
        typed = any(each.kind in _WITH_DEFAULTS for each in needed) and default not in context.goal
        if definition.keys() & {"generated", "identity"} or unsettled or typed or not _is_constant(value):
            continue
        found[column.name[2]] = f"({value})::{definition['type']}"
    return found


def _is_constant(expression: str) -> bool:
    """Whether it calls nothing: a word before a parenthesis can only be that of a type with a modifier."""
    before = ""
    for token in lexemes(expression):
        if token.text == "(" and before and before not in _MODIFIED:
            return False
        before = token.keyword.lower() if token.kind == "word" else ""
    return True


# --- when rows are what they will be ----------------------------------------------------------------------------------


def rows_stay(table: FactId | None, context: Context) -> bool:
    """Whether the statement will meet the rows that live has now, and as they are."""
    if table is None or table.kind != "table" or not context.persists(table):
        return False
    if is_backfilled(table, context):
        return False
    links = [each for each in context.live.children.get(table, ()) if each.kind == "inheritance"]
    # A table that leaves its parent takes its rows with it.
    links = [each for each in links if each in context.goal or each in context.decided.rerouted]
    waiting = [table]
    while waiting:
        below = links_below(waiting.pop(), context)
        links += below
        waiting += [FactId("table", each.name[:2]) for each in below]
    if any(map(context.touches, links)):
        return False
    # What is attached brings rows along, unless it is new itself.
    return all(
        FactId("table", each.name[:2]) in context.creates and FactId("table", each.name[:2]) not in context.live
        for each in context.new_links.get(table.name, ())
    )


def links_below(table: FactId, context: Context) -> list[FactId]:
    """The links of the tables that are partitions of this one in live, or inherit from it."""
    found = context.dependents.get(table, ())
    return [each for each in found if each.kind == "inheritance" and each.name[2:] == table.name]


def is_backfilled(table: FactId, context: Context) -> bool:
    """Whether the plan gives the column a value."""
    return any(column.name[:2] == table.name for column in context.intent.backfills)


def stays(column: FactId, context: Context) -> bool:
    """Whether each row keeps its value of the column."""
    if not context.persists(column):
        return False
    return column not in context.alters or context.changed(column) <= _HARMLESS


def says_old_names(context: Context) -> bool:
    """Whether an expression may name what is called otherwise in the database until the plan's renames are made."""
    return any(rename.new.kind not in _INERT for rename in context.intent.renames)


def is_understood(fact: FactId, context: Context, added: Mapping[str, str] = _NOTHING) -> bool:
    """Whether live already has all that the fact's definition speaks of, with the same meaning, beside what is `added`
    to its table."""
    if says_old_names(context):
        return False
    calls = False
    for needed in context.goal.dependencies.get(fact, ()):
        match needed.kind:
            case "constraint" | "index":
                continue
            case "table":
                if not context.persists(needed):
                    return False
            case "column":
                if not stays(needed, context) and not (needed.name[:2] == fact.name[:2] and needed.name[2] in added):
                    return False
            case _:
                calls = calls or needed.kind in ROUTINE_KINDS or needed.kind == "operator"
                if context.touches(needed):
                    return False
    # A function may call others, or look at other tables: nothing says so.
    return not calls or not (context.intent.backfills or context.touches_routines)
