"""Makes a plan for live: builds desired, reads live, sets the goal, plans, proves. Does I/O, changes nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from psycopg import sql

from reconciler.apply.lag import read_replication
from reconciler.catalog.others import read_others
from reconciler.catalog.snapshot_reader import managed_schemas, read_rights, read_snapshot, read_with_dependents
from reconciler.catalog.statistics import read_index_use, read_sizes, read_unalterable_extensions
from reconciler.db.connections import transaction
from reconciler.db.search_path import statement_path
from reconciler.diff.column_order import in_live_order
from reconciler.diff.followers import require_followers
from reconciler.diff.goal import Desired, Goal, Scope, make_goal
from reconciler.diff.later import may_stay, without_not_null
from reconciler.diff.privileges import without_grantors
from reconciler.errors import BehindError, HazardError, LedgerDamagedError, PlanError, ScratchError
from reconciler.hazards.policy import refused_of
from reconciler.intent.manual_renames import find_manual_renames, rename_warnings, reversed_renames
from reconciler.intent.rename_simulation import Renamed, find_intent, rename_first
from reconciler.intent.rename_suggestions import suggest
from reconciler.ledger.declarations import Declared, find_behind, find_overtaken, is_last
from reconciler.ledger.history import load_migration
from reconciler.ledger.kept import load_kept
from reconciler.ledger.marks import load_addresses, load_mark
from reconciler.ledger.migrations import Recorded, load_head, load_recorded, recorded_by_others
from reconciler.ledger.plugins import load_others
from reconciler.ledger.trust import damage_note
from reconciler.model.facts import DATABASE_WIDE_KINDS, RELATION_KINDS, FactId, canonical_json
from reconciler.model.hazards import HazardKind, IndexUse, TableSize
from reconciler.model.ignore import find_ignored
from reconciler.model.intent import Intent, Rename
from reconciler.options import Drops, Proof, scope_of
from reconciler.planner.impact.sent_columns import of_renames
from reconciler.planner.partitions.publications import as_before
from reconciler.planner.planner import make_plan
from reconciler.preflight.preflight import answered
from reconciler.proof.rehearsal import prove
from reconciler.proof.rows import RowRehearsal
from reconciler.proof.sampling import sample_rows
from reconciler.results import PlanResult
from reconciler.scratch.build import build_anywhere
from reconciler.scratch.choice import choose_scratch
from reconciler.scratch.privileges import grantor_notes
from reconciler.source.declared import declared_by
from reconciler.source.screening import leading_keywords
from reconciler.source.source import DatabaseSource, Source
from reconciler.workflows.borders import require_free_names, require_own_objects, shared_with

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from reconciler.db.connections import Connection
    from reconciler.db.session import Session
    from reconciler.diff.drift import ObjectState
    from reconciler.ledger.plugins import Others
    from reconciler.model.ignore import IgnoreRule
    from reconciler.model.plan import Plan
    from reconciler.model.snapshot import Snapshot
    from reconciler.options import Options
    from reconciler.scratch.place import Scratch
    from reconciler.source.reading import Reading
    from reconciler.source.source import AnySource

_OF_NO_LASTING_EFFECT = frozenset({("SET",), ("RESET",), ("SELECT",), ("SHOW",), ("DO",), ("INSERT",)})

__all__ = ["plan_source", "renamed_only", "require_last", "restrict", "with_rules"]


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
    connection = session.connection
    declared = _declared(source, options)
    if not older:
        require_last(connection, plugin, source, options)
    head = load_head(connection, plugin)
    damaged: list[str] = []
    found = _recorded(connection, plugin, damaged if to_look else None)
    recorded = _without_shared(connection, plugin, source, found)
    lost: list[LedgerDamagedError] = []
    others = load_others(connection, plugin, lost if to_look else None)
    damaged += [note for each in lost if (note := damage_note(each)) not in damaged]
    scope = scope_of(plugin, options)
    scope = replace(scope, shared=shared_with(plugin, scope, others, share=options.share))
    if isinstance(source, Source) and source.is_empty:
        _refuse_empty(source, options)
    before = recorded.snapshot if recorded else None
    dsn = session.dsn
    with_rows = options.proof is Proof.ROWS
    scratch, desired, kept = build_anywhere(
        connection,
        options.scratch,
        source,
        scope,
        before,
        dsn=dsn,
        with_rows=with_rows,
        wait_ms=options.longest_wait_ms,
        load_kept=partial(load_kept, connection, plugin),
    )
    if isinstance(source, Source) and _has_no_effect(source, desired):
        _refuse_empty(source, options)
    schemas = _live_schemas(connection, scope, desired, recorded)
    known = recorded.snapshot.outside if recorded else frozenset[FactId]()
    beside = replace(desired.snapshot, schemas=schemas).outside | known
    # No lock on what is read stays while plans are rehearsed.
    with transaction(connection, force_rollback=True):
        if scope.all_schemas:
            live = read_snapshot(connection, schemas, dependencies=True)
        else:
            live = read_with_dependents(connection, schemas, beside)
    require_own_objects(desired, before, others)
    desired = _with_possible_grantors(connection, source, desired)
    user = session.user
    intent = _intent(session.connection, plugin, source, desired, live, recorded, scope)
    intent = with_rules(intent, options.ignore, (desired.snapshot, live), session.clock().date())
    manual = find_manual_renames(load_addresses(connection, plugin), live)
    intent = replace(intent, renames=(*intent.renames, *reversed_renames(manual, desired.snapshot, intent)))
    intent = replace(intent, renames=(*_moved_extensions(connection, desired, live), *intent.renames))
    if intent.renames and live.outside:
        scratch = _with_other_schemas(session, scratch, replace(scope, schemas=schemas), options)
    renamed = rename_first(
        intent, desired.snapshot, live, recorded.snapshot if recorded else None, scratch, scope, current_user=user
    )
    if renamed.renames:
        renames = of_renames(renamed.statements, renamed.renames, live, read_replication(connection))
        renamed = replace(renamed, statements=renames)
    set_goal = partial(_goal, desired=desired, live=live, renamed=renamed, scope=scope, schemas=schemas, others=others)
    goal = set_goal(intent)
    # In a scratch, what is database-wide and others' is there too; it is not declared.
    fingerprint = desired.snapshot.without(goal.foreign & desired.snapshot.facts.keys()).fingerprint
    declared = replace(declared, fingerprint=fingerprint)
    behind = find_behind(connection, plugin, declared)
    if behind is not None and not older:
        raise BehindError(plugin, behind)
    later = frozenset[FactId]()
    if options.drops is Drops.LATER and renamed.recorded is not None:
        later = may_stay(goal, renamed.live, renamed.recorded)

    obstacles: dict[str, None] = {}

    def planned(stays: frozenset[FactId]) -> tuple[Goal, Plan]:
        reached = set_goal(replace(intent, kept=intent.kept | stays), stays) if stays else goal
        try:
            require_followers(reached, renamed.live, others.facts)
            require_free_names(reached, others.facts)
        except PlanError as error:
            if not to_look:
                raise
            obstacles[error.message] = None
        return reached, renamed.before(_plan(session, live, renamed, reached, intent, options), live)

    due = later & _due(connection, plugin, declared)
    reached, plan = planned(later - due)
    if due and refused_of(plan.hazards, options.allow, options.hazard_rules):
        # What an earlier declaration left in place can wait until it may be dropped.
        reached, plan = planned(later)
    else:
        later -= due
    goal = reached
    scratch = _scratch_with_dependents(session, plan, live, scratch, scope, options)
    rows = _rows(session, plan, live, goal.snapshot, intent, options)
    unproven: tuple[str, ...] = ()
    if options.proof is not Proof.OFF and plan.differences:
        path = statement_path(options.search_path)
        unproven = prove(
            plan,
            live,
            goal.snapshot,
            scratch,
            scope,
            current_user=user,
            rows=rows,
            search_path=path,
            foreign=goal.foreign,
        )
    return PlanResult(
        plugin=plugin,
        plan=plan,
        live=live,
        goal=goal,
        desired_fingerprint=fingerprint,
        source_text=source.text if isinstance(source, Source) else _as_source_text(desired.snapshot, user),
        source_description=source.description,
        source_digest=source.digest if isinstance(source, Source) else "",
        recorded=recorded,
        scope=scope,
        options=options,
        scratch=f"{scratch.kind}: {scratch.why}",
        head=head,
        behind=behind,
        later=tuple(sorted(later)),
        renamed=renamed,
        suggestions=suggest(renamed.live, goal.snapshot) if plan.differences else (),
        ignored=intent.by_rules,
        to_keep=kept,
        notes=(
            *damaged,
            *obstacles,
            *(source.warnings if isinstance(source, Source) else ()),
            *desired.notes,
            *intent.warnings,
            *_unreadable(live),
            *_left_behind(scope, desired.snapshot, recorded),
            *(rows.warnings if rows is not None else ()),
            *unproven,
            *_unseen(connection, plan, options),
        ),
        rename_warnings=tuple(rename_warnings(manual, desired.snapshot, live)),
    )


def _with_possible_grantors(connection: Connection, source: AnySource, desired: Desired) -> Desired:
    """What roles granted that this one cannot act as, as if the owner had, and a note for each of those."""
    state = desired.snapshot
    if not without_grantors(state.facts):
        return desired
    beyond = read_others(connection).unsettable
    notes = grantor_notes(source, beyond) if isinstance(source, Source) else ()
    facts = {**state.facts, **without_grantors(state.facts, beyond)}
    return replace(desired, snapshot=state.with_facts(facts), notes=(*desired.notes, *notes))


def _refuse_empty(source: Source, options: Options) -> None:
    if HazardKind.EMPTY_SOURCE not in options.allow:
        raise HazardError(
            f"the source declares nothing: {source.description}",
            hint="to drop everything intentionally: --allow-empty",
            left="nothing was changed",
        )


def _has_no_effect(source: Source, desired: Desired) -> bool:
    """Whether all that the statements make is gone at their end; what is only outside of this scope does not count."""
    if any(desired.baseline.get(fact) != text for fact, text in desired.snapshot.facts.items()):
        return False
    leading = {leading_keywords(statement.sql)[:1] for statement in source.statements}
    return ("DROP",) in leading or leading <= _OF_NO_LASTING_EFFECT


def _recorded(connection: Connection, plugin: str, damaged: list[str] | None) -> Recorded | None:
    try:
        return load_recorded(connection, plugin)
    except LedgerDamagedError as error:
        if damaged is None:
            raise
        damaged.append(damage_note(error))
        return None


def _goal(
    intent: Intent,
    stays: frozenset[FactId] = frozenset(),
    *,
    desired: Desired,
    live: Snapshot,
    renamed: Renamed,
    scope: Scope,
    schemas: tuple[str, ...],
    others: Others,
) -> Goal:
    goal = make_goal(desired, renamed.live, renamed.recorded, scope, intent, others.facts)
    goal = _without_our_lists(goal, renamed.live)
    if stays:
        free = without_not_null(goal, stays)
        goal = replace(goal, snapshot=_with(goal.snapshot, free), record=_with(goal.record, free))
    places = in_live_order(goal.snapshot, desired.snapshot, renamed.live, goal.foreign | goal.following)
    return replace(
        goal,
        snapshot=replace(_with(goal.snapshot, places), schemas=schemas, server_version=live.server_version),
        record=replace(_with(goal.record, places), schemas=schemas, server_version=live.server_version),
    )


def _due(connection: Connection, plugin: str, declared: Declared) -> frozenset[FactId]:
    """What an earlier declaration left in place: this one is the next migration."""
    mark = load_mark(connection, plugin)
    return frozenset() if mark is None or is_last(connection, plugin, declared) else frozenset(mark.later)


def require_last(
    connection: Connection, plugin: str, source: AnySource | Reading, options: Options, *, begun: bool = False
) -> None:
    """Raises BehindError where the source is known as an older one, which may show only when it is built.

    With `begun` also where an unfinished run leads to another declaration.
    """
    declared = _declared(source, options)
    behind = find_behind(connection, plugin, declared)
    if behind is None and begun:
        behind = find_overtaken(connection, plugin, declared)
    if behind is not None:
        raise BehindError(plugin, behind)


def _declared(source: AnySource | Reading, options: Options) -> Declared:
    return Declared(digest="" if isinstance(source, DatabaseSource) else source.digest, version=options.version)


def with_rules(intent: Intent, rules: Sequence[IgnoreRule], states: Sequence[Snapshot], today: date) -> Intent:
    """The intent with what the rules of the configuration leave alone of these states."""
    if not rules:
        return intent
    found = find_ignored(rules, states, today)
    return replace(
        intent,
        ignored=intent.ignored | found.facts.keys(),
        attributes=intent.attributes | found.attributes.keys(),
        by_rules=found.lines,
        ruled=frozenset(found.facts),
        warnings=(*intent.warnings, *found.warnings),
    )


def renamed_only(session: Session, found: PlanResult, renames: Sequence[Rename], options: Options) -> Renamed:
    """Live and the record after these of the plan's renames, and those that follow from them."""
    recorded = found.recorded.snapshot if found.recorded else None
    scratch = _scratch(session, replace(found.scope, schemas=found.live.schemas), options)
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
    user = session.user
    plan = renamed.before(_plan(session, live, renamed, goal, Intent(), options), found.live)
    rows = _rows(session, plan, found.live, goal.snapshot, Intent(), options)
    if options.proof is not Proof.OFF and plan.statements:
        prove(
            plan,
            found.live,
            goal.snapshot,
            _scratch(session, replace(found.scope, schemas=found.live.schemas), options),
            found.scope,
            current_user=user,
            rows=rows,
            search_path=statement_path(options.search_path),
            foreign=goal.foreign,
        )
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


