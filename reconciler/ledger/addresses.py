"""Where Postgres keeps objects, by which one is known again under another name. Pure: no I/O.

An address is what pg_depend finds an object by: the OIDs of its catalog and its own, and a column's number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.facts import RELATION_KINDS, ROUTINE_KINDS, TABLE_KINDS, FactId
from reconciler.model.temporary_names import is_leftover

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.model.facts import Address
    from reconciler.model.snapshot import Snapshot

__all__ = ["KINDS", "lasting_addresses", "renamed_since"]

KINDS = frozenset({*RELATION_KINDS, *ROUTINE_KINDS, "column", "domain", "enum", "index", "range_type"})


def lasting_addresses(live: Snapshot, record: Snapshot, before: Mapping[FactId, Address]) -> dict[FactId, Address]:
    """Where the objects lie that a rename can be told of: those of `KINDS`, and columns of tables.

    What has another name in live than it is recorded under keeps the address `before`: its rename is yet to be ended.
    """
    pending = {
        old: new for old, new in renamed_since(before, live).items() if old in record.facts and new not in record.facts
    }
    moved = frozenset(pending.values())
    found = {
        fact: address
        for fact, address in live.addresses.items()
        if fact.kind in KINDS
        and fact not in moved
        and (fact.kind != "column" or ((table := live.parent(fact)) is not None and table.kind in TABLE_KINDS))
    }
    return found | {old: before[old] for old in pending}


def renamed_since(addresses: Mapping[FactId, Address], live: Snapshot) -> dict[FactId, FactId]:
    """What has another name in live than when `addresses` were recorded, parts included, and that name."""
    kept = [live.addresses.get(fact) == address for fact, address in addresses.items() if fact in live.facts]
    if 2 * sum(kept) < len(kept):
        return {}
    gone = {address: fact for fact, address in addresses.items() if fact not in live.facts}
    return {
        gone[address]: fact
        for fact, address in live.addresses.items()
        if address in gone and fact.kind == gone[address].kind and fact not in addresses and not is_leftover(fact)
    }
