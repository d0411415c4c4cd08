"""Plan and Statement as plain data, and the one sort of the dependency graph. Pure: no I/O."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, Generic, TypeVar

from reconciler.errors import PlanError
from reconciler.hazards.policy import refused_of

if TYPE_CHECKING:
    from reconciler.checks import Check, Question
    from reconciler.diff import Difference
    from reconciler.hazards.kinds import Hazard, TableSize
    from reconciler.hazards.policy import HazardRule
    from reconciler.intent.intent import Rename
    from reconciler.masking import SecretText
    from reconciler.snapshot import FactId

__all__ = [
    "CircleError",
    "LockMode",
    "Online",
    "Plan",
    "Stage",
    "Statement",
    "Step",
    "Wish",
    "sorted_groups",
]

Node = TypeVar("Node", bound=Hashable)


class CircleError(PlanError):
    """No order of these nodes satisfies all edges."""

    def __init__(self, message: str, *, hint: str, nodes: tuple[Hashable, ...]) -> None:
        super().__init__(message, hint=hint)
        self.nodes = nodes


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
        """Whether whoever waits for it, or has it, holds up others' INSERT, UPDATE and DELETE, or all they do."""
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


class Stage(IntEnum):
    """When a statement of a plan runs: in the plan's one transaction, or before or after it in a step of its own."""

    BEFORE = 0
    TOGETHER = 1
    AFTER = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Online:
    """Which tables are changed without holding up those who use them: the ones of more than `above_bytes`."""

    above_bytes: int

    def covers(self, size: TableSize | None) -> bool:
        """Whether a table of this size (None: not known) is changed in steps."""
        return (size.bytes if size is not None else 0) > self.above_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One SQL statement of a plan; the facts it creates, drops and alters; what it costs and locks.

    `transactional` is False for what Postgres refuses inside a transaction block. Statements of the same `step` that
    follow each other run in one transaction. `rehearsal` is what stands for the statement in the proof, which runs in
    one transaction; None: the statement itself, empty: nothing. A statement with `batched` ends in a WHERE clause and
    runs over ranges of that table's rows, each in a transaction of its own. `brief` marks one that is over at once
    however large the table is, and that is cancelled where it is not. `checks` find the rows that it would fail on.
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
    transactional: bool = True
    masked: bool = False
    secret: SecretText | None = field(default=None, repr=False)

    step: int = 1
    rehearsal: str | None = None
    batched: FactId | None = None
    brief: bool = False
    checks: tuple[Check, ...] = ()

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
                f"a secret is not known any more: {self.sql}",
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

    `unmodelled` holds the differences that no rule can plan; a plan that has some does not reach its goal. `renames`
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

    def refused(self, allowed: Iterable[str], rules: Sequence[HazardRule] = ()) -> tuple[Hazard, ...]:
        """The hazards that need consent and do not have it; `allowed` and `rules` as in `Options`."""
        return refused_of(self.hazards, frozenset(allowed), rules)

    @property
    def sql(self) -> str:
        """All statements as one script."""
        return "".join(f"{statement.sql};\n" for statement in self.statements)


def _step_key(numbered: tuple[int, Statement]) -> tuple[int, int]:
    position, statement = numbered
    alone = not statement.transactional or statement.batched is not None
    return statement.step, position if alone else -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish(Generic[Node]):
    """All of `later` should come after all of `earlier`; given up where it closes a cycle, the lowest `strength` first.

    For what nothing records: a function's body is a string, and whoever calls the function while it is made needs what
    the body names.
    """

    earlier: Collection[Node]
    later: Collection[Node]
    strength: int = 0


