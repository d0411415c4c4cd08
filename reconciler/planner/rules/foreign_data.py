"""Foreign-data wrappers, foreign servers and user mappings. Pure: no I/O.

The hash of a secret option stands for its value, so what has such options cannot be written, and a change of one cannot
be made: that is left to whoever knows the secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from reconciler.errors import PlanError
from reconciler.planner.core.rule import Rule, StatementDraft
from reconciler.planner.sql.object_names import object_phrase
from reconciler.planner.sql.options import changed_foreign_options, foreign_options
from reconciler.planner.sql.quoting import Part, compose, joined, literal, name, raw, role
from reconciler.redaction.masking import unmasked

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import Definition, FactId
    from reconciler.planner.core.context import Context

__all__ = ["ForeignDataWrapperRule", "ForeignServerRule", "UserMappingRule"]


class _WithOptions(Rule):
    """What has OPTIONS (...), which change in place."""

    def in_place(self, fact: FactId, context: Context) -> bool:
        return True

    def is_unmodelled(self, fact: FactId, context: Context) -> bool:
        """True where a statement would have to hold a secret that this role could not read."""
        if fact not in context.goal:
            return False
        stays = fact in context.live and self.in_place(fact, context)
        if context.new(fact).get("hidden") or (stays and context.old(fact).get("hidden")):
            return True
        kept = _options(context.old(fact)) if stays else []
        return bool(
            self._unknown([option for option in _options(context.new(fact)) if option not in kept], fact, context)
        )

    def _unknown(self, options: Sequence[str], fact: FactId, context: Context) -> list[str]:
        return unmasked(options, context.goal.secrets.get(fact, {}), fact.kind)

    def _clause(self, fact: FactId, context: Context) -> Part:
        """` OPTIONS (...)` of what is created, or nothing. Raises PlanError where one of them is not known."""
        options = _options(context.new(fact))
        if self._unknown(options, fact, context) or context.new(fact).get("hidden"):
            raise PlanError(
                f"{fact} must be recreated, but its secret options are not known",
                hint="manually change what it depends on, and create it with its secrets",
            )
        secrets = context.goal.secrets.get(fact, {})
        return raw(compose(" OPTIONS ({})", foreign_options(options, secrets, context))) if options else raw("")

    def _changes_options(self, fact: FactId, context: Context) -> bool:
        return "options" in context.changed(fact) or context.has_new_secrets(fact)

    def _changed(self, fact: FactId, context: Context) -> Part:
        secrets = (context.live.secrets.get(fact, {}), context.goal.secrets.get(fact, {}))
        return changed_foreign_options(_options(context.old(fact)), _options(context.new(fact)), *secrets, context)


class ForeignDataWrapperRule(_WithOptions):
    """Foreign-data wrappers."""

    kinds = ("foreign_data_wrapper",)
    rank = 40

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        new, parts = context.new(fact), [raw("")]
        if "handler" in new:
            parts.append(raw(compose(" HANDLER {}", raw(str(new["handler"])))))
        if "validator" in new:
            parts.append(raw(compose(" VALIDATOR {}", raw(str(new["validator"])))))
        parts.append(self._clause(fact, context))
        yield StatementDraft(sql=compose("CREATE {}{}", object_phrase(fact), joined(parts, "")))

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        new, changed = context.new(fact), context.changed(fact)
        parts: list[Part] = []
        if "handler" in changed:
            handler = new.get("handler")
            parts.append(raw(compose("HANDLER {}", raw(str(handler))) if handler else "NO HANDLER"))
        if "validator" in changed:
            validator = new.get("validator")
            parts.append(raw(compose("VALIDATOR {}", raw(str(validator))) if validator else "NO VALIDATOR"))
        if self._changes_options(fact, context):
            parts.append(raw(compose("OPTIONS ({})", self._changed(fact, context))))
        yield StatementDraft(sql=compose("ALTER {} {}", object_phrase(fact), joined(parts, " ")))


class ForeignServerRule(_WithOptions):
    """Foreign servers: all but the wrapper and the type changes in place."""

    kinds = ("foreign_server",)
    rank = 41

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        new, parts = context.new(fact), [raw("")]
        if "type" in new:
            parts.append(raw(compose(" TYPE {}", literal(str(new["type"])))))
        if "version" in new:
            parts.append(raw(compose(" VERSION {}", literal(str(new["version"])))))
        parts.append(raw(compose(" FOREIGN DATA WRAPPER {}", name(str(new["wrapper"])))))
        parts.append(self._clause(fact, context))
        yield StatementDraft(sql=compose("CREATE {}{}", object_phrase(fact), joined(parts, "")))

    def in_place(self, fact: FactId, context: Context) -> bool:
        return not context.changed(fact) & {"type", "wrapper"}

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        new, changed = context.new(fact), context.changed(fact)
        parts: list[Part] = []
        if "version" in changed:
            version = literal(str(new["version"])) if "version" in new else raw("NULL")
            parts.append(raw(compose("VERSION {}", version)))
        if self._changes_options(fact, context):
            parts.append(raw(compose("OPTIONS ({})", self._changed(fact, context))))
        yield StatementDraft(sql=compose("ALTER {} {}", object_phrase(fact), joined(parts, " ")))


class UserMappingRule(_WithOptions):
    """User mappings; the user '' is PUBLIC."""

    kinds = ("user_mapping",)
    rank = 42

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        yield StatementDraft(sql=compose("CREATE {}{}", self._phrase(fact), self._clause(fact, context)))

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        yield StatementDraft(sql=compose("DROP {}", self._phrase(fact)))

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        yield StatementDraft(sql=compose("ALTER {} OPTIONS ({})", self._phrase(fact), self._changed(fact, context)))

    def _phrase(self, fact: FactId) -> Part:
        server, user = fact.name
        return raw(compose("USER MAPPING FOR {} SERVER {}", role(user), name(server)))


def _options(definition: Definition) -> list[str]:
    return cast("list[str]", definition.get("options") or [])
