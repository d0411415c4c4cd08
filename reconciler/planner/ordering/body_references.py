"""What pg_depend does not know: the bodies of routines are strings. Pure: no I/O.

Nothing needs a body to be right when the routine is made, but whoever calls the routine while it is made itself does: a
materialized view that is filled, an index or a check over rows, a column that is computed. These come after the
routines; a routine comes after what its body names. Both are wishes: words of a body may mean something else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model.facts import FactId
    from reconciler.planner.core.context import Context

__all__ = ["references"]

_ROUTINES = frozenset({"function", "procedure", "aggregate"})
_RELATIONS = frozenset({"table", "foreign_table", "view", "materialized_view"})
_NAMED = _ROUTINES | _RELATIONS | {"sequence", "enum", "domain", "composite_type", "range_type", "base_type"}
_CALLED = _ROUTINES | {"operator", "operator_class", "cast"}
_FILLING = _RELATIONS - {"materialized_view"} | {"column", "default", "inheritance"}
_WORD = re.compile(r'"((?:[^"]|"")+)"|([^\W\d][\w$]*)|(\.)|(\s+)|.', re.DOTALL)
# Names of one kind of thing in many schemas: which one a bare word means cannot be known.
_MANY = 8


def references(context: Context) -> Iterable[tuple[list[FactId], list[FactId], int]]:
    """(earlier, later, strength): what should be made or altered first, and how much it matters."""
    made = sorted(context.creates | context.alters)
    named: dict[str, dict[str, list[FactId]]] = {}
    for fact in made:
        if fact.kind in _NAMED:
            named.setdefault(fact.name[1], {}).setdefault(fact.name[0], []).append(fact)
    for fact in made:
        if fact.kind in ("function", "procedure"):
            found = _mentioned(str(context.new(fact)["definition"]), fact.name[0], named)
            found.discard(fact)
            if found:
                yield sorted(found), [fact], 2
    called = [fact for fact in made if fact.kind in _CALLED]
    evaluating = [fact for fact in made if _evaluates(fact, context)]
    yield called, evaluating, 1
    filled = [fact for fact in evaluating if fact.kind == "materialized_view"]
    yield [fact for fact in made if fact.kind in _FILLING], filled, 0


def _evaluates(fact: FactId, context: Context) -> bool:
    """Whether Postgres computes an expression of the fact, or at least plans it, when it is made."""
    if fact not in context.creates:
        return fact.kind == "column" and "generated" in context.changed(fact)
    match fact.kind:
        case "materialized_view" | "index" | "statistics":
            return True
        case "column" | "default" | "constraint":
            table = context.goal.object_of(fact)
            if table.kind != "table" or table in context.creates:
                return False
            return fact.kind != "constraint" or context.new(fact)["type"] in ("check", "exclude")
        case "table":
            return "partition_key" in context.new(fact)
        case _:
            return False


def _mentioned(body: str, schema: str, named: dict[str, dict[str, list[FactId]]]) -> set[FactId]:
    """What the words of a body may mean: `schema.name`, or a bare name in the routine's own schema or in few others."""
    found: set[FactId] = set()
    before: str | None = None
    last: str | None = None
    for match in _WORD.finditer(body):
        quoted, plain, dot, space = match.groups()
        if space is not None:
            continue
        if dot is not None:
            before, last = last, None
            continue
        word = quoted.replace('""', '"') if quoted is not None else plain.lower() if plain is not None else None
        if word is not None and (by_schema := named.get(word)):
            if before in by_schema:
                found.update(by_schema[before])
            elif schema in by_schema:
                found.update(by_schema[schema])
            elif len(by_schema) <= _MANY:
                found.update(fact for facts in by_schema.values() for fact in facts)
        before, last = None, word
    return found