def _plan(session: Session, live: Snapshot, renamed: Renamed, goal: Goal, intent: Intent, options: Options) -> Plan:
    """The plan after the renames, with what live says beside its catalogs: made once to know what to ask."""
    connection = session.connection
    make = partial(
        make_plan,
        renamed.live,
        goal.snapshot,
        current_user=session.user,
        unalterable_extensions=read_unalterable_extensions(connection, live, goal.snapshot),
        intent=intent,
        kept=goal.kept,
        names_before_renames={new: old for old, new in renamed.names.items() if new != old},
    )
    plan = make()
    if not plan.statements:
        return plan
    return make(
        rights=read_rights(connection),
        sizes=_sizes(connection, plan, renamed),
        index_use=_index_use(connection, plan, renamed),
        online=options.steps,
        answers=answered(connection, plan.questions, options, {new: old for old, new in renamed.names.items()}),
        replication=read_replication(connection),
    )


def _without_shared(
    connection: Connection, plugin: str, source: AnySource, recorded: Recorded | None
) -> Recorded | None:
    """The record without what is no longer declared here, is of the database as a whole, and another plugin's too."""
    if recorded is None:
        return None
    declared = declared_by(source)
    wide = {fact for fact in recorded.snapshot.facts if fact.kind in DATABASE_WIDE_KINDS}
    shared = recorded_by_others(connection, plugin, {fact for fact in wide if not declared.may_name(fact)})
    if not shared:
        return recorded
    facts = {fact for fact in recorded.snapshot.facts if recorded.snapshot.object_of(fact) in shared}
    return replace(recorded, snapshot=recorded.snapshot.without(facts))


