"""The disposable place where Postgres builds the desired state, and where plans are rehearsed. Does I/O.

Three ways, one interface: `fresh()` gives a connection on which the managed schemas are as initdb would have made them,
and takes everything back afterwards. `schema` works inside one transaction of the live database that is always rolled
back; `database` in a temporary database of the same server; `server` in one of another server.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from reconciler.catalog import managed_schemas, read_snapshot
from reconciler.db.connections import SEARCH_PATH, connect, errors_as, fetch_all, fetch_one, server_message, watched
from reconciler.db.dsn import libpq_dsn
from reconciler.db.search_path import found_nothing, path_hint
from reconciler.ddl.planner import make_plan
from reconciler.errors import ApplyError, ConnectError, ScratchError
from reconciler.goal import Desired
from reconciler.snapshot import DATABASE_WIDE_KINDS, FactId, Snapshot, canonical_json
from reconciler.source.loader import load
from reconciler.source.source import DatabaseSource

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from reconciler.db.connections import Connection
    from reconciler.goal import Scope
    from reconciler.plan import Statement
    from reconciler.source.source import AnySource

__all__ = [
    "DatabaseScratch",
    "Place",
    "SchemaScratch",
    "Scratch",
    "build",
    "run_permitted",
    "run_statement",
    "run_statements",
]

_PREFIX = "reconciler_scratch_"
_LOCK_TIMEOUT_MS = 5_000
# undefined_object, undefined_function, undefined_table, invalid_schema_name
_MISSING = frozenset({"42704", "42883", "42P01", "3F000"})
_NO_FACTS = Snapshot(facts={})
# Postgres 17 and newer make these with a search_path that has pg_catalog alone, whatever is set.
_BUILT = frozenset({"index", "materialized_view"})
# What a temporary database gets from live before the source runs: what sources refer to and do not declare. Event
# triggers, publications, subscriptions and settings would act on the scratch place itself.
_SURROUNDING_KINDS = frozenset(
    {"extension", "foreign_data_wrapper", "foreign_server", "language", "default_privileges"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A fresh place: `connection` to work on; `transactional` where everything must stay in its transaction.

    `builder` makes the objects there; on another server that is somebody else than `user`, who would make them in live.
    """

    connection: Connection
    transactional: bool
    builder: str
    user: str

    def read(self, schemas: Sequence[str], *, dependencies: bool = False) -> Snapshot:
        """The snapshot of these schemas, with `user` where `builder` is the owner or a grantee."""
        with self.connection.transaction():
            found = read_snapshot(self.connection, schemas, dependencies=dependencies)
        return found if self.builder == self.user else _handed_over(found, self.builder, self.user)


class Scratch(Protocol):
    """Gives fresh places, one at a time."""

    kind: str
    why: str

    def fresh(self) -> AbstractContextManager[Place]:
        """A place as initdb would have made it; everything done there is gone when it is left."""
        ...


class SchemaScratch:
    """Scratch in the live database: the managed schemas step aside inside a transaction that is rolled back."""

    kind = "schema"

    def __init__(self, connection: Connection, schemas: Sequence[str], *, why: str) -> None:
        self._connection = connection
        self._schemas = tuple(schemas)
        self.why = why

    @contextmanager
    def fresh(self) -> Generator[Place]:
        connection = self._connection
        with connection.transaction(force_rollback=True):
            with errors_as(ScratchError, "set the managed schemas aside"):
                connection.execute("select set_config('lock_timeout', %s, true)", (str(_LOCK_TIMEOUT_MS),))
                for schema in self._schemas:
                    self._set_aside(schema)
            user = _current_user(connection)
            yield Place(connection=connection, transactional=True, builder=user, user=user)

    def _set_aside(self, schema: str) -> None:
        connection, identifier = self._connection, sql.Identifier(schema)
        found = fetch_one(connection, "select oid from pg_catalog.pg_namespace where nspname = %s", (schema,))
        extensions: list[str] = []
        if found is not None:
            extensions = [
                row[0]
                for row in fetch_all(
                    connection,
                    "select extname from pg_catalog.pg_extension where extnamespace = %s and extrelocatable",
                    (found[0],),
                )
            ]
            aside = sql.Identifier(f"{_PREFIX}{secrets.token_hex(8)}")
            connection.execute(sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(identifier, aside))
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(identifier))
        if schema == "public":
            self._as_initdb_makes_public()
        for extension in extensions:
            connection.execute(
                sql.SQL("ALTER EXTENSION {} SET SCHEMA {}").format(sql.Identifier(extension), identifier)
            )

    def _as_initdb_makes_public(self) -> None:
        connection = self._connection
        connection.execute("COMMENT ON SCHEMA public IS 'standard public schema'")
        since_15 = connection.info.server_version >= 150000
        privileges = sql.SQL("USAGE" if since_15 else "ALL")
        connection.execute(sql.SQL("GRANT {} ON SCHEMA public TO PUBLIC").format(privileges))
        if since_15:
            member = fetch_one(connection, "select pg_has_role('pg_database_owner', 'MEMBER')")
            if member and member[0]:
                connection.execute("ALTER SCHEMA public OWNER TO pg_database_owner")


