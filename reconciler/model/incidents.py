"""Drift as incidents: what was found, who is told, how it ended. Pure: no I/O."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from reconciler.model.facts import FactId, Json

__all__ = [
    "Acknowledgement",
    "ClosedBy",
    "DriftedFact",
    "Incident",
    "IncidentChange",
    "IncidentChanges",
    "IncidentEvent",
    "IncidentStatus",
    "describe_incident",
    "fingerprint_of",
]


class IncidentStatus(StrEnum):
    """Whether somebody must look: open, acknowledged for now, or resolved."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class IncidentChange(StrEnum):
    """What the live database has, seen from what is expected: more, less, or something else."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class ClosedBy(StrEnum):
    """What ended an incident.

    `heal` is a repair by a policy, `hand` a change of the database that was no run, `accept` a record of live as it is,
    `migration` any other run, `forgotten` a plugin that is no longer recorded.
    """

    REPAIR = "repair"
    HEAL = "heal"
    ACCEPT = "accept"
    MIGRATION = "migration"
    HAND = "hand"
    FORGOTTEN = "forgotten"


class IncidentEvent(StrEnum):
    """What is told of an incident: that it was opened, is another one now, or is over."""

    OPENED = "opened"
    CHANGED = "changed"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftedFact:
    """One thing that somebody changed by hand: what live has, and what was expected; None where one has nothing.

    With `is_conflict` the declaration changed it too, differently.
    """

    object: FactId
    fact: FactId
    live: str | None
    expected: str | None
    is_conflict: bool = False

    @property
    def change(self) -> IncidentChange:
        """What happened to it in the live database."""
        if self.expected is None:
            return IncidentChange.ADDED
        return IncidentChange.REMOVED if self.live is None else IncidentChange.CHANGED

    @property
    def fingerprint(self) -> str:
        """By which the same drift is known again; a second change of the same fact has another."""
        return fingerprint_of(self.live, self.expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """Who takes the drift for known, why, and until when (None: for good)."""

    by: str
    at: datetime
    reason: str
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One drift from its opening to its end, known by plugin, object and fact, never by OIDs.

    `live` and `expected` are the definitions when it was last seen, as canonical JSON. `author` is the login role where
    a log of DDL proves it, with all that the log says in `evidence`. `revision` counts what was told of it.
    `heal_tries` are the repairs that policies tried, and `note` says what came of the last.
    """

    id: int
    plugin: str
    object: FactId
    fact: FactId
    change: IncidentChange
    is_conflict: bool
    live: str | None
    expected: str | None
    opened_at: datetime
    seen_at: datetime
    revision: int
    status: IncidentStatus
    author: str | None = None
    evidence: Json = None
    acknowledgement: Acknowledgement | None = None
    closed_at: datetime | None = None
    closed_by: ClosedBy | None = None
    closed_idx: int | None = None
    heal_tries: int = 0
    healed_at: datetime | None = None
    note: str | None = None

    @property
    def fingerprint(self) -> str:
        """As of the drift that it was last seen as."""
        return fingerprint_of(self.live, self.expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentChanges:
    """What a look did with the incidents of a plugin, and those that are not over.

    `unrecorded` says why nothing was written down, where that is so; then `standing` is what could be read.
    """

    opened: tuple[Incident, ...] = ()
    changed: tuple[Incident, ...] = ()
    resolved: tuple[Incident, ...] = ()
    standing: tuple[Incident, ...] = ()
    unrecorded: str | None = None


def fingerprint_of(live: str | None, expected: str | None) -> str:
    """A hash of what live has and what was expected."""
    return hashlib.sha256(json.dumps([live, expected]).encode()).hexdigest()


def describe_incident(incident: Incident) -> dict[str, Json]:
    """The incident as a document, as webhooks and `incidents --format json` have it."""
    known = incident.acknowledgement
    return {
        "id": incident.id,
        "plugin": incident.plugin,
        "object": incident.object.key,
        "fact": incident.fact.key,
        "change": incident.change.value,
        "is_conflict": incident.is_conflict,
        "status": incident.status.value,
        "live": None if incident.live is None else json.loads(incident.live),
        "expected": None if incident.expected is None else json.loads(incident.expected),
        "opened_at": incident.opened_at.isoformat(),
        "seen_at": incident.seen_at.isoformat(),
        "revision": incident.revision,
        "author": incident.author,
        "evidence": incident.evidence,
        "acknowledgement": None
        if known is None
        else {
            "by": known.by,
            "at": known.at.isoformat(),
            "reason": known.reason,
            "until": None if known.until is None else known.until.isoformat(),
        },
        "closed_at": None if incident.closed_at is None else incident.closed_at.isoformat(),
        "closed_by": None if incident.closed_by is None else incident.closed_by.value,
        "closed_idx": incident.closed_idx,
        "heal_tries": incident.heal_tries,
        "note": incident.note,
    }
