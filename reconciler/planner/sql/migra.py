"""What schemainspect and migra write: constraints and row security policies. Pure: no I/O.

One of two adapters to untyped libraries. Only the classes whose statements quote every name are used here, only with
definitions that Postgres itself printed, and each statement is checked to name its object as our own quoting does;
docs/foundation.md lists which kinds are theirs and why the others are not.
"""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from reconciler.errors import PlanError
from reconciler.planner.sql.quoting import name, role

if TYPE_CHECKING:
    from reconciler.model.facts import Definition, FactId

__all__ = ["Change", "constraint_statements", "policy_statements"]

Change = tuple["Definition | None", "Definition | None"]

_CONSTRAINT_TYPES = {
    "primary_key": "PRIMARY KEY",
    "unique": "UNIQUE",
    "foreign_key": "FOREIGN KEY",
    "check": "CHECK",
    "exclude": "EXCLUDE",
}
_COMMANDS = {"ALL": "*", "SELECT": "r", "INSERT": "a", "UPDATE": "w", "DELETE": "d"}


def constraint_statements(fact: FactId, old: Definition | None, new: Definition | None) -> list[str]:
    """Drops the constraint where `old` is given, adds it where `new` is."""
    return _changes(fact, _constraint(fact, old), _constraint(fact, new))


def policy_statements(fact: FactId, old: Definition | None, new: Definition | None) -> list[str]:
    """Drops the policy where `old` is given, creates it where `new` is."""
    return _changes(fact, _policy(fact, old), _policy(fact, new))


def _constraint(fact: FactId, definition: Definition | None) -> Any | None:
    if definition is None:
        return None
    schema, table, constraint = fact.name
    return _objects().InspectedConstraint(
        name=constraint,
        schema=schema,
        constraint_type=_CONSTRAINT_TYPES[str(definition["type"])],
        table_name=table,
        definition=definition["definition"],
        index=None,
    )


def _policy(fact: FactId, definition: Definition | None) -> Any | None:
    if definition is None:
        return None
    schema, table, policy = fact.name
    return _objects().InspectedRowPolicy(
        name=policy,
        schema=schema,
        table_name=table,
        commandtype=_COMMANDS[str(definition["command"])],
        permissive=not definition.get("restrictive"),
        roles=[role(member).as_string(None) for member in cast("list[str]", definition["roles"])],
        qual=definition.get("using"),
        withcheck=definition.get("check"),
    )


@cache
def _objects() -> Any:
    # As it is imported, schemainspect looks at every frame of the stack, again and again: a thread of its own has few.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_imported).result()


def _imported() -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*pkg_resources.*")
        from schemainspect.pg import obj
    return obj


def _changes(fact: FactId, old: Any | None, new: Any | None) -> list[str]:
    from migra.statements import Statements

    statements: Any = Statements()
    if old is not None:
        statements.append(old.drop_statement)
    if new is not None:
        statements.append(new.create_statement)
    expected = [name(fact.name[2]).as_string(None), name(*fact.name[:2]).as_string(None)]
    texts = [cast("str", text).strip().removesuffix(";") for text in statements]
    for text in texts:
        if not all(part in text for part in expected):
            raise PlanError(f"the statement written for {fact} does not name it: {text}")
    return texts
