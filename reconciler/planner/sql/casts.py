"""Which types a column can change between, by which expression, and what that does to values. Pure: no I/O."""

from __future__ import annotations

import re
from typing import LiteralString

from reconciler.planner.sql.quoting import Part, compose, raw
from reconciler.planner.sql.widening import is_rounded, takes_all

__all__ = [
    "base_type",
    "can_lose",
    "conversion",
    "depends_on_time_zone",
    "is_a_number",
    "is_the_same_everywhere",
    "rewrites",
    "same_family",
    "type_beside",
]

# Among the types of one family every cast is at least an assignment cast (pg_cast), so that ALTER TYPE needs no USING
# and raises an error where a value does not fit; an explicit cast would cut varchar(n) silently.
_FAMILIES: tuple[frozenset[str], ...] = (
    frozenset({"smallint", "integer", "bigint", "real", "double precision", "numeric"}),
    frozenset({"text", "character varying", "character", '"char"', "name"}),
    frozenset({"date", "timestamp without time zone", "timestamp with time zone"}),
    frozenset({"time without time zone", "time with time zone"}),
    frozenset({"json", "jsonb"}),
    frozenset({"bit", "bit varying"}),
    frozenset({"inet", "cidr"}),
)
_STRINGS = _FAMILIES[1]
_KNOWN = frozenset(each for family in _FAMILIES for each in family)
_NUMBERS, _DATES = _FAMILIES[0], _FAMILIES[2]
_INTEGERS = frozenset({"smallint", "integer", "bigint"})
# Pairs with an explicit cast of their own, where the way through text would fail or mean something else.
_DIRECT = frozenset({("bigint", "bytea"), ("jsonb", "boolean"), ("jsonb", "integer"), ("jsonb", "numeric")})
_WIDER = frozenset(
    {
        ("smallint", "integer"),
        ("smallint", "bigint"),
        ("integer", "bigint"),
        ("smallint", "numeric"),
        ("integer", "numeric"),
        ("bigint", "numeric"),
        ("real", "double precision"),
        ("json", "jsonb"),
        ("date", "timestamp without time zone"),
        ("date", "timestamp with time zone"),
        ("timestamp without time zone", "timestamp with time zone"),
        ("timestamp with time zone", "timestamp without time zone"),
    }
)
# Types whose values are written and read as text in the same way whatever a session has set.
_NEUTRAL = frozenset(
    {
        "smallint",
        "integer",
        "bigint",
        "numeric",
        "boolean",
        "uuid",
        "bit",
        "bit varying",
        "inet",
        "cidr",
        "macaddr",
        "macaddr8",
        "json",
        "jsonb",
        *_STRINGS,
    }
)
_UNZONED = frozenset({"date", "timestamp without time zone"})
_ZONED = frozenset({"timestamp with time zone", "time with time zone"})
_MODIFIER = re.compile(r"\(([^)]*)\)")


def base_type(type_name: str) -> str:
    """A type's name without its modifier: numeric(12,2) -> numeric."""
    return _MODIFIER.sub("", type_name).strip()


def is_a_number(type_name: str) -> bool:
    return base_type(type_name) in _NUMBERS


def is_the_same_everywhere(old: str, new: str, *, enums: bool = False) -> bool:
    """Whether the conversion gives the same value in every session, whatever its TimeZone, DateStyle and the like are.

    With `enums` a type that is not known here is an enum.
    """
    before, after = (base_type(each).removesuffix("[]") for each in (old, new))
    pair = {before, after}
    if before == after or pair <= _NUMBERS or pair <= _UNZONED:
        return True
    if before in _STRINGS and after in _NUMBERS:
        return True
    return all(each in _NEUTRAL or (enums and each not in _KNOWN) for each in pair)


def depends_on_time_zone(old: str, new: str) -> bool:
    """Whether the conversion reads or writes times in the time zone of the session."""
    pair = {base_type(each).removesuffix("[]") for each in (old, new)}
    return len(pair & _ZONED) == 1 and bool(pair & (_UNZONED | {"time without time zone"}))


def same_family(old: str, new: str) -> bool:
    old, new = base_type(old), base_type(new)
    return old == new or any(old in family and new in family for family in _FAMILIES)


