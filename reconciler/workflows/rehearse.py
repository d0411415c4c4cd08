"""The rehearsal of a plan: in which scratch, on which rows. Does I/O, changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.db.connections import transaction
from reconciler.db.search_path import statement_path
from reconciler.errors import ScratchError
from reconciler.options import Proof
from reconciler.proof.rehearsal import prove
from reconciler.proof.rows import RowRehearsal
from reconciler.proof.sampling import sample_rows
from reconciler.scratch.choice import choose_scratch

if TYPE_CHECKING:
    from reconciler.db.session import Session
    from reconciler.diff.goal import Goal, Scope
    from reconciler.model.intent import Intent
    from reconciler.model.plan import Plan
    from reconciler.model.snapshot import Snapshot
    from reconciler.options import Options
    from reconciler.scratch.place import Scratch


__all__ = ["rehearse", "scratch_for", "scratch_with_dependents", "with_other_schemas"]


def rehearse(
    session: Session,
    plan: Plan,
    live: Snapshot,
    goal: Goal,
    scratch: Scratch,
    scope: Scope,
    intent: Intent,
    options: Options,
) -> tuple[RowRehearsal | None, tuple[str, ...]]:
    """The rows that it was rehearsed on, where the options ask for rows, and what could not be rehearsed.

    Raises ProofError.
    """
    rows = _rows(session, plan, live, goal.snapshot, intent, options)
    unproven = prove(
        plan,
        live,
        goal.snapshot,
        scratch,
        scope,
        current_user=session.user,
        rows=rows,
        search_path=statement_path(options.search_path),
        foreign=goal.foreign,
    )
    return rows, unproven


def _rows(
    session: Session, plan: Plan, live: Snapshot, goal: Snapshot, intent: Intent, options: Options
) -> RowRehearsal | None:
    """The rows to rehearse on, read before live's schemas are renamed out of the way."""
    if options.proof is not Proof.ROWS or not plan.differences:
        return None
    told = frozenset(intent.conversions) | frozenset(intent.backfills)
    path = statement_path(options.search_path)
    with transaction(session.connection, force_rollback=True):
        sample = sample_rows(session.connection, plan, live, goal, intent, path)
    return RowRehearsal(sample=sample, told=told)


def scratch_for(session: Session, scope: Scope, options: Options) -> Scratch:
    """The scratch that the options ask for."""
    return choose_scratch(session.connection, options.scratch, scope, dsn=session.dsn, wait_ms=options.longest_wait_ms)


def scratch_with_dependents(
    session: Session, plan: Plan, live: Snapshot, scratch: Scratch, scope: Scope, options: Options
) -> Scratch:
    """A scratch that can hold what the plan does to objects of other schemas, where this role may have one."""
    own = {None, *live.schemas}
    touched = any(
        fact.schema not in own
        for statement in plan.statements
        for fact in (*statement.creates, *statement.alters, *statement.drops)
    )
    if not touched or options.proof is Proof.OFF:
        return scratch
    return with_other_schemas(session, scratch, replace(scope, schemas=live.schemas), options)


def with_other_schemas(session: Session, scratch: Scratch, scope: Scope, options: Options) -> Scratch:
    """A scratch that can hold objects of other schemas too; the same where this role may not have one."""
    if scratch.kind != "schema" or options.scratch != "auto":
        return scratch
    try:
        found = choose_scratch(session.connection, "database", scope, dsn=session.dsn)
    except ScratchError:
        return scratch  # what is in other schemas is not rehearsed then
    found.why = "objects of other schemas change too"
    return found
