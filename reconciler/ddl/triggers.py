"""Triggers, rewrite rules and row security policies. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from reconciler.ddl.migra import policy_statements
from reconciler.ddl.names import object_phrase, qualified
from reconciler.ddl.rule import Context, Draft, Rule
from reconciler.ddl.text import compose, joined, name, raw, role
from reconciler.hazards import hazards
from reconciler.plan import LockMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.hazards.kinds import Hazard
    from reconciler.snapshot import Definition, FactId

__all__ = ["PolicyRule", "RewriteRule", "TriggerRule"]


class _Switched(Rule):
    """What is created by the text that Postgres prints for it, and can be switched off."""

    word: str
    # Whether CREATE OR REPLACE also switches it on again.
    switches_on: bool

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[Draft]:
        new = context.new(fact)
        yield self._draft(fact, context, str(new["definition"]).rstrip().removesuffix(";"))
        if "enabled" in new:
            yield self._switch(fact, context, str(new["enabled"]))

    def drop(self, fact: FactId, context: Context) -> Iterable[Draft]:
        yield self._draft(fact, context, compose("DROP {}", object_phrase(fact)))

    def in_place(self, fact: FactId, context: Context) -> bool:
        return True

    def alter(self, fact: FactId, context: Context) -> Iterable[Draft]:
        changed, new = context.changed(fact), context.new(fact)
        replaces = "definition" in changed
        if replaces:
            text = str(new["definition"]).rstrip().removesuffix(";").removeprefix("CREATE ")
            yield self._draft(fact, context, compose("CREATE OR REPLACE {}", raw(text)))
        if ("enabled" in new) if replaces and self.switches_on else "enabled" in changed:
            yield self._switch(fact, context, str(new.get("enabled", "ENABLE")))

    def _switch(self, fact: FactId, context: Context, how: str) -> Draft:
        text = compose("ALTER TABLE {} {} {} {}", qualified(fact), raw(how), raw(self.word), name(fact.name[2]))
        return self._draft(fact, context, text)

    def _draft(self, fact: FactId, context: Context, text: str) -> Draft:
        table = (context.goal if fact in context.goal else context.live).parent(fact)
        return Draft(sql=text, lock=LockMode.SHARE_ROW_EXCLUSIVE, locks=table)


class TriggerRule(_Switched):
    """Triggers. Postgres replaces all but constraint triggers."""

    kinds = ("trigger",)
    rank = 70
    word = "TRIGGER"
    switches_on = True

    def in_place(self, fact: FactId, context: Context) -> bool:
        texts = (str(state["definition"]) for state in (context.old(fact), context.new(fact)))
        return "definition" not in context.changed(fact) or not any(text.startswith("CREATE CONST") for text in texts)


class RewriteRule(_Switched):
    """Rewrite rules."""

    kinds = ("rule",)
    rank = 71
    word = "RULE"
    switches_on = False


class PolicyRule(Rule):
    """Row security policies."""

    kinds = ("policy",)
    rank = 72

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[Draft]:
        for text in policy_statements(fact, None, context.new(fact)):
            yield Draft(sql=text, lock=LockMode.ACCESS_EXCLUSIVE, locks=context.goal.parent(fact))

    def in_place(self, fact: FactId, context: Context) -> bool:
        """ALTER POLICY sets roles and expressions, but cannot take an expression away."""
        old, new = context.old(fact), context.new(fact)
        return context.changed(fact) <= {"roles", "using", "check"} and new.keys() >= old.keys()

    def alter(self, fact: FactId, context: Context) -> Iterable[Draft]:
        new, changed = context.new(fact), context.changed(fact)
        parts = [compose("ALTER {}", object_phrase(fact))]
        if "roles" in changed:
            parts.append(compose("TO {}", joined([role(member) for member in cast("list[str]", new["roles"])])))
        if "using" in changed:
            parts.append(compose("USING ({})", raw(str(new["using"]))))
        if "check" in changed:
            parts.append(compose("WITH CHECK ({})", raw(str(new["check"]))))
        hazard = hazards.opens_access(fact, "the policy changes: other rows or roles may see or write")
        text = " ".join(parts)
        yield Draft(sql=text, hazards=(hazard,), lock=LockMode.ACCESS_EXCLUSIVE, locks=context.goal.parent(fact))

    def drop(self, fact: FactId, context: Context) -> Iterable[Draft]:
        found: tuple[Hazard, ...] = ()
        if fact not in context.creates and context.old(fact).get("restrictive"):
            found = (hazards.opens_access(fact, "a restrictive policy goes: more rows are visible"),)
        for text in policy_statements(fact, context.old(fact), None):
            yield Draft(sql=text, hazards=found, lock=LockMode.ACCESS_EXCLUSIVE, locks=context.live.parent(fact))

    def claims(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield ("policy", *fact.name)
