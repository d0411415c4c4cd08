"""Incidents as text. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.incidents import IncidentStatus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from reconciler.model.incidents import Incident, IncidentChanges

__all__ = ["changes_lines", "incident_line", "incidents_text"]


def incidents_text(incidents: Sequence[Incident]) -> str:
    """A line for each, with what is known of its author, its acknowledgement and its end below."""
    if not incidents:
        return "No incident.\n"
    return "".join(f"{line}\n" for each in incidents for line in _lines(each))


def incident_line(incident: Incident) -> str:
    """`incident 3 (open): column app.users.note added, plugin app, since ...`."""
    conflict = ", in conflict with the declaration" if incident.is_conflict else ""
    author = f" by {incident.author}" if incident.author is not None else ""
    return (
        f"incident {incident.id} ({incident.status}): {incident.fact} {incident.change}{author}{conflict},"
        f" plugin {incident.plugin}, since {_time(incident.opened_at)}"
    )


def changes_lines(changes: IncidentChanges) -> list[str]:
    """What a check adds about incidents, after what it says of each object."""
    lines = [line for each in changes.standing for line in (incident_line(each), *_known(each))]
    return [*lines, *(f"{incident_line(each)}; closed by {each.closed_by}" for each in changes.resolved)]


def _lines(incident: Incident) -> list[str]:
    lines = [incident_line(incident), f"  last seen {_time(incident.seen_at)}", *_known(incident)]
    if incident.status is IncidentStatus.RESOLVED and incident.closed_at is not None:
        migration = f", migration {incident.closed_idx}" if incident.closed_idx is not None else ""
        lines.append(f"  closed {_time(incident.closed_at)} by {incident.closed_by}{migration}")
    return lines


def _known(incident: Incident) -> list[str]:
    lines: list[str] = []
    if isinstance(incident.evidence, dict) and "text" in incident.evidence:
        lines.append(f"  {incident.evidence['text']}")
    known = incident.acknowledgement
    if known is not None:
        until = "for good" if known.until is None else f"until {_time(known.until)}"
        lines.append(f"  acknowledged by {known.by} {until}: {known.reason}")
    if incident.note is not None:
        lines.append(f"  {incident.note}")
    return lines


def _time(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"
