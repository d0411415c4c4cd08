"""Rehearses a plan on a copy of live's schema in scratch: it must end exactly at the goal. Does I/O in scratch only."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from reconciler.catalog.confining import Confining
from reconciler.catalog.others import read_others
from reconciler.catalog.snapshot_reader import managed_schemas
from reconciler.db.connections import SEARCH_PATH, fetch_all
from reconciler.db.statements import run_permitted, run_statements
from reconciler.diff.column_order import has_other_order, misread
from reconciler.diff.diff import Difference, diff
from reconciler.diff.followers import follows
from reconciler.diff.privileges import without_grantors
from reconciler.errors import ApplyError, PlanError, ProofError
from reconciler.model.facts import DATABASE_WIDE_KINDS, SATELLITE_KINDS, TABLE_KINDS, FactId, canonical_json
from reconciler.planner.ordering.others import as_restored, owner_of, routines_of
from reconciler.planner.planner import make_plan
from reconciler.planner.rules.registry import RULES
from reconciler.planner.rules.views import reads_one_of
from reconciler.proof.closure import beyond_reach
from reconciler.proof.rows import around_rows, with_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reconciler.catalog.others import Others
    from reconciler.db.connections import Connection
    from reconciler.diff.goal import Scope
    from reconciler.model.plan import Plan, Statement
    from reconciler.model.snapshot import Snapshot
    from reconciler.proof.rows import RowRehearsal
    from reconciler.scratch.place import Place, Scratch

__all__ = ["copy_of_live", "prove"]

_log = logging.getLogger("reconciler")
_SHOWN = 10
_NO_DATA = "\nWITH NO DATA"
# SQLSTATE classes: data exception, integrity constraint violation, and what a function in PL/pgSQL raises.
_OF_VALUES = ("22", "23", "P0")
_WITHOUT_PROOF = "pass --no-proof to apply without a rehearsal, if you have read the plan"


def prove(
    plan: Plan,
    live: Snapshot,
    goal: Snapshot,
    scratch: Scratch,
    scope: Scope,
    *,
    current_user: str,
    rows: RowRehearsal | None = None,
    search_path: str = SEARCH_PATH,
    foreign: frozenset[FactId] = frozenset(),
) -> tuple[str, ...]:
    """What was not rehearsed, where the plan leads from a copy of live to the goal, fact by fact, and keeps the `rows`.

    What the plan cannot reach is not copied, unless the rehearsal without it fails.
    What others have made in live runs in the copy with their rights; where it cannot, it does not run.

    Functions that its statements call find names without a schema in `search_path`. What Postgres chooses for the
    `foreign` objects that follow belongs to no goal.
    Raises ProofError otherwise, with the failing statement, the facts that are left over, or the table and column.
    """
    rehearse = partial(
        _rehearse,
        plan,
        scratch=scratch,
        scope=scope,
        current_user=current_user,
        rows=rows,
        search_path=search_path,
        foreign=foreign,
    )
    # Rows may set off anything, a function that looks at any table.
    if rows is None and (beyond := beyond_reach(plan, live, goal)):
        try:
            return rehearse(live.apart_from(beyond), goal.apart_from(beyond))
        except (PlanError, ProofError):
            _log.info("the rehearsal on a part of live failed; it is repeated on the whole")
    return rehearse(live, goal)


def _rehearse(
    plan: Plan,
    live: Snapshot,
    goal: Snapshot,
    *,
    scratch: Scratch,
    scope: Scope,
    current_user: str,
    rows: RowRehearsal | None,
    search_path: str,
    foreign: frozenset[FactId],
) -> tuple[str, ...]:
    """The same for a part of live and of the goal, or the whole of both."""
    with scratch.fresh() as place:
        others = read_others(place.connection)
        beyond = _out_of_reach(live, goal, place)
        unseen = _changed_beyond(plan, beyond, live)
        live, goal = live.apart_from(beyond), goal.apart_from(beyond)
        uncallable = routines_of(others.beyond, live)
        live, goal = _with_settable_owners(_with_early_labels(plan, live, goal), goal, others, current_user)
        running = _running(live) | _running(goal)
        copied = live.apart_from(running)
        confining = _confining(place, copied, others, search_path)
        missing = running | beyond | _copy(copied, place, scope, current_user, others, uncallable, confining, rows)
        copy = _read(place, live, scope, dependencies=rows is not None)
        changed = {fact: copy.facts.get(fact) for fact in {**routines_of(others.roles, live), **uncallable}}
        copy = _as_in_live(copy, changed, live)
        _compare(live, copy, "the copy of live differs from live", scope, missing)
        if rows is not None:
            rows.hold(place, copy)
        if place.transactional:
            # What was renamed out of the way still uses an extension that the plan drops.
            missing |= {each.fact for each in plan.differences if each.fact.kind == "extension" and each.after is None}
        statements = [statement for statement in plan.statements if not _is_about(statement, missing, live, goal)]
        try:
            made = [*_without_data(statements, goal)] if rows is None else with_rows(statements)
            run_statements(
                place.connection,
                made,
                transactional=place.transactional,
                search_path=search_path,
                run=confining.run,
            )
        except ApplyError as exc:
            raise _refused(exc, with_rows=rows is not None) from exc
        aside = missing | {difference.fact for difference in plan.unmodelled}
        other_order = has_other_order(goal, live)
        reached = _as_in_live(_read(place, goal, scope, dependencies=other_order), changed, live)
        along = {each.fact for each in diff(reached, goal) if follows(each, reached, foreign, plan)}
        _compare(goal, reached, "the rehearsed plan does not end at the goal", scope, aside | along)
        if other_order:
            _compare_columns(goal, reached, aside)
        if rows is not None:
            rows.compare(place, reached, plan)
        return (*unseen, *_left_out(uncallable, missing, live))


def _as_in_live(copy: Snapshot, changed: Mapping[FactId, str | None], live: Snapshot) -> Snapshot:
    """The same, where others' routines are still as the copy has them, as if they ran there as in live."""
    same = {fact for fact, text in changed.items() if text is not None and copy.facts.get(fact) == text}
    if not same:
        return copy
    return copy.with_facts({fact: live.facts[fact] if fact in same else text for fact, text in copy.facts.items()})


