"""What a plan needs of the role that runs it and of the server: ownership, privileges, roles, extensions. Pure: no I/O.

Only what Postgres asks for beyond doubt is listed; whatever a plan might also need, its statements tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.model.facts import RELATION_KINDS, ROUTINE_KINDS, FactId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model.plan import Statement
    from reconciler.model.snapshot import Snapshot
    from reconciler.results import PlanResult

__all__ = ["Need", "needs_of"]

_OWNED = frozenset({*RELATION_KINDS, *ROUTINE_KINDS, "enum", "domain", "range_type", "statistics"})
# Whoever makes one of these on a table that is there must own the table; a trigger takes a privilege only.
_PARTS = frozenset({"column", "constraint", "index", "default", "policy", "rule", "inheritance"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One thing that statement `position` needs for `fact`: `what` as sql/preflight/privileges.sql names it.

    For an `owner`, membership in the role `otherwise` serves as well.
    """

    what: str
    name: tuple[str, ...]
    fact: FactId
    position: int
    otherwise: str | None = None


def needs_of(planned: PlanResult) -> tuple[Need, ...]:
    """All that the plan needs, each thing once, for the first statement that needs it."""
    live = planned.renamed.live if planned.renamed is not None else planned.live
    goal = planned.goal.snapshot
    made = {fact for statement in planned.plan.statements for fact in statement.creates}
    found: dict[tuple[str, tuple[str, ...], FactId], Need] = {}
    for position, statement in enumerate(planned.plan.statements, start=1):
        for need in (
            *_ownership(statement, position, live, made),
            *_to_create(statement, position, live, goal, made),
            *_roles(statement, position, goal),
        ):
            found.setdefault((need.what, need.name, need.fact), need)
    return tuple(found.values())


def _owner(fact: FactId, live: Snapshot) -> str | None:
    definition = live.find(FactId("owner", (fact.kind, *fact.name)))
    return str(definition["role"]) if definition is not None else None


def _ownership(statement: Statement, position: int, live: Snapshot, made: set[FactId]) -> Iterable[Need]:
    # To grant takes a grant option, to replace a trigger the privilege that its making takes.
    changed = [fact for fact in statement.alters if fact.kind not in ("privileges", "trigger")]
    for fact in statement.creates:
        if fact.kind in _PARTS and (parent := live.parent(fact)) is not None and parent not in made:
            changed.append(parent)
        if fact.kind == "inheritance" and (other := FactId("table", fact.name[2:])) not in made:
            changed.append(other)
    objects = dict.fromkeys(live.object_of(fact) for fact in changed if fact not in made)
    for fact in objects:
        if fact.kind in _OWNED and (owner := _owner(fact, live)) is not None:
            yield Need(what="owner", name=(owner,), fact=fact, position=position)
    for fact in statement.drops:
        # The owner of a schema may drop what others have in it.
        if fact.kind in _OWNED and (owner := _owner(fact, live)) is not None:
            schema = _owner(FactId("schema", fact.name[:1]), live)
            yield Need(what="owner", name=(owner,), fact=fact, position=position, otherwise=schema)


def _to_create(
    statement: Statement, position: int, live: Snapshot, goal: Snapshot, made: set[FactId]
) -> Iterable[Need]:
    granted = {fact.name[1:-1] for fact in made if fact.kind == "privileges"}
    for fact in statement.creates:
        schema = FactId("schema", fact.name[:1])
        if fact.kind == "extension":
            yield Need(what="extension", name=fact.name, fact=fact, position=position)
        elif fact.kind == "schema":
            yield Need(what="database", name=(), fact=fact, position=position)
        elif (
            (fact.kind in _OWNED or fact.kind == "index")
            and schema in live
            and schema not in made
            and schema.name not in granted
        ):
            yield Need(what="schema", name=schema.name, fact=fact, position=position)
        elif fact.kind == "constraint" and goal.definition(fact)["type"] == "foreign_key":
            for needed in goal.dependencies.get(fact, ()):
                other = needed if needed.kind == "table" else goal.parent(needed)
                if other is None or other.kind != "table" or other.name == fact.name[:2] or other.name in granted:
                    continue
                if other in live and other not in made:
                    yield Need(what="references", name=other.name, fact=fact, position=position)


def _roles(statement: Statement, position: int, goal: Snapshot) -> Iterable[Need]:
    for fact in (*statement.creates, *statement.alters):
        if len(statement.creates) + len(statement.alters) > 1 or fact not in goal:
            continue  # what comes with the statement of another
        if fact.kind == "owner":
            yield Need(what="member", name=(str(goal.definition(fact)["role"]),), fact=fact, position=position)
        elif fact.kind == "privileges" and fact.name[-1]:
            yield Need(what="role", name=fact.name[-1:], fact=fact, position=position)
