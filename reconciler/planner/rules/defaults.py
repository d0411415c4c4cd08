"""Defaults of columns, of a table or a view. Pure: no I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, LiteralString

from reconciler.model.facts import TABLE_KINDS, FactId
from reconciler.model.plan import Stage
from reconciler.planner.columns.not_null import goes_first
from reconciler.planner.core.rule import Rule, StatementDraft, exclusive
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import Part, compose, name, raw
from reconciler.planner.strategies import recreate_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.planner.core.context import Context

__all__ = ["DefaultRule", "set_first"]


class DefaultRule(Rule):
    """What a column holds where a new row does not say."""

    kinds = ("default",)
    rank = 52
    unfold_priority = 1

    def implied_by_other_statement(self, fact: FactId, context: Context) -> bool:
        """One that goes first is set by the change of its column."""
        return goes_first(fact, context)

    def inline_into(self, fact: FactId, context: Context) -> FactId | None:
        column = FactId("column", fact.name)
        owner = context.goal.parent(column)
        if (
            owner is None
            or owner.kind not in TABLE_KINDS
            or (context.new(column).get("inherited") and owner not in context.decided.temporary_parents)
            or column in context.converting
        ):
            return None
        return column

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        yield _set(fact, context)

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        column = context.live.parent(fact)
        if column in context.drops and column not in context.converting and not recreate_table.calls_own(fact, context):
            return
        yield _change(fact, context, raw("DROP DEFAULT"))

    def in_place(self, fact: FactId, context: Context) -> bool:
        return True

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        return self.create(fact, (), context)


def set_first(default: FactId, context: Context) -> StatementDraft:
    """The default as it will be, before the plan's transaction."""
    return replace(_set(default, context), stage=Stage.BEFORE, brief=True)


def _set(default: FactId, context: Context) -> StatementDraft:
    return _change(default, context, raw(compose("SET DEFAULT {}", raw(str(context.new(default)["expression"])))))


def _change(fact: FactId, context: Context, action: Part) -> StatementDraft:
    owner = (context.goal if fact in context.goal else context.live).object_of(fact)
    template: LiteralString = "ALTER TABLE ONLY {} ALTER COLUMN {} {}"
    if owner.kind == "view":
        template = "ALTER VIEW {} ALTER COLUMN {} {}"
    return exclusive(compose(template, qualified(fact), name(fact.name[2]), action), owner)
