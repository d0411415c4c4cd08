"""Reads the system catalogs into a Snapshot: one query a kind, all joined into one statement.

Does I/O on the connection it is given and changes nothing. One statement sees one moment at any isolation level, also
after waiting for a lock. Each query stands in sql/catalog/ and gives rows of (kind, name, definition, classid, objid,
subid, owner, acl, acl_default).

To plan fifty queries takes Postgres longer than to run them, and most databases hold objects of a dozen kinds. So each
query says without which row it gives none (`--@ only with`), those without one are left out, and the statement itself
looks whether there is one by now: then all is read again.
"""

from __future__ import annotations

import gc
import hashlib
import re
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, lru_cache
from itertools import count
from typing import TYPE_CHECKING, cast

import psycopg
from psycopg import sql

from reconciler.catalog.dependencies import with_dependencies
from reconciler.catalog.privileges import changed_privileges
from reconciler.db.connections import errors_as, execute, fetch_all, fetch_one, pinned, setting, transaction
from reconciler.db.ledger_schema import ledger_schema
from reconciler.db.sqlfiles import read_sql, trusted
from reconciler.errors import DatabaseError
from reconciler.model.facts import FactId, canonical_json
from reconciler.model.plan import Rights
from reconciler.model.privileges import GRANT_RELATIONS
from reconciler.model.snapshot import Snapshot
from reconciler.redaction.masking import Secret, conceal

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Mapping, Sequence

    from psycopg.rows import TupleRow

    from reconciler.catalog.dependencies import Edge
    from reconciler.db.connections import Connection
    from reconciler.model.facts import Address

__all__ = [
    "FOR_CATALOGS",
    "catalog_digest",
    "for_server",
    "managed_schemas",
    "read_mark",
    "read_rights",
    "read_snapshot",
    "read_with_dependents",
]

# Compiling costs more than running; parallel workers would mix up the order of columns.
FOR_CATALOGS: Mapping[str, str] = {"jit": "off", "max_parallel_workers_per_gather": "0"}

# In the order in which they are read; a later file may hold several kinds.
QUERIES = (
    "schema",
    "table",
    "inheritance",
    "column",
    "default",
    "constraint",
    "index",
    "sequence",
    "owned_by",
    "view",
    "function",
    "aggregate",
    "trigger",
    "partition_trigger",
    "rule",
    "policy",
    "enum",
    "domain",
    "domain_constraint",
    "composite_type",
    "range_type",
    "base_type",
    "collation",
    "operator",
    "operator_class",
    "operator_family",
    "conversion",
    "text_search_parser",
    "text_search_dictionary",
    "text_search_template",
    "text_search_configuration",
    "statistics",
    "default_privileges",
    "access_method",
    "cast",
    "database_setting",
    "event_trigger",
    "extension",
    "foreign_data_wrapper",
    "foreign_server",
    "language",
    "publication",
    "role_setting",
    "subscription",
    "transform",
    "user_mapping",
    "comment",
    "security_label",
    "inherited_name",
    "cloned_key",
)

# What another session drops while it is read cannot be opened any more (XX000), or has no text: it is read again.
_READINGS = 10
_TEXTS = {
    **dict.fromkeys(
        ("constraint", "domain_constraint", "function", "materialized_view", "procedure", "rule", "trigger", "view"),
        '"definition":"',
    ),
    "default": '"expression":"',
    "index": '"using":"',
}

# These hang on an object by its address, whatever its kind: their `name` holds only what is added to the object's own.
_ATTACHED = frozenset({"comment", "security_label"})

_DIRECTIVE = re.compile(r"^\s*--@\s*(?:(if) server (>=|<) (\d+)|(else)|(end))\s*$")
_ONLY_WITH = re.compile(r"^--@ only with (.+)$", re.MULTILINE)
# The row that says that a query was left out which would have rows by now.
_CAME = "came"
_FURTHER_COLUMNS = 8


