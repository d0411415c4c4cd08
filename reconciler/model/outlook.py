"""What a plan meets in live beside facts: how large its tables are, and how quick the server is. Pure: no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.model.hazards import HazardKind, TableSize

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.model.facts import FactId
    from reconciler.model.hazards import Hazard

__all__ = ["USUAL_SPEEDS", "Outlook", "Speeds"]

_MB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Speeds:
    """Bytes of a table and its indexes, each second: `rewrite` where rows are written again, `read` where only read.

    `is_measured`: by earlier migrations of this database.
    """

    rewrite: float
    read: float
    is_measured: bool = False


# Of a server with local disks whose table is not in memory; an estimate is for the order of magnitude.
USUAL_SPEEDS = Speeds(rewrite=40 * _MB, read=200 * _MB)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The sizes of the tables that a plan is about, by the names that they get, and the server's speeds.

    `is_checked`: the preflight asked live for rows that statements would fail on.
    """

    sizes: Mapping[FactId, TableSize] = field(default_factory=dict["FactId", TableSize])
    speeds: Speeds = USUAL_SPEEDS
    is_checked: bool = False

    def seconds(self, hazard: Hazard) -> float | None:
        """About how long the work that the hazard is about takes; None where that is no work, or no size is known."""
        if hazard.size is None or hazard.kind not in (HazardKind.TABLE_REWRITE, HazardKind.BLOCKING_LOCK):
            return None
        speed = self.speeds.rewrite if hazard.kind is HazardKind.TABLE_REWRITE else self.speeds.read
        return hazard.size.bytes / speed
