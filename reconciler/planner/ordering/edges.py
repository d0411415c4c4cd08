"""What must come before what: edges of both states, of the rules, and of names that are taken. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.facts import SATELLITE_KINDS
from reconciler.planner.core.nodes import ROUTINES, Act, Node
from reconciler.planner.impact import subscribers
from reconciler.planner.ordering.body_references import references
from reconciler.planner.ordering.graph import SoftEdge
from reconciler.planner.partitions import index_attachment
from reconciler.planner.rules.registry import rule_of
from reconciler.planner.strategies.registry import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from reconciler.model.facts import FactId
    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = ["edges", "heads", "in_order", "rank", "soft_edges"]

_LISTED = frozenset({"column", "inheritance"})


def edges(context: Context) -> Iterable[tuple[Node, Node]]:
    """(earlier, later) for all that the two states, the rules and the names ask for."""
    live, goal = context.live, context.goal
    takes: dict[tuple[str, ...], Node] = {}
    gives: dict[tuple[str, ...], list[Node]] = {}

    def makes(fact: FactId) -> Node | None:
        if fact in context.creates:
            return Node(Act.CREATE, fact)
        return Node(Act.ALTER, fact) if fact in context.alters else None

    for fact in context.creates | context.alters:
        node = makes(fact)
        assert node is not None
        for needed in goal.dependencies.get(fact, ()):
            # What is there and stays can be needed before it is altered, above all by what it will need itself.
            if (first := makes(needed)) is not None and not _is_mutual(needed, fact, context.alters, goal):
                yield first, node
        for needed in rule_of(fact).after_create_of(fact, context):
            if (first := makes(needed)) is not None:
                yield first, node
        for gone in rule_of(fact).after_drop_of(fact, context):
            if gone in context.drops:
                yield Node(Act.DROP, gone), node
        if fact in context.drops:
            yield Node(Act.DROP, fact), node
        for claim in rule_of(fact).unique_names(fact, context.new(fact)):
            takes[claim] = node
    for fact in context.drops | context.alters:
        node = Node(Act.DROP, fact) if fact in context.drops else Node(Act.ALTER, fact)
        for needed in live.dependencies.get(fact, ()):
            # What no longer needs it gives it up before it is dropped, or altered by being recreated.
            if node.act is Act.DROP or needed not in goal.dependencies.get(fact, ()):
                if needed in context.drops:
                    yield node, Node(Act.DROP, needed)
                elif (
                    needed in context.alters
                    and not _is_mutual(needed, fact, context.alters, live)
                    and not _does_not_disturb(needed, fact, context)
                ):
                    yield node, Node(Act.ALTER, needed)
        for claim in rule_of(fact).unique_names(fact, context.old(fact)):
            gives.setdefault(claim, []).append(node)
    yield from index_attachment.ordered(context)
    for strategy in STRATEGIES:
        yield from strategy.ordered(context)
    yield from subscribers.ordered(context)
    for claim, node in takes.items():
        for giver in gives.get(claim, ()):
            if giver != node and context.decided.exchanged_names.get(node.fact) != giver.fact:
                yield giver, node


def _does_not_disturb(altered: FactId, dropped: FactId, context: Context) -> bool:
    """Whether the alteration in place can come before the drop: of a routine, or of a table that loses a column."""
    return altered.kind in ROUTINES or (dropped.kind == "column" and altered == context.live.parent(dropped))


def _is_mutual(altered: FactId, fact: FactId, alters: Collection[FactId], state: Snapshot) -> bool:
    """Whether something that is altered needs, in turn, what is made or dropped (a base type and its functions)."""
    return altered in alters and fact not in alters and fact in state.dependencies.get(altered, ())


def soft_edges(context: Context) -> Iterable[SoftEdge[Node]]:
    after_partitions = ((links, keys, -1) for links, keys in index_attachment.keys_after_partitions(context))
    for earlier, later, strength in (*references(context), *after_partitions):
        yield SoftEdge(
            earlier=[_made(fact, context) for fact in earlier],
            later=[_made(fact, context) for fact in later],
            strength=strength,
        )


def _made(fact: FactId, context: Context) -> Node:
    return Node(Act.CREATE if fact in context.creates else Act.ALTER, fact)


def heads(context: Context) -> dict[Node, Node]:
    """Each node, and the node that it would like to be folded into."""
    heads: dict[Node, Node] = {}
    prepared = {fact for strategy in STRATEGIES for fact in strategy.prepared(context)}
    restored = {fact for strategy in STRATEGIES for fact in strategy.restored(context)}
    for act, facts in ((Act.PREPARE, prepared), (Act.ALTER, context.alters), (Act.RESTORE, restored)):
        heads.update({Node(act, fact): Node(act, fact) for fact in facts})
    for fact in context.creates:
        node = Node(Act.CREATE, fact)
        target = rule_of(fact).inline_into(fact, context)
        heads[node] = Node(Act.CREATE, target) if target is not None and target in context.creates else node
    for fact in context.drops:
        node = Node(Act.DROP, fact)
        parent = context.live.parent(fact)
        found = (parent, rule_of(fact).inline_drop_into(fact, context), *context.cascades_from(fact))
        owners: Sequence[FactId] = [each for each in found if each is not None]
        for strategy in STRATEGIES:
            owners = strategy.owners_of_drop(fact, owners, context)
        alone = context.converting if fact.kind not in SATELLITE_KINDS else ()
        target = next((each for each in owners if each in context.drops and each not in alone), None)
        heads[node] = Node(Act.DROP, target) if target is not None else node
    return {node: _last(node, heads) for node in heads}


def _last(node: Node, heads: Mapping[Node, Node]) -> Node:
    seen = {node}
    while heads[node] != node and heads[node] not in seen:
        node = heads[node]
        seen.add(node)
    return node


def rank(node: Node) -> tuple[object, ...]:
    rank = rule_of(node.fact).rank
    return (
        node.act is not Act.DROP,
        -rank if node.act is Act.DROP else rank,
        node.act,
        node.fact.name,
        node.fact.kind,
    )


def in_order(facts: Sequence[FactId], context: Context) -> Sequence[FactId]:
    """By kind and name, but columns and parents as the goal lists them: there the order means something."""
    return sorted(facts, key=lambda fact: (fact.kind, context.position(fact) if fact.kind in _LISTED else 0, fact))
