"""Plan and Statement as plain data. Pure: no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from itertools import groupby
from typing import TYPE_CHECKING

from reconciler.errors import PlanError

if TYPE_CHECKING:
    from reconciler.diff.diff import Difference
    from reconciler.model.checks import Arrival, Check, Question
    from reconciler.model.facts import FactId
    from reconciler.model.hazards import Hazard, TableSize
    from reconciler.model.intent import Rename
    from reconciler.redaction.masking import SecretText

__all__ = [
    "LockMode",
    "Online",
    "Plan",
    "Reach",
    "RelationLock",
    "Rights",
    "RowAccess",
    "RowCommand",
    "Stage",
    "Statement",
    "Step",
]


class LockMode(StrEnum):
    """Table-level locks by the manual's names (https://www.postgresql.org/docs/current/explicit-locking.html)."""

    ACCESS_SHARE = "ACCESS SHARE"
    ROW_EXCLUSIVE = "ROW EXCLUSIVE"
    SHARE_UPDATE_EXCLUSIVE = "SHARE UPDATE EXCLUSIVE"
    SHARE = "SHARE"
    SHARE_ROW_EXCLUSIVE = "SHARE ROW EXCLUSIVE"
    ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE"

    @property
    def blocks_clients(self) -> bool:
        """Whether waiting for it, or holding it, blocks others' INSERT, UPDATE and DELETE, or all access."""
        return self not in (LockMode.ACCESS_SHARE, LockMode.SHARE_UPDATE_EXCLUSIVE)

    @property
    def blocks(self) -> str | None:
        """What of others waits for it: `reads and writes`, `writes`, or None where neither does."""
        match self:
            case LockMode.ACCESS_EXCLUSIVE:
                return "reads and writes"
            case LockMode.SHARE | LockMode.SHARE_ROW_EXCLUSIVE:
                return "writes"
            case _:
                return None


class Reach(StrEnum):
    """What a statement locks beside the relation that it is about, as the database has it when the plan is applied."""

    PARTITIONS = "partitions"  # all that is below a partitioned table
    CHILDREN = "children"  # all that is below the table
    PARENT = "parent"  # the table whose partition it is
    DEFAULT_PARTITION = "default partition"  # the default partition of the table
    FOREIGN_KEYS = "foreign keys"  # the tables at the other ends of its foreign keys
    SEQUENCES = "sequences"  # the sequences of its columns


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationLock:
    """A lock that a statement takes on a relation and on all that is reached from it.

    `former` is what the relation is called until the plan's renames are made.
    """

    relation: FactId
    mode: LockMode
    reach: frozenset[Reach] = frozenset()
    former: FactId | None = None


class Stage(IntEnum):
    """When a statement of a plan runs: in the plan's one transaction, or before or after it in a step of its own."""

    BEFORE = 0
    TOGETHER = 1
    AFTER = 2


