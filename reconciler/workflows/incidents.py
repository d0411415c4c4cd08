"""What a check found, written down as incidents where this role may write. Does I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from reconciler.db.connections import current_user, transaction
from reconciler.diff.drift import State
from reconciler.errors import LedgerError, LockTimeoutError
from reconciler.ledger.incidents import Author, Look, acknowledge_incident, load_incidents, record_look, why_unrecorded
from reconciler.model.audit import AttributionKind
from reconciler.model.incidents import IncidentChanges
from reconciler.report.audit import attribution_value

if TYPE_CHECKING:
    from datetime import datetime

    from reconciler.db.session import Session
    from reconciler.model.audit import Attribution
    from reconciler.model.facts import FactId, Json
    from reconciler.model.incidents import Incident
    from reconciler.results import CheckResult

__all__ = ["acknowledge", "record_incidents"]


def record_incidents(session: Session, result: CheckResult, *, healed: bool = False) -> IncidentChanges:
    """Opens, updates and closes incidents by what the check found, in a transaction of its own.

    Where this role may not write them down, nothing is done, and what can be read of them is given.
    """
    at = session.clock()
    try:
        with transaction(session.connection):
            if (why := why_unrecorded(session.connection)) is not None:
                standing = load_incidents(session.connection, result.plugin, at=at)
                return IncidentChanges(standing=standing, unrecorded=why)
            return record_look(session.connection, _look(result, at, healed=healed))
    except (LedgerError, LockTimeoutError) as error:
        # What was found is found all the same.
        return IncidentChanges(unrecorded=error.message)


def _look(result: CheckResult, at: datetime, *, healed: bool) -> Look:
    def facts(state: State) -> frozenset[FactId]:
        return frozenset(each.fact for object_ in result.of(state) for each in object_.differences)

    return Look(
        plugin=result.plugin,
        at=at,
        drift=result.drift,
        live=result.live.facts if result.live is not None else {},
        unsettled=facts(State.UNFINISHED),
        followed=facts(State.FOLLOWED),
        healed=healed,
        author=lambda drift: _author(result.attributions.get(drift.fact)),
    )


def _author(found: Attribution | None) -> Author | None:
    """The login role, where a log of DDL proves that it was one alone."""
    if found is None or found.kind is not AttributionKind.BY:
        return None
    evidence = cast("Json", attribution_value(found))
    return Author(role=found.entries[-1].actor.login_role, evidence=evidence)


def acknowledge(session: Session, incident_id: int, reason: str, until: datetime | None) -> Incident:
    """Writes down that this role takes the incident for known. Raises as `acknowledge_incident`."""
    with transaction(session.connection):
        return acknowledge_incident(
            session.connection,
            incident_id,
            by=current_user(session.connection),
            reason=reason,
            until=until,
            at=session.clock(),
        )
