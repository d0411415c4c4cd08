"""What happens to each fact: created, dropped, altered in place, or dropped and created again. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.diff.diff import Change, Difference
from reconciler.planner.core.nodes import RECREATABLE, Act, Node
from reconciler.planner.online import exchanged_columns
from reconciler.planner.partitions import index_attachment
from reconciler.planner.rules.registry import RULES, rule_of
from reconciler.planner.rules.tables import loses_identity
from reconciler.planner.rules.types import held_within
from reconciler.planner.strategies.registry import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.model.facts import FactId
    from reconciler.planner.core.context import Context
    from reconciler.planner.ordering.graph import CycleError

__all__ = ["decide", "recreated_instead"]


def recreated_instead(cycle: CycleError) -> frozenset[FactId]:
    """What of a cycle can be recreated instead of altered without a loss: views first."""
    altered = {node.fact for node in cycle.nodes if isinstance(node, Node) and node.act is Act.ALTER}
    views = frozenset(fact for fact in altered if fact.kind == "view")
    return views or frozenset(fact for fact in altered if fact.kind in RECREATABLE)


def decide(differences: Sequence[Difference], context: Context, forced: frozenset[FactId]) -> None:
    """Fills the context's creates, drops and alters, until nothing that stays depends on what is dropped.

    `forced` are recreated although they could be altered, or stay as they are.
    """
    dropped: list[FactId] = []
    for difference in differences:
        match difference.change:
            case Change.ADDED:
                context.creates.add(difference.fact)
            case Change.REMOVED:
                context.drops.add(difference.fact)
                dropped.append(difference.fact)
            case Change.CHANGED:
                context.alters.add(difference.fact)
    # A view's columns change with what they come from, and so for no reason of their own.
    own = {fact for fact in context.alters if fact.kind != "column" or _is_of_table(fact, context)}
    context.alters.update(exchanged_columns.altered_to_keep_order(context))
    touched = {context.live.parent(each.fact) for each in differences if each.fact.kind in ("index", "constraint")}
    context.alters.update(each for each in touched if each is not None and loses_identity(each, context))

    def note(fact: FactId, because: FactId | None) -> None:
        if because is not None and because != fact and fact not in own:
            context.causes.setdefault(fact, because)

    def replace(fact: FactId, because: FactId | None = None) -> None:
        note(fact, because)
        context.alters.discard(fact)
        context.converting.discard(fact)
        if fact in context.goal:
            context.creates.add(fact)
        if fact in context.live and fact not in context.drops:
            context.drops.add(fact)
            dropped.append(fact)

    forced |= {fact for strategy in STRATEGIES for fact in strategy.forced(context)}
    for fact in sorted(context.alters | forced):
        if fact in forced or (fact in context.alters and not rule_of(fact).in_place(fact, context)):
            replace(rule_of(fact).replaced(fact, context))
    asked: set[FactId] = set()
    while True:
        if not dropped:
            waiting = sorted(context.alters - asked)
            for fact in waiting:
                asked.add(fact)
                if fact in context.alters:
                    for other in rule_of(fact).recreate_around_alter(fact, context):
                        moves_off = other in context.alters and _moves_off(other, fact, context)
                        if other.kind in RULES and not moves_off:
                            replace(other, fact)
            if not waiting:
                found = (
                    index_attachment.obstacles(context),
                    held_within(context),
                    *(strategy.recreated_besides(context) for strategy in STRATEGIES),
                )
                for fact in sorted({fact for facts in found for fact in facts} - context.drops):
                    replace(fact)
                holders = {fact: held for each in STRATEGIES for fact, held in each.holders(context).items()}
                for fact, table in holders.items():
                    if fact not in context.drops and rule_of(fact).converts_values_while_recreating(
                        fact, table, context
                    ):
                        replace(fact, table)
                        context.converting.add(fact)
                    elif fact not in context.drops:
                        replace(rule_of(fact).replaced(fact, context), table)
                if not dropped:
                    return
            continue
        gone = dropped.pop()
        children = context.live.children.get(gone, ())
        for child in (
            *children,
            *rule_of(gone).cascades_to(gone, context),
            *(child for strategy in STRATEGIES for child in strategy.recreated_with(gone, context)),
        ):
            if child.kind in RULES:
                replace(child, gone)
        if gone in context.goal:
            for child in context.goal.children.get(gone, ()):
                if child.kind in RULES and child not in context.live:
                    context.creates.add(child)
        for dependent in context.dependents.get(gone, ()):
            if dependent.kind not in RULES:
                continue
            if dependent in context.drops:
                note(dependent, gone)
                continue
            moves_off = dependent in context.alters and _moves_off(dependent, gone, context)
            if not moves_off and rule_of(dependent).converts_values_while_recreating(dependent, gone, context):
                replace(dependent, gone)
                context.converting.add(dependent)
            elif not moves_off and rule_of(dependent).must_recreate_with(dependent, gone, context):
                replace(rule_of(dependent).replaced(dependent, context), gone)


def _is_of_table(column: FactId, context: Context) -> bool:
    relation = context.live.parent(column)
    return relation is None or relation.kind not in ("view", "materialized_view")


def _moves_off(fact: FactId, gone: FactId, context: Context) -> bool:
    """Whether an alteration ends the dependency on what is dropped: not where it depends on its replacement then."""
    needed = context.goal.dependencies.get(fact, frozenset())
    if gone in needed or not rule_of(fact).releases(fact, context):
        return False
    given = set(rule_of(gone).unique_names(gone, context.old(gone)))
    taken = (each for each in needed if given and each in context.creates)
    return not any(claim in given for each in taken for claim in rule_of(each).unique_names(each, context.new(each)))