def for_server(text: str, server_version: int) -> str:
    """The lines of a catalog query that `--@ if server >= N`, `--@ else`, `--@ end` leave for this server."""
    kept: list[str] = []
    emit = True
    for line in text.splitlines():
        directive = _DIRECTIVE.match(line)
        if directive is None:
            if emit:
                kept.append(line)
        elif directive[1]:
            limit = int(directive[3])
            emit = server_version >= limit if directive[2] == ">=" else server_version < limit
        elif directive[4]:
            emit = not emit
        else:
            emit = True
    return "\n".join(kept)


@lru_cache(maxsize=64)
def _query(names: tuple[str, ...], server_version: int, awaited: tuple[str, ...] = ()) -> sql.SQL:
    """The catalog queries of these names as one statement, so that all of them see the same moment.

    It gives one row more, of kind `_CAME`, where there is one of the `awaited` rows.
    """
    parts: list[sql.Composable] = [
        _trusted(for_server(read_sql(f"catalog/{name}.sql"), server_version).strip()) for name in names
    ]
    if awaited:
        nulls = sql.SQL(", ").join([sql.SQL("null")] * _FURTHER_COLUMNS)
        any_row = sql.SQL(" or ").join(map(_exists, awaited))
        parts.append(sql.SQL("select {}, {} where {}").format(_CAME, nulls, any_row))
    statement = sql.SQL("\nunion all\n").join(sql.SQL("({}\n)").format(part) for part in parts)
    return _trusted(statement.as_string(None))


@cache
def _conditions() -> dict[str, str | None]:
    """Of each query what stands after FROM to find a row without which it gives none; None where it always has some."""
    found = {name: _ONLY_WITH.search(read_sql(f"catalog/{name}.sql")) for name in (*QUERIES, "dependency")}
    return {name: line[1] if line else None for name, line in found.items()}


@cache
def _presence() -> tuple[tuple[str, ...], sql.Composed]:
    """All conditions, and a statement that gives the OIDs of `schemas` and the places of the conditions that hold."""
    conditions = tuple(dict.fromkeys(condition for condition in _conditions().values() if condition))
    places = (
        sql.SQL("case when {} then {} end").format(_exists(condition), place)
        for place, condition in enumerate(conditions)
    )
    return conditions, sql.SQL(
        "select array(select oid from pg_namespace where nspname = any(%(schemas)s)),"
        " array_remove(array[{}]::int[], null)"
    ).format(sql.SQL(", ").join(places))


@cache
def catalog_digest(server_version: int) -> str:
    """A digest of what is read of the catalogs of such a server, and how."""
    texts = (for_server(read_sql(f"catalog/{name}.sql"), server_version) for name in (*QUERIES, "dependency"))
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _exists(condition: str) -> sql.Composed:
    return sql.SQL("exists (select from {})").format(_trusted(condition))


def _trusted(text: str) -> sql.SQL:
    """Of our own files, no user's text."""
    return sql.SQL(trusted(text))


def managed_schemas(connection: Connection) -> tuple[str, ...]:
    """Every schema of users: none of the system's, the ledger's, the log's, or an extension's. For `--all-schemas`."""
    rows = fetch_all(
        connection,
        "select n.nspname from pg_catalog.pg_namespace n"
        " where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'reconciler_audit', %s)"
        " and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_namespace'::regclass"
        " and d.objid = n.oid and d.deptype = 'e') order by 1",
        (ledger_schema(connection),),
    )
    return tuple(cast("str", row[0]) for row in rows)


def read_snapshot(
    connection: Connection, schemas: Sequence[str], *, outside: Collection[FactId] = (), dependencies: bool = False
) -> Snapshot:
    """All facts of `schemas` and of the database as a whole, in one statement. A schema that is not there gives none.

    Of other schemas the objects that are `outside`, or that have a part among them. With `dependencies` also what
    pg_depend says of them, which only a plan needs. What others drop meanwhile is not there. Runs inside a
    transaction; one of REPEATABLE READ goes on seeing what is dropped, and fails. Raises DatabaseError.
    """
    further = _further(outside, schemas)
    if further:
        wide = _read_again(connection, (*schemas, *sorted(further)), dependencies=dependencies)
        return wide.limited(tuple(schemas), outside)
    return _read_again(connection, schemas, dependencies=dependencies)


