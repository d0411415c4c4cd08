"""A column as SQL has it: its clause, its type, the settings that no clause can say. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from reconciler.model.plan import LockMode
from reconciler.planner.columns.hierarchy import parents_columns
from reconciler.planner.columns.identity import short_identity_clause
from reconciler.planner.columns.not_null import not_null_clause
from reconciler.planner.core.rule import StatementDraft
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.options import changed_options, foreign_options
from reconciler.planner.sql.quoting import Part, compose, joined, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model.facts import Definition, FactId
    from reconciler.planner.core.context import Context

__all__ = [
    "column_clause",
    "column_kind",
    "column_settings",
    "settings_lost_with_type",
    "view_column_settings",
]


def column_clause(
    column: FactId,
    default: Definition | None,
    context: Context,
    *,
    typed: bool = False,
    nullable: bool = False,
    identity_later: bool = False,
) -> Part | None:
    """A column as CREATE TABLE and ADD COLUMN take it, `nullable` until its rows are backfilled.

    One whose rows are assigned numbers first is an identity only later. None where the table has it from elsewhere.
    """
    definition = context.new(column)
    table = context.goal.parent(column)
    links = [link for link in context.goal.children.get(table, ()) if link.kind == "inheritance"] if table else []
    attaches = any("bound" in context.new(link) for link in links)
    if definition.get("inherited") and links and not attaches and table not in context.decided.temporary_parents:
        return None
    parts: list[Part] = [name(column.name[2])]
    if not typed:
        parts.append(raw(str(definition["type"])))
        if "compression" in definition:
            parts.append(raw(compose("COMPRESSION {}", raw(str(definition["compression"])))))
        if "fdw_options" in definition:
            options = cast("list[str]", definition["fdw_options"])
            hidden = context.goal.secrets.get(column, {})
            parts.append(raw(compose("OPTIONS ({})", foreign_options(options, hidden, context))))
        if "collation" in definition:
            parts.append(raw(compose("COLLATE {}", raw(str(definition["collation"])))))
    extra: list[Part] = []
    if default is not None:
        extra.append(raw(compose("DEFAULT {}", raw(str(default["expression"])))))
    if "generated" in definition and (attaches or not _takes_expression(column, table, context)):
        kind = raw("VIRTUAL" if definition.get("virtual") else "STORED")
        extra.append(raw(compose("GENERATED ALWAYS AS ({}) {}", raw(str(definition["generated"])), kind)))
    later = identity_later or (attaches and definition.get("inherited") and context.version >= 170000)
    if "identity" in definition and not later:
        extra.append(short_identity_clause(column, cast("Definition", definition["identity"])))
    if not nullable and (required := not_null_clause(column, context)) is not None:
        extra.append(required)
    if typed and not extra:
        return None
    return joined([*parts, *([raw("WITH OPTIONS")] if typed else []), *extra], " ")


def _takes_expression(column: FactId, table: FactId | None, context: Context) -> bool:
    """Whether a new table has from a parent how its own column is computed, and must not say so before 16."""
    return (
        context.version < 160000
        and table in context.creates
        and any("generated" in context.new(above) for above in parents_columns(column, context))
    )


def column_kind(definition: Definition) -> Part:
    """The column's type with its compression and collation."""
    parts = [raw(str(definition["type"]))]
    if "compression" in definition:
        parts.append(raw(compose("COMPRESSION {}", raw(str(definition["compression"])))))
    if "collation" in definition:
        parts.append(raw(compose("COLLATE {}", raw(str(definition["collation"])))))
    return joined(parts, " ")


def column_settings(column: FactId, old: Definition, new: Definition) -> Iterable[StatementDraft]:
    """Statements for what CREATE TABLE cannot say: storage, statistics target, options."""
    alter = raw(compose("ALTER TABLE ONLY {} ALTER COLUMN {}", qualified(column), name(column.name[2])))
    texts: list[str] = []
    # Another type brings its own storage along. SET STORAGE DEFAULT is known since 16 only.
    held = old.get("storage") if old.get("type") == new.get("type") else None
    if held != new.get("storage"):
        texts.append(compose("{} SET STORAGE {}", alter, raw(str(new.get("storage") or old["storage_usual"]).upper())))
    if old.get("statistics") != new.get("statistics"):
        texts.append(compose("{} SET STATISTICS {}", alter, raw(str(new.get("statistics", -1)))))
    if old.get("options") != new.get("options"):
        before, after = (cast("list[str]", definition.get("options") or []) for definition in (old, new))
        texts += changed_options(alter, before, after)
    for text in texts:
        yield StatementDraft(sql=text, lock=LockMode.SHARE_UPDATE_EXCLUSIVE)


def view_column_settings(column: FactId, old: Definition, new: Definition) -> Iterable[StatementDraft]:
    """What a materialized view's query cannot say of a column."""
    yield from column_settings(column, old, new)
    if old.get("compression") != new.get("compression"):
        method = raw(str(new.get("compression", "default")))
        text = compose(
            "ALTER TABLE {} ALTER COLUMN {} SET COMPRESSION {}", qualified(column), name(column.name[2]), method
        )
        yield StatementDraft(sql=text, lock=LockMode.ACCESS_EXCLUSIVE)


def settings_lost_with_type(column: FactId, new: Definition) -> Iterable[StatementDraft]:
    """A type brings its own storage and compression: what the column has of its own is set again after a conversion."""
    alter = raw(compose("ALTER TABLE ONLY {} ALTER COLUMN {}", qualified(column), name(column.name[2])))
    for key in ("compression", "storage"):
        if key in new:
            text = compose("{} SET {} {}", alter, raw(key.upper()), raw(str(new[key])))
            yield StatementDraft(sql=text, lock=LockMode.ACCESS_EXCLUSIVE)
