"""What a source says of privileges, asked of Postgres in the place that it was built in. Does I/O in scratch only.

GRANT and REVOKE leave no trace of themselves in the catalogs, only what a grantee has in the end. So what default
privileges would add is kept from the source's objects, and what a REVOKE is about shows when the same is granted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import psycopg
from psycopg import sql

from reconciler.db.connections import execute, fetch_all, fetch_one, transaction
from reconciler.db.search_path import searching
from reconciler.db.sqlfiles import read_sql, trusted
from reconciler.diff.privileges import Said, privileges_in
from reconciler.model.facts import FactId
from reconciler.model.privileges import DEFAULT_OBJECTS, default_privileges_of
from reconciler.source.screening import changes_settings, leading_keywords
from reconciler.sqltext.lexer import tokens
from reconciler.sqltext.revokes import as_grant
from reconciler.sqltext.subjects import subject_of, unquoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from reconciler.db.connections import Connection
    from reconciler.model.snapshot import Snapshot
    from reconciler.scratch.place import Place
    from reconciler.source.source import Source

__all__ = [
    "defaults_apart",
    "grantor_notes",
    "read_unmanaged",
    "said_of_privileges",
    "says_privileges",
    "unmanaged_notes",
    "without_default_privileges",
]


_SETS_ROLE = {
    ("SET", "ROLE"),
    ("RESET", "ROLE"),
    ("SET", "LOCAL", "ROLE"),
    ("SET", "SESSION", "ROLE"),
    ("SET", "SESSION", "AUTHORIZATION"),
    ("RESET", "SESSION", "AUTHORIZATION"),
}


class Unmanaged(NamedTuple):
    """The access control list of an object, the extension it is a member of, and the list that it came with."""

    extension: str | None
    acl: str
    usual: str | None


def without_default_privileges(connection: Connection) -> None:
    """Takes back what the current role has set for the whole database, in a transaction that is rolled back."""
    rows = fetch_all(
        connection,
        "select d.defaclobjtype::text, array(select distinct case a.grantee when 0 then '' else"
        " pg_catalog.pg_get_userbyid(a.grantee)::text end from pg_catalog.aclexplode(d.defaclacl) a),"
        " current_user::text from pg_catalog.pg_default_acl d join pg_catalog.pg_roles r on r.oid = d.defaclrole"
        " where r.rolname = current_user and d.defaclnamespace = 0",
    )
    for letter, grantees, user in rows:
        words, kind, _ = DEFAULT_OBJECTS[letter]
        objects = sql.SQL(trusted(words))
        for grantee in grantees:
            text = sql.SQL("ALTER DEFAULT PRIVILEGES REVOKE ALL ON {} FROM {}")
            execute(connection, text.format(objects, sql.Identifier(grantee) if grantee else sql.SQL("PUBLIC")))
        text = sql.SQL("ALTER DEFAULT PRIVILEGES GRANT ALL ON {} TO {}")
        execute(connection, text.format(objects, sql.Identifier(user)))
        if default_privileges_of(FactId(kind or "table", ()), "", user, connection.info.server_version):
            execute(connection, text.format(objects, sql.SQL("PUBLIC")))


def defaults_apart(source: Source) -> tuple[Source, Source | None]:
    """The source without ALTER DEFAULT PRIVILEGES, and that alone under the same settings; None where it has none."""
    found = [each for each in source.statements if _is_default(each.sql)]
    if not found:
        return source, None
    first = tuple(each for each in source.statements if not _is_default(each.sql))
    last = tuple(each for each in source.statements if _is_default(each.sql) or changes_settings(each.sql))
    return replace(source, statements=first), replace(source, statements=last)


def said_of_privileges(place: Place, source: Source, built: Snapshot, path: Sequence[str]) -> Said:
    """What REVOKE takes from whom, and on which objects the source's own default privileges act."""
    return Said(revoked=_revoked(place, source, built, path), under_own_defaults=_after_defaults(source, built))


def read_unmanaged(connection: Connection, source: Source) -> Mapping[tuple[str, str], Unmanaged]:
    """The privileges on what is not managed here; none where the source has neither GRANT nor REVOKE."""
    if not says_privileges(source):
        return {}
    rows = fetch_all(connection, sql.SQL(trusted(read_sql("scratch/unmanaged_privileges.sql"))))
    return {(kind, identity): Unmanaged(extension, acl, usual) for kind, identity, extension, acl, usual in rows}


def says_privileges(source: Source) -> bool:
    """Whether the source has a GRANT or a REVOKE."""
    return any(_grants(each.sql) for each in source.statements)


