"""Schemas and extensions. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.facts import FactId
from reconciler.model.hazards import Hazard, HazardKind
from reconciler.planner.core.rule import Rule, StatementDraft
from reconciler.planner.sql.quoting import compose, literal, name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import Definition
    from reconciler.planner.core.context import Context

__all__ = ["ExtensionRule", "SchemaRule"]


class SchemaRule(Rule):
    """Schemas."""

    kinds = ("schema",)
    rank = 0

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        yield StatementDraft(sql=compose("CREATE SCHEMA {}", name(*fact.name)))

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        yield StatementDraft(sql=compose("DROP SCHEMA {}", name(*fact.name)))

    def unique_names(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield ("schema", *fact.name)


class ExtensionRule(Rule):
    """Extensions: version and schema change in place where the extension allows it, else it is recreated."""

    kinds = ("extension",)
    rank = 5

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        new = context.new(fact)
        schema, version = name(str(new["schema"])), literal(str(new["version"]))
        text = compose("CREATE EXTENSION {} SCHEMA {} VERSION {}", name(*fact.name), schema, version)
        yield StatementDraft(sql=text)

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        hazard = Hazard(
            kind=HazardKind.DATA_LOSS,
            message=f"drops {fact} with all its members, including the rows of its tables",
            fact=fact,
        )
        yield StatementDraft(sql=compose("DROP EXTENSION {}", name(*fact.name)), hazards=(hazard,))

    def in_place(self, fact: FactId, context: Context) -> bool:
        return fact not in context.unalterable_extensions

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        new, changed = context.new(fact), context.changed(fact)
        if "version" in changed:
            text = compose("ALTER EXTENSION {} UPDATE TO {}", name(*fact.name), literal(str(new["version"])))
            yield StatementDraft(sql=text)
        if "schema" in changed:
            text = compose("ALTER EXTENSION {} SET SCHEMA {}", name(*fact.name), name(str(new["schema"])))
            yield StatementDraft(sql=text)

    def after_create_of(self, fact: FactId, context: Context) -> Iterable[FactId]:
        yield FactId("schema", (str(context.new(fact)["schema"]),))
