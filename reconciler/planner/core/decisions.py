"""What the strategies have decided, once it is known what happens to each fact. Pure: no I/O.

A strategy fills its fields in `settle`; rules, orders and other strategies read them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from reconciler.model.facts import FactId
    from reconciler.planner.sql.quoting import Part

__all__ = ["Decisions"]


@dataclass(kw_only=True)
class Decisions:
    """Each strategy's, empty where its situation does not occur."""

    # Tables that are recreated and whose rows move; with their partitions they have temporary names meanwhile.
    recreated_tables: set[FactId] = field(default_factory=set["FactId"])
    renamed_tables: set[FactId] = field(default_factory=set["FactId"])
    # Types that are recreated and have a temporary name while columns are converted.
    renamed_types: set[FactId] = field(default_factory=set["FactId"])
    # Links of partitions whose rows move to others of their table, and whether these are all that it has.
    rerouted: Mapping[FactId, bool] = field(default_factory=dict["FactId", bool])
    # Of recreated tables whose rows are not all their own afterwards: the condition for those that are.
    rows_that_stay: Mapping[FactId, Part] = field(default_factory=dict["FactId", "Part"])
    # Columns that hold rows of a table which is rewritten, and so hold JSON meanwhile.
    holding_rows_as_json: Collection[FactId] = frozenset()
    # Tables whose only parent is a temporary table while their links are recreated: its name.
    temporary_parents: Mapping[FactId, Part] = field(default_factory=dict["FactId", "Part"])
    # Tables to detach from their type, for a while or for good, and those to attach to one when all else is done.
    detach_type: set[FactId] = field(default_factory=set["FactId"])
    attach_type: set[FactId] = field(default_factory=set["FactId"])
    # Of each cycle of columns whose NOT NULL constraints exchange names: the first, and whose name it takes.
    exchanged_names: Mapping[FactId, FactId] = field(default_factory=dict["FactId", "FactId"])
