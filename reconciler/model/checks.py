"""What is asked of live before a plan takes its first lock, and what was found. Pure: no I/O.

A `Check` is a query that a rule gives next to its statement: each row that it gives is one that the statement would
fail on. A `Finding` is what blocks the plan, or could delay it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.model.facts import FactId

__all__ = ["NOT_CARRIED", "Arrival", "Check", "Finding", "FindingKind", "Question"]

# The SQLSTATE of a proof that failed.
NOT_CARRIED = "RC001"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What a statement proves before something old goes: that none of the table's rows, or values, is left behind.

    `missing` is a query for the number of those that are, to be read with `row_security = off`; `what` follows that
    number in a message. `guards` are the policies, rules and triggers that could have turned away what carries them.
    """

    table: FactId
    what: str
    missing: str
    guards: tuple[FactId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A read-only query for the rows that a statement would fail on.

    `sql` gives one text for each of them, which names it: its primary key, or where it lies (ctid). `problem` says what
    is wrong with them, `unit` what they are ("row", or "group of rows"), `hint` what to do.

    With an `attempt` the query gives (tableoid, ctid, text) of all rows, and `attempt` is a query over the same rows
    whose evaluation fails for the rows that block it; a WHERE with both as $1 and $2 can be added to it.
    """

    fact: FactId
    table: FactId
    problem: str
    sql: str
    hint: str
    unit: str = "row"
    attempt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a plan depends on beside the catalogs: whether `sql`, which only reads, gives any row of the table.

    `others` gives the rows that `sql` does not; None where these do not matter.
    """

    fact: FactId
    table: FactId
    sql: str
    others: str | None = None


class FindingKind(StrEnum):
    """What a finding is about."""

    ROWS = "rows"
    PRIVILEGE = "privilege"
    MISSING = "missing"
    HELD_UP = "held_up"
    DISK = "disk"
    NOT_CHECKED = "not_checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What blocks the plan (`blocks`), or what to know before it runs.

    `count` is a lower bound where `at_least`; None where nothing was counted. `examples` name up to three rows.
    `statement` is the place of the statement in the plan, from 1.
    """

    kind: FindingKind
    message: str
    hint: str
    fact: FactId | None = None
    blocks: bool = False
    count: int | None = None
    at_least: bool = False
    examples: tuple[str, ...] = ()
    statement: int | None = None

    @property
    def without_examples(self) -> str:
        """The message without the keys and values of rows, which are nobody's but theirs who look."""
        start = self.message.find(f" ({self.examples[0]}") if self.examples else -1
        return self.message if start < 0 else self.message[:start]
