"""What Postgres grants by itself, and what default privileges speak of. Pure: no I/O."""

from __future__ import annotations

from reconciler.model.facts import FactId

__all__ = [
    "DEFAULT_LETTERS",
    "DEFAULT_OBJECTS",
    "GRANT_OPTION",
    "GRANT_RELATIONS",
    "default_privileges_of",
    "taken",
    "united",
    "usual_defaults",
]

GRANT_OPTION = " WITH GRANT OPTION"
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
    """What is left after REVOKE; `revoked` with the grant option takes back that option alone."""
    kept = (
        each.removesuffix(GRANT_OPTION) if each in revoked else each
        for each in held
        if each.removesuffix(GRANT_OPTION) not in revoked
    )
    return frozenset(kept)
