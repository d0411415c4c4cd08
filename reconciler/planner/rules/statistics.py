"""Extended statistics. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from reconciler.planner.core.rule import Rule, StatementDraft
from reconciler.planner.sql.object_names import object_phrase, qualified
from reconciler.planner.sql.quoting import Part, compose, joined, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import Definition, FactId
    from reconciler.planner.core.context import Context

__all__ = ["StatisticsRule"]


class StatisticsRule(Rule):
    """Extended statistics: only their target changes in place."""

    kinds = ("statistics",)
    rank = 65

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        new = context.new(fact)
        kinds = joined([raw(kind) for kind in cast("list[str]", new.get("kinds", []))])
        parts: list[Part] = [name(column) for column in cast("list[str]", new.get("columns", []))]
        parts += [raw(f"({expression})") for expression in cast("list[str]", new.get("expressions", []))]
        which = raw(compose(" ({})", kinds) if "kinds" in new else "")
        table = raw(str(new["table"]))
        yield StatementDraft(
            sql=compose("CREATE STATISTICS {}{} ON {} FROM {}", qualified(fact), which, joined(parts), table)
        )
        if "target" in new:
            yield self._target(fact, context)

    def in_place(self, fact: FactId, context: Context) -> bool:
        return context.changed(fact) <= {"target"}

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        yield self._target(fact, context)

    def _target(self, fact: FactId, context: Context) -> StatementDraft:
        target = raw(str(context.new(fact).get("target", -1)))
        return StatementDraft(sql=compose("ALTER {} SET STATISTICS {}", object_phrase(fact), target))

    def unique_names(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield ("statistics", *fact.name)
