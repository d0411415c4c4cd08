"""Range types and base types. Pure: no I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, LiteralString

from reconciler.model.hazards import Hazard, HazardKind
from reconciler.model.plan import LockMode
from reconciler.planner.core.rule import Rule, StatementDraft
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import Part, compose, joined, literal, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import Definition, FactId
    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = ["BaseTypeRule", "RangeTypeRule"]

_RANGE = {
    "subtype": "SUBTYPE",
    "operator_class": "SUBTYPE_OPCLASS",
    "collation": "COLLATION",
    "canonical": "CANONICAL",
    "subtype_diff": "SUBTYPE_DIFF",
    "multirange": "MULTIRANGE_TYPE_NAME",
}
_BASE = {
    "input": "INPUT",
    "output": "OUTPUT",
    "receive": "RECEIVE",
    "send": "SEND",
    "typmod_in": "TYPMOD_IN",
    "typmod_out": "TYPMOD_OUT",
    "analyze": "ANALYZE",
    "subscript": "SUBSCRIPT",
    "internal_length": "INTERNALLENGTH",
    "alignment": "ALIGNMENT",
    "storage": "STORAGE",
    "element": "ELEMENT",
}
_BASE_LITERALS = {"category": "CATEGORY", "default": "DEFAULT", "delimiter": "DELIMITER"}
_BASE_FLAGS = {"passed_by_value": "PASSEDBYVALUE", "preferred": "PREFERRED = true", "collatable": "COLLATABLE = true"}
# ALTER TYPE ... SET takes these; storage only from plain to something else.
_ALTERABLE = frozenset({"receive", "send", "typmod_in", "typmod_out", "analyze", "subscript", "storage"})


def _has_functions(fact: FactId, state: Snapshot) -> bool:
    """Whether functions that the type needs need the type."""
    return any(fact in state.dependencies.get(needed, ()) for needed in state.dependencies.get(fact, ()))


def _drop(fact: FactId, context: Context) -> StatementDraft:
    """Postgres drops a type and its own functions, which need each other, only by CASCADE."""
    cascade = raw(" CASCADE" if _has_functions(fact, context.live) else "")
    return StatementDraft(sql=compose("DROP TYPE {}{}", qualified(fact), cascade))


def _shell_and_functions(fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
    if folded:
        yield StatementDraft(sql=compose("CREATE TYPE {}", qualified(fact)))
    for function in folded:
        yield StatementDraft(sql=str(context.new(function)["definition"]).rstrip())


class RangeTypeRule(Rule):
    """Range types: any change makes a new one, under which columns keep their values."""

    kinds = ("range_type",)
    rank = 24

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        yield from _shell_and_functions(fact, folded, context)
        new = context.new(fact)
        parts: list[Part] = [raw(f"{word} = {new[key]}") for key, word in _RANGE.items() if key in new]
        yield StatementDraft(sql=compose("CREATE TYPE {} AS RANGE ({})", qualified(fact), joined(parts)))

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        yield _drop(fact, context)

    def unique_names(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield ("type", *fact.name)


class BaseTypeRule(Rule):
    """Base types: a shell first, which the type's own functions need, then the type. Few attributes can change."""

    kinds = ("base_type",)
    rank = 22

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        new = context.new(fact)
        if new.get("shell"):
            yield StatementDraft(sql=compose("CREATE TYPE {}", qualified(fact)))
            return
        if not folded:
            yield StatementDraft(sql=compose("CREATE TYPE {}", qualified(fact)))
        yield from _shell_and_functions(fact, folded, context)
        parts: list[Part] = [raw(f"{word} = {new[key]}") for key, word in _BASE.items() if key in new]
        parts += [
            raw(compose("{} = {}", raw(word), literal(str(new[key]))))
            for key, word in _BASE_LITERALS.items()
            if key in new
        ]
        parts += [raw(word) for key, word in _BASE_FLAGS.items() if new.get(key)]
        yield StatementDraft(sql=compose("CREATE TYPE {} (\n    {}\n)", qualified(fact), joined(parts, ",\n    ")))

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        hazard = Hazard(
            kind=HazardKind.MAY_FAIL, message=f"{fact}: goes together with its own functions (CASCADE)", fact=fact
        )
        yield replace(_drop(fact, context), hazards=(hazard,) if _has_functions(fact, context.live) else ())

    def in_place(self, fact: FactId, context: Context) -> bool:
        changed = context.changed(fact)
        return changed <= _ALTERABLE and ("storage" not in changed or "storage" in context.new(fact))

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        new = context.new(fact)
        parts: list[Part] = [raw(f"{key.upper()} = {new.get(key, 'NONE')}") for key in sorted(context.changed(fact))]
        yield StatementDraft(sql=compose("ALTER TYPE {} SET ({})", qualified(fact), joined(parts)))
        if "storage" in context.changed(fact):
            yield from self._stored_alike(fact, context)

    def _stored_alike(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        """Columns that are there keep the storage that their type had."""
        storage = raw(str(context.new(fact)["storage"]).upper())
        for column in sorted(context.dependents.get(fact, ())):
            table = context.live.parent(column)
            if column.kind != "column" or table is None or table.kind not in ("table", "materialized_view"):
                continue
            if not context.persists(column) or context.old(column)["type"] != context.new(column)["type"]:
                continue
            if "storage" not in context.new(column) and not str(context.new(column)["type"]).endswith("[]"):
                alter: LiteralString = "ALTER {} ONLY {} ALTER COLUMN {} SET STORAGE {}"
                if table.kind == "materialized_view":
                    alter = "ALTER {} {} ALTER COLUMN {} SET STORAGE {}"
                kind = raw(table.kind.replace("_", " ").upper())
                text = compose(alter, kind, qualified(column), name(column.name[2]), storage)
                yield StatementDraft(sql=text, lock=LockMode.SHARE_UPDATE_EXCLUSIVE, locks=table)

    def unique_names(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield ("type", *fact.name)
