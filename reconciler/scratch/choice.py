"""Which scratch serves: what was asked for, or the cheapest that does not block others. Reads the live database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, LiteralString

from psycopg import sql

from reconciler.db.connections import current_user, fetch_one
from reconciler.db.sessions import advisory_holder, schema_changer
from reconciler.db.sqlfiles import read_sql, trusted
from reconciler.errors import ScratchError
from reconciler.ledger.schema import LONGEST_WAIT_MS
from reconciler.scratch.database import DatabaseScratch
from reconciler.scratch.schema import SchemaScratch, is_silent, scratch_key
from reconciler.source.reach import EffectKind, Reach

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.db.connections import Connection
    from reconciler.diff.goal import Scope
    from reconciler.model.facts import FactId
    from reconciler.scratch.outsiders import Outsider
    from reconciler.scratch.place import Scratch

__all__ = ["choose_scratch"]

# A statement of a source makes about one table: with indexes, sequence, TOAST table and types that many locks.
_LOCKS_A_STATEMENT = 8
# Others need the lock table too, and when it is full their statements fail, not only ours.
_SHARE_OF_LOCK_TABLE = 4
_NOWHERE = Reach()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Live:
    """What the choice depends on; `relations` counts the managed schemas', `lock_slots` is the lock table's size."""

    may_create_database: bool
    standby: bool
    lock_slots: int
    relations: int
    outside: str | None
    fixed_extension: str | None
    event_trigger: str | None
    counting_trigger: str | None
    read_only_by: str | None
    read_only: bool


def choose_scratch(
    live: Connection,
    asked: str,
    scope: Scope,
    *,
    dsn: str,
    statements: int = 0,
    own: frozenset[FactId] = frozenset(),
    reach: Reach = _NOWHERE,
    wait_ms: int = LONGEST_WAIT_MS,
    beside: FactId | None = None,
    hiding: Outsider | None = None,
) -> Scratch:
    """The scratch for `asked`: auto, schema, database, or the URL of a server. Says which and why in `.why`.

    `statements` is how many the source has; `own` is what is in no managed schema and its own, so that a temporary
    database begins without it; `beside` is such an object, better not built in the live database, `hiding` what a
    name of the source could mean there instead of the system's. In the live database
    nothing is built that would write outside the schemas (`reach`).
    Where another plan is at work in the schemas, `auto` does not wait for it where it can take a database;
    `schema` waits for `wait_ms` (0: no limit). Raises ScratchError where what was asked for cannot serve.
    """
    if asked not in ("auto", "schema", "database"):
        return DatabaseScratch(live, admin_dsn=asked, scope=scope, why="the server was named", kind="server", own=own)
    if asked == "schema" and scope.all_schemas:
        raise ScratchError(
            "scratch `schema` cannot hold a whole database: extensions and publications cannot be renamed",
            hint="use --scratch database, or name the schemas with --schema",
        )
    found = _look(live, scope)
    if found.read_only and not found.standby:
        raise _read_only(live, found.read_only_by)
    obstacle = None if scope.all_schemas or asked == "database" else _obstacle(live, scope.schemas)
    may_create = found.may_create_database and not found.standby
    role = current_user(live)
    database = f"{_sql('ALTER ROLE {} CREATEDB', role)}, for scratch `database`"
    effect = reach.first(EffectKind.WRITES, EffectKind.UNKNOWN)
    if effect is not None and (asked == "schema" or (asked == "auto" and not may_create and not found.standby)):
        raise ScratchError(
            f"{effect.where}: {effect.what}: it is not run in the live database, where a rollback might not undo it",
            hint=f"leave it out of the source, or build elsewhere: --scratch database"
            f"{'' if may_create else f' ({database})'} or --scratch postgresql://...",
            left="nothing was changed",
        )
    if asked == "schema" and may_create and found.counting_trigger is not None and not is_silent(live):
        raise ScratchError(
            f"event trigger {found.counting_trigger} would fire, and by its words could take a number of a sequence,"
            " which no rollback gives back",
            hint="use --scratch database, in which it does not fire",
            left="nothing was changed",
        )
    may_rename = obstacle is None and not found.standby and not scope.all_schemas and effect is None
    disturbs = _disturbance(found, statements, reach, beside, hiding) if may_rename else None
    if may_rename and disturbs is None and asked == "auto" and may_create:
        disturbs = _busy(live, scope.schemas)
    if asked != "database" and may_rename and (asked == "schema" or disturbs is None or not may_create):
        why = (
            "as asked" if asked == "schema" else "the managed schemas can be renamed out of the way in one transaction"
        )
        why = why if disturbs is None else f"{why}, although {disturbs}"
        return SchemaScratch(live, scope.schemas, why=why, wait_ms=wait_ms)
    if asked != "schema" and may_create:
        why = disturbs or (obstacle.what if obstacle else "")
        why = f"{effect.where} {effect.what}" if effect is not None else why
        why = "the whole database is managed" if scope.all_schemas else why
        why = "as asked" if asked == "database" else why
        return DatabaseScratch(live, admin_dsn=dsn, scope=scope, why=why, own=own)
    if found.standby:
        raise ScratchError(
            "a standby cannot hold scratch",
            hint="name another server with --scratch postgresql://..., or connect to the primary",
        )
    elsewhere = "or name another server with --scratch postgresql://..."
    if obstacle is None:
        raise ScratchError(f"role {role} may not create a temporary database", hint=f"{database}; {elsewhere}")
    raise ScratchError(
        f"the managed schemas cannot be renamed out of the way: {obstacle.what}",
        hint=f"{obstacle.hint}; or {database}; {elsewhere}",
    )


def _read_only(live: Connection, by: str | None) -> ScratchError:
    """The error for a database in which nothing may be written, not even what is rolled back."""
    name = str(live.info.dbname) if by == "database" else str(live.info.user)
    lifted = _sql("ALTER DATABASE {} RESET" if by == "database" else "ALTER ROLE {} RESET", name)
    where = f"is set for {by} {name}" if by else "is on"
    lift = f"to lift it: {lifted} default_transaction_read_only; " if by else ""
    return ScratchError(
        f"transactions are read-only here: default_transaction_read_only {where}, and scratch must be written to",
        hint=f"{lift}for this command alone: PGOPTIONS='-c default_transaction_read_only=off';"
        " or name another server with --scratch postgresql://...",
        left="nothing was changed",
    )


def _sql(template: LiteralString, *names: str) -> str:
    """A statement that can be pasted."""
    return sql.SQL(template).format(*map(sql.Identifier, names)).as_string(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Obstacle:
    """Why the managed schemas cannot be renamed out of the way, and what the administrator can do."""

    what: str
    hint: str


def _obstacle(live: Connection, schemas: Sequence[str]) -> _Obstacle | None:
    """Why the managed schemas cannot be renamed out of the way, and what the administrator can do."""
    role, database = current_user(live), live.info.dbname
    row = fetch_one(live, "select has_database_privilege(current_database(), 'CREATE')")
    if row is None or not row[0]:
        return _Obstacle(
            what=f"role {role} may not create schemas in database {database}",
            hint=_sql("GRANT CREATE ON DATABASE {} TO {}", str(database), role),
        )
    row = fetch_one(
        live,
        "select nspname::text, pg_get_userbyid(nspowner)::text from pg_catalog.pg_namespace"
        " where nspname = any(%s) and not pg_has_role(nspowner, 'USAGE') order by 1 limit 1",
        (list(schemas),),
    )
    if row is not None:
        return _Obstacle(
            what=f"schema {row[0]} belongs to {row[1]}, not to role {role}",
            hint=_sql("ALTER SCHEMA {} OWNER TO {}", str(row[0]), role),
        )
    row = fetch_one(
        live,
        "select extname::text, nspname::text, pg_get_userbyid(extowner)::text from pg_catalog.pg_extension e"
        " join pg_catalog.pg_namespace n on n.oid = e.extnamespace"
        " where nspname = any(%s) and extrelocatable and not pg_has_role(extowner, 'USAGE') order by 1 limit 1",
        (list(schemas),),
    )
    if row is None:
        return None
    extension, schema, owner = row
    return _Obstacle(
        what=f"extension {extension} in schema {schema} belongs to {owner}, not to role {role}",
        hint=_sql("ALTER EXTENSION {} SET SCHEMA <one that is not managed>", str(extension)),
    )


def _disturbance(
    found: _Live, statements: int, reach: Reach, beside: FactId | None, hiding: Outsider | None
) -> str | None:
    """Why it is better not built in the live database, or None."""
    if hiding is not None:
        return f"{hiding} could be taken there for the system's"
    if beside is not None:
        return f"{beside} is in a schema that is not managed here"
    locks = statements * _LOCKS_A_STATEMENT + found.relations
    if locks > found.lock_slots // _SHARE_OF_LOCK_TABLE:
        return f"one transaction would take about {locks:,} of the server's {found.lock_slots:,} locks"
    if found.outside is not None:
        return f"foreign keys to {found.outside} would lock it"
    effect = reach.first(EffectKind.LOCKS)
    if effect is not None:
        return f"{effect.where} {effect.what}"
    if found.fixed_extension is not None:
        return f"extension {found.fixed_extension} cannot leave a managed schema"
    if found.event_trigger is not None:
        return f"event trigger {found.event_trigger} would fire"
    return None


def _busy(live: Connection, schemas: Sequence[str]) -> str | None:
    """Who has renamed one of the schemas out of the way, or changes it otherwise."""
    for schema in schemas:
        holder = advisory_holder(live, scratch_key(schema))
        if holder is not None:
            return f"another plan is at work in schema {schema}: {holder}"
        changer = schema_changer(live, schema)
        if changer is not None:
            return f"schema {schema} is being changed by {changer}"
    return None


def _look(live: Connection, scope: Scope) -> _Live:
    query = sql.SQL(trusted(read_sql("scratch/choice.sql")))
    row = fetch_one(live, query, {"schemas": list(scope.schemas)})
    assert row is not None
    database, standby, slots, relations, outside, extension, trigger, counting, read_only_by, read_only = row
    return _Live(
        may_create_database=bool(database),
        standby=bool(standby),
        lock_slots=int(slots),
        relations=int(relations),
        outside=outside,
        fixed_extension=extension,
        event_trigger=trigger,
        counting_trigger=counting,
        read_only_by=read_only_by,
        read_only=bool(read_only),
    )
