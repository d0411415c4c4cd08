"""Two databases or sources side by side, and a live schema as the SQL that rebuilds it. Does I/O.

Neither has to do with plugins or the ledger: `diff` and `dump` look at all schemas of users, unless some are named.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.catalog.snapshot_reader import managed_schemas, read_snapshot
from reconciler.catalog.statistics import read_unalterable_extensions
from reconciler.db.connections import connect, current_user, execute, transaction
from reconciler.diff.column_order import has_other_order, in_live_order
from reconciler.diff.goal import Desired, Scope
from reconciler.errors import ConfigError
from reconciler.model.facts import SATELLITE_KINDS, FactId, canonical_json
from reconciler.model.plan import Plan
from reconciler.model.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from reconciler.db.connections import Connection
    from reconciler.model.facts import Json
    from reconciler.source.source import Source

__all__ = ["compare_databases", "compare_sources", "dump", "files_of_dump", "path_of", "plan_between", "rebuild"]

# What a source that says nothing of it leaves to the other side.
_FOLLOWING = frozenset({"owner", "privileges", "security_label", "default_privileges"})
_PUBLIC = FactId("schema", ("public",))


def compare_databases(before: str, after: str, schemas: Sequence[str] = ()) -> Plan:
    """The plan that turns the database `before` into `after`, both read at once.

    Dependencies are read only where something differs. Raises ConnectError, DatabaseError, PlanError.
    """
    with ExitStack() as stack, ThreadPoolExecutor(max_workers=2) as pool:
        opened = (stack.enter_context(_reading(before)), stack.enter_context(_reading(after)))
        old, new = pool.map(_read, opened, (schemas, schemas))
        if old.facts == new.facts and not has_other_order(old, new):
            return Plan(
                statements=(), differences=(), live_fingerprint=old.fingerprint, goal_fingerprint=old.fingerprint
            )
        old, new = pool.map(_read_with_dependencies, opened, (schemas, schemas))
        return plan_between(opened[0], old, new)


def plan_between(connection: Connection, old: Snapshot, new: Snapshot) -> Plan:
    """The plan that turns `old`, on the server of the connection, into `new`; both were read with dependencies."""
    from reconciler.planner.planner import make_plan  # equal databases, the common case, end without it

    new = new.with_facts({**new.facts, **in_live_order(new, new, old)})
    fixed = read_unalterable_extensions(connection, old, new)
    return make_plan(old, new, current_user=current_user(connection), unalterable_extensions=fixed)


def compare_sources(
    before: str | Source, after: str | Source, *, server: str, scratch: str = "auto", schemas: Sequence[str] = ()
) -> Plan:
    """The same where at least one side is a source, which is built in a temporary database of `server`.

    Owners and privileges that a source does not mention are those of the other side. Raises SourceError too.
    """
    from reconciler.planner.planner import make_plan

    with connect(server, autocommit=True) as connection:
        old, new = (_side(each, connection, server, scratch, schemas) for each in (before, after))
        live, goal = _alike(old, new), _alike(new, old)
        goal = goal.with_facts({**goal.facts, **in_live_order(goal, goal, live)})
        return make_plan(live, goal, current_user=current_user(connection))


def dump(dsn: str, schemas: Sequence[str] = ()) -> tuple[Plan, Snapshot]:
    """The plan that rebuilds the database's schema in an empty one, and the schema itself.

    Raises ConfigError where one of `schemas` is not there.
    """
    with _reading(dsn) as connection:
        live = _read_present(connection, schemas)
        return rebuild(live, current_user=current_user(connection)), live


def read_schema(dsn: str, schemas: Sequence[str] = ()) -> Snapshot:
    """The database's schema with its dependencies. Raises ConfigError where one of `schemas` is not there."""
    with _reading(dsn) as connection:
        return _read_present(connection, schemas)


def _read_present(connection: Connection, schemas: Sequence[str]) -> Snapshot:
    live = _read(connection, schemas, dependencies=True)
    absent = [schema for schema in schemas if FactId("schema", (schema,)) not in live]
    if absent:
        present = ", ".join(managed_schemas(connection))
        raise ConfigError(f"schema {absent[0]} does not exist in the database", hint=f"there are: {present}")
    return live


def rebuild(live: Snapshot, *, current_user: str) -> Plan:
    """The plan that makes `live`, read with its dependencies, in an empty database."""
    from reconciler.planner.planner import make_plan

    return make_plan(_initial(live), live, current_user=current_user)


