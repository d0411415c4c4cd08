"""Reads the system catalogs into a Snapshot: one query a kind, all sent at once, one consistent read.

Does I/O on the connection it is given and changes nothing: the caller opens a REPEATABLE READ transaction
(`db.reading`), so that every query sees the same state. Each query stands in sql/catalog/ and gives rows of
(kind, name, definition, classid, objid, subid, owner, acl, acl_default).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, cast

from psycopg import sql

from reconciler.snapshot import SATELLITE_KINDS, FactId, Snapshot, canonical_json
from reconciler.sqlfiles import read_sql

if TYPE_CHECKING:
    from typing import LiteralString

    from reconciler.db import Connection

__all__ = ["DATABASE_WIDE_KINDS", "LEDGER_SCHEMA", "managed_schemas", "read_snapshot", "with_dependencies"]

LEDGER_SCHEMA = "migrations"

# Kinds that live in no schema: shared by everything in the database.
DATABASE_WIDE_KINDS = (
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
)
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
    *DATABASE_WIDE_KINDS,
)

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


class Address(NamedTuple):
    """Where pg_depend finds an object: catalog, row, column (0 for the whole object)."""

    classid: int
    objid: int
    subid: int


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


@lru_cache(maxsize=256)
def _query(name: str, server_version: int) -> sql.SQL:
    # Our own files, no user's text.
    return sql.SQL(cast("LiteralString", for_server(read_sql(f"catalog/{name}.sql"), server_version)))


def managed_schemas(connection: Connection) -> tuple[str, ...]:
    """Every schema of users: none of the system's, nor the ledger's, nor an extension's. For `--all-schemas`."""
    rows = connection.execute(
        "select n.nspname from pg_namespace n"
        " where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', %s)"
        " and not exists (select from pg_depend d where d.classid = 'pg_namespace'::regclass and d.objid = n.oid"
        " and d.deptype = 'e') order by 1",
        (LEDGER_SCHEMA,),
    ).fetchall()
    return tuple(cast("str", row[0]) for row in rows)


def read_snapshot(connection: Connection, schemas: Sequence[str]) -> Snapshot:
    """All facts of `schemas` and of the database as a whole. Schemas that do not exist contribute nothing.

    The dependencies are left out: `with_dependencies` adds them, in the same transaction, where they are needed.
    """
    version = connection.info.server_version
    facts: dict[FactId, str] = {}
    addresses: dict[FactId, Address] = {}
    oids = [
        cast("int", row[0])
        for row in connection.execute(
            "select oid from pg_namespace where nspname = any(%s)", (list(schemas),)
        ).fetchall()
    ]
    parameters = {"schemas": oids}
    with connection.pipeline():
        cursors = [connection.execute(_query(name, version), parameters) for name in QUERIES]
        comments = connection.execute(_query("comment", version))
        labels = connection.execute(_query("security_label", version))
    for cursor in cursors:
        for kind, name, definition, classid, objid, subid, owner, acl, acl_default in cursor:
            fact = FactId(kind, tuple(name))
            facts[fact] = definition
            if objid is not None:
                addresses[fact] = Address(classid, objid, subid)
            if owner is not None:
                facts[FactId("owner", (kind, *name))] = canonical_json({"role": owner})
            if acl is not None:
                for grantee, privileges in _changed_privileges(acl, acl_default):
                    facts[FactId("privileges", (kind, *name, grantee))] = canonical_json({"privileges": privileges})
    _add_satellites(facts, addresses, comments.fetchall(), labels.fetchall())
    return Snapshot(facts=facts, schemas=tuple(schemas), server_version=version, addresses=addresses)


def _add_satellites(
    facts: dict[FactId, str],
    addresses: dict[FactId, Address],
    comments: Iterable[tuple[int, int, int, str]],
    labels: Iterable[tuple[int, int, int, str, str]],
) -> None:
    comments, labels = list(comments), list(labels)
    if not comments and not labels:
        return
    by_address = {tuple(address): fact for fact, address in addresses.items()}
    for classid, objid, subid, text in comments:
        if (fact := by_address.get((classid, objid, subid))) is not None:
            facts[FactId("comment", (fact.kind, *fact.name))] = f'{{"text":{text}}}'
    for classid, objid, subid, provider, text in labels:
        if (fact := by_address.get((classid, objid, subid))) is not None:
            facts[FactId("security_label", (fact.kind, *fact.name, provider))] = f'{{"label":{text}}}'


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


def with_dependencies(connection: Connection, snapshot: Snapshot) -> Snapshot:
    """The snapshot with what pg_depend says of its facts; in the transaction that read it.

    An object that is no fact (a view's rule, a table's row type, a constraint's index) stands for the fact that it
    internally belongs to.
    """
    rows = connection.execute(_query("dependency", snapshot.server_version)).fetchall()
    by_address: dict[tuple[int, int, int], FactId] = {
        tuple(address): fact for fact, address in snapshot.addresses.items()
    }
    belongs: dict[tuple[int, int, int], tuple[int, int, int]] = {}
    for classid, objid, subid, refclassid, refobjid, refsubid, deptype in rows:
        if deptype == "i" and (classid, objid, subid) not in by_address:
            belongs.setdefault((classid, objid, subid), (refclassid, refobjid, refsubid))

    def resolve(address: tuple[int, int, int]) -> FactId | None:
        seen: set[tuple[int, int, int]] = set()
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
    for classid, objid, subid, refclassid, refobjid, refsubid, deptype in rows:
        fact, needed = resolve((classid, objid, subid)), resolve((refclassid, refobjid, refsubid))
        if fact is None or needed is None or fact == needed:
            continue
        if fact.kind == "sequence" and needed.kind == "column" and deptype in ("a", "i"):
            needs.setdefault(FactId("owned_by", fact.name), set()).add(needed)
            automatic.setdefault(fact, set()).add(needed)
            continue
        needs.setdefault(fact, set()).add(needed)
        if deptype in ("a", "P", "S"):
            automatic.setdefault(fact, set()).add(needed)
    for fact in snapshot.facts:
        for needed in _implied_needs(fact, snapshot):
            needs.setdefault(fact, set()).add(needed)
    return snapshot.with_relations(
        dependencies={fact: frozenset(found) for fact, found in needs.items()},
        automatic={fact: frozenset(found) for fact, found in automatic.items()},
    )


def _implied_needs(fact: FactId, snapshot: Snapshot) -> Iterable[FactId]:
    """What a fact that has no row of its own in pg_depend needs."""
    parent = snapshot.parent(fact)
    if parent is not None and parent in snapshot.facts:
        yield parent
    if fact.kind in SATELLITE_KINDS or fact.kind == "schema":
        return
    if parent is None and len(fact.name) > 1 and (schema := FactId("schema", fact.name[:1])) in snapshot.facts:
        yield schema
