"""Columns keep their values while their type is dropped and recreated, if need be as text or JSON. Pure: no I/O.

Every type can write and read text. A composite value is converted by way of JSON, which has the names of its
attributes, so that these may change their order and types. It is read back through a temporary type with one attribute,
since only a record can be read from JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.hazards import hazards
from reconciler.model.facts import FactId
from reconciler.planner.core.nodes import Act, Node
from reconciler.planner.core.rule import StatementDraft, exclusive
from reconciler.planner.core.strategy import Strategy
from reconciler.planner.sql.object_names import object_phrase, qualified
from reconciler.planner.sql.quoting import Part, compose, name, raw

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from reconciler.model.facts import Definition
    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = ["ConvertColumns", "convert_to_interim_type", "convert_to_new_type"]

_SUFFIX = "__replaced"
_RENAMED = ("enum", "domain", "composite_type")
_RECORD = raw('pg_temp."reconciler_value"')


def _types_to_rename(context: Context) -> Iterable[FactId]:
    """The types that are renamed instead of dropped at once, so that a column of them is rewritten only once."""
    waiting = {
        needed
        for holder in (*context.converting, *_read_once_more(context))
        for needed in context.live.dependencies.get(holder, ())
        if _may_be_renamed(needed, context)
    }
    found: set[FactId] = set()
    while waiting:
        kind = waiting.pop()
        found.add(kind)
        waiting |= _dropped_needs(kind, context) - found
    return found


def _read_once_more(context: Context) -> Iterable[FactId]:
    """The renamed tables, which may be typed, and their columns: their values are read once more."""
    for table in context.decided.renamed_tables:
        yield table
        yield from (child for child in context.live.children.get(table, ()) if child.kind == "column")


def _dropped_needs(kind: FactId, context: Context) -> set[FactId]:
    """What is dropped in this plan although the type, or a constraint of it, needs it; a changed collation too."""
    parts = (kind, *context.live.children.get(kind, ()))
    needed = {each for part in parts for each in context.live.dependencies.get(part, ())}
    return {each for each in needed if each in context.drops or _is_recreated(each, context)} - {*parts}


def _is_recreated(fact: FactId, context: Context) -> bool:
    """Whether altering it means to drop and create it."""
    return fact.kind == "collation" and fact in context.alters


def _may_be_renamed(kind: FactId, context: Context) -> bool:
    """Whether the type can keep its values under another name: this must hold for all that it needs and that is
    dropped.
    """
    if kind.kind not in _RENAMED or kind not in context.drops or kind not in context.creates:
        return False
    return all(_may_be_renamed(each, context) for each in _dropped_needs(kind, context))


def _rename_away(kind: FactId, context: Context) -> Iterable[StatementDraft]:
    """Gives the old type a temporary name."""
    yield StatementDraft(
        sql=compose("ALTER {} RENAME TO {}", object_phrase(kind), name(_renamed(kind, context).name[1]))
    )


def _drop_renamed(kind: FactId, context: Context) -> Iterable[StatementDraft]:
    """Drops the old type when no column has it any more."""
    yield StatementDraft(sql=compose("DROP {}", object_phrase(_renamed(kind, context))))


def _renamed(kind: FactId, context: Context) -> FactId:
    return FactId(kind.kind, (kind.name[0], context.interim_name(kind.name[0], kind.name[1], _SUFFIX)))


def _converts_at_once(column: FactId, context: Context) -> bool:
    if column in context.decided.holding_rows_as_json:
        return False
    table = context.live.parent(column)
    needed = (context.live.dependencies.get(column, frozenset()) & context.drops) - {table}
    return needed <= context.decided.renamed_types


def convert_to_interim_type(column: FactId, table: FactId, context: Context) -> Iterable[StatementDraft]:
    """Makes the column text or JSON, unless its old type stays under a temporary name."""
    if _converts_at_once(column, context):
        return
    field = name(column.name[2])
    kind, value = raw("text"), raw(compose("{}::text", field))
    if _is_composite(column, context.live):
        kind, value = raw("json"), raw(compose("pg_catalog.to_json({})", field))
    using = raw(compose(" USING {}", value) if table.kind == "table" else "")
    text = compose("ALTER TABLE {} ALTER COLUMN {} TYPE {}{}", context.via(column), field, kind, using)
    hazard = hazards.rewrites(table, f"the type of {column} is recreated", context.sizes.get(table))
    yield exclusive(text, table, hazard)


def convert_to_new_type(column: FactId, table: FactId, context: Context) -> Iterable[StatementDraft]:
    """Gives the column the goal's type, and reads its values into it."""
    new, field = context.new(column), name(column.name[2])
    kind = raw(str(new["type"]))
    collate = raw(compose(" COLLATE {}", raw(str(new["collation"]))) if "collation" in new else "")
    by_record = _is_composite(column, context.live)
    at_once = _converts_at_once(column, context)
    arrays = _is_array(context.old(column)), _is_array(new)
    value = (
        _from_text(field, kind, arrays) if at_once or arrays[0] != arrays[1] else raw(compose("{}::{}", field, kind))
    )
    if by_record:
        yield StatementDraft(sql=compose("CREATE TYPE {} AS (value {})", _RECORD, kind))
        value = raw(
            compose(
                "(pg_catalog.json_populate_record(NULL::{}, pg_catalog.json_build_object('value', {}))).value",
                _RECORD,
                _json_of(raw(compose("pg_catalog.to_json({})", field)) if at_once else field, arrays),
            )
        )
    using = raw(compose(" USING {}", value) if table.kind == "table" else "")
    size = context.sizes.get(table)
    yield exclusive(
        compose("ALTER TABLE {} ALTER COLUMN {} TYPE {}{}{}", context.via(column), field, kind, collate, using),
        table,
        hazards.rewrites(table, f"{column} is converted to its new type", size),
        hazards.may_fail(column, f"fails if a value is no {new['type']} any more", size),
    )
    if by_record:
        yield StatementDraft(sql=compose("DROP TYPE {}", _RECORD))
    if "storage" in new:
        storage = raw(str(new["storage"]).upper())
        yield StatementDraft(
            sql=compose("ALTER TABLE {} ALTER COLUMN {} SET STORAGE {}", qualified(column), field, storage)
        )


