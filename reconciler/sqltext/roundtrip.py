"""Where the text that Postgres prints for an expression is not read back as the same expression. Pure: no I/O.

`name IN ('a', 'b')` on a varchar column is printed as `name::text = ANY ((ARRAY['a'::varchar, 'b'::varchar])::text[])`.
Read again, the cast goes to the elements: `ARRAY[('a'::varchar)::text, ...]`. (transformTypeCast in parse_expr.c hands
the target type down to an ARRAY[] that stands directly under a cast; nothing else in a printed expression moves.) So an
object that is made from its printed definition would differ from the one that it was printed for.

Nor is `NULL::integer` in a view's `SELECT a, b FROM t UNION ALL SELECT c, NULL::integer FROM u`, where the cast came
from the other branch: read again, the column is named after the type (FigureColname in parse_target.c).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model.facts import Json

__all__ = ["alike", "faithful"]

_MARK = "(ARRAY["
_TOKEN = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | \$(\w*)\$.*?\$\1\$ | --[^\n]* | /\*.*?\*/ | \(ARRAY\[ | [\[\](),] | ::""",
    re.DOTALL | re.VERBOSE,
)
# A type as format_type prints it, maybe with a modifier: public."Kind", character varying(10), time(3) with time zone.
_TYPE = r'(?:(?:"(?:[^"]|"")+"|\w+)\.)?(?:"(?:[^"]|"")+"|\w+(?: (?:varying|precision))?)(?:\(\d+(?:,-?\d+)?\))?'
_ZONED = r"(?: (?:with|without) time zone)?"
_ARRAY_CAST = re.compile(rf"\)::({_TYPE}{_ZONED})\[\]")
_ELEMENT_CAST = re.compile(rf"::({_TYPE}{_ZONED})\s*")
_ANY = re.compile(r"(?:ANY|ALL) \($")
_OF_VIEW = re.compile(r"CREATE (?:OR REPLACE )?(?:\w+ )?VIEW ")
# A column of a SELECT that is a constant with a cast and without a name; texts in quotes are matched to be passed over.
_CONSTANT = rf"(?:NULL|'(?:[^']|'')*')::{_TYPE}{_ZONED}(?:\[\])*"
_NAMELESS = re.compile(
    rf"(?P<column>(?:\bSELECT (?:DISTINCT )?|,\n\s*){_CONSTANT})(?=,?\n|\))" + r"""|'(?:[^']|'')*'|"(?:[^"]|"")*\""""
)
_MODIFIER = re.compile(r"\(\d+(?:,-?\d+)?\)")
_NUMBER = re.compile(r"-?\d+(\.\d*)?")


class _CastArray(NamedTuple):
    """`(ARRAY[...])::type[]` in a text: its bounds, its elements' texts, and the type of the outer elements."""

    start: int
    end: int
    elements: tuple[str, ...]
    element_type: str | None
    type: str


def faithful(sql: str) -> str:
    """The statement, so written that Postgres reads back the expressions that it printed.

    A cast of the array to its own type, which leaves no trace, keeps the other cast away from the elements. Where that
    type is not to be seen, the array under ANY or ALL is left to be cast as the operator needs it.
    """
    if _OF_VIEW.match(sql):
        sql = _NAMELESS.sub(_named, sql)
    if _MARK not in sql:
        return sql
    text = sql
    for found in reversed(list(_cast_arrays(sql))):
        inside = text[found.start : text.rindex("::", found.start, found.end)]
        if found.element_type is None and found.type == "text" and _ANY.search(text, 0, found.start):
            text = f"{text[: found.start]}{inside}{text[found.end :]}"
        elif found.element_type is not None:
            text = f"{text[: found.start]}({inside}::{found.element_type}[])::{found.type}[]{text[found.end :]}"
    return text


def _named(found: re.Match[str]) -> str:
    """A column that got its cast from the other branches of a UNION has no name, and would be named after its type."""
    return found[0] if found["column"] is None else f'{found[0]} AS "?column?"'


def alike(one: str | None, other: str | None) -> bool:
    """Whether two definitions (canonical JSON) say the same, once Postgres has read both back from its own text."""
    if one == other:
        return True
    if one is None or other is None or "ARRAY[" not in one or "ARRAY[" not in other:
        return False
    return _normal(cast("Json", json.loads(one))) == _normal(cast("Json", json.loads(other)))


def _normal(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _normal(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_normal(each) for each in value]
    return _read_back(value) if isinstance(value, str) else value


def _read_back(text: str) -> str:
    while _MARK in text and (found := next(iter(_cast_arrays(text)), None)) is not None:
        elements = ", ".join(f"({element})::{found.type}" for element in found.elements)
        text = f"{text[: found.start]}ARRAY[{elements}]{text[found.end :]}"
    return text


def _cast_arrays(text: str) -> Iterator[_CastArray]:
    """The arrays under a cast that have no such array inside, in their order."""
    opened: list[tuple[str, int]] = []
    commas: list[list[int]] = []
    last_marked = -1
    for token in _TOKEN.finditer(text):
        what = token[0]
        if what == _MARK:
            opened += [("(", token.start()), ("[", token.end())]
            commas.append([])
            last_marked = token.start()
        elif what in ("(", "["):
            opened.append((what, -1))
        elif what == ",":
            if opened and opened[-1][0] == "[" and opened[-1][1] >= 0:
                commas[-1].append(token.start())
        elif what in (")", "]") and opened:
            _, place = opened.pop()
            if what == "]" and place >= 0:
                places = commas.pop()
                start = place - len(_MARK)
                outer = _ARRAY_CAST.match(text, token.end())
                if outer is not None and start == last_marked:
                    bounds = [place, *(comma + 1 for comma in places)], [*places, token.start()]
                    elements = tuple(text[a:b].strip() for a, b in zip(*bounds, strict=True))
                    yield _CastArray(start, outer.end(), elements, _type_of(elements), outer[1])


def _type_of(elements: tuple[str, ...]) -> str | None:
    """The type of the elements, where the text of the first says it; a modifier would be lost on the way."""
    first = elements[0]
    if (number := _NUMBER.fullmatch(first)) is not None:
        if number[1] is not None:
            return "numeric"
        return "integer" if -(2**31) <= int(first) < 2**31 else "bigint"
    if first in ("true", "false"):
        return "boolean"
    depth = 0
    place: int | None = None
    for token in _TOKEN.finditer(first):
        depth += (token[0] in ("(", "[")) - (token[0] in (")", "]"))
        if token[0] == "::" and depth == 0:
            place = token.start()
    if place is None:
        return None
    found = _ELEMENT_CAST.fullmatch(first, place)
    return found[1] if found is not None and _MODIFIER.search(found[1]) is None else None