def _left_out(uncallable: Mapping[FactId, str], missing: frozenset[FactId], live: Snapshot) -> Iterable[str]:
    """A line for each routine of others that could not be called in the copy, and what is not there without it."""
    for fact, owner in sorted(uncallable.items()):
        needing = sorted(str(each) for each in missing if fact in live.dependencies.get(each, ()))
        without = f"; without it the rehearsal left out {', '.join(needing)}" if needing else ""
        yield f"{fact} belongs to {owner} and did not run in the rehearsal, as it would have run as this role{without}"


def _refused(error: ApplyError, *, with_rows: bool) -> ProofError:
    """What a statement of the plan failed with on the copy, and what may be wrong with it."""
    sampled = " with sampled rows" if with_rows else ""
    detail = f"\n  detail: {error.detail}" if error.detail else ""
    if (error.sqlstate or "")[:2] in _OF_VALUES:
        what = "the rows of the database, or what a hint or a default makes of them," if with_rows else "a value"
        hint = f"{what} cannot be what the statement needs: correct the values, the hint or the declaration"
    else:
        hint = f"correct the hint or the function that the statement uses, if it uses one; {_WITHOUT_PROOF}"
    return ProofError(
        f"the plan's statement {error.position} fails on a copy of live{sampled}:"
        f" {error.message}{detail}\n  {error.statement}",
        hint=error.hint or hint,
        left="nothing was changed",
    )


def _out_of_reach(live: Snapshot, goal: Snapshot, place: Place) -> frozenset[FactId]:
    """What is in schemas of others, where these are the live ones: the copy cannot hold it a second time."""
    if not place.transactional:
        return frozenset()
    own = {None, *live.schemas, *goal.schemas}
    return frozenset(fact for fact in live.facts.keys() | goal.facts.keys() if fact.schema not in own)