def _moved_extensions(connection: Connection, desired: Desired, live: Snapshot) -> Iterable[Rename]:
    """The extensions that the source declares in another schema, where Postgres can move them."""
    fixed = read_unalterable_extensions(connection, live, desired.snapshot)
    for fact in sorted(desired.snapshot.facts):
        if fact.kind != "extension" or fact not in live.facts or fact in fixed or not desired.mentions(fact):
            continue
        schema = str(desired.snapshot.definition(fact)["schema"])
        if schema != live.definition(fact)["schema"]:
            yield Rename(old=fact, new=fact, schema=schema)


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


def _intent(
    connection: Connection,
    plugin: str,
    source: AnySource,
    desired: Desired,
    live: Snapshot,
    recorded: Recorded | None,
    scope: Scope,
) -> Intent:
    hints = source.hints if isinstance(source, Source) else ()
    if not hints:
        return Intent()
    known = recorded.snapshot if recorded else None

    def recorded_text() -> str | None:
        return load_migration(connection, plugin, recorded.idx).source_text if recorded else None

    return find_intent(hints, desired.snapshot, live, known, scope, recorded_text=recorded_text)


def _scratch(session: Session, scope: Scope, options: Options) -> Scratch:
    return choose_scratch(session.connection, options.scratch, scope, dsn=session.dsn, wait_ms=options.longest_wait_ms)