class DatabaseScratch:
    """Scratch in a temporary database, of the live server (needs CREATEDB) or of another."""

    def __init__(
        self,
        live: Connection,
        *,
        admin_dsn: str,
        scope: Scope,
        why: str,
        kind: str = "database",
        own: frozenset[FactId] = frozenset(),
    ) -> None:
        self.kind = kind
        self._own = own
        self.why = why
        self._live = live
        self._admin_dsn = libpq_dsn(admin_dsn)
        self._scope = scope
        name = str(live.info.dbname)
        self._prefix = f"{_PREFIX}{hashlib.sha256(name.encode()).hexdigest()[:8]}_"
        self._surroundings: Snapshot | None = None

    @contextmanager
    def fresh(self) -> Generator[Place]:
        name = self._prefix + secrets.token_hex(8)
        with connect(self._admin_dsn, autocommit=True) as admin, self._in_use(name):
            self._sweep(admin)
            with errors_as(ScratchError, "create a temporary database"):
                admin.execute(self._create(admin, name))
            try:
                with self._entered(name) as connection:
                    self._furnish(connection)
                    user = _current_user(self._live)
                    builder = _current_user(connection) if self.kind == "server" else user
                    try:
                        yield Place(connection=connection, transactional=False, builder=builder, user=user)
                    finally:
                        _drop_subscriptions(connection)
            finally:
                _drop_database(admin, name)

    @contextmanager
    def _in_use(self, name: str) -> Generator[None]:
        """Holds a lock as long as the database is used: a crash lets it go, and the next run sweeps.

        It is a transaction's lock, as a session's would stay in a pooler; on the live server it needs no connection
        of its own.
        """
        with ExitStack() as stack:
            keeper = self._live
            if self.kind == "server":
                keeper = stack.enter_context(connect(self._admin_dsn, autocommit=True))
            stack.enter_context(keeper.transaction())
            keeper.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))
            yield

    @contextmanager
    def _entered(self, name: str) -> Generator[Connection]:
        """A connection to the temporary database. What is set on its session must hold until it is left."""
        try:
            connection = connect(make_conninfo(self._admin_dsn, dbname=name), autocommit=True)
        except ConnectError as exc:
            raise ScratchError(
                f"the temporary database was made, but {exc.message}",
                hint="where a pooler stands between, give the server itself: --scratch postgresql://...",
            ) from exc
        with connection, watched(connection):
            before = _backend(connection)
            yield connection
            if not connection.closed and _backend(connection) != before:
                raise ScratchError(
                    "a pooler gave another session of the server in the midst of the work",
                    hint="give the server itself, without the pooler: --scratch postgresql://...",
                )

    def _create(self, admin: Connection, name: str) -> sql.Composed:
        row = fetch_one(
            self._live,
            "select pg_encoding_to_char(encoding), datcollate, datctype from pg_catalog.pg_database"
            " where datname = current_database()",
        )
        assert row is not None
        text = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {}").format(sql.Identifier(name), row[0])
        if self.kind == "database":
            text += sql.SQL(" LC_COLLATE {} LC_CTYPE {}").format(row[1], row[2])
        if self.kind == "database" and admin.info.server_version >= 150000:
            # Without it the server would write a checkpoint before and after.
            text += sql.SQL(" STRATEGY wal_log")
        return text

    def _sweep(self, admin: Connection) -> None:
        """Drops the databases that a crashed run left; never one that somebody uses."""
        rows = fetch_all(
            admin,
            "select datname from pg_catalog.pg_database d where starts_with(datname, %s)"
            " and not exists (select from pg_catalog.pg_stat_activity a where a.datid = d.oid)",
            (self._prefix,),
        )
        for (name,) in rows:
            # Nobody comes back to it who let its lock go, so that it need not be held.
            free = fetch_one(admin, "select pg_try_advisory_xact_lock(hashtextextended(%s, 0))", (name,))
            if free and free[0]:
                # Another role's, or in use after all, or dropped by another sweep at this moment.
                with suppress(psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectInUse, psycopg.InternalError):
                    admin.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))

    def _furnish(self, connection: Connection) -> None:
        if self.kind == "server":
            self._stub_roles(connection)
        if self._scope.all_schemas and self._scope.exact:
            return
        if self._surroundings is None:
            self._surroundings = self._read_surroundings()
        with connection.transaction():
            schemas = [fact.name[0] for fact in self._surroundings.facts if fact.kind == "schema"]
            empty = read_snapshot(connection, schemas, dependencies=True)
        start = Snapshot(
            facts={fact: text for fact, text in empty.facts.items() if fact in self._surroundings.facts},
            schemas=empty.schemas,
            server_version=empty.server_version,
            dependencies=empty.dependencies,
            automatic=empty.automatic,
        )
        plan = make_plan(start, self._surroundings, current_user=_current_user(connection))
        run_permitted(connection, plan.statements)

    def _read_surroundings(self) -> Snapshot:
        present = managed_schemas(self._live)
        managed = frozenset(present if self._scope.all_schemas else self._scope.schemas)
        others = tuple(schema for schema in present if schema not in managed)
        found = _without_needing(read_snapshot(self._live, present, dependencies=True), managed, self._own)
        found = replace(found, schemas=others)
        wide = {
            fact
            for fact in found.facts
            if len(found.object_of(fact).name) < 2 and found.object_of(fact).kind != "schema"
        }
        # Who owns what is only referred to is of no account, and not every role may give it to somebody else.
        kept = {
            fact: text
            for fact, text in found.facts.items()
            if fact.kind != "owner" and (fact not in wide or found.object_of(fact).kind in _SURROUNDING_KINDS)
        }
        # An extension may stand in a managed schema, which must be there for it.
        for fact in list(kept):
            if fact.kind == "extension":
                schema = FactId("schema", (str(found.definition(fact)["schema"]),))
                kept.setdefault(schema, "{}")
        return found.with_facts(kept)

    def _stub_roles(self, connection: Connection) -> None:
        roles = {row[0] for row in fetch_all(self._live, "select rolname::text from pg_catalog.pg_roles")}
        present = {row[0] for row in fetch_all(connection, "select rolname::text from pg_catalog.pg_roles")}
        for role in sorted(roles - present):
            if not role.startswith("pg_"):
                connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))


