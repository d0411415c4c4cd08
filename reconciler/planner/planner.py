"""Differences between live and the goal -> an ordered Plan. Pure: no I/O.

Three steps. What happens to each fact: created, dropped, altered in place; whatever depends on a dropped fact and stays
is dropped and created again (`decide`). Which order: the edges of pg_depend on both sides, one sort (`ordering`). Which
text: the rules (`emit`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.diff.diff import Change, Difference, diff
from reconciler.errors import PlanError
from reconciler.model.facts import SATELLITE_KINDS
from reconciler.model.intent import Intent
from reconciler.model.plan import Online, Plan, Rights
from reconciler.planner.core.context import Context
from reconciler.planner.decide import decide, recreated_instead
from reconciler.planner.emit import emit_statements
from reconciler.planner.ordering.graph import CycleError
from reconciler.planner.partitions import index_attachment
from reconciler.planner.rules.registry import RULES, rule_of
from reconciler.planner.rules.views import reading_each_other
from reconciler.planner.sql.quoting import compose, name
from reconciler.planner.strategies.registry import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from reconciler.model.facts import FactId
    from reconciler.model.hazards import IndexUse, TableSize
    from reconciler.model.replication import Replication
    from reconciler.model.snapshot import Snapshot

__all__ = ["make_plan"]

_SHOWN = 5


def make_plan(
    live: Snapshot,
    goal: Snapshot,
    *,
    current_user: str,
    rights: Rights | None = None,
    sizes: Mapping[FactId, TableSize] | None = None,
    index_use: Mapping[FactId, IndexUse] | None = None,
    unalterable_extensions: frozenset[FactId] = frozenset(),
    online: Online | None = None,
    intent: Intent | None = None,
    names_before_renames: Mapping[FactId, FactId] | None = None,
    kept: Collection[FactId] = frozenset(),
    answers: Mapping[FactId, bool] | None = None,
    replication: Replication | None = None,
    keeps_ages: bool = False,
) -> Plan:
    """The statements that turn `live` into `goal`; both with their dependencies. `current_user` runs them
    with these `rights`.

    `unalterable_extensions` cannot be altered into what the goal has. With `online`, tables that it covers are
    changed in steps, and the statements may need more than one transaction. `intent` specifies how values are
    converted and backfilled; its renames have been made in `live` already, and `names_before_renames` maps the new
    names to those that the database still has. `kept` is what the goal has only because live has it. `answers`
    answer the questions of a plan that was made without: for each fact in question that has such rows, whether it
    has no others. `replication` is who reads the server's log. With `keeps_ages` indexes over the same columns are
    created in the order of the goal's, as a copy needs it. Raises PlanError where no order of statements does it.
    """
    differences = diff(live, goal)
    dependents = _reversed(live.dependencies)
    forced: frozenset[FactId] = frozenset()
    while True:
        context = Context(
            live=live,
            goal=goal,
            current_user=current_user,
            rights=rights or Rights(),
            sizes=sizes or {},
            index_use=index_use or {},
            unalterable_extensions=unalterable_extensions,
            online=online,
            intent=intent or Intent(),
            answers=answers or {},
            names_before_renames=names_before_renames or {},
            replication=replication,
            keeps_ages=keeps_ages,
            dependents=dependents,
        )
        unmodelled = _unmodelled(differences, context)
        planned = [difference for difference in differences if difference.fact not in unmodelled]
        decide(planned, context, forced)
        _require_ground(context, kept)
        if views := reading_each_other(context):
            raise PlanError(
                f"{', '.join(map(str, views))} read from each other, so that no statement can create or drop one alone",
                hint="no query can read them either: drop them by hand (DROP VIEW with all of their names), and declare"
                " at least one of them over tables",
            )
        for strategy in STRATEGIES:
            strategy.settle(context)
        try:
            statements = tuple(emit_statements(context))
            break
        except CycleError as cycle:
            # What is altered must have what it moves to, which may wait until what it lets go of has gone.
            if not (more := recreated_instead(cycle) - forced):
                raise
            forced |= more
    return Plan(
        statements=statements,
        differences=differences,
        live_fingerprint=live.fingerprint,
        goal_fingerprint=goal.fingerprint,
        unmodelled=tuple(difference for difference in differences if difference.fact in unmodelled),
        questions=tuple(question for strategy in STRATEGIES for question in strategy.questions(context))
        if answers is None
        else (),
    )


def _unmodelled(differences: Sequence[Difference], context: Context) -> set[FactId]:
    """What cannot be planned, and what would be added to it or needs it."""
    found = {
        difference.fact
        for difference in differences
        if difference.fact.kind not in RULES or rule_of(difference.fact).is_unmodelled(difference.fact, context)
    }
    added = {difference.fact for difference in differences if difference.change is Change.ADDED}
    missing = list(found & added)
    dependents = _reversed(context.goal.dependencies if missing else {})
    while missing:
        for fact in dependents.get(missing.pop(), ()):
            if fact in added and fact not in found:
                found.add(fact)
                missing.append(fact)
    return found


def _require_extensions(context: Context, kept: Collection[FactId]) -> None:
    """Raises PlanError where something that stays as it is uses an extension that is no longer declared."""
    gone = {fact for fact in context.live.facts if fact.kind == "extension" and fact not in context.goal.facts}
    if not gone:
        return
    alone = {fact: context.live.dependencies.get(fact, frozenset()) for fact in kept if fact.kind != "extension"}
    users = {
        fact: extension
        for dependencies in (context.goal.dependencies, alone)
        for fact, needed in dependencies.items()
        for extension in needed & gone
        if fact in context.goal.facts and fact.kind not in SATELLITE_KINDS
    }
    if users:
        extension = users[min(users)]
        found = [str(fact) for fact in sorted(users) if users[fact] == extension]
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise PlanError(
            f"{extension} is no longer declared, but used by {', '.join(found[:_SHOWN])}{more}",
            hint=f"declare it again ({compose('CREATE EXTENSION {}', name(*extension.name))}),"
            " or drop what uses it first",
            left="nothing was changed",
        )


def _reversed(dependencies: Mapping[FactId, Iterable[FactId]]) -> Mapping[FactId, Sequence[FactId]]:
    found: dict[FactId, list[FactId]] = {}
    for fact, needed in dependencies.items():
        for other in needed:
            found.setdefault(other, []).append(fact)
    return found


def _require_ground(context: Context, kept: Collection[FactId]) -> None:
    """Raises PlanError where something that is left alone needs what goes for good.

    What the declaration holds was built with all that it needs, also where its text is the same and only what it stands
    on is another (an index, as its column takes another type). What is `kept` was not: objects not managed here, or
    some of the database as a whole.
    """
    live, goal = context.live, context.goal
    _require_extensions(context, kept)
    taken: set[tuple[str, ...]] | None = None
    for fact in sorted(context.creates & context.drops & set(kept)):
        if fact.kind in SATELLITE_KINDS or live.facts[fact] != goal.facts[fact]:
            continue
        before, after = live.dependencies.get(fact, frozenset()), goal.dependencies.get(fact, frozenset())
        # A function depends on the transforms that its types had when it was made, whether or not it uses them.
        lost = (needed for needed in before if needed.kind != "transform" and needed in context.drops)
        gone = sorted(needed for needed in lost if needed not in goal.facts)
        if not gone or not after < before:
            continue
        if taken is None:
            taken = {claim for each in context.creates for claim in rule_of(each).unique_names(each, context.new(each))}
        for needed in gone:
            if index_attachment.is_of_partition(needed, after, live):
                continue
            if not any(claim in taken for claim in rule_of(needed).unique_names(needed, context.old(needed))):
                raise PlanError(
                    f"{fact} needs {needed}, which the declaration drops",
                    hint=f"this run leaves {fact} alone: drop it by hand, keep {needed} in the declaration, or let the"
                    " declaration speak for the whole database (--exact --all-schemas)",
                )
