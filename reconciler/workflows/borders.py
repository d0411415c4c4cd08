"""What a plan must not touch: schemas and objects of other plugins, names that somebody else holds. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.errors import ConfigError, PlanError
from reconciler.planner.rules.registry import RULES, rule_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.diff.goal import Desired, Goal, Scope
    from reconciler.ledger.plugins import Others
    from reconciler.model.facts import FactId
    from reconciler.model.snapshot import Snapshot

__all__ = ["require_free_names", "require_own_objects", "shared_with"]

_SHOWN = 10
# Names that two objects cannot have at a time; what else is unique is within one table.
_NAMES = frozenset({"collation", "conversion", "operator", "relation", "routine", "schema", "statistics", "type"})


def shared_with(plugin: str, scope: Scope, others: Others, *, share: bool) -> frozenset[str]:
    """Those of the schemas that another plugin managed first, where sharing is allowed. Raises ConfigError else."""
    found = sorted(schema for schema in scope.schemas if schema in others.schemas)
    if found and not share:
        first = others.schemas[found[0]]
        raise ConfigError(
            f"schema {found[0]} is managed by plugin {first}, so plugin {plugin} cannot manage it too",
            hint=f"give plugin {plugin} another schema with --schema; or, to keep objects of both there, pass --share;"
            f" where {plugin} is the new name of {first}: `reconciler plugin rename {first} {plugin}`",
        )
    return frozenset(found)


def require_own_objects(desired: Desired, recorded: Snapshot | None, others: Others) -> None:
    """Raises ConfigError where the source declares an object that another plugin has recorded."""
    for fact in sorted(others.facts.keys() & desired.snapshot.facts.keys()):
        known = recorded is not None and fact in recorded.facts
        if fact == desired.snapshot.object_of(fact) and desired.mentions(fact) and not known:
            raise ConfigError(
                f"{fact} is recorded by plugin {others.facts[fact]}, and declared here too",
                hint="declare it in one of them only; `reconciler plugin rename OLD NEW` gives a plugin another name",
            )


def require_free_names(goal: Goal, plugins: Mapping[FactId, str]) -> None:
    """Raises PlanError where something that is declared has the name of an object that is not managed here."""
    held: dict[tuple[str, ...], FactId] = {}
    for fact in sorted(goal.foreign & goal.snapshot.facts.keys()):
        for claim in _claims(fact, goal.snapshot):
            held.setdefault(claim, fact)
    lines: list[str] = []
    for fact in sorted(goal.snapshot.facts.keys() - goal.foreign) if held else ():
        holder = next((held[claim] for claim in _claims(fact, goal.snapshot) if claim in held), None)
        if holder is not None:
            plugin = plugins.get(goal.snapshot.object_of(holder))
            whose = f"plugin {plugin}" if plugin is not None else "not managed here"
            lines.append(f"{fact}: the name is held by {holder} ({whose})")
    if lines:
        more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
        raise PlanError(
            "names that are declared are held by other objects:\n  " + "\n  ".join([*lines[:_SHOWN], *more]),
            hint="rename or drop what holds the name, or declare yours under another one",
            left="nothing was changed",
        )


def _claims(fact: FactId, state: Snapshot) -> list[tuple[str, ...]]:
    if fact.kind not in RULES:
        return []
    return [claim for claim in rule_of(fact).unique_names(fact, state.definition(fact)) if claim[0] in _NAMES]
