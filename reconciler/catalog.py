"""Reads the system catalogs into a Snapshot: one query a kind, all joined into one statement.

Does I/O on the connection it is given and changes nothing. One statement sees one moment at any isolation level, also
after waiting for a lock. Each query stands in sql/catalog/ and gives rows of (kind, name, definition, classid, objid,
subid, owner, acl, acl_default).
"""

from __future__ import annotations

import gc
import re
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING, cast

import psycopg
from psycopg import sql

from reconciler.db.connections import errors_as, fetch_all, fetch_one, pinned
from reconciler.db.sqlfiles import read_sql, trusted
from reconciler.errors import DatabaseError
from reconciler.hazards.kinds import IndexUse, TableSize
from reconciler.masking import Secret, conceal
from reconciler.snapshot import DATABASE_WIDE_KINDS, SATELLITE_KINDS, TABLE_KINDS, FactId, Snapshot, canonical_json

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from typing import TypeAlias

    from psycopg.rows import TupleRow

    from reconciler.db.connections import Connection
    from reconciler.snapshot import Address

    # What needs something, that, and pg_depend's deptype.
    _Edge: TypeAlias = tuple[Address, Address, str]

__all__ = [
    "LEDGER_SCHEMA",
    "managed_schemas",
    "read_fixed_extensions",
    "read_index_use",
    "read_mark",
    "read_sizes",
    "read_snapshot",
]

LEDGER_SCHEMA = "migrations"

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

# OIDs of catalogs are fixed (src/include/catalog/*.h).
_PG_AMOP, _PG_AMPROC, _PG_OPCLASS, _PG_OPFAMILY = 2602, 2603, 2616, 2753

_DIRECTIVE = re.compile(r"^\s*--@\s*(?:(if) server (>=|<) (\d+)|(else)|(end))\s*$")

# https://www.postgresql.org/docs/current/ddl-priv.html, table "ACL Privilege Abbreviations"
_PRIVILEGES = {
    "r": "SELECT",
    "a": "INSERT",
    "w": "UPDATE",
    "d": "DELETE",
    "D": "TRUNCATE",
    "x": "REFERENCES",
    "t": "TRIGGER",
    "m": "MAINTAIN",
    "X": "EXECUTE",
    "U": "USAGE",
    "C": "CREATE",
    "c": "CONNECT",
    "T": "TEMPORARY",
    "s": "SET",
    "A": "ALTER SYSTEM",
}
_ACL_ITEM = re.compile(r'((?:"(?:[^"]|"")*"|[^="])*)=([^/]*)/(.*)', re.DOTALL)


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


@lru_cache(maxsize=16)
def _query(names: tuple[str, ...], server_version: int) -> sql.SQL:
    """The catalog queries of these names as one statement, so that all of them see the same moment."""
    parts = (for_server(read_sql(f"catalog/{name}.sql"), server_version).strip() for name in names)
    # Our own files, no user's text.
    return sql.SQL(trusted("\nunion all\n".join(f"({part}\n)" for part in parts)))


def managed_schemas(connection: Connection) -> tuple[str, ...]:
    """Every schema of users: none of the system's, nor the ledger's, nor an extension's. For `--all-schemas`."""
    rows = fetch_all(
        connection,
        "select n.nspname from pg_catalog.pg_namespace n"
        " where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', %s)"
        " and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_namespace'::regclass"
        " and d.objid = n.oid and d.deptype = 'e') order by 1",
        (LEDGER_SCHEMA,),
    )
    return tuple(cast("str", row[0]) for row in rows)


def read_snapshot(connection: Connection, schemas: Sequence[str], *, dependencies: bool = False) -> Snapshot:
    """All facts of `schemas` and of the database as a whole, in one statement. A schema that is not there gives none.

    With `dependencies` also what pg_depend says of them, which only a plan needs. What others drop meanwhile is not
    there. Runs inside a transaction; one of REPEATABLE READ goes on seeing what is dropped, and fails. Raises
    DatabaseError.
    """
    with pinned(connection), errors_as():
        _without_jit(connection)
        for reading in count(1):
            try:
                with connection.transaction():
                    return _read(connection, schemas, dependencies=dependencies)
            except DatabaseError as error:
                if error.__cause__ is not None and not isinstance(error.__cause__, psycopg.errors.InternalError_):
                    raise
                if reading == _READINGS:
                    raise DatabaseError(
                        f"the schemas cannot be read, tried {_READINGS} times: {error.message}",
                        hint="somebody may drop objects there all the time: run the command again when that has ended",
                    ) from error
    raise AssertionError("unreachable")


def _read(connection: Connection, schemas: Sequence[str], *, dependencies: bool) -> Snapshot:
    version = connection.info.server_version
    oids = [
        cast("int", row[0])
        for row in fetch_all(connection, "select oid from pg_namespace where nspname = any(%s)", (list(schemas),))
    ]
    queries = (*QUERIES, "dependency") if dependencies else QUERIES
    with _garbage_kept():
        rows = fetch_all(connection, _query(queries, version), {"schemas": oids})
        snapshot = _snapshot((row for row in rows if row[0] != "dependency"), tuple(schemas), version)
        edges = [_edge(row) for row in rows if row[0] == "dependency"]
    return _with_dependencies(snapshot, edges) if dependencies else snapshot