def _changed_beyond(plan: Plan, beyond: frozenset[FactId], live: Snapshot) -> Iterable[str]:
    """A line where the plan changes what is in schemas of others, and was not rehearsed there."""
    changed = sorted(
        {
            live.object_of(fact)
            for each in plan.statements
            for fact in (*each.creates, *each.drops, *each.alters)
            if fact in beyond
        }
    )
    if changed:
        yield (
            f"not rehearsed, as the copy is in the live database: {', '.join(map(str, changed))}, in a schema that is"
            " not managed (--scratch database rehearses it too)"
        )


def _with_early_labels(plan: Plan, live: Snapshot, goal: Snapshot) -> Snapshot:
    """The same with the enum values that a step of their own commits: in one transaction they could not be used."""
    early = {fact for each in plan.statements if each.rehearsal == "" for fact in each.alters if fact.kind == "enum"}
    return live.with_facts({fact: goal.facts[fact] if fact in early else text for fact, text in live.facts.items()})


def _running(state: Snapshot) -> frozenset[FactId]:
    """Subscriptions that are not disabled, which would subscribe from the copy, and what hangs on them."""
    found = {fact for fact in state if fact.kind == "subscription" and not state.definition(fact).get("disabled")}
    return frozenset(fact for fact in state.facts if found and state.object_of(fact) in found)


def copy_of_live(live: Snapshot, place: Place, scope: Scope, current_user: str) -> Snapshot:
    """Makes live's schema in the place and gives it as it is there, with its dependencies. Raises ProofError."""
    others = read_others(place.connection)
    live = live.apart_from(_out_of_reach(live, live, place))
    uncallable = routines_of(others.beyond, live)
    live, _ = _with_settable_owners(live, live, others, current_user)
    confining = _confining(place, live, others, SEARCH_PATH)
    _copy(live.apart_from(_running(live)), place, scope, current_user, others, uncallable, confining)
    return _read(place, live, scope, dependencies=True)


def _copy(
    live: Snapshot,
    place: Place,
    scope: Scope,
    current_user: str,
    others: Others,
    uncallable: Mapping[FactId, str],
    confining: Confining,
    rows: RowRehearsal | None = None,
) -> frozenset[FactId]:
    """Makes live's schema in the place, with `rows` in it; what cannot be copied is given back.

    Without rows, materialized views hold nothing: their queries may call what works in live alone. Those of others
    never do: a query is run as whoever fills them.

    That is e.g. a mapping with a password, and in the live database itself what is of the database as a whole and hangs
    on what stepped aside: a table's publication, a type's cast.
    """
    start = _read(place, live, scope, dependencies=True)
    apart: frozenset[FactId] = frozenset()
    if place.transactional:
        wide = {fact: text for fact, text in start.facts.items() if _is_wide(fact, start)}
        ours = _roles(place.connection)

        def is_apart(fact: FactId) -> bool:
            owner = live.object_of(fact)
            return owner.kind in DATABASE_WIDE_KINDS and not (
                owner.kind == "default_privileges" and owner.name[0] in ours and owner.name[1] in ("", *live.schemas)
            )

        apart = frozenset(fact for fact in live.facts if is_apart(fact) and fact not in wide)
        live = live.with_facts({**{fact: text for fact, text in live.facts.items() if not is_apart(fact)}, **wide})
    views = frozenset(fact for fact in live.facts if fact.kind == "materialized_view")
    hers = frozenset(fact for fact in views if rows is None or uncallable or owner_of(fact, live) in others.roles)
    live = replace(live, unpopulated=live.unpopulated | hers)
    rebuild = make_plan(start, live, current_user=current_user, keeps_ages=True)
    statements = as_restored(rebuild.statements, live, others.roles, uncallable)
    skipped: tuple[Statement, ...] = ()
    try:
        first, last = (statements, ()) if rows is None else around_rows(statements, live)
        skipped = _made(place, first, confining, is_permissive=bool(uncallable))
        if rows is not None:
            rows.load(place, first)
            skipped += _made(place, last, confining, is_permissive=bool(uncallable))
    except ApplyError as exc:
        raise ProofError(
            f"live's schema cannot be rebuilt for the rehearsal: {exc.message}\n  {exc.statement}",
            hint="; ".join(filter(None, [exc.hint, _WITHOUT_PROOF])),
            left="nothing was changed",
        ) from exc
    # What only a superuser makes in a database (an event trigger, a publication for all tables) is not rehearsed.
    left = frozenset(fact for each in skipped for fact in (*each.creates, *each.alters) if uncallable)
    absent = {live.object_of(fact) for each in skipped for fact in (*each.creates, *each.alters) if fact not in left}
    if within := sorted(fact for fact in absent if fact.kind not in DATABASE_WIDE_KINDS):
        raise ProofError(
            f"live's schema cannot be rebuilt for the rehearsal: this role may not create {within[0]} as it is",
            hint=_WITHOUT_PROOF,
            left="nothing was changed",
        )
    unmodelled = {difference.fact for difference in rebuild.unmodelled}
    skipped_too = {fact for fact in live.facts if absent and live.object_of(fact) in absent}
    without = {fact for fact in live.facts if left and _hangs_on(fact, left, live)}
    # A table that is not attached does not say of its columns that they are inherited.
    without |= {child for fact in left if fact.kind == "inheritance" for child in _children(fact, live)}
    changed = {
        FactId("privileges", (fact.kind, *fact.name, grantee)) for fact in uncallable for grantee in ("", current_user)
    }
    changed |= {fact for fact in live.facts if fact.kind == "privileges" and fact.target in uncallable}
    return apart | unmodelled | skipped_too | left | without | changed


