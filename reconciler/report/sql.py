"""A plan as an SQL script whose comments name what it costs. Pure: no I/O."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from reconciler.hazards.hazards import describe_size
from reconciler.sqltext.redacted_sql import with_placeholders

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.diff.diff import Difference
    from reconciler.ledger.migrations import RecordedStatement
    from reconciler.model.plan import Statement

__all__ = ["recorded_script", "script"]


def script(statements: Sequence[Statement], unmodelled: Sequence[Difference] = ()) -> str:
    """The statements as a script for psql; empty where there is nothing to do."""
    return "".join([*map(_unmodelled, unmodelled), *_in_transactions(statements)])


def _in_transactions(statements: Sequence[Statement]) -> Iterable[str]:
    """The statements; where they take more than one transaction, with BEGIN and COMMIT around each."""
    if len({statement.step for statement in statements}) < 2:
        yield from map(_statement, statements)
        return
    for _, group in groupby(statements, key=lambda statement: statement.step):
        step = list(group)
        together = len(step) > 1
        yield "".join(["BEGIN;\n" if together else "", *map(_statement, step), "COMMIT;\n" if together else ""])


def recorded_script(statements: Sequence[RecordedStatement]) -> str:
    """The statements that a migration ran, as a script."""
    return "".join(f"{_runnable(statement.sql)};\n" for statement in statements)


def _comment(text: str) -> str:
    """`text` as SQL comment lines."""
    return "".join(f"-- {line}\n" for line in text.splitlines() or [""])


def _unmodelled(difference: Difference) -> str:
    return _comment(f"NOT PLANNED, unsupported change: {difference.change} {difference.fact}")


def _statement(statement: Statement) -> str:
    return "".join([*map(_comment, _notes(statement)), _runnable(statement.sql), ";\n"])


def _runnable(text: str) -> str:
    """The statement, with variables of psql where secrets are not shown: it fails until they are set."""
    filled, count = with_placeholders(text)
    if not count:
        return text
    names = ", ".join(f"secret_{number}" for number in range(1, count + 1))
    return _comment(f"not shown: {names}; give its value with \\set or psql -v {names.split(', ')[0]}=...") + filled


def _notes(statement: Statement) -> Iterable[str]:
    if statement.because is not None:
        yield f"recreated because {statement.because}"
    for hazard in statement.hazards:
        size = describe_size(hazard.size)
        yield f"hazard {hazard.kind.word}: {hazard.message}{f' ({size})' if size else ''}"
    if not statement.transactional:
        yield "outside of a transaction"
    if statement.batched is not None:
        yield "apply runs it in batches, each a transaction"