def _edge(row: TupleRow) -> _Edge:
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


def _without_jit(connection: Connection) -> None:
    """Compiling costs more than running; parallel workers would mix up the order of columns."""
    fetch_one(
        connection,
        "select set_config('jit', 'off', true), set_config('max_parallel_workers_per_gather', '0', true)",
    )


def read_mark(connection: Connection, schemas: Sequence[str]) -> str:
    """A text that stays the same as long as nobody changes the catalogs of `schemas`. Runs inside a transaction."""
    _without_jit(connection)
    row = fetch_one(connection, _query(("mark",), connection.info.server_version), {"schemas": list(schemas)})
    return str(row[0]) if row else ""


def read_fixed_extensions(connection: Connection, live: Snapshot, goal: Snapshot) -> frozenset[FactId]:
    """The extensions that must be made anew to become what the goal says: no move or update leads there."""
    changed = [
        (fact.name[0], now, wanted)
        for fact in live.facts
        if fact.kind == "extension" and fact in goal.facts and live.facts[fact] != goal.facts[fact]
        for now, wanted in [(live.definition(fact), goal.definition(fact))]
    ]
    if not changed:
        return frozenset()
    rows = fetch_all(
        connection,
        "select w.name from unnest(%s::text[], %s::text[], %s::text[], %s::bool[]) w(name, source, target, moves)"
        " join pg_catalog.pg_extension e on e.extname = w.name"
        " where (w.moves and not e.extrelocatable) or (w.source <> w.target and not exists ("
        "   select from pg_catalog.pg_extension_update_paths(e.extname) p"
        "   where p.source = w.source and p.target = w.target and p.path is not null))",
        (
            [name for name, _, _ in changed],
            [str(now["version"]) for _, now, _ in changed],
            [str(wanted["version"]) for _, _, wanted in changed],
            [now["schema"] != wanted["schema"] for _, now, wanted in changed],
        ),
    )
    return frozenset(FactId("extension", (name,)) for (name,) in rows)


def read_sizes(connection: Connection, tables: Sequence[FactId]) -> dict[FactId, TableSize]:
    """Estimated rows and bytes on disk of these tables, partitions included."""
    rows = fetch_all(
        connection,
        "select n.nspname::text, c.relname::text, sum(case when p.reltuples < 0 then -1 else p.reltuples end)::bigint,"
        " sum(pg_catalog.pg_total_relation_size(p.oid))::bigint from pg_catalog.pg_class c"
        " join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
        " cross join lateral ("
        "   select q.oid, q.reltuples from pg_catalog.pg_class q where q.oid = c.oid and c.relkind <> 'p'"
        "   union all select q.oid, q.reltuples from pg_catalog.pg_partition_tree(c.oid) t"
        "   join pg_catalog.pg_class q on q.oid = t.relid where c.relkind = 'p' and t.isleaf) p"
        " where (n.nspname::text, c.relname::text) in (select * from unnest(%s::text[], %s::text[]))"
        " and c.relkind in ('r', 'p') group by 1, 2",
        ([table.name[0] for table in tables], [table.name[1] for table in tables]),
    )
    return {FactId("table", (schema, table)): TableSize(rows=count, bytes=size) for schema, table, count, size in rows}


def read_index_use(connection: Connection, indexes: Sequence[tuple[str, str]]) -> dict[tuple[str, str], IndexUse]:
    """How often these indexes (schema, name) were scanned on this server, with those of partitions that belong to them.

    Postgres says since when only for all statistics of the database together (pg_stat_database.stats_reset).
    """
    rows = fetch_all(
        connection,
        "select n.nspname::text, c.relname::text, sum(coalesce(s.idx_scan, 0))::bigint,"
        " (select d.stats_reset from pg_catalog.pg_stat_database d where d.datname = pg_catalog.current_database())"
        " from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
        " cross join lateral (select c.oid union select t.relid from pg_catalog.pg_partition_tree(c.oid) t) p(oid)"
        " left join pg_catalog.pg_stat_all_indexes s on s.indexrelid = p.oid"
        " where (n.nspname::text, c.relname::text) in (select * from unnest(%s::text[], %s::text[]))"
        " and c.relkind in ('i', 'I') group by 1, 2",
        ([schema for schema, _ in indexes], [index for _, index in indexes]),
    )
    return {(schema, index): IndexUse(scans=scans, since=since) for schema, index, scans, since in rows}


