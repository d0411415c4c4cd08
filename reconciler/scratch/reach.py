"""Keeps a source within its scratch place: what it may reach is told before, what it did is seen after. Does I/O.

Words tell beforehand what no rollback would take back (`read_reach`). What belongs to the cluster and is rolled back
with its transaction, as a role, is seen before that ends (`Guard`). What words do not tell is run without the rights
that it would need (`guarded`: as a role that is not a superuser).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from psycopg import sql

from reconciler.catalog.snapshot_reader import for_server
from reconciler.db.confined import confined
from reconciler.db.connections import PlainCursor, current_user, errors_as, execute, fetch_all, fetch_one
from reconciler.db.sqlfiles import read_sql, trusted
from reconciler.errors import ScratchError, SourceError
from reconciler.scratch.place import PREFIX
from reconciler.source.reach import EffectKind, Known, OutsideFunction, Reach, reach_of, words_of
from reconciler.source.screening import Refusal
from reconciler.source.source import Source
from reconciler.sqltext.lexer import tokens

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from reconciler.db.connections import Connection
    from reconciler.source.source import AnySource, SourceStatement

__all__ = ["Guard", "guarded", "read_reach", "refuse_reach"]

_ROLES = Refusal(
    "belongs to the whole cluster",
    "roles come first: create or change them before, where the server is set up, and leave that out of the source; it"
    " may name them in OWNER TO, GRANT and policies",
)
_OTHERS = Refusal(
    "belongs to the whole cluster, not to a schema", "move it out of the source, to where the server is set up"
)
_OF_ROLES = frozenset({"role", "membership", "setting"})
# A count of its own writes is cheap; only where it moved are the rows compared.
_WRITES = """
    select coalesce(pg_catalog.sum(
        pg_catalog.int8pl(pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid), pg_catalog.int8pl(
            pg_catalog.pg_stat_get_xact_tuples_updated(c.oid), pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid)))), 0)
    from pg_catalog.pg_class c
    where c.relisshared
        and c.relname OPERATOR(pg_catalog.<>) all (array['pg_shdepend', 'pg_subscription']::pg_catalog.name[])
"""


# SELECT set_config('name', 'value', false), where strings are left out.
_SETTINGS = frozenset(
    f"select {schema}set_config ( , , {is_local} )"
    for schema in ("", "pg_catalog . ")
    for is_local in ("false", "true")
)
# A member of the superuser's role has its objects and none of its attributes.
_ROLE_APART = ("CREATE ROLE {role}", "GRANT {user} TO {role}")
# What would run when the transaction is committed, after it was looked at: it runs before.
_BEFORE_COMMIT = (b"SET CONSTRAINTS ALL IMMEDIATE", b"CLOSE ALL")
# What not everybody may call acts on the server; dblink on any.
_WITHHELD = """
    select p.oid::pg_catalog.regprocedure::text from pg_catalog.pg_proc p
    where (p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace and p.proacl is not null)
        or exists (select from pg_catalog.pg_depend d join pg_catalog.pg_extension e on e.oid = d.refobjid
            where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid and d.deptype = 'e'
                and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and e.extname = 'dblink')