def _roles(connection: Connection) -> frozenset[str]:
    """The roles whose rights the current one has, so that it may alter their default privileges."""
    text = "select rolname::text from pg_catalog.pg_roles where pg_catalog.pg_has_role(oid, 'USAGE')"
    return frozenset(str(row[0]) for row in fetch_all(connection, text))


def _children(inheritance: FactId, state: Snapshot) -> Iterable[FactId]:
    return (fact for kind in TABLE_KINDS for fact in state.descendants(FactId(kind, inheritance.name[:2])))


def _hangs_on(fact: FactId, objects: frozenset[FactId], state: Snapshot) -> bool:
    """Whether it is one of the objects, a part of one, or a comment or the like on it."""
    if fact.kind in SATELLITE_KINDS:
        return _hangs_on(fact.target, objects, state)
    above = state.parent(fact)
    return fact in objects or (above is not None and _hangs_on(above, objects, state))


def _made(
    place: Place, statements: Sequence[Statement], confining: Confining, *, is_permissive: bool
) -> tuple[Statement, ...]:
    """Runs them; what this role may not is given back where the others go on without it."""
    connection, path, run = place.connection, confining.search_path, confining.run
    if place.transactional and not is_permissive:
        run_statements(connection, statements, transactional=True, search_path=path, run=run)
        return ()
    return run_permitted(connection, statements, transactional=place.transactional, search_path=path, run=run)


def _confining(place: Place, live: Snapshot, others: Others, search_path: str) -> Confining:
    owned = [fact.target for fact in live.facts if fact.kind == "owner" and owner_of(fact.target, live) in others.roles]
    return Confining(place.connection, owned, search_path)


def _without_data(statements: Sequence[Statement], goal: Snapshot) -> Iterable[Statement]:
    """The same, but a materialized view that reads from one of the copy's, which hold nothing, holds nothing either."""
    made = {fact for statement in statements for fact in statement.creates}
    unfilled = {fact for fact in goal.facts if fact.kind == "materialized_view" and fact not in made}
    for statement in statements:
        views = [fact for fact in statement.creates if fact.kind == "materialized_view"]
        if any(reads_one_of(view, unfilled.__contains__, goal) for view in views):
            unfilled.update(views)
            text = statement.sql.removesuffix(_NO_DATA)
            yield replace(statement, rehearsal=f"{text}{_NO_DATA}")
        else:
            yield statement


