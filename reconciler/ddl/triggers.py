"""Triggers, rewrite rules and row security policies. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler import hazards
from reconciler.ddl.migra import policy_statements
from reconciler.ddl.names import object_phrase, qualified
from reconciler.ddl.rule import Context, Draft, Rule
from reconciler.ddl.text import compose, name, raw
from reconciler.plan import Hazard, LockMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.snapshot import Definition, FactId

__all__ = ["PolicyRule", "RewriteRule", "TriggerRule"]


class _Switched(Rule):
    """What is created by the text that Postgres prints for it, and can be switched off."""

    word: str

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[Draft]:
        new = context.new(fact)
        yield self._draft(fact, context, str(new["definition"]).rstrip().removesuffix(";"))
        if "enabled" in new:
            yield self._switch(fact, context, str(new["enabled"]))

    def drop(self, fact: FactId, context: Context) -> Iterable[Draft]:
        yield self._draft(fact, context, compose("DROP {}", object_phrase(fact)))

    def in_place(self, fact: FactId, context: Context) -> bool:
        return not context.changed(fact) - {"enabled"}

    def alter(self, fact: FactId, context: Context) -> Iterable[Draft]:
        yield self._switch(fact, context, str(context.new(fact).get("enabled", "ENABLE")))

    def _switch(self, fact: FactId, context: Context, how: str) -> Draft:
        text = compose("ALTER TABLE {} {} {} {}", qualified(fact), raw(how), raw(self.word), name(fact.name[2]))
        return self._draft(fact, context, text)

    def _draft(self, fact: FactId, context: Context, text: str) -> Draft:
        table = (context.goal if fact in context.goal else context.live).parent(fact)
        return Draft(sql=text, lock=LockMode.SHARE_ROW_EXCLUSIVE, locks=table)


class TriggerRule(_Switched):
    """Triggers."""

    kinds = ("trigger",)
    rank = 70
    word = "TRIGGER"


class RewriteRule(_Switched):
    """Rewrite rules."""

    kinds = ("rule",)
    rank = 71
    word = "RULE"


class PolicyRule(Rule):
    """Row security policies."""

    kinds = ("policy",)
    rank = 72

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[Draft]:
        for text in policy_statements(fact, None, context.new(fact)):
            yield Draft(sql=text, lock=LockMode.ACCESS_EXCLUSIVE, locks=context.goal.parent(fact))

    def drop(self, fact: FactId, context: Context) -> Iterable[Draft]:
        found: tuple[Hazard, ...] = ()
        if fact not in context.creates and context.old(fact).get("restrictive"):
            found = (hazards.opens_access(fact, "a restrictive policy goes: more rows are visible"),)
        for text in policy_statements(fact, context.old(fact), None):
            yield Draft(sql=text, hazards=found, lock=LockMode.ACCESS_EXCLUSIVE, locks=context.live.parent(fact))

    def claims(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield ("policy", *fact.name)
