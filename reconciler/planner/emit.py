"""The text of a plan: the rules' statements in order, each with its facts, checks and locks. Pure: no I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.model.facts import SATELLITE_KINDS
from reconciler.model.hazards import HazardKind
from reconciler.model.plan import Statement
from reconciler.planner.core.nodes import Act, Node
from reconciler.planner.core.relation_locks import relation_locks
from reconciler.planner.impact.impact import with_consequences
from reconciler.planner.impact.lock_duration import with_lock_windows
from reconciler.planner.impact.log_readers import with_readers
from reconciler.planner.ordering.edges import edges, heads, in_order, rank, soft_edges
from reconciler.planner.ordering.graph import sorted_groups
from reconciler.planner.ordering.guard_suspension import with_guards_suspended
from reconciler.planner.ordering.steps import in_steps
from reconciler.planner.rules.registry import rule_of
from reconciler.planner.strategies.registry import STRATEGIES
from reconciler.sqltext.roundtrip import faithful

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model.facts import FactId
    from reconciler.planner.core.context import Context
    from reconciler.planner.core.rule import StatementDraft

__all__ = ["emit_statements"]


def emit_statements(context: Context) -> Iterable[Statement]:
    drafted: list[tuple[StatementDraft, Statement]] = []
    groups = sorted_groups(
        heads(context),
        edges(context),
        rank=rank,
        unfold_priority=lambda node: rule_of(node.fact).unfold_priority_of(node.fact, context),
        soft_edges=soft_edges(context),
    )
    for node, folded in groups:
        members = (node, *folded)
        drafts: Iterable[StatementDraft] = ()
        rule = rule_of(node.fact)
        if not rule.implied_by_other_statement(node.fact, context):
            match node.act:
                case Act.PREPARE:
                    drafts = _prepare(node.fact, context)
                case Act.CREATE:
                    drafts = rule.create(node.fact, in_order([member.fact for member in folded], context), context)
                case Act.DROP:
                    drafts = _drop(node.fact, context)
                case Act.RESTORE:
                    drafts = _restore(node.fact, context)
                case Act.ALTER:
                    drafts = rule.alter(node.fact, context)
        facts = tuple(sorted(member.fact for member in members))
        drafts = with_consequences(tuple(drafts), node.act, node.fact, [member.fact for member in folded], context)
        because = context.cause_of(node.fact) if node.act in (Act.CREATE, Act.DROP) else None
        made = [(draft, _statement(draft, node.act, facts, because, context)) for draft in drafts]
        drafted += _with_checks(made, node, context) if node.act in (Act.CREATE, Act.ALTER) else made
    found = [each for each in drafted if not _is_adopted(each[1], context)]
    guarded = with_guards_suspended(in_steps(found, context), context)
    return with_readers(with_lock_windows(guarded, context), context)


def _prepare(fact: FactId, context: Context) -> Iterable[StatementDraft]:
    for strategy in reversed(STRATEGIES):
        yield from strategy.prepare(fact, context)


def _restore(fact: FactId, context: Context) -> Iterable[StatementDraft]:
    for strategy in STRATEGIES:
        yield from strategy.restore(fact, context)


def _drop(fact: FactId, context: Context) -> Iterable[StatementDraft]:
    for strategy in STRATEGIES:
        if (drafts := strategy.drop(fact, context)) is not None:
            return drafts
    return rule_of(fact).drop(fact, context)


def _statement(
    draft: StatementDraft, act: Act, facts: tuple[FactId, ...], because: str | None, context: Context
) -> Statement:
    text, secret = context.masked(faithful(draft.sql))
    # Nobody waits for a table that the plan itself makes.
    is_waited_for = draft.locks is None or draft.locks in context.live
    statement = Statement(
        sql=text,
        creates=facts if act is Act.CREATE else (),
        drops=facts if act is Act.DROP else (),
        alters=facts if act in (Act.PREPARE, Act.ALTER, Act.RESTORE) else (),
        hazards=draft.hazards,
        lock=draft.lock if is_waited_for else None,
        locks=draft.locks if is_waited_for else None,
        transactional=draft.transactional,
        rehearsal=faithful(draft.rehearsal) if draft.rehearsal else draft.rehearsal,
        batched=draft.batched,
        as_replica=draft.as_replica,
        brief=draft.brief,
        rows=draft.rows,
        arrival=draft.arrival,
        because=because,
        masked=secret is not None,
        secret=secret,
    )
    return replace(statement, relation_locks=relation_locks(statement, draft.stage, context))


def _with_checks(
    made: list[tuple[StatementDraft, Statement]], node: Node, context: Context
) -> list[tuple[StatementDraft, Statement]]:
    """The statements, the first of those that may fail with what is to be asked of the rows before."""
    checks = tuple(rule_of(node.fact).checks(node.fact, context)) if made else ()
    if not checks:
        return made
    kinds = [{hazard.kind for hazard in draft.hazards} for draft, _ in made]
    place = next((place for place, found in enumerate(kinds) if HazardKind.MAY_FAIL in found), 0)
    draft, statement = made[place]
    return [*made[:place], (draft, replace(statement, checks=checks)), *made[place + 1 :]]


def _is_adopted(statement: Statement, context: Context) -> bool:
    """Whether the statement would drop an unfinished object that this plan resumes with."""
    return bool(statement.drops) and any(
        fact in context.adopted_leftovers or (fact.kind in SATELLITE_KINDS and fact.target in context.adopted_leftovers)
        for fact in statement.drops
    )
