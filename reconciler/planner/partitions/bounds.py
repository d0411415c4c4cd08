"""Whether a row is within the bound of a partition, as a condition in SQL. Pure: no I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, LiteralString

from reconciler.planner.partitions.tree import partitions_of
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import Part, compose, joined, literal, raw
from reconciler.sqltext.printed_lists import bracketed, elements, index_elements

if TYPE_CHECKING:
    from reconciler.model.facts import FactId
    from reconciler.model.snapshot import Snapshot

__all__ = ["is_default", "within"]

_HASH = re.compile(r"FOR VALUES WITH \(modulus (\d+), remainder (\d+)\)")
_LISTED = re.compile(r"FOR VALUES (IN|FROM) ")
_OPEN = ("MINVALUE", "MAXVALUE")


def is_default(link: FactId, state: Snapshot) -> bool:
    """Whether the partition takes what no other one does."""
    return state.definition(link).get("bound") == "DEFAULT"


def within(link: FactId, parent: FactId, state: Snapshot, *, was: FactId | None = None) -> Part | None:
    """The condition for a row of `parent` to belong to the partition; None where it is not told here.

    Keys with an operator class of their own are not told. `was` is the parent's name in the database, where that is
    another one until the plan has run.
    """
    if not is_default(link, state):
        return _fits(str(state.definition(link)["bound"]), parent, state, was or parent)
    others = [within(other, parent, state, was=was) for other, _ in partitions_of(parent, state) if other != link]
    told = [raw(compose("({}) IS NOT TRUE", other)) for other in others if other is not None]
    if len(told) < len(others):
        return None
    return joined(told, " AND ") if told else raw("true")


def _fits(bound: str, parent: FactId, state: Snapshot, was: FactId) -> Part | None:
    key = str(state.definition(parent).get("partition_key", ""))
    keyed = bracketed(key)
    parts = index_elements(keyed[0]) if keyed is not None else []
    if not parts or any(part.rest for part in parts):
        return None
    expressions: list[Part] = [
        raw(f"{part.expression} {part.collation}" if part.collation else part.expression) for part in parts
    ]
    if (hashed := _HASH.fullmatch(bound)) is not None:
        template: LiteralString = "pg_catalog.satisfies_hash_partition({}::pg_catalog.regclass, {}, {}, {})"
        table = literal(compose("{}", qualified(was)))
        return raw(compose(template, table, raw(hashed[1]), raw(hashed[2]), joined(expressions)))
    listed = bracketed(bound)
    if listed is None or not _LISTED.match(bound):
        return None
    if key.startswith("LIST"):
        return _is_listed(expressions[0], elements(listed[0]))
    upper = bracketed(bound, listed[1])
    if not key.startswith("RANGE") or upper is None:
        return None
    conditions = _compared(expressions, elements(listed[0]), is_upper=False)
    conditions += _compared(expressions, elements(upper[0]), is_upper=True)
    if len(expressions) > 1 or not conditions:  # else the comparison says it too
        conditions += [raw(compose("{} IS NOT NULL", each)) for each in expressions]
    return joined(conditions, " AND ")


def _is_listed(expression: Part, values: list[str]) -> Part:
    chosen = [raw(value) for value in values if value != "NULL"]
    conditions: list[Part] = []
    if chosen:
        conditions.append(raw(compose("{} IN ({})", expression, joined(chosen))))
    if len(chosen) < len(values):
        conditions.append(raw(compose("{} IS NULL", expression)))
    return joined(conditions, " OR ")


def _compared(expressions: list[Part], values: list[str], *, is_upper: bool) -> list[Part]:
    """The comparison with one end of a range, which ends at its first MINVALUE or MAXVALUE."""
    until = next((place for place, value in enumerate(values) if value in _OPEN), len(values))
    if until == 0:
        return []
    past = until < len(values) and values[until] == "MAXVALUE"
    # Below (1, MAXVALUE) is all that has a 1; from (1, MAXVALUE) on, nothing that has.
    templates: tuple[LiteralString, LiteralString] = ("{} < {}", "{} <= {}") if is_upper else ("{} >= {}", "{} > {}")
    return [raw(compose(templates[past], _row(expressions[:until]), _row([raw(value) for value in values[:until]])))]


def _row(parts: list[Part]) -> Part:
    return parts[0] if len(parts) == 1 else raw(compose("({})", joined(parts)))
