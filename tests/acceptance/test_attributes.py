"""Each attribute of each kind: where it alone is another, the plan has a statement about the fact, or is refused.

What a rule would take for a change in place and its statements then forget would be a plan of nothing. The states are
those of the acceptance cases; an attribute takes a value that other facts of the same shape have.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import psycopg
import pytest
from test_cases import ALL, ROLES

from reconciler.catalog.snapshot_reader import managed_schemas, read_snapshot
from reconciler.db.connections import transaction
from reconciler.errors import ReconcilerError
from reconciler.model.facts import canonical_json
from reconciler.planner.planner import make_plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reconciler.embedded import EmbeddedServer
    from reconciler.model.facts import FactId, Json
    from reconciler.model.snapshot import Snapshot

pytestmark = [pytest.mark.long, pytest.mark.one_server]

# What cannot be another alone: (kind, attribute) and what it follows from.
FOLLOWS = {
    ("column", "inherited"): "the facts of inheritance",
    ("column", "storage_usual"): "the type",
    ("constraint", "inherited"): "the facts of inheritance",
    ("constraint", "parent"): "the key of the parent",
    ("constraint", "not_valid"): "the definition, which says NOT VALID",
    ("constraint", "replica_identity"): "the table's, or another index's",
    ("index", "replica_identity"): "the table's, or another index's",
    ("index", "parent"): "the index of the parent",
    ("inheritance", "position"): "the number of parents",
    ("column", "not_null_constraint"): "the name of the table: a usual name is not said",
}
TRIES = 4


@pytest.fixture(scope="module")
def states(server: EmbeddedServer) -> Iterator[list[Snapshot]]:
    """What the declarations of all cases build."""
    found: list[Snapshot] = []
    with psycopg.connect(server.url, autocommit=True) as admin:
        for role in ROLES:
            admin.execute(f"CREATE ROLE {role}".encode())
        for text in dict.fromkeys(case.sql(name) for case in ALL for name in ("before.sql", "after.sql")):
            admin.execute("CREATE DATABASE attributes")
            with psycopg.connect(server.url_of("attributes"), autocommit=True) as connection:
                connection.execute(text.encode())
                with transaction(connection):
                    found.append(read_snapshot(connection, managed_schemas(connection), dependencies=True))
                connection.execute("DROP SUBSCRIPTION IF EXISTS s")
            admin.execute("DROP DATABASE attributes WITH (FORCE)")
        yield found
        for role in ROLES:
            admin.execute(f"DROP ROLE {role}".encode())


def test_a_plan_has_a_statement_for_each_attribute(states: list[Snapshot]) -> None:
    alike: defaultdict[tuple[str, ...], list[tuple[Snapshot, FactId]]] = defaultdict(list)
    for state in states:
        for fact in state.facts:
            alike[_shape(fact, state)].append((state, fact))
    tried = 0
    silent: dict[tuple[str, str], str] = {}
    for shape, facts in sorted(alike.items()):
        for state, fact, attribute, definition in _changes(facts):
            tried += 1
            if not _is_planned(state, fact, definition):
                silent[shape[0], attribute] = f"{fact}: {state.facts[fact]} -> {canonical_json(definition)}"
    assert tried > 400
    assert silent == {}


def _shape(fact: FactId, state: Snapshot) -> tuple[str, ...]:
    parent = state.parent(fact)
    kind = str(state.definition(fact).get("type", "")) if fact.kind == "constraint" else ""
    return (fact.kind, parent.kind if parent is not None else "", kind)


def _changes(
    facts: list[tuple[Snapshot, FactId]],
) -> Iterable[tuple[Snapshot, FactId, str, dict[str, Json]]]:
    """Definitions in which one attribute is another, or is not there, as in other facts of these."""
    # The columns of a view or a type follow from its definition.
    facts = [(state, fact) for state, fact in facts if fact.kind != "column" or _is_of_table(fact, state)]
    shapes = {frozenset(state.definition(fact)) for state, fact in facts}
    values: defaultdict[str, dict[str, Json]] = defaultdict(dict)
    for state, fact in facts:
        for attribute, value in state.definition(fact).items():
            if value != "DEFAULT":  # a partitioned table has one such partition at most
                values[attribute][canonical_json({"value": value})] = value
    (kind,) = {fact.kind for _, fact in facts} or {""}
    for attribute, known in values.items():
        left = 0 if (kind, attribute) in FOLLOWS else TRIES
        for state, fact in facts if left else ():
            old = dict(state.definition(fact))
            rest = {key: value for key, value in old.items() if key != attribute}
            if rest.keys() | {attribute} in shapes:
                for value in [each for each in known.values() if each != old.get(attribute)][:left]:
                    left -= 1
                    yield state, fact, attribute, {**rest, attribute: value}
            if left > 0 and attribute in old and any(attribute not in shape for shape in shapes):
                left -= 1
                yield state, fact, attribute, rest
            if left <= 0:
                break


def _is_of_table(fact: FactId, state: Snapshot) -> bool:
    parent = state.parent(fact)
    return parent is not None and parent.kind in ("table", "foreign_table")


def _is_planned(state: Snapshot, fact: FactId, definition: Mapping[str, Json]) -> bool:
    goal = state.with_facts({**state.facts, fact: canonical_json(dict(definition))})
    try:
        plan = make_plan(state, goal, current_user="postgres")
    except ReconcilerError:
        return True  # refused, with a reason
    about = {
        each for statement in plan.statements for each in (*statement.creates, *statement.alters, *statement.drops)
    }
    return fact in about or any(each.fact == fact for each in plan.unmodelled)
