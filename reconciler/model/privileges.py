"""What Postgres grants by itself, what default privileges speak of, and who granted what. Pure: no I/O.

A privilege that the owner of the object granted is its word: `SELECT`, `SELECT WITH GRANT OPTION`. One that another
role granted names it: `SELECT GRANTED BY "admin" WITH GRANT OPTION`. To Postgres these are separate entries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.facts import FactId

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = [
    "DEFAULT_LETTERS",
    "DEFAULT_OBJECTS",
    "GRANT_OPTION",
    "GRANT_RELATIONS",
    "as_held",
    "default_privileges_of",
    "granted_by",
    "grantor_of",
    "of_owner",
    "taken",
    "united",
    "usual_defaults",
]

GRANT_OPTION = " WITH GRANT OPTION"
_GRANTED_BY = " GRANTED BY "
GRANT_RELATIONS = ("view", "materialized_view", "foreign_table", "table")
# https://www.postgresql.org/docs/current/ddl-priv.html, table "Summary of Access Privileges"
_TO_PUBLIC = {
    "function": "EXECUTE",
    "procedure": "EXECUTE",
    "aggregate": "EXECUTE",
    "language": "USAGE",
    "domain": "USAGE",
    "enum": "USAGE",
    "composite_type": "USAGE",
    "range_type": "USAGE",
    "base_type": "USAGE",
}
_TO_OWNER: dict[str, frozenset[str]] = {
    "schema": frozenset({"USAGE", "CREATE"}),
    "sequence": frozenset({"USAGE", "SELECT", "UPDATE"}),
    "foreign_data_wrapper": frozenset({"USAGE"}),
    "foreign_server": frozenset({"USAGE"}),
    **{kind: frozenset({privilege}) for kind, privilege in _TO_PUBLIC.items()},
}
# What ALTER DEFAULT PRIVILEGES calls the types of objects of pg_default_acl, and which kinds of facts they are.
DEFAULT_OBJECTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "r": ("TABLES", "table", GRANT_RELATIONS),
    "S": ("SEQUENCES", "sequence", ("sequence",)),
    "f": ("FUNCTIONS", "function", ("function", "procedure", "aggregate")),
    "T": ("TYPES", "domain", ("domain", "enum", "composite_type", "range_type", "base_type")),
    "n": ("SCHEMAS", "schema", ("schema",)),
    "L": ("LARGE OBJECTS", "", ()),
}
DEFAULT_LETTERS = {kind: letter for letter, (_, _, kinds) in DEFAULT_OBJECTS.items() for kind in kinds}
_TABLE_PRIVILEGES = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"})


def default_privileges_of(target: FactId, grantee: str, owner: str | None, version: int) -> frozenset[str]:
    """What `grantee` may do with a new `target` without any GRANT."""
    if target.kind == "default_privileges":
        return usual_defaults(target, grantee, version)
    if target.kind == "column":
        return frozenset()
    if grantee == "":
        return frozenset({_TO_PUBLIC[target.kind]}) if target.kind in _TO_PUBLIC else frozenset()
    if grantee != owner:
        return frozenset()
    if target.kind in _TO_OWNER:
        return _TO_OWNER[target.kind]
    return _TABLE_PRIVILEGES | {"MAINTAIN"} if version >= 170000 else _TABLE_PRIVILEGES


def usual_defaults(entry: FactId, grantee: str, version: int) -> frozenset[str]:
    """An entry for a schema adds to nothing; one for the whole database replaces what Postgres grants by itself."""
    role_name, schema, letter = entry.name
    if schema:
        return frozenset()
    if letter == "L":
        return frozenset({"SELECT", "UPDATE"}) if grantee == role_name else frozenset()
    return default_privileges_of(FactId(DEFAULT_OBJECTS[letter][1], ()), grantee, role_name, version)


def united(*held: frozenset[str]) -> frozenset[str]:
    """All of these privileges; one with the grant option stands for the same without."""
    found = frozenset[str]().union(*held)
    return frozenset(each for each in found if f"{each}{GRANT_OPTION}" not in found)


def taken(held: frozenset[str], revoked: frozenset[str]) -> frozenset[str]:
    """What is left after REVOKE, whoever granted it; `revoked` with the grant option takes back that option alone."""
    words = of_owner(revoked)
    kept = (
        each.removesuffix(GRANT_OPTION) if _word(each) in words else each
        for each in held
        if _word(each).removesuffix(GRANT_OPTION) not in words
    )
    return frozenset(kept)


def granted_by(privilege: str, grantor: str | None) -> str:
    """The privilege as that role grants it; None: as the owner does."""
    word = _word(privilege)
    if grantor is None:
        return word
    quoted = grantor.replace('"', '""')
    option = GRANT_OPTION if word.endswith(GRANT_OPTION) else ""
    return f'{word.removesuffix(GRANT_OPTION)}{_GRANTED_BY}"{quoted}"{option}'


def grantor_of(privilege: str) -> str | None:
    """Who granted it, where that is not the owner."""
    _, found, grantor = privilege.removesuffix(GRANT_OPTION).partition(_GRANTED_BY)
    return grantor[1:-1].replace('""', '"') if found else None


def of_owner(privileges: Iterable[str], grantors: Collection[str] | None = None) -> frozenset[str]:
    """The same as if the owner had granted what `grantors`, or all others, did."""
    return united(
        frozenset(_word(each) if grantors is None or grantor_of(each) in grantors else each for each in privileges)
    )


def as_held(asked: frozenset[str], held: frozenset[str]) -> frozenset[str]:
    """What is asked for without a grantor, as it is held: from another grantor too, where the owner granted it not."""
    others: dict[str, set[str]] = {}
    for each in held:
        if grantor_of(each) is not None:
            others.setdefault(_word(each), set()).add(each)
    found: set[str] = set()
    for each in asked:
        by_owner = grantor_of(each) is not None or each in held or f"{each}{GRANT_OPTION}" in held
        found |= {each} if by_owner else others.get(each, {each})
    return frozenset(found)


def _word(privilege: str) -> str:
    word, found, grantor = privilege.partition(_GRANTED_BY)
    return f"{word}{GRANT_OPTION}" if found and grantor.endswith(GRANT_OPTION) else word
