"""What was renamed manually: live has it under another name than when it was last recorded, at the same address. Pure.

A rename keeps the address; what is dropped and recreated has another one. A database that was restored from a dump has
others throughout, and then nothing is concluded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.intent.rename_statements import rename_statements
from reconciler.ledger.addresses import renamed_since
from reconciler.model.facts import FactId
from reconciler.model.intent import Rename

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.model.facts import Address
    from reconciler.model.intent import Intent
    from reconciler.model.snapshot import Snapshot

__all__ = ["accepted_warnings", "find_manual_renames", "rename_warnings", "reversed_renames"]

_PARTS = frozenset({"column", "index"})


def find_manual_renames(addresses: Mapping[FactId, Address], live: Snapshot) -> tuple[Rename, ...]:
    """The renames since `addresses` were recorded, without those of parts that only follow from their table's."""
    now = renamed_since(addresses, live)
    return tuple(
        Rename(old=old, new=new, manual=True) for old, new in sorted(now.items()) if not _follows(old, new, now)
    )


def _follows(old: FactId, new: FactId, now: Mapping[FactId, FactId]) -> bool:
    """Whether a column or an index has only moved along with its table."""
    if old.kind not in _PARTS or old.name[2] != new.name[2]:
        return False
    return any(FactId(kind, old.name[:2]) in now for kind in ("table", "foreign_table", "view", "materialized_view"))


def reversed_renames(renames: Iterable[Rename], declared: Snapshot, intent: Intent) -> tuple[Rename, ...]:
    """The renames that bring back the declared names, but for what is renamed anyhow."""
    asked = {fact for rename in intent.renames for fact in (rename.old, rename.new)}
    return tuple(
        Rename(old=rename.new, new=rename.old, manual=True)
        for rename in renames
        if rename.old in declared.facts
        and rename.new not in declared.facts
        and asked.isdisjoint((rename.old, rename.new))
    )


def rename_warnings(renames: Iterable[Rename], declared: Snapshot, live: Snapshot) -> Iterable[str]:
    """A warning for each rename that the declaration does not follow: what happened, and what to do about it."""
    for rename in renames:
        if rename.new in declared.facts:
            continue
        said = f"{rename.old} was renamed to {rename.new} manually: declare it under that name to keep it"
        if rename.old in declared.facts:
            back = rename_statements([Rename(old=rename.new, new=rename.old)], live)
            said += f"; as it is declared, it is renamed back: {'; '.join(statement.sql for statement in back)}"
        yield said


def accepted_warnings(renames: Iterable[Rename]) -> Iterable[str]:
    """A warning for each rename that the record follows now, and the declaration does not yet."""
    for rename in renames:
        yield (
            f"{rename.old} is recorded as {rename.new} from now on: declare it under that name, or the next plan drops"
            f" it and creates {rename.old}"
        )
