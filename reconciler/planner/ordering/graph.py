"""The one sort of the dependency graph. Pure: no I/O."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from reconciler.errors import PlanError

__all__ = ["CycleError", "SoftEdge", "sorted_groups"]

Node = TypeVar("Node", bound=Hashable)


class CycleError(PlanError):
    """No order of these nodes satisfies all edges."""

    def __init__(self, message: str, *, hint: str, nodes: tuple[Hashable, ...]) -> None:
        super().__init__(message, hint=hint)
        self.nodes = nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftEdge(Generic[Node]):
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
    unfold_priority: Callable[[Node], int],
    soft_edges: Iterable[SoftEdge[Node]] = (),
) -> list[tuple[Node, tuple[Node, ...]]]:
    """A topological order of groups of nodes: `(head, members folded into it)`, the same for the same input.

    `members` maps each node to the head that it would like to be folded into (itself: a head). `edges` are (earlier,
    later). Where folding closes a cycle, the members that have a part in it stand alone; those of a lower
    `unfold_priority` go first, all of one value together. `soft_edges` are kept where they close no cycle. `rank`
    breaks ties. Raises CycleError on a cycle without folds. Linear in nodes, edges and the soft edges' members, with
    one round at most for each `unfold_priority` and each strength.
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
            raise CycleError(
                f"dependency cycle: {', '.join(sorted(str(node) for node in stuck)[:12])}",
                hint="break the cycle in two steps: apply without one of them first",
                nodes=tuple(stuck),
            )
        for nodes in guilty.values():
            first = min(unfold_priority(node) for node in nodes)
            head.update({node: node for node in nodes if unfold_priority(node) == first})
    folded: dict[Node, list[Node]] = {}
    for node, group in head.items():
        if node != group:
            folded.setdefault(group, []).append(node)
    softened = _with_soft_edges(
        graph, [soft_edge for soft_edge in soft_edges if soft_edge.earlier and soft_edge.later], head
    )
    return [
        (node, tuple(folded.get(node, ())))
        for node in _topological(softened, lambda node: () if isinstance(node, _Gate) else rank(node))
        if not isinstance(node, _Gate)
    ]


@dataclass(frozen=True, slots=True)
class _Gate:
    """A soft edge as a node between its two sides, so that it costs their sum and not their product."""

    number: int


def _with_soft_edges(
    graph: Mapping[Node, set[Node]], soft_edges: Sequence[SoftEdge[Node]], head: Mapping[Node, Node]
) -> Mapping[Node | _Gate, set[Node | _Gate]]:
    softened: dict[Node | _Gate, set[Node | _Gate]] = {node: set(successors) for node, successors in graph.items()}
    entries: dict[_Gate, set[Node]] = {}
    strengths: dict[_Gate, int] = {}
    for number, soft_edge in enumerate(soft_edges):
        gate = _Gate(number)
        strengths[gate] = soft_edge.strength
        after = {head[node] for node in soft_edge.later if node in head}
        softened[gate] = set(after)
        entries[gate] = {head[node] for node in soft_edge.earlier if node in head} - after
        for node in entries[gate]:
            softened[node].add(gate)
    while soft_edges and (knots := [knot for knot in _strongly_connected(softened) if len(knot) > 1]):
        for knot in knots:
            gates = [node for node in knot if isinstance(node, _Gate)]
            weakest = min(strengths[gate] for gate in gates)
            for gate in gates:
                if strengths[gate] == weakest:
                    for node in entries[gate].intersection(knot):
                        softened[node].discard(gate)
    return softened


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
