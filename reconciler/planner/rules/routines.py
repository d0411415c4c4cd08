"""Functions, procedures and aggregates. Pure: no I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, LiteralString

from reconciler.planner.core.rule import Rule, StatementDraft
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import Part, compose, joined, literal, raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import Definition, FactId
    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = ["AggregateRule", "RoutineRule", "default_count"]

_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*\"""")


class RoutineRule(Rule):
    """Functions and procedures: replaced in place unless their result changes or an argument loses its default."""

    kinds = ("function", "procedure")
    rank = 28

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        yield StatementDraft(sql=str(context.new(fact)["definition"]).rstrip())

    def in_place(self, fact: FactId, context: Context) -> bool:
        """The arguments of one identity differ in their defaults only."""
        changed = context.changed(fact)
        if "arguments" in changed and default_count(context.new(fact)) < default_count(context.old(fact)):
            return False
        return "result" not in changed

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        return self.create(fact, (), context)

    def inline_into(self, fact: FactId, context: Context) -> FactId | None:
        """A type that needs the function which needs the type: its statements make both."""
        return _type_around(fact, context.goal)

    def inline_drop_into(self, fact: FactId, context: Context) -> FactId | None:
        return _type_around(fact, context.live)

    def unique_names(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        """The names of the arguments identify the fact, but two routines cannot differ in these alone."""
        yield ("routine", *fact.name[:2], str(definition["types"]))


def default_count(definition: Definition) -> int:
    """How many arguments have a default."""
    return _QUOTED.sub("", str(definition["arguments"])).count(" DEFAULT ")


def _type_around(fact: FactId, state: Snapshot) -> FactId | None:
    for needed in sorted(state.dependencies.get(fact, ())):
        if needed.kind in ("base_type", "range_type") and fact in state.dependencies.get(needed, ()):
            return needed
    return None


_NAMES = {
    "sfunc": "SFUNC",
    "stype": "STYPE",
    "sspace": "SSPACE",
    "finalfunc": "FINALFUNC",
    "combinefunc": "COMBINEFUNC",
    "serialfunc": "SERIALFUNC",
    "deserialfunc": "DESERIALFUNC",
    "msfunc": "MSFUNC",
    "minvfunc": "MINVFUNC",
    "mstype": "MSTYPE",
    "msspace": "MSSPACE",
    "mfinalfunc": "MFINALFUNC",
    "finalfunc_modify": "FINALFUNC_MODIFY",
    "mfinalfunc_modify": "MFINALFUNC_MODIFY",
    "parallel": "PARALLEL",
}
_FLAGS = {"finalfunc_extra": "FINALFUNC_EXTRA", "mfinalfunc_extra": "MFINALFUNC_EXTRA", "hypothetical": "HYPOTHETICAL"}
_LITERALS = {"initcond": "INITCOND", "minitcond": "MINITCOND"}


class AggregateRule(Rule):
    """Aggregates: replaced in place unless their kind or their result, which state and final function make, changes."""

    kinds = ("aggregate",)
    rank = 29

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        yield self._draft("CREATE AGGREGATE {}({}) (\n    {}\n)", fact, context)

    def in_place(self, fact: FactId, context: Context) -> bool:
        return not context.changed(fact) & {"arguments", "finalfunc", "finalfunc_extra", "hypothetical", "stype"}

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        yield self._draft("CREATE OR REPLACE AGGREGATE {}({}) (\n    {}\n)", fact, context)

    def _draft(self, template: LiteralString, fact: FactId, context: Context) -> StatementDraft:
        new = context.new(fact)
        parts: list[Part] = [
            raw(compose("{} = {}", raw(word), raw(str(new[key])))) for key, word in _NAMES.items() if key in new
        ]
        parts += [
            raw(compose("{} = {}", raw(word), literal(str(new[key])))) for key, word in _LITERALS.items() if key in new
        ]
        if "sortop" in new:
            parts.append(raw(compose("SORTOP = OPERATOR({})", raw(str(new["sortop"])))))
        parts += [raw(word) for key, word in _FLAGS.items() if new.get(key)]
        arguments = raw(str(new["arguments"]) or "*")
        return StatementDraft(sql=compose(template, qualified(fact), arguments, joined(parts, ",\n    ")))

    def unique_names(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield ("routine", *fact.name)
