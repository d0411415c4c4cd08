"""The rows of pg_depend as dependencies between facts. Pure: no I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.model.facts import DATABASE_WIDE_KINDS, SATELLITE_KINDS, TABLE_KINDS, FactId

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TypeAlias

    from reconciler.model.facts import Address
    from reconciler.model.snapshot import Snapshot

    # What needs something, that, and pg_depend's deptype.
    Edge: TypeAlias = tuple[Address, Address, str]

__all__ = ["Edge", "with_dependencies"]

_WIDE = DATABASE_WIDE_KINDS | {"schema"}
# OIDs of catalogs are fixed (src/include/catalog/*.h).
_PG_CLASS = 1259
_PG_AMOP, _PG_AMPROC, _PG_OPCLASS, _PG_OPFAMILY = 2602, 2603, 2616, 2753


def with_dependencies(snapshot: Snapshot, edges: Sequence[Edge]) -> Snapshot:
    """The snapshot with what pg_depend says of its facts.

    An object that is no fact (a view's rule, a table's row type, a constraint's index, an extension's member) stands
    for the fact that it belongs to.
    """
    by_address = {address: fact for fact, address in snapshot.addresses.items()}
    members, families = {_PG_AMOP, _PG_AMPROC}, {_PG_OPFAMILY, _PG_OPCLASS}
    belongs: dict[Address, Address] = {}
    for address, target, deptype in edges:
        if address in by_address:
            continue
        # A member of an extension stands for it; the loose members of an operator family hang on it automatically.
        if deptype in ("i", "e") or (deptype == "a" and address[0] in members and target[0] in families):
            belongs.setdefault(address, target)

    def resolve(address: Address) -> FactId | None:
        seen: set[Address] = set()
        while address not in seen:
            seen.add(address)
            if (fact := by_address.get(address)) is not None:
                return fact
            if (whole := (address[0], address[1], 0)) != address and address not in belongs:
                address = whole
                continue
            if address not in belongs:
                return None
            address = belongs[address]
        return None

    ages = {fact: address[1] for address, fact in by_address.items() if fact.kind == "index"}
    for address, target in belongs.items():
        if address[0] == _PG_CLASS and (fact := by_address.get(target)) is not None and fact.kind == "constraint":
            ages[fact] = address[1]
    needs: dict[FactId, set[FactId]] = {}
    automatic: dict[FactId, set[FactId]] = {}
    unpopulated: set[FactId] = set()
    dependents: set[Address] = set()
    for address, target, deptype in edges:
        fact, needed = resolve(address), resolve(target)
        if fact is not None and deptype == "unpopulated":
            unpopulated.add(fact)
        if fact is None and needed is not None and deptype != "e" and needed.kind not in _WIDE:
            dependents.add(address)
        if fact is None or needed is None or fact == needed or deptype == "e":
            continue
        if fact.kind == "sequence" and needed.kind == "column" and deptype in ("a", "i"):
            needs.setdefault(FactId("owned_by", fact.name), set()).add(needed)
            automatic.setdefault(fact, set()).add(needed)
            continue
        if deptype in ("P", "S"):
            automatic.setdefault(fact, set()).add(needed)
            continue
        if fact.kind in TABLE_KINDS and needed.kind in TABLE_KINDS:
            link = FactId("inheritance", (*fact.name, *needed.name))
            if link in snapshot.facts:
                needs.setdefault(link, set()).add(needed)
                continue
        needs.setdefault(fact, set()).add(needed)
        if (deptype == "a" and address[0] not in members) or (fact.kind == "column" and deptype == "i"):
            automatic.setdefault(fact, set()).add(needed)
    for fact in snapshot.facts:
        for needed in _implied_needs(fact, snapshot):
            needs.setdefault(fact, set()).add(needed)
    return replace(
        snapshot,
        dependencies={fact: frozenset(found) for fact, found in needs.items()},
        automatic={fact: frozenset(found) for fact, found in automatic.items()},
        unpopulated=frozenset(unpopulated),
        ages=ages,
        dependents=frozenset(dependents),
    )


def _implied_needs(fact: FactId, snapshot: Snapshot) -> Iterable[FactId]:
    """What a fact that has no row of its own in pg_depend needs."""
    parent = snapshot.parent(fact)
    if parent is not None and parent in snapshot.facts:
        yield parent
    if fact.kind in SATELLITE_KINDS or fact.kind in DATABASE_WIDE_KINDS or fact.kind == "schema":
        return
    if parent is None and len(fact.name) > 1 and (schema := FactId("schema", fact.name[:1])) in snapshot.facts:
        yield schema
