"""The text of a plan: the rules' statements in order, each with its facts, checks and locks. Pure: no I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.model.facts import SATELLITE_KINDS
from reconciler.model.hazards import HazardKind
from reconciler.model.plan import Statement
from reconciler.planner.core.nodes import Act, Node
from reconciler.planner.impact.impact import with_consequences
from reconciler.planner.impact.lock_duration import with_lock_windows
from reconciler.planner.ordering.edges import edges, heads, in_order, rank, soft_edges
from reconciler.planner.ordering.graph import sorted_groups
from reconciler.planner.ordering.steps import in_steps
from reconciler.planner.rules.registry import rule_of
from reconciler.planner.strategies import recreate_table, reparent_tables, reroute_rows, typed_tables
from reconciler.planner.strategies.convert_columns import drop_renamed, rename_away
from reconciler.sqltext.roundtrip import faithful

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model.facts import FactId
    from reconciler.planner.core.context import Context
    from reconciler.planner.core.rule import Draft

__all__ = ["emit_statements"]


def emit_statements(context: Context) -> Iterable[Statement]:
    drafted: list[tuple[Draft, Statement]] = []
    groups = sorted_groups(
        heads(context),
        edges(context),
        rank=rank,
        unfold=lambda node: rule_of(node.fact).unfold_order(node.fact, context),
        wishes=soft_edges(context),
    )
    for node, folded in groups:
        members = (node, *folded)
        drafts: Iterable[Draft] = ()
        rule = rule_of(node.fact)
        if not rule.is_silent(node.fact, context):
            match node.act:
                case Act.BEGIN:
                    drafts = _begin(node.fact, context)
                case Act.CREATE:
                    drafts = rule.create(node.fact, in_order([member.fact for member in folded], context), context)
                case Act.DROP:
                    drafts = _drop(node.fact, context)
                case Act.FINISH:
                    drafts = _finish(node.fact, context)
                case Act.ALTER:
                    drafts = rule.alter(node.fact, context)
        facts = tuple(sorted(member.fact for member in members))
        drafts = with_consequences(tuple(drafts), node.act, node.fact, [member.fact for member in folded], context)
        made = [(draft, _statement(draft, node.act, facts, context)) for draft in drafts]
        drafted += _with_checks(made, node, context) if node.act in (Act.CREATE, Act.ALTER) else made
    found = [each for each in drafted if not _is_adopted(each[1], context)]
    return with_lock_windows(in_steps(found, context), context)


def _begin(fact: FactId, context: Context) -> Iterable[Draft]:
    if fact in context.displaced:
        yield from reroute_rows.stand_aside(fact, context)
    if fact in context.released:
        yield from typed_tables.let_go(fact)
    if fact in context.stand_ins:
        yield from reparent_tables.take_stand_in(fact, context)


def _finish(fact: FactId, context: Context) -> Iterable[Draft]:
    if fact in context.moved:
        yield from recreate_table.finish(fact, context, reroute_rows.that_stay(fact, context))
    elif fact in context.aside:
        yield from drop_renamed(fact)
    if fact in reroute_rows.come_back_to(context):
        yield from reroute_rows.come_back(fact, context)
    if fact in context.stand_ins:
        yield from reparent_tables.leave_stand_in(fact, context)
    if fact in context.followers:
        yield from typed_tables.follow(fact, context)


def _drop(fact: FactId, context: Context) -> Iterable[Draft]:
    if fact in context.renamed:
        return recreate_table.step_aside(fact, context)
    return rename_away(fact) if fact in context.aside else rule_of(fact).drop(fact, context)


def _statement(draft: Draft, act: Act, facts: tuple[FactId, ...], context: Context) -> Statement:
    text, secret = context.masked(faithful(draft.sql))
    # Nobody waits for a table that the plan itself makes.
    is_waited_for = draft.locks is None or draft.locks in context.live
    return Statement(
        sql=text,
        creates=facts if act is Act.CREATE else (),
        drops=facts if act is Act.DROP else (),
        alters=facts if act in (Act.BEGIN, Act.ALTER, Act.FINISH) else (),
        hazards=draft.hazards,
        lock=draft.lock if is_waited_for else None,
        locks=draft.locks if is_waited_for else None,
        transactional=draft.transactional,
        rehearsal=faithful(draft.rehearsal) if draft.rehearsal else draft.rehearsal,
        batched=draft.batched,
        brief=draft.brief,
        masked=secret is not None,
        secret=secret,
    )


def _with_checks(made: list[tuple[Draft, Statement]], node: Node, context: Context) -> list[tuple[Draft, Statement]]:
    """The statements, the first of those that may fail with what is to be asked of the rows before."""
    checks = tuple(rule_of(node.fact).checks(node.fact, context)) if made else ()
    if not checks:
        return made
    kinds = [{hazard.kind for hazard in draft.hazards} for draft, _ in made]
    place = next((place for place, found in enumerate(kinds) if HazardKind.MAY_FAIL in found), 0)
    draft, statement = made[place]
    return [*made[:place], (draft, replace(statement, checks=checks)), *made[place + 1 :]]


def _is_adopted(statement: Statement, context: Context) -> bool:
    """Whether the statement would drop a half-made thing that this plan goes on with."""
    return bool(statement.drops) and any(
        fact in context.adopted_leftovers or (fact.kind in SATELLITE_KINDS and fact.target in context.adopted_leftovers)
        for fact in statement.drops
    )
