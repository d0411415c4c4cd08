"""Which columns are exchanged for one of another type, what keeps a column from it, and the new name. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model.facts import SATELLITE_KINDS, FactId
from reconciler.model.temporary_names import is_leftover
from reconciler.planner.columns.backfill import may_name_unsettled
from reconciler.planner.columns.given_values import changed_default, family, other_source_changes
from reconciler.planner.columns.hierarchy import inherited_from
from reconciler.planner.core import online, row_guards
from reconciler.planner.online.temporary_columns import child_tables, filling, hinted_value, is_large, replacement_name
from reconciler.planner.partitions import publications
from reconciler.planner.sql.casts import rewrites
from reconciler.planner.sql.quoting import compose, name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.planner.core.context import Context

__all__ = [
    "altered_to_keep_order",
    "becomes_required",
    "carried_along",
    "exchanged_before",
    "exchanged_name",
    "filling_of_changed",
    "is_on_exchanged",
    "is_swapped",
    "is_swapped_above",
    "moved_behind",
    "obstacle",
    "on_replacements",
    "swapped_columns",
]

_NEVER = frozenset({"generated", "virtual", "identity", "fdw_options", "inherited"})
_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|[A-Za-z_\x80-\uffff][\w$\x80-\uffff]*""")


def is_swapped(column: FactId, context: Context) -> bool:
    """Whether a new column is made in the column's place: mostly for a type that would rewrite a large table."""
    if column.kind != "column" or column not in context.live or column not in context.goal:
        return False
    if context.online is not None and context.online.keep_column_order:
        return column in kept_in_order(context.live.parent(column), context)
    return _wants_swap(column, context)


def kept_in_order(table: FactId | None, context: Context) -> Sequence[FactId]:
    """The columns that are exchanged where their order is kept: the first that changes its type, and all behind it.

    None where one of them cannot be exchanged, or a table that inherits them has other columns.
    """
    if table is None or table.kind != "table":
        return ()
    columns = [column for column in _ordered(table, context) if column in context.goal]
    first = next((place for place, column in enumerate(columns) if _wants_swap(column, context)), None)
    if first is None or not all(_may_be_exchanged(column, context) for column in columns[first:]):
        return ()
    names = [column.name[2] for column in columns]
    for child in child_tables(table, context):
        if [column.name[2] for column in _ordered(child, context) if column in context.goal] != names:
            return ()
    return columns[first:]


def _may_be_exchanged(column: FactId, context: Context) -> bool:
    """Whether the column can be exchanged though its type would not ask for it."""
    if "type" not in context.changed(column) and becomes_required(column, context):
        return False
    is_own = not context.old(column).get("inherited") and column not in context.intent.conversions
    return is_own and obstacle(column, context) is None


def altered_to_keep_order(context: Context) -> Iterable[FactId]:
    """The columns that are exchanged with one before them, changed or not, and those that inherit them."""
    if context.online is None or not context.online.keep_column_order:
        return
    tables = {context.live.parent(fact) for fact in context.alters if fact.kind == "column"}
    for table in sorted(each for each in tables if each is not None):
        for column in kept_in_order(table, context):
            yield from family(column, context)


def exchanged_before(column: FactId, context: Context) -> Sequence[FactId]:
    """The columns of the table that are exchanged and stand before this one, or before which a new one may not come."""
    table = context.live.parent(column) or context.goal.parent(column)
    if table is None or table not in context.live:
        return ()
    columns = _ordered(table, context)
    if column not in context.live and not (context.online is not None and context.online.keep_column_order):
        return ()
    if column in context.live:
        columns = columns[: columns.index(column)] if is_swapped(column, context) else []
    return [each for each in columns if each in context.alters and is_swapped(each, context)]


def moved_behind(column: FactId, context: Context) -> Sequence[FactId] | None:
    """The columns that stand behind an exchanged one and then before it; None where it is not exchanged."""
    table = context.live.parent(column)
    if table is None or not _is_exchanged(column, context):
        return None
    columns = _ordered(table, context)
    behind = columns[columns.index(column) + 1 :]
    return [each for each in behind if context.persists(each) and not _is_exchanged(each, context)]


def _is_exchanged(column: FactId, context: Context) -> bool:
    return column in context.alters and (is_swapped(column, context) or is_swapped_above(column, context))


def _ordered(table: FactId, context: Context) -> list[FactId]:
    """The live table's columns in their order."""
    return [FactId("column", (*table.name, found)) for found, _ in context.columns(table, context.live)]


def _wants_swap(column: FactId, context: Context) -> bool:
    """Whether a change of type would rewrite a large table, and can be made by a new column instead."""
    old, new = context.old(column), context.new(column)
    return (
        "type" in context.changed(column)
        and column not in context.intent.conversions  # the trigger that keeps it equal knows the usual casts alone
        and is_large(context.live.parent(column), context)
        and not old.get("inherited")
        and obstacle(column, context) is None
        and rewrites(str(old["type"]), str(new["type"]))
    )


def is_swapped_above(column: FactId, context: Context) -> bool:
    """Whether the column is exchanged together with the one of a parent that it comes from."""
    if not context.live.definition(column).get("inherited") or column not in context.alters:
        return False
    return any(
        is_swapped(above, context) or is_swapped_above(above, context)
        for above in inherited_from(column, context)
        if above in context.alters
    )


