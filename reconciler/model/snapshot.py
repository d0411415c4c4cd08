"""Snapshot: all facts of one moment, and its fingerprint. Pure: no I/O.

Definitions are kept as canonical JSON text (compact, keys sorted, nulls left out), because two snapshots of thousands
of facts are compared far more often than one of their definitions is looked into.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, NamedTuple, cast

from reconciler.model.facts import (
    CHILD_KINDS,
    RELATION_KINDS,
    SATELLITE_KINDS,
    Address,
    Definition,
    FactId,
    Json,
    canonical_json,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from reconciler.redaction.masking import Secret

__all__ = ["SNAPSHOT_VERSION", "Extent", "Snapshot", "UnknownSnapshotError"]

SNAPSHOT_VERSION = "1"
_DOMAIN_CHILDREN = frozenset({"domain_constraint"})
_PUBLICATION_CHILDREN = frozenset({"publication_table", "publication_schema"})


class Extent(NamedTuple):
    """What a snapshot is read of: whole schemas, and of others the objects named."""

    schemas: tuple[str, ...]
    outside: frozenset[FactId] = frozenset()

    def with_objects(self, outside: frozenset[FactId]) -> Extent:
        """The same with these objects of other schemas."""
        return Extent(self.schemas, self.outside | outside)

    @property
    def all_schemas(self) -> tuple[str, ...]:
        """Its schemas, and those of the objects."""
        others = {schema for fact in self.outside if (schema := fact.schema) is not None}
        return (*self.schemas, *sorted(others.difference(self.schemas)))


@lru_cache(maxsize=16_384)
def _decoded(text: str) -> Definition:
    """The definition; a plan looks into each some ten times, and thousands of columns have the same."""
    return cast("Definition", json.loads(text))


def _strings_json(strings: Iterable[str]) -> str:
    """What `canonical_json` gives for a list of strings, in a third of the time: it is run for every fact."""
    return f"[{','.join(map(encode_basestring, strings))}]"


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """All facts of the managed schemas, read in one consistent read.

    `facts` maps identity to canonical JSON, a table's columns in their order. `addresses` (where pg_depend finds it),
    `dependencies` (identity -> what it needs), `automatic` (identity -> what takes it along when dropped) and
    `unpopulated` (materialized views that hold nothing yet), `ages` (index or key -> the OID of its index, lower if it
    is older), `inherited_names` (column -> the name of a NOT NULL constraint that came from a parent), `declared`
    (those of them that the table declares, too), `cloned` (keys of partitions that Postgres made with their parent's)
    and `dependents` (where that lies which needs a fact and is none of the facts itself) travel beside the facts and
    are no part of the fingerprint. A snapshot that was loaded from the ledger has none of them, but it has `granted`:
    what grantees have by GRANT and REVOKE of the source. `secrets` (identity -> option -> value)
    is what the masks in the facts stand for, where it could be read; no JSON holds it.
    """

    facts: Mapping[FactId, str]
    schemas: tuple[str, ...] = ()
    server_version: int = 0
    addresses: Mapping[FactId, Address] = field(default_factory=dict["FactId", Address])
    dependencies: Mapping[FactId, frozenset[FactId]] = field(default_factory=dict[FactId, frozenset[FactId]])
    automatic: Mapping[FactId, frozenset[FactId]] = field(default_factory=dict[FactId, frozenset[FactId]])
    secrets: Mapping[FactId, Mapping[str, Secret]] = field(default_factory=dict["FactId", "Mapping[str, Secret]"])
    unpopulated: frozenset[FactId] = frozenset()
    ages: Mapping[FactId, int] = field(default_factory=dict["FactId", int])
    dependents: frozenset[Address] = frozenset()
    inherited_names: Mapping[FactId, str] = field(default_factory=dict["FactId", str])
    declared: frozenset[FactId] = frozenset()
    cloned: frozenset[FactId] = frozenset()
    granted: Mapping[FactId, frozenset[str]] = field(default_factory=dict["FactId", "frozenset[str]"])

    def __len__(self) -> int:
        return len(self.facts)

    def __iter__(self) -> Iterator[FactId]:
        return iter(self.facts)

    def __contains__(self, fact: object) -> bool:
        return fact in self.facts

    def definition(self, fact: FactId) -> Definition:
        """The definition of `fact` as a value. Raises KeyError where there is no such fact."""
        return dict(_decoded(self.facts[fact]))

    def find(self, fact: FactId) -> Definition | None:
        """The definition of `fact`, or None."""
        return self.definition(fact) if fact in self.facts else None

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the canonical bytes of all facts; equal fingerprints mean equal facts, on any server version."""
        digest = hashlib.sha256()
        for fact in sorted(self.facts):
            digest.update(_strings_json((fact.kind, *fact.name)).encode())
            digest.update(self.facts[fact].encode())
            digest.update(b"\n")
        return digest.hexdigest()

    def constraint_names(self) -> Iterator[tuple[FactId, str]]:
        """Whoever has a constraint, and its name: each constraint, and each column and domain that is NOT NULL."""
        for fact, text in self.facts.items():
            if fact.kind in ("constraint", "domain_constraint"):
                yield fact, fact.name[2]
            elif fact.kind in ("column", "domain") and '"not_null":true' in text:
                yield fact, self.not_null_name(fact)

    def not_null_name(self, fact: FactId) -> str:
        """What the NOT NULL of a column or a domain is called since 18; of a column's that came from a parent, too."""
        if (inherited := self.inherited_names.get(fact)) is not None:
            return inherited
        usual = "_".join((*fact.name[1:], "not_null"))
        text = self.facts[fact]
        if '"not_null_' not in text:
            return usual
        definition = self.definition(fact)
        constraint = cast("Definition", definition.get("not_null_constraint") or {})
        return str(constraint.get("name") or definition.get("not_null_name") or usual)

    @cached_property
    def _relations(self) -> dict[tuple[str, ...], FactId]:
        return {fact.name: fact for fact in self.facts if fact.kind in RELATION_KINDS}

    @cached_property
    def children(self) -> Mapping[FactId, tuple[FactId, ...]]:
        """Each fact's own children: a table's columns, a column's default and comment."""
        found: dict[FactId, list[FactId]] = {}
        for fact in self.facts:
            parent = self.parent(fact)
            if parent is not None:
                found.setdefault(parent, []).append(fact)
        return {parent: tuple(sorted(children)) for parent, children in found.items()}

    @cached_property
    def inheritances(self) -> Mapping[tuple[str, ...], tuple[FactId, ...]]:
        """Each parent table's name, and the links of what inherits from it or is attached to it."""
        found: dict[tuple[str, ...], list[FactId]] = {}
        for fact in self.facts:
            if fact.kind == "inheritance":
                found.setdefault(fact.name[2:], []).append(fact)
        return {parent: tuple(links) for parent, links in found.items()}

    def parent(self, fact: FactId) -> FactId | None:
        """What `fact` is a part of and goes away with: a default's column, a column's table, a comment's object."""
        kind = fact.kind
        if kind == "column" or kind in CHILD_KINDS:
            if kind == "default":
                return FactId("column", fact.name)
            return self._relations.get(fact.name[:2])
        if kind in SATELLITE_KINDS:
            return fact.target
        if kind in ("publication_table", "publication_schema"):
            return FactId("publication", fact.name[:1])
        if kind in _DOMAIN_CHILDREN:
            return FactId("domain", fact.name[:2])
        if kind in _PUBLICATION_CHILDREN:
            return FactId("publication", fact.name[:1])
        return None

    def object_of(self, fact: FactId) -> FactId:
        """The whole object that `fact` belongs to: a column's table, a comment's view. Facts of no parent: itself."""
        while (parent := self.parent(fact)) is not None:
            fact = parent
        return fact

    @cached_property
    def outside(self) -> frozenset[FactId]:
        """The objects that are in none of `schemas`: what others made of ours, and what is declared beside theirs.

        Of a part without its relation, as a record has it, also what that relation can be.
        """
        own = {None, *self.schemas}
        found = {self.object_of(fact) for fact in self.facts if fact.schema not in own}
        parts = [fact for fact in found if fact.kind == "column" or fact.kind in CHILD_KINDS]
        return frozenset(found).union(FactId(kind, part.name[:2]) for part in parts for kind in RELATION_KINDS)

    @property
    def extent(self) -> Extent:
        """What is to be read to see the same objects again."""
        return Extent(self.schemas, self.outside)

    def limited(self, schemas: tuple[str, ...], outside: Collection[FactId]) -> Snapshot:
        """Of this snapshot of more schemas the facts of `schemas`, and of others the objects that `outside` names."""
        own = {None, *schemas}
        objects = {self.object_of(fact) for fact in self.facts if self._is_within(fact, outside)}
        kept = {
            fact: text for fact, text in self.facts.items() if fact.schema in own or self.object_of(fact) in objects
        }
        return replace(self.with_facts(kept), schemas=schemas)

    def _is_within(self, fact: FactId, wholes: Collection[FactId]) -> bool:
        found: FactId | None = fact
        while found is not None:
            if found in wholes:
                return True
            found = self.parent(found)
        return False

    def descendants(self, fact: FactId) -> Iterator[FactId]:
        """All children of `fact` and theirs, not `fact` itself."""
        for child in self.children.get(fact, ()):
            yield child
            yield from self.descendants(child)

    def with_facts(self, facts: Mapping[FactId, str]) -> Snapshot:
        """The same snapshot with other facts."""
        return replace(self, facts=facts)

    def without(self, facts: Collection[FactId]) -> Snapshot:
        """The same snapshot without these facts."""
        return (
            self.with_facts({fact: text for fact, text in self.facts.items() if fact not in facts}) if facts else self
        )

    def apart_from(self, facts: Collection[FactId]) -> Snapshot:
        """The same without these facts and without what pg_depend says of them."""
        if not facts:
            return self
        return self.without(facts).with_relations(
            dependencies={fact: needed for fact, needed in self.dependencies.items() if fact not in facts},
            automatic={fact: needed for fact, needed in self.automatic.items() if fact not in facts},
        )

    def with_secrets(self, secrets: Mapping[FactId, Mapping[str, Secret]]) -> Snapshot:
        """The same facts with these values behind their masks."""
        return replace(self, secrets=secrets)

    def has_other_secrets(self, fact: FactId, other: Snapshot) -> bool:
        """Whether a mask of `fact` stands for another value than in `other`; what is not known equals anything."""
        ours, theirs = self.secrets.get(fact, {}), other.secrets.get(fact, {})
        return any(ours[option] != theirs[option] for option in ours.keys() & theirs.keys())

    def with_relations(
        self,
        *,
        dependencies: Mapping[FactId, frozenset[FactId]],
        automatic: Mapping[FactId, frozenset[FactId]],
    ) -> Snapshot:
        """The same facts with these dependencies."""
        return replace(self, dependencies=dependencies, automatic=automatic)

    def to_json(self) -> str:
        """Canonical JSON of the whole snapshot: `{"dialect", "facts": [[kind, name, definition]], "schemas", ...}`."""
        rows = ",".join(
            f"[{encode_basestring(fact.kind)},{_strings_json(fact.name)},{text}]" for fact, text in self.facts.items()
        )
        granted = ",".join(
            f"[{_strings_json(fact.name)},{_strings_json(sorted(held))}]" for fact, held in sorted(self.granted.items())
        )
        return (
            f'{{"dialect":"postgresql","facts":[{rows}],"granted":[{granted}],"fingerprint":{canonical_json(self.fingerprint)},'
            f'"schemas":{canonical_json(list(self.schemas))},"server_version":{self.server_version},'
            f'"version":{canonical_json(SNAPSHOT_VERSION)}}}'
        )

    @classmethod
    def from_json(cls, text: str) -> Snapshot:
        """The snapshot that `to_json` wrote, even if a jsonb column reordered its keys since.

        Raises UnknownSnapshotError where another program or another format is the author, else ValueError where the
        text is not such a snapshot.
        """
        try:
            value = cast("Json", json.loads(text))
            if not isinstance(value, dict) or "facts" not in value or value.get("version") != SNAPSHOT_VERSION:
                raise UnknownSnapshotError("not a snapshot of this version")
            return cls(
                facts={
                    FactId(_text(kind), tuple(map(_text, name))): canonical_json(_definition(definition))
                    for kind, name, definition in cast("list[tuple[Json, list[Json], Json]]", value["facts"])
                },
                schemas=tuple(map(_text, cast("list[Json]", value["schemas"]))),
                server_version=int(cast("int", value["server_version"])),
                granted={
                    FactId("privileges", tuple(map(_text, name))): frozenset(map(_text, held))
                    for name, held in cast("list[tuple[list[Json], list[Json]]]", value.get("granted", []))
                },
            )
        except (TypeError, KeyError, RecursionError) as exc:
            raise ValueError("its facts are not [kind, name, definition]") from exc


class UnknownSnapshotError(ValueError):
    """The text is a snapshot that another program wrote, or in another format."""


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _definition(value: Json) -> Json:
    if not isinstance(value, dict):
        raise TypeError("not a definition")
    return value
