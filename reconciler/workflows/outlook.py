"""What people want to know beside a plan: how large its tables are, and how quick the server was. Does I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.catalog.statistics import read_sizes
from reconciler.db.connections import transaction
from reconciler.ledger.speeds import load_speeds
from reconciler.model.facts import RELATION_KINDS, FactId
from reconciler.model.outlook import USUAL_SPEEDS, Outlook

if TYPE_CHECKING:
    from reconciler.db.connections import Connection
    from reconciler.results import PlanResult

__all__ = ["look_ahead"]


def look_ahead(connection: Connection, planned: PlanResult) -> Outlook:
    """The sizes of all tables that change, and the speeds where a statement works long. Changes nothing."""
    checked = planned.options.preflight
    if not planned.plan.statements:
        return Outlook(is_checked=checked)
    renamed = planned.renamed
    tables = {
        FactId("table", difference.fact.name[:2])
        for difference in planned.plan.differences
        if difference.fact.kind == "column" or difference.fact.kind in RELATION_KINDS
    }
    tables |= {FactId("table", hazard.fact.name[:2]) for hazard in planned.plan.hazards if len(hazard.fact.name) > 1}
    former = {new: old for old, new in renamed.names.items() if new in tables} if renamed is not None else {}
    with transaction(connection, force_rollback=True):
        found = read_sizes(connection, sorted(former.get(table, table) for table in tables))
        works = any(Outlook().seconds(hazard) for hazard in planned.plan.hazards)
        speeds = load_speeds(connection) if works else USUAL_SPEEDS
    sizes = {table: found[old] for table in tables if (old := former.get(table, table)) in found}
    return Outlook(sizes=sizes, speeds=speeds, is_checked=checked)
