"""Statements as text, with all that is known of each. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.hazards.hazards import describe_size
from reconciler.sqltext.redacted_sql import redact_sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import FactId
    from reconciler.model.hazards import Hazard
    from reconciler.model.plan import LockMode, Statement

__all__ = ["INDENT", "numbered", "statement_lines"]

INDENT = "     "
_SHOWN_FACTS = 6


def statement_lines(statements: Iterable[Statement]) -> list[str]:
    """Each statement, numbered, with what it does, why, what it costs, and what it locks."""
    lines: list[str] = []
    shown = 1
    for position, statement in enumerate(statements, start=1):
        if statement.step != shown:
            shown = statement.step
            lines += [f"== step {shown}", ""]
        lines += numbered(position, statement.sql)
        for verb, facts in (("creates", statement.creates), ("drops", statement.drops), ("alters", statement.alters)):
            if facts:
                lines.append(f"{INDENT}{verb} {_facts(facts)}")
        if statement.because is not None:
            lines.append(f"{INDENT}recreated because {statement.because}")
        lines += [f"{INDENT}{_hazard(hazard)}" for hazard in statement.hazards]
        if statement.lock is not None:
            lines.append(f"{INDENT}{_lock(statement.lock, statement.locks)}")
        if not statement.transactional:
            lines.append(f"{INDENT}outside of a transaction")
        if statement.batched is not None:
            lines.append(f"{INDENT}in batches, each a transaction")
        lines.append("")
    return lines


def numbered(position: int, sql: str) -> list[str]:
    """The lines of a statement, its number before the first."""
    first, *rest = redact_sql(sql).split("\n")
    return [f"{position:>3}. {first}", *(f"{INDENT}{line}" for line in rest)]


def _facts(facts: Sequence[FactId]) -> str:
    """The facts without those that are parts of another of them, as a table's columns are."""
    heads = {fact.name for fact in facts}
    kept = [fact for fact in facts if not any(fact.name[:size] in heads for size in range(1, len(fact.name)))]
    shown = ", ".join(str(fact) for fact in kept[:_SHOWN_FACTS])
    return f"{shown} and {len(kept) - _SHOWN_FACTS} more" if len(kept) > _SHOWN_FACTS else shown


def _hazard(hazard: Hazard) -> str:
    size = describe_size(hazard.size)
    return f"hazard {hazard.kind.word}: {hazard.message}{f' ({size})' if size else ''}"


def _lock(lock: LockMode, table: FactId | None) -> str:
    on = f" on {table}" if table is not None else ""
    return f"lock {lock}{on}: blocks {lock.blocks or 'neither reads nor writes'}"
