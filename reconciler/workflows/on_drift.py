"""What a start does about drift that it meets: brings it back, with a word or without, refuses, or keeps it. Does I/O.

Brought back is what the plan of the whole declaration does by itself.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.diff.drift import State, compare
from reconciler.errors import DriftError
from reconciler.intent.rename_simulation import with_renames
from reconciler.ledger.declarations import save_declaration
from reconciler.ledger.schema import plugin_locked
from reconciler.ledger.steps import load_unfinished
from reconciler.options import OnDrift
from reconciler.workflows.execute_plan import declared_by
from reconciler.workflows.make_plan import renamed_only, restrict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.db.session import Session
    from reconciler.diff.drift import ObjectState
    from reconciler.results import MigrateResult, PlanResult

__all__ = ["remember_kept", "settle_drift"]

_LOG = logging.getLogger("reconciler")
_SHOWN = 10


def settle_drift(session: Session, found: PlanResult) -> PlanResult:
    """The plan as the options want it where live drifted; call it in the transaction in which the plan was made.

    Raises DriftError where drift is to refuse the start.
    """
    choice = found.options.on_drift or OnDrift.HEAL
    if choice is OnDrift.HEAL or found.recorded is None or found.renamed is None:
        return found
    unfinished = load_unfinished(session.connection, found.plugin)
    changes = unfinished.changes if unfinished is not None else None
    renamed = found.renamed
    objects = compare(renamed.recorded, renamed.live, found.goal, changes)
    objects = with_renames(objects, renamed.renames, renamed.live)
    drifted = [each for each in objects if each.state in (State.DRIFTED, State.CONFLICT)]
    if not drifted:
        return found
    if choice is OnDrift.REFUSE:
        raise _refusal(found.plugin, drifted)
    verb = "is kept as it is" if choice is OnDrift.KEEP else "is brought back to the declaration"
    for each in drifted:
        facts = ", ".join(sorted(fact.key for fact in each.moved)) or "renamed"
        _LOG.warning("plugin %s: %s %s (%s) and %s", found.plugin, each.object, each.state, facts, verb)
    return _keeping(session, found, objects) if choice is OnDrift.KEEP else found


def remember_kept(session: Session, planned: PlanResult, done: MigrateResult) -> None:
    """Writes down that the declaration was seen, although drift was kept: an older one is known as older then."""
    if planned.options.on_drift is not OnDrift.KEEP or planned.is_whole or planned.recorded is None:
        return
    idx = planned.recorded.idx if done.idx is None else done.idx
    with plugin_locked(session.connection, planned.plugin, planned.options.longest_wait_ms):
        save_declaration(session.connection, planned.plugin, idx, declared_by(planned))


def _keeping(session: Session, found: PlanResult, objects: Sequence[ObjectState]) -> PlanResult:
    """The plan of what is pending alone; in the record drift stays what it is."""
    assert found.renamed is not None
    wanted = [rename for rename in found.renamed.renames if not rename.manual]
    is_all = len(wanted) == len(found.renamed.renames)
    taken = found.renamed if is_all else renamed_only(session, found, wanted, found.options)
    pending = {
        each.object: replace(each, differences=kept)
        for each in objects
        if each.state not in (State.UNMANAGED, State.FOLLOWED)
        and (kept := tuple(one for one in each.differences if one.fact not in each.moved))
    }
    narrowed = restrict(session, found, taken, pending, accept=False, options=found.options)
    return replace(narrowed, desired_fingerprint=found.desired_fingerprint, is_whole=False)


def _refusal(plugin: str, drifted: Sequence[ObjectState]) -> DriftError:
    named = ", ".join(str(each.object) for each in drifted[:_SHOWN])
    more = f" and {len(drifted) - _SHOWN} more" if len(drifted) > _SHOWN else ""
    return DriftError(
        f"plugin {plugin} drifted since it was recorded: {named}{more}",
        hint="`reconciler check` shows how; `reconciler repair` ends it, --revert or --accept; or start with"
        ' on_drift="warn", which brings it back',
        left="nothing was changed",
    )