def files_of_dump(plan: Plan, live: Snapshot) -> Mapping[str, tuple[int, ...]]:
    """A relative path for each object, and the positions of its statements in the plan, in their order.

    Two objects whose names differ only in what a file's name cannot hold share a file.
    """
    found: dict[str, list[int]] = {}
    for position, statement in enumerate(plan.statements):
        facts = (*statement.creates, *statement.alters, *statement.drops)
        path = path_of(live.object_of(facts[0])) if facts else "other.sql"
        found.setdefault(path, []).append(position)
    return {path: tuple(positions) for path, positions in found.items()}


def path_of(fact: FactId) -> str:
    """The relative path of an object's file in a folder that `dump` writes."""
    if fact.kind == "schema":
        return f"{_file_name(fact.name[0])}/schema.sql"
    if len(fact.name) == 1 or fact.kind in ("cast", "user_mapping", "transform", "role_setting"):
        return f"{_file_name(fact.kind)}.{_file_name('.'.join(fact.name))}.sql"
    # Routines of one name share a file: their arguments make poor file names.
    return f"{_file_name(fact.name[0])}/{_file_name(fact.kind)}.{_file_name(fact.name[1])}.sql"


def _file_name(name: str) -> str:
    kept = "".join(letter if letter.isalnum() or letter in "_-" else "_" for letter in name)
    # Some file systems hold that A and a are one; bytes are limited everywhere.
    return kept.lower().encode()[:150].decode(errors="ignore") or "_"


@contextmanager
def _reading(dsn: str) -> Generator[Connection]:
    with connect(dsn, autocommit=True) as connection, transaction(connection, force_rollback=True):
        execute(connection, "set transaction read only")
        yield connection


def _read(connection: Connection, schemas: Sequence[str], *, dependencies: bool = False) -> Snapshot:
    return read_snapshot(connection, schemas or managed_schemas(connection), dependencies=dependencies)


def _read_with_dependencies(connection: Connection, schemas: Sequence[str]) -> Snapshot:
    return _read(connection, schemas, dependencies=True)


def _side(
    what: str | Source, connection: Connection, server: str, scratch: str, schemas: Sequence[str]
) -> Desired | Snapshot:
    from reconciler.scratch.build import build
    from reconciler.scratch.database import DatabaseScratch
    from reconciler.scratch.reach import read_reach, refuse_reach

    if isinstance(what, str):
        with _reading(what) as other:
            return _read(other, schemas, dependencies=True)
    scope = Scope(schemas=tuple(schemas) or ("public",), all_schemas=not schemas, exact=True)
    named = scratch not in ("auto", "database")
    place = DatabaseScratch(
        connection,
        admin_dsn=scratch if named else server,
        scope=scope,
        why="a file is compared",
        kind="server" if named else "database",
    )
    reach = read_reach(connection, what, scope.schemas)
    refuse_reach(reach)
    return build(place, what, scope, reach=reach)


def _alike(side: Desired | Snapshot, other: Desired | Snapshot) -> Snapshot:
    """The snapshot of `side`; where it is a source, with the other side's owners and privileges but for its own."""
    if isinstance(side, Snapshot):
        return side
    if isinstance(other, Desired):
        return side.snapshot
    own = side.snapshot
    facts = {
        fact: text
        for fact, text in own.facts.items()
        if fact.kind not in _FOLLOWING or side.mentions(fact) or (fact in other.facts and other.facts[fact] == text)
    }
    for fact, text in other.facts.items():
        if fact.kind in _FOLLOWING and fact not in facts and (fact.kind not in SATELLITE_KINDS or fact.target in facts):
            facts[fact] = text
    return own.with_facts(facts)


def _initial(live: Snapshot) -> Snapshot:
    """What an empty database holds already: `public` as initdb makes it, where live has it."""
    if _PUBLIC not in live.facts:
        return replace(live, facts={}, dependencies={}, automatic={})
    owner = "pg_database_owner" if live.server_version >= 150000 else None
    facts = {_PUBLIC: "{}", FactId("comment", ("schema", "public")): '{"text":"standard public schema"}'}
    granted: list[Json] = ["USAGE"] if live.server_version >= 150000 else ["CREATE", "USAGE"]
    facts[FactId("privileges", ("schema", "public", ""))] = canonical_json({"privileges": granted})
    theirs = live.find(FactId("owner", ("schema", "public")))
    if theirs is not None:
        facts[FactId("owner", ("schema", "public"))] = canonical_json({"role": owner or theirs["role"]})
    return replace(live, facts=facts, dependencies={}, automatic={})