def _is_array(definition: Definition) -> bool:
    return str(definition["type"]).endswith("[]")


def _from_text(field: Part, kind: Part, arrays: tuple[bool, bool]) -> Part:
    """The value by way of text. One that becomes an array is its element; an array of one element, that element."""
    if arrays == (False, True):
        return raw(compose("CASE WHEN {} IS NOT NULL THEN ARRAY[{}::text]::{} END", field, field, kind))
    if arrays == (True, False):
        texts = raw(compose("({}::text::text[])", field))
        single = raw(compose("pg_catalog.cardinality({}) = 1", texts))
        return raw(compose("CASE WHEN {} THEN {}[1] ELSE {}::text END::{}", single, texts, field, kind))
    return raw(compose("{}::text::{}", field, kind))


def _json_of(value: Part, arrays: tuple[bool, bool]) -> Part:
    """The same for JSON."""
    if arrays == (False, True):
        return raw(compose("CASE WHEN {} IS NOT NULL THEN pg_catalog.json_build_array({}) END", value, value))
    if arrays == (True, False):
        return raw(
            compose("CASE WHEN pg_catalog.json_array_length({}) = 1 THEN {} -> 0 ELSE {} END", value, value, value)
        )
    return value


def _is_composite(fact: FactId, state: Snapshot) -> bool:
    """Whether a value has attributes: its type, or one within it, is a composite one or a table's row type."""
    seen: set[FactId] = set()
    waiting = [fact]
    while waiting:
        for needed in state.dependencies.get(waiting.pop(), ()):
            if needed in seen or needed == state.parent(fact):
                continue
            seen.add(needed)
            if needed.kind in ("composite_type", "table", "view", "materialized_view", "foreign_table"):
                return True
            if needed.kind in ("domain", "range_type"):
                waiting.append(needed)
    return False


class ConvertColumns(Strategy):
    """Types that are recreated under columns: renamed out of the way, and dropped when no column has them."""

    def settle(self, context: Context) -> None:
        context.decided.renamed_types.update(_types_to_rename(context))

    def restored(self, context: Context) -> Collection[FactId]:
        return context.decided.renamed_types

    def ordered(self, context: Context) -> Iterable[tuple[Node, Node]]:
        for kind in context.decided.renamed_types:
            for dependent in context.dependents.get(kind, ()):
                if dependent in context.converting:
                    yield Node(Act.CREATE, dependent), Node(Act.RESTORE, kind)
                elif (owner := context.live.object_of(dependent)) in context.decided.renamed_types:
                    yield Node(Act.RESTORE, owner), Node(Act.RESTORE, kind)
            yield Node(Act.CREATE, kind), Node(Act.RESTORE, kind)

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft] | None:
        return _rename_away(fact, context) if fact in context.decided.renamed_types else None

    def restore(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        return _drop_renamed(fact, context) if fact in context.decided.renamed_types else ()
