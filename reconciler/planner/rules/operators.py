"""Operators, their classes and families, collations and conversions. Pure: no I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from reconciler.model.facts import FactId
from reconciler.planner.core.rule import Rule, StatementDraft
from reconciler.planner.rules.types import RecreatedUnderColumns
from reconciler.planner.sql.object_names import object_phrase, qualified
from reconciler.planner.sql.quoting import Part, compose, joined, literal, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import Definition
    from reconciler.planner.core.context import Context

__all__ = ["CollationRule", "ConversionRule", "OperatorClassRule", "OperatorFamilyRule", "OperatorRule"]

_SIGNATURE = re.compile(r'(?:(?:"(?:[^"]|"")*"|[^".(]+)\.)?[-+*/<>=~!@#%^&|`?]+\((.*)\)', re.DOTALL)


class OperatorRule(Rule):
    """Operators. A commutator or negator that is not there yet becomes a shell, which its own statement then fills."""

    kinds = ("operator",)
    rank = 30

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        new = context.new(fact)
        parts: list[Part] = [raw(f"FUNCTION = {new['function']}")]
        for word, operand in zip(("LEFTARG", "RIGHTARG"), fact.name[2:], strict=True):
            if operand:
                parts.append(raw(f"{word} = {operand}"))
        parts += self._options(new, ("commutator", "negator", "restrict", "join", "hashes", "merges"))
        operator = raw(compose("{}.{}", name(fact.name[0]), raw(fact.name[1])))
        yield StatementDraft(sql=compose("CREATE OPERATOR {} ({})", operator, joined(parts)))

    def in_place(self, fact: FactId, context: Context) -> bool:
        old, new, changed = context.old(fact), context.new(fact), context.changed(fact)
        if old.get("shell"):
            return True
        if new.get("shell"):
            return False
        rest = {key for key in changed - {"restrict", "join"} if not self._follows_by_itself(fact, key, context)}
        if context.version < 170000 or any(self._makes_shell(fact, key, context) for key in rest):
            return not rest
        return all(key in ("commutator", "negator", "hashes", "merges") and key not in old for key in rest)

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        old, new = context.old(fact), context.new(fact)
        if old.get("shell"):
            yield from self.create(fact, (), context)
            return
        changed = [key for key in sorted(context.changed(fact)) if not self._follows_by_itself(fact, key, context)]
        parts: list[Part] = [raw(f"{key.upper()} = NONE") for key in changed if key not in new]
        parts += self._options(new, changed)
        if parts:
            yield StatementDraft(sql=compose("ALTER {} SET ({})", object_phrase(fact), joined(parts)))

    def implied_by_other_statement(self, fact: FactId, context: Context) -> bool:
        """A shell comes with the operator that names it."""
        return fact in context.creates and fact not in context.drops and bool(context.new(fact).get("shell"))

    def _options(self, definition: Definition, keys: Iterable[str]) -> Iterable[Part]:
        for key in keys:
            if key in ("commutator", "negator") and key in definition:
                yield raw(f"{key.upper()} = OPERATOR({definition[key]})")
            elif key in ("hashes", "merges") and key in definition:
                yield raw(key.upper())
            elif key in definition:
                yield raw(f"{key.upper()} = {definition[key]}")

    def _follows_by_itself(self, fact: FactId, key: str, context: Context) -> bool:
        """Postgres links the other operator when one that names it is made, and unlinks it when that is dropped."""
        if key not in ("commutator", "negator"):
            return False
        old, new = context.old(fact), context.new(fact)
        gone = key not in old or self._other(fact, key, old) in context.drops
        come = key not in new or (
            self._other(fact, key, new) in context.creates and not self._makes_shell(fact, key, context)
        )
        return gone and come

    def _makes_shell(self, fact: FactId, key: str, context: Context) -> bool:
        """Only CREATE OPERATOR makes a shell of an operator that it names and that is not there."""
        new = context.new(fact)
        if key not in ("commutator", "negator") or key not in new:
            return False
        other = self._other(fact, key, new)
        return other in context.creates and bool(context.new(other).get("shell"))

    def _other(self, fact: FactId, key: str, definition: Definition) -> FactId:
        schema, operator = str(definition[key]).rsplit(".", 1)
        if schema.startswith('"'):
            schema = schema[1:-1].replace('""', '"')
        left, right = fact.name[2:]
        operands = (right, left) if key == "commutator" else (left, right)
        return FactId("operator", (schema, operator, *operands))

    def unique_names(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield ("operator", *fact.name)


def _members(definition: Definition) -> list[tuple[str, Part, Part]]:
    """(what identifies the member, how it is added, how it is dropped), for each operator and function."""
    found: list[tuple[str, Part, Part]] = []
    for row in cast("list[Definition]", definition.get("operators", [])):
        number, operator = row["number"], str(row["operator"])
        match = _SIGNATURE.fullmatch(operator)
        operands = match[1] if match else ""
        order = f" FOR ORDER BY {row['order_by']}" if "order_by" in row else ""
        found.append(
            (
                f"{number} {operator}{order}",
                raw(f"OPERATOR {number} {operator}{order}"),
                raw(f"OPERATOR {number} ({operands})"),
            )
        )
    for row in cast("list[Definition]", definition.get("functions", [])):
        place = f"FUNCTION {row['number']} ({row['left']}, {row['right']})"
        found.append((f"{place} {row['function']}", raw(f"{place} {row['function']}"), raw(place)))
    return found


class OperatorClassRule(Rule):
    """Operator classes: any change makes a new one."""

    kinds = ("operator_class",)
    rank = 32

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        new = context.new(fact)
        parts = [add for _, add, _ in _members(new)]
        if "storage" in new or not parts:
            parts.append(raw(f"STORAGE {new.get('storage', new['type'])}"))
        text = compose(
            "CREATE OPERATOR CLASS {}{} FOR TYPE {} USING {} FAMILY {} AS\n    {}",
            qualified(fact),
            raw(" DEFAULT" if new.get("default") else ""),
            raw(str(new["type"])),
            name(fact.name[2]),
            raw(str(new["family"])),
            joined(parts, ",\n    "),
        )
        yield StatementDraft(sql=text)

    def unique_names(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield ("operator_class", *fact.name)
        if definition.get("default"):
            yield ("default_operator_class", fact.name[2], str(definition["type"]))


class OperatorFamilyRule(Rule):
    """Operator families: the members that belong to none of their classes come and go in place."""

    kinds = ("operator_family",)
    rank = 31

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        yield StatementDraft(sql=compose("CREATE {}", object_phrase(fact)))
        if parts := [add for _, add, _ in _members(context.new(fact))]:
            yield StatementDraft(sql=compose("ALTER {} ADD\n    {}", object_phrase(fact), joined(parts, ",\n    ")))

    def in_place(self, fact: FactId, context: Context) -> bool:
        return True

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        old, new = _members(context.old(fact)), _members(context.new(fact))
        had, has = {key for key, _, _ in old}, {key for key, _, _ in new}
        if gone := [drop for key, _, drop in old if key not in has]:
            yield StatementDraft(sql=compose("ALTER {} DROP\n    {}", object_phrase(fact), joined(gone, ",\n    ")))
        if come := [add for key, add, _ in new if key not in had]:
            yield StatementDraft(sql=compose("ALTER {} ADD\n    {}", object_phrase(fact), joined(come, ",\n    ")))

    def unique_names(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield ("operator_family", *fact.name)


class CollationRule(RecreatedUnderColumns):
    """Collations: any change makes a new one, under which columns keep their values."""

    kinds = ("collation",)
    rank = 15

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        new = context.new(fact)
        parts: list[Part] = []
        if new.get("any_encoding"):
            yield StatementDraft(
                sql=compose("CREATE COLLATION {} FROM {}", qualified(fact), name("pg_catalog", str(new["locale"])))
            )
            return
        if "provider" in new:
            parts.append(raw(f"PROVIDER = {new['provider']}"))
        parts += [
            raw(compose("{} = {}", raw(key.upper()), literal(str(new[key]))))
            for key in ("locale", "lc_collate", "lc_ctype", "rules")
            if key in new
        ]
        if new.get("nondeterministic"):
            parts.append(raw("DETERMINISTIC = false"))
        yield StatementDraft(sql=compose("CREATE COLLATION {} ({})", qualified(fact), joined(parts)))

    def without(self, column: FactId, context: Context) -> tuple[str, str]:
        return f'{context.old(column)["type"]} COLLATE pg_catalog."default"', ""

    def with_it(self, column: FactId, context: Context) -> tuple[str, str]:
        new = context.new(column)
        return f"{new['type']} COLLATE {new['collation']}", ""

    def unique_names(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield ("collation", *fact.name)


class ConversionRule(Rule):
    """Conversions between encodings: any change makes a new one."""

    kinds = ("conversion",)
    rank = 33

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        new = context.new(fact)
        text = compose(
            "CREATE {}CONVERSION {} FOR {} TO {} FROM {}",
            raw("DEFAULT " if new.get("default") else ""),
            qualified(fact),
            literal(str(new["source"])),
            literal(str(new["target"])),
            raw(str(new["function"])),
        )
        yield StatementDraft(sql=text)

    def unique_names(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield ("conversion", *fact.name)
        if definition.get("default"):
            yield ("default_conversion", fact.name[0], str(definition["source"]), str(definition["target"]))
