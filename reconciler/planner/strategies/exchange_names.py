"""Columns whose NOT NULL constraints take each other's names. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.planner.columns.not_null import exchanged_names
from reconciler.planner.core.strategy import Strategy

if TYPE_CHECKING:
    from reconciler.planner.core.context import Context

__all__ = ["ExchangeNames"]


class ExchangeNames(Strategy):
    """Of each cycle one constraint has a temporary name meanwhile."""

    def settle(self, context: Context) -> None:
        context.decided.exchanged_names = exchanged_names(context)