def _snapshot(rows: Iterable[TupleRow], schemas: tuple[str, ...], version: int) -> Snapshot:
    facts: dict[FactId, str] = {}
    addresses: dict[FactId, Address] = {}
    secrets: dict[FactId, dict[str, Secret]] = {}
    attached: list[TupleRow] = []
    inherited_names: dict[FactId, str] = {}
    owners: dict[str, str] = {}
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
        if acl is not None:
            for grantee, privileges in _changed_privileges(acl, acl_default):
                facts[FactId("privileges", (kind, *name, grantee))] = canonical_json({"privileges": [*privileges]})
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


def _changed_privileges(acl: Sequence[str], acl_default: Sequence[str]) -> Iterable[tuple[str, list[str]]]:
    """(grantee, privileges) for each grantee whose privileges are not those it has by default; '' is PUBLIC.

    A null acl means the default, so the default spelled out gives nothing either.
    """
    actual, default = _by_grantee(acl), _by_grantee(acl_default)
    for grantee in sorted(actual.keys() | default.keys()):
        if actual.get(grantee) != default.get(grantee):
            yield grantee, sorted(actual.get(grantee, ()))


def _by_grantee(acl: Sequence[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for item in acl:
        grantee, letters, _grantor = _parse_acl_item(item)
        for letter, option in re.findall(r"(\w)(\*?)", letters):
            found.setdefault(grantee, set()).add(_PRIVILEGES[letter] + (" WITH GRANT OPTION" if option else ""))
    return found


def _parse_acl_item(item: str) -> tuple[str, str, str]:
    match = _ACL_ITEM.fullmatch(item)
    if match is None:
        raise ValueError(f"not an aclitem: {item!r}")
    grantee, letters, grantor = match.groups()
    if grantee.startswith('"'):
        grantee = grantee[1:-1].replace('""', '"')
    return grantee, letters, grantor


def _with_dependencies(snapshot: Snapshot, edges: Sequence[_Edge]) -> Snapshot:
    """The snapshot with what pg_depend says of its facts.

    An object that is no fact (a view's rule, a table's row type, a constraint's index, an extension's member) stands
    for the fact that it belongs to.
    """
    by_address = {address: fact for fact, address in snapshot.addresses.items()}
    members, families = {_PG_AMOP, _PG_AMPROC}, {_PG_OPFAMILY, _PG_OPCLASS}
    belongs: dict[Address, Address] = {}
    for address, target, deptype in edges:
        if address in by_address:
            continue
        # A member of an extension stands for it; the loose members of an operator family hang on it automatically.
        if deptype in ("i", "e") or (deptype == "a" and address[0] in members and target[0] in families):
            belongs.setdefault(address, target)

    def resolve(address: Address) -> FactId | None:
        seen: set[Address] = set()
        while address not in seen:
            seen.add(address)
            if (fact := by_address.get(address)) is not None:
                return fact
            if (whole := (address[0], address[1], 0)) != address and address not in belongs:
                address = whole
                continue
            if address not in belongs:
                return None
            address = belongs[address]
        return None

    needs: dict[FactId, set[FactId]] = {}
    automatic: dict[FactId, set[FactId]] = {}
    unpopulated: set[FactId] = set()
    for address, target, deptype in edges:
        fact, needed = resolve(address), resolve(target)
        if fact is not None and deptype == "unpopulated":
            unpopulated.add(fact)
        if fact is None or needed is None or fact == needed or deptype == "e":
            continue
        if fact.kind == "sequence" and needed.kind == "column" and deptype in ("a", "i"):
            needs.setdefault(FactId("owned_by", fact.name), set()).add(needed)
            automatic.setdefault(fact, set()).add(needed)
            continue
        if deptype in ("P", "S"):
            automatic.setdefault(fact, set()).add(needed)
            continue
        if fact.kind in TABLE_KINDS and needed.kind in TABLE_KINDS:
            link = FactId("inheritance", (*fact.name, *needed.name))
            if link in snapshot.facts:
                needs.setdefault(link, set()).add(needed)
                continue
        needs.setdefault(fact, set()).add(needed)
        if (deptype == "a" and address[0] not in members) or (fact.kind == "column" and deptype == "i"):
            automatic.setdefault(fact, set()).add(needed)
    for fact in snapshot.facts:
        for needed in _implied_needs(fact, snapshot):
            needs.setdefault(fact, set()).add(needed)
    return replace(
        snapshot,
        dependencies={fact: frozenset(found) for fact, found in needs.items()},
        automatic={fact: frozenset(found) for fact, found in automatic.items()},
        unpopulated=frozenset(unpopulated),
    )


def _implied_needs(fact: FactId, snapshot: Snapshot) -> Iterable[FactId]:
    """What a fact that has no row of its own in pg_depend needs."""
    parent = snapshot.parent(fact)
    if parent is not None and parent in snapshot.facts:
        yield parent
    if fact.kind in SATELLITE_KINDS or fact.kind in DATABASE_WIDE_KINDS or fact.kind == "schema":
        return
    if parent is None and len(fact.name) > 1 and (schema := FactId("schema", fact.name[:1])) in snapshot.facts:
        yield schema
