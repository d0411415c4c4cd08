"""A fresh place to build in, and what gives such places. Does I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from reconciler.catalog.snapshot_reader import read_snapshot
from reconciler.db.connections import transaction
from reconciler.model.facts import FactId, canonical_json

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from contextlib import AbstractContextManager

    from reconciler.db.connections import Connection
    from reconciler.model.snapshot import Snapshot

__all__ = ["PREFIX", "Place", "Scratch"]

# Of the names of schemas and databases that are there for the while only.
PREFIX = "reconciler_scratch_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A fresh place: `connection` to work on; `transactional` where everything must stay in its transaction.

    `builder` makes the objects there; on another server that is somebody else than `user`, who would make them in live.
    """

    connection: Connection
    transactional: bool
    builder: str
    user: str

    def read(self, schemas: Sequence[str], *, outside: Collection[FactId] = (), dependencies: bool = False) -> Snapshot:
        """The snapshot of these schemas, and of objects outside, with `user` where `builder` is owner or grantee."""
        with transaction(self.connection):
            found = read_snapshot(self.connection, schemas, outside=outside, dependencies=dependencies)
        return found if self.builder == self.user else _handed_over(found, self.builder, self.user)


class Scratch(Protocol):
    """Gives fresh places, one at a time."""

    kind: str
    why: str

    def fresh(self) -> AbstractContextManager[Place]:
        """A place as initdb would have made it; everything done there is gone when it is left."""
        ...


def _handed_over(snapshot: Snapshot, builder: str, user: str) -> Snapshot:
    """The same facts, as if `user` had made what `builder` did."""
    ours, theirs = canonical_json({"role": user}), canonical_json({"role": builder})
    facts: dict[FactId, str] = {}
    renamed: dict[FactId, FactId] = {}
    for fact, text in snapshot.facts.items():
        if fact.kind == "privileges" and fact.name[-1] == builder:
            renamed[fact] = FactId(fact.kind, (*fact.name[:-1], user))
        facts[renamed.get(fact, fact)] = ours if fact.kind == "owner" and text == theirs else text
    found = snapshot.with_facts(facts)
    return found.with_relations(
        dependencies={renamed.get(fact, fact): needed for fact, needed in snapshot.dependencies.items()},
        automatic=snapshot.automatic,
    )
