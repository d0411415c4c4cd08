"""Triggers, rewrite rules and row security policies. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from reconciler.hazards import hazards
from reconciler.model.plan import LockMode
from reconciler.planner.core.rule import Rule, StatementDraft, exclusive
from reconciler.planner.partitions.tree import tree
from reconciler.planner.partitions.trigger_state import above, parts_of, switch, switched_again, switching
from reconciler.planner.sql.migra import policy_statements
from reconciler.planner.sql.object_names import object_phrase
from reconciler.planner.sql.quoting import compose, joined, raw, role

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import Definition, FactId
    from reconciler.model.hazards import Hazard
    from reconciler.planner.core.context import Context

__all__ = ["PartitionTriggerRule", "PolicyRule", "RewriteRule", "TriggerRule"]


class _Switched(Rule):
    """What is created by the text that Postgres prints for it, and can be switched off."""

    word: str
    # Whether CREATE OR REPLACE also switches it on again.
    switches_on: bool
    # Under which it is created, replaced and switched.
    lock: LockMode

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        new = context.new(fact)
        yield self._draft(fact, context, str(new["definition"]).rstrip().removesuffix(";"))
        if "enabled" in new:
            yield self._switch(fact, context, str(new["enabled"]))

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        yield exclusive(compose("DROP {}", object_phrase(fact)), context.live.parent(fact))

    def in_place(self, fact: FactId, context: Context) -> bool:
        return True

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        changed, new = context.changed(fact), context.new(fact)
        replaces = "definition" in changed
        if replaces:
            text = str(new["definition"]).rstrip().removesuffix(";").removeprefix("CREATE ")
            yield self._draft(fact, context, compose("CREATE OR REPLACE {}", raw(text)))
        if ("enabled" in new) if replaces and self.switches_on else "enabled" in changed:
            yield self._switch(fact, context, str(new.get("enabled", "ENABLE")))

    def _switch(self, fact: FactId, context: Context, how: str) -> StatementDraft:
        return self._draft(fact, context, switching(fact, self.word, how))

    def _draft(self, fact: FactId, context: Context, text: str) -> StatementDraft:
        table = (context.goal if fact in context.goal else context.live).parent(fact)
        return StatementDraft(sql=text, lock=self.lock, locks=table)


class TriggerRule(_Switched):
    """Triggers. Postgres replaces all but constraint triggers."""

    kinds = ("trigger",)
    rank = 70
    word = "TRIGGER"
    switches_on = True
    lock = LockMode.SHARE_ROW_EXCLUSIVE

    def in_place(self, fact: FactId, context: Context) -> bool:
        texts = (str(state["definition"]) for state in (context.old(fact), context.new(fact)))
        return "definition" not in context.changed(fact) or not any(text.startswith("CREATE CONST") for text in texts)

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        yield from super().alter(fact, context)
        yield from switched_again(fact, context)

    def cascades_to(self, fact: FactId, context: Context) -> Iterable[FactId]:
        table = context.live.parent(fact)
        return () if table is None else parts_of(fact, tree(table, context.live), context.live)


class PartitionTriggerRule(Rule):
    """Partitions' parts of triggers that are enabled otherwise than the trigger: so is each part below them."""

    kinds = ("partition_trigger",)
    rank = 72

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        yield from self._switched(fact, str(context.new(fact)["enabled"]), context)

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        """Enables it as the trigger above it; nothing where it is dropped with that, or recreated."""
        followed = [*above(fact, context.live)]
        if all(context.persists(each) for each in followed):
            states = (context.new(each).get("enabled") for each in followed)
            yield from self._switched(fact, str(next(filter(None, states), "ENABLE")), context)

    def in_place(self, fact: FactId, context: Context) -> bool:
        return True

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        return self.create(fact, (), context)

    def after_create_of(self, fact: FactId, context: Context) -> Iterable[FactId]:
        return above(fact, context.goal)

    def _switched(self, fact: FactId, how: str, context: Context) -> Iterable[StatementDraft]:
        yield switch(fact, how)
        yield from switched_again(fact, context)


class RewriteRule(_Switched):
    """Rewrite rules."""

    kinds = ("rule",)
    rank = 71
    word = "RULE"
    switches_on = False
    lock = LockMode.ACCESS_EXCLUSIVE


class PolicyRule(Rule):
    """Row security policies."""

    kinds = ("policy",)
    rank = 72

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        for text in policy_statements(fact, None, context.new(fact)):
            yield StatementDraft(sql=text, lock=LockMode.ACCESS_EXCLUSIVE, locks=context.goal.parent(fact))

    def in_place(self, fact: FactId, context: Context) -> bool:
        """ALTER POLICY sets roles and expressions, but cannot take an expression away."""
        old, new = context.old(fact), context.new(fact)
        return context.changed(fact) <= {"roles", "using", "check"} and new.keys() >= old.keys()

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
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
        yield StatementDraft(
            sql=text, hazards=(hazard,), lock=LockMode.ACCESS_EXCLUSIVE, locks=context.goal.parent(fact)
        )

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        found: tuple[Hazard, ...] = ()
        if fact not in context.creates and context.old(fact).get("restrictive"):
            found = (hazards.opens_access(fact, "a restrictive policy is dropped: more rows are visible"),)
        for text in policy_statements(fact, context.old(fact), None):
            yield StatementDraft(
                sql=text, hazards=found, lock=LockMode.ACCESS_EXCLUSIVE, locks=context.live.parent(fact)
            )

    def unique_names(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield ("policy", *fact.name)
