"""Tables that wait for others: a transaction keeps its locks until its slowest statement is done. Pure: no I/O."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.hazards.hazards import blocks_reads_and_writes, blocks_writes
from reconciler.model.hazards import HazardKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import FactId
    from reconciler.model.hazards import Hazard
    from reconciler.model.plan import LockMode, Statement
    from reconciler.planner.core.context import Context

__all__ = ["with_lock_windows"]

_SLOW = frozenset({HazardKind.TABLE_REWRITE, HazardKind.BLOCKING_LOCK})


def with_lock_windows(statements: Sequence[Statement], context: Context) -> list[Statement]:
    """The statements; a slow one also tells which other tables of its transaction are locked meanwhile."""
    found: dict[int, list[Statement]] = defaultdict(list)
    for statement in statements:
        if statement.transactional and statement.batched is None:
            found[statement.step].append(statement)
    told = {id(slow): hazards for group in found.values() for slow, hazards in _windows(group, context)}
    return [
        replace(statement, hazards=(*statement.hazards, *told[id(statement)])) if id(statement) in told else statement
        for statement in statements
    ]


def _windows(group: Sequence[Statement], context: Context) -> Iterable[tuple[Statement, list[Hazard]]]:
    slow = next((each for each in group if any(hazard.kind in _SLOW for hazard in each.hazards)), None)
    if slow is None:
        return
    about = next(hazard for hazard in slow.hazards if hazard.kind in _SLOW)
    strongest: dict[FactId, LockMode] = {}
    told: dict[FactId, set[str | None]] = defaultdict(set)
    for each in group:
        table = each.locks
        if table is None or each.lock is None or each.lock.blocks is None or not context.persists(table):
            continue
        if table.kind == "table" and _is_stronger(each.lock, strongest.get(table)):
            strongest[table] = each.lock
        if any(hazard.kind in _SLOW and hazard.fact == table for hazard in each.hazards):
            told[table].add(each.lock.blocks)
    hazards: list[Hazard] = []
    for table, lock in sorted(strongest.items()):
        if lock.blocks in told[table] or "reads and writes" in told[table]:
            continue
        blocks = blocks_reads_and_writes if lock.blocks == "reads and writes" else blocks_writes
        hazards.append(blocks(table, f"its transaction works on {about.fact}", about.size))
    if hazards:
        yield slow, hazards


def _is_stronger(lock: LockMode, other: LockMode | None) -> bool:
    return other is None or (lock.blocks == "reads and writes" and other.blocks == "writes")
