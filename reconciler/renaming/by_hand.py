"""What was renamed by hand: live has it under another name than when it was last recorded, at the same address. Pure.

An address is what pg_depend finds an object by: the OIDs of its catalog and its own, and a column's number. A rename
keeps it; what is dropped and made anew has another one. A database that was restored from a dump has others throughout,
and then nothing is concluded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.ddl.renames import rename_statements
from reconciler.intent.intent import Rename
from reconciler.leftovers import is_leftover
from reconciler.snapshot import RELATION_KINDS, ROUTINE_KINDS, TABLE_KINDS, FactId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.intent.intent import Intent
    from reconciler.snapshot import Address, Snapshot

__all__ = ["KINDS", "lasting_addresses", "renamed_by_hand", "taken_back", "told", "told_of_accepted"]

KINDS = frozenset({*RELATION_KINDS, *ROUTINE_KINDS, "column", "domain", "enum", "index", "range_type"})
_PARTS = frozenset({"column", "index"})


def lasting_addresses(live: Snapshot, record: Snapshot, before: Mapping[FactId, Address]) -> dict[FactId, Address]:
    """Where the objects lie that a rename can be told of: those of `KINDS`, and columns of tables.

    What has another name in live than it is recorded under keeps the address `before`: its rename is yet to be ended.
    """
    pending = {old: new for old, new in _moved(before, live).items() if old in record.facts and new not in record.facts}
    moved = frozenset(pending.values())
    found = {
        fact: address
        for fact, address in live.addresses.items()
        if fact.kind in KINDS
        and fact not in moved
        and (fact.kind != "column" or ((table := live.parent(fact)) is not None and table.kind in TABLE_KINDS))
    }
    return found | {old: before[old] for old in pending}


def renamed_by_hand(addresses: Mapping[FactId, Address], live: Snapshot) -> tuple[Rename, ...]:
    """The renames since `addresses` were recorded, without those of parts that only follow from their table's."""
    now = _moved(addresses, live)
    return tuple(
        Rename(old=old, new=new, by_hand=True) for old, new in sorted(now.items()) if not _follows(old, new, now)
    )


def _moved(addresses: Mapping[FactId, Address], live: Snapshot) -> dict[FactId, FactId]:
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


def _follows(old: FactId, new: FactId, now: Mapping[FactId, FactId]) -> bool:
    """Whether a column or an index has only moved along with its table."""
    if old.kind not in _PARTS or old.name[2] != new.name[2]:
        return False
    return any(FactId(kind, old.name[:2]) in now for kind in ("table", "foreign_table", "view", "materialized_view"))


def taken_back(renames: Iterable[Rename], declared: Snapshot, intent: Intent) -> tuple[Rename, ...]:
    """The renames that bring back the declared names, but for what is renamed anyhow."""
    asked = {fact for rename in intent.renames for fact in (rename.old, rename.new)}
    return tuple(
        Rename(old=rename.new, new=rename.old, by_hand=True)
        for rename in renames
        if rename.old in declared.facts
        and rename.new not in declared.facts
        and asked.isdisjoint((rename.old, rename.new))
    )


def told(renames: Iterable[Rename], declared: Snapshot, live: Snapshot) -> Iterable[str]:
    """A warning for each rename that the declaration does not follow: what happened, and what to do about it."""
    for rename in renames:
        if rename.new in declared.facts:
            continue
        said = f"{rename.old} was renamed to {rename.new} by hand: declare it under that name to keep it"
        if rename.old in declared.facts:
            back = rename_statements([Rename(old=rename.new, new=rename.old)], live)
            said += f"; as it is declared, it is renamed back: {'; '.join(statement.sql for statement in back)}"
        yield said


def told_of_accepted(renames: Iterable[Rename]) -> Iterable[str]:
    """A warning for each rename that the record follows now, and the declaration does not yet."""
    for rename in renames:
        yield (
            f"{rename.old} is recorded as {rename.new} from now on: declare it under that name, or the next plan has it"
            f" dropped and {rename.old} made"
        )
