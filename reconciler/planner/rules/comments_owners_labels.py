"""Comments, owners and security labels: what hangs on facts of any kind. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.facts import FactId
from reconciler.planner.core.rule import Rule, StatementDraft
from reconciler.planner.rules.privileges import unasked_privileges
from reconciler.planner.rules.sequences import owner_of_serial
from reconciler.planner.sql.object_names import object_phrase
from reconciler.planner.sql.quoting import Part, compose, literal, name, raw, role

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import Definition
    from reconciler.planner.core.context import Context

__all__ = ["CommentRule", "OwnerRule", "SecurityLabelRule"]


class _TextRule(Rule):
    """A text that hangs on an object: set in place, and gone when it is NULL."""

    attribute: str

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        yield self._draft(fact, literal(str(context.new(fact)[self.attribute])))

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        yield self._draft(fact, raw("NULL"))

    def in_place(self, fact: FactId, context: Context) -> bool:
        return True

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        return self.create(fact, (), context)

    def _draft(self, fact: FactId, text: Part) -> StatementDraft:
        raise NotImplementedError


class CommentRule(_TextRule):
    """Comments on anything."""

    kinds = ("comment",)
    rank = 90
    attribute = "text"

    def _draft(self, fact: FactId, text: Part) -> StatementDraft:
        return StatementDraft(sql=compose("COMMENT ON {} IS {}", object_phrase(fact.target), text))


class OwnerRule(Rule):
    """Owners. Whoever creates an object owns it, so only another's ownership takes a statement."""

    kinds = ("owner",)
    rank = 92

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        owner = str(context.new(fact)["role"])
        by_itself = self._moves_with_table(fact, context) or owner_of_serial(fact.target, context) is not None
        if not by_itself and (fact in context.alters or owner != context.current_user):
            yield StatementDraft(sql=compose("ALTER {} OWNER TO {}", object_phrase(fact.target), role(owner)))
        if fact in context.creates:
            yield from unasked_privileges(fact.target, context)

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        return ()

    def in_place(self, fact: FactId, context: Context) -> bool:
        return True

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        return self.create(fact, (), context)

    def implied_by_other_statement(self, fact: FactId, context: Context) -> bool:
        return fact not in context.creates and self._moves_with_table(fact, context)

    def _moves_with_table(self, fact: FactId, context: Context) -> bool:
        """A table's owner owns its serial sequences: Postgres moves them along and refuses to do it alone."""
        table = self._table(fact, context)
        if table is None:
            return False
        owner = FactId("owner", (table.kind, *table.name))
        return owner in context.creates or owner in context.alters

    def after_create_of(self, fact: FactId, context: Context) -> Iterable[FactId]:
        target = fact.target
        table = self._table(fact, context)
        if table is not None:
            yield FactId("owner", (table.kind, *table.name))
        if target.kind == "table":
            for other in context.sequences_of(target):
                yield FactId("owned_by", other.name)

    def _table(self, fact: FactId, context: Context) -> FactId | None:
        if fact.target.kind != "sequence":
            return None
        owned = context.goal.find(FactId("owned_by", fact.target.name))
        if owned is None:
            return None
        return FactId("table", (str(owned["schema"]), str(owned["table"])))


class SecurityLabelRule(_TextRule):
    """Labels of security providers, e.g. SELinux's."""

    kinds = ("security_label",)
    rank = 91
    attribute = "label"

    def _draft(self, fact: FactId, text: Part) -> StatementDraft:
        provider = name(fact.name[-1])
        return StatementDraft(
            sql=compose("SECURITY LABEL FOR {} ON {} IS {}", provider, object_phrase(fact.target), text)
        )

    def unique_names(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield ("security_label", *fact.name)
