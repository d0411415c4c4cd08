"""What belongs to others in a copy runs with their rights, or not at all. Pure: no I/O.

The statements that make a copy give each table to its owner right after it is made, as restoring a dump does: Postgres
builds indexes as the owner of the table. A routine is called with the rights of whoever calls it, for a default, a
check, a generated column, an operator, a cast or a trigger. So those of others are given to their owners and run as
them (SECURITY DEFINER, in which no SET ROLE is allowed). One that cannot be given away cannot be called.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.model.facts import ROUTINE_KINDS, TABLE_KINDS, FactId
from reconciler.planner.sql.object_names import object_phrase
from reconciler.planner.sql.quoting import compose, raw

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from reconciler.model.plan import Statement
    from reconciler.model.snapshot import Snapshot

__all__ = ["as_restored", "owner_of", "routines_of"]

_GIVEN = frozenset({*TABLE_KINDS, "materialized_view", *ROUTINE_KINDS})


def owner_of(fact: FactId, state: Snapshot) -> str | None:
    """The role that owns the fact's object, where it has an owner."""
    whole = state.object_of(fact)
    definition = state.find(FactId("owner", (whole.kind, *whole.name)))
    return str(definition["role"]) if definition is not None else None


def routines_of(roles: Collection[str], state: Snapshot) -> dict[FactId, str]:
    """The functions and procedures of these roles, with their owners; aggregates are made of functions."""
    return {
        fact: owner
        for fact in state.facts
        if fact.kind in ("function", "procedure") and (owner := owner_of(fact, state)) in roles and owner is not None
    }


def as_restored(
    statements: Sequence[Statement], state: Snapshot, roles: Collection[str], uncallable: Mapping[FactId, str]
) -> list[Statement]:
    """The statements that make a copy of `state`, in which the code of `roles` runs as them.

    `uncallable` are those routines that cannot be given to their owners.
    """
    made = {fact: place for place, statement in enumerate(statements) for fact in statement.creates}
    keys: dict[int, tuple[int, int, int]] = {}
    for place, statement in enumerate(statements):
        facts = (*statement.creates, *statement.alters)
        if facts and all(fact.kind in ("owner", "privileges") and fact.target.kind == "schema" for fact in facts):
            # Nothing can be given to who may not create in its schema.
            keys[place] = (made.get(facts[0].target, -1), 0, place)
            continue
        target = facts[0].target if len(facts) == 1 and facts[0].kind == "owner" else None
        if target is None or target.kind not in _GIVEN or owner_of(target, state) not in roles:
            continue
        # A sequence of a column follows its table, to which it must belong by then.
        owned = [fact for fact in made if fact.kind == "owned_by" and _is_of(fact, target, state)]
        begun = max([made.get(target, -1), *(made.get(FactId("sequence", fact.name), -1) for fact in owned)])
        for fact in owned:
            keys[made[fact]] = (begun, 1, made[fact])
        keys[place] = (begun, 2, place)
    found: list[Statement] = []
    for place in sorted(range(len(statements)), key=lambda place: keys.get(place, (place, 0, place))):
        statement = statements[place]
        if _is_about_privileges_of(statement, uncallable):
            continue
        found.append(statement)
        found += _after(statement, state, roles, uncallable)
    return found


def _is_of(owned_by: FactId, table: FactId, state: Snapshot) -> bool:
    definition = state.definition(owned_by)
    return (str(definition["schema"]), str(definition["table"])) == table.name


def _is_about_privileges_of(statement: Statement, routines: Collection[FactId]) -> bool:
    facts = (*statement.creates, *statement.alters)
    return bool(facts) and all(fact.kind == "privileges" and fact.target in routines for fact in facts)


def _after(
    statement: Statement, state: Snapshot, roles: Collection[str], uncallable: Mapping[FactId, str]
) -> list[Statement]:
    """What follows the statement: an owner's, of a routine that then runs as him; or one that makes a routine."""
    for fact in (*statement.creates, *statement.alters):
        if fact in uncallable:
            return [_uncallable(fact, statement, state)]
        if fact.kind != "owner" or fact.target.kind not in ("function", "procedure"):
            continue
        if owner_of(fact.target, state) in roles:
            text = compose("ALTER {} SECURITY DEFINER", object_phrase(fact.target))
            return [replace(statement, sql=text, creates=(), alters=(fact.target,))]
    return []


def _uncallable(fact: FactId, statement: Statement, state: Snapshot) -> Statement:
    """Nobody may call it. A trigger calls its function unasked, so that one gets another body."""
    if state.definition(fact).get("result") in ("trigger", "event_trigger"):
        text = compose(
            "CREATE OR REPLACE {} RETURNS {} LANGUAGE plpgsql AS {}",
            object_phrase(fact),
            raw(str(state.definition(fact)["result"])),
            raw("'BEGIN RAISE EXCEPTION USING MESSAGE = ''this function belongs to another role''; END'"),
        )
    else:
        text = compose("REVOKE ALL ON {} FROM PUBLIC, CURRENT_USER", object_phrase(fact))
    return replace(statement, sql=text, creates=(), alters=(fact,))