def read_with_dependents(connection: Connection, schemas: Sequence[str], outside: Collection[FactId]) -> Snapshot:
    """The same with dependencies, and with what lies in other schemas and needs an object of these, however far off.

    Of a table that only refers to one of these with a foreign key all is given.
    """
    found = read_snapshot(connection, schemas, outside=outside, dependencies=True)
    further = _further(outside, schemas)
    while more := _schemas_of(connection, found.dependents).difference(schemas, further):
        further |= more
        wide = _read_again(connection, (*schemas, *sorted(further)), dependencies=True)
        found = replace(
            wide.limited(tuple(schemas), {*outside, *_dependents(wide, schemas)}), dependents=wide.dependents
        )
    return found


def _further(outside: Collection[FactId], schemas: Sequence[str]) -> set[str]:
    return {schema for fact in outside if (schema := fact.schema) is not None}.difference(schemas)


def _schemas_of(connection: Connection, addresses: Collection[Address]) -> set[str]:
    if not addresses:
        return set()
    rows = fetch_all(
        connection,
        sql.SQL(trusted(read_sql("outside.sql"))),
        {
            "catalogs": [address[0] for address in addresses],
            "objects": [address[1] for address in addresses],
            "ledger": ledger_schema(connection),
        },
    )
    return {str(row[0]) for row in rows}


def _dependents(state: Snapshot, schemas: Sequence[str]) -> set[FactId]:
    """What is in other schemas and needs a fact of these, or another such."""
    own = frozenset(schemas)
    users: dict[FactId, list[FactId]] = {}
    for fact, needed in state.dependencies.items():
        for each in needed:
            users.setdefault(each, []).append(fact)
    waiting = [fact for fact in state.facts if fact.schema in own and fact.kind != "schema"]
    found: set[FactId] = set()
    while waiting:
        for user in users.get(waiting.pop(), ()):
            if user not in found and user.schema not in (None, *own) and user in state.facts:
                found.add(user)
                waiting.append(user)
                waiting.extend(state.descendants(user))
    return found


def _read_again(connection: Connection, schemas: Sequence[str], *, dependencies: bool) -> Snapshot:
    with pinned(connection), setting(connection, FOR_CATALOGS), errors_as():
        for reading in count(1):
            try:
                with transaction(connection):
                    return _read(connection, schemas, dependencies=dependencies)
            except DatabaseError as error:
                if error.__cause__ is not None and not isinstance(error.__cause__, psycopg.errors.InternalError_):
                    raise
                if reading == _READINGS:
                    raise DatabaseError(
                        f"the schemas cannot be read, tried {_READINGS} times: {error.message}",
                        hint="another session may be dropping objects there: run the command again when it has ended",
                    ) from error
    raise AssertionError("unreachable")


def _read(connection: Connection, schemas: Sequence[str], *, dependencies: bool) -> Snapshot:
    version = connection.info.server_version
    queries = (*QUERIES, "dependency") if dependencies else QUERIES
    with _garbage_kept():
        rows = _rows(connection, schemas, queries)
        snapshot = _snapshot((row for row in rows if row[0] != "dependency"), tuple(schemas), version)
        edges = [_edge(row) for row in rows if row[0] == "dependency"]
    return with_dependencies(snapshot, edges) if dependencies else snapshot


def _rows(connection: Connection, schemas: Sequence[str], queries: Sequence[str]) -> list[TupleRow]:
    """The rows of the queries that have any."""
    conditions, statement = _presence()
    row = fetch_one(connection, statement, {"schemas": list(schemas)})
    assert row is not None
    oids, places = cast("tuple[list[int], list[int]]", row)
    present = {None, *(conditions[place] for place in places)}
    chosen = tuple(name for name in queries if _conditions()[name] in present)
    awaited = tuple(condition for condition in conditions if condition not in present)
    rows = fetch_all(connection, _query(chosen, connection.info.server_version, awaited), {"schemas": oids})
    if rows and rows[-1][0] == _CAME:
        raise DatabaseError("the first object of a kind was created while they were read")
    return rows


def _edge(row: TupleRow) -> Edge:
    _, (classid, objid, subid), deptype, *address = row
    return cast("Address", tuple(address[:3])), (int(classid), int(objid), int(subid)), deptype