def _drop_database(admin: Connection, name: str) -> None:
    """Drops the database with the sessions that a pooler keeps in it, or waits until ours has ended.

    To end a session one must be a member of the role that logged in, which is another after SET ROLE.
    """
    try:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))


def _without_needing(state: Snapshot, managed: frozenset[str], own: frozenset[FactId]) -> Snapshot:
    """Without what the source declares, in the managed schemas or as its own, and what cannot be there without it."""
    dependents: dict[FactId, list[FactId]] = {}
    for fact, needed in state.dependencies.items():
        for each in needed:
            dependents.setdefault(each, []).append(fact)
    waiting = [fact for fact in state.facts if fact in own or _stands_in(state.object_of(fact), managed)]
    gone: set[FactId] = set()
    while waiting:
        fact = waiting.pop()
        if fact in gone or (fact.kind == "extension" and fact not in own):
            continue
        gone.add(fact)
        waiting += dependents.get(fact, ())
        if fact.kind == "column":  # a table without it would be another one
            waiting.append(state.object_of(fact))
    left = state.with_facts({fact: text for fact, text in state.facts.items() if fact not in gone})
    return left.with_relations(
        dependencies={fact: needed - gone for fact, needed in state.dependencies.items() if fact not in gone},
        automatic={fact: needed - gone for fact, needed in state.automatic.items() if fact not in gone},
    )