def obstacle(column: FactId, context: Context) -> str | None:
    """Why the column of a large table cannot be exchanged for one of another type; None where it can."""
    table = context.live.parent(column)
    assert table is not None
    if becomes_required(column, context) and not _is_missing_known(column, context):
        return "it becomes required, and what rows without a value get comes with the plan"
    children = [*child_tables(table, context)]
    everywhere = [column, *(FactId("column", (*child.name, column.name[2])) for child in children)]
    old = context.old(column)
    if context.changed(column) & _NEVER or "generated" in old or "of_type" in context.old(table):
        return "more than its type changes, or it is computed"
    if any(
        dependent.kind == "column" and "generated" in context.old(dependent)
        for each in everywhere
        for dependent in context.dependents.get(each, ())
    ):
        return "a generated column depends on it"
    if (reason := publications.why_not_hidden((table, *children), context)) is not None:
        return reason
    if (guarded := filling_of_changed(column, context).why_not) is not None:
        return guarded
    if not children and "partition_key" not in context.old(table):
        return None
    if "identity" in old:
        return "it is the identity of a table with partitions or children"
    keys = (str(context.old(each).get("partition_key", "")) for each in (table, *children))
    if any(column.name[2] in _names_in(key) for key in keys):
        return "it is in a partition key"
    if any(
        dependent.kind in ("index", "constraint", "statistics") and not is_leftover(dependent)
        for each in everywhere
        for state in (context.dependents, context.goal_dependents)
        for dependent in state.get(each, ())
    ):
        return "an index or constraint of a table with partitions or children is on it"
    if not all(
        _comes_along(each, child, column, context) for each, child in zip(everywhere[1:], children, strict=True)
    ):
        return "a child table overrides it"
    return None


def _is_missing_known(column: FactId, context: Context) -> bool:
    """Whether what a row without a value gets can be computed before the plan's transaction."""
    said = hinted_value(column, context)
    if other_source_changes(column, context) or (said is not None and may_name_unsettled(said, column, context)):
        return False
    default = changed_default(column, context)
    return default is None or default not in context.goal or online.is_ready(default, context, among=(column,))


def _comes_along(column: FactId, child: FactId, above: FactId, context: Context) -> bool:
    """Whether the column has all from the one of its one parent, and will."""
    links = [each for each in context.live.children.get(child, ()) if each.kind == "inheritance"]
    if child.kind != "table" or len(links) != 1 or not context.persists(links[0]) or not context.persists(child):
        return False
    if column not in context.live or column not in context.goal or column in context.intent.conversions:
        return False
    return all(
        bool(state(column).get("inherited")) and state(column).get(key) == state(above).get(key)
        for state in (context.old, context.new)
        for key in ("type", "not_null", "collation", "compression")
    )


def _names_in(text: str) -> set[str]:
    """All words of an expression that could be a column's name."""
    found = (token[0] for token in _TOKEN.finditer(text) if not token[0].startswith("'"))
    return {token[1:-1].replace('""', '"') if token.startswith('"') else token for token in found}


def filling_of_changed(column: FactId, context: Context) -> row_guards.Batching:
    """How the column that takes this one's place is filled."""
    table = context.live.parent(column)
    assert table is not None
    said = hinted_value(column, context) if becomes_required(column, context) else None
    return filling(table, context, said or "", firing=said is not None and column in context.intent.firing)


def carried_along(column: FactId, context: Context) -> Iterable[FactId]:
    """What goes with the old column and must be made again on the new one."""
    for dependent in context.dependents.get(column, ()):
        if dependent.kind in ("index", "constraint", "statistics", "owned_by"):
            yield dependent
    for child in context.live.children.get(column, ()):
        if child.kind in SATELLITE_KINDS or child.kind == "default":
            yield child


def exchanged_name(column: FactId, context: Context) -> str:
    """The name of the column that takes this one's place.

    Where the order is kept it stands for all that are exchanged, so that a run goes on only with columns in this order.
    """
    kind = str(context.new(column)["type"])
    if context.online is None or not context.online.keep_column_order:
        return replacement_name(column, kind)
    among = kept_in_order(context.live.parent(column), context)
    return replacement_name(
        column, "\0".join((kind, *(f"{each.name[2]} {context.new(each)['type']}" for each in among)))
    )


def becomes_required(column: FactId, context: Context) -> bool:
    """Whether it becomes NOT NULL."""
    return bool(context.new(column).get("not_null")) and not context.old(column).get("not_null")


def on_replacements(text: str, fact: FactId, context: Context) -> str:
    """The text of an index with the new columns in place of the old ones.

    A name that only looks like the column's (a function's, a type's) stays; were one taken for another, the proof would
    not end at the goal.
    """
    renamed = {column.name[2]: exchanged_name(column, context) for column in swapped_columns(fact, context)}

    def replaced(match: re.Match[str]) -> str:
        token = match[0]
        plain = token[1:-1].replace('""', '"') if token.startswith('"') else token
        before, after = text[: match.start()], text[match.end() :]
        if token.startswith("'") or plain not in renamed or before.endswith((".", "::")) or after.startswith("("):
            return token
        return compose("{}", name(renamed[plain]))

    return _TOKEN.sub(replaced, text) if renamed else text


def is_on_exchanged(index: FactId, context: Context) -> bool:
    """Whether the live index is on a column that is exchanged, and so goes with the old one."""
    return any(
        is_swapped(needed, context) or is_swapped_above(needed, context)
        for needed in context.live.dependencies.get(index, ())
        if needed in context.alters
    )


def swapped_columns(fact: FactId, context: Context) -> list[FactId]:
    """The columns that the fact needs and that are exchanged."""
    return [
        needed
        for needed in sorted(context.goal.dependencies.get(fact, ()))
        if needed in context.alters and is_swapped(needed, context)
    ]
