"""Makes a plan for live: builds desired, reads live, sets the goal, plans, proves. Does I/O, changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.diff.followers import require_followers
from reconciler.diff.goal import Goal, Scope
from reconciler.diff.later import may_stay
from reconciler.errors import BehindError, PlanError
from reconciler.hazards.policy import refused_of
from reconciler.intent.manual_renames import rename_warnings
from reconciler.intent.rename_simulation import Renamed, rename_first
from reconciler.intent.rename_suggestions import suggest
from reconciler.ledger.declarations import Declared, find_behind
from reconciler.model.facts import RELATION_KINDS, FactId
from reconciler.model.intent import Intent, Rename
from reconciler.options import Drops, Proof
from reconciler.results import PlanResult
from reconciler.source.source import Source
from reconciler.workflows.behind import declared_of, require_last
from reconciler.workflows.borders import require_free_names
from reconciler.workflows.goals import due_drops, goal_of
from reconciler.workflows.rehearse import rehearse, scratch_for, scratch_with_dependents
from reconciler.workflows.situation import read_situation
from reconciler.workflows.statements import plan_statements, unseen_lag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reconciler.db.session import Session
    from reconciler.diff.drift import ObjectState
    from reconciler.ledger.migrations import Recorded
    from reconciler.model.plan import Plan
    from reconciler.model.snapshot import Snapshot
    from reconciler.options import Options
    from reconciler.proof.rows import RowRehearsal
    from reconciler.source.source import AnySource
    from reconciler.workflows.situation import Situation

__all__ = ["plan_source", "renamed_only", "restrict"]


def plan_source(
    session: Session,
    plugin: str,
    source: AnySource,
    options: Options,
    *,
    older: bool = True,
    to_look: bool = False,
) -> PlanResult:
    """The plan that brings live to the source, in the transaction that is open; it is to be rolled back.

    With `to_look` nothing is to be applied: a record that is damaged is none, with a note, and so is what would keep
    the plan from being one. Raises SourceError, ScratchError, PlanError, ProofError, HazardError for a source that
    declares nothing, and BehindError as soon as that is known for an older one, unless `older`.
    """
    if not older:
        require_last(session.connection, plugin, source, options)
    situation = read_situation(session, plugin, source, options, to_look=to_look)
    goal = goal_of(situation)
    # In a scratch, what is database-wide and others' is there too; it is not declared.
    desired = situation.desired.snapshot
    fingerprint = desired.without(goal.foreign & desired.facts.keys()).fingerprint
    declared = replace(declared_of(source, options), fingerprint=fingerprint)
    behind = find_behind(session.connection, plugin, declared)
    if behind is not None and not older:
        raise BehindError(plugin, behind)
    obstacles: list[str] = []
    goal, plan, later = _with_drops_in_time(session, situation, goal, declared, obstacles if to_look else None)
    live, renamed, scope = situation.live, situation.renamed, situation.scope
    scratch = scratch_with_dependents(session, plan, live, situation.scratch, scope, options)
    rows: RowRehearsal | None = None
    unproven: tuple[str, ...] = ()
    if options.proof is not Proof.OFF and plan.differences:
        rows, unproven = rehearse(session, plan, live, goal, scratch, scope, situation.intent, options)
    return PlanResult(
        plugin=plugin,
        plan=plan,
        live=live,
        goal=goal,
        desired_fingerprint=fingerprint,
        source_text=source.text if isinstance(source, Source) else _as_source_text(desired, session.user),
        source_description=source.description,
        source_digest=source.digest if isinstance(source, Source) else "",
        recorded=situation.recorded,
        scope=scope,
        options=options,
        scratch=f"{scratch.kind}: {scratch.why}",
        head=situation.head,
        behind=behind,
        later=tuple(sorted(later)),
        renamed=renamed,
        suggestions=suggest(renamed.live, goal.snapshot) if plan.differences else (),
        ignored=situation.intent.by_rules,
        to_keep=situation.to_keep,
        notes=(
            *situation.damaged,
            *dict.fromkeys(obstacles),
            *_notes(situation),
            *(rows.warnings if rows is not None else ()),
            *unproven,
            *unseen_lag(session.connection, plan, options),
        ),
        rename_warnings=tuple(rename_warnings(situation.manual, desired, live)),
    )


def _with_drops_in_time(
    session: Session, situation: Situation, goal: Goal, declared: Declared, obstacles: list[str] | None
) -> tuple[Goal, Plan, frozenset[FactId]]:
    """The goal, the plan for it, and what stays until the next migration."""
    options, renamed = situation.options, situation.renamed
    later = frozenset[FactId]()
    if options.drops is Drops.LATER and renamed.recorded is not None:
        later = may_stay(goal, renamed.live, renamed.recorded)
    due = later & due_drops(session.connection, situation.plugin, declared)
    found = _planned(session, situation, goal, later - due, obstacles)
    if due and refused_of(found[1].hazards, options.allow, options.hazard_rules):
        # What an earlier declaration left in place can wait until it may be dropped.
        return (*_planned(session, situation, goal, later, obstacles), later)
    return (*found, later - due)


def _planned(
    session: Session, situation: Situation, goal: Goal, stays: frozenset[FactId], obstacles: list[str] | None
) -> tuple[Goal, Plan]:
    """The plan for the goal with what `stays`. Raises PlanError, or adds to `obstacles`."""
    intent, renamed, live = situation.intent, situation.renamed, situation.live
    reached = goal_of(situation, replace(intent, kept=intent.kept | stays), stays=stays) if stays else goal
    try:
        require_followers(reached, renamed.live, situation.others.facts)
        require_free_names(reached, situation.others.facts)
    except PlanError as error:
        if obstacles is None:
            raise
        obstacles.append(error.message)
    plan = plan_statements(session, live, renamed, reached, intent, situation.options)
    return reached, renamed.before(plan, live)


def _notes(situation: Situation) -> Iterable[str]:
    """What is to be said of the source, of what is meant by it, and of what this role cannot see."""
    if isinstance(situation.source, Source):
        yield from situation.source.warnings
    yield from situation.desired.notes
    yield from situation.intent.warnings
    yield from _unreadable(situation.live)
    yield from _left_behind(situation.scope, situation.desired.snapshot, situation.recorded)


def renamed_only(session: Session, found: PlanResult, renames: Sequence[Rename], options: Options) -> Renamed:
    """Live and the record after these of the plan's renames, and those that follow from them."""
    recorded = found.recorded.snapshot if found.recorded else None
    scratch = scratch_for(session, replace(found.scope, schemas=found.live.schemas), options)
    intent = Intent(renames=tuple(renames))
    wanted = found.goal.snapshot
    return rename_first(intent, wanted, found.live, recorded, scratch, found.scope, current_user=session.user)