def _stands_in(owner: FactId, schemas: frozenset[str]) -> bool:
    return owner.kind not in DATABASE_WIDE_KINDS and owner.name[0] in schemas


def _drop_subscriptions(connection: Connection) -> None:
    """A database with a subscription cannot be dropped; those made in scratch have no slot anywhere."""
    if connection.closed:
        return
    rows = fetch_all(
        connection,
        "select subname from pg_catalog.pg_subscription s join pg_catalog.pg_database d on d.oid = s.subdbid"
        " where d.datname = current_database()",
    )
    for (name,) in rows:
        subscription = sql.Identifier(name)
        connection.execute(sql.SQL("ALTER SUBSCRIPTION {} DISABLE").format(subscription))
        connection.execute(sql.SQL("ALTER SUBSCRIPTION {} SET (slot_name = NONE)").format(subscription))
        connection.execute(sql.SQL("DROP SUBSCRIPTION {}").format(subscription))


def _handed_over(snapshot: Snapshot, builder: str, user: str) -> Snapshot:
    """The same facts, as if `user` had made what `builder` did."""
    ours, theirs = canonical_json({"role": user}), canonical_json({"role": builder})
    facts: dict[FactId, str] = {}
    renamed: dict[FactId, FactId] = {}
    for fact, text in snapshot.facts.items():
        if fact.kind == "privileges" and fact.name[-1] == builder:
            renamed[fact] = FactId(fact.kind, (*fact.name[:-1], user))
        facts[renamed.get(fact, fact)] = ours if fact.kind == "owner" and text == theirs else text
    found = snapshot.with_facts(facts)
    return found.with_relations(
        dependencies={renamed.get(fact, fact): needed for fact, needed in snapshot.dependencies.items()},
        automatic=snapshot.automatic,
    )


def _backend(connection: Connection) -> int:
    """The server's process, which is not the one that a pooler says."""
    row = fetch_one(connection, "select pg_backend_pid()")
    assert row is not None
    return int(row[0])


def _current_user(connection: Connection) -> str:
    row = fetch_one(connection, "select current_user::text")
    assert row is not None
    return str(row[0])


def build(
    scratch: Scratch,
    source: AnySource,
    scope: Scope,
    *,
    claimed: Sequence[str] = (),
    named: frozenset[str] = frozenset(),
) -> Desired:
    """The desired state: what Postgres makes of the source in a fresh place.

    `claimed` are schemas beyond the scope that are fresh in the place as well; one counts where the source named it in
    a CREATE SCHEMA (`named`) or made something in it.

    Raises SourceError with file and line where Postgres refuses it.
    """
    if isinstance(source, DatabaseSource):
        with connect(source.url) as connection, connection.transaction():
            connection.execute("set transaction isolation level repeatable read, read only")
            schemas = managed_schemas(connection) if scope.all_schemas else scope.schemas
            snapshot = read_snapshot(connection, schemas, dependencies=True)
            return Desired(snapshot=snapshot, baseline={}, builder=_current_user(connection))
    with scratch.fresh() as place:
        connection = place.connection
        _prepare(connection, scope)
        before = managed_schemas(connection)
        baseline = place.read(before if scope.all_schemas else scope.schemas)
        load(connection, source, transactional=place.transactional)
        present = managed_schemas(connection)
        made = tuple(schema for schema in present if schema not in before or schema in claimed)
        snapshot = place.read(present if scope.all_schemas else (*scope.schemas, *made), dependencies=True)
        snapshot = _without_unmade(snapshot, frozenset(claimed) & frozenset(before) - named)
        return Desired(snapshot=snapshot, baseline=baseline.facts, builder=place.user)


