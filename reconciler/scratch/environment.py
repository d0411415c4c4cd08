"""What a temporary database gets of live: what sources refer to and do not declare. Does I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.catalog.confining import Confining
from reconciler.catalog.others import read_others
from reconciler.catalog.snapshot_reader import managed_schemas, read_snapshot
from reconciler.db.connections import SEARCH_PATH, current_user, fetch_all, transaction
from reconciler.db.sqlfiles import read_sql, trusted
from reconciler.db.statements import run_permitted
from reconciler.diff.privileges import without_grantors
from reconciler.model.facts import ANY_ARGUMENTS, DATABASE_WIDE_KINDS, ROUTINE_KINDS, FactId
from reconciler.model.snapshot import Snapshot
from reconciler.planner.ordering.others import as_restored, routines_of
from reconciler.planner.planner import make_plan

if TYPE_CHECKING:
    from reconciler.db.connections import Connection
    from reconciler.diff.goal import Scope

__all__ = ["make_environment", "read_environment", "substitutes"]

# Event triggers, publications, subscriptions, default privileges and settings would act on the scratch place itself.
_KINDS = frozenset({"extension", "foreign_data_wrapper", "foreign_server", "language"})
# These use nothing that is in a managed schema; whatever else does is not given to scratch.
_NEEDLESS = frozenset({"extension", "schema"})


def make_environment(connection: Connection, surroundings: Snapshot) -> tuple[str, ...]:
    """Makes them in the fresh database, as far as this role may; gives the extensions that it may not create."""
    with transaction(connection):
        schemas = [fact.name[0] for fact in surroundings.facts if fact.kind == "schema"]
        empty = read_snapshot(connection, schemas, dependencies=True)
    start = Snapshot(
        facts={fact: text for fact, text in empty.facts.items() if fact in surroundings.facts},
        schemas=empty.schemas,
        server_version=empty.server_version,
        dependencies=empty.dependencies,
        automatic=empty.automatic,
    )
    # To give something away, anybody but a superuser needs rights of the new owner in its schema.
    others = read_others(connection).roles
    given = routines_of(others if connection.info.parameter_status("is_superuser") == "on" else (), surroundings)
    uncallable = {fact: owner for fact, owner in routines_of(others, surroundings).items() if fact not in given}
    wanted = surroundings.without(
        [fact for fact in surroundings.facts if fact.kind == "owner" and fact.target not in given]
    )
    # A materialized view is filled by running its query as whoever does it.
    views = frozenset(fact for fact in surroundings.facts if fact.kind == "materialized_view")
    plan = make_plan(start, replace(wanted, unpopulated=views), current_user=current_user(connection))
    run = Confining(connection, routines_of(others, surroundings), SEARCH_PATH).run
    skipped = run_permitted(connection, as_restored(plan.statements, wanted, others, uncallable), run=run)
    return tuple(fact.name[0] for each in skipped for fact in each.creates if fact.kind == "extension")


def read_environment(live: Connection, scope: Scope, own: frozenset[FactId]) -> Snapshot:
    """Those that the live database has; `own` is what is the source's though it is in no managed schema."""
    # Reading a definition locks what it is of: not while we build.
    with transaction(live, force_rollback=True):
        present = managed_schemas(live)
        hiding = _hiding_the_system(live)
        managed = frozenset(present if scope.all_schemas else scope.schemas)
        others = tuple(schema for schema in present if schema not in managed)
        state = read_snapshot(live, others, dependencies=True)
        if any(_is_given(owner) and owner.kind not in _NEEDLESS for owner in map(state.object_of, state.facts)):
            state = read_snapshot(live, present, dependencies=True)
    found = _without_needing(state, managed, own | {fact for fact, at in state.addresses.items() if at[:2] in hiding})
    found = replace(found, schemas=others)
    # Who owns what is only referred to is of no account, and not every role may give it to somebody else. But a routine
    # runs as its owner.
    kept = {
        fact: text
        for fact, text in found.facts.items()
        if (fact.kind != "owner" or fact.target.kind in ROUTINE_KINDS) and _is_given(found.object_of(fact))
    }
    # An extension may stand in a managed schema, which must be there for it.
    for fact in list(kept):
        if fact.kind == "extension":
            schema = FactId("schema", (str(found.definition(fact)["schema"]),))
            kept.setdefault(schema, "{}")
    return found.with_facts({**kept, **without_grantors(kept)})


def _is_given(owner: FactId) -> bool:
    """Whether the object is one that scratch gets: of those of the whole database only some kinds."""
    if owner.kind in _KINDS or owner.kind == "schema":
        return True
    return owner.kind != "default_privileges" and len(owner.name) > 1


def _hiding_the_system(live: Connection) -> frozenset[tuple[int, int]]:
    """Routines and operators of others that could only be taken for the system's: their names, for its types alone."""
    rows = fetch_all(live, trusted(read_sql("scratch/hiding.sql")), {"others": sorted(read_others(live).roles)})
    return frozenset((int(classid), int(objid)) for classid, objid in rows)


def _without_needing(state: Snapshot, managed: frozenset[str], own: frozenset[FactId]) -> Snapshot:
    """Without what the source declares, in the managed schemas or as its own, and what cannot be there without it."""
    dependents: dict[FactId, list[FactId]] = {}
    for fact, needed in state.dependencies.items():
        for each in needed:
            dependents.setdefault(each, []).append(fact)
    waiting = [fact for fact in state.facts if _is_own(fact, own) or substitutes(state.object_of(fact), managed)]
    gone: set[FactId] = set()
    while waiting:
        fact = waiting.pop()
        if fact in gone or (fact.kind == "extension" and fact not in own):
            continue
        gone.add(fact)
        waiting += dependents.get(fact, ())
        # A table without a column would be another one, unless that is what the source adds to it.
        if fact.kind == "column" and fact not in own:
            waiting.append(state.object_of(fact))
    left = state.with_facts({fact: text for fact, text in state.facts.items() if fact not in gone})
    return left.with_relations(
        dependencies={fact: needed - gone for fact, needed in state.dependencies.items() if fact not in gone},
        automatic={fact: needed - gone for fact, needed in state.automatic.items() if fact not in gone},
    )


def _is_own(fact: FactId, own: frozenset[FactId]) -> bool:
    """Whether the source declares it; a routine's arguments may not be known."""
    return fact in own or (fact.kind in ROUTINE_KINDS and FactId(fact.kind, (*fact.name[:2], ANY_ARGUMENTS)) in own)


def substitutes(owner: FactId, schemas: frozenset[str]) -> bool:
    """Whether the object is in one of the schemas."""
    return owner.kind not in DATABASE_WIDE_KINDS and owner.name[0] in schemas