def restrict(
    session: Session,
    found: PlanResult,
    renamed: Renamed,
    drifted: Mapping[FactId, ObjectState],
    *,
    accept: bool,
    options: Options,
) -> PlanResult:
    """The same with a goal that moves the drifted objects only: to the declaration, or in the record to live.

    `renamed` is live after the renames that are made first.
    """
    moved = {difference.fact for state in drifted.values() for difference in state.differences}
    recorded: Mapping[FactId, str] = renamed.recorded.facts if renamed.recorded else {}
    live = renamed.live
    facts = dict(live.facts)
    record = dict(recorded)
    for fact in moved:
        now = live.facts.get(fact)
        wanted = recorded.get(fact) if fact in found.goal.following else found.goal.snapshot.facts.get(fact)
        _put(record, fact, now if accept else wanted)
        if not accept:
            _put(facts, fact, wanted)
    goal = Goal(
        snapshot=found.goal.snapshot.with_facts(facts).with_secrets(
            {
                **{fact: hidden for fact, hidden in live.secrets.items() if fact not in moved},
                **{fact: hidden for fact, hidden in found.goal.snapshot.secrets.items() if fact in moved},
            }
        ),
        record=found.goal.record.with_facts(record),
        following=found.goal.following,
        foreign=found.goal.foreign,
        kept=found.goal.kept | (facts.keys() - found.goal.snapshot.facts.keys()),
    )
    plan = renamed.before(plan_statements(session, live, renamed, goal, Intent(), options), found.live)
    if options.proof is not Proof.OFF and plan.statements:
        scratch = scratch_for(session, replace(found.scope, schemas=found.live.schemas), options)
        rehearse(session, plan, found.live, goal, scratch, found.scope, Intent(), options)
    previous = found.recorded.hash if found.recorded else found.desired_fingerprint
    whole = found.behind is None and (goal.snapshot.fingerprint, goal.record.fingerprint) == (
        found.goal.snapshot.fingerprint,
        found.goal.record.fingerprint,
    )
    return replace(
        found,
        plan=plan,
        goal=goal,
        renamed=renamed,
        desired_fingerprint=previous,
        options=options,
        is_whole=whole,
    )


def _unreadable(live: Snapshot) -> Iterable[str]:
    """A warning for each object whose options or connection this role may not read."""
    for fact in live.facts:
        if fact.kind in ("subscription", "user_mapping") and live.definition(fact).get("hidden"):
            yield f"{fact}: this role may not read its content, which is neither compared nor changed"


def _left_behind(scope: Scope, desired: Snapshot, recorded: Recorded | None) -> Iterable[str]:
    """A warning for each schema that the last run managed and this one would empty, as after a misspelt name."""
    if scope.all_schemas or recorded is None:
        return
    held = {fact.name[0] for fact in recorded.snapshot.facts if fact.kind in RELATION_KINDS}
    for schema in sorted(held - {*scope.schemas, *desired.schemas}):
        yield f"schema {schema} was managed until now: what was recorded there is dropped unless --schema names it too"


def _put(facts: dict[FactId, str], fact: FactId, text: str | None) -> None:
    if text is None:
        facts.pop(fact, None)
    else:
        facts[fact] = text


def _as_source_text(desired: Snapshot, user: str) -> str:
    """Another database's schema as SQL, so that a rollback can plan from it; "" where a part of it has no rule."""
    from reconciler.workflows.compare import rebuild

    plan = rebuild(desired, current_user=user)
    return "" if plan.unmodelled else plan.sql
