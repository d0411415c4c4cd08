"""What a comparison of two states cannot tell, and people therefore write beside their DDL. Pure: no I/O.

A `Hint` is what stands in the source; `Intent` is what the hints of a source come to on one database.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.snapshot import FactId, Snapshot

__all__ = ["Hint", "HintKind", "Intent", "Rename", "Subject"]


class HintKind(StrEnum):
    """What a hint can say, by its first word."""

    RENAMED = "renamed"
    USING = "using"
    BACKFILL = "backfill"
    KEEP = "keep"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a piece of DDL speaks of, as its words name it: `name` as written, maybe without its schema.

    `part` is the column, constraint, index or the like of the relation that `name` names.
    """

    kinds: tuple[str, ...]
    name: tuple[str, ...]
    part: str | None = None

    def __str__(self) -> str:
        parts = self.name if self.part is None else (*self.name, self.part)
        return f"{self.kinds[0].replace('_', ' ')} {'.'.join(parts)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """One hint: what it says (`argument`: the old name's parts, or an expression), of what, and where it stands.

    A rename that is `due` is still to be made, whatever the recorded declaration asked for.
    """

    kind: HintKind
    subject: Subject
    argument: tuple[str, ...] = ()
    where: str = ""
    due: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """One object that goes on under another name or in another schema; `where` the hint stands, if one asked for it.

    One that is `by_hand` was made outside of any run since the last record, or takes such a one back.
    """

    old: FactId
    new: FactId
    where: str = ""
    by_hand: bool = False

    def __str__(self) -> str:
        return f"{self.old} -> {'.'.join(self.new.name)}"


@dataclass(frozen=True, kw_only=True)
class Intent:
    """What the hints come to: `renames` that apply here, expressions by column, and what is left alone.

    `kept` are never dropped, with what they hold; `ignored` are as live has them, whatever is declared.
    """

    renames: tuple[Rename, ...] = ()
    conversions: Mapping[FactId, str] = field(default_factory=dict["FactId", str])
    backfills: Mapping[FactId, str] = field(default_factory=dict["FactId", str])
    kept: frozenset[FactId] = frozenset()
    ignored: frozenset[FactId] = frozenset()
    warnings: tuple[str, ...] = ()

    def keeps(self, fact: FactId, live: Snapshot) -> bool:
        """Whether the fact, or what it is a part of, is never dropped."""
        return bool(self.kept) and _within(fact, self.kept, live)

    def ignores(self, fact: FactId, state: Snapshot) -> bool:
        """Whether the fact, or what it is a part of, is left alone."""
        return bool(self.ignored) and _within(fact, self.ignored, state)


def _within(fact: FactId, wholes: frozenset[FactId], state: Snapshot) -> bool:
    found: FactId | None = fact
    while found is not None:
        if found in wholes:
            return True
        found = state.parent(found)
    return False
