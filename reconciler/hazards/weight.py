"""How much a hazard weighs on this database: what live holds decides, not the kind alone. Pure: no I/O."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from reconciler.model.hazards import HazardKind

if TYPE_CHECKING:
    from reconciler.model.hazards import Hazard
    from reconciler.model.outlook import Outlook

__all__ = ["Weight", "weigh"]

_BRIEF_S = 0.1
_LONG_S = 5.0
_SMALL_BYTES = 1024 * 1024


class Weight(IntEnum):
    """From what can be passed over to what must be read."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2


def weigh(hazard: Hazard, outlook: Outlook) -> Weight:
    """HIGH: rows, protection or correctness are at stake, or clients wait long; LOW: the table is empty or small."""
    size = hazard.size
    match hazard.kind:
        case HazardKind.DATA_LOSS:
            return Weight.LOW if size is not None and size.is_empty else Weight.HIGH
        case HazardKind.EMPTY_SOURCE | HazardKind.PRIVILEGES | HazardKind.CORRECTNESS | HazardKind.REPLICATION:
            return Weight.HIGH
        case HazardKind.TABLE_REWRITE | HazardKind.BLOCKING_LOCK:
            seconds = outlook.seconds(hazard)
            if seconds is None or _BRIEF_S <= seconds < _LONG_S:
                return Weight.MEDIUM
            return Weight.LOW if seconds < _BRIEF_S else Weight.HIGH
        case HazardKind.MAY_FAIL:
            return Weight.LOW if outlook.is_checked or (size is not None and size.is_empty) else Weight.MEDIUM
        case HazardKind.MISSING_INDEX | HazardKind.FIRES_TRIGGERS:
            return Weight.LOW if size is not None and size.bytes < _SMALL_BYTES else Weight.MEDIUM
        case HazardKind.BREAKS_CLIENTS | HazardKind.EXTENSION_VERSION:
            return Weight.MEDIUM
        case HazardKind.IRREVERSIBLE:
            return Weight.LOW