def sorted_groups(
    members: Mapping[Node, Node],
    edges: Iterable[tuple[Node, Node]],
    *,
    rank: Callable[[Node], tuple[object, ...]],
    unfold: Callable[[Node], int],
    wishes: Iterable[Wish[Node]] = (),
) -> list[tuple[Node, tuple[Node, ...]]]:
    """A topological order of groups of nodes: `(head, members folded into it)`, the same for the same input.

    `members` maps each node to the head that it would like to be folded into (itself: a head). `edges` are
    (earlier, later). Where folding closes a cycle, the members that have a part in it stand alone; those of a lower
    `unfold` value go first, all of one value together. `wishes` are kept where no cycle comes of it. `rank` breaks
    ties. Raises CircleError on a cycle without folds. Linear in nodes, edges and the wishes' members, a round for each
    `unfold` value and each strength at most.
    """
    head = dict(members)
    pairs = [(a, b) for a, b in edges if a != b and a in head and b in head]
    while True:
        graph: dict[Node, set[Node]] = {h: set() for n, h in head.items() if n == h}
        for before, after in pairs:
            if head[before] != head[after]:
                graph[head[before]].add(head[after])
        knots = [knot for knot in _strongly_connected(graph) if len(knot) > 1]
        if not knots:
            break
        knotted = {node: number for number, knot in enumerate(knots) for node in knot}
        guilty: dict[int, set[Node]] = {}
        for before, after in pairs:
            number = knotted.get(head[before])
            if head[before] != head[after] and number is not None and knotted.get(head[after]) == number:
                guilty.setdefault(number, set()).update(n for n in (before, after) if head[n] != n)
        if len(guilty) < len(knots) or not all(guilty.values()):
            stuck = next(knot for number, knot in enumerate(knots) if not guilty.get(number))
            raise CircleError(
                f"these need each other: {', '.join(sorted(str(node) for node in stuck)[:12])}",
                hint="break the circle in two steps: apply without one of them first",
                nodes=tuple(stuck),
            )
        for nodes in guilty.values():
            first = min(unfold(node) for node in nodes)
            head.update({node: node for node in nodes if unfold(node) == first})
    folded: dict[Node, list[Node]] = {}
    for node, group in head.items():
        if node != group:
            folded.setdefault(group, []).append(node)
    wished = _with_wishes(graph, [wish for wish in wishes if wish.earlier and wish.later], head)
    return [
        (node, tuple(folded.get(node, ())))
        for node in _topological(wished, lambda node: () if isinstance(node, _Gate) else rank(node))
        if not isinstance(node, _Gate)
    ]


@dataclass(frozen=True, slots=True)
class _Gate:
    """A wish as a node between its two sides, so that it costs their sum and not their product."""

    number: int


def _with_wishes(
    graph: Mapping[Node, set[Node]], wishes: Sequence[Wish[Node]], head: Mapping[Node, Node]
) -> Mapping[Node | _Gate, set[Node | _Gate]]:
    wished: dict[Node | _Gate, set[Node | _Gate]] = {node: set(successors) for node, successors in graph.items()}
    entries: dict[_Gate, set[Node]] = {}
    strengths: dict[_Gate, int] = {}
    for number, wish in enumerate(wishes):
        gate = _Gate(number)
        strengths[gate] = wish.strength
        after = {head[node] for node in wish.later if node in head}
        wished[gate] = set(after)
        entries[gate] = {head[node] for node in wish.earlier if node in head} - after
        for node in entries[gate]:
            wished[node].add(gate)
    while wishes and (knots := [knot for knot in _strongly_connected(wished) if len(knot) > 1]):
        for knot in knots:
            gates = [node for node in knot if isinstance(node, _Gate)]
            weakest = min(strengths[gate] for gate in gates)
            for gate in gates:
                if strengths[gate] == weakest:
                    for node in entries[gate].intersection(knot):
                        wished[node].discard(gate)
    return wished


def _topological(graph: Mapping[Node, set[Node]], rank: Callable[[Node], tuple[object, ...]]) -> list[Node]:
    waiting = dict.fromkeys(graph, 0)
    for successors in graph.values():
        for node in successors:
            waiting[node] += 1
    numbered = sorted(graph, key=rank)
    number = {node: position for position, node in enumerate(numbered)}
    ready = [number[node] for node in graph if not waiting[node]]
    heapq.heapify(ready)
    order: list[Node] = []
    while ready:
        node = numbered[heapq.heappop(ready)]
        order.append(node)
        for successor in graph[node]:
            waiting[successor] -= 1
            if not waiting[successor]:
                heapq.heappush(ready, number[successor])
    return order


def _strongly_connected(graph: Mapping[Node, set[Node]]) -> list[list[Node]]:
    """Tarjan's algorithm, without recursion."""
    index: dict[Node, int] = {}
    low: dict[Node, int] = {}
    on_stack: set[Node] = set()
    stack: list[Node] = []
    found: list[list[Node]] = []
    for root in graph:
        if root in index:
            continue
        work = [(root, iter(graph[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, successors = work[-1]
            for successor in successors:
                if successor not in index:
                    index[successor] = low[successor] = len(index)
                    stack.append(successor)
                    on_stack.add(successor)
                    work.append((successor, iter(graph[successor])))
                    break
                if successor in on_stack:
                    low[node] = min(low[node], index[successor])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    component: list[Node] = []
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        component.append(member)
                        if member == node:
                            break
                    found.append(component)
    return found