class RowCommand(StrEnum):
    """What a statement does to rows, by the words of policies, rules and triggers."""

    SELECT = "SELECT"
    INSERT = "INSERT"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowAccess:
    """That a statement reads or writes rows of a table, so that what guards them can be known.

    `table` is called `aside` where the plan has renamed it out of the way. `only` leaves out what inherits from it.
    `is_last` says that the plan drops it next. `fires_triggers`: a hint asks for that.
    """

    table: FactId
    command: RowCommand
    aside: FactId | None = None
    only: bool = False
    is_last: bool = False
    fires_triggers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What the role that runs a plan may do beside what it owns; `roles` are those whose rights it has, None: any.

    `time_zone` is that of its session, in which values without one are read.
    """

    bypasses_policies: bool = False
    sets_replication_role: bool = False
    roles: frozenset[str] | None = None
    time_zone: str = "UTC"

    def acts_as(self, role: str) -> bool:
        """Whether it has the rights of the role."""
        return self.roles is None or role in self.roles


@dataclass(frozen=True, slots=True, kw_only=True)
class Online:
    """Which tables are changed without holding up those who use them: the ones of more than `above_bytes`.

    With `keep_column_order` a column that is exchanged for another takes those behind it with it.
    """

    above_bytes: int
    keep_column_order: bool = False

    def covers(self, size: TableSize | None) -> bool:
        """Whether a table of this size (None: not known) is changed in steps."""
        return (size.bytes if size is not None else 0) > self.above_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One SQL statement of a plan; the facts it creates, drops and alters; what it costs and locks.

    `transactional` is False for what Postgres refuses inside a transaction block. Statements of the same `step` that
    follow each other run in one transaction. `rehearsal` is what stands for the statement in the proof, which runs in
    one transaction; None: the statement itself, empty: nothing. A statement with `batched` ends in a WHERE clause and
    runs over ranges of that table's rows, each in a transaction of its own, `as_replica` with
    session_replication_role = replica. `brief` marks one that is over at once however large the table is, and that is
    cancelled where it is not. `checks` find the rows that it would fail on. `rows` says whose rows it reads or writes.
    `lock` is what it takes on what it is about, `locks`; `relation_locks` are all that block clients, also by
    implication.
    One with an `arrival` proves that nothing was left behind, and fails where something was. `because` says what makes
    it drop or create again something that stays.
    `sql` is for people: where it has masks, `masked` is True and `secret` holds the text with the real values, which is
    nowhere else and is not saved.
    """

    sql: str
    creates: tuple[FactId, ...] = ()
    drops: tuple[FactId, ...] = ()
    alters: tuple[FactId, ...] = ()
    hazards: tuple[Hazard, ...] = ()
    lock: LockMode | None = None
    locks: FactId | None = None
    relation_locks: tuple[RelationLock, ...] = ()
    transactional: bool = True
    masked: bool = False
    secret: SecretText | None = field(default=None, repr=False)

    step: int = 1
    rehearsal: str | None = None
    batched: FactId | None = None
    as_replica: bool = False
    brief: bool = False
    rows: tuple[RowAccess, ...] = ()
    checks: tuple[Check, ...] = ()
    arrival: Arrival | None = None
    because: str | None = None

    def concealed(self, text: str) -> str:
        """`text`, which the server said of the statement, without the statement's secrets."""
        return text if self.secret is None else self.secret.masked(text)

    @property
    def text(self) -> str:
        """What is run. Raises PlanError where its secrets are not known any more."""
        if not self.masked:
            return self.sql
        if self.secret is None:
            raise PlanError(
                f"a secret is no longer known: {self.sql}",
                hint="a saved plan has no secrets in it: plan and apply in one go, from the source that has them",
            )
        return self.secret.reveal()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Statements that run in one transaction, or one that runs in none or in many. `first` counts from 1."""

    first: int
    statements: tuple[Statement, ...]

    @property
    def is_transaction(self) -> bool:
        """True where the statements run in one transaction."""
        return all(statement.transactional and statement.batched is None for statement in self.statements)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Ordered statements that turn live into the goal, and what they were made from.

    `unmodelled` has the unsupported changes; a plan with some of them does not reach its goal. `renames`
    are made by the first statements, and `differences` are what is left after them. `questions` are to be answered for
    a plan of the same two states that also keeps rows which belong to other partitions now; it is another plan then.
    """

    statements: tuple[Statement, ...]
    differences: tuple[Difference, ...]
    live_fingerprint: str
    goal_fingerprint: str
    unmodelled: tuple[Difference, ...] = field(default=())
    renames: tuple[Rename, ...] = field(default=())
    questions: tuple[Question, ...] = field(default=(), compare=False, repr=False)

    @property
    def is_empty(self) -> bool:
        """True where live is already the goal."""
        return not self.statements and not self.unmodelled

    @property
    def steps(self) -> tuple[Step, ...]:
        """The statements by the transactions that they run in."""
        found: list[Step] = []
        first = 1
        for _, group in groupby(enumerate(self.statements), key=_step_key):
            statements = tuple(statement for _, statement in group)
            found.append(Step(first=first, statements=statements))
            first += len(statements)
        return tuple(found)

    @property
    def is_one_transaction(self) -> bool:
        """True where all statements run in one transaction, together with their record."""
        steps = self.steps
        return not steps or (len(steps) == 1 and steps[0].is_transaction)

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        """The hazards of all statements, in order."""
        return tuple(hazard for statement in self.statements for hazard in statement.hazards)

    @property
    def sql(self) -> str:
        """All statements as one script."""
        return "".join(f"{statement.sql};\n" for statement in self.statements)


def _step_key(numbered: tuple[int, Statement]) -> tuple[int, int]:
    position, statement = numbered
    alone = not statement.transactional or statement.batched is not None
    return statement.step, position if alone else -1
