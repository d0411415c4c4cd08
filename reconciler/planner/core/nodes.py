"""What is put in order: something that happens to a fact. Pure: no I/O."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from reconciler.model.facts import FactId

__all__ = ["RECREATABLE", "ROUTINES", "Act", "Node"]

ROUTINES = frozenset({"function", "procedure"})
RECREATABLE = ROUTINES | {"policy", "trigger", "rule", "aggregate"}


class Act(IntEnum):
    """What happens.

    PREPARE is what happens to an object that stays before its parts change; RESTORE is what is left to do when they
    have changed, or when the object has been recreated.
    """

    PREPARE = 0
    DROP = 1
    ALTER = 2
    CREATE = 3
    RESTORE = 4


class Node(NamedTuple):
    """An act on a fact."""

    act: Act
    fact: FactId

    def __str__(self) -> str:
        return f"{self.act.name.lower()} {self.fact}"
