"""Columns: what becomes of each, and by whose statement. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString, cast

from reconciler.hazards import hazards
from reconciler.model.facts import TABLE_KINDS, FactId
from reconciler.model.plan import Stage
from reconciler.model.temporary_names import is_leftover
from reconciler.planner.checks import constraint_checks
from reconciler.planner.columns.backfill import backfilled
from reconciler.planner.columns.clauses import column_settings, view_column_settings
from reconciler.planner.columns.hierarchy import (
    brought_by,
    follows_alteration,
    inherited_from,
    inheriting,
    is_declared_otherwise,
)
from reconciler.planner.columns.identity import change_identity, narrows_identity
from reconciler.planner.columns.not_null import (
    change_not_null,
    is_lifted,
    is_required,
    is_required_late,
    lifted,
    not_null_claims,
    put_back,
)
from reconciler.planner.core.rule import Rule, StatementDraft, exclusive
from reconciler.planner.online import exchanged_columns
from reconciler.planner.rules.column_types import (
    change_type,
    disturbed_by_type_change,
    exchanged,
    has_storage_of_type,
    type_checks,
)
from reconciler.planner.rules.first_values import given_at_the_end, given_first
from reconciler.planner.rules.generated_columns import (
    becomes_plain,
    drop_expression,
    made_plain,
    set_expression,
    takes_expression,
)
from reconciler.planner.rules.new_columns import added, checks_of_new
from reconciler.planner.sql.casts import same_family
from reconciler.planner.sql.object_names import qualified, split_name
from reconciler.planner.sql.options import changed_foreign_options
from reconciler.planner.sql.quoting import compose, name, raw
from reconciler.planner.strategies.convert_columns import convert_to_interim_type, convert_to_new_type
from reconciler.planner.strategies.typed_tables import follows_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.checks import Check
    from reconciler.model.facts import Definition
    from reconciler.planner.core.context import Context

__all__ = ["ColumnRule"]

_TYPES = ("enum", "domain", "composite_type", "range_type", "base_type")


class ColumnRule(Rule):
    """Columns of tables; those of views and composite types follow from them."""

    kinds = ("column",)
    rank = 35
    unfold_priority = 4

    def implied_by_other_statement(self, fact: FactId, context: Context) -> bool:
        if not self._is_table_column(fact, context):
            owner = context.goal.parent(fact)
            return owner is None or owner.kind != "materialized_view" or fact not in context.alters
        state = context.goal if fact in context.goal else context.live
        definition = state.definition(fact)
        if fact in context.converting:
            return any(parent in context.converting for parent in inherited_from(fact, context))
        if fact not in context.alters and follows_type(fact, context):
            return True
        if brought_by(fact, context):
            return False
        return bool(definition.get("inherited")) and any(
            parent in context.creates or parent in context.drops for parent in inherited_from(fact, context)
        )

    def after_create_of(self, fact: FactId, context: Context) -> Iterable[FactId]:
        """A parent brings its columns, but for those that the table declares, too (`inheriting.ordered`)."""
        if fact in context.alters or context.new(fact).get("inherited"):
            yield from inherited_from(fact, context)
        yield from exchanged_columns.exchanged_before(fact, context)

    def _is_table_column(self, fact: FactId, context: Context) -> bool:
        owner = context.goal.parent(fact) or context.live.parent(fact)
        return owner is not None and owner.kind in TABLE_KINDS

    def inline_into(self, fact: FactId, context: Context) -> FactId | None:
        return context.goal.parent(fact)

    def converts_values_while_recreating(self, fact: FactId, dropped: FactId, context: Context) -> bool:
        """Values become text or JSON meanwhile, unless they are computed or their table is dropped."""
        table = context.live.parent(fact)
        is_type = dropped.kind in _TYPES or (dropped.kind == "table" and dropped != table)
        return (
            (is_type or dropped.kind == "extension")
            and (dropped in context.goal or (is_type and _is_another_kind(dropped, context)))
            and fact in context.goal
            and table is not None
            and table.kind in TABLE_KINDS
            and table not in context.drops
            and not _cuts_partitions(fact, context)
            and "generated" not in context.old(fact)
            and "generated" not in context.new(fact)
        )

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        if fact in context.converting:
            table = context.goal.parent(fact)
            assert table is not None
            yield from convert_to_new_type(fact, table, context)
            yield from self.alter(fact, context)
            return
        default = next((context.new(member) for member in folded if member.kind == "default"), None)
        yield from added(fact, default, context)

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        table = context.live.parent(fact)
        size = context.sizes.get(table) if table is not None else None
        if fact in context.converting and table is not None:
            yield from convert_to_interim_type(fact, table, context)
            return
        above = [each for each in inherited_from(fact, context) if each in context.drops]
        if context.old(fact).get("inherited") and any(not _goes_alone(each, context) for each in above):
            return
        computed = "generated" in context.old(fact)
        template: LiteralString = "ALTER TABLE {} DROP COLUMN {}"
        if _goes_alone(fact, context):
            template = "ALTER TABLE ONLY {} DROP COLUMN {}"  # the child keeps it, as its own
        found = () if computed or is_leftover(fact) else (hazards.loses_column(fact, size),)
        yield exclusive(compose(template, qualified(fact), name(fact.name[2])), table, *found)

    def in_place(self, fact: FactId, context: Context) -> bool:
        if not self._is_table_column(fact, context):
            return not self._view_must_go(fact, context)
        if is_declared_otherwise(fact, context):
            return False
        if context.changed(fact) & {"type", "collation"} and _cuts_partitions(fact, context):
            return False
        return takes_expression(fact, context)

    def _view_must_go(self, fact: FactId, context: Context) -> bool:
        view = context.live.parent(fact)
        return (
            view is not None and view.kind != "composite_type" and bool(context.changed(fact) & {"type", "collation"})
        )

    def replaced(self, fact: FactId, context: Context) -> FactId:
        relation = context.live.parent(fact)
        is_whole = not self._is_table_column(fact, context) or is_declared_otherwise(fact, context)
        is_whole = is_whole or _cuts_partitions(fact, context)
        return relation if relation is not None and is_whole else fact

    def must_recreate_with(self, fact: FactId, dropped: FactId, context: Context) -> bool:
        """A column of a dropped type is converted by the type's own statement, not dropped."""
        if dropped != context.live.parent(fact) and _cuts_partitions(fact, context):
            return True
        return not self._is_table_column(fact, context) or "generated" in context.old(fact)

    def recreate_around_alter(self, fact: FactId, context: Context) -> Iterable[FactId]:
        changed = context.changed(fact)
        swapped = exchanged_columns.is_swapped(fact, context) or exchanged_columns.is_swapped_above(fact, context)
        if not (swapped or changed & {"type", "collation", "generated"}) or not self._is_table_column(fact, context):
            return
        old, new = str(context.old(fact)["type"]), str(context.new(fact)["type"])
        default = FactId("default", fact.name)
        if becomes_plain(fact, context):
            yield from exchanged_columns.carried_along(fact, context)
            yield from disturbed_by_type_change(fact, context, same_family=False)
            return
        if swapped:
            yield from exchanged_columns.carried_along(fact, context)
        said = fact in context.intent.conversions
        if default in context.live and (said or not same_family(old, new)):
            yield default
        yield from disturbed_by_type_change(fact, context, same_family=same_family(old, new))

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        old, new, changed = context.old(fact), context.new(fact), context.changed(fact)
        table = context.goal.parent(fact)
        assert table is not None
        alter = raw(compose("ALTER TABLE {} ALTER COLUMN {}", context.via(fact), name(fact.name[2])))
        if table.kind == "materialized_view":
            yield from view_column_settings(fact, old, new)
            return
        if becomes_plain(fact, context):
            yield from made_plain(fact, alter, context)
            return
        if exchanged_columns.is_swapped(fact, context):
            yield from exchanged(fact, context)
            return
        if exchanged_columns.is_swapped_above(fact, context):
            yield from column_settings(fact, {}, new)
            return
        if "identity" in old and "identity" not in new:
            yield exclusive(compose("{} DROP IDENTITY", alter), table)
        if "generated" in old and "generated" not in new:
            yield from drop_expression(fact, alter, context)
        narrows = narrows_identity(fact, context)
        if narrows and "identity" in changed:
            yield from change_identity(fact, alter, context)
        if changed & {"type", "collation"}:
            if not (follows_alteration(fact, context) or fact in context.converting or follows_type(fact, context)):
                yield from lifted(fact, context)
                yield change_type(fact, alter, context)
                yield from put_back(fact, context)
            # A new type brings its own storage and compression.
            old = {key: value for key, value in old.items() if key not in ("storage", "compression")}
            changed = (changed - {"storage", "compression"}) | ({"compression"} & new.keys())
        if "generated" in changed and "generated" in new:
            yield from set_expression(fact, alter, context)
        if changed & {"not_null", "not_null_constraint"} and not is_lifted(fact, context):
            yield from _change_not_null(fact, context)
        if "identity" in new and "identity" in changed and not narrows:
            yield from change_identity(fact, alter, context)
        if "compression" in changed:
            method = raw(str(new.get("compression", "default")))
            yield exclusive(compose("{} SET COMPRESSION {}", alter, method), table)
        if "fdw_options" in changed or context.has_new_secrets(fact):
            yield _change_foreign_options(fact, table, context)
        if "storage" not in new and has_storage_of_type(fact, context):
            old = {key: value for key, value in old.items() if key != "storage"}
        yield from column_settings(fact, old, new)

    def checks(self, fact: FactId, context: Context) -> Iterable[Check]:
        table = context.goal.parent(fact)
        if table is None or table.kind != "table" or fact in context.converting:
            return
        if fact in context.creates:
            yield from checks_of_new(fact, context)
            return
        yield from type_checks(fact, context)
        gets_required = is_required(context.new(fact)) and not is_required(context.old(fact))
        if gets_required and fact not in context.intent.backfills:
            yield from constraint_checks.missing_values(fact, context)

    def unique_names(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        identity = cast("Definition | None", definition.get("identity"))
        if identity is not None:
            yield ("relation", *split_name(str(identity["sequence"])))
        yield from not_null_claims(fact, definition)


def _change_not_null(column: FactId, context: Context) -> Iterable[StatementDraft]:
    """NOT NULL as it is to be, with the values that rows without one get first."""
    old, new = context.old(column), context.new(column)
    comes = new.get("not_null") and not old.get("not_null")
    late = is_required_late(column, context)
    fills = [*backfilled(column, context, only_missing=True, late=late)] if comes else []
    yield from given_first(column, context)
    yield from fills
    for each in change_not_null(column, context):
        yield each
        if each.stage is Stage.BEFORE and each.brief:  # what was written before the CHECK was there
            yield from fills
    yield from given_at_the_end(column, context)


def _change_foreign_options(column: FactId, table: FactId, context: Context) -> StatementDraft:
    states = context.old(column), context.new(column)
    before, after = (cast("list[str]", state.get("fdw_options") or []) for state in states)
    hidden = (context.live.secrets.get(column, {}), context.goal.secrets.get(column, {}))
    options = changed_foreign_options(before, after, *hidden, context)
    template: LiteralString = "ALTER FOREIGN TABLE {} ALTER COLUMN {} OPTIONS ({})"
    return exclusive(compose(template, qualified(column), name(column.name[2]), options), table)


def _goes_alone(column: FactId, context: Context) -> bool:
    """Whether a child keeps the column when it goes from its parent."""
    children = inheriting(column, context)
    return any(context.persists(child) and not _has_left(child, column, context) for child in children)


def _has_left(child: FactId, column: FactId, context: Context) -> bool:
    """Whether the table of `child` inherits no more when the parent's column goes."""
    return FactId("inheritance", (*child.name[:2], *column.name[:2])) in context.drops


def _cuts_partitions(column: FactId, context: Context) -> bool:
    """Whether the column is a part of its table's partition key, so that Postgres refuses another type."""
    return context.live.parent(column) in context.live.automatic.get(column, ())


def _is_another_kind(kind: FactId, context: Context) -> bool:
    """Whether a type of another kind takes the name of the one that goes: a domain an enum's."""
    return any(FactId(other, kind.name) in context.goal for other in (*_TYPES, "table"))
