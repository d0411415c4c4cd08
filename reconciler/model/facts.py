"""A fact, and the kinds of facts. Pure: no I/O.

A fact is one thing that Postgres knows, at the finest grain that can change alone: a table, a column, a default, a
constraint, a comment, an owner, one grantee's privileges. It is an identity and a definition.
"""

from __future__ import annotations

import json
from typing import NamedTuple, TypeAlias

from reconciler.model.visible import visible_line

__all__ = [
    "ANY_ARGUMENTS",
    "CHILD_KINDS",
    "DATABASE_WIDE_KINDS",
    "RELATION_KINDS",
    "ROUTINE_KINDS",
    "SATELLITE_KINDS",
    "TABLE_KINDS",
    "Address",
    "Definition",
    "FactId",
    "Json",
    "canonical_json",
]

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Definition: TypeAlias = "dict[str, Json]"
# As in pg_depend: the OIDs of the catalog and of the object, and the number of a column or 0.
Address: TypeAlias = "tuple[int, int, int]"

# Relations share one namespace in a schema, so (schema, name) alone finds the parent of a column or a trigger.
TABLE_KINDS = frozenset({"table", "foreign_table"})
RELATION_KINDS = ("table", "foreign_table", "view", "materialized_view", "composite_type", "sequence")
CHILD_KINDS = frozenset(
    {
        "column",
        "default",
        "constraint",
        "index",
        "trigger",
        "partition_trigger",
        "rule",
        "policy",
        "inheritance",
        "owned_by",
    }
)
# In the name of a routine of which only the name is known.
ANY_ARGUMENTS = "*"
ROUTINE_KINDS = frozenset({"function", "procedure", "aggregate"})
# They live in no schema and are shared by everything in the database.
DATABASE_WIDE_KINDS = frozenset(
    {
        "access_method",
        "cast",
        "database_setting",
        "default_privileges",
        "event_trigger",
        "extension",
        "foreign_data_wrapper",
        "foreign_server",
        "language",
        "publication",
        "publication_schema",
        "publication_table",
        "role_setting",
        "subscription",
        "transform",
        "user_mapping",
    }
)
# Their name is the kind and the name of what they hang on; `privileges` and `security_label` add one part more.
SATELLITE_KINDS = frozenset({"comment", "owner", "privileges", "security_label"})
_EXTENDED_SATELLITES = frozenset({"privileges", "security_label"})


class FactId(NamedTuple):
    """Names one fact: its kind and the parts of its name, e.g. `("column", ("app", "users", "email"))`."""

    kind: str
    name: tuple[str, ...]

    def __str__(self) -> str:
        return visible_line(self._phrase())

    def _phrase(self) -> str:
        match self.kind:
            case "comment":
                return f"comment on {self.target}"
            case "owner":
                return f"owner of {self.target}"
            case "privileges":
                return f"privileges of {self.name[-1] or 'public'} on {self.target}"
            case "security_label":
                return f"security label ({self.name[-1]}) of {self.target}"
            case "inheritance":
                return f"inheritance of {'.'.join(self.name[:2])} from {'.'.join(self.name[2:])}"
            case kind if kind in ROUTINE_KINDS:
                return f"{kind} {self.name[0]}.{self.name[1]}({self.name[2]})"
            case kind:
                return f"{kind.replace('_', ' ')} {'.'.join(self.name)}"

    @property
    def key(self) -> str:
        """The text that `--object` takes: `table:app.users`."""
        match self.kind:
            case kind if kind in ROUTINE_KINDS:
                return f"{kind}:{self.name[0]}.{self.name[1]}({self.name[2]})"
            case kind:
                return f"{kind}:{'.'.join(self.name)}"

    @property
    def schema(self) -> str | None:
        """The schema that it is in, or is; None for what belongs to the whole database."""
        fact = self
        while fact.kind in SATELLITE_KINDS:
            fact = fact.target
        if fact.kind == "default_privileges":
            return fact.name[1] or None
        return None if fact.kind in DATABASE_WIDE_KINDS else fact.name[0]

    @property
    def target(self) -> FactId:
        """What a satellite (a comment, an owner, privileges, a security label) hangs on."""
        last = -1 if self.kind in _EXTENDED_SATELLITES else None
        return FactId(self.name[0], self.name[1:last])


def canonical_json(value: Json) -> str:
    """Compact JSON with sorted keys: what `row_to_json` prints for a row whose columns are in that order."""
    return _encode(value)


# `json.dumps` would make an encoder at each call.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode
