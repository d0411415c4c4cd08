"""The registry of strategies. Pure: no I/O.

The order matters where several are about one fact: what one restores, those after it find restored. What is prepared is
prepared in the reverse order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.planner.strategies.convert_columns import ConvertColumns
from reconciler.planner.strategies.exchange_names import ExchangeNames
from reconciler.planner.strategies.recreate_table import RecreateTable
from reconciler.planner.strategies.reparent_tables import ReparentTables
from reconciler.planner.strategies.reroute_rows import RerouteRows
from reconciler.planner.strategies.row_type_columns import RowTypeColumns
from reconciler.planner.strategies.typed_tables import TypedTables

if TYPE_CHECKING:
    from reconciler.planner.core.strategy import Strategy

__all__ = ["STRATEGIES"]

STRATEGIES: tuple[Strategy, ...] = (
    RecreateTable(),
    ConvertColumns(),
    RerouteRows(),
    RowTypeColumns(),
    ReparentTables(),
    TypedTables(),
    ExchangeNames(),
)