def conversion(column: Part, old: str, new: str) -> Part:
    """` USING ...` for a change of type, or nothing where an assignment cast does it."""
    before, after = base_type(old), base_type(new)
    if same_family(old, new) or (after in _STRINGS and before.removesuffix("[]") not in _STRINGS):
        return raw("")
    if before.endswith("[]") and not after.endswith("[]"):
        text = compose(" USING {}", _only_element(column, old, new))
    elif after.endswith("[]") and not before.endswith("[]"):
        array = raw(compose("{}::{}", column, raw(new)) if before in _STRINGS else "NULL")
        is_array = raw(compose("{} LIKE '{{%'", column) if before in _STRINGS else compose("{} IS NULL", column))
        one = raw(compose("ARRAY[{}]::{}", column, raw(new)))
        template: LiteralString = " USING CASE WHEN {} THEN {} WHEN {} IS NOT NULL THEN {} END"
        text = compose(template, is_array, array, column, one)
    elif before.endswith("[]") and after.endswith("[]"):
        text = compose(" USING {}::text[]::{}", column, raw(new))
    elif before in _NUMBERS and after == "boolean":
        text = compose(" USING {} <> 0", column)
    elif before == "boolean" and after in _NUMBERS:
        text = compose(" USING {}::integer::{}", column, raw(new))
    elif before in _STRINGS or (before, after) in _DIRECT:
        text = compose(" USING {}::{}", column, raw(new))
    else:
        text = compose(" USING {}::text::{}", column, raw(new))
    return raw(text)


def _only_element(column: Part, old: str, new: str) -> Part:
    """An array's one element; what has more, or would be read as an array as it is read again, stays whole as a text.

    So an array of more elements than one is an error where the new type is no string, and nothing is lost.
    """
    one = raw(compose("({})[pg_catalog.array_lower({}, 1)]", column, column))
    single = raw(compose("pg_catalog.array_ndims({}) = 1 AND pg_catalog.cardinality({}) = 1", column, column))
    if base_type(new) in _STRINGS:
        template: LiteralString = "CASE WHEN {} AND {} NOT LIKE '{{%' THEN {}::text ELSE {}::text END"
        return raw(compose(template, single, one, one, column))
    element = base_type(old).removesuffix("[]")
    value = conversion(one, element, new).as_string(None).removeprefix(" USING ") or compose("{}::{}", one, raw(new))
    template = "CASE WHEN {} THEN {} WHEN pg_catalog.cardinality({}) > 0 THEN {}::text::{} END"
    return raw(compose(template, single, raw(value), column, column, raw(new)))


def can_lose(old: str, new: str) -> bool:
    """Whether values can change without an error when a column of `old` becomes `new`.

    Between types of different families the way goes through text, and a text that is no value of the new type is an
    error; so is an integer that is too large.
    """
    before, after = base_type(old), base_type(new)
    if before.endswith("[]") and not after.endswith("[]") and after not in _STRINGS:
        return True  # an array without elements
    if before.endswith("[]") and after.endswith("[]"):
        return can_lose(old.removesuffix("[]"), new.removesuffix("[]"))
    if before == after or after in _STRINGS:
        # Of one type, only a narrower numeric or time rounds; a string that is too long is an error.
        rounds = before in {"numeric", "time without time zone", "timestamp without time zone"}
        return rounds and is_rounded(old, new)
    if (before, after) in _WIDER or {before, after} <= _INTEGERS:
        return False
    return (same_family(old, new) and before not in _STRINGS) or (before in _NUMBERS and after == "boolean")


def type_beside(old: str, new: str) -> str | None:
    """What a value that an assignment would convert is cast to, where Postgres finds no common type of both.

    It is a type without a modifier: an explicit cast to varchar(n) would cut silently what the assignment refuses.
    """
    before, after = base_type(old), base_type(new)
    if after in _STRINGS and before not in _STRINGS:
        return "pg_catalog.text"
    return after if before != after and {before, after} == {"json", "jsonb"} else None


def rewrites(old: str, new: str) -> bool:
    before, after = base_type(old), base_type(new)
    modifiers = [_MODIFIER.findall(text) for text in (old, new)]
    if {before, after} <= {"text", "character varying"}:
        lengths = [int(found[0]) if found else None for found in modifiers]
        return lengths[1] is not None and (lengths[0] is None or lengths[1] < lengths[0])
    if before == after == "numeric":
        return not takes_all(old, new)
    return True
