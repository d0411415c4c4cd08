"""What is done about drift by itself: rules by object, plugin and author, and when one acts. Pure: no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from reconciler.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from reconciler.model.incidents import Incident

__all__ = ["Decision", "Policy", "PolicyAction", "decide", "parse_duration", "parse_window", "policy_for"]

_DURATION = re.compile(r"(\d+)\s*(s|min|h|d|w)")
_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class PolicyAction(StrEnum):
    """What a policy does: only tell, take the drift for known, bring back what was recorded, or call it a failure."""

    REPORT = "report"
    ACKNOWLEDGE = "acknowledge"
    HEAL = "heal"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Says what is done about incidents that all of its conditions fit.

    `object` is a pattern with `*` for the object or the fact (`table:app.*`, `index:*`), `plugin` and `author` are
    patterns too; an author is known only where the log of DDL proves him. `window` is a part of the day (UTC) outside
    of which nothing is healed. After a try that `tries` counts within the time `within`, the next waits for `back_off`,
    then for twice that, and so on; then nothing is tried until so much time has gone by. `allow` are the hazards that a
    repair may have. An acknowledgement has a `reason`, and ends after `lasts`.
    """

    action: PolicyAction
    object: str | None = None
    plugin: str | None = None
    author: str | None = None
    reason: str | None = None
    lasts: timedelta | None = None
    window: tuple[time, time] | None = None
    tries: int = 3
    within: timedelta = timedelta(hours=1)
    back_off: timedelta = timedelta(seconds=30)
    allow: frozenset[str] = frozenset()
    where: str = "a policy"

    def __post_init__(self) -> None:
        if self.action is PolicyAction.ACKNOWLEDGE and not (self.reason or "").strip():
            raise ConfigError(f"{self.where}: an acknowledgement needs a reason", hint='write reason = "..."')

    def fits(self, incident: Incident) -> bool:
        """Whether the policy is about this incident."""
        if self.object is not None and not any(
            fnmatchcase(key, self.object) for key in (incident.object.key, incident.fact.key)
        ):
            return False
        if self.plugin is not None and not fnmatchcase(incident.plugin, self.plugin):
            return False
        return self.author is None or (incident.author is not None and fnmatchcase(incident.author, self.author))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether to heal now; else why not (`note`, None where it is only too early), and when to ask again."""

    heals: bool
    note: str | None = None
    again_at: datetime | None = None


def policy_for(policies: Sequence[Policy], incident: Incident) -> Policy | None:
    """The first policy that fits; None where none does, which is as `report`."""
    return next((policy for policy in policies if policy.fits(incident)), None)


def decide(policy: Policy, incident: Incident, tries: int, last: datetime | None, now: datetime) -> Decision:
    """Whether the policy heals the incident now, after so many tries within its time, of which the last was then."""
    if incident.is_conflict:
        return Decision(
            heals=False, note="not healed: the declaration changed it too, so what was recorded is not what is wanted"
        )
    if tries >= policy.tries and last is not None:
        return Decision(
            heals=False,
            note=f"healing is paused: {tries} tries within {policy.within} did not last; find out who changes it",
            again_at=last + policy.within,
        )
    if last is not None and tries and now < (next_at := last + policy.back_off * 2 ** (tries - 1)):
        return Decision(heals=False, again_at=next_at)
    if policy.window is not None and not _is_within(policy.window, now):
        return Decision(heals=False, again_at=now + timedelta(minutes=1))
    return Decision(heals=True)


def _is_within(window: tuple[time, time], now: datetime) -> bool:
    """Whether the time of day is in the window, which may go over midnight."""
    begin, end = window
    at = now.timetz().replace(tzinfo=None)
    return begin <= at < end if begin <= end else at >= begin or at < end


def parse_duration(text: str) -> timedelta | None:
    """`30s`, `5min`, `12h`, `7d`, `2w`; None for anything else."""
    match = _DURATION.fullmatch(text.strip())
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]]) if match is not None else None


def parse_window(text: str) -> tuple[time, time] | None:
    """`22:00-06:00`; None for anything else."""
    begin, _, end = text.partition("-")
    try:
        return time.fromisoformat(begin.strip()), time.fromisoformat(end.strip())
    except ValueError:
        return None
