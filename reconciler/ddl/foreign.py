"""Foreign-data wrappers, foreign servers and user mappings. Pure: no I/O.

The hash of a secret option stands for its value, so what has such options cannot be written, and a change of one cannot
be made: that is left to whoever knows the secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from reconciler.ddl.names import object_phrase
from reconciler.ddl.rule import Context, Draft, Rule
from reconciler.ddl.tables import changed_foreign_options, foreign_options
from reconciler.ddl.text import Part, compose, joined, literal, name, raw, role
from reconciler.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.snapshot import Definition, FactId

__all__ = ["ForeignDataWrapperRule", "ForeignServerRule", "UserMappingRule", "is_secret"]

_MASK = "***sha256:"


def is_secret(value: object) -> bool:
    """Whether the hash of a secret stands where its value was."""
    return isinstance(value, str) and value.startswith(_MASK)


class _WithOptions(Rule):
    """What has OPTIONS (...), which change in place."""

    def in_place(self, fact: FactId, context: Context) -> bool:
        return True

    def is_unmodelled(self, fact: FactId, context: Context) -> bool:
        """True where a statement would have to hold a secret."""
        if fact not in context.goal:
            return False
        kept = _options(context.old(fact)) if fact in context.live and self.in_place(fact, context) else []
        return any(is_secret(option.partition("=")[2]) for option in _options(context.new(fact)) if option not in kept)

    def _clause(self, fact: FactId, context: Context) -> Part:
        """` OPTIONS (...)` of what is created, or nothing. Raises PlanError where one of them is secret."""
        options = _options(context.new(fact))
        if any(is_secret(option.partition("=")[2]) for option in options):
            raise PlanError(
                f"{fact} must be created again, but only the hashes of its secret options are known",
                hint="change by hand what it depends on, and create it with its secrets",
            )
        return raw(compose(" OPTIONS ({})", foreign_options(options))) if options else raw("")

    def _changed(self, fact: FactId, context: Context) -> Part:
        return changed_foreign_options(_options(context.old(fact)), _options(context.new(fact)))


class ForeignDataWrapperRule(_WithOptions):
    """Foreign-data wrappers."""

    kinds = ("foreign_data_wrapper",)
    rank = 40

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[Draft]:
        new, parts = context.new(fact), [raw("")]
        if "handler" in new:
            parts.append(raw(compose(" HANDLER {}", raw(str(new["handler"])))))
        if "validator" in new:
            parts.append(raw(compose(" VALIDATOR {}", raw(str(new["validator"])))))
        parts.append(self._clause(fact, context))
        yield Draft(sql=compose("CREATE {}{}", object_phrase(fact), joined(parts, "")))

    def drop(self, fact: FactId, context: Context) -> Iterable[Draft]:
        yield Draft(sql=compose("DROP {}", object_phrase(fact)))

    def alter(self, fact: FactId, context: Context) -> Iterable[Draft]:
        new, changed = context.new(fact), context.changed(fact)
        parts: list[Part] = []
        if "handler" in changed:
            handler = new.get("handler")
            parts.append(raw(compose("HANDLER {}", raw(str(handler))) if handler else "NO HANDLER"))
        if "validator" in changed:
            validator = new.get("validator")
            parts.append(raw(compose("VALIDATOR {}", raw(str(validator))) if validator else "NO VALIDATOR"))
        if "options" in changed:
            parts.append(raw(compose("OPTIONS ({})", self._changed(fact, context))))
        yield Draft(sql=compose("ALTER {} {}", object_phrase(fact), joined(parts, " ")))


class ForeignServerRule(_WithOptions):
    """Foreign servers: all but the wrapper and the type changes in place."""

    kinds = ("foreign_server",)
    rank = 41

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[Draft]:
        new, parts = context.new(fact), [raw("")]
        if "type" in new:
            parts.append(raw(compose(" TYPE {}", literal(str(new["type"])))))
        if "version" in new:
            parts.append(raw(compose(" VERSION {}", literal(str(new["version"])))))
        parts.append(raw(compose(" FOREIGN DATA WRAPPER {}", name(str(new["wrapper"])))))
        parts.append(self._clause(fact, context))
        yield Draft(sql=compose("CREATE {}{}", object_phrase(fact), joined(parts, "")))

    def drop(self, fact: FactId, context: Context) -> Iterable[Draft]:
        yield Draft(sql=compose("DROP {}", object_phrase(fact)))

    def in_place(self, fact: FactId, context: Context) -> bool:
        return not context.changed(fact) & {"type", "wrapper"}

    def alter(self, fact: FactId, context: Context) -> Iterable[Draft]:
        new, changed = context.new(fact), context.changed(fact)
        parts: list[Part] = []
        if "version" in changed:
            version = literal(str(new["version"])) if "version" in new else raw("NULL")
            parts.append(raw(compose("VERSION {}", version)))
        if "options" in changed:
            parts.append(raw(compose("OPTIONS ({})", self._changed(fact, context))))
        yield Draft(sql=compose("ALTER {} {}", object_phrase(fact), joined(parts, " ")))


class UserMappingRule(_WithOptions):
    """User mappings; the user '' is PUBLIC."""

    kinds = ("user_mapping",)
    rank = 42

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[Draft]:
        yield Draft(sql=compose("CREATE {}{}", self._phrase(fact), self._clause(fact, context)))

    def drop(self, fact: FactId, context: Context) -> Iterable[Draft]:
        yield Draft(sql=compose("DROP {}", self._phrase(fact)))

    def alter(self, fact: FactId, context: Context) -> Iterable[Draft]:
        yield Draft(sql=compose("ALTER {} OPTIONS ({})", self._phrase(fact), self._changed(fact, context)))

    def _phrase(self, fact: FactId) -> Part:
        server, user = fact.name
        return raw(compose("USER MAPPING FOR {} SERVER {}", role(user), name(server)))


def _options(definition: Definition) -> list[str]:
    return cast("list[str]", definition.get("options") or [])