@contextmanager
def _garbage_kept() -> Generator[None]:
    """Hundreds of thousands of rows become as many facts: to look for cycles among them would take half of the time."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def read_mark(connection: Connection, schemas: Sequence[str]) -> str:
    """A text that stays the same as long as nobody changes the catalogs of `schemas`. Runs inside a transaction.

    With `FOR_CATALOGS` set for the transaction it is quicker.
    """
    row = fetch_one(connection, _query(("mark",), connection.info.server_version), {"schemas": list(schemas)})
    return str(row[0]) if row else ""


def read_rights(connection: Connection) -> Rights:
    """What the current role may do beside what it owns. Whether it may set a setting, only trying tells for sure."""
    row = fetch_one(
        connection,
        "select rolsuper or rolbypassrls, array(select r.rolname::text from pg_catalog.pg_roles r"
        " where pg_catalog.pg_has_role(r.oid, 'USAGE')),"
        " pg_catalog.current_setting('TimeZone') from pg_catalog.pg_roles where rolname = current_user",
    )
    assert row is not None
    may_set = True
    try:
        with transaction(connection, force_rollback=True):
            execute(connection, "set local session_replication_role to replica")
    except psycopg.errors.InsufficientPrivilege:
        may_set = False
    return Rights(
        bypasses_policies=row[0], sets_replication_role=may_set, roles=frozenset(row[1]), time_zone=str(row[2])
    )


def _snapshot(rows: Iterable[TupleRow], schemas: tuple[str, ...], version: int) -> Snapshot:
    facts: dict[FactId, str] = {}
    addresses: dict[FactId, Address] = {}
    secrets: dict[FactId, dict[str, Secret]] = {}
    attached: list[TupleRow] = []
    inherited_names: dict[FactId, str] = {}
    owners: dict[str, str] = {}
    owner_of: dict[tuple[str, ...], str] = {}
    columns: list[tuple[list[str], list[str]]] = []
    declared: set[FactId] = set()
    cloned: set[FactId] = set()
    for row in rows:
        kind, name, definition, classid, objid, subid, owner, acl, acl_default = row
        if kind in _ATTACHED:
            attached.append(row)
            continue
        if kind in ("inherited_name", "declared_name"):
            column = FactId("column", tuple(name))
            inherited_names[column] = definition
            if kind == "declared_name":
                declared.add(column)
            continue
        if kind == "cloned_key":
            cloned.add(FactId("constraint", tuple(name)))
            continue
        fact = FactId(kind, tuple(name))
        if kind in _TEXTS and _TEXTS[kind] not in definition:
            raise DatabaseError(f"{fact} was dropped while it was read")
        facts[fact], hidden = conceal(kind, definition)
        if hidden:
            secrets[fact] = hidden
        if objid is not None:
            addresses[fact] = (classid, objid, subid)
        if owner is not None:
            if owner not in owners:
                owners[owner] = canonical_json({"role": owner})
            facts[FactId("owner", (kind, *name))] = owners[owner]
            if kind in GRANT_RELATIONS:
                owner_of[tuple(name)] = owner
        if acl is not None and kind == "column":
            columns.append((name, acl))
        elif acl is not None:
            for grantee, privileges in changed_privileges(acl, acl_default, owner):
                facts[FactId("privileges", (kind, *name, grantee))] = canonical_json({"privileges": [*privileges]})
    for name, acl in columns:
        for grantee, privileges in changed_privileges(acl, (), owner_of.get(tuple(name[:2]))):
            facts[FactId("privileges", ("column", *name, grantee))] = canonical_json({"privileges": [*privileges]})
    if attached:
        by_address = {address: fact for fact, address in addresses.items()}
        for kind, name, definition, classid, objid, subid, *_ in attached:
            if (target := by_address.get((classid, objid, subid))) is not None:
                facts[FactId(kind, (target.kind, *target.name, *name))] = definition
    return Snapshot(
        facts=facts,
        schemas=schemas,
        server_version=version,
        addresses=addresses,
        secrets=secrets,
        inherited_names=inherited_names,
        declared=frozenset(declared),
        cloned=frozenset(cloned),
    )