def _without_unmade(snapshot: Snapshot, schemas: frozenset[str]) -> Snapshot:
    """Without those of the schemas that are empty: the place had them, the source did not make them."""
    owners = {snapshot.object_of(fact) for fact in snapshot.facts}
    unmade = schemas - {owner.name[0] for owner in owners if owner.kind != "schema" and _stands_in(owner, schemas)}
    kept = {fact: text for fact, text in snapshot.facts.items() if not _stands_in(snapshot.object_of(fact), unmade)}
    return replace(snapshot.with_facts(kept), schemas=tuple(each for each in snapshot.schemas if each not in unmade))


def _prepare(connection: Connection, scope: Scope) -> None:
    """Unqualified names mean the plugin's schema, then public, where extensions mostly are."""
    path = ["public"] if scope.all_schemas else [*scope.schemas]
    for schema in path:
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
    names = sql.SQL(", ").join(sql.Identifier(schema) for schema in dict.fromkeys([*path, "public"]))
    connection.execute(sql.SQL("SET search_path = {}").format(names))


def run_statements(
    connection: Connection, statements: Sequence[Statement], *, transactional: bool, search_path: str = SEARCH_PATH
) -> None:
    """Runs a plan's statements; in one transaction unless some refuse that. Raises ApplyError with the failing one.

    Functions that they call find names without a schema in `search_path`.
    """
    connection.execute("select set_config('check_function_bodies', 'off', %s)", (transactional,))
    connection.execute("select pg_catalog.set_config('search_path', %s, false)", (search_path,))
    for position, statement in enumerate(statements, start=1):
        try:
            if statement.rehearsal is None:
                run_statement(connection, statement)
            elif statement.rehearsal:
                connection.execute(statement.rehearsal.encode())
        except psycopg.Error as exc:
            raise apply_error(exc, statement, position) from exc


def run_permitted(
    connection: Connection, statements: Sequence[Statement], *, search_path: str = SEARCH_PATH
) -> tuple[Statement, ...]:
    """Runs what this role may, in autocommit; what it may not, and what fails for want of that, is given back.

    Some extensions, publications and the like only a superuser makes. Raises ApplyError for any other failure.
    """
    connection.execute("select set_config('check_function_bodies', 'off', false)")
    connection.execute("select pg_catalog.set_config('search_path', %s, false)", (search_path,))
    skipped: list[Statement] = []
    for position, statement in enumerate(statements, start=1):
        try:
            run_statement(connection, statement)
        except psycopg.errors.InsufficientPrivilege:
            skipped.append(statement)
        except psycopg.Error as exc:
            if not skipped or exc.sqlstate not in _MISSING:
                raise apply_error(exc, statement, position) from exc
            skipped.append(statement)
    return tuple(skipped)


def run_statement(connection: Connection, statement: Statement) -> int:
    """Runs it with its real values and gives the number of its rows.

    Raises psycopg's error, without the excerpt of a statement that holds secrets.
    """
    try:
        return connection.execute(statement.text.encode()).rowcount
    except psycopg.Error as exc:
        if statement.masked:
            exc.args = (statement.concealed(exc.diag.message_primary or type(exc).__name__),)
        raise


def apply_error(exc: psycopg.Error, statement: Statement, position: int) -> ApplyError:
    """The error of a failed statement, with what Postgres says of it."""
    said = server_message(exc)
    hint = said.hint
    if found_nothing(said):
        building = any(fact.kind in _BUILT for fact in statement.creates)
        hint = path_hint(said, while_building=building)
    return ApplyError(
        statement.concealed(said.message),
        hint=statement.concealed(hint) if hint else None,
        statement=statement.sql,
        position=position,
        sqlstate=said.sqlstate,
        detail=statement.concealed(said.detail) if said.detail else None,
    )
