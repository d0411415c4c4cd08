"""Plans what brings single facts back to what was recorded. Does I/O, only reads.

The declaration that was recorded last is built again, since a record alone has no order to create things in. Of what
differs only those of the facts that drifted are planned, and only where that declaration has them as they were
recorded: what is pending stays pending, what is in conflict stays as it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.errors import ConfigError
from reconciler.ledger.migrations import load_head
from reconciler.options import Proof
from reconciler.workflows import rollback
from reconciler.workflows.make_plan import plan_source
from reconciler.workflows.repair import restrict_to_drift

if TYPE_CHECKING:
    from collections.abc import Collection

    from reconciler.db.session import Session
    from reconciler.model.facts import FactId
    from reconciler.options import Options
    from reconciler.results import PlanResult

__all__ = ["plan_heal"]


def plan_heal(session: Session, plugin: str, facts: Collection[FactId], options: Options) -> PlanResult:
    """The plan that ends the drift of these facts, and of what hangs on them.

    Raises ConfigError where nothing is recorded, its declaration was not kept, or none of the facts drifted.
    """
    connection = session.connection
    head = load_head(connection, plugin)
    if head.idx is None:
        raise ConfigError(f"nothing is recorded for plugin {plugin}, so there is nothing to bring back")
    target = rollback.find_target(connection, plugin, to=head.idx, steps=None)
    chosen = rollback.in_last_scope(connection, plugin, options)
    source = rollback.source_of_target(target)
    found = plan_source(session, plugin, source, replace(chosen, proof=Proof.OFF), older=True)
    planned = restrict_to_drift(session, found, accept=False, facts=frozenset(facts), options=chosen)
    if planned.plan.is_empty:
        named = ", ".join(fact.key for fact in sorted(facts))
        raise ConfigError(f"nothing of plugin {plugin} is to be brought back: {named} did not drift from the record")
    return replace(planned, source_description=target.entry.source_description or found.source_description)
