"""What a check found, with whose it is where a log of DDL tells. Does I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.audit.attribution import attribute
from reconciler.db.connections import transaction
from reconciler.diff.diff import Difference
from reconciler.diff.drift import State
from reconciler.ledger.marks import load_addresses

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.db.connections import Connection
    from reconciler.diff.drift import ObjectState
    from reconciler.results import CheckResult

__all__ = ["with_authors"]

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


def _differences(moved: Iterable[ObjectState]) -> Iterable[Difference]:
    for each in moved:
        # What is not managed here is asked about as a whole.
        yield from each.differences or [Difference(fact=each.object, before=None, after=None)]
