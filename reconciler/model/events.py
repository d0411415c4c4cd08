"""What a run tells while it goes on: an event for each statement, and for each batch of rows. Pure: no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.model.plan import Statement
    from reconciler.model.replication import Reader

__all__ = ["BackfillProgress", "Event", "Phase"]


class Phase(StrEnum):
    """What an event tells of its statement."""

    STARTED = "started"
    FILLED = "filled"
    LAGGING = "lagging"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillProgress:
    """How far the filling of a column is: the `share` of the table that is done, from 0 to 1.

    `before` is the share in whose rows nothing was missing when it began, as an earlier run had filled them. `rows` is
    how many the table has by its statistics; None where it was never analysed.
    """

    share: float
    before: float
    rows: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One moment of a run: statement `position` of `total`, counted from 1.

    A statement is STARTED before it waits for its lock, and again at each further try. `backfill` is given with
    FILLED, after each batch of rows; `readers` with LAGGING, who are waited for as they are too far behind in the
    write-ahead log; `duration_ms` with FINISHED, which is told before the transaction is committed.
    """

    plugin: str
    phase: Phase
    position: int
    total: int
    statement: Statement
    duration_ms: float | None = None
    backfill: BackfillProgress | None = None
    readers: tuple[Reader, ...] = ()
