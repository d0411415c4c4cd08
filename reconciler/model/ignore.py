"""Rules for what to leave alone: objects and attributes by patterns, each with its reason. Pure: no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from reconciler.errors import ConfigError
from reconciler.model.facts import SATELLITE_KINDS, TABLE_KINDS, FactId

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from reconciler.model.snapshot import Snapshot

__all__ = ["IgnoreRule", "Ignored", "find_ignored"]

# What the catalogs, and people, call some attributes.
_ALIASES = {
    "reloptions": "options",
    "relrowsecurity": "row_security",
    "relforcerowsecurity": "force_row_security",
    "relreplident": "replica_identity",
    "acl": "privileges",
    "relacl": "privileges",
    "grants": "privileges",
}

_IDENTITIES = ("index", "constraint")
# What belongs to an attribute, as the catalogs are read: left alone with it.
_TOGETHER = {"storage": ("storage_usual",), "not_null": ("not_null_constraint",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoreRule:
    """Leaves alone what all of its conditions fit, until the day `until`; `where` is the place that it stands at.

    `object` is a pattern with `*` for what a fact is called (`table:reporting.tmp_*`; without a kind for any),
    `children_of` one for the parent of partitions and children, `attribute` one with the attribute at its end
    (`table:*:options`, `table:app.*:owner`). `kind`, `schema`, `name` and `owner` are patterns too. Raises ConfigError
    for a rule without a condition or a reason.
    """

    reason: str
    object: str | None = None
    children_of: str | None = None
    attribute: str | None = None
    kind: str | None = None
    schema: str | None = None
    name: str | None = None
    owner: str | None = None
    until: date | None = None
    where: str = "an ignore rule"

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ConfigError(f"{self.where}: a reason is missing", hint='write reason = "..."')
        if all(each is None for each in (self._objects, self.attribute)):
            raise ConfigError(
                f"{self.where}: nothing says what is ignored",
                hint="give object, children-of, attribute, kind, schema, name or owner",
            )
        if self.attribute is not None and self.attribute.count(":") < 2:
            raise ConfigError(
                f"{self.where}: attribute {self.attribute} does not name one", hint="write KIND:NAME:ATTRIBUTE"
            )

    @property
    def _objects(self) -> str | None:
        return self.object or self.children_of or self.kind or self.schema or self.name or self.owner

    @property
    def condition(self) -> str:
        """What it says of objects, as it is written."""
        said = {
            "object": self.object,
            "children-of": self.children_of,
            "attribute": self.attribute,
            "kind": self.kind,
            "schema": self.schema,
            "name": self.name,
            "owner": self.owner,
        }
        return ", ".join(f"{key} = {value}" for key, value in said.items() if value is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """What the rules leave alone: whole facts with all that is in them, and attributes of others, each by its rule."""

    facts: dict[FactId, IgnoreRule] = field(default_factory=dict[FactId, IgnoreRule])
    attributes: dict[tuple[FactId, str], IgnoreRule] = field(default_factory=dict[tuple[FactId, str], IgnoreRule])
    warnings: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """A line for each that is ignored: what, why, and by which rule."""
        named = [(str(fact), rule) for fact, rule in sorted(self.facts.items())]
        named += [
            (f"{name} of {fact}", rule)
            for (fact, name), rule in sorted(self.attributes.items(), key=lambda item: item[0])
            if not any(name in parts and (fact, whole) in self.attributes for whole, parts in _TOGETHER.items())
        ]
        return tuple(f"{what}: {rule.reason} ({rule.where})" for what, rule in named)


def find_ignored(rules: Sequence[IgnoreRule], states: Sequence[Snapshot], today: date) -> Ignored:
    """What the rules that still hold leave alone of these states; a rule that fits nothing is a warning."""
    facts: dict[FactId, IgnoreRule] = {}
    attributes: dict[tuple[FactId, str], IgnoreRule] = {}
    warnings: list[str] = []
    for rule in rules:
        if rule.until is not None and today > rule.until:
            warnings.append(f"{rule.where} has ended on {rule.until} and is not applied ({rule.reason})")
            continue
        hits = 0
        for state in states:
            for fact in state.facts:
                if rule.attribute is None:
                    if fact.kind not in SATELLITE_KINDS and _fits(rule, fact, state):
                        facts.setdefault(fact, rule)
                        hits += 1
                elif (name := _attribute(rule.attribute, fact)) is not None and _fits(rule, _of(fact), state):
                    if fact.kind == name or fact.kind in SATELLITE_KINDS:
                        facts.setdefault(fact, rule)
                        hits += 1
                    # One that no state has is nothing to leave alone, and may be misspelt.
                    elif name in state.definition(fact):
                        hits += 1
                        for each in (name, *_TOGETHER.get(name, ())):
                            attributes.setdefault((fact, each), rule)
        if not hits:
            warnings.append(f"{rule.where} fits nothing: {rule.condition} ({rule.reason})")
    return Ignored(facts=_outermost(facts, states), attributes=attributes, warnings=tuple(warnings))


def _of(fact: FactId) -> FactId:
    """What an attribute is of: for a satellite, what it hangs on."""
    return fact.target if fact.kind in SATELLITE_KINDS else fact


def _attribute(pattern: str, fact: FactId) -> str | None:
    """The attribute that the pattern means, where it fits the fact."""
    of, _, name = pattern.rpartition(":")
    name = _ALIASES.get(name.lower(), name.lower())
    if fact.kind in SATELLITE_KINDS:
        return name if fact.kind == name and _named(of, fact.target) else None
    if fact.kind == "default" and name == "default":
        return name if _named(of, FactId("column", fact.name)) else None
    if fact.kind == "default" or name in SATELLITE_KINDS:
        return None
    # A table's replica identity is an attribute of the index that it uses, too.
    of_table = name == "replica_identity" and fact.kind in _IDENTITIES and _named(of, FactId("table", fact.name[:2]))
    return name if of_table or _named(of, fact) else None


def _fits(rule: IgnoreRule, fact: FactId, state: Snapshot) -> bool:
    owner = state.find(FactId("owner", (fact.kind, *fact.name)))
    return (
        (rule.object is None or _named(rule.object, fact))
        and (rule.kind is None or fnmatchcase(fact.kind, rule.kind.replace(" ", "_")))
        and (rule.schema is None or fnmatchcase(fact.schema or "", rule.schema))
        and (rule.name is None or fnmatchcase(fact.name[-1], rule.name))
        and (rule.owner is None or (owner is not None and fnmatchcase(str(owner["role"]), rule.owner)))
        and (rule.children_of is None or any(_named(rule.children_of, each) for each in _parents(fact, state)))
    )


def _named(pattern: str, fact: FactId) -> bool:
    """Whether the fact is called so, with its kind or without."""
    key = fact.key
    return fnmatchcase(key, pattern) or fnmatchcase(key.partition(":")[2], pattern)


def _parents(fact: FactId, state: Snapshot) -> Iterable[FactId]:
    """The tables, however far up, that a table inherits from or is a partition of."""
    if fact.kind not in TABLE_KINDS:
        return
    for link in state.children.get(fact, ()):
        if link.kind == "inheritance":
            parent = FactId("table", link.name[2:])
            yield parent
            yield from _parents(parent, state)


def _outermost(facts: dict[FactId, IgnoreRule], states: Sequence[Snapshot]) -> dict[FactId, IgnoreRule]:
    """Without what is a part of another one of them."""

    def within(fact: FactId) -> bool:
        for state in states:
            parent = state.parent(fact)
            while parent is not None:
                if parent in facts:
                    return True
                parent = state.parent(parent)
        return False

    return {fact: rule for fact, rule in facts.items() if not within(fact)}