"""


def read_reach(live: Connection, source: AnySource, schemas: Sequence[str], *, with_rows: bool = False) -> Reach:
    """What loading the source may do outside the managed schemas. Raises DatabaseError."""
    if not isinstance(source, Source):
        return Reach()
    words = [*words_of(source.statements)]
    row = fetch_one(live, trusted(read_sql("scratch/reach.sql")), {"words": words, "schemas": [*schemas]})
    assert row is not None
    functions: dict[str, list[OutsideFunction]] = {}
    for each in row[0]:
        functions.setdefault(each["name"], []).append(OutsideFunction(**each))
    known = Known(
        schemas=frozenset(schemas),
        functions=functions,
        relations=frozenset((schema, name) for schema, name in row[1]),
        outside=frozenset(row[2]),
    )
    return reach_of(source.statements, known, with_rows=with_rows)


def refuse_reach(reach: Reach) -> None:
    """Raises SourceError where a statement reaches beyond the database, so that no scratch place could hold it."""
    effect = reach.first(EffectKind.CLUSTER)
    if effect is not None:
        raise SourceError(
            f"{effect.where}: {effect.what}",
            hint="a source declares a schema: move what acts on the server out of it",
        )


class Guard:
    """Watches a load: what it changed beyond the database, and how a statement is run that may try to.

    Those that are `running` something are run as `role`, which they cannot leave, where one is given. `own` is the name
    of a temporary database, which goes with all that is set for it; it is empty where nothing is committed.
    """

    def __init__(
        self, connection: Connection, running: frozenset[SourceStatement], role: str | None, *, own: str
    ) -> None:
        self._connection = connection
        self._own = own
        self._running = running
        self._role = role
        self._writes = self._count()
        self._before = self._read()

    def is_alone(self, statement: SourceStatement) -> bool:
        """Whether the statement is to be run by itself."""
        return self._role is not None and statement in self._running

    def wrapped(self, statement: SourceStatement) -> Sequence[bytes]:
        """The statement as it is run."""
        if statement not in self._running or not self._own:
            return [statement.sql.encode()]
        if self._role is None:
            return [statement.sql.encode(), *_BEFORE_COMMIT]
        given = sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(sql.Identifier(self._role))
        return [each.as_bytes(self._connection) for each in (*confined(self._role, statement.sql), given)]

    def changed(self) -> Refusal | None:
        """What of the cluster the open transaction changed."""
        writes = self._count()
        if writes == self._writes:
            return None
        self._writes = writes
        now = self._read()
        changed = sorted(row[:2] for row in now.symmetric_difference(self._before))
        if not changed:
            return None
        of_roles = [each for each in changed if each[0] in _OF_ROLES]
        kind, name = (of_roles or changed)[0]
        refusal = _ROLES if of_roles else _OTHERS
        return Refusal(f"changes {kind} {name}, which {refusal.reason}", refusal.hint)

    def _count(self) -> int:
        row = PlainCursor(self._connection).execute(_WRITES).fetchone()
        return int(row[0]) if row else 0

    def _read(self) -> frozenset[tuple[str, str, str]]:
        # The digest of a password is compared where this role may read it.
        is_superuser = self._connection.info.parameter_status("is_superuser") == "on"
        query = sql.SQL(
            trusted(for_server(read_sql("scratch/shared.sql"), self._connection.info.server_version))
        ).format(
            roles=sql.Identifier("pg_catalog", "pg_authid" if is_superuser else "pg_roles"),
            prefix=sql.Literal(PREFIX),
            own=sql.Literal(self._own),
        )
        rows = PlainCursor(self._connection).execute(query).fetchall()
        return frozenset((str(kind), str(name), str(digest)) for kind, name, digest in rows)


@contextmanager
def guarded(connection: Connection, source: Source, reach: Reach, *, transactional: bool) -> Generator[Guard | None]:
    """What watches the load of the source; None where none of its statements runs anything.

    Where words do not tell what statements do they are confined, in a temporary database, to the rights of this role;
    of a superuser, to those of one that has none beyond the database. Raises SourceError where this role has such.
    """
    if not reach.running and not reach.effects:
        yield None
        return
    own = "" if transactional else str(connection.info.dbname)
    running = frozenset(
        statement
        for index, statement in enumerate(source.statements)
        if index in reach.running and not _sets(statement)
    )
    unknown = not transactional and reach.first(EffectKind.UNKNOWN) is not None
    if not unknown:
        yield Guard(connection, running, None, own=own)
        return
    if connection.info.parameter_status("is_superuser") != "on":
        _refuse_beyond(connection, reach)
        yield Guard(connection, running, current_user(connection), own=own)
        return
    role = str(connection.info.dbname)
    with errors_as(ScratchError, "create the role as which the source runs"):
        for statement in _ROLE_APART:
            _run(connection, statement, role)
        withheld = ", ".join(str(row[0]) for row in fetch_all(connection, _WITHHELD))
        _run(connection, f"REVOKE ALL ON FUNCTION {withheld} FROM PUBLIC, {{user}}", role)
    try:
        yield Guard(connection, running, role, own=own)
    finally:
        if not connection.closed:
            with errors_as(ScratchError, "drop the role as which the source ran"):
                _run(connection, "DROP OWNED BY {role}", role)
                _run(connection, "DROP ROLE {role}", role)


def _refuse_beyond(connection: Connection, reach: Reach) -> None:
    """Raises SourceError where what the source does without saying it could reach beyond the database as this role."""
    effect = reach.first(EffectKind.UNKNOWN)
    row = fetch_one(connection, trusted(read_sql("scratch/beyond.sql")))
    if effect is not None and row is not None:
        right, statement = row
        raise SourceError(
            f"{effect.where}: {effect.what}: it is not run as role {current_user(connection)}, which has {right}",
            hint=f"write plainly what it does, or run as a role without that ({statement})",
            left="nothing was changed",
        )


def _sets(statement: SourceStatement) -> bool:
    """Whether it calls set_config with constants alone, as pg_dump does, and so is as SET."""
    words = [token.text.lower() for token in tokens(statement.sql) if token.kind != "string"]
    return bool(words) and " ".join(words) in _SETTINGS


def _run(connection: Connection, template: str, role: str) -> None:
    row = fetch_one(connection, "select current_user::text")
    assert row is not None
    execute(connection, sql.SQL(trusted(template)).format(role=sql.Identifier(role), user=sql.Identifier(row[0])))
