"""What a check found, with whose it is where a log of DDL tells. Does I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.audit.attribution import attribute
from reconciler.audit.log import require_log
from reconciler.db.connections import transaction
from reconciler.diff.diff import Difference
from reconciler.diff.drift import State
from reconciler.ledger.marks import load_addresses

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from reconciler.db.connections import Connection
    from reconciler.diff.drift import ObjectState
    from reconciler.results import CheckResult

__all__ = ["narrowed", "with_authors"]

_NOT_BY_A_RUN = (State.DRIFTED, State.CONFLICT, State.CAUGHT_UP, State.UNMANAGED)


def with_authors(connection: Connection, result: CheckResult) -> CheckResult:
    """The same, with whose each difference is that no run of this plugin made; without a log as it was."""
    moved = result.of(*_NOT_BY_A_RUN)
    if result.live is None or not moved:
        return result
    with transaction(connection):
        before = load_addresses(connection, result.plugin)
        found, state = attribute(connection, list(_differences(moved)), result.live, before)
    warnings = [f"the log of DDL is not believed: {problem}" for problem in state.problems]
    if state.is_intact and not state.readable:
        warnings.append("this role may not read the log of DDL (`reconciler audit install --reader ROLE` allows it)")
    return replace(result, attributions=found, warnings=(*result.warnings, *warnings))


def narrowed(connection: Connection, result: CheckResult, *, since: datetime | None, role: str | None) -> CheckResult:
    """Of what the check found, what was changed since then, or may have been, and what this role had a part in.

    Raises AuditError where no log of DDL tells either.
    """
    with transaction(connection):
        require_log(connection)

    def is_wanted(each: ObjectState) -> bool:
        found = result.attribution_of(each)
        if found is None or (role is not None and role not in found.roles):
            return False
        return since is None or found.last_at is None or found.last_at >= since

    objects = tuple(each for each in result.of(*_NOT_BY_A_RUN) if is_wanted(each))
    kept = {each.object for each in objects}
    drift = tuple(each for each in result.drift if each.object in kept)
    facts = {each.fact for each in drift}
    incidents = result.incidents
    if incidents is not None:
        opened, changed, standing = (
            tuple(incident for incident in each if incident.fact in facts)
            for each in (incidents.opened, incidents.changed, incidents.standing)
        )
        incidents = replace(incidents, opened=opened, changed=changed, resolved=(), standing=standing)
    nothing = replace(result.plan, statements=(), differences=(), unmodelled=())
    return replace(result, objects=objects, drift=drift, incidents=incidents, plan=nothing)


def _differences(moved: Iterable[ObjectState]) -> Iterable[Difference]:
    for each in moved:
        # What is not managed here is asked about as a whole.
        yield from each.differences or [Difference(fact=each.object, before=None, after=None)]