def _scratch_with_dependents(
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
    return _with_other_schemas(session, scratch, replace(scope, schemas=live.schemas), options)


def _with_other_schemas(session: Session, scratch: Scratch, scope: Scope, options: Options) -> Scratch:
    """A scratch that can hold objects of other schemas too; the same where this role may not have one."""
    if scratch.kind != "schema" or options.scratch != "auto":
        return scratch
    try:
        found = choose_scratch(session.connection, "database", scope, dsn=session.dsn)
    except ScratchError:
        return scratch  # what is in other schemas is not rehearsed then
    found.why = "objects of other schemas change too"
    return found


def _sizes(connection: Connection, plan: Plan, renamed: Renamed | None = None) -> Mapping[FactId, TableSize]:
    """The sizes of the tables that the plan is about, by the names that it uses."""
    tables = {
        FactId("table", fact.name[:2])
        for statement in plan.statements
        for fact in (
            *statement.creates,
            *statement.drops,
            *statement.alters,
            *((statement.locks,) if statement.locks else ()),
            *((statement.batched,) if statement.batched else ()),
            *(hazard.fact for hazard in statement.hazards if hazard.fact.kind == "table"),
        )
        if len(fact.name) > 1
    }
    tables |= {question.table for question in plan.questions}
    olds = {new: old for old, new in renamed.names.items() if new in tables} if renamed else {}
    found = read_sizes(connection, sorted(olds.get(table, table) for table in tables))
    return {table: found[old] for table in tables if (old := olds.get(table, table)) in found}


def _index_use(connection: Connection, plan: Plan, renamed: Renamed | None = None) -> Mapping[FactId, IndexUse]:
    """How often the indexes that go were used, by the names that the plan uses; those of keys by the constraints'."""
    gone = [fact for statement in plan.statements for fact in statement.drops if fact.kind in ("index", "constraint")]
    if not gone:
        return {}
    olds = {new: old for old, new in renamed.names.items()} if renamed else {}
    names = {fact: (former.name[0], former.name[2]) for fact in gone if (former := olds.get(fact, fact))}
    found = read_index_use(connection, sorted(set(names.values())))
    return {fact: found[name] for fact, name in names.items() if name in found}


def _unreadable(live: Snapshot) -> Iterable[str]:
    """A warning for each object whose options or connection this role may not read."""
    for fact in live.facts:
        if fact.kind in ("subscription", "user_mapping") and live.definition(fact).get("hidden"):
            yield f"{fact}: this role may not read its content, which is neither compared nor changed"


def _unseen(connection: Connection, plan: Plan, options: Options) -> Iterable[str]:
    """A warning where rows are backfilled and this role may not read how far others are behind."""
    if options.max_lag.is_off or all(each.batched is None for each in plan.statements):
        return
    if read_replication(connection).is_hidden:
        yield (
            "this role may not read how far standbys and subscribers are behind, so backfills do not wait for them:"
            f" GRANT pg_read_all_stats TO {sql.Identifier(connection.info.user).as_string(connection)}"
        )


def _without_our_lists(goal: Goal, live: Snapshot) -> Goal:
    """The goal without the column lists that an interrupted run left in publications which nobody declares."""
    ours = {
        fact: canonical_json(definition)
        for fact, definition in as_before(live).items()
        if fact in goal.foreign | goal.following and goal.snapshot.facts.get(fact) == live.facts[fact]
    }
    if not ours:
        return goal
    return replace(goal, snapshot=_with(goal.snapshot, ours), record=_with(goal.record, ours))


def _left_behind(scope: Scope, desired: Snapshot, recorded: Recorded | None) -> Iterable[str]:
    """A warning for each schema that the last run managed and this one would empty, as after a misspelt name."""
    if scope.all_schemas or recorded is None:
        return
    held = {fact.name[0] for fact in recorded.snapshot.facts if fact.kind in RELATION_KINDS}
    for schema in sorted(held - {*scope.schemas, *desired.schemas}):
        yield f"schema {schema} was managed until now: what was recorded there is dropped unless --schema names it too"


def _with(state: Snapshot, texts: Mapping[FactId, str]) -> Snapshot:
    """The state with these definitions, of the facts that it has."""
    return state.with_facts({fact: texts.get(fact, text) for fact, text in state.facts.items()}) if texts else state


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


def _live_schemas(connection: Connection, scope: Scope, desired: Desired, recorded: Recorded | None) -> tuple[str, ...]:
    """The schemas to read in live: the managed ones, those that the source makes, those that were recorded."""
    wanted: Iterable[str] = desired.snapshot.schemas
    if scope.all_schemas:
        wanted = (*wanted, *managed_schemas(connection))
    elif recorded is not None:
        wanted = (*scope.schemas, *wanted, *recorded.snapshot.schemas)
    return tuple(sorted(set(wanted)))
