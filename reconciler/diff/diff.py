"""Two snapshots -> differences. Knows no kind of object. Pure: no I/O."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from reconciler.redaction.masking import MASK
from reconciler.sqltext.roundtrip import alike

if TYPE_CHECKING:
    from reconciler.model.facts import Definition, FactId
    from reconciler.model.snapshot import Snapshot

__all__ = ["Change", "Difference", "diff"]


class Change(StrEnum):
    """What happened to a fact between two snapshots."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One fact that is not the same in two snapshots; `before` and `after` are canonical JSON, None where it is not.

    With `secret` the two look alike, but a secret behind the same mask is another one.
    """

    fact: FactId
    before: str | None
    after: str | None
    secret: bool = False

    @property
    def change(self) -> Change:
        """Whether the fact was added, removed or changed."""
        if self.before is None:
            return Change.ADDED
        return Change.REMOVED if self.after is None else Change.CHANGED

    @property
    def attributes(self) -> dict[str, tuple[object, object]]:
        """The attributes that differ: name -> (before, after), None where one side lacks it."""
        if self.secret:
            return {"secret": (MASK, f"{MASK} (another)")}
        before, after = _value(self.before), _value(self.after)
        return {
            name: (before.get(name), after.get(name))
            for name in sorted(before.keys() | after.keys())
            if before.get(name) != after.get(name)
        }


def _value(text: str | None) -> Definition:
    return cast("Definition", json.loads(text)) if text is not None else {}


def diff(before: Snapshot, after: Snapshot) -> tuple[Difference, ...]:
    """What must happen to `before` to become `after`, sorted by fact; empty where they are equal.

    A definition that only spells an expression otherwise is no difference.
    """
    old, new = before.facts, after.facts
    found = [
        Difference(fact=fact, before=old.get(fact), after=new.get(fact))
        for fact in old.keys() | new.keys()
        if old.get(fact) != new.get(fact) and not alike(old.get(fact), new.get(fact))
    ]
    found += [
        Difference(fact=fact, before=old[fact], after=new[fact], secret=True)
        for fact in before.secrets
        if fact in old and old[fact] == new.get(fact) and before.has_other_secrets(fact, after)
    ]
    return tuple(sorted(found, key=lambda difference: difference.fact))