def _with_settable_owners(live: Snapshot, goal: Snapshot, others: Others, user: str) -> tuple[Snapshot, Snapshot]:
    """The same two, as if `user` owned what belongs to a role that the copy cannot give it to.

    Whether others' objects can be changed is for Postgres to say when the plan is applied.
    """
    live, goal = (
        state.with_facts({**state.facts, **without_grantors(state.facts, others.unsettable)}) for state in (live, goal)
    )
    kept = {fact for fact, text in live.facts.items() if goal.facts.get(fact) in (None, text)}
    owners = {fact: live.facts[fact] for fact in kept if fact.kind == "owner"}
    present = set(owners.values()) - {canonical_json({"role": user})}
    if not present:
        return live, goal
    beyond = {canonical_json({"role": name}) for name in others.unsettable} & present
    ours = {fact: canonical_json({"role": user}) for fact, text in owners.items() if text in beyond}
    # What was granted to `user` on these goes without saying where `user` is the owner.
    granted = {FactId("privileges", (*fact.name, user)) for fact in ours} & kept

    def with_ours(state: Snapshot) -> Snapshot:
        given = {fact: text for fact, text in state.facts.items() if FactId("owner", fact.name[:-1]) in ours}
        return state.with_facts(
            {
                fact: ours.get(fact, text)
                for fact, text in {**state.facts, **without_grantors(given, (user,))}.items()
                if fact not in granted
            }
        )

    return with_ours(live), with_ours(goal)


def _is_about(statement: Statement, missing: frozenset[FactId], live: Snapshot, goal: Snapshot) -> bool:
    """Whether the statement is only about what the copy does not have."""
    facts = (*statement.creates, *statement.alters, *statement.drops)
    return bool(facts) and all(
        fact in missing or any(state.object_of(fact) in missing for state in (live, goal)) for fact in facts
    )


def _read(place: Place, like: Snapshot, scope: Scope, *, dependencies: bool = False) -> Snapshot:
    schemas = managed_schemas(place.connection) if scope.all_schemas else like.schemas
    return place.read(schemas, outside=like.outside, dependencies=dependencies)


def _is_wide(fact: FactId, state: Snapshot) -> bool:
    return state.object_of(fact).kind in DATABASE_WIDE_KINDS


def _compare(wanted: Snapshot, found: Snapshot, what: str, scope: Scope, aside: frozenset[FactId]) -> None:
    left = [each for each in _countable(diff(found, wanted), wanted, found, scope) if each.fact not in aside]
    if left:
        lines = [f"  {difference.change}: {difference.fact}" for difference in left[:_SHOWN]]
        if len(left) > _SHOWN:
            lines.append(f"  and {len(left) - _SHOWN} more")
        raise ProofError(
            "\n".join([f"{what}: {len(left)} facts differ", *lines]),
            hint="nothing was applied; `--no-proof` skips the rehearsal, if you have read the plan",
            left="nothing was changed",
        )


def _compare_columns(goal: Snapshot, reached: Snapshot, aside: frozenset[FactId]) -> None:
    """Raises ProofError where something reads other columns than it was declared to, as it counts them."""
    for fact in misread(goal, reached):
        if fact not in aside:
            raise ProofError(
                f"{fact} counts columns of a table that have another order in the database, and so reads other columns",
                hint="name the columns in its query instead of counting them, or declare them in the database's order",
                left="nothing was changed",
            )


def _countable(
    differences: Iterable[Difference], wanted: Snapshot, found: Snapshot, scope: Scope
) -> Iterable[Difference]:
    """Without unsupported changes and, unless the whole database is managed, what is database-wide."""
    for difference in differences:
        fact = difference.fact
        # An index that failed to build, a partition half detached: a rehearsal cannot make live's like again.
        if difference.attributes.keys() in ({"invalid"}, {"detach_pending"}):
            continue
        if fact.kind not in RULES:
            continue
        if not scope.all_schemas and (_is_wide(fact, wanted) or _is_wide(fact, found)):
            continue
        yield difference
