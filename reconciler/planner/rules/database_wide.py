"""What belongs to the whole database: event triggers, languages, access methods, transforms, casts. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

from reconciler.planner.core.rule import Rule, StatementDraft
from reconciler.planner.sql.object_names import object_phrase
from reconciler.planner.sql.options import strings
from reconciler.planner.sql.quoting import Part, compose, joined, literal, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import FactId
    from reconciler.planner.core.context import Context

__all__ = ["AccessMethodRule", "CastRule", "EventTriggerRule", "LanguageRule", "TransformRule"]


class EventTriggerRule(Rule):
    """Event triggers: dropped before and created after all else, so that new ones do not see the plan's statements."""

    kinds = ("event_trigger",)
    rank = 100

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        new, when = context.new(fact), raw("")
        if "tags" in new:
            tags = joined([literal(tag) for tag in strings(new["tags"])])
            when = raw(compose(" WHEN TAG IN ({})", tags))
        event, function = raw(str(new["event"])), raw(str(new["function"]))
        yield StatementDraft(
            sql=compose("CREATE {} ON {}{} EXECUTE FUNCTION {}()", object_phrase(fact), event, when, function)
        )
        if "enabled" in new:
            yield from self.alter(fact, context)

    def in_place(self, fact: FactId, context: Context) -> bool:
        return not context.changed(fact) - {"enabled"}

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        enabled = raw(str(context.new(fact).get("enabled", "ENABLE")))
        yield StatementDraft(sql=compose("ALTER {} {}", object_phrase(fact), enabled))


class LanguageRule(Rule):
    """Procedural languages."""

    kinds = ("language",)
    rank = 35

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        yield self._draft("CREATE {}LANGUAGE {}{}", fact, context)

    def in_place(self, fact: FactId, context: Context) -> bool:
        return True

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        yield self._draft("CREATE OR REPLACE {}LANGUAGE {}{}", fact, context)

    def _draft(self, template: LiteralString, fact: FactId, context: Context) -> StatementDraft:
        new = context.new(fact)
        parts = [raw("")]
        if "handler" in new:
            parts.append(raw(compose(" HANDLER {}", raw(str(new["handler"])))))
        if "inline" in new:
            parts.append(raw(compose(" INLINE {}", raw(str(new["inline"])))))
        if "validator" in new:
            parts.append(raw(compose(" VALIDATOR {}", raw(str(new["validator"])))))
        trusted = raw("TRUSTED " if new.get("trusted") else "")
        return StatementDraft(sql=compose(template, trusted, name(*fact.name), joined(parts, "")))


class AccessMethodRule(Rule):
    """Access methods."""

    kinds = ("access_method",)
    rank = 36

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        new = context.new(fact)
        kind, handler = raw(str(new["type"])), raw(str(new["handler"]))
        yield StatementDraft(sql=compose("CREATE {} TYPE {} HANDLER {}", object_phrase(fact), kind, handler))


class TransformRule(Rule):
    """Transforms between a type and a procedural language."""

    kinds = ("transform",)
    rank = 37

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        new = context.new(fact)
        parts: list[Part] = []
        if "from_sql" in new:
            parts.append(raw(compose("FROM SQL WITH FUNCTION {}", raw(str(new["from_sql"])))))
        if "to_sql" in new:
            parts.append(raw(compose("TO SQL WITH FUNCTION {}", raw(str(new["to_sql"])))))
        yield StatementDraft(sql=compose("CREATE {} ({})", object_phrase(fact), joined(parts)))


class CastRule(Rule):
    """Casts: made as soon as their function is there, since pg_depend does not say which expressions use them."""

    kinds = ("cast",)
    rank = 24

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        new = context.new(fact)
        match new.get("method"):
            case "binary":
                how = "WITHOUT FUNCTION"
            case "inout":
                how = "WITH INOUT"
            case _:
                how = compose("WITH FUNCTION {}", raw(str(new["function"])))
        context_of_use = {"assignment": " AS ASSIGNMENT", "implicit": " AS IMPLICIT"}.get(str(new.get("context")), "")
        yield StatementDraft(sql=compose("CREATE {} {}{}", object_phrase(fact), raw(how), raw(context_of_use)))
