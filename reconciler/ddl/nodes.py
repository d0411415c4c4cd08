"""What is put in order: something that happens to a fact. Pure: no I/O."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from reconciler.snapshot import FactId

__all__ = ["Act", "Node"]


class Act(IntEnum):
    """What happens; FINISH is what is left to do when something replaced has been made anew."""

    DROP = 0
    ALTER = 1
    CREATE = 2
    FINISH = 3


class Node(NamedTuple):
    """An act on a fact."""

    act: Act
    fact: FactId

    def __str__(self) -> str:
        return f"{self.act.name.lower()} {self.fact}"