def unmanaged_notes(
    source: Source, before: Mapping[tuple[str, str], Unmanaged], after: Mapping[tuple[str, str], Unmanaged]
) -> Iterable[str]:
    """A line for each object that is not managed here and whose privileges the source changes."""
    for (kind, identity), found in sorted(after.items(), key=lambda each: each[0]):
        was = before.get((kind, identity))
        if found.acl == (was.acl if was is not None else found.usual):
            continue
        name = identity.partition("(")[0].rpartition(".")[2].strip('"')
        grants = (each for each in source.statements if _grants(each.sql))
        where = next((f"{each.where}: " for each in grants if name in each.sql), "")
        whose = f"extension {found.extension}" if found.extension else "Postgres itself"
        yield (
            f"{where}privileges on {kind} {identity} are not managed, because it belongs to {whose}:"
            " run the GRANT or REVOKE by hand"
        )


def grantor_notes(source: Source, beyond: Collection[str]) -> Iterable[str]:
    """A line for each GRANT and REVOKE of the source as one of the roles `beyond`, as which this one may not act."""
    grantor = ""
    for statement in source.statements:
        words = leading_keywords(statement.sql)
        if words[:2] in _SETS_ROLE or words[:3] in _SETS_ROLE:
            named = unquoted([each for each in tokens(statement.sql) if each.text != ";"][-1])
            grantor = "" if words[0] == "RESET" or named in ("none", "default") else named
        elif grantor in beyond and _grants(statement.sql):
            yield (
                f"{statement.where}: that {grantor} is the grantor is not managed, because this role may not act as"
                f" {grantor}: the owner of the object is"
            )


def _grants(text: str) -> bool:
    return leading_keywords(text)[:1] in {("GRANT",), ("REVOKE",)}


def _is_default(text: str) -> bool:
    return leading_keywords(text)[:3] == ("ALTER", "DEFAULT", "PRIVILEGES")


def _revoked(place: Place, source: Source, built: Snapshot, path: Sequence[str]) -> dict[FactId, frozenset[str]]:
    """Of each grantee what it has only if each REVOKE grants instead."""
    granting = {at: text for at, each in enumerate(source.statements) if (text := as_grant(each.sql)) is not None}
    if not granting:
        return {}
    connection = place.connection
    ((role,),) = fetch_all(connection, "select pg_catalog.current_setting('role')")
    names = sql.SQL(", ").join(map(sql.Identifier, path)).as_string(connection)
    with transaction(connection, force_rollback=True):
        with searching(connection, names):
            for at, statement in enumerate(source.statements):
                if at in granting or changes_settings(statement.sql):
                    _try(connection, granting.get(at, statement.sql))
        fetch_one(connection, "select pg_catalog.set_config('role', %s, true)", (role,))
        after = place.read(built.schemas)
    found: dict[FactId, frozenset[str]] = {}
    for fact, text in after.facts.items():
        if fact.kind == "privileges" and text != built.facts.get(fact):
            held = privileges_in(text) or frozenset()
            found[fact] = held - (privileges_in(built.facts.get(fact)) or frozenset())
    return {fact: held for fact, held in found.items() if held}


def _try(connection: Connection, text: str) -> None:
    """Runs it; where Postgres refuses, there is nothing that the REVOKE could be about."""
    try:
        with connection.transaction():
            psycopg.Cursor(connection).execute(text.encode(), prepare=False)
    except (psycopg.errors.ProgrammingError, psycopg.errors.NotSupportedError):
        return


def _after_defaults(source: Source, built: Snapshot) -> frozenset[FactId]:
    """The objects that the source makes after its first ALTER DEFAULT PRIVILEGES, with sequences of their columns."""
    is_after = False
    named: set[tuple[str, str]] = set()
    for statement in source.statements:
        is_after = is_after or _is_default(statement.sql)
        subject = subject_of(statement.sql) if is_after and leading_keywords(statement.sql)[:1] == ("CREATE",) else None
        if subject is not None and subject.part is None:
            named |= {(kind, subject.name[-1]) for kind in subject.kinds}
    objects = {fact for fact in built.facts if len(fact.name) > 1 and (fact.kind, fact.name[1]) in named}
    objects |= {fact for fact in built.facts if fact.kind == "schema" and ("schema", fact.name[0]) in named}
    for fact in built.facts:
        if fact.kind == "owned_by" and (owner := built.definition(fact)):
            table = FactId("table", (str(owner["schema"]), str(owner["table"])))
            objects |= {FactId("sequence", fact.name)} if table in objects else set()
    return frozenset(objects)
