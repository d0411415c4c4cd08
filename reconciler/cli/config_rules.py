"""The tables of rules in the configuration: hazards, ignore and policy. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from reconciler.errors import ConfigError
from reconciler.hazards.policy import HazardRule, Verdict, consents
from reconciler.model.hazards import HazardKind, hazard_kind
from reconciler.model.ignore import IgnoreRule
from reconciler.model.policies import Policy, PolicyAction
from reconciler.model.value_kinds import DAY, DURATION, NUMBER, SIZE, TABLES, TEXT, TEXTS, WINDOW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from reconciler.model.value_kinds import ValueKind

__all__ = ["RULES"]

Rule = TypeVar("Rule")

_HAZARDS: dict[str, ValueKind[Any]] = {
    "hazard": TEXTS,
    "schema": TEXT,
    "object": TEXT,
    "above": SIZE,
    "verdict": TEXT,
}
_IGNORE: dict[str, ValueKind[Any]] = {
    "reason": TEXT,
    "object": TEXT,
    "children_of": TEXT,
    "attribute": TEXT,
    "kind": TEXT,
    "schema": TEXT,
    "name": TEXT,
    "owner": TEXT,
    "until": DAY,
}
_POLICY: dict[str, ValueKind[Any]] = {
    "action": TEXT,
    "object": TEXT,
    "plugin": TEXT,
    "author": TEXT,
    "reason": TEXT,
    "lasts": DURATION,
    "window": WINDOW,
    "tries": NUMBER,
    "within": DURATION,
    "back_off": DURATION,
    "allow": TEXTS,
}


def _hazard_rule(table: Mapping[str, object], where: str) -> HazardRule:
    values = _values(table, _HAZARDS, where)
    verdict = values.get("verdict")
    if verdict not in tuple(Verdict):
        raise ConfigError(f"{where}: verdict must be {' or '.join(Verdict)}")
    kinds: list[HazardKind] = []
    for word in values.get("hazard", ()):
        kind = hazard_kind(word)
        if kind is None:
            known = ", ".join(each.word for each in HazardKind)
            raise ConfigError(f"{where}: hazard {word} does not exist", hint=f"known are: {known}")
        kinds.append(kind)
    return HazardRule(
        verdict=Verdict(verdict),
        hazards=tuple(kinds),
        schema=values.get("schema"),
        object=values.get("object"),
        above_bytes=values.get("above"),
    )


def _ignore_rule(table: Mapping[str, object], where: str) -> IgnoreRule:
    values = _values(table, _IGNORE, where)
    return IgnoreRule(reason=values.pop("reason", ""), **values, where=where)


def _policy(table: Mapping[str, object], where: str) -> Policy:
    values = _values(table, _POLICY, where)
    action = values.get("action")
    if action not in tuple(PolicyAction):
        raise ConfigError(f"{where}: action must be one of {', '.join(PolicyAction)}")
    values |= {"action": PolicyAction(action), "allow": consents(values.get("allow", ()))}
    return Policy(**values, where=where)


def _values(table: Mapping[str, object], kinds: Mapping[str, ValueKind[Any]], where: str) -> dict[str, Any]:
    """What a rule says, by the keys with `_`. Raises ConfigError for a key that does not exist, or a wrong value."""
    given = {key.replace("-", "_"): value for key, value in table.items()}
    unknown = sorted(given.keys() - kinds.keys())
    if unknown:
        known = ", ".join(sorted(key.replace("_", "-") for key in kinds))
        raise ConfigError(f"{where}: unknown key {unknown[0].replace('_', '-')}", hint=f"known are: {known}")
    return {key: kind.of(given, key, where) for key, kind in kinds.items() if key in given}


def _all(name: str, read: Callable[[Mapping[str, object], str], Rule]) -> Callable[[object, Path], tuple[Rule, ...]]:
    def rules(value: object, path: Path) -> tuple[Rule, ...]:
        tables = TABLES.read(value)
        if tables is None:
            raise ConfigError(f"{path}: {name} must be a list of tables", hint=f"write [[tool.reconciler.{name}]]")
        return tuple(read(table, f"{path}: {name}[{place}]") for place, table in enumerate(tables, start=1))

    return rules


# What reads the tables of a key. Raises ConfigError for one that cannot be read.
RULES: dict[str, Callable[[object, Path], tuple[object, ...]]] = {
    "hazards": _all("hazards", _hazard_rule),
    "ignore": _all("ignore", _ignore_rule),
    "policy": _all("policy", _policy),
}
