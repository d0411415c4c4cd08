"""What a watcher knows now: one value, replaced as a whole, that other threads may read. Pure: no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = ["PluginState", "Role", "Verdict", "WatchStatus"]


class PluginState(StrEnum):
    """What a look found, the gravest first."""

    ERROR = "error"
    DRIFTED = "drifted"
    ACKNOWLEDGED = "acknowledged"
    UNFINISHED = "unfinished"
    BEHIND = "behind"
    PENDING = "pending"
    IN_SYNC = "in_sync"


class Role(StrEnum):
    """Whether this watcher acts, waits until it may, or could not look yet."""

    STARTING = "starting"
    ACTING = "acting"
    STANDBY = "standby"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the last look at a plugin found. `oldest` is when the oldest drift was opened that is not over.

    `failing` are the incidents for which a policy says `fail`.
    """

    plugin: str
    state: PluginState
    at: datetime
    duration_s: float
    open: int = 0
    acknowledged: int = 0
    oldest: datetime | None = None
    failing: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchStatus:
    """The state of one watcher. `stale` says why its verdicts may be out of date; None where they are not.

    `heartbeat` is of `time.monotonic`. `detector` says what changes are noticed by, `log_intact` whether the log of DDL
    can be believed (None: there is none), `seal` its last seal.
    """

    role: Role = Role.STARTING
    database: str = ""
    detector: str = ""
    heartbeat: float = 0.0
    stale: str | None = "no look has ended yet"
    verdicts: Mapping[str, Verdict] = field(default_factory=dict[str, Verdict])
    looks: int = 0
    polls: int = 0
    heals: int = 0
    heal_failures: int = 0
    deliveries: int = 0
    delivery_failures: int = 0
    undelivered: int = 0
    log_intact: bool | None = None
    seal: str | None = None

    @property
    def failing(self) -> bool:
        """Whether a policy says that an incident is a failure."""
        return any(each.failing for each in self.verdicts.values())
